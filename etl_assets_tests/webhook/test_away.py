"""The database goes away and comes back: what was answered 2xx is in the table, once."""

import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl_assets.cli.main import main
from etl_assets.demo.server import EmbeddedPostgres, start_postgres
from etl_assets.webhook.serve import SPOOL_FOLDER
from etl_assets_tests.webhook.service import (
    SECRET,
    Service,
    new_id,
    running,
    signed,
    wait_until,
)

NOWHERE = "postgresql://me:c4n4ry@127.0.0.1:1/events"


@pytest.fixture
def own_server(tmp_path: Path) -> EmbeddedPostgres:
    """A server that the test stops and starts; its folder ends it."""
    server = start_postgres(tmp_path / "pg")
    server.ensure_database("events")
    return server


def files_of(home: Path) -> list[Path]:
    return list((home / SPOOL_FOLDER).iterdir())


def ids(service: Service) -> list[str]:
    return [row[1] for row in service.landed()]


def test_w2_what_comes_while_the_database_is_away_is_spooled_and_survives_a_kill(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    home, url = tmp_path / "home", own_server.url("events")
    settings = {"WEBHOOK_COMMIT_SECONDS": "2"}
    body = b'{"event_id": "%b"}'
    try:
        with running(home, url, **settings) as service:
            assert service.send(body % b"before").status == 200
            own_server.stop(immediately=True)
            call_id = new_id()
            answer = service.send(body % b"while away", call_id)
            assert (answer.status, answer.json) == (202, {"status": "spooled", "events": 1})
            assert service.send(body % b"while away", call_id).status == 202
            assert service.get("/ready").json == {"status": "spooling"}
            assert "webhook_database_up 0.0" in service.get("/metrics").text
            service.process.send_signal(signal.SIGKILL)
        assert len(files_of(home)) == 2
        assert {oct(file.stat().st_mode)[-3:] for file in files_of(home)} == {"600"}
        with running(home, url, **settings) as service:
            assert service.send(body % b"after the kill").status == 202
            start_postgres(own_server.data_dir)
            wait_until(lambda: len(ids(service)) == 3)
            assert ids(service) == ["after the kill", "before", "while away"]
            wait_until(lambda: service.get("/ready").json == {"status": "ok"})
            wait_until(lambda: not files_of(home))
            assert service.send(body % b"later").status == 200
            assert len(ids(service)) == 4
    finally:
        own_server.stop(immediately=True)


def test_w2_where_nothing_may_be_spooled_a_call_is_answered_503(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = {"WEBHOOK_WHEN_AWAY": "refuse", "WEBHOOK_RATE": "3"}
    with running(home, NOWHERE, **settings) as service:
        answer = service.send(b'{"a": 1}')
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        wait_until(lambda: service.get("/ready").status == 503)
        assert service.get("/health").status == 200
        assert files_of(home) == []
        statuses = [service.send(b'{"a": 1}') for _ in range(20)]
        (limited, *_) = [one for one in statuses if one.status == 429]
        assert int(limited.headers["retry-after"]) >= 1
    said = home.with_name("home.log").read_text()
    assert "is away: The database of events at 127.0.0.1:1" in said
    assert "c4n4ry" not in said


def test_w2_a_spool_that_is_full_or_gone_is_answered_503(tmp_path: Path) -> None:
    home, settings = tmp_path / "home", {"WEBHOOK_SPOOL_BYTES": "1300"}
    with running(home, NOWHERE, **settings) as service:
        body = b'{"a": "%b"}' % (b"x" * 500)
        assert [service.send(body).status for _ in range(3)] == [202, 503, 503]
        assert service.get("/ready").json == {"status": "spooling"}
        assert service.send(b'{"a": 1}').status == 202
        shutil.rmtree(home / SPOOL_FOLDER)
        assert service.send(b"{}").status == 503
    assert "nothing can be spooled" in home.with_name("home.log").read_text()


def test_a_call_that_is_being_sent_is_answered_before_the_service_ends(
    tmp_path: Path, database_url: str
) -> None:
    with running(tmp_path / "home", database_url) as service:
        assert service.send(b'{"event_id": "first"}').status == 200
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
            body = b'{"event_id": "last"}'
            head = "".join(f"{name}: {value}\r\n" for name, value in signed(body))
            client.sendall(
                f"POST /webhooks/shop HTTP/1.1\r\nhost: x\r\n{head}"
                f"content-length: {len(body)}\r\n\r\n".encode()
                + body[:5]
            )
            wait_until(lambda: service.get("/health").status == 200)
            service.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not accepts(service.port))
            client.sendall(body[5:])
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert service.process.wait(20) == 0
        assert ids(service) == ["first", "last"]


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("settings", "more", "says"),
    [
        ({}, ["--as-root"], "No source may send anything"),
        ({"WEBHOOK_SECRETS_SHOP": "c4n4ry"}, ["--as-root"], "WEBHOOK_SECRETS_SHOP has a secret"),
        ({"WEBHOOK_SCHEME_SHOP": "github"}, ["--as-root"], "WEBHOOK_SECRETS_SHOP is not"),
        ({"WEBHOOK_SECRETS_SHOP": ","}, ["--as-root"], "WEBHOOK_SECRETS_SHOP has no secret"),
        ({"WEBHOOK_SECRETS_SHOP": SECRET}, ["--as-root", "--host", "192.0.2.1"], "cannot listen"),
        ({"WEBHOOK_WHEN_AWAY": "c4n4ry"}, ["--as-root"], "WEBHOOK_WHEN_AWAY is neither"),
        ({"WEBHOOK_PORT": "c4n4ry"}, ["--as-root"], "WEBHOOK_PORT is not a number"),
        ({"WEBHOOK_SECRETS_SHOP": SECRET}, [], "does not run as root"),
    ],
)
def test_what_keeps_the_service_from_starting_is_one_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    more: list[str],
    says: str,
) -> None:
    if not more and os.geteuid() != 0:
        pytest.skip("only root is refused")
    monkeypatch.setenv("ETL_HOME", str(tmp_path))
    monkeypatch.setenv("EVENTS_DATABASE_URL", NOWHERE)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["webhook", "serve", "--port", "0", *more])
    assert done.exit_code == 1
    assert says in done.output
    assert "c4n4ry" not in done.output

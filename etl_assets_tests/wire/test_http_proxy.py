"""The proxy passes a client's requests on unchanged, and does to them what its rules say."""

import http.client
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from google.api_core.exceptions import GoogleAPICallError, InternalServerError, TooManyRequests
from google.cloud import bigquery
from requests.exceptions import ConnectionError as ConnectionBroken

from etl_assets_tests.bigquery_server import PROJECT, EmulatedBigQuery
from etl_assets_tests.wire.http_faults import Answer, Delay, DropAnswer, Fault, Hold, Reset, Rule
from etl_assets_tests.wire.http_proxy import HttpProxy

DATASETS = f"/bigquery/v2/projects/{PROJECT}/datasets"


@pytest.fixture
def proxy(bigquery_server: EmulatedBigQuery) -> Iterator[HttpProxy]:
    with HttpProxy(bigquery_server.rest_host) as proxy:
        yield proxy


@pytest.fixture
def client(bigquery_server: EmulatedBigQuery, proxy: HttpProxy) -> Iterator[bigquery.Client]:
    with bigquery_server.client(proxy.host) as client:
        yield client


@pytest.fixture
def direct(bigquery_server: EmulatedBigQuery) -> Iterator[bigquery.Client]:
    with bigquery_server.client() as client:
        yield client


@pytest.fixture
def dataset(direct: bigquery.Client, request: pytest.FixtureRequest) -> str:
    name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    direct.create_dataset(name)
    return name


def test_queries_loads_and_changes_come_through(
    proxy: HttpProxy, client: bigquery.Client, dataset: str
) -> None:
    file = io.BytesIO()
    pl.DataFrame({"number": range(1000)}).write_parquet(file)
    file.seek(0)
    parquet = bigquery.LoadJobConfig(source_format=bigquery.SourceFormat.PARQUET)
    client.load_table_from_file(file, f"{dataset}.numbers", job_config=parquet).result()
    (row,) = client.query_and_wait(f"SELECT SUM(number) FROM {dataset}.numbers")
    assert row[0] == sum(range(1000))

    table = client.get_table(f"{dataset}.numbers")
    table.description = "numbers"
    client.update_table(table, ["description"])
    assert client.get_table(table).description == "numbers"
    client.delete_table(table)
    assert list(client.list_tables(dataset)) == []

    assert {seen.method for seen in proxy.requests} == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert proxy.faulted() == []


def test_every_chunk_of_a_resumable_upload_comes_by(
    proxy: HttpProxy, client: bigquery.Client, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigquery.client, "_DEFAULT_CHUNKSIZE", 1 << 20)
    rows = b"".join(b'{"number": %d, "text": "%s"}\n' % (n, b"x" * 100) for n in range(20_000))
    json_lines = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON, autodetect=True
    )
    job = client.load_table_from_file(io.BytesIO(rows), f"{dataset}.numbers", job_config=json_lines)
    job.result()
    assert job.output_rows == 20_000
    chunks = [seen for seen in proxy.requests if seen.method == "PUT"]
    assert len(chunks) > 2
    assert b"".join(seen.body for seen in chunks) == rows


@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        (Answer(500), InternalServerError, "backendError"),
        (Answer(503), GoogleAPICallError, "backendError"),
        (Answer(429), TooManyRequests, "rateLimitExceeded"),
    ],
)
def test_an_error_is_googles_and_the_server_is_not_asked(
    proxy: HttpProxy,
    client: bigquery.Client,
    direct: bigquery.Client,
    fault: Fault,
    error: type[GoogleAPICallError],
    reason: str,
) -> None:
    proxy.add(Rule(fault, "POST", "/datasets"))
    with pytest.raises(error) as raised:
        client.create_dataset("never_made", retry=None)
    assert raised.value.errors[0]["reason"] == reason
    assert "never_made" not in [found.dataset_id for found in direct.list_datasets()]


def test_the_client_tries_again_after_an_error(proxy: HttpProxy, client: bigquery.Client) -> None:
    rule = proxy.add(Rule(Answer(503), "GET", "/datasets", times=2))
    assert list(client.list_datasets()) is not None
    assert [seen.rule for seen in proxy.requests] == [rule, rule, None]


def test_of_a_dropped_answer_only_the_answer_is_lost(
    proxy: HttpProxy, client: bigquery.Client, direct: bigquery.Client
) -> None:
    proxy.add(Rule(DropAnswer(), "POST", "/datasets"))
    with pytest.raises(ConnectionBroken, match="closed connection without response"):
        client.create_dataset("made_unheard", retry=None)
    assert direct.get_dataset("made_unheard")


def test_a_reset_request_never_arrives(
    proxy: HttpProxy, client: bigquery.Client, direct: bigquery.Client
) -> None:
    proxy.add(Rule(Reset(), "POST", "/datasets"))
    with pytest.raises(ConnectionBroken, match="Connection reset"):
        client.create_dataset("reset", retry=None)
    assert "reset" not in [found.dataset_id for found in direct.list_datasets()]
    client.create_dataset("reset", retry=None)


def test_a_rule_is_for_its_body_and_its_turn(proxy: HttpProxy, client: bigquery.Client) -> None:
    one = proxy.add(Rule(Reset(), "POST", body=lambda body: b"SELECT 1" in body, skip=1))
    other = proxy.add(Rule(Reset(), "POST", body=lambda body: b"SELECT" in body, skip=2))
    for number in (1, 2, 1, 2):
        client.query_and_wait(f"SELECT {number}")
    assert [seen.rule for seen in proxy.requests if seen.method == "POST"] == (
        [None, None, one, other, None, None]
    ), "the client asks again after a reset, and its third and fourth requests are reset"


@pytest.mark.parametrize("done", [False, True])
def test_a_request_is_held_before_or_after_the_server_has_done_it(
    proxy: HttpProxy, client: bigquery.Client, direct: bigquery.Client, done: bool
) -> None:
    hold, name = Hold(done=done), f"held_{done}"
    proxy.add(Rule(hold, "POST", r"/datasets\?"))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.create_dataset, name)
        hold.wait()
        assert (name in [found.dataset_id for found in direct.list_datasets()]) is done
        assert not call.done()
        hold.release.set()
        assert call.result(30).dataset_id == name


def test_a_closing_proxy_lets_go_of_what_it_holds_or_delays(
    bigquery_server: EmulatedBigQuery,
) -> None:
    hold, delay, before = Hold(), Delay(600), set(threading.enumerate())
    with ThreadPoolExecutor(2) as pool:
        with HttpProxy(
            bigquery_server.rest_host, Rule(hold, path="held"), Rule(delay, path="late")
        ) as proxy:
            calls = [pool.submit(_get, proxy.host, f"/{name}") for name in ("held", "late")]
            hold.wait()
        for call in calls:
            assert call.exception(30) is not None or call.result() == 404
    assert not set(threading.enumerate()) - before


def test_a_dead_server_is_a_broken_connection(bigquery_server: EmulatedBigQuery) -> None:
    with (
        HttpProxy("127.0.0.1:1") as proxy,
        bigquery_server.client(proxy.host) as client,
        pytest.raises(ConnectionBroken),
    ):
        list(client.list_datasets(retry=None))


def test_one_connection_serves_many_requests_of_any_form(proxy: HttpProxy) -> None:
    connection = http.client.HTTPConnection(proxy.host, timeout=30)
    connection.connect()
    socket = connection.sock
    dataset = {"datasetReference": {"projectId": PROJECT, "datasetId": "chunked"}}
    as_json = {"Content-Type": "application/json"}
    pieces = iter([json.dumps(dataset)[:20].encode(), json.dumps(dataset)[20:].encode()])
    for method, path, body, headers in [
        ("GET", DATASETS, None, {}),
        ("POST", DATASETS, pieces, as_json),
        ("HEAD", f"{DATASETS}/chunked", None, {}),
        ("PATCH", f"{DATASETS}/chunked", b'{"description": "d"}', as_json),
        ("DELETE", f"{DATASETS}/chunked", None, {}),
    ]:
        connection.request(method, path, body, headers, encode_chunked=body is pieces)
        with connection.getresponse() as response:
            response.read()
            assert response.status in {200, 204, 405}, method
        assert connection.sock is socket, "the connection was not kept"
    connection.close()
    assert proxy.requests[1].body == json.dumps(dataset).encode()


def _get(host: str, path: str) -> int:
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.status
    finally:
        connection.close()

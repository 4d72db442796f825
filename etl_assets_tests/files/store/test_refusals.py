"""What a store refuses, or does not answer, is an error that says what to do."""

import os
import signal
import socket
import threading

import pytest
from obstore.exceptions import GenericError

from etl_assets.core.errors import (
    SourceError,
    SourceUnavailable,
)
from etl_assets.sources.files.failures import classify
from etl_assets.sources.files.location import parse_location
from etl_assets.sources.files.store import open_store
from etl_assets_tests.files.store.objects import (
    MANY_KEYS,
    SECRET,
    behind,
    content,
    keys,
    listed,
    only,
)
from etl_assets_tests.s3_server import S3Server
from etl_assets_tests.wire.http_faults import (
    Hold,
    Rule,
    S3Answer,
)
from etl_assets_tests.wire.http_proxy import HttpProxy


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (S3Answer(403, "AccessDenied"), "Grant the account s3:ListBucket"),
        (S3Answer(403, "InvalidAccessKeyId"), "Check AWS_ACCESS_KEY_ID"),
        (S3Answer(403, "SignatureDoesNotMatch"), "Check AWS_ACCESS_KEY_ID"),
        (S3Answer(400, "ExpiredToken"), "have expired"),
        (S3Answer(403, "RequestTimeTooSkewed"), "Set the clock"),
        (S3Answer(301, "PermanentRedirect"), "Set AWS_REGION"),
    ],
    ids=lambda given: given.code if isinstance(given, S3Answer) else "",
)
def test_a_refusal_says_what_to_do_and_no_secret(
    s3: S3Server, proxy: HttpProxy, bucket: str, answer: S3Answer, says: str
) -> None:
    s3.put(bucket, "in/a", b"x")
    store = behind(proxy, s3, bucket, "in")
    stored = only(store)
    proxy.add(Rule(answer, times=None))
    for asked in (lambda: listed(store), lambda: content(store, stored)):
        with pytest.raises(SourceError, match=says) as caught:
            asked()
        told = str(caught.value)
        assert f"s3://{bucket}/in" in told
        assert answer.code in told
        assert SECRET not in told
        assert "Error {" not in told
        assert not caught.value.__context__
    assert '"a"' in told


@pytest.mark.parametrize(
    "words",
    [
        "Error performing PUT http://169.254.169.254/latest/api/token in 1s - HTTP error: error",
        "Error performing GET http://169.254.169.254/x in 1s - Server returned non-2xx status "
        "code: 403 Forbidden: no",
    ],
)
def test_a_machine_without_credentials_is_told_what_to_set(words: str) -> None:
    """The words are obstore's; no test may ask the machine that it runs on for credentials."""
    error = classify(GenericError(f"Generic S3 error: {words}"), parse_location("s3://bucket/in"))
    assert isinstance(error, SourceError)
    assert "Set AWS_ACCESS_KEY_ID" in str(error)


def test_a_bucket_that_is_not_there_is_no_empty_one(s3: S3Server) -> None:
    store = open_store(s3.settings("no-such-bucket", patience=1))
    with pytest.raises(SourceError, match=r"NoSuchBucket.*create the bucket"):
        listed(store)


def test_a_bucket_that_is_gone_is_no_object_that_is_gone(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "a", b"x")
    stored = only(open_store(s3.settings(bucket)))
    with pytest.raises(SourceError, match="NoSuchBucket"):
        content(open_store(s3.settings("no-such-bucket", patience=1)), stored)


def test_a_server_that_is_not_there_is_unavailable(s3: S3Server, bucket: str) -> None:
    s3.put(bucket, "a", b"x")
    stored = only(open_store(s3.settings(bucket)))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        store = open_store(s3.settings(bucket, endpoint=nobody, patience=0.5))
        with pytest.raises(SourceUnavailable, match="OBJECT_STORE_ENDPOINT") as caught:
            listed(store)
        assert caught.value.retryable
        with pytest.raises(SourceUnavailable):
            content(store, stored)


def test_a_store_is_listed_by_several_threads_at_once(s3: S3Server) -> None:
    store, found = open_store(s3.settings("many", "orders")), []
    threads = [threading.Thread(target=lambda: found.append(keys(store))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [MANY_KEYS] * 3


@pytest.mark.parametrize("ask", ["list", "read"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_wait_for_a_store_that_does_not_answer(
    s3: S3Server, proxy: HttpProxy, bucket: str, ask: str, how: signal.Signals
) -> None:
    s3.put(bucket, "a", b"x")
    store = behind(proxy, s3, bucket, "", patience=5)
    stored, hold = only(store), Hold()
    proxy.add(Rule(hold, times=None))
    sender = threading.Thread(target=lambda: (hold.wait(), os.kill(os.getpid(), how)))
    before = signal.signal(how, signal.default_int_handler)
    try:
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            listed(store) if ask == "list" else content(store, stored)
        assert not hold.over.is_set(), "it waited for the answer"
    finally:
        sender.join()
        signal.signal(how, before)

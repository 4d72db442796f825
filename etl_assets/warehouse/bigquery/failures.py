"""What BigQuery's errors mean: which pass by themselves, and what the others ask of a person.

The service's messages quote values, so ours name reasons and jobs: `bq show -j JOB` tells the rest.
"""

from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager

import requests.exceptions
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.auth import exceptions as auth

from etl_assets.core.errors import EtlError, WarehouseError, WarehouseUnavailable

# https://cloud.google.com/bigquery/docs/error-messages
_PASSING_REASONS = {
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "rateLimitExceeded",
    "tableUnavailable",
}
CONNECTION_ERRORS = (
    ConnectionError,
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.Timeout,
    auth.TransportError,
)
_PASSING = (
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    *CONNECTION_ERRORS,
)
# Of two transactions that change one table at once the service ends one, and says so in words only.
# The last two are the emulator's.
_CONFLICTS = (
    "concurrent update",
    "Transaction is aborted",
    "transaction conflict",
    "Failed to commit",
)
_NEXT_STEPS = {
    "accessDenied": "Grant the account roles/bigquery.jobUser on the project and "
    "roles/bigquery.dataEditor on the datasets.",
    "bytesBilledLimitExceeded": "Raise maximum_bytes_billed in WAREHOUSE_URL, or load fewer days.",
    "quotaExceeded": "Wait until the quota is refilled, or ask for more in the Cloud console.",
    "notFound": "Check project, dataset_prefix and location in WAREHOUSE_URL.",
    "stopped": "It ran longer than job_timeout_seconds, or somebody cancelled it. Run it again.",
}


def reason_of(error: BaseException) -> str:
    """The service's one-word reason, or what kind of trouble it was."""
    listed = getattr(error, "errors", None) or []
    for item in listed:
        if isinstance(item, dict) and item.get("reason"):
            return str(item["reason"])
    return type(error).__name__


def is_conflict(error: BaseException) -> bool:
    """Whether a transaction lost against another one."""
    return any(words in str(error) for words in _CONFLICTS)


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    return isinstance(error, _PASSING) or reason_of(error) in _PASSING_REASONS or is_conflict(error)


def request_retry(seconds: float) -> Retry:
    """The library's retry for single requests that may be repeated, over as many seconds."""
    return Retry(predicate=may_pass, initial=0.2, maximum=5, multiplier=2, timeout=seconds)


def polling_retry(seconds: float) -> Retry:
    """The same for asking after a job: that it lost to another transaction is its last word."""

    def passes(error: BaseException) -> bool:
        return may_pass(error) and not is_conflict(error)

    return Retry(predicate=passes, initial=0.2, maximum=5, multiplier=2, timeout=seconds)


@contextmanager
def bigquery_errors(doing: str) -> Iterator[None]:
    """Turn what Google's libraries raise while `doing` into our errors."""
    try:
        yield
    except (
        exceptions.GoogleAPIError,
        auth.GoogleAuthError,
        requests.exceptions.RequestException,
        ConnectionError,
        FutureTimeout,
    ) as error:
        raise _told(error, doing) from None


def _told(error: BaseException, doing: str) -> EtlError:
    job = getattr(error, "job_id", None) or getattr(error, "etl_job_id", None)
    named = f", job {job}" if job else ""
    if isinstance(error, auth.RefreshError):
        return WarehouseError(
            f"Google refused the credentials while {doing}.",
            "Log in again (`gcloud auth application-default login`), or renew the account's key.",
        )
    if is_conflict(error):
        return WarehouseUnavailable(
            f"Other runs kept changing the same table while {doing}{named}; nothing was published.",
            "Run it again when they are done.",
        )
    if may_pass(error) or isinstance(error, exceptions.RetryError | FutureTimeout):
        return WarehouseUnavailable(
            f"BigQuery could not be reached, or was unable to answer, while {doing} "
            f"({reason_of(error)}{named}).",
            "Run it again; what was published is as it was, or wholly replaced.",
        )
    reason = reason_of(error)
    shown = f"; `bq show -j {job}` tells more" if job else ""
    return WarehouseError(
        f"BigQuery refused while {doing} (reason {reason}{named}).",
        _NEXT_STEPS.get(reason, f"Nothing was published{shown}."),
    )

"""How BigQuery is for us: whether it answers, what our account may, and which limits are set.

Nothing is written and nothing is billed: datasets are listed, and a query is only tried dry.
"""

from collections.abc import Callable, Iterator, Sequence

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.api_core.retry import Retry
from google.cloud import bigquery

from etl_assets.core.findings import Finding, Level
from etl_assets.core.wording import count_of
from etl_assets.warehouse.bigquery.options import BigQueryOptions

_ROLES = (
    "Run: gcloud projects add-iam-policy-binding {project} --member=<account> "
    "--role=roles/bigquery.{role}."
)


def findings(
    client: bigquery.Client,
    options: BigQueryOptions,
    retry: Retry,
    where: str,
    layers: Sequence[str],
) -> Iterator[Finding]:
    """What is found, each request tried again as `retry` says.

    Raises Google's errors where the service cannot be asked at all.
    """
    there = _datasets(client, options, retry, [*layers, "etl"])
    wrong = {name: place for name, place in there.items() if _is_elsewhere(place, options)}
    if wrong:
        yield Finding(
            where,
            "location",
            ", ".join(f"{name} is in {place}" for name, place in wrong.items()),
            Level.ERROR,
            "A query cannot read datasets of two locations, so nothing can be published.",
            "Write that location into WAREHOUSE_URL: &location=….",
        )
    yield Finding(where, "datasets", ", ".join(there) or "none yet: publications make them")
    yield _may_query(client, retry, where)
    yield _bound(
        where,
        "maximum_bytes_billed",
        options.maximum_bytes_billed,
        "A query that reads a whole table by mistake is billed whole.",
    )


def _datasets(
    client: bigquery.Client, options: BigQueryOptions, retry: Retry, layers: Sequence[str]
) -> dict[str, str]:
    """The location of each of our datasets that is there."""
    found = {}
    for layer in layers:
        name = f"{options.dataset_prefix}{layer}"
        try:
            found[name] = str(client.get_dataset(name, retry=retry).location or "")
        except NotFound:
            continue
    return found


def _is_elsewhere(place: str, options: BigQueryOptions) -> bool:
    wanted = options.location
    return bool(wanted and place) and place.lower() != str(wanted).lower()


def _may_query(client: bigquery.Client, retry: Retry, where: str) -> Finding:
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    return _tried(
        where,
        "jobs",
        lambda: client.query("SELECT 1", job_config=config, retry=retry, job_retry=None),
        _ROLES.format(project=client.project, role="jobUser"),
    )


def _tried(where: str, check: str, act: Callable[[], object], next_step: str) -> Finding:
    try:
        act()
    except GoogleAPICallError as error:
        found = f"refused ({int(error.code) if error.code else 'unknown'})"
        cost = "Neither loads nor queries can be run."
        return Finding(where, check, found, Level.ERROR, cost, next_step)
    return Finding(where, check, "the account may run them")


def _bound(where: str, name: str, value: int | None, cost: str) -> Finding:
    if value:
        return Finding(where, name, f"{count_of(value, 'byte')}")
    step = f"Write a bound into WAREHOUSE_URL: &{name}=100000000000."
    return Finding(where, name, f"{name} is not set", Level.WARNING, cost, step)

"""What a `bigquery://` URL says: project, names, limits. Nothing is connected here."""

import re
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from etl_assets.core.errors import ConfigError

_PREFIX = re.compile(r"[A-Za-z0-9_]{0,200}")
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*|")


@dataclass(frozen=True)
class BigQueryOptions:
    """The parameters of the URL.

    `project` None is the one of the credentials. Layers become datasets, named `dataset_prefix`
    and the layer, made in `location`. `require_partition_filter` makes new tables refuse queries
    that would scan every day. `maximum_bytes_billed` bounds each query job, `job_timeout_seconds`
    every job. With `bucket` (`name` or `name/folder`) files are loaded from there instead of being
    uploaded into the job. `read` is `storage` or `rest`. `environment` and
    `staging_prefix` are no parameters of the URL: production that is read from an environment has
    keys staged in the environment's dataset.
    """

    project: str | None = None
    dataset_prefix: str = ""
    location: str | None = None
    require_partition_filter: bool = False
    maximum_bytes_billed: int | None = None
    job_timeout_seconds: int = 3600
    bucket: str | None = None
    read: str = "storage"
    staging_prefix: str | None = None
    environment: str | None = None

    @property
    def is_read_only(self) -> bool:
        """Whether it is production as an environment has it."""
        return self.staging_prefix is not None

    @property
    def prefix_of_staging(self) -> str:
        """What the name of the dataset begins with that rows are staged in."""
        return self.dataset_prefix if self.staging_prefix is None else self.staging_prefix


def parse_url(url: str) -> BigQueryOptions:
    """The options of `bigquery://project?dataset_prefix=…&location=EU`; raises ConfigError."""
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _wrong("is not a URL") from None
    if parts.path.strip("/") or parts.fragment or not _PROJECT.fullmatch(parts.netloc):
        raise _wrong("names no project")
    known = [field.name for field in fields(BigQueryOptions)][1:-2]
    unknown = [name for name, _ in given if name not in known]
    if unknown:
        raise _wrong(f"has a parameter {unknown[0]!r}; there are {', '.join(known)}")
    values: dict[str, Any] = {name: _parsed(name, text) for name, text in given}
    return BigQueryOptions(project=parts.netloc or None, **values)


def _parsed(name: str, text: str) -> str | int | bool:
    if name == "require_partition_filter" and text in {"true", "false"}:
        return text == "true"
    if name in {"maximum_bytes_billed", "job_timeout_seconds"}:
        if text.isdecimal() and int(text) > 0:
            return int(text)
    elif (
        (name == "dataset_prefix" and _PREFIX.fullmatch(text))
        or (name == "read" and text in {"storage", "rest"})
        or (name in {"location", "bucket"} and text)
    ):
        return text
    raise _wrong(f"has a {name} that cannot be")


def _wrong(what: str) -> ConfigError:
    return ConfigError(
        f"WAREHOUSE_URL {what}.",
        "Write bigquery://project?dataset_prefix=analytics_&location=EU; "
        "docs/warehouses.md lists the parameters.",
    )

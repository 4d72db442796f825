"""The settings of one part of the platform each: names and defaults.

What a setting means to its part is documented there; those of the whole are `settings.py`.
"""

from collections.abc import Mapping

from pydantic import Field

from etl_assets.config.values import (
    Connections,
    Count,
    Names,
    Part,
    Port,
    Seconds,
    WhenAway,
    WholeSeconds,
    variables,
)
from etl_assets.core.http_connections import HttpConnection


class WarehousePool(Part):
    """Connections that a process keeps to a PostgreSQL warehouse; times in seconds.

    The defaults are the events system's. `size` are kept, `overflow` more may be open for a while,
    `timeout` bounds the wait for one, and none is used for longer than `recycle`.
    """

    model_config = variables("ETL_WAREHOUSE_POOL_")

    size: Connections = 20
    overflow: Connections = 10
    timeout: Seconds = Field(default=30, validation_alias="ETL_WAREHOUSE_POOL_TIMEOUT_SECONDS")
    recycle: WholeSeconds = Field(
        default=1800, validation_alias="ETL_WAREHOUSE_POOL_RECYCLE_SECONDS"
    )


class SyncSettings(Part):
    """How tables sync; times in seconds.

    A chunk holds at most so many rows and bytes. `lag` is how far the position stays behind the
    source's clock where open transactions cannot be seen, `max_hold` how long one of them may hold
    it back before it is passed over. `patience` is how long trouble that may pass is sat out.
    `late_days` is how many derived days a tick of the sensor has made again at most.
    """

    model_config = variables("ETL_SYNC_")

    chunk_rows: Count = 50_000
    chunk_bytes: Count = 64 << 20
    lag: Seconds = Field(default=600, validation_alias="ETL_SYNC_LAG_SECONDS")
    max_hold: Seconds = Field(default=86_400, validation_alias="ETL_SYNC_MAX_HOLD_SECONDS")
    patience: Seconds = Field(default=120, validation_alias="ETL_SYNC_PATIENCE_SECONDS")
    late_days: Count = Field(default=30, validation_alias="ETL_LATE_DAYS_A_TICK")


class ObjectStoreSettings(Part):
    """The object store that tables of files are read from; times in seconds.

    `url` is the store of tables that name none. `endpoint` is the server of an S3, GCS or Azure
    that is not the cloud's own, such as MinIO; without TLS only where it says http://. `connect`
    bounds connecting and `idle` the wait for the next byte; `patience` is how long a request, a
    listing or a read that gets no further is tried again.
    `credentials` are the variables of the clouds (AWS_, AZURE_, GCP_, GOOGLE_) by their names.
    """

    model_config = variables("OBJECT_STORE_")

    url: str | None = Field(default=None, repr=False)
    endpoint: str | None = Field(default=None, repr=False)
    connect: Seconds = Field(default=5, validation_alias="OBJECT_STORE_CONNECT_SECONDS")
    idle: Seconds = Field(default=30, validation_alias="OBJECT_STORE_IDLE_SECONDS")
    patience: Seconds = Field(default=120, validation_alias="OBJECT_STORE_PATIENCE_SECONDS")
    credentials: Mapping[str, str] = Field(default_factory=dict, repr=False)


class HttpSettings(Part):
    """The HTTP APIs that tables are read from; times in seconds.

    `apis` are HTTP_API_URL_<NAME> and what else is said of a connection, by its name. `connect`
    bounds connecting, `idle` the wait for the next byte, `answer` a whole answer; `patience` is how
    long a request that gets no good answer is tried again. `recent_days` is how many of the last
    days a poll loads, today among them. `resume` is how long the pages of a load that broke off are
    kept for the next one, 0 for not at all.
    """

    model_config = variables("HTTP_API_")

    apis: Mapping[str, HttpConnection] = Field(default_factory=dict, repr=False)
    recent_days: Count = 2
    connect: Seconds = Field(default=5, validation_alias="HTTP_API_CONNECT_SECONDS")
    idle: Seconds = Field(default=30, validation_alias="HTTP_API_IDLE_SECONDS")
    answer: Seconds = Field(default=300, validation_alias="HTTP_API_ANSWER_SECONDS")
    patience: Seconds = Field(default=120, validation_alias="HTTP_API_PATIENCE_SECONDS")
    resume: Seconds = Field(default=900, validation_alias="HTTP_API_RESUME_SECONDS")


class FilesSettings(Part):
    """How the sensors of tables of files look at the store; times in seconds.

    The last `recent_days` days are listed at each tick where they have folders of their own, all
    else every `sweep` seconds, 0 at each tick. None is 0 for a folder of this machine and an hour
    for a bucket. A listing that takes longer than `tick` goes on at the next tick.
    """

    model_config = variables("ETL_FILES_")

    recent_days: Count = 7
    sweep: Seconds | None = Field(default=None, validation_alias="ETL_FILES_SWEEP_SECONDS")
    tick: Seconds = Field(default=30, validation_alias="ETL_FILES_TICK_SECONDS")


class WebhookSource(Part):
    """A partner that sends webhooks: its secrets, all of which are good, and its scheme."""

    model_config = variables("")

    secrets: Names = Field(repr=False)
    scheme: str = "standard"


class WebhookSettings(Part):
    """The webhook service; times in seconds.

    `sources` are those who may send, by the name in the path: WEBHOOK_SECRETS_<SOURCE> and
    WEBHOOK_SCHEME_<SOURCE>. A body has at most `body_bytes` and must be sent within `read`; a
    source may make `rate` calls a second. A call waits for the database for `commit` at most; then,
    with `when_away` "spool", it is kept in `spool_bytes` of disk, and with "refuse" answered 503.
    """

    model_config = variables("WEBHOOK_")

    host: str = "127.0.0.1"
    port: Port = 8080
    sources: Mapping[str, WebhookSource] = Field(default_factory=dict)
    body_bytes: Count = 1 << 20
    read: Seconds = Field(default=10, validation_alias="WEBHOOK_READ_SECONDS")
    commit: Seconds = Field(default=5, validation_alias="WEBHOOK_COMMIT_SECONDS")
    rate: Count = 2_000
    when_away: WhenAway = "spool"
    spool_bytes: Count = 1 << 30

"""The SQLAlchemy engine of the source database, and what its errors mean.

No query stands here. Messages are made of SQLSTATEs and names: never of a URL, which may hold
a password.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL

from etl_assets.core.errors import ConfigError, EtlError, SourceError, SourceUnavailable

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}

TLS = "TLS"
_WHAT_TO_DO = {
    TLS: "Add sslrootcert=<file of the server's CA> to DATABASE_URL, or another sslmode.",
    "25006": "Take what writes out of the view: the source is read in a read-only transaction.",
    "28P01": "Check the user and the password in DATABASE_URL.",
    "28000": "Check the user in DATABASE_URL and the server's pg_hba.conf.",
    "3D000": "Check the database's name in DATABASE_URL.",
    "3F000": "Check the schema's name in etl_assets/tables/, or create the schema.",
    "42501": "Grant the role CONNECT on the database, USAGE on the schema, SELECT on the table.",
    "42P01": "Check the table's name in etl_assets/tables/, or create the table.",
    "42703": "Compare the contract in etl_assets/tables/ with the source table.",
    "42809": "Read it by way of a view: what is no table or view cannot be locked against change.",
    "57014": "Raise ETL_STATEMENT_TIMEOUT_SECONDS if that keeps happening, or index the table's "
    "partition column; then run it again.",
}
# Connection trouble, shutdowns, timeouts, conflicts with recovery and lack of resources (C15).
RETRYABLE = ("08", "25P03", "40", "53", "55", "57")
# The server's own words there are names and settings; elsewhere (22, P0) they may quote a value.
_QUOTABLE = ("25", "28", "3D", "3F", "40", "42", "53", "55", "57")
# A refusal to connect comes without a SQLSTATE: only with the server's or libpq's words.
_REFUSALS = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "pg_hba.conf": "28000",
    'FATAL:  role "': "28000",
    "permission denied for database": "42501",
    "too many clients": "53300",
    "too many connections": "53300",
    "remaining connection slots": "53300",
    "starting up": "57P03",
    "shutting down": "57P03",
    'FATAL:  database "': "3D000",
    "certificate": TLS,
    "does not support SSL": TLS,
}


@dataclass(frozen=True)
class PoolSettings:
    """The pool's sizes, and times in seconds; the defaults are the orders system's.

    `timeout` bounds the wait for a connection of the pool, `statement_timeout` a single statement
    on the server, 0 for no bound.
    """

    size: int = 5
    max_overflow: int = 10
    timeout: float = 30
    recycle: int = 3600
    connect_timeout: int = 10
    statement_timeout: int = 3600


def postgres_url(text: str, *, driver: str = "psycopg", setting: str = "DATABASE_URL") -> URL:
    """The URL with our driver; raises ConfigError, which never repeats what was given."""
    url: URL | None
    try:
        url = sa.make_url(text)
    except Exception:  # it may quote the password, so ours is raised outside, without context
        url = None
    # A password with a bare @, : or / ends up in what is taken for the host or the database.
    if (
        url is None
        or url.drivername.split("+")[0] not in {"postgresql", "postgres"}
        or "@" in f"{url.host}{url.database}"
        or _BAD_ESCAPE.search(text)
    ):
        raise ConfigError(
            f"{setting} is not a PostgreSQL URL.",
            "Write postgresql://user:password@host:5432/database, "
            "with special characters of the password percent-encoded (@ is %40, % is %25).",
        )
    url = url.set(drivername=f"postgresql+{driver}")
    if _is_local(url) or "sslmode" in url.query:
        return url
    # `require` accepts any certificate; only verify-full checks whom we talk to.
    return url.update_query_dict(
        {"sslmode": "verify-full", "sslrootcert": url.query.get("sslrootcert", _system_roots())}
    )


def _is_local(url: URL) -> bool:
    hosts: list[str] = [url.host] if url.host else []
    for name in ("host", "hostaddr"):  # one, several with commas, or the parameter several times
        given = url.query.get(name, ())
        hosts += [
            h for text in ([given] if isinstance(given, str) else given) for h in text.split(",")
        ]
    return all(host in _LOCAL_HOSTS or host.startswith("/") for host in hosts)


def _system_roots() -> str:
    # libpq's own "system" looks where psycopg's wheel was built, in a folder that nobody has.
    found = ssl.get_default_verify_paths().cafile
    return found if found and Path(found).exists() else "system"


def make_engine(
    url: str,
    pool: PoolSettings,
    *,
    application_name: str = "etl_assets",
    setting: str = "DATABASE_URL",
) -> sa.Engine:
    """An engine that notices dead connections before they hurt; nothing is connected yet.

    `setting` is the variable that `url` comes from, for ConfigError.
    """
    return sa.create_engine(
        postgres_url(url, setting=setting),
        pool_pre_ping=True,
        pool_recycle=pool.recycle,
        pool_size=pool.size,
        max_overflow=pool.max_overflow,
        pool_timeout=pool.timeout,
        connect_args={
            "application_name": application_name,
            "connect_timeout": pool.connect_timeout,
            "client_encoding": "utf8",
            "prepare_threshold": None,  # PgBouncer may hand the next transaction another server
        },
        hide_parameters=True,
    )


@contextmanager
def source_errors(doing: str) -> Iterator[None]:
    """Turn what psycopg and SQLAlchemy raise while `doing` into our errors."""
    try:
        yield
        return
    except sa.exc.DBAPIError as error:
        ours = classify(error.orig, doing)
    except psycopg.Error as error:
        ours = classify(error, doing)
    try:
        raise ours
    finally:
        # The driver's error holds its connection, and that the password: not even as a context.
        ours.__context__ = None


def classify(error: BaseException | None, doing: str) -> EtlError:
    """Our error for a driver's: by SQLSTATE where the server answered, else by what libpq says."""
    state = sqlstate_of(error)
    if state is None:
        return SourceUnavailable(
            f"The source database could not be reached, or broke off, while {doing}.",
            "Check that the server of DATABASE_URL runs and can be reached from here, "
            "then run it again.",
        )
    if state == TLS:
        return SourceError(f"No trusted TLS connection came about while {doing}.", _WHAT_TO_DO[TLS])
    what = f"PostgreSQL refused while {doing} (SQLSTATE {state}{server_words(error, state)})."
    if state.startswith(RETRYABLE):
        again = "Run it again; nothing published was touched."
        return SourceUnavailable(what, _WHAT_TO_DO.get(state, again))
    return SourceError(what, _WHAT_TO_DO.get(state, "Look the SQLSTATE up, then run it again."))


def sqlstate_of(error: BaseException | None) -> str | None:
    """The SQLSTATE, or TLS; None where the server could not be reached or broke off."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        words = str(error)
        state = next((code for phrase, code in _REFUSALS.items() if phrase in words), None)
    return state


def server_words(error: BaseException | None, state: str) -> str:
    """`: ` and the server's own message, nothing where it may quote a value."""
    detail = getattr(getattr(error, "diag", None), "message_primary", None)
    return f": {detail}" if detail and state.startswith(_QUOTABLE) else ""

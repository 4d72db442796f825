"""The SQLAlchemy engine of the source database, and what its errors mean.

No query stands here. Messages are made of SQLSTATEs and names: never of a URL, which may hold
a password.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL

from etl_assets.core.errors import ConfigError, EtlError, SourceError, SourceUnavailable

_LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}

_WHAT_TO_DO = {
    "28P01": "Check the user and the password in DATABASE_URL.",
    "28000": "Check the user in DATABASE_URL and the server's pg_hba.conf.",
    "3D000": "Check the database's name in DATABASE_URL.",
    "42501": "Grant the role SELECT on the table.",
    "42P01": "Check the table's name in etl_assets/tables/, or create the table.",
    "42703": "Compare the contract in etl_assets/tables/ with the source table.",
}
# Connection trouble, shutdowns, timeouts, conflicts with recovery and lack of resources (C15).
_RETRYABLE_CLASSES = ("08", "40", "53", "55", "57")


@dataclass(frozen=True)
class PoolSettings:
    """The pool's sizes, and times in seconds; the defaults are the orders system's.

    `statement_timeout` bounds a single statement on the server, 0 for no bound.
    """

    size: int = 5
    max_overflow: int = 10
    recycle: int = 3600
    connect_timeout: int = 10
    statement_timeout: int = 3600


def postgres_url(text: str, *, driver: str = "psycopg", setting: str = "DATABASE_URL") -> URL:
    """The URL with our driver; raises ConfigError, which never repeats what was given."""
    try:
        url = sa.make_url(text)
        scheme = url.get_backend_name()
    except Exception:
        scheme = ""
    if scheme not in {"postgresql", "postgres"}:
        raise ConfigError(
            f"{setting} is not a PostgreSQL URL.",
            "Write postgresql://user:password@host:5432/database, "
            "with special characters of the password percent-encoded (@ is %40).",
        ) from None
    url = url.set(drivername=f"postgresql+{driver}")
    host = url.host or str(url.query.get("host", ""))
    if host not in _LOCAL_HOSTS and not host.startswith("/") and "sslmode" not in url.query:
        # `require` accepts any certificate; only verify-full checks whom we talk to.
        url = url.update_query_dict({"sslmode": "verify-full"})
        if "sslrootcert" not in url.query:
            url = url.update_query_dict({"sslrootcert": "system"})
    return url


def make_engine(url: str, pool: PoolSettings, *, application_name: str = "etl_assets") -> sa.Engine:
    """An engine that notices dead connections before they hurt; nothing is connected yet."""
    return sa.create_engine(
        postgres_url(url),
        pool_pre_ping=True,
        pool_recycle=pool.recycle,
        pool_size=pool.size,
        max_overflow=pool.max_overflow,
        connect_args={
            "application_name": application_name,
            "connect_timeout": pool.connect_timeout,
            "client_encoding": "utf8",
        },
        hide_parameters=True,
    )


@contextmanager
def source_errors(doing: str) -> Iterator[None]:
    """Turn what psycopg and SQLAlchemy raise while `doing` into our errors."""
    try:
        yield
    except EtlError:
        raise
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise classify(original, doing) from None


def classify(error: BaseException | None, doing: str) -> EtlError:
    """Our error for a driver's: by SQLSTATE where the server answered, else by what libpq says."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        state = _state_of_refusal(str(error))
    if state is None:
        return SourceUnavailable(
            f"The source database could not be reached, or broke off, while {doing}.",
            "Check that the server of DATABASE_URL runs and can be reached from here, "
            "then run it again.",
        )
    detail = getattr(getattr(error, "diag", None), "message_primary", None)
    what = f"PostgreSQL refused while {doing} (SQLSTATE {state}{f': {detail}' if detail else ''})."
    if state.startswith(_RETRYABLE_CLASSES):
        return SourceUnavailable(what, "Run it again; nothing published was touched.")
    return SourceError(what, _WHAT_TO_DO.get(state, "Look the SQLSTATE up, then run it again."))


def _state_of_refusal(message: str) -> str | None:
    """The SQLSTATE of a refusal at connect: libpq gives only the server's words there."""
    words = {
        "password authentication failed": "28P01",
        "no password supplied": "28P01",
        "pg_hba.conf": "28000",
        'role "': "28000",
        "too many clients": "53300",
        "starting up": "57P03",
        "shutting down": "57P03",
    }
    for phrase, state in words.items():
        if phrase in message:
            return state
    if 'database "' in message and "does not exist" in message:
        return "3D000"
    return None

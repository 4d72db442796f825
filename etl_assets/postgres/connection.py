"""The SQLAlchemy engine of a PostgreSQL database, and what its errors mean.

No query stands here. Messages are made of SQLSTATEs and names: of a URL they quote host, port and
database, and never the user or the password.
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL

from etl_assets.core.errors import ConfigError, EtlError, SourceError, SourceUnavailable
from etl_assets.interrupts import interrupt_behind
from etl_assets.postgres.interruptible import (
    InterruptibleConnection,
    Target,
    name_target,
    target_of,
)
from etl_assets.postgres.sqlstates import meaning_of

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_PLAIN_NAME = re.compile("[a-z_]{1,30}")
_LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}

TLS, OPTION = "TLS", "OPTION"
_WHAT_TO_DO = {
    TLS: "Add sslrootcert=<file of the server's CA> to {setting}, or another sslmode.",
    OPTION: "Correct the option after the question mark of {setting}, or leave it out.",
    "08001": "Check that the server behind the foreign table runs, and its host, port and user "
    "(CREATE SERVER, CREATE USER MAPPING) there; then run it again.",
    "22P02": "A conversion in the source fails: a cast in a view, or a cursor or partition column "
    "that is no timestamp. Correct the view, or name another column in the table's spec.",
    "25006": "Take what writes out of the view: the source is read in a read-only transaction.",
    "28P01": "Check the user and the password in {setting}.",
    "28000": "Check the user in {setting} and the server's pg_hba.conf.",
    "3D000": "Check the database's name in {setting}.",
    "3F000": "Check the schema's name in the table's spec, or create the schema.",
    "42501": "Grant the role CONNECT on the database, USAGE on the schema, SELECT on the table.",
    "42P01": "Check the table's name in its spec, or create the table.",
    "42703": "Compare the table's contract with the source table.",
    "42809": "Name a table, a view, a materialised view or a foreign table in the table's spec.",
    "54011": "Leave columns out of the contract: PostgreSQL allows 1,664 in a query.",
    "57014": "Raise ETL_STATEMENT_TIMEOUT_SECONDS if that keeps happening, or index the table's "
    "partition column; then run it again.",
}
# Connection trouble, shutdowns, timeouts, conflicts with recovery and lack of resources (C15).
RETRYABLE = ("08", "25P03", "40", "53", "55", "57")
# The server's own words there are names and settings; elsewhere (22, P0) they may quote a value.
_QUOTABLE = ("08001", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57")
# What libpq and psycopg say of an option of the URL; the name is quoted, the value is not.
_BAD_OPTION = re.compile(
    r'invalid (\w+) value: "|connection option "(\w+)"|invalid (port) number|bad value for (\w+):'
)
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
    _refuse_unknown_options(url, setting)
    url = url.set(drivername=f"postgresql+{driver}")
    _refuse_mixed_hosts(url, setting)
    if _is_local(url) or "sslmode" in url.query:
        return url
    # `require` accepts any certificate; only verify-full checks whom we talk to.
    return url.update_query_dict(
        {"sslmode": "verify-full", "sslrootcert": url.query.get("sslrootcert", _system_roots())}
    )


def _refuse_unknown_options(url: URL, setting: str) -> None:
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    unknown = [name for name in url.query if name not in known]
    if not unknown:
        return
    # What is no plain name may be a part of a password that was not percent-encoded.
    plain = [name for name in unknown if _PLAIN_NAME.fullmatch(name)]
    values = "".join(map(str, url.query.values()))
    named = f" ({', '.join(plain)})" if plain == unknown and "@" not in values else ""
    raise ConfigError(
        f"{setting} has an option that PostgreSQL's client does not know{named}.",
        "Take it out: the options after the question mark are those of libpq, such as sslmode, "
        "sslrootcert and connect_timeout. A question mark in the password is written %3F.",
    )


def _refuse_mixed_hosts(url: URL, setting: str) -> None:
    try:
        url.get_dialect()().create_connect_args(url)
        return
    except sa.exc.ArgumentError:  # it quotes what was given
        pass
    raise ConfigError(
        f"The hosts and ports of {setting} do not fit together.",
        "A port is a number, and there are as many ports as hosts: host=h1,h2&port=5432,5433.",
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
    what: str = "the source database",
    options: Mapping[str, int] | None = None,
) -> sa.Engine:
    """An engine that notices dead connections before they hurt; nothing is connected yet.

    `setting` is the variable that `url` comes from and `what` names the database, in messages.
    `options` are libpq's, where the URL does not say otherwise.
    """
    parsed = postgres_url(url, setting=setting)
    engine = sa.create_engine(
        parsed,
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
            **{name: n for name, n in (options or {}).items() if name not in parsed.query},
        },
        hide_parameters=True,
    )
    _connect_interruptibly(engine, Target.of(parsed, setting, what))
    return engine


def _connect_interruptibly(engine: sa.Engine, target: Target) -> None:
    @sa.event.listens_for(engine, "do_connect")
    def connect(
        _dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]
    ) -> InterruptibleConnection:
        try:
            connection = InterruptibleConnection.connect(*arguments, **named)
        except psycopg.Error as error:
            name_target(error, target)
            raise
        connection.target = target
        return connection


def check_connection(url: str, *, setting: str, what: str) -> None:
    """Connect once; raises ConfigError, SourceError or SourceUnavailable, which name `what`."""
    parsed = postgres_url(url, setting=setting)
    # As the engine connects: a rendered URL has "+" for a space, which libpq leaves as it is.
    arguments, named = parsed.get_dialect()().create_connect_args(parsed)
    named["connect_timeout"] = PoolSettings.connect_timeout
    with source_errors(f"connecting to {what}"):
        try:
            psycopg.connect(*arguments, **named).close()
        except psycopg.Error as error:
            name_target(error, Target.of(parsed, setting, what))
            raise


@contextmanager
def source_errors(doing: str) -> Iterator[None]:
    """Turn what psycopg and SQLAlchemy raise while `doing` into our errors.

    An interrupt that one of them has replaced is raised again: nothing is tried again then.
    """
    try:
        yield
        return
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        ours = interrupt_behind(error) or classify(
            error.orig if isinstance(error, sa.exc.DBAPIError) else error, doing
        )
    try:
        raise ours
    finally:
        # The driver's error holds its connection, and that the password: not even as a context.
        ours.__context__ = None


def driver_of(connection: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection beneath one of our engines', in the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - our engine's driver
    return driver


def classify(error: BaseException | None, doing: str, target: Target | None = None) -> EtlError:
    """Our error for a driver's: by SQLSTATE where the server answered, else by what libpq says.

    `target` is the database, None where the error itself knows it (`InterruptibleConnection`).
    """
    target = target or target_of(error)
    setting = target.setting if target else "DATABASE_URL"
    at = f" at {target.place}," if target else ""
    database = target.what if target else "the source database"
    state = sqlstate_of(error)
    if state is None:
        return SourceUnavailable(
            f"{database[0].upper()}{database[1:]}{at} could not be reached, or broke off, "
            f"while {doing}.",
            f"Check that the server of {setting} runs and can be reached from here, "
            "then run it again.",
        )
    next_step = _WHAT_TO_DO.get(state, "").format(setting=setting)
    if state == TLS:
        return SourceError(
            f"No trusted TLS connection to {database}{at} could be made while {doing}.",
            next_step,
        )
    if state == OPTION:
        return SourceError(f"{setting} has a bad value for {bad_option(error)}.", next_step)
    who = f"PostgreSQL at {target.place}," if target else "PostgreSQL"
    what = f"{who} refused while {doing} (SQLSTATE {state}{server_words(error, state)})."
    if state.startswith(RETRYABLE):
        again = "Run it again; nothing published was touched."
        return SourceUnavailable(what, next_step or again)
    return SourceError(what, next_step or f"It means that {meaning_of(state)}. Mend that there.")


def sqlstate_of(error: BaseException | None) -> str | None:
    """The SQLSTATE, TLS or OPTION; None where the server could not be reached or broke off."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        words = str(error)
        state = next((code for phrase, code in _REFUSALS.items() if phrase in words), None)
    if state is None and bad_option(error):
        return OPTION
    return state


def bad_option(error: BaseException | None) -> str | None:
    """The option of the URL whose value libpq refuses, None if it is another trouble."""
    found = _BAD_OPTION.search(str(error))
    return next(filter(None, found.groups())) if found else None


def server_words(error: BaseException | None, state: str) -> str:
    """`: ` and the server's own message, nothing where it may quote a value."""
    detail = getattr(getattr(error, "diag", None), "message_primary", None)
    return f": {detail}" if detail and state.startswith(_QUOTABLE) else ""

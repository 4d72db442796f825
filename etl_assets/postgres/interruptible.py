"""psycopg connections whose statements end with the interrupt, and whose errors name the server.

psycopg cancels a statement at Ctrl-C. An orchestrator's interrupt is another BaseException: psycopg
leaves the statement running at the server, and the rollback's own error replaces the interrupt.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL

_WAIT_SECONDS = 5.0
T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """A database as messages name it: its setting, `host:port, database name`, and what it is.

    Never the user or the password.
    """

    setting: str
    place: str
    what: str = "the source database"

    @classmethod
    def of(cls, url: URL, setting: str, what: str = "the source database") -> "Target":
        """The target of a URL."""
        hosts = url.host or url.query.get("host") or url.query.get("hostaddr") or "the local socket"
        if not isinstance(hosts, str):
            hosts = ",".join(hosts)
        port = url.port or url.query.get("port") or 5432
        if not isinstance(port, str | int):
            port = ",".join(port)
        name = url.database or url.query.get("dbname") or "of the user's name"
        return cls(setting, f"{hosts}:{port}, database {name}", what)


class InterruptibleConnection(psycopg.Connection[Any]):
    """A connection that knows its target; see the module.

    One that `has_grown` received a very large row: libpq keeps twice the memory of that for as long
    as it is connected.
    """

    target: Target | None = None
    has_grown: bool = False

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Consume a generator of psycopg's; an interrupt cancels the statement at the server."""
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.Error as error:
            name_target(error, self.target)
            raise
        except (Exception, KeyboardInterrupt, SystemExit):  # psycopg sees to the last two
            raise
        except BaseException:
            self._end_statement(gen)
            raise

    def _end_statement(self, gen: PQGen[Any]) -> None:
        if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
            return
        try:
            self.cancel_safe(timeout=_WAIT_SECONDS)
            super().wait(gen, timeout=_WAIT_SECONDS)
        except Exception:  # noqa: S110 - the interrupt is what counts
            pass
        finally:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # the server does not answer


def name_target(error: BaseException, target: Target | None) -> None:
    """Remember in a driver's error which database it is about."""
    if target is not None and target_of(error) is None:
        error.etl_target = target  # type: ignore[attr-defined]


def target_of(error: BaseException | None) -> Target | None:
    """The database that a driver's error is about, None if nobody has said it."""
    return getattr(error, "etl_target", None)

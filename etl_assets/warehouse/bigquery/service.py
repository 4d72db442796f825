"""The connection to BigQuery, and the parts that work over it; each is made when needed.

What they do is in the modules beside this one.
"""

import uuid
from collections.abc import Callable
from functools import cached_property, wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from etl_assets.warehouse.bigquery.clients import Clients
from etl_assets.warehouse.bigquery.digests import Digests
from etl_assets.warehouse.bigquery.facts import Inquiries
from etl_assets.warehouse.bigquery.failures import request_retry
from etl_assets.warehouse.bigquery.given import Giver
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.loading import Loading
from etl_assets.warehouse.bigquery.lookups import Lookups
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets.warehouse.bigquery.publishing import Publishing
from etl_assets.warehouse.bigquery.reading import Reader, RestReader, StorageReader
from etl_assets.warehouse.bigquery.records import Records
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.states import States
from etl_assets.warehouse.bigquery.system import System

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W", bound="BigQueryService")


def writing(method: Callable[Concatenate[W, P], T]) -> Callable[Concatenate[W, P], T]:
    """A method that changes something: raises TypeError where production is only read."""

    @wraps(method)
    def guarded(self: W, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.options.is_read_only:
            raise TypeError("Production is only read from an environment.")
        return method(self, *args, **kwargs)

    return cast("Callable[Concatenate[W, P], T]", guarded)


class BigQueryService:
    """Datasets of one project; `clients` connects when something is first asked for.

    `wait_seconds` bounds how long requests, failed jobs and conflicts are tried again. With
    `is_emulated` it is the emulator, which cannot hold all that the service holds.
    """

    def __init__(
        self,
        options: BigQueryOptions,
        clients: Callable[[], Clients],
        *,
        wait_seconds: float = 120,
        is_emulated: bool = False,
    ) -> None:
        self.options = options
        self._connect, self._wait_seconds = clients, wait_seconds
        self._is_emulated = is_emulated
        self._retry = request_retry(wait_seconds)

    def close(self) -> None:
        """Close the sessions to Google; using the warehouse again opens new ones."""
        if "_clients" in self.__dict__:
            self._clients.close()
            for part in _CONNECTED:
                self.__dict__.pop(part, None)

    @cached_property
    def _clients(self) -> Clients:
        return self._connect()

    @cached_property
    def _datasets(self) -> Datasets:
        return Datasets(self._clients.rest, self.options, self._retry)

    @cached_property
    def _jobs(self) -> Jobs:
        return Jobs(self._clients.rest, self.options, self._wait_seconds)

    @cached_property
    def _system(self) -> System:
        return System(self._jobs, self._datasets)

    @cached_property
    def _states(self) -> States:
        return States(self._jobs, self._datasets, self._system)

    @cached_property
    def _records(self) -> Records:
        return Records(self._jobs, self._datasets, self._system)

    @cached_property
    def _giver(self) -> Giver:
        return Giver(self._datasets, self._loading)

    @cached_property
    def _lookups(self) -> Lookups:
        return Lookups(self._jobs, self._datasets, self._giver)

    @cached_property
    def _inquiries(self) -> Inquiries:
        return Inquiries(self._jobs, self._datasets)

    @cached_property
    def _publishing(self) -> Publishing:
        return Publishing(self._jobs, self._datasets, self._giver, self._states)

    @cached_property
    def _digests(self) -> Digests:
        return Digests(self._jobs, self._datasets)

    @cached_property
    def _loading(self) -> Loading:
        return Loading(self._jobs, self._datasets, self._clients.bucket)

    @cached_property
    def _reader(self) -> Reader:
        storage = self._clients.storage
        return Reader(
            StorageReader(storage, self._datasets, self._retry) if storage else None,
            RestReader(self._jobs, self._datasets, lambda: new_id("read")),
        )


_CONNECTED = tuple(
    name for name, part in vars(BigQueryService).items() if isinstance(part, cached_property)
)


def new_id(what: str) -> str:
    """The id of a job, which nobody else has."""
    return f"etl_{what}_{uuid.uuid4().hex}"

"""The names of the warehouse's schemas: an environment's begin with its name (`dev_raw`).

They are those of the warehouse whose transaction runs (`engine.py`), wherever a name is written: no
statement of an environment can name a schema of production by mistake.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from etl_assets.core.table import Layer
from etl_assets.warehouse.system_tables import SYSTEM_DATASET

STAGING_SCHEMA = "etl_staging"


@dataclass(frozen=True)
class Schemas:
    """What the names begin with: of what is published and remembered, and of what is staged.

    Production that is read from an environment has its keys staged in the environment's schema.
    """

    published: str = ""
    staged: str = ""

    @property
    def all(self) -> list[str]:
        """Every schema that a warehouse may have."""
        names = [*map(str, Layer), SYSTEM_DATASET]
        return [*(f"{self.published}{name}" for name in names), f"{self.staged}{STAGING_SCHEMA}"]


_SCHEMAS: ContextVar[Schemas] = ContextVar("etl_assets_schemas")
"""It has no default: a name that is asked for outside of a transaction is a mistake of ours."""


@contextmanager
def named(schemas: Schemas) -> Iterator[None]:
    """The names in the block are these."""
    before = _SCHEMAS.set(schemas)
    try:
        yield
    finally:
        _SCHEMAS.reset(before)


def layer_schema(layer: Layer) -> str:
    """The schema of a layer's tables."""
    return f"{_SCHEMAS.get().published}{layer}"


def system_schema() -> str:
    """The schema of the platform's own tables."""
    return f"{_SCHEMAS.get().published}{SYSTEM_DATASET}"


def lock_name(name: str) -> str:
    """What turns are taken at: an environment does not wait for production."""
    return f"{_SCHEMAS.get().published}{name}"


def staging_schema() -> str:
    """The schema of what is staged."""
    return f"{_SCHEMAS.get().staged}{STAGING_SCHEMA}"

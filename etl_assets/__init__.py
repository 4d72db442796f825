"""A team's tables as checked, day-partitioned raw, staged and enriched tables in a warehouse.

The front door: the Dagster component that `dg` finds as `etl_assets.SourceTable`. It is imported
when it is asked for, as it imports Dagster, which most of the package does without.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl_assets.orchestration.components import SourceTable

__all__ = ["SourceTable"]


def __getattr__(name: str) -> Any:
    if name != "SourceTable":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from etl_assets.orchestration.components import SourceTable

    return SourceTable


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

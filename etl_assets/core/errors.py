"""The errors a user meets: each says what happened, what to do next, and whether a retry may help.

No message holds a secret or a row's values: raise with names, counts and keys only.
"""


class EtlError(Exception):
    """What happened, and the next step; `retryable` tells the orchestrator if waiting may help."""

    retryable = False

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what} {next_step}")
        self.what = what
        self.next_step = next_step

    def __reduce__(self) -> tuple[type["EtlError"], tuple[str, str]]:
        return type(self), (self.what, self.next_step)


def may_pass(error: BaseException) -> bool:
    """Whether a later attempt may succeed: for `tenacity.retry_if_exception`."""
    return isinstance(error, EtlError) and error.retryable


class ConfigError(EtlError):
    """A setting is missing, malformed or names something that is not there."""


class SpecError(EtlError):
    """A table's spec contradicts its contract, another table or itself.

    `table` is its name, `field` the first field of the spec that is wrong, where they are known.
    """

    def __init__(
        self, what: str, next_step: str, table: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(what, next_step)
        self.table, self.field = table, field


class UnknownTable(EtlError):
    """No table of the catalog has this name."""


class UnknownField(EtlError):
    """No row ever had a field of this name in the JSON columns of the table, or several have."""


class UnknownRow(EtlError):
    """No published row has this key."""


class UnknownCustomer(EtlError):
    """No customer has this key, or no system this record."""


class PartitionError(EtlError):
    """A day that the platform does not have: in the future, before the first day, not a date."""


class SourceError(EtlError):
    """The source answered, and no retry will change what it said."""


class SourceUnavailable(EtlError):
    """The source could not be reached, or broke off: a later attempt may succeed."""

    retryable = True


class ObjectChanged(EtlError):
    """Another content stands under the object's key than was listed: a new listing shows it."""

    retryable = True


class ObjectGone(EtlError):
    """The object was deleted since it was listed: a new listing does not have it."""

    retryable = True


class ContractMismatch(EtlError):
    """The source's columns, or a transform's, are not the ones that the contract declares."""


class UpstreamMissing(EtlError):
    """A day cannot be made because a day that it is made of is not published."""


class DayIncomplete(EtlError):
    """A day of files whose marker, or a file of its manifest, is not there yet."""


class DayClosed(EtlError):
    """A day that is published and closed: its source may have pruned it, and nobody asked for it
    by name."""


class StalePublication(EtlError):
    """A newer snapshot of the partition is published already; this one must not overwrite it."""


class StateError(EtlError):
    """What `etl_state` says of a table cannot be: nothing is done on the strength of it."""


class LostTurn(EtlError):
    """Somebody else published to the table since it was looked at; a new look may succeed."""

    retryable = True


class WarehouseError(EtlError):
    """The warehouse answered, and no retry will change what it said."""


class WarehouseUnavailable(EtlError):
    """The warehouse could not be reached, or broke off: a later attempt may succeed."""

    retryable = True


class WarehouseBusy(EtlError):
    """Somebody else holds the warehouse for longer than we are willing to wait."""

    retryable = True


class DiskFull(EtlError):
    """There is no room left for the spool or the warehouse."""


def no_room(where: str) -> DiskFull:
    """The error of a full disk: nothing was published, `where` is the folder to make room in."""
    return DiskFull(
        f"No space is left on the disk of {where}; nothing was published.",
        "Free some space, or point ETL_HOME at a larger disk, and run it again.",
    )


class EventRefused(EtlError):
    """A payload cannot become an event: not readable, of an unknown kind or source, incomplete."""

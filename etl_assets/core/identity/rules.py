"""Rules of identity: data that says which equal values speak for two records being one customer."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from etl_assets.core.errors import SpecError
from etl_assets.core.identity.names import Names

ROLE_ADDRESS = (
    r"^(info|office|contact|kontakt|mail|hello|sales|orders|billing|invoices?|accounts?|accounting"
    r"|admin|support|service|team|post|noreply|no-reply|none|test)@"
)
"""Mailboxes that belong to a role and not to a person, and what people type who give none."""

SHARED_WEIGHT = 0.5
"""What a value that many share counts for, times the rule's weight, if the names are equal too."""


@dataclass(frozen=True)
class Rule:
    """Records with equal values in all of `columns` are one customer; SpecError if it cannot be.

    `weight` (above 0, at most 1) says how strong it is: if a cluster must be cut, edges of small
    weight go first. `refuses` lists the relations of the two names that speak against it.
    A value that more than `most_records` records have, or whose text the regular expression
    `ignores` finds, is no evidence alone: such records must have the same name as well.
    The evidence of the edges shows the values masked if `is_personal`.
    """

    name: str
    columns: tuple[str, ...]
    weight: float
    refuses: AbstractSet[Names] = frozenset()
    most_records: int = 12
    ignores: str | None = None
    is_personal: bool = True

    def __post_init__(self) -> None:
        if not (self.columns and 0 < self.weight <= 1 and self.most_records > 1):
            raise SpecError(
                f"The identity rule {self.name} cannot be.",
                "Give it at least one column, a weight above 0 and at most 1, and most_records of "
                "at least 2.",
            )


RULES = (
    # A system that keeps the shop's number means one customer, whoever married or was misspelt;
    # but where nothing of the names is alike, the number was probably mistyped.
    Rule(
        "external_id",
        ("shop_customer_id",),
        weight=1.0,
        refuses=frozenset({Names.DIFFER}),
        is_personal=False,
    ),
    # A family shares an address under one family name, so only the given name tells them apart. A
    # missing name does not speak against an address, which is hardly ever given to another person.
    Rule(
        "email",
        ("email",),
        weight=0.9,
        refuses=frozenset({Names.GIVEN_DIFFERS, Names.DIFFER}),
        ignores=ROLE_ADDRESS,
    ),
    # Networks give numbers to new owners, and households share them: the names have to agree.
    Rule(
        "phone",
        ("phone",),
        weight=0.7,
        refuses=frozenset({Names.GIVEN_DIFFERS, Names.FAMILY_DIFFERS, Names.DIFFER, Names.UNKNOWN}),
    ),
)
"""Exact rules of the columns of RECORDS_SCHEMA, the strongest first."""

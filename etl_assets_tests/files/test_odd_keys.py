"""Objects whose keys are any UTF-8: rows and ledger have the very key."""

from etl_assets.core.ledger import FileStatus
from etl_assets_tests.files.shipments import DAY, Place, Shipments, key, lines, rows_of

ODD = [
    *("a%2Fb", "%2e%2e%2f", "q'\"; DROP TABLE etl_files; --", "back\\slash", "100% {day:%Y} $(id)"),
    *("é", "e\u0301", "😀", " lead", "trail ", "=1+1", "a?b=c&d#e", "--help", "NULL", "n" * 230),
    "\u202e",
]
CONTROL = ["new\nline", "tab\t", "\x1b[31m"]


def names(place: Place) -> list[str]:
    """A bucket's keys have no control characters (docs/files.md); names in a folder may."""
    is_folder = (place.settings.url or "").startswith("file:")
    odd = [*ODD, *CONTROL] if is_folder else ODD
    return [key(DAY, f"{name}.csv") for name in odd]


def test_rows_and_ledger_of_objects_with_odd_keys_are_found_under_the_very_key(
    shipments: Shipments,
) -> None:
    place = shipments.place
    for number, name in enumerate(names(place), 1):
        place.drop(name, lines((number, "1.5", "x"), (number, "", "y")))
    shipments.catch_up()
    assert shipments.published(DAY) == rows_of(place, DAY)
    ledger = shipments.ledger()
    assert sorted(ledger) == sorted(place.held)
    assert {(e.status, e.rows_published) for e in ledger.values()} == {(FileStatus.LOADED, 2)}


def test_objects_with_odd_keys_are_replaced_refused_and_deleted_one_by_one(
    shipments: Shipments,
) -> None:
    place = shipments.place
    given = names(place)
    for number, name in enumerate(given, 1):
        place.drop(name, lines((number, "1.5", "x")))
    shipments.catch_up()
    place.drop(given[2], lines((7, "2.5", "other")))
    place.remove(given[4])
    place.put(given[5], b"cut")
    shipments.catch_up()
    del place.held[given[5]]
    assert shipments.published(DAY) == rows_of(place, DAY)
    entry = shipments.ledger()[given[5]]
    assert entry.status == FileStatus.REFUSED
    assert given[4] not in {row["file"] for row in shipments.published(DAY)}

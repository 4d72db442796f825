"""All kinds of hostile files by name, and the check of one kind."""

from collections.abc import Iterable
from dataclasses import replace

from etl_assets_tests.files.hostile.cases import Case, seeded
from etl_assets_tests.files.hostile.comparing import difference, expected, found_in, sizes
from etl_assets_tests.files.hostile.kinds import (
    csv_bytes,
    csv_headers,
    csv_records,
    json_files,
    packed_files,
    parquet_damage,
    parquet_files,
)
from etl_assets_tests.files.hostile.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    f"{group}: {name}": kind
    for group, kinds in (
        ("csv", {**csv_records.KINDS, **csv_headers.KINDS, **csv_bytes.KINDS}),
        ("json", json_files.KINDS),
        ("packed", packed_files.KINDS),
        ("parquet", {**parquet_files.KINDS, **parquet_damage.KINDS}),
    )
    for name, kind in kinds.items()
}


def file_of(kind: str, number: int) -> Case:
    """The file of that number, which is the same in each process."""
    return replace(KINDS[kind](seeded(kind, number)), kind=kind, number=number)


def differences(kind: str, numbers: Iterable[int]) -> list[str]:
    """What the platform does with files of a kind otherwise than the oracle says."""
    return [text for number in numbers for text in differences_of(file_of(kind, number))]


def differences_of(case: Case) -> list[str]:
    """The same for one file, in blocks and chunks of several sizes."""
    wanted, told = expected(case), []
    for block_bytes, chunk in sizes(case):
        text = difference(case, wanted, found_in(case, block_bytes, chunk))
        if text is not None:
            declared = (case.format, case.compression, case.columns)
            told.append(
                f"{case.kind}, file {case.number}, blocks of {block_bytes}: it {text}\n"
                f"  {declared}\n  {case.content[:1000]!r}"
            )
    return told

"""Hostile files by kinds: each line is loaded exactly or set aside, or the file is refused.

What must become of a file is said by an oracle that is written apart, in plain Python (`oracle/`).
A file is found again by its kind and number: `differences("csv: ragged rows", [7])`.
`SOAK_SECONDS=600 make soak` reads other files for as long as one likes.
"""

import os
import time
from itertools import count

import pytest

from etl_assets_tests.files.hostile.comparing import expected
from etl_assets_tests.files.hostile.known import KINDS, differences, file_of
from etl_assets_tests.files.hostile.mutants import MUTANTS
from etl_assets_tests.files.hostile.oracle.outcomes import Refusal

FILES = 15
"""Of each kind in the default run: more than 1,000 in all."""

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))


@pytest.mark.thorough_but(
    "NUL",
    "not the declared",
    "ragged",
    "quotes anywhere",
    "never closed",
    "line ends mixed",
    "json: good",
    "keys twice",
    "beyond the limit",
    "packed: cut",
    "several members",
    "parquet: all",
)
@pytest.mark.parametrize("kind", KINDS)
def test_f6_f16_hostile_files_are_read_as_the_oracle_says(kind: str) -> None:
    assert not differences(kind, range(FILES))


def test_f6_f16_the_files_are_many_and_of_all_outcomes() -> None:
    assert FILES * len(KINDS) >= 1_000
    outcomes = [expected(file_of(kind, number)) for kind in KINDS for number in range(5)]
    refused = sum(isinstance(outcome, Refusal) for outcome in outcomes)
    with_bad = sum(not isinstance(outcome, Refusal) and bool(outcome.bad) for outcome in outcomes)
    least = len(outcomes) // 5
    assert min(refused, with_bad, len(outcomes) - refused - with_bad) > least


@pytest.mark.parametrize("mutant", MUTANTS)
def test_f6_f16_the_oracle_finds_what_is_wrong_with_a_reader(
    mutant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate, kind = MUTANTS[mutant]
    mutate(monkeypatch)
    assert any(differences(kind, [number]) for number in range(FILES))


@pytest.mark.soak
def test_f6_f16_other_hostile_files_are_read_as_the_oracle_says() -> None:
    end, seed = time.monotonic() + SOAK_SECONDS, int(os.environ.get("SEED", "1")) * 1_000_000
    for number in count(seed):
        for kind in KINDS:
            assert not differences(kind, [number])
        if time.monotonic() > end:
            break

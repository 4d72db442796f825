"""Parts that were measured before, a file each: whoever measures one part again has a whole report.

Only what can stand beside each other is put together: measured on the same machine, with the same
libraries, and as large. What a report is made of them is `report.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchmarks.part import Part
from benchmarks.report import Taken

_OF_ONE_RUN = {"date", "commit", "load at the start"}


@dataclass(frozen=True)
class _File:
    conditions: Mapping[str, str]
    taken: Taken


_FILE = TypeAdapter(_File)


def conditions(environment: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, str]:
    """What must be the same for two parts to stand in one report."""
    lasting = {name: text for name, text in environment.items() if name not in _OF_ONE_RUN}
    return lasting | {name: str(number) for name, number in sizes.items()}


def keep(folder: Path, part: Part, taken: Taken, under: Mapping[str, str]) -> None:
    """Keep what was measured of a part under these conditions, in place of what was before."""
    folder.mkdir(parents=True, exist_ok=True)
    _path(folder, part).write_bytes(_FILE.dump_json(_File(under, taken), indent=1))


def kept(folder: Path, parts: Iterable[Part], under: Mapping[str, str]) -> dict[Part, Taken]:
    """What was kept of these parts under the same conditions."""
    found = {}
    for part in parts:
        try:
            file = _FILE.validate_json(_path(folder, part).read_bytes())
        except (OSError, ValidationError):  # none, or of an earlier form
            continue
        if file.conditions == under:
            found[part] = file.taken
    return found


def _path(folder: Path, part: Part) -> Path:
    return folder / f"{part.name}.json"

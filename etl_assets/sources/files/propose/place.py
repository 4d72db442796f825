"""From what a person typed to a store, and from there to the table that is proposed.

A location below OBJECT_STORE_URL is not written into a module: that setting says it already.
"""

import itertools
import re
from pathlib import Path

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.errors import SourceError
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.sources.files.location import Location, parse_location
from etl_assets.sources.files.propose.found_table import FoundTable, table_of
from etl_assets.sources.files.propose.proposal import propose
from etl_assets.sources.files.propose.sample import Kind
from etl_assets.sources.files.store import open_store

_SPECIAL = re.compile(r"[*{}]")
_GLOB = re.compile(r"[*?…]|\{day:|\.\.\.$")


def proposed(
    settings: ObjectStoreSettings, url: str, name: str | None = None, kind: str | None = None
) -> FoundTable:
    """The table of the files below `url`, which may be a path of this machine.

    Where `url` ends with a pattern, only files that it describes are looked at.

    Raises ConfigError for what is no URL or path of a folder, SourceError where nothing is there
    or its format is not known, and what the store raises.
    """
    where, typed = _url_of(url), _pattern_of(url)
    store = open_store(settings, where)
    found = propose(store, Kind(kind) if kind else None, only=typed)
    location, below = _relative(store.location, settings.url, where)
    return table_of(found, _table_name(name or _last(found.pattern.text, where)), location, below)


def _url_of(text: str) -> str:
    """The URL of what was typed: a pattern ends where its first * does, a path is made absolute."""
    if "://" in text:
        folders = text.split("/")
        plain = next((n for n, part in enumerate(folders) if _GLOB.search(part)), len(folders))
        return "/".join(folders[:plain])
    path = Path(text).expanduser()
    path = Path(*itertools.takewhile(lambda part: not _GLOB.search(part), path.parts)).resolve()
    if path.is_file():
        raise SourceError(
            f"{text} is a file, and a table is of a folder's files.",
            f"Name its folder, {Path(text).parent}, or a pattern: "
            f"'{Path(text).parent}/*{path.suffix}'.",
        )
    return path.as_uri()


def _pattern_of(text: str) -> KeyPattern | None:
    """The pattern that was typed behind the last folder without one: `*.csv`, None for no pattern.

    Raises SourceError for one that cannot be.
    """
    parts = text.split("/")
    first = next((n for n, part in enumerate(parts) if _GLOB.search(part)), len(parts))
    pattern = "/".join(parts[first:])
    if not pattern or pattern in {"…", "..."}:  # as the docs leave out what is below
        return None
    try:
        if "?" in pattern:
            raise ValueError(f"The pattern {pattern!r} has a ?, which stands for itself in keys.")
        return KeyPattern(pattern)
    except ValueError as error:
        raise SourceError(
            str(error),
            "Write * for any characters of a name, ** through folders, {day:%Y-%m-%d} for the day.",
        ) from None


def _relative(location: Location, base: str | None, where: str) -> tuple[str, str]:
    """The location to write, and what patterns begin with: "" and a folder below the setting's."""
    if base is not None:
        begins = parse_location(base)
        inside = f"{location}/".removeprefix(f"{begins}/")
        if inside != f"{location}/" and not _SPECIAL.search(inside):
            return "", inside.strip("/")
    return where.rstrip("/"), ""


def _last(pattern: str, where: str) -> str:
    """The last folder that all keys have in common, what all names begin with, or the URL's end."""
    plain, _, begin = _SPECIAL.split(pattern)[0].rpartition("/")
    stem = re.sub(r"[^A-Za-z]+$", "", begin.partition(".")[0])
    folders = [part for part in (*plain.split("/"), stem) if part]
    return folders[-1] if folders else where.rstrip("/").rpartition("/")[2]


def _table_name(text: str) -> str:
    """Letters, digits and underscores that a table's name may have."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return f"files_{name}".rstrip("_") if not name or name[0].isdigit() else name

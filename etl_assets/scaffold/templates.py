"""Texts with gaps (`<<name>>`), which are files of this package; what fills them is not decided
here."""

import re
from functools import cache
from importlib.resources import files

_GAP = re.compile(r"<<(\w+)>>")
_FOLDER = "project_files"
_SUFFIX = ".tmpl"


@cache
def _text(name: str) -> str:
    file = files("etl_assets.scaffold").joinpath(_FOLDER, f"{name}{_SUFFIX}")
    return file.read_text(encoding="utf-8")


def filled(template: str, **words: str) -> str:
    """The text of a template with its gaps filled; KeyError for a gap without a word."""
    return _GAP.sub(lambda gap: words[gap[1]], _text(template))

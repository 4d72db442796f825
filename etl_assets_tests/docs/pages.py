"""The pages of docs/ and README.md as text: code blocks and links. Nothing is run here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced code block: its language, its text without indentation, and the line it begins on.

    `note` is the HTML comment directly before it, which a reader does not see.
    """

    language: str
    text: str
    line: int
    note: str


def pages() -> list[Path]:
    """README.md and every page of docs/."""
    return [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """The page as messages name it."""
    return page.relative_to(REPOSITORY).as_posix()


def blocks_of(text: str) -> Iterator[Block]:
    """The fenced code blocks, in order."""
    for found in _FENCE.finditer(text):
        indent, language, body = found.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        before = text[: found.start()].rstrip()
        comments = list(_COMMENT.finditer(before))
        note = comments[-1][1].strip() if comments and comments[-1].end() == len(before) else ""
        line = text.count("\n", 0, found.start()) + 1
        yield Block(language, "\n".join(lines) + "\n", line, note)


def prose_of(text: str) -> str:
    """The text without its code blocks and comments."""
    return _COMMENT.sub("", _FENCE.sub("", text))


def inline_code_of(text: str) -> list[str]:
    """What stands between single backticks, each in one line."""
    return [" ".join(found[1].split()) for found in _INLINE.finditer(prose_of(text))]


def links_of(text: str) -> list[str]:
    """The targets of the links and pictures."""
    return [found[1] for found in _LINK.finditer(prose_of(text))]


def anchors_of(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them of their words."""
    anchors: dict[str, int] = {}
    found = set()
    for heading in _HEADING.finditer(_FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "").lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = anchors.get(anchor, 0)
        anchors[anchor] = number + 1
        found.add(f"{anchor}-{number}" if number else anchor)
    return found

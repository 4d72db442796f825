"""The commands of README.md and of the pages in docs/, for tests that run them: docs cannot rot."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands_of(page: str, heading: str, number: int = 1) -> list[str]:
    """The lines of a block of shell commands below a heading, without their comments."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    below = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = _BLOCK.findall(below)
    assert len(found) >= number, f"{page} has no commands below {heading!r}"
    lines = (line.partition("  #")[0].strip() for line in found[number - 1].splitlines())
    return [line for line in lines if line and not line.startswith("#")]

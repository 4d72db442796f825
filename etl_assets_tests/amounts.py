"""How many cases a test draws at random: few in the default run, more in `make thorough`."""

import os


def cases(few: int, many: int, asked: str = "HISTORIES") -> int:
    """As many as the variable `asked` says, where it is set; its test is marked `random`."""
    return int(os.environ.get(asked) or (many if os.environ.get("THOROUGH") else few))

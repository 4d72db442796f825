"""Names, literals and numbers as sentences have them."""

import json


def literal(value: object) -> str:
    """A text, a boolean, None or a tuple of these, with double quotes where that is as short."""
    if isinstance(value, tuple):
        inside = ", ".join(map(literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    text = repr(value)
    is_plain = isinstance(value, str) and text[0] == "'" and '"' not in text and "\\" not in text
    return f'"{text[1:-1]}"' if is_plain else text


def shown(name: str) -> str:
    """A name in quotes on one line, whatever is in it."""
    return json.dumps(name, ensure_ascii=False)

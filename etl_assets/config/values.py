"""What a setting may be: kinds of values, each with the words for one that it is not.

Which settings there are is `parts.py` and `settings.py`; nothing is read here.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict

from etl_assets.core.errors import PartitionError
from etl_assets.core.partitions import parse_day

_LONGEST = 7 * 86_400
_MOST_CONNECTIONS = 1000
_MOST = 1 << 40


def _seconds(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= _LONGEST:
        raise ValueError(f"is not a number of seconds up to {_LONGEST}.")
    return number


def _count_up_to(most: int) -> BeforeValidator:
    def count(value: object) -> int:
        text = str(value)
        if not text.isdecimal() or not 0 < int(text) <= most:
            raise ValueError(f"is not a number from 1 to {most}.")
        return int(text)

    return BeforeValidator(count)


def _day(value: object) -> date:
    try:
        return value if isinstance(value, date) else parse_day(str(value))
    except PartitionError:
        raise ValueError(_NO_DAY) from None


def _host(value: object) -> object:
    """`host:port`, also where it was written as a URL."""
    return value.removeprefix("http://").rstrip("/") if isinstance(value, str) else value


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _yes(value: object) -> bool:
    text = str(value).lower()
    if text not in _YES | _NO:
        raise ValueError(_NEITHER)
    return text in _YES


def _environment(value: object) -> object:
    """The name of an environment; none is production."""
    if value is None or not isinstance(value, str):
        return value
    if value in _NO_ENVIRONMENTS or value.startswith("pg"):
        raise ValueError(_TAKEN)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,19}", value):
        raise ValueError(_NO_NAME)
    return value


def _port(value: object) -> int:
    text = str(value)
    if not text.isdecimal() or int(text) > 65_535:
        raise ValueError("is not a number from 0 to 65535.")
    return int(text)


def _when_away(value: object) -> object:
    if value not in ("spool", "refuse"):
        raise ValueError("is neither spool nor refuse.")
    return value


_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})

_NO_ENVIRONMENTS = frozenset(
    {"prod", "production", "raw", "staged", "enriched", "etl", "etl_staging", "public"}
)

Environment = Annotated[str | None, BeforeValidator(_environment)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
WholeSeconds = Annotated[int, BeforeValidator(lambda value: int(_seconds(value)))]
Count = Annotated[int, _count_up_to(_MOST)]
Connections = Annotated[int, _count_up_to(_MOST_CONNECTIONS)]
Day = Annotated[date, BeforeValidator(_day)]
Port = Annotated[int, BeforeValidator(_port)]
WhenAway = Annotated[Literal["spool", "refuse"], BeforeValidator(_when_away)]
Host = Annotated[str | None, BeforeValidator(_host)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
YesOrNo = Annotated[bool, BeforeValidator(_yes)]

_NO_DAY, _NEITHER = "is not a day.", "is neither 1 nor 0."
_NO_NAME = "is no name of an environment: at most 20 small letters, digits and _, a letter first."
_TAKEN = "is a name that production or a database uses itself."
WHAT_TO_WRITE = {
    _NO_DAY: "Write it as YYYY-MM-DD.",
    _NEITHER: "Set it to 1, or unset it.",
    _NO_NAME: "Write a name like dev, or unset it for production.",
    _TAKEN: "Write a name like dev, or unset it for production.",
}
"""What to do about a bad value, by what it is; numbers are told their default."""


def variables(prefix: str) -> ConfigDict:
    """A field without a name of its own is the variable of its name with the prefix."""
    return ConfigDict(
        alias_generator=AliasGenerator(validation_alias=lambda name: prefix + name.upper()),
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=True,
    )


class Part(BaseModel):
    """Settings made in code are what is given; `read_settings` alone reads the environment.

    pydantic-settings would do that reading as well, but its import alone is a tenth of what a short
    command costs.
    """

    def changed(self, **changes: Any) -> Self:
        """The same settings with changes, which are checked like those of the environment."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})

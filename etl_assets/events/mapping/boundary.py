"""What the mappers share: JSON read exactly, texts that can be stored, refusals without values.

How one source words its events is its own module beside this one.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from etl_assets.core.errors import EventRefused
from etl_assets.events.vocabulary import EventType

Model = TypeVar("Model", bound=BaseModel)


class Payload(BaseModel):
    """The base of each source's model: what it does not declare is ignored, nothing is guessed."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _storable(text: str) -> str:
    """Text as PostgreSQL keeps it; JSON may also have NUL and halves of characters (\\ud800)."""
    text.encode()  # raises UnicodeEncodeError, which is a ValueError
    if "\x00" in text:
        raise ValueError("has a NUL")
    return text.strip()


def empty_is_none(value: object) -> object:
    """None for a text with nothing but white space, as files write what is missing."""
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[
    Annotated[str, Field(max_length=500), AfterValidator(_storable)] | None,
    BeforeValidator(empty_is_none),
]
"""A text of at most 500 characters; white space around it is no part of it, and empty is none."""

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""A whole number that PostgreSQL's bigint holds."""

Price = Annotated[Decimal, Field(max_digits=18, decimal_places=4, strict=False)]
"""An exact amount, written as a number or as a text."""


def object_of(payload: bytes) -> Mapping[str, Any]:
    """The payload as a JSON object, numbers exact; raises EventRefused for anything else."""
    try:
        found = json.loads(
            payload.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number
        )
    except (UnicodeDecodeError, json.JSONDecodeError):
        wrong = "is no JSON in UTF-8"
    except RecursionError:
        wrong = "is nested more deeply than can be read"
    except (ValueError, ArithmeticError):  # 5,000 digits; an exponent of twenty
        wrong = "has a number with more digits, or a greater exponent, than can be read"
    else:
        return _object(found)
    raise EventRefused(f"The payload {wrong}.", "Look at it in staging_events; ask the source.")


def _object(found: object) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise EventRefused("The payload is no JSON object.", "Ask the source for one event each.")
    return found


def read(model: type[Model], fields: object) -> Model:
    """The model's fields; raises EventRefused that names what does not fit, without its value."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        wrong = dict.fromkeys(
            f"{'.'.join(str(part) for part in one['loc'] if isinstance(part, str))}: {one['type']}"
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        )
        shown = "; ".join(list(wrong)[:5])
    raise EventRefused(
        f"The payload does not fit {model.__name__} ({shown}).",
        "Correct the source or its mapper, then run etl-assets events retry.",
    )


def type_of(name: str, names: Mapping[str, EventType]) -> EventType:
    """The canonical type of a source's own; raises EventRefused for one that nobody mapped."""
    found = names.get(name.strip().lower())
    if found is None:
        raise EventRefused(
            "The payload is of a type that the source's mapper does not know.",
            f"It knows {', '.join(names)}. Add the new one to the mapper, then run "
            "etl-assets events retry.",
        )
    return found


def lower(text: str | None) -> str | None:
    """The text in lower case, None for none."""
    return None if text is None else text.lower()


def _no_number(text: str) -> NoReturn:
    raise json.JSONDecodeError("NaN and Infinity are no JSON", text, 0)

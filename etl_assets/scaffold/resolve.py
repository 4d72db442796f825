"""From what a person typed to a relation of the database, however it is quoted. Pure."""

import re
from collections.abc import Sequence

from etl_assets.core.errors import SourceError
from etl_assets.core.near_names import near
from etl_assets.core.wording import count_of
from etl_assets.scaffold.facts import Relation

_QUOTED = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^".]+))\s*')


def relation_named(text: str, relations: Sequence[Relation]) -> Relation:
    """The relation of that name: `public.orders`, `orders`, `"my shop"."Order Items"`.

    Raises SourceError where there is none, or where several are meant, and names those.
    """
    exact = [one for one in relations if text == one.shown] or [
        one for one in relations if _parts(text) == [one.schema, one.table]
    ]
    if not exact:
        name = _parts(text)[0] if len(_parts(text)) == 1 else text
        exact = [one for one in relations if one.table in (name, text)]
        exact = [one for one in exact if one.schema == "public"] or exact
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise SourceError(
            f"{count_of(len(exact), 'table')} are called {text}.",
            f"Write one of {', '.join(one.shown for one in exact[:5])}.",
        )
    close = [one.shown for one in relations if one.shown.lower() == text.lower()]
    close = close or near(text, [one.shown for one in relations])
    close = close or [
        o.shown for o in relations if o.table in near(text, [r.table for r in relations])
    ]
    if close:
        told = f"Did you mean {' or '.join(repr(one) for one in close[:3])}?"
    elif relations:
        some = ", ".join(one.shown for one in relations[:5])
        told = f"It has {some}{' and others' if len(relations) > 5 else ''}."
    else:
        told = "It has no table that its role can see; the role may lack USAGE on the schema."
    raise SourceError(f"The database has no table {text!r}.", told)


def in_schema(schema: str, relations: Sequence[Relation]) -> list[Relation]:
    """All relations of a schema; raises SourceError where it has none."""
    found = [one for one in relations if one.schema == schema]
    if not found:
        schemas = sorted({one.schema for one in relations})
        raise SourceError(
            f"The database has no table in a schema {schema!r}.",
            f"Write one of {', '.join(schemas)} after --schema."
            if schemas
            else "It has no table at all that its role can see.",
        )
    return found


def _parts(text: str) -> list[str]:
    """Schema and table of a name in SQL, or the text itself."""
    parts, at = [], 0
    while found := _QUOTED.match(text, at):
        parts.append(found[1].replace('""', '"') if found[1] else found[2].strip())
        at = found.end()
        if at == len(text):
            return parts
        if text[at] != ".":
            break
        at += 1
    return [text]

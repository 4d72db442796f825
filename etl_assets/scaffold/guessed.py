"""From a column that a sample was guessed to have to a column of the platform, for files and APIs
alike. What is guessed of a sample is `sources/files/propose/`.
"""

from dataclasses import fields

from etl_assets.core.file_formats import Texts
from etl_assets.scaffold.examples import example_of
from etl_assets.scaffold.personal import why_personal_by_name
from etl_assets.scaffold.proposal import ProposedColumn
from etl_assets.scaffold.python_text import Call, Expression, value
from etl_assets.sources.files.propose.guess import Guess


def guessed_column(guess: Guess, attribute: str, description: str) -> ProposedColumn:
    """The column as that attribute of a contract, personal where its name says so."""
    personal = why_personal_by_name(guess.name)
    options: dict[str, object] = {}
    if attribute != guess.name:
        options["alias"] = guess.name
    if guess.nullable:
        options["nullable"] = True
    if personal:
        options["personal"] = True
    if guess.logical:
        options["logical"] = guess.logical
    if guess.text is not None:
        options["text"] = _texts_call(guess.text)
    return ProposedColumn(
        guess.name,
        attribute,
        guess.dtype,
        guess.nullable,
        description,
        options=options,
        notes=[*guess.notes, *([f"Personal: {personal}."] if personal else [])],
        example=example_of(guess.dtype, {}, guess.logical or ""),
    )


def _texts_call(texts: Texts) -> Expression:
    """What of the texts is not the default."""
    plain = Texts()
    return Call(
        "Texts",
        [
            (f.name, value(getattr(texts, f.name)))
            for f in fields(texts)
            if getattr(texts, f.name) != getattr(plain, f.name)
        ],
    )

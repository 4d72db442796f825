"""Edges of Splink for identity resolution: likely matches that no exact rule sees.

Optional: `pip install 'etl_assets[identity]'`. Splink runs on a DuckDB in memory. What it finds
goes to `resolve(…, more_edges=…)`, where decisions of people and the checks of clusters hold as for
the edges of rules; what a cluster is, is not decided here.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from etl_assets.core.errors import ConfigError
from etl_assets.core.identity.names import Names, compare, name_key
from etl_assets.core.identity.schemas import EDGES_SCHEMA

REFUSES = frozenset({Names.GIVEN_DIFFERS, Names.DIFFER, Names.UNKNOWN})
"""Matches that are left out. Splink takes an address and a phone number for independent evidence,
but whoever lives together shares both, so no sum of weights may outvote the names."""

RULE = "splink"
"""The rule of its edges."""

WEIGHT = 0.6
"""What a certain match weighs: less than an exact rule, so that a cut takes such an edge first."""

Level = tuple[str, str, float, float]
"""A label, the condition in SQL, and how probable it is of two records of one person (m) and of
two people (u)."""


def _comparison(column: str, *levels: Level) -> dict[str, Any]:
    null = {
        "sql_condition": f"{column}_l IS NULL OR {column}_r IS NULL",
        "label_for_charts": f"no {column}",
        "is_null_level": True,
    }
    others = [
        {
            "sql_condition": condition,
            "label_for_charts": label,
            "m_probability": m,
            "u_probability": u,
        }
        for label, condition, m, u in levels
    ]
    return {"output_column_name": column, "comparison_levels": [null, *others]}


def _alike(column: str, at_least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {at_least}"


def _equal(column: str) -> str:
    return f"{column}_l = {column}_r"


SETTINGS: Mapping[str, Any] = {
    "link_type": "dedupe_only",
    "unique_id_column_name": "n",
    "probability_two_random_records_match": 0.0001,
    "retain_matching_columns": True,
    # A pair is compared only if one of these holds.
    "blocking_rules_to_generate_predictions": [
        "l.email = r.email",
        "l.phone = r.phone",
        "l.given = r.given AND l.family = r.family",
        "l.family = r.family AND l.email_start = r.email_start",
    ],
    "comparisons": [
        _comparison(
            "given",
            ("same given name", _equal("given"), 0.86, 0.025),
            ("similar given name", _alike("given", 0.92), 0.08, 0.01),
            (
                "initial",
                "given_l[1] = given_r[1] AND 1 IN (len(given_l), len(given_r))",
                0.05,
                0.04,
            ),
            # Families share everything else, so this has to weigh much.
            ("other given name", "ELSE", 0.01, 0.925),
        ),
        _comparison(
            "family",
            ("same family name", _equal("family"), 0.88, 0.005),
            ("similar family name", _alike("family", 0.92), 0.06, 0.005),
            ("other family name", "ELSE", 0.06, 0.99),
        ),
        _comparison(
            "email",
            ("same e-mail", _equal("email"), 0.7, 0.0001),
            ("e-mail with one slip", "damerau_levenshtein(email_l, email_r) = 1", 0.1, 0.0005),
            ("other e-mail", "ELSE", 0.2, 0.9994),
        ),
        _comparison(
            "phone",
            ("same phone", _equal("phone"), 0.7, 0.0001),
            ("other phone", "ELSE", 0.3, 0.9999),
        ),
        _comparison(
            "country",
            ("same country", _equal("country"), 0.97, 0.3),
            ("other country", "ELSE", 0.03, 0.7),
        ),
    ],
}
"""A model in Splink's own form. Its probabilities are written down and not trained on the records:
a trained model changes with the records, and customers would with it."""


def splink_edges(
    records: pl.LazyFrame,
    settings: Mapping[str, Any] = SETTINGS,
    *,
    at_least: float = 0.95,
) -> pl.LazyFrame:
    """Pairs of RECORDS_SCHEMA that match with a probability of `at_least`, in EDGES_SCHEMA.

    `settings` may use the columns of the records, `given`, `family` and `email_start` (the first
    six letters); the unique id is `n`. Raises ConfigError if Splink is not installed.
    """
    people = _people(records.collect())
    pairs = _predicted(people, settings, at_least)
    for side, of in (("left", "l"), ("right", "r")):
        ids = people.select(
            pl.col("n").alias(f"n_{of}"),
            pl.col("source_system").alias(f"{side}_system"),
            pl.col("source_id").alias(f"{side}_id"),
            pl.col("name_key").alias(f"{side}_name"),
        )
        pairs = pairs.join(ids, on=f"n_{of}")
    names = pairs.select("left_name", "right_name").iter_rows()
    is_one = pl.Series([compare(*both) not in REFUSES for both in names], dtype=pl.Boolean)
    return (
        pairs.filter(is_one)
        .with_columns(
            rule=pl.lit(RULE),
            evidence=_evidence(settings),
            # Rounded, because the last digits depend on the order in which threads add up.
            weight=(WEIGHT * pl.col("match_probability")).round(4),
            refused_because=pl.lit(None, pl.String),
        )
        .select(EDGES_SCHEMA.names())
        .sort(EDGES_SCHEMA.names())
        .lazy()
    )


def _people(records: pl.DataFrame) -> pl.DataFrame:
    """The records with a number and the parts of their names."""
    words = pl.col("name_key").str.split(" ")
    return (
        records.sort("source_system", "source_id")
        .with_row_index("n")
        .with_columns(name_key=name_key("full_name"))
        .with_columns(
            given=words.list.first(),
            family=pl.when(words.list.len() > 1).then(words.list.last()),
            email_start=pl.col("email").str.head(6),
        )
    )


def _predicted(people: pl.DataFrame, settings: Mapping[str, Any], at_least: float) -> pl.DataFrame:
    """`n_l`, `n_r`, `match_probability` and a `gamma_…` for each comparison."""
    try:
        from splink import Linker
        from splink.backends.duckdb import DuckDBAPI
    except ImportError as missing:
        raise ConfigError(
            "Splink is not installed.", "Run `pip install 'etl_assets[identity]'`."
        ) from missing
    import duckdb

    with duckdb.connect() as connection:
        table = DuckDBAPI(connection).register(people.to_arrow())
        linker = Linker(table, dict(settings), log_level="ERROR")
        predicted = linker.inference.predict(threshold_match_probability=at_least)
        pairs: pl.DataFrame = predicted.as_duckdbpyrelation().pl()
        return pairs


def _evidence(settings: Mapping[str, Any]) -> pl.Expr:
    """The labels of the levels that a pair reached, which show no value."""
    said = []
    for comparison in settings["comparisons"]:
        levels = [
            level["label_for_charts"]
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        ]
        # Splink counts from the last level, which is 0.
        labels = dict(enumerate(reversed(levels)))
        gamma = pl.col(f"gamma_{comparison['output_column_name']}")
        said.append(gamma.replace_strict(labels, default=None, return_dtype=pl.String))
    return pl.concat_str(said, separator=", ", ignore_nulls=True)

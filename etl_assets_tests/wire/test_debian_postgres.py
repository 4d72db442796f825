"""Debian's PostgreSQL with ICU, which other tests take their source or warehouse from."""

import psycopg

WORDS = ["a", "B", "c", "Ä"]


def ordered(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT w FROM unnest(%s::text[]) AS w ORDER BY w", [WORDS])
        return [word for (word,) in rows]


def test_its_text_sorts_by_language_and_the_embedded_server_s_by_bytes(
    icu_database_url: str, database_url: str
) -> None:
    assert ordered(icu_database_url) == ["a", "Ä", "B", "c"]
    assert ordered(database_url) == ["B", "a", "c", "Ä"]


def test_text_keys_compare_so_as_well(icu_database_url: str, database_url: str) -> None:
    """What `WHERE key > 'B'` reads next depends on it."""
    urls = [icu_database_url, database_url]
    found = []
    for url in urls:
        with psycopg.connect(url) as connection:
            found.append(connection.execute("SELECT 'a' < 'B'").fetchall())
    assert found == [[(True,)], [(False,)]]


def test_every_test_gets_a_database_of_its_own_on_one_server(
    icu_postgres: str, icu_database_url: str
) -> None:
    with psycopg.connect(icu_database_url) as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        assert name.startswith("test_")
        found = "SELECT datlocprovider FROM pg_database WHERE datname = current_database()"
        assert connection.execute(found).fetchall() == [("i",)]

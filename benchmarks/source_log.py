"""What a PostgreSQL server itself says that statements took: its log, in a database of ours.

The wheel's server has neither pg_stat_statements nor auto_explain, so every statement is logged
with its duration (parsing, planning and sending included), and those that read a table are
explained afterwards, word for word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

_LINE = re.compile(
    r"^\S+ \S+ UTC \[\d+\] LOG:  duration: (?P<ms>[\d.]+) ms  (?P<kind>[^:]+): (?P<text>.*)$"
)
_COPY = re.compile(r"^COPY \((?P<query>.*)\) TO STDOUT.*$", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """One statement and the milliseconds that it took."""

    text: str
    milliseconds: float


@dataclass
class SourceLog:
    """The log of the server of `url` from here on; nobody else may be using the database."""

    url: str
    path: Path
    read: int = field(default=0)

    @classmethod
    def of(cls, url: str) -> "SourceLog":
        """Have the database's next sessions log everything."""
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(
                "SELECT current_database(), current_setting('data_directory')"
            ).fetchone()
            assert found is not None
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET log_min_duration_statement = 0").format(
                    sql.Identifier(found[0])
                )
            )
        return cls(url, Path(found[1]) / "server.log")

    def since(self) -> Sequence[Statement]:
        """Everything that was logged since this was asked last."""
        with self.path.open(encoding="utf-8", errors="replace") as log:
            log.seek(self.read)
            lines = log.read().splitlines()
            self.read = log.tell()
        found: list[Statement] = []
        is_ours = False
        for line in lines:
            match = _LINE.match(line)
            if match:
                found.append(Statement(match["text"], float(match["ms"])))
                is_ours = True
            elif is_ours and line.startswith("\t"):
                found[-1] = Statement(f"{found[-1].text}\n{line[1:]}", found[-1].milliseconds)
            else:
                is_ours = False
        return found

    def plans(self, statements: Sequence[Statement], table: str) -> Sequence[str]:
        """The plans of those that read the table."""
        plans = []
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET log_min_duration_statement = -1")
            for statement in statements:
                copied = _COPY.match(statement.text)
                query = copied["query"] if copied else statement.text
                if query.startswith("SELECT") and f'"{table}"' in query:
                    explained = connection.execute(f"EXPLAIN {query}".encode()).fetchall()
                    plans.append("\n".join(line for (line,) in explained))
        return plans

"""Row security: policies that hide rows from the role that reads (R3).

A hidden row cannot be told from a deleted one, so a table that has any is refused, unless its spec
says that the visible rows are meant. The session's `row_security = off` lets PostgreSQL refuse what
the catalogue does not tell: a function in a view that reads another table.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from etl_assets.core.errors import SourceError
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.declared import source_table

# A view reads its relations as its owner, but a security_invoker view as the current role, even
# where it is read by another view. What a materialised view reads was read when it was refreshed.
_HIDDEN = """
    WITH RECURSIVE me AS (SELECT oid FROM pg_roles WHERE rolname = current_user),
    used(relation, role, through) AS (
        SELECT to_regclass(name)::oid, me.oid, NULL::oid FROM unnest(%s::text[]) AS name, me
        UNION
        SELECT d.refobjid, CASE WHEN coalesce((
                   SELECT o.option_value::boolean FROM pg_options_to_table(v.reloptions) o
                   WHERE o.option_name = 'security_invoker'), FALSE)
               THEN me.oid ELSE v.relowner END, v.oid
        FROM used CROSS JOIN me
        JOIN pg_class v ON v.oid = used.relation AND v.relkind = 'v'
        JOIN pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
    )
    SELECT DISTINCT format('%%s.%%s', n.nspname, c.relname) AS relation, role.rolname::text AS role,
           ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid
                 AND p.polcmd IN ('*', 'r') ORDER BY p.polname) AS policies,
           (SELECT format('%%s.%%s', m.nspname, v.relname) FROM pg_class v
            JOIN pg_namespace m ON m.oid = v.relnamespace WHERE v.oid = used.through) AS through
    FROM used CROSS JOIN me
    JOIN pg_class c ON c.oid = used.relation AND c.relrowsecurity
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_roles role ON role.oid = used.role
    WHERE CASE WHEN role.oid = me.oid THEN row_security_active(c.oid)
          ELSE NOT (role.rolsuper OR role.rolbypassrls)
               AND (c.relforcerowsecurity OR NOT pg_has_role(role.oid, c.relowner, 'USAGE')) END
    ORDER BY 1, 2
"""
_WHY = (
    "A row that is hidden cannot be told from one that was deleted, so nothing was read. Give the "
    "role BYPASSRLS, or read as the owner of {owned} without FORCE ROW LEVEL SECURITY. If only "
    "the visible rows are wanted, write PostgresTable(..., row_security=True) in the table's spec."
)


@dataclass(frozen=True)
class HiddenRows:
    """A relation (`schema.name`) whose policies hide rows from a role.

    `policies` are the names of those for SELECT; without any, all rows are hidden. `through` is the
    view that reads the relation, None for the table itself and its parent.
    """

    relation: str
    role: str
    policies: tuple[str, ...]
    through: str | None

    def told(self) -> str:
        """What hides rows from whom, in one sentence."""
        view = f", which the view {self.through} reads," if self.through else ""
        if self.policies:
            names = f"{'policy' if len(self.policies) == 1 else 'policies'} "
            return (
                f"Row security of {self.relation}{view} hides rows from the role {self.role} "
                f"({names}{', '.join(self.policies)})."
            )
        return (
            f"Row security of {self.relation}{view} is enabled without any policy, which hides all "
            f"rows from the role {self.role}."
        )


def hidden_by_policies(connection: psycopg.Connection, table: LayerTable) -> Sequence[HiddenRows]:
    """What hides rows of a table from the role of the connection: of the table itself, of its
    parent, and of every relation that a view reads. Empty if nothing does. Raises psycopg.Error.
    """
    source = source_table(table)
    names = [source.table, *([source.parent.table] if source.parent else [])]
    relations = [sql.Identifier(source.schema, name).as_string(connection) for name in names]
    return hidden_rows(connection, relations)


def hidden_rows(connection: psycopg.Connection, relations: Sequence[str]) -> Sequence[HiddenRows]:
    """The same of relations by their names as SQL has them. Raises psycopg.Error."""
    rows = connection.execute(_HIDDEN, [list(relations)]).fetchall()
    return [
        HiddenRows(relation, role, tuple(policies), through)
        for relation, role, policies, through in rows
    ]


def refuse_hidden_rows(connection: psycopg.Connection, table: LayerTable) -> None:
    """Raises SourceError where policies hide rows of a table whose spec does not accept that."""
    if source_table(table).row_security:
        return
    hidden = hidden_by_policies(connection, table)
    if hidden:
        told = " ".join(one.told() for one in hidden)
        raise SourceError(f"{table.path} cannot be read. {told}", _next_step(hidden[0].relation))


@contextmanager
def row_security_errors(table: LayerTable) -> Iterator[None]:
    """Let an error that PostgreSQL itself raises because of row security say what to do."""
    try:
        yield
    except SourceError as error:
        if "row-level security" not in error.what:
            raise
        raise SourceError(
            f"{table.path} cannot be read. {error.what}", _next_step("the table that it names")
        ) from None


def _next_step(relation: str) -> str:
    return _WHY.format(owned=relation)

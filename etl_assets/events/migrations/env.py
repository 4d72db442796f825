"""What Alembic runs for each command: the migrations on the connection that `schema.py` gives it.

No URL and no setting is read here. All migrations of an upgrade are one transaction, but for those
with an `autocommit_block`: what comes before it is committed, and it must bear being run again.
"""

from alembic import context

from etl_assets.events.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    target_metadata=None,
)
with context.begin_transaction():
    context.run_migrations()

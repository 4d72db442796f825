"""What Alembic runs: the migrations on the connection, and in the transaction, of `migrate.py`."""

from alembic import context

from etl_assets.warehouse.postgres.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table_schema=Base.metadata.schema,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()

"""Alembic's entry: runs the changes on the connection that the directory hands over, in the transaction it has begun."""

from alembic import context

from usagedeck.directory.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()

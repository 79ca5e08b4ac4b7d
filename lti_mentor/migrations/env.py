"""Run by Alembic with the database in the attributes of its configuration."""

from alembic import context

from lti_mentor.migrations import metadata

database = context.config.attributes["database"]
with database.engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata(), render_as_batch=database.is_sqlite)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()

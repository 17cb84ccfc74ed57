"""Alembic environment: runs the migrations inside the transaction that `schema.upgrade` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()

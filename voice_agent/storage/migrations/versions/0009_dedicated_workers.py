"""Scope of a worker: which jobs it takes."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("agent_name", sa.String(128), nullable=False, server_default=""))
    op.add_column("workers", sa.Column("roles", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("workers", sa.Column("businesses", sa.JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    for column in ("businesses", "roles", "agent_name"):
        op.drop_column("workers", column)

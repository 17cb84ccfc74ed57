"""Tools that a turn's answer used."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memory_turns", sa.Column("tools", sa.JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("memory_turns", "tools")

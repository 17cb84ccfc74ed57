"""Letta agents that are made for an assistant."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_memories",
        sa.Column("agent_id", sa.String(64), primary_key=True),
        sa.Column("letta_agent_id", sa.String(128)),
        sa.Column("leaving", sa.Boolean, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("agent_memories")

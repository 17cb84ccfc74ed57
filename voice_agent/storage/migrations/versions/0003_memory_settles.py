"""Reply path of a turn; turns up to which an agent is to reflect, and has reflected."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memory_turns", sa.Column("path", sa.String(16), nullable=False, server_default="hybrid"))
    op.add_column("memory_threads", sa.Column("settle_upto", sa.Integer, nullable=False, server_default="0"))
    op.add_column("memory_threads", sa.Column("settled_upto", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("memory_threads", "settled_upto")
    op.drop_column("memory_threads", "settle_upto")
    op.drop_column("memory_turns", "path")

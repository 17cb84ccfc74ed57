"""Statement from which a fact comes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memory_facts", sa.Column("said", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("memory_facts", "said")

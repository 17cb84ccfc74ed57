"""Vectors of an embedding model that is gone, and of single words, which are not needed any more."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM memory_vectors")


def downgrade() -> None:
    """The vectors are a cache, which fills by itself."""

"""Names of people, their deletion, and sign-in at an OpenID Connect provider."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_profiles",
        sa.Column("person_id", sa.String(300), nullable=False),
        sa.Column("user_name", sa.String(200), nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_person_profiles"),
    )
    op.create_table(
        "person_deletions",
        sa.Column("person_id", sa.String(300), nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("remaining", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("person_id", name="pk_person_deletions"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("person_id", sa.String(300), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_sign_ins"),
    )
    op.create_index("ix_sign_ins_person_id", "sign_ins", ["person_id"])
    op.create_table(
        "sign_in_attempts",
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("code_verifier", sa.String(128), nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("secret_hash", name="pk_sign_in_attempts"),
    )


def downgrade() -> None:
    for table in ("sign_in_attempts", "sign_ins", "person_deletions", "person_profiles"):
        op.drop_table(table)

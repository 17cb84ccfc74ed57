"""Voice of a job: moved into its provider choices."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_rooms = sa.table("rooms", sa.column("name", sa.String), sa.column("job", sa.JSON))


def upgrade() -> None:
    for name, job in op.get_bind().execute(sa.select(_rooms.c.name, _rooms.c.job)).all():
        voice = job["agent"].pop("voice", None)
        job["agent"]["providers"] = {"tts": {"voice": voice}} if voice else {}
        op.get_bind().execute(sa.update(_rooms).where(_rooms.c.name == name).values(job=job))


def downgrade() -> None:
    for name, job in op.get_bind().execute(sa.select(_rooms.c.name, _rooms.c.job)).all():
        job["agent"]["voice"] = job["agent"].pop("providers", {}).get("tts", {}).get("voice")
        op.get_bind().execute(sa.update(_rooms).where(_rooms.c.name == name).values(job=job))

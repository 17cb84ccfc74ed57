"""Database that all parts share, and its schema."""

from voice_agent.storage.database import Database, metadata
from voice_agent.storage.schema import upgrade

__all__ = ["Database", "metadata", "upgrade"]

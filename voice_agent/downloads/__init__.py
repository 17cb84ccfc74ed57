"""Downloads from package registries, addressed by SHA-256. Nothing that is fetched here is ever imported."""

from voice_agent.downloads.artifact import Artifact, Place, Progress
from voice_agent.downloads.fetcher import (
    fetch,
    fetch_all,
    is_cached,
    object_path,
    remove,
    remove_leftovers,
    silent,
    verify,
)

__all__ = [
    "Artifact",
    "Place",
    "Progress",
    "fetch",
    "fetch_all",
    "is_cached",
    "object_path",
    "remove",
    "remove_leftovers",
    "silent",
    "verify",
]

"""Where our files are that are no Python: beside the package in a checkout, inside it in an installed wheel.

`[tool.hatch.build.targets.wheel.sources]` in pyproject.toml puts them there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent
_INSTALLED: Final = _PACKAGE / "data"
_ROOT: Final = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

STATIC: Final = _ROOT / "static"
"""The page."""
LIVEKIT_MODULE: Final = _ROOT / "tools" / "livekit"
"""The Go module that livekit-server is built from."""

#!/usr/bin/env bash
# From a fresh checkout, or from whatever runs now, to a page to open. Everything else is `voice-agent --help`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/ensure_uv.sh
sync_environment --no-dev --extra local
exec uv run --no-sync voice-agent restart

#!/usr/bin/env bash
# From a fresh checkout, or from whatever runs now, to a page to open. Everything else is `scripts/voice-agent --help`.
set -euo pipefail
here="$(dirname "$0")"
cd "$here/.."
. scripts/ensure_uv.sh
sync_environment --no-dev --extra local
uv run --no-sync voice-agent restart
echo "its commands: $here/voice-agent --help"

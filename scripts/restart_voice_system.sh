#!/usr/bin/env bash
# Installs, starts or restarts everything, and prints the page's address. For everything else: scripts/voice-agent --help.
set -euo pipefail
here="$(dirname "$0")"
cd "$here/.."
. scripts/ensure_uv.sh
sync_environment --no-dev --extra local
uv run --no-sync voice-agent restart
echo "its commands: $here/voice-agent --help"

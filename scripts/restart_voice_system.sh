#!/usr/bin/env bash
# Installs, starts or restarts everything, and prints the page's address. For everything else: `voice-agent --help`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/ensure_uv.sh
sync_environment --no-dev --extra local
exec uv run --no-sync voice-agent restart

#!/usr/bin/env bash
# scripts/bench.sh MODULE [options]: runs tests/bench/MODULE.py against the real system; results as JSON.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    sed -n '2p' "$0" >&2
    echo "modules: $(find tests/bench -maxdepth 1 -name "[!_.b]*" ! -name "attack_*" ! -name "*_words*" \( ! -name "recall_*" -o -name recall_cost.py -o -name recall_steps.py \) -printf "%f " | sed "s/\.py//g")" >&2
    exit 2
fi
. scripts/ensure_uv.sh
sync_environment --extra local
module="$1"
shift
exec uv run --no-sync python -m "tests.bench.$module" "$@"

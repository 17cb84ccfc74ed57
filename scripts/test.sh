#!/usr/bin/env bash
# scripts/test.sh [lint|unit|contract|integration|acceptance|nightly] [tests/...] [pytest options]; without a tier: the
# main part of all tiers in one run, so that the real system is started once. The tests themselves start it, on free
# ports. Longer tests run in nightly only.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/ensure_uv.sh
sync_environment --extra local

need_chromium() {
    command -v chromium >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing chromium"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
    elif [ -n "${CI:-}" ]; then
        echo "Error: the tests need Chromium, and only root can install it: apt-get install chromium" >&2
        exit 1
    else
        echo "Chromium is missing and only root can install it (apt-get install chromium): browser tests are skipped."
    fi
}

lint() {
    uv run --no-sync ruff check .
    uv run --no-sync ruff format --check .
    uv run --no-sync mypy
    uv run --no-sync lint-imports
}

tests() { uv run --no-sync pytest "$@"; }

# Real speech and media beside other work on two cores: a failed test is run once more and listed as RERUN in the
# summary. Each RERUN is a defect that is not understood yet, in our code or in a dependency.
lane() { tests --reruns 1 -rfER --durations=15 --durations-min=10 "$@"; }

# `tier tests/unit` runs a tier; `tier tests/unit tests/unit/web -x` runs the named tests only.
tier() {
    case " ${*:2}" in
        *" tests/"*) tests "${@:2}" ;;
        *) tests "$@" ;;
    esac
}

# Two processes: unit tests are CPU-bound.
unit() { tests tests/unit --numprocesses 2 --dist worksteal "$@"; }

wanted="${1:-all}"
[ $# -gt 0 ] && shift
case "$wanted" in
    lint) lint ;;
    unit)
        # In two processes, unless tests are named.
        case " $*" in
            *" tests/"*) tests "$@" ;;
            *) unit "$@" ;;
        esac
        ;;
    contract) tier tests/contract "$@" ;;
    nightly) tier tests/nightly --reruns 1 -rfER "$@" ;;
    integration | acceptance)
        need_chromium
        tier "tests/$wanted" "$@"
        ;;
    all)
        need_chromium
        lint
        unit
        # Two lanes, since conversation tests mostly wait: tests without the whole system run beside those with it.
        mkdir -p build
        lane tests/contract/{registry,storage,rooms,models} tests/integration/{stack,web,rooms} \
            tests/integration/memory/test_learning_killed.py >build/beside.log 2>&1 &
        beside=$! outcome=0
        trap 'kill "$beside" 2>/dev/null || true' EXIT
        # Of the acceptance tests only the whole path; those of the page and of the run are in their tier.
        lane tests/contract/memory tests/integration/{downloads,packaging,conversation,interruptions} \
            tests/integration/memory/test_{archive_kills,exactly_once}.py \
            tests/acceptance/test_{leave_and_come_back,token_source,stack_up}.py "$@" || outcome=$?
        wait "$beside" || outcome=$?
        trap - EXIT
        cat build/beside.log
        exit "$outcome"
        ;;
    *)
        sed -n '2,4p' "$0" >&2
        exit 2
        ;;
esac

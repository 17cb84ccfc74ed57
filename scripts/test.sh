#!/usr/bin/env bash
# scripts/test.sh [lint|unit|contract|integration|acceptance|nightly] [tests/...] [pytest options]; without a tier: the
# steady part of all, in one run, so that the real system is started once. It is started by the tests themselves, on free
# ports. What takes longer runs in nightly only.
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

# Real speech and media beside other work on two cores: what fails is run once more, and the summary lists it as RERUN.
# Each of those is a defect that is not understood yet, of ours or of a part.
lane() { tests --reruns 1 -rfER "$@"; }

# `tier tests/unit`, or of a tier what is named: `tier tests/unit tests/unit/web -x`
tier() {
    case " ${*:2}" in
        *" tests/"*) tests "${@:2}" ;;
        *) tests "$@" ;;
    esac
}

# Two processes: nothing in it waits for anything but the processor.
unit() { tests tests/unit --numprocesses 2 --dist worksteal "$@"; }

wanted="${1:-all}"
[ $# -gt 0 ] && shift
case "$wanted" in
    lint) lint ;;
    unit)
        # In two processes, unless only some of it is wanted.
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
        # Two lanes, since most of a conversation is waiting: what needs no whole system runs beside what does.
        mkdir -p build
        lane tests/contract/{registry,storage,rooms,models} tests/integration/{downloads,packaging,web,rooms} \
            tests/integration/memory/test_learning_killed.py >build/beside.log 2>&1 &
        beside=$! outcome=0
        trap 'kill "$beside" 2>/dev/null || true' EXIT
        # Of the acceptance tests the whole path; those of the page and of the run have their tier.
        lane tests/contract/memory tests/integration/conversation \
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

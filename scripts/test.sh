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

# `tier tests/unit`, or of a tier what is named: `tier tests/unit tests/unit/web -x`
tier() {
    case " ${*:2}" in
        *" tests/"*) tests "${@:2}" ;;
        *) tests "$@" ;;
    esac
}

computing() {
    renice -n 5 "$BASHPID" >/dev/null || true
    lint
    tests tests/unit
}

# `lane NAME COMMAND …` runs it in the background, its output in build/NAME.log.
lanes=()
lane() {
    (
        set -e
        "${@:2}"
    ) >"build/$1.log" 2>&1 &
    lanes+=("$!")
    trap 'kill "${lanes[@]}" 2>/dev/null || true' EXIT
}

wanted="${1:-all}"
[ $# -gt 0 ] && shift
case "$wanted" in
    lint) lint ;;
    unit)
        # In two processes, unless only some of it is wanted.
        case " $*" in
            *" tests/"*) tests "$@" ;;
            *) tests tests/unit --numprocesses 2 --dist worksteal "$@" ;;
        esac
        ;;
    contract | nightly) tier "tests/$wanted" "$@" ;;
    integration | acceptance)
        need_chromium
        tier "tests/$wanted" "$@"
        ;;
    all)
        need_chromium
        # Three lanes, since most of a conversation is waiting: beside what needs the whole system, what needs none of
        # it; and what only computes, in the time that these two leave.
        mkdir -p build
        lane computing computing
        lane beside tests tests/contract/{registry,storage,rooms,models} tests/integration/{downloads,web,rooms}
        # Of the acceptance tests the whole path; those of the page and of the run have their tier.
        outcome=0
        tests tests/contract/memory tests/integration/{conversation,memory} \
            tests/acceptance/test_{leave_and_come_back,token_source,stack_up}.py "$@" || outcome=$?
        for running in "${lanes[@]}"; do
            wait "$running" || outcome=$?
        done
        trap - EXIT
        cat build/computing.log build/beside.log
        exit "$outcome"
        ;;
    *)
        sed -n '2,4p' "$0" >&2
        exit 2
        ;;
esac

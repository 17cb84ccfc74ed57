# Sourced by the other scripts: puts `uv` on PATH, from PyPI when this machine has none, and defines sync_environment.
if ! uv --version >/dev/null 2>&1; then
    uv_home="${VOICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voice-agent}/uv"
    if [ ! -x "$uv_home/bin/uv" ]; then
        echo "uv is missing: installing it into $uv_home"
        if ! python3 -m pip --version >/dev/null 2>&1; then
            if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
                apt-get update -qq && apt-get install -y -qq python3-pip
            else
                echo "Error: python3 has no pip, and only root can install it: apt-get install python3-pip" >&2
                exit 1
            fi
        fi
        # A separate folder: Debian's Python refuses pip (PEP 668).
        python3 -m pip install --quiet --disable-pip-version-check --upgrade --target "$uv_home" uv
    fi
    export PATH="$uv_home/bin:$PATH"
fi

sync_environment() {
    # Offline first: after the first run everything is cached, and no network is needed.
    # Compile now: with PYTHONDONTWRITEBYTECODE every process would compile again.
    export UV_COMPILE_BYTECODE=1
    # Inexact: livekit plugins that a user added stay.
    uv sync --quiet --frozen --inexact --offline "$@" 2>/dev/null || uv sync --quiet --frozen --inexact "$@"
    touch "${UV_PROJECT_ENVIRONMENT:-.venv}/.synced" 2>/dev/null || true # scripts/voice-agent looks for it
    # uv does not compile our own code. A failure (read-only checkout) is ignored.
    uv run --no-sync python -m compileall -q voice_agent >/dev/null 2>&1 || true
}

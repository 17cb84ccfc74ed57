"""The process that holds the language model: llama.cpp's own OpenAI-style server on a Unix socket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from voice_agent.models.child_io import announce_ready, exit_with_parent, orders

NICENESS: Final = 2


def main() -> None:
    import xllamacpp

    order = orders()
    # Speech is short and somebody waits for it: it goes first whenever both want a core.
    os.nice(NICENESS)
    socket = Path(order["socket"])
    socket.unlink(missing_ok=True)
    params = xllamacpp.CommonParams()
    params.model.path = order["model"]
    params.model_alias = {order["name"]}
    params.hostnames = [str(socket)]
    params.n_parallel = order["slots"]
    params.n_ctx = order["context"] * order["slots"]
    params.cpuparams.n_threads = order["threads"]
    params.cpuparams_batch.n_threads = order["threads"]
    # Between batches llama.cpp looks for a cancelled request and serves the other slots: a long prompt must not block.
    params.n_batch = 128
    params.cache_ram_mib = order["cache_mb"]
    params.verbosity = 0
    params.ui = False
    params.n_threads_http = order["slots"] + 2
    server = xllamacpp.Server(params)
    watch = exit_with_parent()
    announce_ready()
    watch.join()
    del server


if __name__ == "__main__":
    main()

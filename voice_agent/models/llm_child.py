"""The process that holds the language model: llama.cpp's own OpenAI-style server on a Unix socket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from voice_agent.models.child_io import announce_ready, exit_with_parent, orders

NICENESS: Final = 5
TEMPERATURE: Final = 0.2
"""Unless the request says another one. llama.cpp's own is 0.8, at which a small model invents (docs/measured.md)."""


def main() -> None:
    import xllamacpp

    order = orders()
    # Speech is short and somebody waits for it: it gets three quarters of the cores while it computes. A brain whose
    # threads get turns only now and then wastes what it gets, because each step waits for the slowest.
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
    params.n_batch = 16
    params.sampling.temp = TEMPERATURE
    # What is read stays in the conversation's slot; the front says which that is, and copies one (models/kv_cache.py).
    params.cache_ram_mib = 0
    params.slot_save_path = f"{socket.parent}/"
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

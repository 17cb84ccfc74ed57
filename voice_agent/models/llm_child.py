"""Process of the local LLM: llama.cpp's own OpenAI-style server on a Unix socket."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from voice_agent.models.child_io import announce_ready, exit_with_parent, orders

TEMPERATURE: Final = 0.2
"""Default for requests without one. llama.cpp's is 0.8, at which a small model invents (docs/measured.md)."""


def main() -> None:
    import xllamacpp

    order = orders()
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
    # llama.cpp checks for cancelled requests and serves other slots between batches: a long prompt must not block.
    params.n_batch = 16
    params.sampling.temp = TEMPERATURE
    params.enable_reasoning = 0  # whoever waits for an answer hears nothing of what a model thinks first
    # Prompts stay cached in the conversation's slot; the front chooses and copies slots (models/kv_cache.py).
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

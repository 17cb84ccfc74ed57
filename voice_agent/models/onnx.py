"""ONNX sessions for few cores, and runs that can be cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime


class AbandonedError(Exception):
    """The caller is gone; the result is not needed."""


class Cancellation:
    """Cancellation flag, set from any thread; a running graph ends at its next node."""

    def __init__(self) -> None:
        self.options = onnxruntime.RunOptions()

    def cancel(self) -> None:
        self.options.terminate = True

    def check(self) -> None:
        if self.options.terminate:
            raise AbandonedError


def open_session(model: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle worker threads that spin would take the cores from the other roles.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # a cancelled run is logged as an error otherwise
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, inputs: Mapping[str, Any], cancellation: Cancellation) -> list[Any]:
    cancellation.check()
    try:
        outputs: list[Any] = session.run(None, dict(inputs), cancellation.options)
    except Exception:
        cancellation.check()  # a terminated run raises: report the cancellation, not an error
        raise
    return outputs

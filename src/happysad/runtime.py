"""onnxruntime on the CPU, and without its telemetry: what people look at stays with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["session"]

# onnxruntime's packages for Linux and macOS (1.31 does) write an identifier of the device and
# report each process to their maker, unless this stands in the environment when it is first
# imported (microsoft/onnxruntime, pull requests 27379 and 29843). On Windows the call does it.
_SWITCH = "ORT_DISABLE_TELEMETRY"


def session(model: bytes, *, threads: int = 0) -> InferenceSession:
    """Load a network.

    Args:
        model: an .onnx file's content.
        threads: how many threads one call may use; 0 for as many as there are cores.

    Raises:
        Exception: of onnxruntime's own, which share no public base: it is no .onnx.
    """
    before = os.environ.get(_SWITCH)
    os.environ[_SWITCH] = "1"
    try:
        import onnxruntime as ort
    finally:
        if before is None:
            del os.environ[_SWITCH]
        else:
            os.environ[_SWITCH] = before
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Between calls, which are short, the cores belong to others: to the other network's, say.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

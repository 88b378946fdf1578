"""onnxruntime on the CPU, without its telemetry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["session"]

# The packages of onnxruntime for Linux and macOS (1.31, for one) write an identifier of the device
# and report each process to their maker, unless this variable is set when onnxruntime is first
# imported (microsoft/onnxruntime, pull requests 27379 and 29843). On Windows the call below helps.
_SWITCH = "ORT_DISABLE_TELEMETRY"


def session(model: bytes, *, threads: int = 0) -> InferenceSession:
    """Load a network.

    Args:
        model: the content of an .onnx file.
        threads: the number of threads that one run uses; 0 for one per core.

    Raises:
        Exception: the content is not an .onnx file. The exceptions of onnxruntime share no public
            base class.
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
    # Threads that wait for the next run must not spin, since the other network needs the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

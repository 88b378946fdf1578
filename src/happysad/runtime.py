"""onnxruntime on the CPU, without its telemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from threading import Timer
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from happysad.parallel import thread_count

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["run_briefly", "session"]

# Only fatal errors are logged: the others are exceptions, whose text would be printed twice.
_SILENT = 4
# Maximum memory in bytes of a trial. docs/security.md, "Classifiers".
_TRIAL_BYTES = 3 * 2**30

# The packages of onnxruntime for Linux and macOS (1.31, for one) write an identifier of the device
# and report each process to their maker, unless this variable is set when onnxruntime is first
# imported (microsoft/onnxruntime, pull requests 27379 and 29843). On Windows the call below helps.
_SWITCH = "ORT_DISABLE_TELEMETRY"


def session(model: bytes, *, threads: int = 0, limited: bool = False) -> InferenceSession:
    """Load a network.

    Args:
        model: the content of an .onnx file.
        threads: the number of threads that one run uses; 0 as for `thread_count`.
        limited: True for a slower session whose runs may take at most 3 GiB, for a trial.

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
    options.intra_op_num_threads = thread_count(threads)
    options.log_severity_level = _SILENT
    # Threads that wait for the next run must not spin, since the other network needs the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if limited:
        _limit_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        # Optimising would run operations on constants without the limits of `run_briefly`.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_briefly(
    network: InferenceSession, inputs: Mapping[str, NDArray[Any]], *, seconds: float
) -> list[Any]:
    """Run a network, and end it if it takes too long.

    Args:
        network: as `session` returns it.
        inputs: the inputs by name.
        seconds: maximum time, after which the network stops before its next operation.

    Returns:
        The outputs in the order of the network.

    Raises:
        TimeoutError: the network ran for longer.
        Exception: as for `session`; the network failed.
    """
    import onnxruntime as ort

    options = ort.RunOptions()
    options.log_severity_level = _SILENT
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    timer = Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        return list(network.run(None, dict(inputs), options))
    except Exception as error:
        if options.terminate:
            raise TimeoutError(f"does not end within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()


@lru_cache(maxsize=1)
def _limit_memory() -> None:
    """Let onnxruntime have one allocator with a limit, which only trials use."""
    import onnxruntime as ort

    memory = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg(_TRIAL_BYTES, 1, -1, -1))

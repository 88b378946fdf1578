"""Make Keras's backend silent, deterministic and modest."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator

__all__ = ["deterministic", "quiet", "without_native_stderr"]


def quiet() -> None:
    """Import Keras, limit its log and TensorFlow's to errors, and let GPU memory grow.

    By default, TensorFlow takes all memory of every GPU at once; here it takes what it needs.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("absl", "tensorflow", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with without_native_stderr():
        keras = importlib.import_module("keras")
        with contextlib.suppress(ModuleNotFoundError):  # Keras uses parts of it, on JAX too
            config = importlib.import_module("tensorflow").config
            with contextlib.suppress(RuntimeError):  # a GPU is in use already
                for gpu in config.list_physical_devices("GPU"):
                    config.experimental.set_memory_growth(gpu, True)
        keras.ops.zeros(1)  # the first operation looks for a GPU, and logs it


def deterministic(seed: int) -> None:
    """Seed initial weights and dropout, and make operations deterministic.

    This sets the global seeds of Python, NumPy and the backend; Keras has no other way.

    Args:
        seed: 0 to 2**32 - 1.
    """
    import keras

    with without_native_stderr():  # on JAX, this is TensorFlow's first operation
        keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def without_native_stderr() -> Iterator[None]:
    """Discard what native code writes to standard error, since some of it ignores log levels.

    Python's exceptions are raised as usual.
    """
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)

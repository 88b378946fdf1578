"""Bring up Keras: without its backend's noise, and so that the same seed gives the same weights."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator

__all__ = ["deterministic", "quiet", "without_native_stderr"]


def quiet() -> None:
    """Import Keras, and let it and TensorFlow say errors only."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("absl", "tensorflow", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with without_native_stderr():
        keras = importlib.import_module("keras")
        keras.ops.zeros(1)  # the first operation looks for a GPU, and says so
        with contextlib.suppress(ModuleNotFoundError):  # Keras takes it for some, on JAX too
            importlib.import_module("tensorflow")


def deterministic(seed: int) -> None:
    """Let `seed` decide initial weights and dropout, and let operations keep one order of adding.

    This sets Python's, NumPy's and the backend's global seeds: Keras has no other way.
    """
    import keras

    with without_native_stderr():  # on JAX, this is TensorFlow's first operation
        keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def without_native_stderr() -> Iterator[None]:
    """Turn away what native code writes on standard error, since some of it heeds no log level.

    Python's errors are raised as ever.
    """
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed: nothing can be said anyway
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

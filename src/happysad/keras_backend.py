"""Choose Keras's backend and settings, and make it silent, deterministic and modest.

Keras reads ~/.keras/keras.json, which any other project may have written. It decides nothing here.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
from collections.abc import Iterator
from types import ModuleType

from happysad.errors import UsageError, shown

__all__ = ["BUILDING", "choose_backend", "deterministic", "quiet", "without_native_stderr"]

#: What a step is called in which Keras may be loaded. No other thread of Python runs meanwhile, so
#: nothing moves on the screen.
BUILDING = "building the network (Keras takes some seconds to load)"

_BACKENDS = ("tensorflow", "jax", "torch")


def choose_backend() -> None:
    """Let the environment variable KERAS_BACKEND choose Keras's backend, TensorFlow without it.

    If Keras is imported already, its backend stays.

    Raises:
        UsageError: the backend is unknown or not installed.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in _BACKENDS:
        raise UsageError(f"KERAS_BACKEND must be one of {', '.join(_BACKENDS)}, not {shown(name)}")
    if importlib.util.find_spec(name) is None:
        raise UsageError(
            f"KERAS_BACKEND={name}: {name} is not installed; install it, or unset KERAS_BACKEND to "
            "use tensorflow"
        )
    os.environ["KERAS_BACKEND"] = name


def quiet() -> None:
    """Import Keras with its default settings, limit logs to errors, and let GPU memory grow.

    By default, TensorFlow takes all memory of every GPU at once; here it takes what it needs.

    Raises:
        UsageError: as `choose_backend`; or Keras refuses its keras.json.
    """
    choose_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("absl", "tensorflow", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with without_native_stderr():
        keras = _imported()
        with contextlib.suppress(ModuleNotFoundError):  # Keras uses parts of it, on JAX too
            config = importlib.import_module("tensorflow").config
            with contextlib.suppress(RuntimeError):  # a GPU is in use already
                for gpu in config.list_physical_devices("GPU"):
                    config.experimental.set_memory_growth(gpu, True)
        keras.ops.zeros(1)  # the first operation looks for a GPU, and logs it


def _imported() -> ModuleType:
    """Import Keras, and set what keras.json may have set to Keras's defaults."""
    try:
        keras = importlib.import_module("keras")
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        home = os.environ.get("KERAS_HOME") or "~/.keras"
        why = shown(str(error) or type(error).__name__)
        raise UsageError(f"{home}/keras.json: Keras refuses it; remove it: {why}") from error
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    return keras


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

"""What Keras's backend is told before its first operation."""

from __future__ import annotations

import os

import pytest

from happysad.errors import UsageError
from happysad.keras_backend import choose_backend, quiet

tensorflow = pytest.importorskip("tensorflow")


def test_tensorflow_takes_the_memory_of_each_gpu_as_it_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    growing = {}
    monkeypatch.setattr(
        tensorflow.config, "list_physical_devices", lambda kind: [f"{kind}:0", f"{kind}:1"]
    )
    monkeypatch.setattr(
        tensorflow.config.experimental,
        "set_memory_growth",
        lambda gpu, grows: growing.update({gpu: grows}),
    )
    quiet()
    assert growing == {"GPU:0": True, "GPU:1": True}


def test_a_gpu_that_is_in_use_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(gpu: str, grows: bool) -> None:
        tried.append(gpu)
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tensorflow.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tensorflow.config.experimental, "set_memory_growth", refuse)
    quiet()
    assert tried == ["GPU:0"]


def test_the_settings_of_another_project_decide_nothing() -> None:
    """Keras reads keras.json when it is imported, and sets these."""
    config = pytest.importorskip("keras").config
    config.set_floatx("float16")
    config.set_dtype_policy("float16")
    config.set_epsilon(1e-3)
    config.set_image_data_format("channels_first")
    quiet()
    assert config.image_data_format() == "channels_last"
    assert (config.floatx(), config.dtype_policy().name) == ("float32", "float32")
    assert config.epsilon() == 1e-7


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("theano", "must be one of tensorflow, jax, torch, not theano"),
        ("torch", "KERAS_BACKEND=torch: torch is not installed; install it, or unset"),
    ],
)
def test_a_backend_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=words):
        choose_backend()


def test_keras_json_of_a_backend_of_old_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    choose_backend()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"

"""What Keras's backend is told before its first operation."""

from __future__ import annotations

import pytest

from happysad.keras_backend import quiet

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

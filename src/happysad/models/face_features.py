"""What the network that ships sees in a face and in its mirror image, without Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from happysad.images import Pixels
from happysad.inputs import CROP_SIDE, network_input
from happysad.model_file import PROBABILITIES, SHIPPED, ModelFile
from happysad.photo import Photo
from happysad.predictions import Faces
from happysad.runtime import session

if TYPE_CHECKING:
    import onnx

__all__ = ["FaceFeatures", "features_name"]

# The name of the weights after the features.
_AFTER_FEATURES = "outcomes/kernel"
_BATCH = 64

Floats = NDArray[np.float64]


class FaceFeatures:
    """The network that ships, which also returns its features. Safe to share between threads."""

    def __init__(self, *, threads: int = 0) -> None:
        """Load the network.

        Args:
            threads: the number of threads that one run uses; 0 for one per core.
        """
        import onnx

        details = ModelFile.read(SHIPPED).details
        self.input = network_input("face", details.size, details.channels)
        model = onnx.load(SHIPPED)
        self._names = [features_name(model), PROBABILITIES]
        model.graph.output.append(onnx.ValueInfoProto(name=self._names[0]))
        self._network = session(model.SerializeToString(), threads=threads)

    def face(self, photo: Photo) -> Pixels | None:
        """Return the crop of the largest face, shape (size, size, channels); None without a face.

        A picture that is small enough to count as a face crop is taken as a whole.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        found = photo.faces(threads=1)
        view = photo.view(1)
        is_crop = min(view.pixels.shape[:2]) * view.reduced <= CROP_SIDE
        faces = Faces.GIVEN if is_crop else Faces.FIND
        prepared = self.input.prepare(photo, faces=faces, found=found)
        return prepared.inputs["image"][0] if prepared.rows else None

    def of(self, faces: Pixels) -> tuple[Floats, Floats]:
        """Return the features of faces and the answers to them.

        Args:
            faces: crops as `input` cuts them: uint8, shape (n, size, size, channels), n at least 1.

        Returns:
            The features, shape (n, width), which are the mean over the face and its mirror image,
            and the probabilities, shape (n, classes).
        """
        parts = [
            self._network.run(self._names, {"image": faces[at : at + _BATCH]})
            for at in range(0, len(faces), _BATCH)
        ]
        features, probabilities = (np.concatenate(one) for one in zip(*parts, strict=True))
        return features.astype(np.float64), probabilities.astype(np.float64)


def features_name(model: onnx.ModelProto) -> str:
    """Return the name of the features in the network that ships."""
    [last] = [node for node in model.graph.node if _AFTER_FEATURES in node.input]
    return str(last.input[0])

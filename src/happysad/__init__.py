"""happysad tells happy from sad in pictures of people.

>>> from happysad import Classifier
>>> Classifier().classes
('happy', 'sad')

`Classifier().predict("party.jpg")` returns a `Prediction` with `label`, `probability`,
`probabilities` and `faces`. `check`, `train` and `evaluate` need ``happysad[train]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from happysad.classifier import Classifier as Classifier
    from happysad.errors import (
        BusyError as BusyError,
    )
    from happysad.errors import (
        ClassifierError as ClassifierError,
    )
    from happysad.errors import (
        ConfigError as ConfigError,
    )
    from happysad.errors import (
        DatasetError as DatasetError,
    )
    from happysad.errors import (
        ErrorCode as ErrorCode,
    )
    from happysad.errors import (
        ExportError as ExportError,
    )
    from happysad.errors import (
        HappysadError as HappysadError,
    )
    from happysad.errors import (
        ImageError as ImageError,
    )
    from happysad.errors import (
        ImportDataError as ImportDataError,
    )
    from happysad.errors import (
        LeakError as LeakError,
    )
    from happysad.errors import (
        LibraryError as LibraryError,
    )
    from happysad.errors import (
        MissingExtraError as MissingExtraError,
    )
    from happysad.errors import (
        MoveError as MoveError,
    )
    from happysad.errors import (
        RunError as RunError,
    )
    from happysad.errors import (
        UsageError as UsageError,
    )
    from happysad.errors import (
        VideoError as VideoError,
    )
    from happysad.face_detection import Face as Face
    from happysad.model_file import Details as Details
    from happysad.predictions import (
        FacePrediction as FacePrediction,
    )
    from happysad.predictions import (
        Failure as Failure,
    )
    from happysad.predictions import (
        Prediction as Prediction,
    )
    from happysad.predictions import (
        to_pandas as to_pandas,
    )

__version__ = "0.2.0"

# Every public name with its module, which is imported when the name is first used: importing
# happysad itself takes no time.
_HOMES = {
    **dict.fromkeys(["Classifier"], "happysad.classifier"),
    **dict.fromkeys(
        [
            "BusyError",
            "ClassifierError",
            "ConfigError",
            "DatasetError",
            "ErrorCode",
            "ExportError",
            "HappysadError",
            "ImageError",
            "ImportDataError",
            "LeakError",
            "LibraryError",
            "MissingExtraError",
            "MoveError",
            "RunError",
            "UsageError",
            "VideoError",
        ],
        "happysad.errors",
    ),
    "Details": "happysad.model_file",
    "Face": "happysad.face_detection",
    **dict.fromkeys(
        ["FacePrediction", "Failure", "Prediction", "to_pandas"], "happysad.predictions"
    ),
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'happysad' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

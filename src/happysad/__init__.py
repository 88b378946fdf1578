"""happysad tells happy from sad in pictures of people.

>>> from happysad import Classifier
>>> Classifier().classes
('happy', 'neither', 'sad')

`Classifier().predict("party.jpg")` returns a `Prediction` with `label`, `probability`,
`probabilities` and `faces`. `check`, `train` and `evaluate` need ``happysad[train]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from happysad.classifier import Classifier as Classifier
    from happysad.dataset.check import check as check
    from happysad.dataset.check_result import CheckResult as CheckResult
    from happysad.errors import (
        BusyError as BusyError,
        ClassifierError as ClassifierError,
        ConfigError as ConfigError,
        DatasetError as DatasetError,
        ErrorCode as ErrorCode,
        ExportError as ExportError,
        HappysadError as HappysadError,
        ImageError as ImageError,
        ImportDataError as ImportDataError,
        LeakError as LeakError,
        LibraryError as LibraryError,
        MissingExtraError as MissingExtraError,
        MoveError as MoveError,
        RunError as RunError,
        UsageError as UsageError,
        VideoError as VideoError,
    )
    from happysad.evaluation.evaluator import Evaluation as Evaluation, evaluate as evaluate
    from happysad.face_detection import Face as Face
    from happysad.model_file import Details as Details
    from happysad.predictions import (
        FacePrediction as FacePrediction,
        Failure as Failure,
        Prediction as Prediction,
        to_pandas as to_pandas,
    )
    from happysad.training.trainer import TrainedRun as TrainedRun, train as train

__version__ = "0.2.0"

# Every public name with its module. A module is imported when its name is first used, so that
# importing happysad is fast.
_HOMES = {
    "CheckResult": "happysad.dataset.check_result",
    "Classifier": "happysad.classifier",
    "Details": "happysad.model_file",
    "Evaluation": "happysad.evaluation.evaluator",
    "Face": "happysad.face_detection",
    "TrainedRun": "happysad.training.trainer",
    "check": "happysad.dataset.check",
    "evaluate": "happysad.evaluation.evaluator",
    "train": "happysad.training.trainer",
    **dict.fromkeys(
        ["FacePrediction", "Failure", "Prediction", "to_pandas"], "happysad.predictions"
    ),
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
}

__all__ = ["__version__", *_HOMES]

_TRAINING = ("CheckResult", "Evaluation", "TrainedRun", "check", "evaluate", "train")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'happysad' has no attribute {name!r}")
    from importlib import import_module

    if name in _TRAINING:
        from happysad.extras import need

        need("train", f"happysad.{name}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

"""Tell happy from sad in pictures of people.

>>> from happysad import Classifier
>>> result = Classifier.load("runs/mine").predict("party.jpg")
>>> result.label, result.p_sad
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from happysad.classifier import Classifier, Details
    from happysad.predictions import Prediction

__all__ = ["Classifier", "Details", "Prediction", "__version__"]

__version__ = "0.1.0"

# Loaded on first use, so that importing happysad costs nothing.
_HOMES = {
    "Classifier": "happysad.classifier",
    "Details": "happysad.classifier",
    "Prediction": "happysad.predictions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'happysad' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

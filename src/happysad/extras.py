"""The extras of happysad: their modules, and whether they are installed."""

from __future__ import annotations

import importlib.util

from happysad.errors import MissingExtraError

__all__ = ["EXTRAS", "is_installed", "need"]

#: The modules of every extra that a command needs; pyproject.toml lists their packages.
EXTRAS = {
    "train": (
        "cleanlab",
        "cleanvision",
        "imagehash",
        "jinja2",
        "keras",
        "matplotlib",
        "onnx",
        "pandas",
        "scipy",
        "sklearn",
        "tensorboard",
        "tensorflow",
        "tf2onnx",
        "tomli_w",
    ),
    "huggingface": ("datasets",),
    "jax": ("jax",),
    "heif": ("pillow_heif",),
    "raw": ("rawpy",),
    "web": (
        "fastapi",
        "markdown_it",
        "pillow_heif",
        "prometheus_client",
        "python_multipart",
        "starlette",
        "uvicorn",
        "websockets",
    ),
    "scale": ("dask", "distributed", "jinja2", "pyarrow"),
    "video": ("av",),
    "cloud": ("aiohttp", "fsspec", "gcsfs", "s3fs"),
}


def is_installed(extra: str) -> bool:
    """Return whether all modules of an extra, one of `EXTRAS`, can be imported."""
    return all(importlib.util.find_spec(module) is not None for module in EXTRAS[extra])


def need(extra: str, what: str) -> None:
    """Refuse a command whose extra is not installed completely.

    Args:
        extra: one of `EXTRAS`.
        what: the command, for the message.

    Raises:
        MissingExtraError: a module of the extra is missing.
    """
    if not is_installed(extra):
        raise MissingExtraError(what, extra)

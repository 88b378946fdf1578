"""Import a dataset of the Hugging Face hub, by its name. Needs the package datasets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.tally import Picture, Source, Tally
from happysad.errors import ImportDataError, MissingExtraError, UsageError
from happysad.picture_type import EXTENSIONS, kind
from happysad.progress import track

__all__ = ["source"]

_LABEL_COLUMNS = ("label", "labels", "emotion", "expression", "class")


def source(name: str, class_map: ClassMap) -> Source:
    """Return the pictures of the wanted classes of OWNER/NAME, from all splits.

    Their names are OWNER-NAME-SPLIT-ROW.

    Raises:
        UsageError: `name` is not of the form OWNER/NAME; or as `ClassMap.refuse_missing`.
        MissingExtraError: datasets is not installed.
        ImportDataError: the dataset cannot be loaded, or has no column of pictures or of classes.
    """
    if not re.fullmatch(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", name):
        raise UsageError(f"a Hugging Face dataset must be hf:OWNER/NAME, not hf:{name[:80]}")
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("happysad import hf:...", "huggingface") from error
    where = f"hf:{name}"
    try:
        splits = datasets.load_dataset(name)
    except Exception as error:  # any error of the hub, the disk or the dataset's own builder
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ImportDataError(f"{where}: cannot be loaded: {reason}") from error

    found = {split: _columns(rows.features, where, datasets) for split, rows in splits.items()}
    known = {split: _classes(splits[split], label) for split, (_, label) in found.items()}
    names = [names for split in known.values() for names in split.values()]
    class_map.refuse_missing(where, {first for first, *_ in names}, chain.from_iterable(names))

    def pictures(tally: Tally, *, reading: bool) -> Iterator[Picture]:
        for split, rows in splits.items():
            image, label = found[split]
            rows = rows.select_columns([image, label])
            rows = rows.cast_column(image, datasets.Image(decode=False))  # the file's own bytes
            for number, row in enumerate(track(rows, split, len(rows))):
                theirs = known[split].get(row[label])
                if theirs is None:
                    tally.leave_out("without a class")
                    continue
                folder = class_map.folder_of(*theirs)
                if folder is None:
                    tally.leave_out_class(theirs[0])
                    continue
                data = _bytes(row[image])
                type_ = kind(data)
                if type_ is None:
                    tally.leave_out("that is no picture", "that are no pictures")
                    continue
                stem = f"{name.replace('/', '-')}-{split}-{number:06}"
                yield Picture(folder, stem + EXTENSIONS[type_][0], theirs[0], partial(bytes, data))

    return pictures


def _columns(features: Any, where: str, datasets: Any) -> tuple[str, str]:
    """Return the names of the only column of pictures and of the only column of classes."""

    def of(type_: type) -> list[str]:
        return [name for name, feature in features.items() if isinstance(feature, type_)]

    images, labels = of(datasets.Image), of(datasets.ClassLabel)
    if len(labels) != 1:
        labels = [n for n in labels or of(datasets.Value) if n.lower() in _LABEL_COLUMNS]
    for what, columns in (("pictures", images), ("classes", labels)):
        if len(columns) != 1:
            have = ", ".join(f"{name} ({type(type_).__name__})" for name, type_ in features.items())
            raise ImportDataError(
                f"{where}: needs exactly one column of {what}, not {len(columns)}; its columns: "
                f"{have}"
            )
    return images[0], labels[0]


def _classes(rows: Any, column: str) -> dict[Any, tuple[str, ...]]:
    """Return the names of each value of a column: a class and its number, or the value itself."""
    names = getattr(rows.features[column], "names", None)
    if names is not None:
        return {number: (name, str(number)) for number, name in enumerate(names)}
    return {value: (str(value),) for value in rows.unique(column) if value is not None}


def _bytes(image: Any) -> bytes:
    """Return the content of a picture's file, in the dataset or beside it."""
    if image is None:
        return b""
    data = image["bytes"]
    return Path(image["path"]).read_bytes() if data is None else data

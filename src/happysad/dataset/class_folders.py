"""The class folders of a data folder: DATA/happy and DATA/sad, or DATA/train/happy and so on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from happysad.dataset.manifest import Split
from happysad.dataset.split_folders import split_of
from happysad.errors import UsageError, os_reason, shown
from happysad.folder_walk import reason_left_out
from happysad.names import nfc
from happysad.predictions import check_class

__all__ = ["ClassFolder", "class_folders", "labels"]

# The maximum number of folders that a message lists.
_LISTED = 20


@dataclass(frozen=True, order=True)
class ClassFolder:
    """A folder with the photos of one class."""

    label: str
    """The class: the name of the folder, in NFC."""
    path: str
    """Its path relative to the data folder, with forward slashes."""
    split: Split | None = None
    """The split for which the folder above it is named; None if the content of photos decides."""


def labels(found: Iterable[ClassFolder]) -> list[str]:
    """Return the classes of some class folders, in alphabetical order."""
    return sorted({one.label for one in found})


def class_folders(
    root: Path, classes: Sequence[str] | None = None, *, use_splits: bool = False
) -> list[ClassFolder]:
    """Return the class folders in the order of their classes.

    Args:
        root: the data folder.
        classes: the names of two or three classes; None for all.
        use_splits: whether the class folders lie in folders of splits, such as train and test;
            without it, such a data folder is refused.

    Raises:
        UsageError: `root` cannot be read, or does not have these class folders; the message names
            a call that would be answered.
    """
    try:
        return _class_folders(root, classes, use_splits)
    except UsageError as error:
        raise UsageError(f"{error}{_hint(root, classes, use_splits)}") from error


def _class_folders(
    root: Path, classes: Sequence[str] | None, use_splits: bool
) -> list[ClassFolder]:
    names = _folders(root)
    splits = {name: _folders(root / name) for name in names if split_of(name)}
    splits = {name: below for name, below in splits.items() if below}
    if use_splits:
        found = _in_splits(root, names, splits)
    else:
        _refuse_splits(root, names, splits)
        found = [ClassFolder(nfc(name), name) for name in names]
    chosen = _chosen(root, labels(found), classes)
    return sorted(one for one in found if one.label in chosen)


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError as error:
        raise UsageError(f"{folder}: {os_reason(error)}") from error
    return sorted(name for name in names if not reason_left_out(name, folder=True))


def _chosen(root: Path, found: Sequence[str], classes: Sequence[str] | None) -> Sequence[str]:
    named = _listed(found)
    if classes is None:
        if not 2 <= len(found) <= 3:
            hint = "; choose two or three with classes" if len(found) > 3 else ""
            raise UsageError(
                f"{root}: needs two or three class folders (such as happy and sad); "
                f"found {named}{hint}"
            )
        classes = found
    classes = [nfc(name) for name in classes]
    if not 2 <= len(set(classes)) == len(classes):
        raise UsageError(
            f"classes must be the names of two or more different folders, not {', '.join(classes)}"
        )
    missing = [name for name in classes if name not in found]
    if missing:
        raise UsageError(f"{root}: no class folder {', '.join(missing)}; found {named}")
    try:
        for name in classes:
            check_class(name)
    except ValueError as error:
        raise UsageError(f"{root}: {error}") from error
    return classes


def _in_splits(
    root: Path, names: Sequence[str], splits: Mapping[str, Sequence[str]]
) -> list[ClassFolder]:
    """Return the class folders in folders of splits."""
    there = {split_of(name) for name in splits}
    if "train" not in there or len(there) < 2:
        raise UsageError(
            f"{root}: to use its splits, it needs class folders in train and in val or test; "
            f"found class folders in {_listed(list(splits))}, of the folders {_listed(names)}"
        )
    return [
        ClassFolder(nfc(label), f"{name}/{label}", split_of(name))
        for name, below in splits.items()
        for label in below
    ]


def _refuse_splits(root: Path, names: Sequence[str], splits: Mapping[str, Sequence[str]]) -> None:
    """Raise UsageError if folders would be taken for classes that are splits with classes in them.

    A class may be named train, and have folders in it. So folders are splits if all folders here
    have names of splits, or if their own folders are named alike or as the folders beside them.
    """
    below = [{nfc(label).casefold() for label in labels_} for labels_ in splits.values()]
    beside = {nfc(name).casefold() for name in names if name not in splits}
    all_named = all(map(split_of, names))
    alike = len(set[str]().union(*below)) < sum(map(len, below))
    if not splits or not (all_named or alike or any(one <= beside for one in below)):
        return
    holds = _and(sorted({nfc(label) for labels_ in splits.values() for label in labels_}))
    one = len(splits) == 1
    are = "is a split, not a class (it holds" if one else "are splits, not classes (they hold"
    raise UsageError(
        f"{root}: {_and(list(splits))} {are} {holds}): 'happysad import {root} photos' brings "
        "the photos together"
    )


def _hint(root: Path, classes: Sequence[str] | None, use_splits: bool) -> str:
    """Return the call that would take a folder which was refused; "" if there is none."""
    if not use_splits and _is_taken(root, classes, use_splits=True):
        return ", and --use-splits takes the splits as they are"
    try:
        names = _folders(root)
    except UsageError:
        return ""
    inside = [name for name in names if split_of(name)] or names
    if len(inside) == 1:
        for splits, how in ((False, " without --use-splits"), (True, " with --use-splits")):
            if _is_taken(root / inside[0], classes, use_splits=splits):
                return f"; name {root / inside[0]}{'' if splits == use_splits else how}"
    return ""


def _is_taken(root: Path, classes: Sequence[str] | None, *, use_splits: bool) -> bool:
    """Return whether a folder has the class folders."""
    try:
        return bool(_class_folders(root, classes, use_splits))
    except UsageError:
        return False


def _listed(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _LISTED else ""
    return ", ".join(map(shown, names[:_LISTED])) + more or "none"


def _and(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: a, b and c."""
    if len(names) > _LISTED:
        return _listed(names)
    *first, last = map(shown, names)
    return f"{', '.join(first)} and {last}" if first else last

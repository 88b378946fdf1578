"""Check a data folder: what is in it, what is left out and why, and how it is split."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from happysad.dataset import decided_labels, duplicates, labelled_photos, quality, split
from happysad.dataset.check_page import write_check_page
from happysad.dataset.check_result import (
    CheckCounts,
    CheckResult,
    CheckSettings,
    default_folder,
)
from happysad.dataset.class_folders import class_folders, labels
from happysad.dataset.findings import find, titles
from happysad.dataset.given_splits import known_splits, leave_out_leaks
from happysad.dataset.group_list import GroupList, read_group_list
from happysad.dataset.manifest import SPLITS, Manifest, Split, is_outside
from happysad.dataset.scan import scan
from happysad.errors import DatasetError, UsageError, counted
from happysad.label_review import DECISIONS, SUSPECTS, Suspect, read_decisions, write_suspects

__all__ = ["check"]


def check(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    fractions: tuple[float, float, float] = CheckSettings.fractions,
    radius: int = CheckSettings.radius,
    groups: str | os.PathLike[str] | None = None,
    quality: bool = CheckSettings.quality,
    use_splits: bool = CheckSettings.use_splits,
    allow_missing: bool = CheckSettings.allow_missing,
    say: Callable[[str], None] = lambda line: None,
    find_suspects: Callable[[Manifest], list[Suspect]] | None = None,
) -> CheckResult:
    """Read every file of a data folder, leave out what cannot be used, and split the rest.

    Nothing in the data folder is changed. Photos that are nearly the same stay in one split.
    Photos of an earlier check in `out` keep their splits, and are read again only if their files
    have changed. The decisions on labels in `out` are applied, and the photos that
    were labelled outside of the data folder are added to train.

    Args:
        data: a folder with one folder of photos for each class.
        out: the folder for manifest.csv and report.html; ./NAME-check by default.
        classes: the names of the two or three class folders to use; all by default.
        fractions: the shares of train, val and test.
        radius: the maximum number of bits, of 64, in which the perceptual hashes of
            near-duplicates differ; 0 to 16. -1: no search for near-duplicates; only `groups`
            applies.
        groups: a CSV with the columns path and group: all photos of one group, such as a person,
            stay in one split. Paths are relative to `data`.
        quality: whether to look for blurry, dark and otherwise odd photos.
        use_splits: whether `data` has folders of splits, such as train and test, which are used as
            they are. Photos that belong together with photos in test or val leave train; `test`
            or `val`, where it is not given, is taken from train.
        allow_missing: whether `groups` may name files that do not exist; these are counted.
        say: called with a line on how many photos there are, before they are read.
        find_suspects: finds the photos whose label is probably wrong, such as
            `happysad.training.label_check.find_suspects`; None to trust all labels.

    Raises:
        UsageError: `data` is not a folder with class folders, a class has a reserved name, `out`
            lies in `data`, or another argument is out of range.
        DatasetError: a class has too few photos, or a manifest or list of groups cannot be read.
        LeakError: the earlier manifest has photos that belong together in different splits.

    >>> result = happysad.check("data")  # doctest: +SKIP
    >>> result.counts.used  # doctest: +SKIP
    298
    >>> result.manifest.of("train").head()  # doctest: +SKIP
    """
    data = Path(data)
    out = default_folder(data) if out is None else Path(out)
    settings = CheckSettings(
        classes=None if classes is None else tuple(classes),
        fractions=fractions,
        radius=radius,
        groups=None if groups is None else Path(groups),
        quality=quality,
        use_splits=use_splits,
        allow_missing=allow_missing,
    )
    if out.resolve().is_relative_to(data.resolve()):
        raise UsageError(f"{out}: must lie outside the data folder {data}, which is never changed")
    folders = class_folders(data, settings.classes, use_splits=use_splits)
    names = labels(folders)
    has_all = {folder.split for folder in folders} == set(SPLITS)
    if has_all and settings.fractions != CheckSettings.fractions:
        raise UsageError(f"{data}: has train, val and test, so fractions cannot be used")
    file = out / "manifest.csv"
    earlier = Manifest.read(file, data) if file.exists() else None
    splits = {} if earlier is None else _splits(earlier, file)
    return _check(data, out, settings, names, earlier, splits, say, find_suspects)


def _check(
    data: Path,
    out: Path,
    settings: CheckSettings,
    classes: list[str],
    earlier: Manifest | None,
    splits: dict[str, Split],
    say: Callable[[str], None],
    find_suspects: Callable[[Manifest], list[Suspect]] | None,
) -> CheckResult:
    scanned = scan(
        data,
        classes,
        earlier=earlier,
        quality=settings.quality,
        use_splits=settings.use_splits,
        say=say,
    )
    decisions = read_decisions(out / DECISIONS)
    decided = decided_labels.apply(scanned.table, decisions, classes)
    table = decided.table
    readable = table[table["reason"] == ""]
    listed = GroupList({}, 0)
    if settings.groups is not None:
        listed = read_group_list(settings.groups, table, data, allow_missing=settings.allow_missing)
    if settings.use_splits:
        table = leave_out_leaks(table, settings.radius, listed.groups)
    table = duplicates.leave_out_copies(table)
    into = SPLITS
    if settings.use_splits:
        splits, into = known_splits(table, splits)
    if settings.quality:
        table = quality.flag(table, scanned.measures)
    table, near = duplicates.note_other_class(table, settings.radius)
    table = split.assign(
        table,
        radius=settings.radius,
        fractions=settings.fractions,
        listed=listed.groups,
        known=splits,
        into=into,
    )
    manifest = Manifest(data, table)
    _refuse_few(manifest, classes)
    if settings.use_splits:
        _refuse_empty_splits(manifest, classes)
    split.refuse_leaks(manifest, settings.radius)

    manifest = labelled_photos.add(
        manifest,
        labelled_photos.chosen(decisions, scanned.table, classes),
        radius=settings.radius,
        listed=listed.groups,
        earlier=earlier,
    )
    table = manifest.table

    suspects = None
    if find_suspects is not None:
        suspects = [one for one in find_suspects(manifest) if one.pixels not in decided.pixels]
    found = find(table)
    counts = CheckCounts(
        files=len(table),
        readable=len(readable),
        used=len(manifest.used),
        left_out=len(table) - len(manifest.used),
        groups=manifest.used["group"].nunique(),
        near_duplicate_pairs=duplicates.count_pairs(readable, settings.radius),
        unknown_paths=listed.unknown_paths,
        beside=dict(scanned.beside),
        findings={key: len(rows) for key, rows in found.items()},
        suspects=None if suspects is None else len(suspects),
        kept=decided.kept,
        relabelled=decided.relabelled,
        labelled=int(manifest.used["path"].map(is_outside).sum()),
    )
    result = CheckResult(manifest, settings, counts, out)
    manifest.write(out / "manifest.csv")
    if suspects is not None:
        write_suspects(out / SUSPECTS, suspects)
    write_check_page(result, found, near, suspects)
    return result


def _splits(earlier: Manifest, file: Path) -> dict[str, Split]:
    """Return the splits of an earlier manifest, by the photos' pixels."""
    used = earlier.used
    wrong = used[~used["split"].isin(SPLITS)]
    if len(wrong):
        path, name = wrong[["path", "split"]].iloc[0]
        raise DatasetError(
            f"{file}: {path} has the split {name!r}; allowed are {', '.join(SPLITS)}"
        )
    both = used.drop_duplicates(["pixels", "split"]).duplicated("pixels")
    if both.any():
        split.refuse_leaks(earlier, 0)
    return dict(zip(used["pixels"], cast("list[Split]", used["split"].tolist()), strict=True))


def _refuse_few(manifest: Manifest, classes: list[str]) -> None:
    """Raise DatasetError if a class has fewer groups of photos than there are splits."""
    for name in classes:
        rows = manifest.table[manifest.table["label"] == name]
        if rows.empty:
            raise DatasetError(f"{manifest.root / name}: needs photos; found no files")
        used = rows.loc[rows["status"] == "used", "group"]
        if used.nunique() >= len(SPLITS):
            continue
        left_out = titles(rows.loc[rows["status"] == "left_out", "code"])
        why = ", ".join(f"{title.lower()} ({n})" for title, n in left_out.most_common(3))
        raise DatasetError(
            f"{manifest.root / name}: needs at least {len(SPLITS)} groups of different photos; "
            f"found {used.nunique()} in {counted(len(rows), 'file')}"
            + (f"; left out: {why}" if why else "")
            + (f"; {split.MORE_GROUPS}" if len(used) > used.nunique() else "")
        )


def _refuse_empty_splits(manifest: Manifest, classes: list[str]) -> None:
    """Raise DatasetError if a split has no photo of a class."""
    for name in SPLITS:
        lacking = sorted(set(classes) - set(manifest.of(name)["label"]))
        if lacking:
            raise DatasetError(
                f"{manifest.root}: its {name} needs photos of all classes; no photo of "
                f"{' and '.join(lacking)} can be used"
            )

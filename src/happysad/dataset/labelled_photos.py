"""Add photos that were labelled outside of the data folder to the training photos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from happysad.dataset.duplicates import leave_out_copies
from happysad.dataset.findings import Code
from happysad.dataset.given_splits import leave_out_leaks
from happysad.dataset.manifest import Manifest, Split, is_outside
from happysad.dataset.scan import scan_files
from happysad.dataset.split import assign, refuse_leaks
from happysad.label_review import Decision

__all__ = ["add", "chosen"]


def chosen(
    decisions: Mapping[str, Decision], table: pd.DataFrame, classes: Sequence[str]
) -> list[Decision]:
    """Return the decisions that label photos outside of the data folder.

    A photo that is in the data folder, too, is judged by its class folder.

    Args:
        decisions: the decisions by `pixels`.
        table: the photos of the data folder, with columns as in `manifest.COLUMNS`.
        classes: the classes of this check.
    """
    inside = set(table["pixels"])
    return [
        one
        for one in decisions.values()
        if not one.folder
        and one.label in classes
        and one.pixels not in inside
        and is_outside(one.path)
    ]


def add(
    manifest: Manifest,
    decisions: Sequence[Decision],
    *,
    radius: int,
    listed: Mapping[str, Collection[str]],
    earlier: Manifest | None,
) -> Manifest:
    """Add labelled photos to train; no other photo changes its split.

    A photo is left out if it belongs together with one of val or test, or has changed since it was
    labelled.

    Args:
        manifest: the split photos of the data folder.
        decisions: as `chosen` returns them.
        radius: as for `split.assign`.
        listed: as for `split.assign`.
        earlier: as for `scan_files`.

    Raises:
        LeakError: photos of `manifest` that belong together are in different splits.
    """
    if not decisions:
        return manifest
    refuse_leaks(manifest, radius)
    labels = {one.path: one.label for one in decisions}
    expected = {one.path: one.pixels for one in decisions}
    new = scan_files(manifest.root, labels, earlier=earlier)
    changed = (new["reason"] == "") & (new["pixels"] != new["path"].map(expected))
    new.loc[changed, "code"] = str(Code.CHANGED)
    new.loc[changed, "reason"] = "changed since it was labelled"
    new["split"] = "train"
    splits: dict[str, Split] = dict.fromkeys(new["pixels"], "train")
    splits |= dict(zip(manifest.used["pixels"], manifest.used["split"], strict=True))
    table = pd.concat([manifest.table, leave_out_copies(new)], ignore_index=True)
    table = leave_out_leaks(table, radius, listed)
    table = assign(
        table,
        radius=radius,
        fractions=(1.0, 0.0, 0.0),
        listed=listed,
        known=splits,
    )
    return Manifest(manifest.root, table)

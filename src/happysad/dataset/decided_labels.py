"""Apply what people decided on labels to the rows of a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from happysad.dataset.findings import Code
from happysad.label_review import Decision

__all__ = ["Decided", "apply"]


@dataclass(frozen=True)
class Decided:
    """A table to which decisions were applied."""

    table: pd.DataFrame
    pixels: frozenset[str]
    """The `pixels` of the photos whose decisions hold."""
    kept: int
    """The number of photos whose label was confirmed."""
    relabelled: int
    """The number of photos whose label was changed."""


def apply(
    table: pd.DataFrame, decisions: Mapping[str, Decision], classes: Sequence[str]
) -> Decided:
    """Change labels and leave photos out as decided.

    A decision holds if the photo is still in the same class folder, and if the decided class is one
    of `classes`.

    Args:
        table: columns as in `manifest.COLUMNS`; rows with a reason are left as they are.
        decisions: the decisions by `pixels`.
        classes: the classes of this check.
    """
    columns = {name: table[name].tolist() for name in ("label", "code", "reason")}
    held: set[str] = set()
    kept = relabelled = 0
    for place, (pixels, folder) in enumerate(zip(table["pixels"], table["label"], strict=True)):
        decision = decisions.get(pixels)
        if decision is None or decision.folder != folder or columns["reason"][place]:
            continue
        if decision.label not in ("", *classes):
            continue
        held.add(pixels)
        if not decision.label:
            columns["code"][place] = str(Code.DECIDED)
            columns["reason"][place] = "left out by your decision"
        else:
            columns["label"][place] = decision.label
            kept += decision.label == folder
            relabelled += decision.label != folder
    changed = {
        name: pd.Series(values, index=table.index, dtype="str") for name, values in columns.items()
    }
    return Decided(table.assign(**changed), frozenset(held), kept, relabelled)

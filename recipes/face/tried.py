"""Train networks that were tried, and print their figures on validation side by side.

    python -m recipes.face.tried DATA --work FOLDER --write FILE NAME ...

DATA and FOLDER are those of `python -m recipes.face`, which must have reached its second step. The
names are those of `networks.NETWORKS`. Each network is trained, calibrated as the one that ships
would be, and judged on the validation faces and on the photos of DATA; FER2013's test faces are not
used.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from happysad.evaluation.metrics import Figure
from happysad.keras_backend import quiet
from recipes.face.robustness import cell

if TYPE_CHECKING:
    from recipes.face.judging import Judgement


def main() -> None:
    """Train and judge the named networks; print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.face.tried",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="file to which the table is also written"
    )
    parser.add_argument("names", nargs="+", metavar="NAME")
    chosen = parser.parse_args()

    quiet()
    from happysad.classifier import Classifier
    from happysad.files import write_text
    from recipes.face import networks
    from recipes.face.judging import judge
    from recipes.face.packed_faces import packed
    from recipes.face.shipping import ship

    judged = {}
    for name in chosen.names:
        network = networks.train(name, chosen.data, chosen.work)
        unseen = packed("val", chosen.data, chosen.work)
        assert unseen is not None
        file = chosen.work / name / "face.onnx"
        file.parent.mkdir(exist_ok=True)
        ship(network, unseen, 1, file)
        judged[name] = judge(Classifier(file), unseen, chosen.data)
        print(f"{name}: judged", flush=True)  # noqa: T201
    text = table(judged)
    print(text)  # noqa: T201
    if chosen.write is not None:
        write_text(chosen.write, text)


def table(judged: Mapping[str, Judgement]) -> str:
    """Return the figures by which networks are compared, a column for each network."""
    columns = {name: _figures(judgement) for name, judgement in judged.items()}
    rows = dict.fromkeys(chain.from_iterable(columns.values()))
    lines = [f"| validation | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    lines += [
        f"| {row} | {' | '.join(cell(one.get(row), '{:.3f}') for one in columns.values())} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _figures(judgement: Judgement) -> dict[str, Figure | None]:
    parts = [
        ("three folders", judgement.three),
        ("all folders", judgement.all_folders),
        ("generated", judgement.generated),
        ("studio", judgement.studio),
        ("scenes with a face", judgement.scenes),
    ]
    found: dict[str, Figure | None] = {}
    for part, figures in parts:
        if figures is None:
            continue
        name = f"{part}, n = {figures.score.n:,}"
        found[f"{name}: mean recall"] = figures.score.balanced_accuracy
        found[f"{name}: AUC of sad against neither"] = figures.auc_sad_neither
        found[f"{name}: happy against sad alone"] = figures.happy_or_sad
        found[f"{name}: answered"] = figures.default.coverage
        found[f"{name}: right of those"] = figures.default.selective_accuracy
        for label, one in figures.score.per_class.items():
            found[f"{name}: recall of {label}"] = one.recall
    for part, figures in parts[:2]:
        assert figures is not None
        for label, error in figures.calibration.items():
            found[f"{part}: calibration error of {label}"] = error
    if judgement.neutral is not None:
        for label in ("sad", "happy"):
            found[f"neutral of three folders called {label}"] = judgement.neutral.called[label]
    worse = [row.recall.value for row in judgement.robustness if row.change and row.recall.value]
    found[f"three folders, mean over {len(worse)} worse pictures: mean recall"] = Figure(
        fmean(worse) if worse else None, None
    )
    return {name: one for name, one in found.items() if one is not None and one.value is not None}


if __name__ == "__main__":
    main()

"""Train networks that do not ship, and print their figures on validation.

    python -m recipes.face.tried DATA --work FOLDER NAME ...

DATA and FOLDER are those of `python -m recipes.face`, which must have reached its second step. The
names are those of `networks.NETWORKS`. Each network is trained. If it has the size of the one that
ships, it is also calibrated and judged on the validation faces and on the photos of DATA; FER2013's
test faces are not used.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from happysad.keras_backend import quiet

if TYPE_CHECKING:
    from recipes.face.judging import Judgement


def main() -> None:
    """Train and judge the named networks, one after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.face.tried",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("names", nargs="+", metavar="NAME")
    chosen = parser.parse_args()

    quiet()
    from happysad.classifier import Classifier
    from happysad.files import write_text
    from recipes.face import networks
    from recipes.face.judging import judge
    from recipes.face.packed_faces import packed
    from recipes.face.shipping import ship

    for name in chosen.names:
        network = networks.train(name, chosen.data, chosen.work)
        unseen = packed("val", chosen.data, chosen.work)
        if not networks.NETWORKS[name].can_ship:
            continue
        assert unseen is not None
        file = chosen.work / name / "face.onnx"
        ship(network, unseen, 1, file)
        judgement = judge(Classifier(file), unseen, chosen.data)
        write_text(file.with_suffix(".json"), json.dumps(asdict(judgement), indent=2) + "\n")
        print("\n".join([name, *lines(judgement)]), flush=True)  # noqa: T201


def lines(judgement: Judgement) -> list[str]:
    """Return the figures by which networks are compared, one a line."""
    three, every = judgement.three, judgement.all_folders
    named = [
        ("mean recall, three folders", three.score.balanced_accuracy),
        ("mean recall, all folders", every.score.balanced_accuracy),
        ("AUC of sad against neither, three folders", three.auc_sad_neither),
        ("happy against sad alone, three folders", three.happy_or_sad),
        ("answered, three folders", three.default.coverage),
        ("right of those", three.default.selective_accuracy),
        ("answered, all folders", every.default.coverage),
        ("right of those", every.default.selective_accuracy),
        *((f"calibration error of {name}", one) for name, one in every.calibration.items()),
    ]
    if judgement.neutral is not None:
        named += [
            (f"neutral called {name}", judgement.neutral.called[name]) for name in ("sad", "happy")
        ]
    if (found := judgement.generated) is not None:
        named += [
            ("generated: mean recall", found.score.balanced_accuracy),
            ("generated: AUC of sad against neither", found.auc_sad_neither),
            ("generated: happy against sad alone", found.happy_or_sad),
        ]
    if (found := judgement.studio) is not None:
        named.append(("studio: smiles called happy", found.score.per_class["happy"].recall))
        named.append(("studio: called sad by default", found.default.called["sad"]))
    if (found := judgement.scenes) is not None:
        named.append(("scenes with a face: happy against sad alone", found.happy_or_sad))
    return [
        f"{name}: {one.value:.3f} ({one.interval[0]:.3f} to {one.interval[1]:.3f})"
        for name, one in named
        if one is not None and one.value is not None and one.interval is not None
    ]


if __name__ == "__main__":
    main()

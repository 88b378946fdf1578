"""Train and judge the shipped classifier, and write its card.

    python -m recipes.face DATA --work FOLDER

DATA holds FER2013 and FER+'s votes: either the folder faces/ with votes.csv and with train/ and
test/, each with angry, disgust, fear, happy, neutral, sad and surprise; or Kaggle's fer2013.csv and
FER+'s fer2013new.csv. These folders are optional: portraits (happy and neutral), from which the
network learns too, and colour/generated, colour/studio (with colour/people.csv) and scenes, on
which the classifier is judged.

1. Labels. Three networks learn FER2013's labels, one after the other. Because some labels are
   wrong, each later network learns from the mean of the labels and of the average probabilities of
   the networks before it (born-again networks, Furlanello et al. 2018, arXiv:1805.04770). The
   second network is larger; the third starts from the weights of the first and is then fine-tuned
   on happy and sad faces. The result is FOLDER/happy-or-sad.onnx. If this file exists, this step
   is skipped; the face.onnx of happysad 0.1.0 is such a file.
2. Votes. Three networks learn the shares of ten people's votes for eight emotions. Two larger
   networks begin with the mean of their weights and learn the same. Two students begin with this
   mean too; they learn from the votes and from the answers of the larger networks. What ships has
   the mean of the weights of the first mean and the two students.
3. The network is calibrated, merged to happy, neither and sad, and written to face.onnx.
4. It is judged on FER2013's test faces.

FOLDER keeps all results, so that the same command continues an interrupted recipe. At the end the
recipe writes face.onnx, face.json, MODEL_CARD.md and its pictures to src/happysad/assets.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.files import write_text
from happysad.keras_backend import deterministic, quiet
from happysad.model_file import SHIPPED

#: Widths of the stages of the shipped network and of its larger teacher. The first convolution has
#: stride 2.
SMALL, LARGE = (32, 64, 128, 192), (48, 96, 144, 192)
#: The networks that learn from labels, in order: name, widths, epochs, peak learning rate.
NETWORKS = (
    ("teacher-0", SMALL, 60, 2e-3),
    ("teacher-1", LARGE, 36, 2e-3),
    ("student", SMALL, 24, 1e-3),
)
#: The same for the fine-tuning of the student on happy, sad and some neutral faces.
END = ("happy-or-sad", SMALL, 10, 1e-3)


def main() -> None:
    """Run the whole recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.face",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of FER2013 and the votes")
    parser.add_argument(
        "--work", type=Path, required=True, metavar="FOLDER", help="folder of all results"
    )
    parser.add_argument(
        "--assets",
        type=Path,
        default=SHIPPED.parent,
        metavar="FOLDER",
        help="folder of face.onnx and its card",
    )
    chosen = parser.parse_args()
    data, work, assets = chosen.data, chosen.work, chosen.assets

    quiet()
    from recipes.face import card, networks, pictures
    from recipes.face.judging import judge
    from recipes.face.packed_faces import packed
    from recipes.face.shipping import ship
    from recipes.face.votes import targets

    work.mkdir(parents=True, exist_ok=True)
    if not (work / networks.LABELS_FILE).is_file():
        learn_labels(data, work)
    network = networks.train(networks.SHIPPED_NETWORK, data, work)
    learned, unseen, test = (packed(name, data, work) for name in ("train", "val", "test"))
    portraits = packed("portraits", data, work)
    assert learned is not None and unseen is not None and test is not None
    file = assets / SHIPPED.name
    ship(network, unseen, int(targets(learned.votes)[1].sum()), file)
    shipped = Classifier(file)
    judgement = judge(shipped, test, data)
    drawn = pictures.write(shipped, judgement, assets)
    figures = {**asdict(judgement), "drawn": asdict(drawn)}
    write_text(file.with_suffix(".json"), json.dumps(figures, indent=2) + "\n")
    text = card.write(file, judgement, drawn, portraits=0 if portraits is None else len(portraits))
    write_text(assets / "MODEL_CARD.md", text)


def learn_labels(data: Path, work: Path) -> None:
    """Train the networks that learn from labels, and write the last one as an .onnx."""
    import keras

    from recipes.face import label_training, networks, photos
    from recipes.face.fer_plus import faces_folder
    from recipes.face.shipping import write_happy_or_sad

    manifest = photos.manifest(faces_folder(data, work) / "train")
    learned = photos.load(manifest, "train")
    unseen = photos.load(manifest, "val", "test")

    def train(
        seed: int,
        part: tuple[str, tuple[int, ...], int, float],
        begun: keras.Model | None,
        seen: photos.Photos,
        targets: NDArray[np.float32],
        validation: photos.Photos,
    ) -> keras.Model:
        name, widths, epochs, rate = part
        config = replace(label_training.CONFIG, epochs=epochs, seed=seed, learning_rate=rate)
        deterministic(seed)
        network = label_training.network(widths)
        if begun is not None:
            network.set_weights(begun.get_weights())
        label_training.train(network, seen, targets, validation, config, work / name)
        return network

    hard = label_training.smoothed(learned.classes)
    trained: list[keras.Model] = []
    taught: list[NDArray[np.float32]] = []
    for seed, part in enumerate(NETWORKS):
        begun = trained[0] if part[0] == "student" else None
        targets = (np.mean(taught, axis=0) + hard) / 2 if taught else hard
        trained.append(train(seed, part, begun, learned, targets, unseen))
        taught.append(label_training.answers(trained[-1], learned.images))
    seed = len(NETWORKS)
    last = label_training.happy_or_sad(learned, np.mean(taught, axis=0), seed)
    network = train(seed, END, trained[-1], *last, unseen.only(photos.HAPPY, photos.SAD))
    write_happy_or_sad(network, unseen, work / networks.LABELS_FILE)


if __name__ == "__main__":
    main()

"""The networks that learn from votes: eight emotions, merged into three classes when one ships."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers
from numpy.typing import NDArray
from scipy.special import softmax

from happysad.errors import RunError
from happysad.images import Pixels
from happysad.models.face import EMOTIONS, WIDTHS, constants
from happysad.models.head import OUTCOMES
from happysad.models.residual import features
from recipes.face import vote_training
from recipes.face.augmentation import Changes
from recipes.face.packed_faces import Faces, packed
from recipes.face.photos import SIZE
from recipes.face.vote_training import Examples, Schedule
from recipes.face.votes import targets

__all__ = [
    "LABELS_FILE",
    "NETWORKS",
    "SHIPPED_NETWORK",
    "Mean",
    "Network",
    "convolutions",
    "folded",
    "logits",
    "order",
    "train",
    "trained",
]

#: The network of happy and sad that has learned from labels; the others begin with its weights.
LABELS_FILE = "happy-or-sad.onnx"
#: The name of the network that ships. docs/decisions.md, "What was tried for three answers".
SHIPPED_NETWORK = "students"

_DROPOUT = 0.3
# Changes as strong as those that cost accuracy in the card's table of worse pictures.
_STRONG = Changes(
    zoom=0.25,
    light=0.5,
    dark=0.15,
    worse=0.5,
    worse_again=0.2,
    blur=0.06,
    small=0.33,
    quality=8,
    noise=32,
)
# The number of crops that give batch normalisations their first means and variances.
_STATISTICS = 2048
# The assumed share of wrong labels of the portraits; the weight of a label beside the teachers.
_WRONG, _TRUST = 0.04, 0.75


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network and its training."""

    schedule: Schedule
    doubled: bool = False
    """Whether its stages are twice as wide as those of the network that ships."""
    bfloat16: bool = False
    """Whether it computes in bfloat16 while it learns."""
    stride: int = 2
    """The stride of the first convolution."""
    normalised: bool = True
    """Whether it has batch normalisation."""
    teachers: tuple[str, ...] = ()
    """The networks whose mean answer is half of each target, and all of it for portraits."""
    agreed: float = 0.0
    """The share of the votes' part of each target that goes to the emotion with the most alone."""
    begun: str | None = None
    """The `Mean` with whose weights it begins; None begins with those of `LABELS_FILE`."""
    anew: bool = False
    """Whether half of the crops are cut anew."""
    portraits: bool = False
    """Whether it learns from portraits too."""

    @property
    def before(self) -> tuple[str, ...]:
        """The networks that must be trained before."""
        return self.teachers if self.begun is None else (self.begun, *self.teachers)

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of its stages."""
        return tuple(2 * width for width in WIDTHS) if self.doubled else WIDTHS


@dataclass(frozen=True)
class Mean:
    """The network whose weights are the means of those of trained networks.

    Source: model soups (Wortsman et al. 2022, arXiv:2203.05482).
    """

    names: tuple[str, ...]
    """Keys of `NETWORKS`; all begin with the same weights."""

    @property
    def before(self) -> tuple[str, ...]:
        """The networks that must be trained before."""
        return self.names


_TUNED = Schedule(head_epochs=1, epochs=30, rate=1e-3, warmup=0.05)
_TEACHER = Schedule(epochs=12, rate=1e-3, warmup=0.05, weight_decay=2e-2)
_LATER = replace(_TUNED, head_epochs=0, epochs=20, rate=5e-4)
_STUDENT = Network(
    begun="three",
    schedule=replace(_LATER, seed=2),
    teachers=("wide", "close"),
    anew=True,
    portraits=True,
    bfloat16=True,
)
NETWORKS: dict[str, Network | Mean] = {
    "trial": Network(schedule=Schedule(head_epochs=3, epochs=8, rate=5e-4), normalised=False),
    # Batch normalisation and more epochs; then worse pictures.
    "longer": Network(schedule=_TUNED),
    "strong": Network(schedule=replace(_TUNED, changes=_STRONG)),
    # What two and three of them have learned, in one network.
    "two": Mean(("trial", "longer")),
    "three": Mean(("trial", "longer", "strong")),
    # Two teachers: one is wider, one sees finer detail.
    "wide": Network(
        begun="three",
        doubled=True,
        schedule=replace(_TEACHER, changes=_STRONG, seed=4),
        anew=True,
        bfloat16=True,
    ),
    "close": Network(
        begun="three",
        stride=1,
        schedule=replace(_TEACHER, seed=5),
        anew=True,
        bfloat16=True,
    ),
    # Two students of both, which differ in their seed; what they and "three" have learned.
    "student": _STUDENT,
    "student-8": replace(_STUDENT, schedule=replace(_LATER, seed=8)),
    "students": Mean(("three", "student", "student-8")),
    # A student that sees worse pictures, and one with votes halfway to the majority.
    "student-strong": replace(_STUDENT, schedule=replace(_LATER, changes=_STRONG, seed=6)),
    "student-agreed": replace(_STUDENT, schedule=replace(_LATER, seed=7), agreed=0.5),
    # "three" learns on: half of each target is its own answer, and it learns from portraits too.
    "again": Network(
        begun="three",
        schedule=replace(_LATER, changes=_STRONG, seed=3),
        teachers=("three",),
        anew=True,
        portraits=True,
    ),
}


def train(name: str, data: Path, work: Path) -> keras.Model:
    """Train a network after those that it needs, or continue the training, and return it.

    Args:
        name: a key of `NETWORKS`.
        data: the recipe's data folder.
        work: the folder of all results.
    """
    models: dict[str, keras.Model] = {}
    for part in order(name):
        one = NETWORKS[part]
        if isinstance(one, Mean):
            models[part] = _mean([models[other] for other in one.names])
            continue
        learned, validation = _examples(one, data, work), _of_votes(_faces("val", data, work))
        models[part] = _build(one, data, work)
        vote_training.train(models[part], learned, validation, one.schedule, work / part)
    return models[name]


def order(name: str) -> list[str]:
    """Return the names of a network and of all that it needs, in the order of their training."""
    before = [other for one in NETWORKS[name].before for other in order(one)]
    return list(dict.fromkeys([*before, name]))


def trained(name: str, data: Path, work: Path) -> keras.Model:
    """Return a trained network.

    Raises:
        RunError: its training has not begun.
    """
    one = NETWORKS[name]
    if isinstance(one, Mean):
        return _mean([trained(part, data, work) for part in one.names])
    if not (work / name / "last.npz").is_file():
        raise RunError(f"{work / name}: train this network first")
    model = _build(one, data, work)
    vote_training.load(model, work / name)
    return model


def logits(model: keras.Model, images: Pixels) -> NDArray[np.float32]:
    """Return the mean of the logits of each crop and of its mirror image, shape (n, 8)."""
    looks = (images, images[:, :, ::-1])
    both = [model.predict(look, batch_size=256, verbose=0) for look in looks]
    return np.asarray((both[0] + both[1]) / 2, dtype=np.float32)


def convolutions(model: keras.Model) -> list[list[NDArray[np.float32]]]:
    """Return the kernel and the bias of each convolution, with batch normalisations folded in."""
    weights = [layer.get_weights() for layer in _of(model, layers.Conv2D)]
    norms = _of(model, layers.BatchNormalization)
    if not norms:
        return weights
    found = []
    for (kernel, *_), norm in zip(weights, norms, strict=True):
        gamma, beta, mean, variance = norm.get_weights()
        scale = gamma / np.sqrt(variance + norm.epsilon)
        found.append([kernel * scale, beta - mean * scale])
    return found


def folded(model: keras.Model) -> keras.Model:
    """Return the same network without batch normalisation; see `convolutions`."""
    stem, *_ = _of(model, layers.Conv2D)
    widths = [layer.filters for layer in model.layers if layer.name.endswith("_second")]
    same = _network(tuple(widths), stride=stem.strides[0], normalised=False)
    learned = [layer for layer in same.layers if layer.weights]
    weights = [*convolutions(model), model.layers[-1].get_weights()]
    for layer, values in zip(learned, weights, strict=True):
        layer.set_weights(values)
    return same


def _mean(models: list[keras.Model]) -> keras.Model:
    """Return a network without normalisation, with the mean of the weights of `models`."""
    first, *others = (folded(model) for model in models)
    given = zip(*(one.get_weights() for one in (first, *others)), strict=True)
    first.set_weights([np.mean(weights, axis=0) for weights in given])
    return first


def _build(one: Network, data: Path, work: Path) -> keras.Model:
    keras.utils.set_random_seed(one.schedule.seed)
    if one.begun is None:
        plain = _from_labels(work / LABELS_FILE, one.stride)
    else:
        plain = _network(WIDTHS, stride=one.stride, normalised=False)
        plain.set_weights(trained(one.begun, data, work).get_weights())
    if one.doubled:
        plain = _doubled(plain, one)
    if not one.normalised:
        return plain
    faces = _faces("train", data, work).images[:_STATISTICS]
    with _precision(one):
        model = _network(one.widths, stride=one.stride)
    return _normalised(plain, model, faces)


@contextmanager
def _precision(one: Network) -> Iterator[None]:
    """Build layers in the precision of a network's training."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if one.bfloat16 else before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _doubled(narrow: keras.Model, one: Network) -> keras.Model:
    """Return a network of twice the widths that gives the same answers as `narrow`.

    Each feature stands twice. What a layer takes from a feature is split at random between the two,
    so that they learn different things.

    Source: Net2Net (Chen et al. 2016, arXiv:1511.05641).
    """
    wide = _network(one.widths, stride=one.stride, normalised=False)
    rng = np.random.default_rng(one.schedule.seed)
    for before, after in zip(narrow.layers, wide.layers, strict=True):
        if not before.weights:
            continue
        kernel, bias = before.get_weights()
        if kernel.shape[-2] < after.kernel.shape[-2]:
            part = rng.uniform(0.2, 0.8, kernel.shape)
            kernel = np.concatenate([kernel * part, kernel * (1 - part)], axis=-2)
        if kernel.shape[-1] < after.kernel.shape[-1]:
            kernel, bias = np.tile(kernel, 2), np.tile(bias, 2)
        after.set_weights([kernel, bias])
    return wide


def _network(widths: tuple[int, ...], *, stride: int = 2, normalised: bool = True) -> keras.Model:
    """Return a network with random weights whose output is a logit for each emotion."""
    image = layers.Input((SIZE, SIZE, 1), dtype="uint8", name="image")
    x = layers.Dropout(_DROPOUT)(features(image, widths, stride=stride, normalised=normalised))
    return keras.Model(image, layers.Dense(len(EMOTIONS), dtype="float32", name=OUTCOMES)(x))


def _from_labels(file: Path, stride: int) -> keras.Model:
    """Return a network with the convolutions of an .onnx file; its last layer is new.

    Args:
        file: the file, which may be the classifier of happysad 0.1.0.
        stride: the stride of the first convolution.
    """
    graph = onnx.load(file).graph
    stored = constants(graph)
    kernels = [
        [stored[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"
    ]
    model = _network(WIDTHS, stride=stride, normalised=False)
    for layer in _of(model, layers.Conv2D):
        shape = tuple(layer.kernel.shape)
        # In any order of a graph's branches, layers of the same shape stay in order.
        found = next(
            (one for one in kernels if one[0].transpose(2, 3, 1, 0).shape == shape),
            None,
        )
        if found is None or len(found) < 2:
            raise RunError(f"{file}: holds another network: no weights for {layer.name}")
        kernels = [one for one in kernels if one is not found]
        layer.set_weights([found[0].transpose(2, 3, 1, 0), found[1]])
    return model


def _normalised(folded: keras.Model, model: keras.Model, images: Pixels) -> keras.Model:
    """Return `model` with the weights of `folded`; it gives the same answers but learns faster.

    Each normalisation gets the mean and variance of its convolution's outputs, and undoes both.

    Args:
        folded: a network without normalisation.
        model: the same network with batch normalisation.
        images: the crops that give the means and variances.
    """
    before = _of(folded, layers.Conv2D)
    outputs = keras.Model(folded.input, [layer.output for layer in before]).predict(
        images, batch_size=256, verbose=0
    )
    for layer, output, convolution, norm in zip(
        before,
        outputs,
        _of(model, layers.Conv2D),
        _of(model, layers.BatchNormalization),
        strict=True,
    ):
        kernel, bias = layer.get_weights()
        mean, variance = output.mean(axis=(0, 1, 2)) - bias, output.var(axis=(0, 1, 2))
        convolution.set_weights([kernel])
        norm.set_weights([np.sqrt(variance + norm.epsilon), bias + mean, mean, variance])
    model.layers[-1].set_weights(folded.layers[-1].get_weights())
    return model


def _of(model: keras.Model, kind: type[layers.Layer]) -> list[layers.Layer]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def _faces(name: str, data: Path, work: Path) -> Faces:
    faces = packed(name, data, work)
    assert faces is not None  # only sets of photos may be missing
    return faces


def _of_votes(faces: Faces) -> Examples:
    shares, kept = targets(faces.votes)
    return Examples(faces.images[kept], shares[kept])


def _examples(one: Network, data: Path, work: Path) -> Examples:
    """Return the faces and targets from which a network learns."""
    faces = _faces("train", data, work)
    shares, kept = targets(faces.votes)
    most = np.eye(shares.shape[1], dtype=np.float32)[shares.argmax(axis=1)]
    shares = (1 - one.agreed) * shares + one.agreed * most
    if one.teachers:
        answers = _answers(one, "train", faces.images, data, work)
        shares = np.mean([shares, answers], axis=0, dtype=np.float32)
    images, shares = faces.images[kept], shares[kept]
    anew = _faces("train-anew", data, work).images[kept] if one.anew else images
    portraits = packed("portraits", data, work) if one.portraits else None
    if portraits is not None:
        answers = _answers(one, "portraits", portraits.images, data, work)
        answers = _smiling(answers, portraits.folders == "happy")
        images, anew = (np.concatenate([own, portraits.images]) for own in (images, anew))
        shares = np.concatenate([shares, answers])
    return Examples(images, shares, anew if one.anew else None)


def _smiling(answers: NDArray[np.float32], smiles: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return answers in which a photo's label moves probability between happiness and neutral.

    The labels are only happy and neutral, so the other emotions keep their probabilities.

    Args:
        answers: the teachers' probabilities of the emotions, shape (n, 8).
        smiles: whether each photo's label is happy and not neutral, shape (n,).
    """
    happy, neutral = EMOTIONS.index("happiness"), EMOTIONS.index("neutral")
    both = answers[:, happy] + answers[:, neutral]
    label = np.where(smiles, 1 - _WRONG, _WRONG)
    moved = answers.copy()
    moved[:, happy] = (1 - _TRUST) * answers[:, happy] + _TRUST * both * label
    moved[:, neutral] = both - moved[:, happy]
    return moved


def _answers(
    one: Network, name: str, images: Pixels, data: Path, work: Path
) -> NDArray[np.float32]:
    """Return the mean of the teachers' probabilities of the emotions, shape (n, 8)."""
    answers = []
    for teacher in one.teachers:
        file = work / teacher / f"answers-{name}.npy"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            np.save(file, logits(trained(teacher, data, work), images).astype(np.float16))
        answers.append(softmax(np.load(file).astype(np.float32), axis=1))
    return np.asarray(np.mean(answers, axis=0), dtype=np.float32)

"""Drawn faces: a dataset for trying out every command without photos of real people.

Results on drawn faces do not carry over to real faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.errors import UsageError
from happysad.images import Pixels

__all__ = ["Dirt", "face", "write_set"]

# Fitzpatrick's skin types I to VI, in RGB.
_SKIN = (
    (250, 220, 196),
    (240, 200, 170),
    (224, 172, 128),
    (190, 132, 90),
    (140, 90, 60),
    (86, 56, 42),
)
_HAIR = ((30, 24, 22), (74, 46, 28), (140, 92, 44), (214, 176, 104), (160, 62, 34), (172, 172, 172))
# How far the corners of the mouth go up, for each expression.
_MOODS = {"happy": 1.0, "sad": -1.0, "neither": 0.0}
# Faces are drawn at twice the size and then shrunk, which smooths every edge.
_SCALE = 2


@dataclass(frozen=True)
class Dirt:
    """The paths of the bad files that `write_set` adds, relative to its folder."""

    not_an_image: str
    truncated: str
    duplicate: str
    both_classes: tuple[str, str]


def face(label: str, rng: np.random.Generator, size: int = 160) -> Pixels:
    """Draw one face.

    Args:
        label: "happy" or "sad": decides whether the corners of the mouth and the inner brows go up
            or down. The strength varies; some faces are ambiguous. "neither": a straight mouth.
        rng: the source of all other properties: skin, hair, pose, light, glasses, noise.
        size: the side of the picture in pixels.

    Returns:
        RGB, uint8, shape (size, size, 3).

    Raises:
        UsageError: `label` is none of these.
    """
    import cv2

    if label not in _MOODS:
        raise UsageError(f"label must be {', '.join(_MOODS)}, not {label!r}")
    side = size * _SCALE
    canvas = _background(rng, side)
    mood = _MOODS[label] * float(np.clip(rng.normal(0.85, 0.4), -0.15, 1.5))
    pen = _Pen(canvas, rng, side)
    skin = _varied(_SKIN[rng.integers(len(_SKIN))], rng, 10)
    hair = _varied(_HAIR[rng.integers(len(_HAIR))], rng, 14)
    shirt = tuple(int(v) for v in rng.integers(20, 235, 3))

    pen.ellipse((0, 1.75), (1.25, 0.75), shirt)
    if rng.random() < 0.5:  # long hair, behind the head
        pen.ellipse((0, 0.25), (0.98, rng.uniform(1.1, 1.5)), hair)
    pen.ellipse((0, 1.0), (0.34, 0.5), _darker(skin, 0.85))
    pen.ellipse((0, 0), (rng.uniform(0.72, 0.84), 1.0), skin)
    for x in (-1, 1):
        pen.ellipse((0.78 * x, 0.02), (0.12, 0.2), _darker(skin, 0.93))
    if rng.random() < 0.9:
        pen.hair(hair, rng.uniform(-0.62, -0.4))
    _eyes(pen, rng, hair, skin, mood)
    nose = _darker(skin, 0.75)
    pen.line([(0.02, -0.05), (0.1, 0.24), (-0.06, 0.27)], nose, 0.035)
    _mouth(pen, rng, skin, mood)
    if rng.random() < 0.2:
        pen.glasses(_varied((40, 40, 44), rng, 30))
    if rng.random() < 0.12:  # a hat
        colour = tuple(int(v) for v in rng.integers(20, 235, 3))
        pen.polygon([(-0.9, -0.55), (-0.72, -1.2), (0.72, -1.2), (0.9, -0.55)], colour)
    if rng.random() < 0.1:  # a hand in front of one side of the chin
        x = rng.choice((-1, 1)) * rng.uniform(0.35, 0.6)
        pen.ellipse((x, rng.uniform(0.75, 0.95)), (0.3, 0.22), _darker(skin, 0.9))
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return _photographed(np.asarray(small, dtype=np.uint8), rng)


def write_set(folder: Path, n: int = 600, seed: int = 0) -> Dirt:
    """Write `n` drawn faces, half happy and half sad, and some bad files among them.

    Args:
        folder: the folder for happy/drawn-0000.jpg … and sad/drawn-0001.jpg …; it must be new or
            empty.
        n: the number of faces; at least 20.
        seed: the same seed draws the same faces.

    Returns:
        The bad files.

    Raises:
        UsageError: `n` is too small, or the folder is not empty.
    """
    if n < 20:
        raise UsageError(f"n must be at least 20 faces, not {n}")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: must be new or empty")
    labels = ("happy", "sad")
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
    for number in range(n):
        label = labels[number % 2]
        picture = face(label, np.random.default_rng((seed, number)))
        (folder / label / f"drawn-{number:04d}.jpg").write_bytes(_jpeg(picture))
    return _add_dirt(folder, np.random.default_rng((seed, n)))


def _add_dirt(folder: Path, rng: np.random.Generator) -> Dirt:
    dirt = Dirt(
        not_an_image="happy/notes.jpg",
        truncated="sad/cut-short.jpg",
        duplicate="happy/again.jpg",
        both_classes=("happy/which.jpg", "sad/which.jpg"),
    )
    (folder / dirt.not_an_image).write_text("These faces are drawn.\n", encoding="utf-8")
    whole = _jpeg(face("sad", rng))
    (folder / dirt.truncated).write_bytes(whole[: len(whole) // 2])
    (folder / dirt.duplicate).write_bytes((folder / "happy" / "drawn-0000.jpg").read_bytes())
    unclear = _jpeg(face("happy", rng))
    for path in dirt.both_classes:
        (folder / path).write_bytes(unclear)
    return dirt


class _Pen:
    """Draws in the coordinates of the face: its middle is the origin, its chin is at y = 1."""

    def __init__(self, canvas: Pixels, rng: np.random.Generator, side: int) -> None:
        scale = side * rng.uniform(0.4, 0.46)
        turn = np.radians(np.clip(rng.normal(0, 7), -18, 18))
        cos, sin = np.cos(turn), np.sin(turn)
        self.canvas = canvas
        self.scale = scale
        self.degrees = float(np.degrees(turn))
        self.squeeze = rng.uniform(0.82, 1.0)  # a head that is turned a little looks narrower
        self.matrix = scale * np.array([[cos, -sin], [sin, cos]])
        self.middle = side * np.array([rng.uniform(0.45, 0.55), rng.uniform(0.44, 0.52)])

    def points(self, points: NDArray[np.float64] | list[tuple[float, float]]) -> NDArray[np.int32]:
        at = np.asarray(points, dtype=np.float64) * (self.squeeze, 1)
        return np.asarray(np.rint(at @ self.matrix.T + self.middle), dtype=np.int32)

    def ellipse(
        self, at: tuple[float, float], radii: tuple[float, float], colour: tuple[int, ...]
    ) -> None:
        import cv2

        x, y = (int(v) for v in self.points([at])[0])
        axes = (max(1, round(radii[0] * self.squeeze * self.scale)), round(radii[1] * self.scale))
        cv2.ellipse(self.canvas, (x, y), axes, self.degrees, 0, 360, colour, -1, cv2.LINE_AA)

    def polygon(
        self, points: NDArray[np.float64] | list[tuple[float, float]], colour: tuple[int, ...]
    ) -> None:
        import cv2

        cv2.fillPoly(self.canvas, [self.points(points)], colour, cv2.LINE_AA)

    def line(
        self,
        points: NDArray[np.float64] | list[tuple[float, float]],
        colour: tuple[int, ...],
        width: float,
    ) -> None:
        import cv2

        thick = max(1, round(width * self.scale))
        cv2.polylines(self.canvas, [self.points(points)], False, colour, thick, cv2.LINE_AA)

    def hair(self, colour: tuple[int, ...], line: float) -> None:
        turn = np.linspace(np.pi, 2 * np.pi, 24)
        outer = np.stack([0.86 * np.cos(turn), 1.12 * np.sin(turn) + 0.02], axis=1)
        x = np.linspace(0.84, -0.84, 12)
        inner = np.stack([x, line + 0.35 * x**2], axis=1)
        self.polygon(np.concatenate([outer, inner]), colour)

    def glasses(self, colour: tuple[int, ...]) -> None:
        turn = np.linspace(0, 2 * np.pi, 24)
        for x in (-0.34, 0.34):
            ring = np.stack([x + 0.24 * np.cos(turn), -0.14 + 0.2 * np.sin(turn)], axis=1)
            self.line(ring, colour, 0.04)
        self.line([(-0.1, -0.14), (0.1, -0.14)], colour, 0.04)


def _eyes(
    pen: _Pen,
    rng: np.random.Generator,
    hair: tuple[int, ...],
    skin: tuple[int, ...],
    mood: float,
) -> None:
    iris = _varied(((70, 50, 30), (60, 90, 130), (60, 100, 60))[rng.integers(3)], rng, 12)
    look = rng.uniform(-0.06, 0.06)
    open_ = rng.uniform(0.07, 0.12) * (1 - 0.25 * abs(mood))
    for x in (-0.34, 0.34):
        pen.ellipse((x, -0.14), (0.17, open_), (246, 246, 244))
        pen.ellipse((x + look, -0.14), (0.075, min(open_, 0.085)), iris)
        pen.ellipse((x + look, -0.14), (0.032, min(open_, 0.04)), (15, 15, 15))
        pen.line(
            [(x - 0.18, -0.14 - open_ * 0.5), (x, -0.14 - open_), (x + 0.18, -0.14 - open_ * 0.5)],
            _darker(skin, 0.5),
            0.03,
        )
        inner = np.sign(-x)
        height = -0.36 + rng.uniform(-0.03, 0.03)
        raised = max(0.0, -mood) * 0.16  # sad: the brows' inner ends go up (FACS action unit 1)
        brow = [
            (x - inner * 0.2, height + 0.4 * raised),
            (x, height),
            (x + inner * 0.18, height - raised),
        ]
        pen.line(brow, _darker(hair, 0.8), rng.uniform(0.04, 0.07))


def _mouth(pen: _Pen, rng: np.random.Generator, skin: tuple[int, ...], mood: float) -> None:
    width = rng.uniform(0.34, 0.44) * (1 + 0.12 * mood)
    middle = rng.uniform(0.52, 0.6)
    x = np.linspace(-1, 1, 15)
    # The corners go up with a smile (action unit 12) and down with sadness (action unit 15).
    curve = np.stack([width * x, middle + 0.28 * mood * (0.5 - x**2)], axis=1)
    lips = (int(skin[0] * 0.78), int(skin[1] * 0.5), int(skin[2] * 0.5))
    if mood > 0.35 and rng.random() < 0.55:  # laughing: teeth between the lips
        lower = np.stack([width * x, middle + 0.28 * mood * (0.5 - x**2)], axis=1)
        lower[:, 1] += rng.uniform(0.08, 0.2) * (1 - x**2)
        shape = np.concatenate([curve, lower[::-1]])
        pen.polygon(shape, (120, 30, 40))
        teeth = np.concatenate([curve, (curve * 0.45 + lower * 0.55)[::-1]])
        pen.polygon(teeth, (248, 246, 240))
        pen.line(np.concatenate([shape, shape[:1]]), lips, 0.04)
    else:
        pen.line(curve, lips, rng.uniform(0.05, 0.09))


def _background(rng: np.random.Generator, side: int) -> Pixels:
    import cv2

    cells = int(rng.integers(2, 6))
    wall = rng.integers(40, 216, 3)
    coarse = np.clip(wall + rng.normal(0, 45, (cells, cells, 3)), 0, 255).astype(np.uint8)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(smooth, dtype=np.uint8)


def _photographed(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Add what a camera adds: uneven light, blur and noise."""
    import cv2

    side = picture.shape[0]
    across = np.linspace(-1, 1, side)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * across[None, :] + np.sin(angle) * across[:, None]
    light = rng.uniform(0.65, 1.15) * (1 + rng.uniform(0, 0.4) * slope)
    lit = picture * light[..., None]
    if rng.random() < 0.4:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 1.6))
    noisy = lit + rng.normal(0, rng.uniform(1, 9), picture.shape)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), dtype=np.uint8)


def _varied(colour: tuple[int, ...], rng: np.random.Generator, by: int) -> tuple[int, ...]:
    return tuple(int(v) for v in np.clip(np.array(colour) + rng.integers(-by, by + 1, 3), 0, 255))


def _darker(colour: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(int(v * share) for v in colour)


def _jpeg(picture: Pixels) -> bytes:
    import cv2

    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return data.tobytes()

"""Colours: people can tell them apart and read text on them, and the page has the same ones."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from happysad.colours import GREY, Colour, colours_of

STATIC = files("happysad.web") / "static"

# What people see who lack one kind of cones, in linear sRGB (Machado, Oliveira & Fernandes 2009, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", severity 1.0).
SEEN = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(colour: Colour, seen: str) -> NDArray[np.float64]:
    """Return CIELAB's coordinates (D65) of a colour as some people see it."""
    values = np.array(colour.rgb) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SEEN[seen]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.array(to_xyz) @ linear / [0.9505, 1, 1.089]
    fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


# A difference of 2.3 is just noticeable.
@pytest.mark.parametrize(
    ("seen", "classes", "unsure"),
    [
        ("all cones", 70, 40),
        ("protanopia", 50, 29),
        ("deuteranopia", 50, 19),
        ("tritanopia", 16, 30),
    ],
)
def test_everyone_can_tell_the_colours_apart(seen: str, classes: float, unsure: float) -> None:
    colours = [lab(one, seen) for one in colours_of(["happy", "neither", "sad"]).values()]
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(one - other) >= classes
    for one in colours:
        assert np.linalg.norm(one - lab(GREY, seen)) >= unsure


@pytest.mark.parametrize(
    ("seen", "least"),
    [("all cones", 39), ("protanopia", 33), ("deuteranopia", 31), ("tritanopia", 9)],
)
def test_everyone_can_tell_the_colours_of_a_heat_map_apart(seen: str, least: float) -> None:
    for grey in range(0, 256, 15):
        laid = [
            lab(Colour(*(round(0.4 * grey + 0.6 * v) for v in one.rgb)), seen)
            for one in colours_of(["happy", "neither", "sad"]).values()
        ]
        for one, other in combinations(laid, 2):
            assert np.linalg.norm(one - other) >= least


@pytest.mark.parametrize(
    ("classes", "like"),
    [
        (("happy", "sad"), ("happy", "sad")),
        (("happy", "neither"), ("happy", "neither")),
        (("neither", "sad"), ("neither", "sad")),
        (("calm", "stormy"), ("happy", "sad")),
        (("a", "b", "c"), ("happy", "sad", "neither")),
        (("angry", "happy", "sad"), ("neither", "happy", "sad")),
        (("angry", "sad", "tired"), ("happy", "sad", "neither")),
        ((), ()),
    ],
)
def test_a_class_has_the_colour_of_its_name_or_else_one_that_is_left(
    classes: tuple[str, ...], like: tuple[str, ...]
) -> None:
    named = colours_of(["happy", "neither", "sad"])
    assert colours_of(classes) == {
        name: named[other] for name, other in zip(classes, like, strict=True)
    }


def test_text_on_every_colour_can_be_read() -> None:
    for ground in [GREY, *colours_of(["happy", "neither", "sad"]).values()]:
        inks = (Colour(0, 0, 0), Colour(255, 255, 255))
        contrasts = {}
        for ink in inks:
            dark, light = sorted((ground.luminance, ink.luminance))
            contrasts[ink] = (light + 0.05) / (dark + 0.05)
        assert contrasts[ground.ink] == max(contrasts.values()) >= 4.5


def test_the_page_has_these_colours() -> None:
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    root = style[style.index(":root {") : style.index("}")]
    on_page = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", root))
    for name, colour in {**colours_of(["happy", "neither", "sad"]), "other": GREY}.items():
        assert (on_page[name], on_page[f"on-{name}"]) == (colour.hex, colour.ink.hex)
    assert not re.search(r"--(on-)?(happy|neither|sad):", style[style.index("}") :])
    left, right = re.findall(r'fill="(#\w+)"', (STATIC / "icon.svg").read_text())[:2]
    happy, sad = colours_of(["happy", "sad"]).values()
    assert (left, right) == (happy.hex, sad.hex)

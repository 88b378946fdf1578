"""The colours of the classes, which are the same in drawings, reports, plots and on the page.

They are colours of Okabe & Ito 2008, "Color Universal Design", which colour-blind people can tell
apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "Colour", "colours_of"]

# The luminance in which black and white text have the same contrast with a ground.
_MIDDLE = 0.179


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour in sRGB; each value is from 0 to 255."""

    red: int
    green: int
    blue: int

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The three values."""
        return self.red, self.green, self.blue

    @property
    def hex(self) -> str:
        """The colour as CSS writes it, such as "#e69f00"."""
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)

    @property
    def luminance(self) -> float:
        """The relative luminance, from 0 for black to 1 for white (WCAG 2.2)."""
        levels = [value / 255 for value in self.rgb]
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    @property
    def ink(self) -> Colour:
        """The colour of text on this one: black or white, whichever has the higher contrast."""
        return BLACK if self.luminance > _MIDDLE else WHITE


BLACK, WHITE = Colour(0, 0, 0), Colour(255, 255, 255)
ORANGE, BLUE, GREEN = Colour(230, 159, 0), Colour(0, 114, 178), Colour(0, 158, 115)
#: The colour of labels that are not classes, such as "unsure".
GREY = Colour(90, 90, 90)

# docs/decisions.md, "The colours of the classes".
_NAMED = {"happy": ORANGE, "sad": BLUE, "neither": GREEN}


def colours_of(classes: Sequence[str]) -> dict[str, Colour]:
    """Return the colour of each class: by its name, or, for other names, by its place.

    Other names take the colours that are left, in the order orange, blue, green.

    Args:
        classes: at most three different names.

    >>> colours_of(["angry", "happy", "sad"])["angry"].hex
    '#009e73'
    """
    left = [one for one in _NAMED.values() if one not in [_NAMED.get(name) for name in classes]]
    return {name: _NAMED[name] if name in _NAMED else left.pop(0) for name in classes}

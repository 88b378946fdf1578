"""XMP sidecars: keywords, face regions and a rating, added to what a file has, and taken back.

A sidecar is a file beside a photo, in which photo managers keep what they know of it. happysad
adds its keywords and regions to the lists that are there, and writes the rest, with a record of
all that it added, as properties of its own namespace. The record survives programs that rewrite the
file, so that exactly what was added can be taken back. docs/tags.md.

Sources: XMP specification, part 1 (ISO 16684-1); Metadata Working Group, "Guidelines for Handling
Image Metadata" 2.0, 5.9 (regions).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from xml.sax.saxutils import escape, quoteattr

from happysad import __version__
from happysad.batch.lossless_xml import Element, parse

__all__ = ["ROOT", "Region", "Sidecar"]

#: The keyword above the label in a hierarchy, as in happysad|happy.
ROOT = "happysad"

_SPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "happysad": "urn:happysad:xmp:1.0/",
}
# The kind of each list of keywords, by the property.
_KEYWORDS = {"dc:subject": "Bag", "lr:hierarchicalSubject": "Bag", "digiKam:TagsList": "Seq"}
_REGIONS, _RATING = "mwg-rs:Regions", "xmp:Rating"
# The record. _ANSWER: what was to be written; _ADDED: what was added, one line each, as in
# dc:subject=happy, and the names of new properties, as in +dc:subject; _RATED: the rating, and the
# one that it replaced, as in 5<0; _PHOTO: the name of the photo; _CREATED: the file is ours.
_ANSWER, _ADDED = "happysad:Answer", "happysad:Added"
_RATED, _PHOTO, _CREATED = "happysad:Rated", "happysad:Photo", "happysad:Created"

_NEW = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="happysad %s">
 <rdf:RDF xmlns:rdf="%s">
  <new/>
 </rdf:RDF>
</x:xmpmeta>
"""
# A region is that of a record if its middle and its sides differ by less than this share of the
# picture: programs round them to whole pixels. Regions overlap if the part that two share is at
# least this share of both together.
_ROUNDED, _OVERLAP = 0.01, 0.5


@dataclass(frozen=True, slots=True)
class Region:
    """A face, as a share of the stored picture, before the EXIF orientation turns it."""

    label: str
    """A class, or "unsure"."""
    x: float
    """The middle of the face: 0 is the left side of the picture, 1 the right side."""
    y: float
    """The middle of the face: 0 is the upper side of the picture, 1 the lower side."""
    width: float
    height: float
    words: str = ""
    """The answer in words, such as "happy 93 %"."""

    def overlaps(self, other: Region) -> bool:
        """Return whether two regions are around the same face."""
        across, down = (
            min(a + along / 2, b + beside / 2) - max(a - along / 2, b - beside / 2)
            for a, along, b, beside in (
                (self.x, self.width, other.x, other.width),
                (self.y, self.height, other.y, other.height),
            )
        )
        if across <= 0 or down <= 0:
            return False
        areas = self.width * self.height + other.width * other.height
        return across * down >= _OVERLAP * (areas - across * down)

    def line(self) -> str:
        """Return the region as a line of the record."""
        return f"{self.x:.6f} {self.y:.6f} {self.width:.6f} {self.height:.6f} {self.label}"

    def is_close(self, line: str) -> bool:
        """Return whether a line of the record is about this region."""
        *numbers, label = line.split(" ", 4)
        mine = (self.x, self.y, self.width, self.height)
        try:
            pairs = zip(mine, map(float, numbers), strict=True)
            return label == self.label and all(abs(a - b) < _ROUNDED for a, b in pairs)
        except ValueError:
            return False


class Sidecar:
    """The content of a sidecar, to be changed and written again."""

    def __init__(self, data: bytes | None, photo: str) -> None:
        """Read a sidecar.

        Args:
            data: the content of the file; None if there is no file.
            photo: the name of the photo, for the record.

        Raises:
            ValueError: the content is not XMP, or passes a limit of `lossless_xml`.
        """
        self._photo = photo
        self._read(data)

    @property
    def photo(self) -> str | None:
        """The name of the photo in the record; None without a record."""
        return self._value(_PHOTO)

    @property
    def answer(self) -> tuple[str, ...] | None:
        """The answer that was written last; None if there is none."""
        found = self._property(_ANSWER)
        return None if found is None else tuple(one.text for one in self._items(found))

    @property
    def is_rated(self) -> bool:
        """Whether there is a rating that happysad wrote."""
        return self._value(_RATED) is not None

    def tag(
        self, label: str, regions: Sequence[Region], size: tuple[int, int], answer: Iterable[str]
    ) -> None:
        """Add the keywords of a label and the regions of faces, in place of earlier ones.

        What the file has already is not added. A face is left out if the file has a region of it,
        such as one with the name of a person.

        Args:
            label: the photo's label.
            regions: the faces.
            size: the width and the height of the stored picture in pixels.
            answer: lines that differ when the answer does, for `answer`.

        Raises:
            ValueError: a property of the file has another form than the XMP specification allows.
        """
        self.untag()
        name = label.replace("|", "-")
        wanted = {
            "dc:subject": [ROOT, name],
            "lr:hierarchicalSubject": [f"{ROOT}|{name}"],
            "digiKam:TagsList": [f"{ROOT}/{name}"],
        }
        properties, added = [], []
        for where, words in wanted.items():
            found = self._property(where)
            there = [] if found is None else [one.text for one in self._items(found)]
            missing = [word for word in words if word not in there]
            added += [f"{where}={word}" for word in missing]
            items = map(self._markup.item, missing)
            if found is None:
                properties.append(self._markup.listed(where, _KEYWORDS[where], items))
                added.append(f"+{where}")
            else:
                for one in items:
                    self._list(found).append(one.encode())
        added += self._add_regions(regions, size, properties)
        for where, lines in ((_ANSWER, answer), (_ADDED, added)):
            items = map(self._markup.item, lines)
            properties.append(self._markup.listed(where, "Seq", items))
        self._describe(properties)

    def untag(self) -> None:
        """Take back the keywords and regions that happysad added and nobody has changed."""
        record = self._property(_ADDED)
        lines = [] if record is None else [one.text for one in self._items(record)]
        for line in lines:
            where, _, value = line.partition("=")
            found = self._property(where) if where in (*_KEYWORDS, _REGIONS) else None
            if found is None:
                continue
            if where == _REGIONS:
                regions = self._regions(found)
                mine = (one for one, region in regions if region and region.is_close(value))
            else:
                mine = (one for one in self._items(found) if one.text == value)
            for one in islice(mine, 1):
                one.remove()
        for where in (*_KEYWORDS, _REGIONS):
            found = self._property(where) if f"+{where}" in lines else None
            if found is not None:
                left = self._regions(found) if where == _REGIONS else self._items(found)
                if next(iter(left), None) is None:
                    self._remove(where)
        for name in (_ANSWER, _ADDED):
            self._remove(name)
        self._tidy()

    def rate(self, rating: int) -> bool:
        """Write a rating, unless the file has one other than 0, and return whether it has this one.

        Args:
            rating: 1 to 5.
        """
        before = self._value(_RATING)
        if before is not None and _number(before) not in (0, rating):
            return False
        if before is None:
            self._describe(
                [self._markup.text(_RATING, str(rating)), self._markup.text(_RATED, str(rating))]
            )
        elif _number(before) == 0:
            self._replace(_RATING, str(rating))
            self._describe([self._markup.text(_RATED, f"{rating}<{before}")])
        return True

    def unrate(self) -> None:
        """Take back the rating that happysad wrote, unless it was changed since."""
        rated = self._value(_RATED)
        if rated is None:
            return
        rating, _, before = rated.partition("<")
        if self._value(_RATING) == rating:
            if _number(before) == 0:
                self._replace(_RATING, before)
            else:
                self._remove(_RATING)
        self._remove(_RATED)
        self._tidy()

    def dump(self) -> bytes | None:
        """Return the content of the file; None if happysad made it and nothing else is in it."""
        return None if self._is_new else self._document.tree.dump()

    def _add_regions(
        self, regions: Sequence[Region], size: tuple[int, int], properties: list[str]
    ) -> list[str]:
        """Add regions to the list of the file or to new properties; return lines of the record."""
        found = self._property(_REGIONS)
        there = [] if found is None else [region for _, region in self._regions(found) if region]
        new = [one for one in regions if not any(map(one.overlaps, there))]
        if not new:
            return []
        added = [f"{_REGIONS}={one.line()}" for one in new]
        items = map(self._markup.region, new)
        if found is None:
            properties.append(self._markup.regions(size, items))
            return [*added, f"+{_REGIONS}"]
        listed = _fields(found).get(_full("mwg-rs:RegionList"))
        if not isinstance(listed, Element):
            raise ValueError("mwg-rs:Regions has no list of regions")
        for one in items:
            self._list(listed).append(one.encode())
        return added

    def _regions(self, found: Element) -> Iterator[tuple[Element, Region | None]]:
        """Yield the items of the list of regions, with the region if it has the usual form."""
        listed = _fields(found).get(_full("mwg-rs:RegionList"))
        if not isinstance(listed, Element):
            return
        for item in self._items(listed):
            fields = _fields(item)
            area = fields.get(_full("mwg-rs:Area"))
            sides = _fields(area) if isinstance(area, Element) else {}
            numbers = [_number(_text(sides.get(_full(f"stArea:{one}")))) for one in "xywh"]
            match [number for number in numbers if number is not None]:
                case [x, y, width, height]:
                    label = _text(fields.get(_full("mwg-rs:Name")))
                    yield item, Region(label, x, y, width, height)
                case _:
                    yield item, None

    def _descriptions(self) -> Iterator[Element]:
        return (one for one in self._rdf if one.name == _full("rdf:Description"))

    def _property(self, name: str) -> Element | None:
        """Return a property that is written as an element; None if there is none."""
        full = _full(name)
        return next((one for top in self._descriptions() for one in top if one.name == full), None)

    def _value(self, name: str) -> str | None:
        """Return the value of a simple property, which may also be written as an attribute."""
        found, full = self._property(name), _full(name)
        if found is not None:
            return found.text.strip()
        values = (top.attributes.get(full) for top in self._descriptions())
        return next((value for value in values if value is not None), None)

    def _replace(self, name: str, value: str) -> None:
        """Change the value of a simple property that exists."""
        found, full = self._property(name), _full(name)
        if found is not None:
            found.set_text(_ascii(escape(value)).encode())
            return
        top = next(one for one in self._descriptions() if full in one.attributes)
        top.set_attribute(full, _ascii(escape(value)).encode())

    def _list(self, found: Element) -> Element:
        """Return the rdf:Bag, rdf:Seq or rdf:Alt in a property.

        Raises:
            ValueError: there is none.
        """
        kinds = {_full(f"rdf:{kind}") for kind in ("Bag", "Seq", "Alt")}
        lists = [one for one in found if one.name in kinds]
        if len(lists) != 1:
            raise ValueError(f"{found.name.rpartition('}')[2]} is not a list")
        return lists[0]

    def _items(self, found: Element) -> Iterator[Element]:
        return (one for one in self._list(found) if one.name == _full("rdf:li"))

    def _remove(self, name: str) -> None:
        """Remove a property, if it exists, and the element around it if that has no other."""
        found, full = self._property(name), _full(name)
        if found is not None:
            top = found.parent
            found.remove()
        else:
            top = next((one for one in self._descriptions() if full in one.attributes), None)
            if top is not None:
                top.remove_attribute(full)
        if top is not None and _is_empty(top):
            top.remove()

    def _tidy(self) -> None:
        """Remove the rest of the record if nothing in the file is happysad's any more."""
        if self._property(_ADDED) is not None or self.is_rated:
            return
        created = self._value(_CREATED) is not None
        for name in (_PHOTO, _CREATED):
            self._remove(name)
        for one in self._descriptions():  # programs keep the namespace of what they wrote again
            before, found, after = one.head.partition(self._markup.declared("happysad").encode())
            one.head = before.rstrip() + after if found else before
        if created and all(map(_is_empty, self._descriptions())):
            self._read(None)

    def _describe(self, properties: Sequence[str]) -> None:
        """Add properties to the file, in an element of their own, with the record of the file."""
        record = []
        if self.photo is None:
            record.append(self._markup.text(_PHOTO, self._photo))
            if self._is_new:
                record.append(self._markup.text(_CREATED, "True"))
        about = next((_about(one) for one in self._descriptions()), "")
        self._rdf.append(self._markup.description(about, [*properties, *record]).encode())
        if self._is_new:
            next(iter(self._rdf)).remove()
        # The elements that were added are read, so that the next change finds them.
        self._read(self._document.tree.dump())

    def _read(self, data: bytes | None) -> None:
        self._is_new = data is None
        if data is None:
            data = _NEW % (__version__.encode(), _SPACES["rdf"].encode())
        self._document = parse(data)
        root = next(iter(self._document.tree))
        found = [one for one in (root, *root) if one.name == _full("rdf:RDF")]
        if not found:
            raise ValueError("not XMP: it has no rdf:RDF")
        self._rdf = found[0]
        self._markup = _Markup(self._document.prefixes)


class _Markup:
    """Writes elements with the prefixes that a file has for their namespaces.

    A second prefix for a namespace would be valid, but exiv2 then reads nothing, and programs that
    use it would write the file without what was in it. Characters beyond ASCII are written as
    numbers, which mean the same in every encoding.
    """

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefixes = {}
        for name, uri in _SPACES.items():
            ours = f"{name}:"
            while ours in prefixes.values():
                ours = f"_{ours}"
            self._prefixes[name] = prefixes.get(uri, ours)

    def element(self, name: str, inside: Iterable[str], attributes: str = "") -> str:
        """Return an element with others inside, each on lines of its own."""
        lines = "".join("\n" + one for one in inside).replace("\n", "\n ")
        return f"<{self._name(name)}{attributes}>{lines}\n</{self._name(name)}>"

    def text(self, name: str, text: str) -> str:
        return f"<{self._name(name)}>{_ascii(escape(text))}</{self._name(name)}>"

    def item(self, word: str) -> str:
        return self.text("rdf:li", word)

    def listed(self, name: str, kind: str, items: Iterable[str]) -> str:
        return self.element(name, [self.element(f"rdf:{kind}", items)])

    def region(self, region: Region) -> str:
        """Return the item of a list of regions; the namespaces may be unknown around it."""
        sides = zip("xywh", (region.x, region.y, region.width, region.height), strict=True)
        area = {f"stArea:{name}": f"{value:.6f}" for name, value in sides}
        inside = [
            self.text("mwg-rs:Name", region.label),
            self.text("mwg-rs:Type", "Face"),
            self.text("mwg-rs:Description", region.words),
            self._empty("mwg-rs:Area", {**area, "stArea:unit": "normalized"}),
        ]
        names = f" {self.declared('mwg-rs')} {self.declared('stArea')}"
        return self.element("rdf:li", inside, f"{names} {self._struct()}")

    def regions(self, size: tuple[int, int], items: Iterable[str]) -> str:
        """Return the property of regions of a picture of `size`, its width and height."""
        sides = {f"stDim:{name}": str(side) for name, side in zip("wh", size, strict=True)}
        dimensions = self._empty("mwg-rs:AppliedToDimensions", {**sides, "stDim:unit": "pixel"})
        listed = self.listed("mwg-rs:RegionList", "Bag", items)
        return self.element(_REGIONS, [dimensions, listed], f" {self._struct()}")

    def description(self, about: str, properties: Iterable[str]) -> str:
        """Return an element for properties, in which all namespaces are known."""
        names = "".join(f"\n  {self.declared(name)}" for name in _SPACES)
        attributes = f" {self._name('rdf:about')}={_ascii(quoteattr(about))}{names}"
        return self.element("rdf:Description", properties, attributes)

    def _name(self, name: str) -> str:
        prefix, _, local = name.partition(":")
        return self._prefixes[prefix] + local

    def _struct(self) -> str:
        return f'{self._name("rdf:parseType")}="Resource"'

    def _empty(self, name: str, attributes: Mapping[str, str]) -> str:
        pairs = (f' {self._name(one)}="{value}"' for one, value in attributes.items())
        return f"<{self._name(name)}{''.join(pairs)}/>"

    def declared(self, name: str) -> str:
        """Return the declaration of a namespace."""
        return f'xmlns:{self._prefixes[name].removesuffix(":")}="{_SPACES[name]}"'


def _full(name: str) -> str:
    """Return a name with its namespace instead of its prefix."""
    prefix, _, local = name.partition(":")
    return f"{{{_SPACES[prefix]}}}{local}"


def _fields(struct: Element) -> dict[str, str | Element]:
    """Return the fields of a structure, in any of the forms that the specification allows."""
    fields: dict[str, str | Element] = dict(struct.attributes)
    for one in struct:
        if one.name == _full("rdf:Description"):
            fields |= _fields(one)
        else:
            fields[one.name] = one
    return fields


def _text(value: str | Element | None) -> str:
    return value.text.strip() if isinstance(value, Element) else value or ""


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _about(description: Element) -> str:
    """Return what a description is about; the attribute may lack its prefix, as in old files."""
    attributes = description.attributes
    return attributes.get(_full("rdf:about"), attributes.get("about", ""))


def _is_empty(description: Element) -> bool:
    others = description.attributes.keys() - {_full("rdf:about"), "about"}
    return not others and next(iter(description), None) is None


def _ascii(markup: str) -> str:
    return markup.encode("ascii", "xmlcharrefreplace").decode()

"""An XML tree that keeps every byte of its file: line breaks, quotes, comments, unknown elements.

A parsed tree is written back as it was read, and a changed tree differs from its file only where it
was changed. The files come from other programs and other people: there are limits on size, depth
and number of elements, and a document type, the only place that defines entities, is refused.
docs/decisions.md, "Sidecars keep every byte".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers import expat

__all__ = ["LARGEST", "Document", "Element", "parse"]

#: Limits of a file: bytes, elements, and elements inside each other. docs/security.md, "Sidecars".
LARGEST, _ELEMENTS, _DEEPEST = 16 << 20, 100_000, 100

_SPACE = b" \t\r\n"
# Separates namespace, name and prefix in the names that expat returns; no URI contains it.
_BETWEEN = "\n"


@dataclass(eq=False, slots=True)
class Element:
    """An element with its bytes: `head`, then the bytes and elements of `content`, then `tail`."""

    name: str
    """The name with its namespace, as in "{http://purl.org/dc/elements/1.1/}subject"."""
    prefix: str
    """The prefix of its name with the colon, such as "dc:"; "" if it has none."""
    attributes: dict[str, str]
    """The attributes by their names, as in `name`; declarations of namespaces are not included."""
    written: dict[str, str]
    """The names of the attributes in the start tag, such as "xmp:Rating", by the names above."""
    parent: Element | None = None
    head: bytes = b""
    """The start tag, or the whole of an element such as <rdf:Bag/>."""
    content: list[bytes | Element] = field(default_factory=list)
    tail: bytes = b""
    """The end tag; empty for an element such as <rdf:Bag/>."""
    text: str = ""
    """The text directly inside, without that of other elements."""

    def __iter__(self) -> Iterator[Element]:
        """Return an iterator of the elements directly inside."""
        return (one for one in self.content if isinstance(one, Element))

    def dump(self) -> bytes:
        """Return the element as bytes."""
        inside = (one.dump() if isinstance(one, Element) else one for one in self.content)
        return b"".join((self.head, *inside, self.tail))

    def append(self, markup: bytes) -> None:
        """Add an element after the last one inside, on a new line that is indented like that one.

        Args:
            markup: the element; its lines are separated by LF and indented relative to the first.
        """
        if not self.tail:
            name = self.head[1:-2].split(None, 1)[0]
            self.head, self.tail = self.head[:-2] + b">", b"</" + name + b">"
        places = [at for at, one in enumerate(self.content) if isinstance(one, Element)]
        last = places[-1] if places else -1
        before = self.content[last - 1] if last > 0 else b""
        indent = before if isinstance(before, bytes) and not before.strip(_SPACE) else b""
        if b"\n" in indent:
            markup = markup.replace(b"\n", indent)
        added: list[bytes | Element] = [Element("", "", {}, {}, self, markup)]
        self.content[last + 1 : last + 1] = [indent, *added] if indent else added

    def remove(self) -> None:
        """Take the element and the white space before it out of its parent."""
        assert self.parent is not None
        content = self.parent.content
        at = content.index(self)
        del content[at]
        before = content[at - 1] if at else None
        if isinstance(before, bytes):
            content[at - 1] = before.rstrip(_SPACE)
            if not content[at - 1]:
                del content[at - 1]
        if not content:
            self.parent.head = self.parent.head[:-1] + b"/>"
            self.parent.tail = b""

    def set_text(self, text: bytes) -> None:
        """Replace everything inside by a text without markup."""
        self.content = [text]

    def set_attribute(self, name: str, value: bytes) -> None:
        """Change the value of an attribute.

        Args:
            name: its name, as in `name`.
            value: a value without quotes and markup.
        """
        _, start, end = self._place(name)
        self.head = self.head[:start] + value + self.head[end:]
        self.attributes[name] = value.decode()

    def remove_attribute(self, name: str) -> None:
        """Take an attribute and the white space before it out of the start tag.

        Args:
            name: its name, as in `name`.
        """
        before, _, end = self._place(name)
        self.head = self.head[:before].rstrip(_SPACE) + self.head[end + 1 :]
        del self.attributes[name]

    def _place(self, name: str) -> tuple[int, int, int]:
        """Return where an attribute's name begins, and where its value begins and ends."""
        name_there, at = self.written[name].encode(), 0
        while True:
            quotes = (self.head.find(quote, at) for quote in b"\"'")
            start = min(place for place in quotes if place >= 0)
            end = self.head.index(self.head[start], start + 1)
            if self.head[at:start].rstrip(_SPACE + b"=").split()[-1] == name_there:
                return self.head.rindex(name_there, at, start), start + 1, end
            at = end + 1


@dataclass(frozen=True, slots=True)
class Document:
    """A file as a tree."""

    tree: Element
    """A nameless element that contains the root and all around it."""
    prefixes: dict[str, str]
    """The prefix of each namespace, with the colon, as the file first declares it."""


def parse(data: bytes) -> Document:
    """Return the tree of a file.

    Raises:
        ValueError: the file is not well-formed XML, has a document type or passes a limit.
    """
    if len(data) > LARGEST:
        raise ValueError(f"more than {LARGEST:,} bytes")
    if b"\0" in data:
        raise ValueError("its text is not UTF-8")
    reader = _Reader(data)
    if reader.tree.dump() != data:
        raise ValueError("cannot be kept byte by byte")
    return Document(reader.tree, reader.prefixes)


class _Reader:
    """Cuts a file at the places where expat finds elements."""

    def __init__(self, data: bytes) -> None:
        self.tree = self._inside = Element("", "", {}, {})
        self.prefixes: dict[str, str] = {}
        self._data = data
        self._done = 0  # the number of bytes that are in the tree
        self._in_head = False
        self._count = self._depth = 0
        self._parser = parser = expat.ParserCreate(namespace_separator=_BETWEEN)
        parser.namespace_prefixes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = self._doctype
        parser.DefaultHandler = self._other
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise ValueError(f"not XML: {error}") from error
        self.tree.content.append(data[self._done :])

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._other()
        self._count += 1
        self._depth += 1
        if self._count > _ELEMENTS:
            raise ValueError(f"more than {_ELEMENTS:,} elements")
        if self._depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} elements inside each other")
        full, prefix = _named(name)
        names = {key: _named(key) for key in attributes}
        values = {names[key][0]: value for key, value in attributes.items()}
        written = {one: before + one.rpartition("}")[2] for one, before in names.values()}
        self._flush(self._parser.CurrentByteIndex)
        element = Element(full, prefix, values, written, self._inside)
        self._inside.content.append(element)
        self._inside, self._in_head = element, True

    def _end(self, name: str) -> None:
        at, element = self._parser.CurrentByteIndex, self._inside
        # After <a/>, expat is at its end; after <a>, at the beginning of </a>.
        if self._in_head and self._data[self._done : at].endswith(b"/>"):
            self._other()
        else:
            self._other()
            self._flush(at)
            self._done = self._data.index(b">", at) + 1
            element.tail = self._data[at : self._done]
        assert element.parent is not None
        self._inside = element.parent
        self._depth -= 1

    def _text(self, text: str) -> None:
        self._other()
        self._inside.text += text

    def _declare(self, prefix: str | None, uri: str) -> None:
        self._other()
        if prefix:
            self.prefixes.setdefault(uri, f"{prefix}:")

    def _doctype(self, *declared: object) -> None:
        raise ValueError("has a document type, which no sidecar needs")

    def _other(self, _: str = "") -> None:
        """Take the bytes of a start tag: whatever comes next begins at its end."""
        if self._in_head:
            at = self._parser.CurrentByteIndex
            self._inside.head = self._data[self._done : at]
            self._done, self._in_head = at, False

    def _flush(self, at: int) -> None:
        if at > self._done:
            self._inside.content.append(self._data[self._done : at])
            self._done = at


@lru_cache(maxsize=256)
def _named(name: str) -> tuple[str, str]:
    """Return the name with its namespace, and the prefix, of a name that expat returns."""
    match name.split(_BETWEEN):
        case [uri, local, prefix]:
            return f"{{{uri}}}{local}", f"{prefix}:"
        case [uri, local]:
            return f"{{{uri}}}{local}", ""
    return name, ""

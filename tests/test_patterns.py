"""Every regular expression of happysad takes linear time, whatever text it meets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from tests.imports import SOURCE

# The parser and the constants behind `re`; their public names are deprecated.
PARSER, NAMES = import_module("re._parser"), import_module("re._constants")
FUNCTIONS = {"compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer"}
REPEATS = {NAMES.MAX_REPEAT, NAMES.MIN_REPEAT, NAMES.POSSESSIVE_REPEAT}


def patterns() -> Iterator[tuple[str, str | bytes]]:
    """Yield the place and the text of each literal pattern in the source."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in FUNCTIONS
                and isinstance(node.args[0], ast.Constant)
            ):
                text = node.args[0].value
                assert isinstance(text, str | bytes)
                yield f"{file.relative_to(SOURCE)}:{node.lineno}", text


def linear(items: Any, *, repeat: bool = True) -> bool:
    """Return whether nothing follows an unbounded repetition, and none is inside another one.

    Whatever such a pattern has repeated, it does not give back, so that a search never returns to
    a byte.

    Args:
        items: a part of a parsed pattern.
        repeat: whether the part may end with an unbounded repetition.
    """
    *before, last = list(items) or [(NAMES.ANY, None)]
    return all(_linear(item, repeat=False) for item in before) and _linear(last, repeat=repeat)


def _linear(item: tuple[Any, Any], *, repeat: bool) -> bool:
    kind, value = item
    if kind in REPEATS:
        _, most, part = value
        return (repeat or most is not NAMES.MAXREPEAT) and linear(part, repeat=False)
    if kind is NAMES.BRANCH:
        return all(linear(part, repeat=repeat) for part in value[1])
    if kind in (NAMES.SUBPATTERN, NAMES.ATOMIC_GROUP):
        part = value[-1] if isinstance(value, tuple) else value
        return linear(part, repeat=repeat)
    return kind not in (NAMES.ASSERT, NAMES.ASSERT_NOT) or linear(value[1], repeat=False)


def test_no_pattern_can_take_quadratic_time() -> None:
    found = dict(patterns())
    assert len(found) > 15
    assert [place for place, text in found.items() if not linear(PARSER.parse(text))] == []


@pytest.mark.parametrize(
    "pattern", [rb"\xff+([\x02-\xcf])", "(a+)+", "a*?b", "(?:a|b+)c", "(?<!x)(?=a*b)", ".*x|y"]
)
def test_patterns_that_may_take_longer_are_recognised(pattern: str | bytes) -> None:
    re.compile(pattern)
    assert not linear(PARSER.parse(pattern))

"""What is printed: one line each, without control characters."""

from __future__ import annotations

import io

import pytest

from happysad.cli.console import escaped, fail, say, say_now, warn


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


CASES = [
    # the line, as a program gets it, as a terminal shows it
    ("café 笑.jpg", "café 笑.jpg", "café 笑.jpg"),
    ("a\x1b[2Jb\x07.jpg", "a\\x1b[2Jb\\x07.jpg", "a\\x1b[2Jb\\x07.jpg"),
    ("a\nhappysad: all well", "a\\nhappysad: all well", "a\\nhappysad: all well"),
    ("a\x9b31m\u202e", "a\\x9b31m\\u202e", "a\\x9b31m\\u202e"),
    ("caf\udce9\udc9b2J", "caf\udce9\udc9b2J", "caf\\udce9\\udc9b2J"),
]


@pytest.mark.parametrize(("line", "program", "terminal"), CASES)
def test_a_line_does_not_control_the_terminal(line: str, program: str, terminal: str) -> None:
    assert escaped(line, io.StringIO()) == program
    assert escaped(line, Terminal()) == terminal


def test_everything_that_prints_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    for print_line in (say, say_now, warn):
        print_line("\x1b[31m")
    with pytest.raises(SystemExit):
        fail("\x1b[31m", 1)
    out, err = capsys.readouterr()
    assert out == "\\x1b[31m\n" * 2
    assert err == "\\x1b[31m\nhappysad: \\x1b[31m\n"

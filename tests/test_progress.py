"""Progress on standard error."""

from __future__ import annotations

import io
import sys

import pytest

from happysad import progress


class Terminal(io.StringIO):
    """A stand-in for a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("drawing the plots"):
        assert capsys.readouterr() == ("", "drawing the plots\n")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_step_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyboardInterrupt), progress.step("drawing the plots"):
        assert "drawing the plots" in screen.getvalue()
        raise KeyboardInterrupt
    shown = screen.getvalue()
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back
    assert shown.endswith("\x1b[2K")  # the line is cleared

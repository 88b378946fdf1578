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


@pytest.mark.parametrize(
    ("seconds", "step", "said"),
    [
        (0, 1, "0:00"),
        (59.6, 1, "1:00"),
        (61.25, 0.1, "1:01.2"),
        (3599.99, 0.1, "1:00:00.0"),
        (7325, 60, "2:02:05"),
    ],
)
def test_clock(seconds: float, step: float, said: str) -> None:
    assert progress.clock(seconds, step) == said


def test_a_terminal_shows_how_far_a_film_is(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with progress.track_time("film", 90.0) as show:
        show(45.0)
    assert "0:45 of 1:30" in screen.getvalue()
    with progress.track_time("stream", None) as show:
        show(45.0)
    assert "stream" in screen.getvalue()

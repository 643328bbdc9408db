"""One display for a whole run, with the part under way below it; silence where nobody watches."""

import io
import re
import sys
import threading

import pytest

from sims.support import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watched(monkeypatch):
    """Standard error as a terminal; no fixture, because pytest puts its own in place after those."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_a_run_in_a_run_is_a_line_of_the_same_display(monkeypatch):
    terminal = watched(monkeypatch)
    with progress.bar(2, "re[b]port\x1b[2J") as advance:
        for _ in progress.steps("ab", "claims"):
            with progress.bar(5, "trials") as inner:
                inner(5)
            other = threading.Thread(target=lambda: list(progress.steps("xy", "elsewhere")))
            other.start()
            other.join()
        advance(1)
        assert len(progress._Display.shown.tasks) == 1
    text = terminal.getvalue()
    assert r"re[b]port\x1b[2J" in text and "claims" in text and "\x1b[2J" not in text
    assert "trials" not in text and "elsewhere" not in text
    assert re.search(r"\d:\d\d:\d\d|-:--:--", text)  # the time that remains
    assert progress._Display.shown is None


def test_an_error_ends_the_display_and_the_next_run_has_its_own(monkeypatch):
    terminal = watched(monkeypatch)
    for label in ("first", "second"):
        with pytest.raises(KeyError), progress.bar(3, label):
            raise KeyError
    assert "second" in terminal.getvalue() and progress._Display.lines == 0


def test_nobody_watches_a_pipe(capsys):
    assert list(progress.steps([1, 2], "numbers")) == [1, 2]
    assert capsys.readouterr().err == ""

"""One display for a whole run, with the part under way below it; silence where nobody watches."""

import io
import re
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from sims.support import processes, progress


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
        (line,) = progress._Display.shown.tasks
        assert (line.completed, line.total) == (1, 2)
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


def elsewhere(folder, label, total):
    """What a worker does: a bar that takes its time."""
    with progress.reporting(folder), progress.bar(total, label) as advance:
        for _ in range(total):
            time.sleep(1.0 / total)
            advance(1)
    return sys.stderr.isatty()


def test_bars_of_other_processes_are_one_more_line(monkeypatch):
    terminal = watched(monkeypatch)
    with progress.bar(2, "cells") as advance, progress.inside() as folder:
        calls = [(folder, "re[b]d\x1b epochs", 10), (folder, "re[b]d\x1b epochs", 20)]
        for _ in processes.run(elsewhere, calls, 2, ordered=False):
            advance(1)
        assert len(progress._Display.shown.tasks) == 2
    text = terminal.getvalue()
    assert r"re[b]d\x1b epochs, 2 at once" in text and "\x1b epochs" not in text
    assert not folder.exists() and progress._Display.lines == 0


def test_steps_done_elsewhere_are_added_up(monkeypatch, tmp_path):
    watched(monkeypatch)
    with progress.bar(1, "cells"), progress.inside() as folder:
        assert not progress._Display.shown.tasks[-1].visible  # nothing is under way
        (folder / "1.txt").write_text("3 10 epochs")
        (folder / "2.txt").write_text("1 30 epochs of another kind")
        (folder / "3.txt").write_text("half a li")
        line = progress._Display.shown.tasks[-1]
        until = time.monotonic() + 20
        while not (line.visible and line.total == 40) and time.monotonic() < until:
            time.sleep(0.02)
        assert (line.completed, line.total) == (4, 40) and line.description.endswith(", 2 at once")
        (folder / "2.txt").unlink()
        while (line.completed, line.description) != (3, "epochs") and time.monotonic() < until:
            time.sleep(0.02)
        assert (line.completed, line.description) == (3, "epochs")  # alone it says no number
        for file in folder.glob("*.txt"):
            file.unlink()
        while line.visible and time.monotonic() < until:
            time.sleep(0.02)
        assert not line.visible


def test_a_worker_writes_what_it_has_done_and_takes_it_away(tmp_path, capsys):
    with progress.reporting(tmp_path), progress.bar(4, "all of it") as advance:
        advance(3)
        (file,) = tmp_path.glob("*.txt")
        assert file.read_text() == "3 4 all of it"
        advance(1)
        assert file.read_text() == "4 4 all of it"
        assert list(progress.steps("ab", "within")) == ["a", "b"]
        assert file.read_text() == "4 4 all of it"
    assert not list(tmp_path.iterdir()) and capsys.readouterr().err == ""
    with progress.reporting(tmp_path), progress.bar(1, "the next") as advance:
        advance(1)
        assert [file.read_text() for file in tmp_path.iterdir()] == ["1 1 the next"]
    with progress.reporting(tmp_path):
        for letter in progress.steps("ab", "letters"):
            told = [file.read_text() for file in tmp_path.iterdir()]
            assert told == ([] if letter == "a" else ["1 2 letters"])
    assert progress._Display.file is None
    with progress.reporting(tmp_path / "gone"), progress.bar(1, "nowhere") as advance:
        advance(1)


def test_nobody_asks_other_processes_where_nobody_watches():
    with progress.bar(2, "cells"), progress.inside() as folder:
        assert folder is None


def test_how_things_stand_is_asked_three_times_a_second(monkeypatch):
    watched(monkeypatch)
    clock, asked = [0.0], []
    with progress.bar(9, "trials") as advance:
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
        for now in (0.0, 0.2, 0.3, 0.4, 0.5, 0.8):
            clock[0] = now
            advance(1)
            advance(0, lambda: asked.append(clock[0]) or "news")
    assert asked == [0.0, 0.4, 0.8]


def test_other_processes_report_to_the_thread_of_a_display_with_room(monkeypatch):
    def where():
        with progress.inside() as folder:
            return folder

    watched(monkeypatch)
    with progress.bar(1, "run"):
        folders = []
        thread = threading.Thread(target=lambda: folders.append(where()))
        thread.start()
        thread.join()
        assert folders == [None] and where() is not None
        with progress.bar(1, "part"):
            assert where() is None
    assert where() is None  # the display is gone


def test_a_bar_after_a_display_and_one_that_nobody_asked_for_are_silent(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        watched(patch)
        assert list(progress.steps("ab", "watched")) == ["a", "b"]
    with progress.reporting(None):
        assert list(progress.steps("cd", "unseen")) == ["c", "d"]
    assert capsys.readouterr().err == ""

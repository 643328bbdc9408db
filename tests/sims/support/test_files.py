"""A file is whole or absent, whatever interrupts its writing."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sims.support import files
from sims.support.files import (
    atomic_write,
    check_target,
    discard_abandoned,
    naming,
    sealed,
    unsealed,
    write_together,
)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_write(path) as file:
        file.write("half")
        file.flush()
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]
    assert file.closed and not files._unfinished  # nothing is kept of it


def test_a_finished_write_has_ordinary_permissions(tmp_path):
    path = tmp_path / "deep" / "result.bin"
    with atomic_write(path, "wb") as file:
        file.write(b"new")
    plain = tmp_path / "plain"
    plain.touch()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_a_new_file_is_for_those_whom_the_mask_lets(tmp_path, mask):
    """In a process of its own: the mask is read once, at the start."""
    code = (
        f"import os; os.umask({mask}); from sims.support.files import atomic_write\n"
        "with atomic_write('new') as file: file.write('new')"
    )
    folder = Path(__file__).parents[3]
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(folder)}
    )
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == {0o002: 0o664, 0o077: 0o600}[mask]


def test_links_are_followed_and_permissions_kept(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    target.chmod(0o600)
    (tmp_path / "link").symlink_to(target)
    with atomic_write(tmp_path / "link") as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as file:
        file.write("through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.fixture
def small_files():
    """A disk that fills up: no file may grow beyond 8 KiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_an_error_of_the_disk_names_the_file(tmp_path, small_files):
    """The system names no file when a write fails, and a temporary one when a folder takes none."""
    with pytest.raises(OSError, match="File too large") as caught, atomic_write(tmp_path / "a", "wb") as file:
        file.write(bytes(10_000))
    assert caught.value.filename == str(tmp_path / "a")
    (tmp_path / "b").touch()
    with pytest.raises(NotADirectoryError) as caught, atomic_write(tmp_path / "b" / "c"):
        pass
    assert caught.value.filename == str(tmp_path / "b" / "c")
    assert os.listdir(tmp_path) == ["b"]


@pytest.mark.parametrize(("error", "named"), [
    (OSError(errno.ENOSPC, "full"), "mine"),
    (OSError(errno.ENOTDIR, "no folder", "deep/.snapcut-1"), "mine"),
    (OSError(errno.ENOENT, "not there", "deep/another"), "deep/another"),
    (OSError("a sentence of its own"), None),
], ids=["none", "temporary", "another", "sentence"])  # fmt: skip
def test_an_error_gets_a_name_where_it_has_none_that_says_something(error, named):
    with pytest.raises(OSError) as caught, naming("mine"):
        raise error
    assert caught.value.filename == named and (caught.value is error or named == "mine")


def test_a_name_as_long_as_the_system_allows(tmp_path):
    """The temporary name must not be longer."""
    path = tmp_path / ("n" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    with atomic_write(path) as file:
        file.write("whole")
    assert path.read_text() == "whole"


def test_files_that_belong_together_appear_together(tmp_path, small_files):
    """The last one does not fit on the disk, or its place is taken: none of them is there."""
    contents = {tmp_path / "a": b"new", tmp_path / "b": b"new", tmp_path / "c": bytes(10_000)}
    (tmp_path / "b").write_text("old")
    with pytest.raises(OSError, match="File too large") as caught:
        write_together(contents)
    assert caught.value.filename == str(tmp_path / "c")
    (tmp_path / "c").mkdir()
    with pytest.raises(IsADirectoryError):
        write_together({**contents, tmp_path / "c": b"new"})
    assert sorted(os.listdir(tmp_path)) == ["b", "c"] and (tmp_path / "b").read_text() == "old"


def test_an_interruption_among_files_that_belong_together_waits_for_the_last(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(source, target):
        replace(source, target)
        if str(target).endswith("a"):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_together({tmp_path / name: b"new" for name in "xay"})
    assert sorted(os.listdir(tmp_path)) == ["a", "x", "y"]


def test_a_target_is_checked_and_left_as_it_was(tmp_path, small_files):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "file")
    for name in ("file", "new", "link", "deep/down/new", os.devnull):
        check_target(tmp_path / name)
    check_target(None)
    assert sorted(os.listdir(tmp_path)) == ["file", "link"] and (tmp_path / "file").read_text() == "old"
    for name, error in (
        ("", IsADirectoryError),
        ("file/new", NotADirectoryError),
        ("/proc/new", FileNotFoundError),
        ("n" * 300, OSError),
    ):
        with pytest.raises(error) as caught:
            check_target(tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    with pytest.raises(OSError, match="File too large") as caught:  # as on a disk with no block left
        check_target(tmp_path / "new")
    assert caught.value.filename == str(tmp_path / "new")


def test_a_target_that_is_no_file_needs_leave_to_be_written_and_no_folder(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(files.tempfile, "TemporaryFile", None)  # nothing is tried beside it
    check_target(pipe)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(PermissionError) as caught:
        check_target(pipe)
    assert caught.value.filename == str(pipe)


def test_what_is_written_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    """The whole text, not what the buffer let through."""
    sizes = []
    monkeypatch.setattr(
        os, "fsync", lambda number: sizes.append((os.fstat(number).st_size, os.listdir(tmp_path)))
    )
    with atomic_write(tmp_path / "result") as file:
        file.write("x" * 100)
    ((size, (name,)),) = sizes
    assert size == 100 and name.startswith(".snapcut-")


def test_what_is_unfinished_is_deleted_where_the_process_ends(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "result") as file:
        file.write("half")
        files.discard_unfinished()
        assert os.listdir(tmp_path) == []
    assert os.listdir(tmp_path) == []


def test_what_was_abandoned_is_deleted_and_nothing_else(tmp_path):
    waiting = atomic_write(tmp_path / "result")
    waiting.__enter__()  # and its process dies
    (tmp_path / ".hidden").touch()
    discard_abandoned(tmp_path)
    assert os.listdir(tmp_path) == [".hidden"]
    waiting.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def test_a_seal_is_that_of_files_written_before():
    """The SHA-256 of the text without it, as sha256sum prints it."""
    seal = "613fe5aa65343dbb1b9abe6abac6773f5c91bd60d3f2ffb7e2eae69e1db8b227"
    text = f'{{"x": 1, "checksum": "{seal}"}}'
    assert sealed({"x": 1}) == text and unsealed(text) == {"x": 1}

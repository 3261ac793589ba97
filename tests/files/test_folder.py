"""Result folders appear whole or not at all, and files are written over files only."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ranvier.files import folder as folders
from ranvier.files.folder import check_folder, result_folder
from ranvier.files.safe import write_atomic
from ranvier.model.errors import RanvierError

OURS = frozenset({"a", "b"}).issuperset


def content(folder: Path) -> dict[str, bytes | None]:
    """Every name below ``folder`` with its bytes; None for what is no regular file."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture(params=["exchange", "two renames"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that swaps names at one moment, and one that has no call for it."""
    if request.param == "two renames":
        monkeypatch.setattr(folders.ctypes, "CDLL", lambda *_, **__: object())


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("old", [None, {}, {"a": b"old"}, {"a": b"old", "b": b"old"}])
def test_a_whole_folder_takes_the_place(tmp_path: Path, old: dict[str, bytes] | None) -> None:
    output = tmp_path / ("n" * 255)
    if old is not None:
        output.mkdir()
        for name, data in old.items():
            (output / name).write_bytes(data)
    before = content(tmp_path)
    with result_folder(output, OURS) as work:
        (work / "a").write_bytes(b"new")
        assert work.parent == tmp_path and content(tmp_path).items() >= before.items()
    assert content(tmp_path) == {output.name: None, f"{output.name}/a": b"new"}
    assert stat.S_IMODE(output.stat().st_mode) == 0o777 & ~folders._umask()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_bytes(b"old")
    for output in (tmp_path / "old", tmp_path / "new", tmp_path / "x" / "y" / "z"):
        before = content(tmp_path)
        with pytest.raises(error), result_folder(output, OURS) as work:
            (work / "a").write_bytes(b"half")
            raise error
        assert content(tmp_path) == before


def test_folders_above_are_made(tmp_path: Path) -> None:
    with result_folder(tmp_path / "x" / "y", OURS) as work:
        (work / "a").write_bytes(b"new")
    assert content(tmp_path / "x") == {"y": None, "y/a": b"new"}


def test_what_holds_something_else_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    (tmp_path / "full" / "diary").touch()
    (tmp_path / "file").touch()
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    (tmp_path / "lost").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path / "here")
    before = content(tmp_path)
    for name, words in {"full": "holds something else", "file": "not a folder", "here": "current folder", "link": "symbolic link",
                        "lost": "symbolic link", "pipe": "not a folder", "file/x": "cannot be made"}.items():
        with pytest.raises(RanvierError, match=words), result_folder(tmp_path / name, OURS):
            pytest.fail("work began")
    assert content(tmp_path) == before
    with pytest.raises(RanvierError, match="current folder"):
        check_folder(Path(), OURS)


@pytest.mark.parametrize("swaps", [True, False], ids=["exchange", "two renames"])
def test_results_are_whole_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool) -> None:
    """Before and after each change of a name, the old results or the new ones are there whole, in one folder."""
    output = tmp_path / "out"
    whole = [{"a": b"old", "b": b"old"}, {"a": b"new"}]
    with result_folder(output, OURS) as work:
        for name, data in whole[0].items():
            (work / name).write_bytes(data)
    seen: list[dict[str, bytes | None]] = []

    def watched(change: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def call(one: Path, other: Path) -> None:
            seen.append(content(output))
            change(one, other)
            assert any(content(folder) in whole for folder in (output, *tmp_path.glob(".ranvier-*")))
            if swaps:
                seen.append(content(output))
        return call

    def swap(one: Path, other: Path) -> None:
        if not swaps:
            raise OSError(errno.ENOSYS, "no such call")
        between = tmp_path / "between"
        rename(one, between)
        rename(other, one)
        rename(between, other)

    rename = os.rename
    monkeypatch.setattr(folders, "_exchange", watched(swap))
    monkeypatch.setattr(os, "rename", watched(rename))
    with result_folder(output, OURS) as work:
        (work / "a").write_bytes(b"new")
    assert seen[0] == whole[0] and content(tmp_path) == {"out": None, "out/a": b"new"}
    if swaps:
        assert seen == whole


def test_what_comes_in_meanwhile_is_not_lost(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(RanvierError, match="something else"), result_folder(output, OURS) as work:
        (work / "a").touch()
        (output / "diary").touch()
    assert content(tmp_path) == {"out": None, "out/diary": b""}


def test_what_a_killed_process_left_goes_and_work_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = ("import os, sys; from pathlib import Path; from ranvier.files.folder import result_folder\n"
              "with result_folder(Path(sys.argv[1]), frozenset().issuperset):\n    os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], check=False)
    assert len(content(tmp_path)) == 1
    monkeypatch.setattr(folders, "_STALE_S", -1.0)
    with result_folder(tmp_path / "out", OURS):
        assert len(content(tmp_path)) == 1
        with result_folder(tmp_path / "out", OURS):
            assert len(content(tmp_path)) == 2
    assert content(tmp_path) == {"out": None}


# Single files


def device(path: Path) -> None:
    """A device of the test's own; its number is that of the null device."""
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


KINDS: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir, "a symbolic link": lambda path: path.symlink_to("target"), "a pipe": os.mkfifo, "a socket": bound,
    "a device": device}


@pytest.mark.parametrize("kind", KINDS)
def test_only_files_are_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("o")    # short, for the socket
    (tmp_path / "target").write_bytes(b"old")
    try:
        KINDS[kind](path)
    except PermissionError:
        pytest.skip("only root makes devices")
    before = os.lstat(path)
    with pytest.raises(RanvierError, match=f"^o: cannot be written: it is {kind}, not a regular file"):
        write_atomic(path, b"new")
    after = os.lstat(path)
    assert (after.st_mode, after.st_ino, after.st_rdev) == (before.st_mode, before.st_ino, before.st_rdev)
    assert (tmp_path / "target").read_bytes() == b"old" and sorted(os.listdir(tmp_path)) == ["o", "target"]


def test_files_of_the_longest_name_and_odd_bytes(tmp_path: Path) -> None:
    for name in ("n" * 255, os.fsdecode(b"\xff\n")):
        for data in (b"one", b"two"):
            write_atomic(tmp_path / name, data)
            assert (tmp_path / name).read_bytes() == data
    assert len(os.listdir(tmp_path)) == 2
    with pytest.raises(RanvierError, match="cannot be written"):
        write_atomic(tmp_path / "a\0b", b"")

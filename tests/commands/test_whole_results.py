"""The command line and its files: results whole or not at all, names of any bytes on any terminal, errors as JSON."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.files.network import save_network
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection

Completed = subprocess.CompletedProcess[str]


def ranvier(*arguments: object, environment: dict[str, str] | None = None, before: Callable[[], None] | None = None,
            folder: Path | None = None) -> Completed:
    """The command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "ranvier", *map(str, arguments)], env={**os.environ, **(environment or {})}, cwd=folder,
                          capture_output=True, text=True, errors="surrogateescape", check=False, preexec_fn=before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a network, whose population has a name that is not ASCII, and samples for it."""
    network = Network((Population("in", (1, 1, 4), "input", {"theta": 255, "v_min": 0, "v_max": 1000}),
                       Population("größe網", (1, 1, 3), "li", {"v_min": -1000, "v_max": 1000})),
                      (Projection.dense("in", "größe網", np.arange(12).reshape(4, 3) % 7),))
    save_network(network, tmp_path / "n.ranvier")
    np.savez(tmp_path / "p.npz", pictures=np.arange(20, dtype=np.uint8).reshape(5, 4) * 12)
    return tmp_path


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def run(folder: Path, /, *options: object, **more: Any) -> Completed:
    return ranvier("run", folder / "n.ranvier", "--input", folder / "p.npz", *options, **more)


# Half-written


@pytest.mark.parametrize("most", [100, 900, 1200])
def test_a_full_disk_leaves_old_results_whole(folder: Path, most: int) -> None:
    """A file may have so many bytes: none of the results fits, the readouts do but not the report, and almost all of it."""
    assert run(folder, "-o", folder / "out", "--ticks", 3).returncode == 0
    sizes = {name: (folder / "out" / name).stat().st_size for name in ("readouts.npz", "report.json")}
    assert sizes["report.json"] > 1200 and (most == 100 or sizes["readouts.npz"] < most)
    before = content(folder)
    for output in ("out", "new", "deep/er"):
        done = run(folder, "-o", folder / output, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
        assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("error: ") and "too large" in done.stderr
        assert content(folder) == before


def test_a_network_whose_name_is_no_text(folder: Path) -> None:
    """Bytes that are not UTF-8, and a line break: everywhere one line, and the same results."""
    name = folder / os.fsdecode(b"n\xff\n.ranvier")
    os.rename(folder / "n.ranvier", name)
    done = ranvier("run", name, "--input", folder / "p.npz", "-o", folder / "out")
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["network"].isprintable() and r"n\udcff\n.ranvier" in report["network"]
    assert sorted(os.listdir(folder / "out")) == ["readouts.npz", "report.json"]
    assert ranvier("report", folder / "out").returncode == 0
    (folder / "p.npz").unlink()
    for arguments in (("run", name, "--input", folder / "p.npz"), ("run", folder / os.fsdecode(b"\xfe\n"), "--input", name),
                      ("convert", name, "-o", folder / "x.ranvier"), ("report", folder / os.fsdecode(b"\xfe\n")),
                      ("build", name, "--board", "icebreaker", "--cores", "17", "-o", folder / os.fsdecode(b"\xfe\n"))):
        done = ranvier(*arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and done.stderr.startswith("error: "), done.stderr
        assert "Traceback" not in done.stderr


def test_another_folder_is_left_alone(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "diary").write_text("mine")
    before = content(folder)
    for output in ("out", "p.npz", "p.npz/x", "."):
        done = run(folder, "-o", output, folder=folder)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert content(folder) == before


def test_a_new_run_replaces_an_old_one(folder: Path) -> None:
    """Also what it did not write: the reproducer of a mismatch that is no more."""
    assert run(folder, "-o", folder / "out").returncode == 0
    (folder / "out" / "mismatch").mkdir()
    (folder / "out" / "mismatch" / "input.npz").touch()
    assert run(folder, "-o", folder / "out", "--ticks", 2).returncode == 0
    assert sorted(os.listdir(folder / "out")) == ["readouts.npz", "report.json"]
    assert json.loads((folder / "out" / "report.json").read_text())["ticks"] == 2


def test_a_stopped_run_leaves_nothing(folder: Path) -> None:
    """Stopped in the middle of a run that would take minutes."""
    np.savez(folder / "p.npz", pictures=np.ones((4000, 4), np.uint8))
    before = content(folder)
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([sys.executable, "-m", "ranvier", "run", str(folder / "n.ranvier"), "--input", str(folder / "p.npz"), "-o",
                               str(folder / "out"), "--ticks", "20000"], stderr=subprocess.PIPE, text=True) as process:
            end = time.monotonic() + 60
            while not list(folder.glob(".ranvier-*")):
                assert time.monotonic() < end and process.poll() is None
                time.sleep(0.01)
            process.send_signal(number)
            said = process.communicate(timeout=120)[1]
        assert process.returncode == 128 + number and said.splitlines()[-1] == "stopped" and "Traceback" not in said
        assert content(folder) == before


# Special files


def test_output_goes_over_no_device(folder: Path) -> None:
    """A device of the test's own, where it may make one, and a pipe."""
    for kind in (stat.S_IFIFO, stat.S_IFCHR):
        path = folder / f"special {kind}"
        try:
            os.mknod(path, 0o600 | kind, os.makedev(1, 3))
        except PermissionError:
            assert kind == stat.S_IFCHR and os.geteuid() != 0
            continue
        before = os.lstat(path)
        done = run(folder, "-o", path)
        assert done.returncode == 2 and "it is not a folder" in done.stderr, done.stderr
        after = os.lstat(path)
        assert (after.st_mode, after.st_rdev, after.st_ino) == (before.st_mode, before.st_rdev, before.st_ino)


# Terminals


@pytest.mark.parametrize("environment", [{"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
                                         {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
                                         {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1:strict"}], ids=["ascii", "C", "latin-1"])
def test_names_that_the_terminal_cannot_show(folder: Path, environment: dict[str, str]) -> None:
    name = folder / "größer 網路.ranvier"
    os.rename(folder / "n.ranvier", name)
    done = ranvier("run", name, "--input", folder / "p.npz", "-o", folder / "é網", environment=environment)
    assert done.returncode == 0, done.stderr
    done = ranvier("report", folder / "é網", environment=environment)
    assert done.returncode == 0 and done.stdout, done.stderr
    done = ranvier("report", folder / "fehlt 網", environment=environment)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    for arguments in (("boards",), ("--help",), ("run", "--help")):
        assert ranvier(*arguments, environment=environment).returncode == 0


# Errors as JSON


@pytest.mark.parametrize("arguments, words", [
    (("report", "nowhere", "--json"), "report.json"), (("run", "--json"), "ranvier run --help"),
    (("run", "nowhere", "--input", "x", "--ticks", "0", "--json"), "--ticks"), (("no-such-command", "--json"), "No such command"),
    (("program", "--json"), "name the folder of a build")])
def test_errors_are_json_too(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = ranvier(*arguments, folder=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1 and words in done.stderr
    assert json.loads(done.stdout) == {"error": {"message": done.stderr.strip().removeprefix("error: "), "exit_code": 2}}
    without = ranvier(*(word for word in arguments if word != "--json"), folder=folder)
    assert without.returncode == 2 and without.stdout == ""


def test_an_argument_after_the_options_is_no_option(folder: Path) -> None:
    done = ranvier("report", "--", "--json", folder=folder)
    assert done.returncode == 2 and done.stdout == ""

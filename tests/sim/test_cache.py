"""The cache of builds: damage is seen and mended, processes do not harm each other, and what is stopped leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ranvier.model.errors import RanvierError
from ranvier.sim import cache, verilate
from ranvier.sim.cache import cached_build, cached_verilog

BUILD = b"a library, say" * 100


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("RANVIER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(work: Path) -> None:
    (work / "lib.so").write_bytes(BUILD)
    (work / "obj").mkdir()
    (work / "obj" / "part.o").write_bytes(b"part")
    (work / "build.log").write_bytes(b"log")


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["lib.so", "obj/part.o", "SHA256SUMS"])
@pytest.mark.parametrize("harm", [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")], ids=["cut", "flip", "unlink", "empty"])
def test_a_damaged_build_is_made_again_once_and_it_is_said(folder: Path, capsys: pytest.CaptureFixture[str], name: str,
                                                           harm: Callable[[Path], None]) -> None:
    made: list[int] = []

    def make(work: Path) -> None:
        made.append(1)
        fill(work)

    found = cached_build("kind", ["a"], make)
    assert cached_build("kind", ["a"], make) == found and len(made) == 1 and capsys.readouterr().err == ""
    harm(found / name)
    assert cached_build("kind", ["a"], make) == found and len(made) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(found) in said and Path(name).name in said and "made again" in said
    assert (found / "lib.so").read_bytes() == BUILD
    assert cached_build("kind", ["a"], make) == found and len(made) == 2 and capsys.readouterr().err == ""
    assert not hidden(folder)


def test_logs_may_change() -> None:
    found = cached_build("kind", ["a"], fill)
    (found / "build.log").write_text("more")
    assert cached_build("kind", ["a"], lambda work: pytest.fail("made again")) == found


def test_a_cache_that_damages_everything_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried once, not for ever."""
    monkeypatch.setattr(cache, "_damage", lambda found: "lib.so is not what was written")
    with pytest.raises(RanvierError, match="build cache: .*RANVIER_CACHE"):
        cached_build("kind", ["a"], fill)


def test_damaged_verilog_is_made_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert cached_verilog("key", lambda: "module é; endmodule\n") == "module é; endmodule\n"
    for harm in (cut, flip, lambda path: path.write_bytes(b"\xff\xfe")):
        harm(next(folder.rglob("design.v")))
        assert cached_verilog("key", lambda: "module é; endmodule\n") == "module é; endmodule\n"
        assert "made again" in capsys.readouterr().err
    assert cached_verilog("key", lambda: pytest.fail("made again")) == "module é; endmodule\n"


def test_a_failed_build_leaves_nothing(folder: Path) -> None:
    def make(work: Path) -> None:
        fill(work)
        raise RanvierError("no")

    with pytest.raises(RanvierError, match="no"):
        cached_build("kind", ["a"], make)
    assert not [path for path in folder.rglob("*") if path.suffix != ".lock" and path.name != "kind"]


def test_what_a_killed_process_left_goes(folder: Path) -> None:
    found = cached_build("kind", ["a"], fill)
    left = found.with_name(f".{found.name}.new")
    found.rename(left)
    (left / "SHA256SUMS").unlink()
    assert cached_build("kind", ["a"], fill) == found and not hidden(folder)


_CHILD = """
import sys, time
from pathlib import Path
from ranvier.sim.cache import cached_build
def make(work):
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    for n in range(20):
        (work / f"{n}").write_text("x" * 1000)
        time.sleep(0.01)
found = cached_build("kind", ["shared"], make)
assert sum(len((found / f"{n}").read_text()) for n in range(20)) == 20000
"""


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_that_want_the_same_build(folder: Path, tmp_path: Path, damaged: bool) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", _CHILD, str(log)]
    if damaged:
        assert subprocess.run(command, check=False).returncode == 0
        cut(next(folder.rglob("7")))
    children = [subprocess.Popen(command) for _ in range(3)]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    assert log.read_text() == "made\n" * (1 + damaged) and not hidden(folder)


def test_make_never_sees_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_CACHE", str(tmp_path / "a cache; (mine) $é"))
    seen: list[str] = []

    def make(work: Path) -> None:
        seen.append(str(work))
        fill(work)

    found = cached_build("kind", ["a"], make)
    assert (found / "lib.so").read_bytes() == BUILD and found.is_relative_to(tmp_path / "a cache; (mine) $é")
    assert cached_build("kind", ["a"], make) == found and len(seen) == 1
    assert not set(seen[0]) & set(" ;()$é") and not Path(seen[0]).exists() and not hidden(tmp_path)


# The real thing: Verilator, make and g++, with a design that costs them little

_VERILOG = "module tiny(input wire [7:0] i, output wire [7:0] o); assign o = i + 8'd1; endmodule\n"
_HARNESS = """
#include "Vtiny.h"
double sc_time_stamp() { return 0; }
extern "C" int next(int value) { Vtiny model; model.i = value; model.eval(); return model.o; }
"""
_BUILD = f"""
import os
from pathlib import Path
from ranvier.model.fabric.config import FabricConfig
from ranvier.sim import verilate
def build():
    harness = Path(os.environ['HARNESS'])
    harness.write_text({_HARNESS!r})
    return verilate._built(verilate._Model("tiny", {_VERILOG!r}, str(harness), "", "libtiny.so", FabricConfig()))
"""
_LOAD = _BUILD + "import ctypes; path = build(); print(path, ctypes.CDLL(str(path)).next(41))"
#: Builds where `ranvier boards` would print its table, as `ranvier run` does with a fabric.
_COMMAND = _BUILD + """
import ranvier.cli
ranvier.cli.cli.commands["boards"].callback = lambda as_json: build()
ranvier.cli.main()
"""


def test_a_cache_path_with_a_space(tmp_path: Path) -> None:
    environment = {**os.environ, "RANVIER_CACHE": str(tmp_path / "a cache"), "HARNESS": str(tmp_path / "harness.cpp")}
    done = subprocess.run([sys.executable, "-c", _LOAD], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path, _, answer = done.stdout.strip().rpartition(" ")
    assert answer == "42" and path.startswith(f"{tmp_path}/a cache/") and not hidden(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_stopped_leaves_no_compiler(tmp_path: Path, folder: Path, number: signal.Signals) -> None:
    """A compiler that never ends, below Verilator and make."""
    fake = tmp_path / "bin" / "g++"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/compilers\nexec sleep 600\n")
    fake.chmod(0o755)
    environment = {**os.environ, "HARNESS": str(tmp_path / "harness.cpp"), "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-c", _COMMAND, "boards", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 180
        while not (tmp_path / "compilers").is_file() or not (tmp_path / "compilers").read_text().endswith("\n"):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    for compiler in map(int, (tmp_path / "compilers").read_text().split()):
        end = time.monotonic() + 10
        while Path(f"/proc/{compiler}/cmdline").is_file() and b"sleep" in Path(f"/proc/{compiler}/cmdline").read_bytes():
            assert time.monotonic() < end, "a compiler still runs"
            time.sleep(0.02)
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number and err.splitlines()[-1] == "stopped" and "Traceback" not in err
        assert json.loads(out) == {"error": {"message": "stopped", "exit_code": 128 + number}}
        assert not hidden(folder) and not list(folder.rglob("*.cpp"))


@pytest.mark.parametrize("level", ["4", "fast", ""])
def test_a_level_that_no_compiler_has(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("RANVIER_OPTIMISATION", level)
    with pytest.raises(RanvierError, match="RANVIER_OPTIMISATION: it is .*; it must be 0, 1, 2 or 3"):
        verilate._make_flags()

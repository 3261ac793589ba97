"""Verilog for others: one documented top, no primitives of any vendor."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from ranvier.cli import cli
from ranvier.model.errors import RanvierError
from ranvier.rtl import device
from ranvier.sim.verilate import tool_environment, verilator_binary

SMALL = ["--cores", "1", "--lanes", "4"]

#: Making the Verilog takes most of the time, and it is the same each time: one text for each device.
_ONCE = {name: cache(getattr(device, name)) for name in ("device_verilog", "stream_device_verilog")}


@pytest.fixture(autouse=True)
def made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, made in _ONCE.items():
        monkeypatch.setattr(device, name, made)


def generate(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, ["generate", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    made: dict[str, object] = json.loads(result.stdout)
    return made


@pytest.mark.parametrize("uart", [False, True])
def test_generated_folder(uart: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = generate("--verilog", *SMALL, "-o", str(out), *(["--uart"] if uart else []))
    assert made["files"] == sorted(path.name for path in out.iterdir()) == ["README.md", "device.json", "ranvier.core", "ranvier.v"]
    text = (out / "ranvier.v").read_text()
    assert len(re.findall(r"^module ranvier\(", text, re.MULTILINE)) == 1
    assert not re.search(r"\b(SB_|TRELLIS|DP16KD|MULT18X18|EHXPLL|rPLL|RAMB)", text)
    ports = {port["name"]: port for port in made["ports"]}    # type: ignore[attr-defined]
    expected = {"clk", "rst", "rx", "tx", "reset"} if uart else {"clk", "rst", "i__payload", "i__valid", "i__ready", "o__payload", "o_idle"}
    assert expected <= set(ports)
    assert all(port["meaning"] for port in ports.values()), "a port is not described"
    readme = (out / "README.md").read_text()
    assert all(f"| `{name}` | {port['direction']} | {port['width']} |" in readme for name, port in ports.items())
    core = (out / "ranvier.core").read_text()
    assert core.startswith("CAPI=2:\nname: ranvier:ranvier:ranvier:") and "toplevel: ranvier" in core and "ranvier.v" in core
    lint = [str(verilator_binary()), "--lint-only", "-Wno-fatal", "-Wno-lint", "--top-module", "ranvier", "ranvier.v"]
    done = subprocess.run(lint, cwd=out, env=tool_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_its_own_folder_is_replaced(tmp_path: Path) -> None:
    generate(*SMALL, "-o", str(tmp_path / "out"))
    generate(*SMALL, "-o", str(tmp_path / "out"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thing").write_text("")
    result = CliRunner().invoke(cli, ["generate", *SMALL, "-o", str(tmp_path / "other")])
    assert isinstance(result.exception, RanvierError) and "holds something else" in str(result.exception)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thing"]

"""Bitstreams with the real tools: the digits and `examples/patterns` on an iCEBreaker and a ULX3S, on fabrics of their own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ranvier.boards import find_board
from ranvier.commands.build import build
from ranvier.commands.demo import find_digits
from ranvier.convert.convert import convert
from ranvier.files.network import save_network
from ranvier.frontends.onnx import load_onnx
from ranvier.reports.build_table import build_rows

pytestmark = pytest.mark.verify
pytest.importorskip("amaranth_boards", reason="pip install 'ranvier[boards]'")

_SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "patterns" / "make.py"


@pytest.mark.whole
@pytest.mark.parametrize(("board", "least_mhz"), [("icebreaker", 34), ("ulx3s", 100)])
def test_digits_bitstream(board: str, least_mhz: float, tmp_path: Path) -> None:
    network = convert(load_onnx(find_digits() / "digits.onnx"), steps=4, state_bits=find_board(board).fabric.state_bits).network
    save_network(network, tmp_path / "digits.ranvier")
    _check(build(tmp_path / "digits.ranvier", board, tmp_path / "build", tailored=True), tmp_path / "build", least_mhz)


@pytest.mark.parametrize(("board", "lanes", "clock_mhz"), [
    ("icebreaker", 4, 24.0), pytest.param("ulx3s", 4, 60.0, marks=pytest.mark.whole)])
def test_patterns_bitstream(board: str, lanes: int, clock_mhz: float, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("patterns_make", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    save_network(module.network(find_board(board).fabric.state_bits), tmp_path / "patterns.ranvier")
    report = build(tmp_path / "patterns.ranvier", board, tmp_path / "build", tailored=True, cores=1, lanes=lanes, clock_mhz=clock_mhz,
                   seeds=2)
    _check(report, tmp_path / "build", clock_mhz)
    assert report["clock_hz"] == clock_mhz * 1e6


def _check(report: dict[str, Any], folder: Path, least_mhz: float) -> None:
    print("\n" + "\n".join(f"{name}: {value}" for name, value in build_rows(report)))
    assert report["met"] and all(clock["achieved"] >= clock["asked"] for clock in report["clocks"])
    assert report["clock_hz"] >= least_mhz * 1e6
    assert (folder / report["bitstream"]).stat().st_size > 50_000

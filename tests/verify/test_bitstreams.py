"""Bitstreams with the real tools: the digits on an iCEBreaker and on a ULX3S, on fabrics of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.bitstream.command import build
from ranvier.bitstream.table import build_rows
from ranvier.boards import find_board
from ranvier.convert import convert
from ranvier.demo import find_digits
from ranvier.files import save_network
from ranvier.onnx_import import load_onnx

pytestmark = pytest.mark.verify
pytest.importorskip("amaranth_boards", reason="pip install 'ranvier[boards]'")


@pytest.mark.parametrize(("board", "least_mhz"), [("icebreaker", 24), ("ulx3s", 80)])
def test_digits_bitstream(board: str, least_mhz: float, tmp_path: Path) -> None:
    network = convert(load_onnx(find_digits() / "digits.onnx"), steps=4, state_bits=find_board(board).fabric.state_bits).network
    save_network(network, tmp_path / "digits.ranvier")
    report = build(tmp_path / "digits.ranvier", board, tmp_path / "build", tailored=True)
    print("\n" + "\n".join(f"{name}: {value}" for name, value in build_rows(report)))
    assert report["met"] and all(clock["achieved"] >= clock["asked"] for clock in report["clocks"])
    assert report["clock_hz"] >= least_mhz * 1e6
    assert (tmp_path / "build" / report["bitstream"]).stat().st_size > 50_000

"""What a chip's memories can hold: counted from the configuration, against netlists and bitstreams, and said before anything is made."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ranvier.bitstream.plan import NAME, make_plan
from ranvier.bitstream.room import CHIPS, check_fabric, check_weights, chip_of, fits, needs, pieces
from ranvier.boards import BOARDS, Board
from ranvier.cli import cli
from ranvier.commands.build import choose_cores, form
from ranvier.commands.demo import find_digits
from ranvier.convert.convert import convert
from ranvier.files.network import save_network
from ranvier.files.samples import load_pictures
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection

#: An odd fabric, so that words end within a piece, and every memory is deep enough to be one.
ODD = FabricConfig(cores=2, core=CoreConfig(lanes=8, sweep_lanes=2, program_depth=33, row_depth=20, weight_depth=70, state_depth=40,
                                            drive_depth=18, dynamics_depth=17, readout_depth=9),
                   input=InputConfig(sweep_lanes=4, row_depth=17, state_depth=40, drive_depth=30, dynamics_depth=17),
                   state_bits=21, weight_bits=8, word_bits=16, spike_depth=50)
every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


def dense(*sizes: int, state_bits: int = 16, weight_bits: int = 4) -> Network:
    """A network of dense layers, all weights 0."""
    bounds = {"v_min": -1000, "v_max": 1000}
    kinds = ["input", *["if"] * (len(sizes) - 2), "li"]
    return Network(tuple(Population(f"p{n}", (1, 1, size), kind, {"theta": 255, **bounds} if kind != "li" else bounds)
                         for n, (size, kind) in enumerate(zip(sizes, kinds, strict=True))),
                   tuple(Projection.dense(f"p{n}", f"p{n + 1}", np.zeros(shape, int))
                         for n, shape in enumerate(zip(sizes[:-1], sizes[1:], strict=True))),
                   state_bits=state_bits, weight_bits=weight_bits)


@pytest.mark.parametrize("name", ["ulx3s", "icebreaker", "tang-nano-9k"])
def test_pieces_are_those_of_the_netlist(name: str) -> None:
    pytest.importorskip("amaranth_boards", reason="pip install 'ranvier[boards]'")
    board = BOARDS[name]
    fabric = ODD.replace(cores=1) if name == "icebreaker" else ODD
    setting = board.pll.nearest(board.source_hz, board.clock_hz)
    device = board.device_config(fabric, setting.clock_hz)
    netlist = make_plan(board, device, setting).files[f"{NAME}.il"]
    chip = chip_of(board)
    assert chip is not None
    there = Counter((int(bits), int(depth)) for bits, depth in re.findall(r"memory width (\d+) size (\d+) \\ranvier_ram", netlist))
    assert Counter((piece.bits, piece.depth) for piece in pieces(device, chip.technology) if not piece.spram) == there
    assert needs(device, chip).sprams == len(re.findall(r"cell \\SB_SPRAM256KA ", netlist))


def digits(board: Board) -> Network:
    folder = find_digits()
    conventional = load_onnx(folder / "digits.onnx")
    calibration, _ = load_pictures(folder / "calibration.npz", conventional.input_size)
    return convert(conventional, steps=4, calibration=calibration[:200], state_bits=board.fabric.state_bits).network


@pytest.mark.parametrize(("name", "tailored", "measured", "least", "sprams"), [
    ("ulx3s", False, 109, 109, 0), ("ulx3s", True, 62, 62, 0), ("icebreaker", True, 29, 28, 4), ("icebreaker", False, 30, 30, 4)])
def test_never_more_than_placed_bitstreams_have(name: str, tailored: bool, measured: int, least: int, sprams: int) -> None:
    """``measured`` is from the bitstreams of README.md and docs/decisions/0011."""
    board, chip = BOARDS[name], chip_of(BOARDS[name])
    assert chip is not None
    fabric = form(board.fabric, digits(board)) if tailored else board.fabric
    need = needs(board.device_config(fabric), chip)
    assert (need.block_rams, need.sprams) == (least, sprams) and least <= measured


def test_small_memories_may_be_something_else() -> None:
    ice40, ecp5, gowin = CHIPS["iCE40UP5K"], CHIPS["LFE5U-85F"], CHIPS["GW1NR-9C"]
    assert [ice40.block_rams_for(*size) for size in ((16, 256), (17, 256), (8, 512), (8, 513), (2, 2048), (16, 4), (30, 2))] == [
        1, 2, 1, 2, 1, 0, 0]
    assert [ecp5.block_rams_for(*size) for size in
            ((36, 512), (18, 1024), (37, 512), (36, 513), (1, 16384), (99, 16))] == [1, 1, 2, 2, 1, 0]
    assert [gowin.block_rams_for(*size) for size in ((36, 512), (37, 512), (32, 16))] == [1, 2, 0]


@every_board
def test_every_overlay_fits_its_chip(board: Board) -> None:
    check_fabric(board, board.fabric)


def refused(path: Path, *options: str) -> str:
    result = CliRunner().invoke(cli, ["build", str(path), "-o", str(path.parent / "out"), *options])
    assert isinstance(result.exception, RanvierError), result.output
    message = str(result.exception)
    assert message.startswith(f"{path}: ") and message.isprintable() and not (path.parent / "out").exists()
    return message


@pytest.fixture(autouse=True)
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may come as far as a tool."""
    def never(family: str) -> None:
        raise AssertionError("the tools are looked for")
    monkeypatch.setattr("ranvier.bitstream.flow.tools_of", never)


@pytest.mark.parametrize("tailored", [False, True])
@pytest.mark.parametrize(("name", "words"), [
    ("ulx3s", "7.4 Mbit of weights; the chip has 3.8 (LFE5U-85F, 208 block RAMs): use a smaller network, fewer --weight-bits"),
    ("icebreaker", "7.4 Mbit of weights; the chip has 1.0 (iCE40UP5K, 4 SPRAMs): use a smaller network, fewer --weight-bits")])
def test_far_too_many_weights(name: str, words: str, tailored: bool, tmp_path: Path) -> None:
    """Its size is said, not its state bits, which do not fit an iCE40's overlay either."""
    save_network(dense(784, 1024, 1024, 10), tmp_path / "large.ranvier")
    start = time.monotonic()
    assert words in refused(tmp_path / "large.ranvier", "--board", name, *(["--tailor"] if tailored else []))
    assert time.monotonic() - start < 15     # it is under a second on an idle machine; elaboration alone took 67


def test_a_larger_board_is_named(tmp_path: Path) -> None:
    with pytest.raises(RanvierError, match=r"1.6 Mbit of weights; the chip has 1.0 .* or a board with more memory \(ulx3s\)"):
        check_weights(BOARDS["icebreaker"], dense(784, 500, 10))
    with pytest.raises(RanvierError, match=r"1.04 Mbit of weights; the chip has 1.03"):
        check_weights(BOARDS["colorlight-i5"], dense(1000, 258, 3))
    check_weights(BOARDS["ulx3s"], dense(784, 500, 10))


def test_memories_that_do_not_fit_though_the_weights_would(tmp_path: Path) -> None:
    save_network(dense(1500, 600, 10), tmp_path / "n.ranvier")     # 3.6 of 3.8 Mbit
    for options in (["--tailor"], []):
        message = refused(tmp_path / "n.ranvier", "--board", "ulx3s", *options)
        assert re.search(r"does not fit: its memories need at least \d+ block RAMs, \d+ of them for weights; the chip has 208", message)


def test_rows_that_are_filled_up_in_sprams(tmp_path: Path) -> None:
    board = BOARDS["icebreaker"]
    assert fits(board, form(board.fabric, dense(784, 250, 10, state_bits=12)))
    save_network(dense(784, 321, 1, state_bits=12), tmp_path / "m.ranvier")
    for options in (["--tailor"], []):
        message = refused(tmp_path / "m.ranvier", "--board", "icebreaker", *options)
        assert "Mbit of weights, each row of neurons filled up to 16; with so many lanes the chip has 1.0 (iCE40UP5K, 4 SPRAMs)" in message
        assert "weight_depth" not in message
    with pytest.raises(RanvierError, match="need 8 SPRAMs side by side; the chip has 4"):
        check_fabric(BOARDS["icebreaker"], BOARDS["icebreaker"].fabric.replace(core={"lanes": 32}))


def test_state_bits_that_the_overlay_has(tmp_path: Path) -> None:
    save_network(dense(64, 64, 10), tmp_path / "n.ranvier")
    assert "state_bits is 12, the network was made for 16: convert it again with --state-bits 12" in refused(
        tmp_path / "n.ranvier", "--board", "icebreaker")


def test_cores_for_which_there_is_no_room_are_not_chosen() -> None:
    network, base = dense(200, 300, 10), BOARDS["ulx3s"].fabric
    fastest = choose_cores(network, base)
    assert fastest.cores > 1
    assert choose_cores(network, base, lambda config: config.cores == 1).cores == 1
    assert choose_cores(network, base, lambda config: False).cores == 1     # then it is refused

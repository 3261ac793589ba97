"""`ranvier build`: options in, a folder with a bitstream out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..bitstream.flow import Job, build_bitstream
from ..bitstream.prediction import Prediction, predict
from ..boards import Board, find_board
from ..files.network import load_network
from ..files.samples import load_pictures
from ..mapping.mapper import map_network, tailor
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig
from ..model.fabric.device_config import DeviceConfig
from ..model.fabric.placement import Placement
from ..model.network.network import Network

__all__ = ["build", "choose_cores", "form", "seeds_of", "ticks_of"]

_DEFAULT_TICKS = 4
#: A core more must gain more than this to be worth its area.
_NEARLY = 1.1


def build(path: Path | None, board_name: str, output: Path, *, tailored: bool = False, cores: int | None = None, lanes: int | None = None,
          clock_mhz: float | None = None, seeds: int | None = None, jobs: int | None = None, ticks: int | None = None,
          pictures_path: Path | None = None) -> dict[str, Any]:
    """Build a bitstream for a board into ``output``; the report."""
    board = find_board(board_name)
    if path is None and (tailored or pictures_path):
        raise RanvierError(f"build: {'--tailor' if tailored else '--input'} needs a network; name a .ranvier file")
    network = None if path is None else load_network(path)
    pictures = load_pictures(pictures_path, network)[0] if pictures_path is not None and network is not None else None
    try:
        fabric = form(board.fabric, network if tailored else None, cores, lanes)
        placement = None if network is None else map_network(network, fabric)
    except RanvierError as error:
        help_ = "" if tailored or network is None else "; --tailor sizes the fabric to this network"
        raise RanvierError(f"{path or board.name}: {error}{help_}") from error
    chosen = seeds_of(board, seeds)
    job = Job(board, fabric, chosen, jobs or max(1, min(len(chosen), os.cpu_count() or 1)), clock_mhz and clock_mhz * 1e6,
              network if tailored else None)

    def prediction(device: DeviceConfig) -> Prediction | None:
        return None if placement is None or network is None else predict(placement, device, ticks or ticks_of(network), pictures)

    return build_bitstream(job, output, prediction)


def seeds_of(board: Board, count: int | None) -> tuple[int, ...]:
    """The board's own seeds, or 1 to ``count``."""
    return board.seeds if count is None else tuple(range(1, count + 1))


def ticks_of(network: Network) -> int:
    """Ticks of an inference: the conversion's."""
    steps = network.info.get("steps")
    return steps if isinstance(steps, int) and 0 < steps < 1 << 16 else _DEFAULT_TICKS


def form(base: FabricConfig, network: Network | None, cores: int | None = None, lanes: int | None = None) -> FabricConfig:
    """The fabric ``base``, or with ``network`` one of its form that is just large enough; with other cores or lanes if asked."""
    if lanes is not None:
        base = base.replace(core={"lanes": lanes, "sweep_lanes": min(base.core.sweep_lanes, lanes)})
    if cores is not None:
        base = _with_cores(base, cores)
    if network is None:
        return base
    if cores is not None:
        return tailor(network, base)
    return choose_cores(network, base)


def _with_cores(base: FabricConfig, cores: int) -> FabricConfig:
    needed = (cores + 1) * max(base.core.sweep_lanes, base.input.sweep_lanes)
    return base.replace(cores=cores, word_bits=max(base.word_bits, 1 << (needed - 1).bit_length()))


def choose_cores(network: Network, base: FabricConfig) -> FabricConfig:
    """The smallest tailored fabric of at most ``base``'s cores that is nearly as fast as the fastest one."""
    found = []
    for cores in range(1, base.cores + 1):
        config = tailor(network, _with_cores(base, cores))
        found.append((_worst_clocks(map_network(network, config), network), config))
    fastest = min(clocks for clocks, _ in found)
    return next(config for clocks, config in found if clocks <= _NEARLY * fastest)


def _worst_clocks(placement: Placement, network: Network) -> float:
    return predict(placement, DeviceConfig(placement.config), ticks_of(network)).clocks

"""`ranvier build`: options in, a folder with a bitstream out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..bitstream.flow import Job, build_bitstream
from ..bitstream.prediction import MOST_SAMPLES, Prediction, predict
from ..bitstream.room import check_fabric, check_weights, fits
from ..boards import Board, find_board
from ..convert.samples import input_values
from ..files.input_mapping import input_mapping_of
from ..files.network import load_network
from ..files.samples import load_samples
from ..mapping.choose import with_cores
from ..mapping.mapper import map_network, tailor
from ..mapping.size import tailor_size
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig
from ..model.fabric.device_config import DeviceConfig
from ..model.fabric.placement import Placement
from ..model.network.network import Network
from ..runs import inputs_of

__all__ = ["build", "choose_cores", "form", "seeds_of", "ticks_of"]

_DEFAULT_TICKS = 4
#: A core more must gain more than this to be worth its area.
_NEARLY = 1.1


def build(path: Path | None, board_name: str, output: Path, *, tailored: bool = False, cores: int | None = None, lanes: int | None = None,
          clock_mhz: float | None = None, seeds: int | None = None, jobs: int | None = None, ticks: int | None = None,
          samples_path: Path | None = None, samples_key: str | None = None, labels_key: str | None = None,
          faster: bool = False) -> dict[str, Any]:
    """Build a bitstream for a board into ``output``; the report. What cannot fit the chip is refused before anything is made."""
    board = find_board(board_name)
    if path is None and (tailored or samples_path):
        raise RanvierError(f"build: {'--tailor' if tailored else '--input'} needs a network; name a .ranvier file")
    if samples_path is None and (samples_key or labels_key):
        raise RanvierError("build: --samples and --labels name what is in a file of samples; name that with --input")
    network = None if path is None else load_network(path)
    owner = path or board.name
    if network is not None:
        try:
            check_weights(board, network)
        except RanvierError as error:
            raise RanvierError(f"{owner}: {error}") from error
    samples = None
    if samples_path is not None and network is not None:
        loaded = load_samples(samples_path, sum(p.size for p in network.inputs), samples_key=samples_key, labels_key=labels_key,
                               limit=MOST_SAMPLES)
        samples = input_values(loaded, input_mapping_of(network), network.input_bits)
    sized = _sized(board, network, ticks, samples) if network is not None and tailored and cores is None and lanes is None else None
    fabric, placement = _placed(board, network, owner, tailored, cores, lanes, sized)
    chosen = seeds_of(board, seeds)
    job = Job(board, fabric, chosen, jobs or max(1, min(len(chosen), os.cpu_count() or 1)), clock_mhz and clock_mhz * 1e6,
              network if tailored else None, faster=faster)

    def prediction(device: DeviceConfig) -> Prediction | None:
        return None if placement is None or network is None else predict(placement, device, ticks or ticks_of(network), samples)

    return build_bitstream(job, output, prediction)


def _sized(board: Board, network: Network, ticks: int | None, samples: npt.NDArray[Any] | None) -> FabricConfig | None:
    """The fabric that `tailor_size` chooses within the board's overlay, which is known to be placed; None where none fits."""
    inputs = None if samples is None else inputs_of(network, samples)
    try:
        return tailor_size(network, steps=ticks or ticks_of(network), inputs=inputs, base=board.fabric, most=board.fabric,
                           room=lambda fabric: fits(board, fabric), nearly=_NEARLY).config
    except RanvierError:
        return None


def _placed(board: Board, network: Network | None, owner: Path | str, tailored: bool, cores: int | None,
            lanes: int | None, sized: FabricConfig | None = None) -> tuple[FabricConfig, Placement | None]:
    """The fabric, which is ``sized`` where there is one, and the network on it.

    Raises `RanvierError` where either does not fit; what is said is what would help.
    """
    def room(fabric: FabricConfig) -> bool:
        return fits(board, fabric)

    try:
        fabric = sized or form(board.fabric, network if tailored else None, cores, lanes, room)
        check_fabric(board, fabric, tailored=tailored)
    except RanvierError as error:
        raise RanvierError(f"{owner}: {error}") from error
    if network is None:
        return fabric, None
    try:
        return fabric, map_network(network, fabric)
    except RanvierError as error:
        if tailored:
            raise RanvierError(f"{owner}: {error}") from error
        lacking = error
    try:
        check_fabric(board, form(board.fabric, network, cores, lanes, room), tailored=True)
    except RanvierError as error:
        raise RanvierError(f"{owner}: {error}") from error
    raise RanvierError(f"{owner}: {lacking}; --tailor sizes the fabric to this network")


def seeds_of(board: Board, count: int | None) -> tuple[int, ...]:
    """The board's own seeds, or 1 to ``count``."""
    return board.seeds if count is None else tuple(range(1, count + 1))


def ticks_of(network: Network) -> int:
    """Ticks of an inference: the conversion's."""
    steps = network.info.get("steps")
    return steps if isinstance(steps, int) and 0 < steps < 1 << 16 else _DEFAULT_TICKS


def form(base: FabricConfig, network: Network | None, cores: int | None = None, lanes: int | None = None,
         room: Callable[[FabricConfig], bool] | None = None) -> FabricConfig:
    """The fabric ``base``, or with ``network`` one of its form that is just large enough; with other cores or lanes if asked.

    ``room`` says of a fabric whether it may fit the chip, where there is one.
    """
    if lanes is not None:
        base = base.replace(core={"lanes": lanes, "sweep_lanes": min(base.core.sweep_lanes, lanes)})
    if cores is not None:
        base = with_cores(base, cores, network.spike_bits if network else base.spike_bits)
    if network is None:
        return base
    if cores is not None:
        return tailor(network, base)
    return choose_cores(network, base, room)


def choose_cores(network: Network, base: FabricConfig, room: Callable[[FabricConfig], bool] | None = None) -> FabricConfig:
    """The smallest tailored fabric of at most ``base``'s cores that is nearly as fast as the fastest one.

    Only fabrics for which there is ``room`` are considered, unless there is none.
    """
    configs = [tailor(network, with_cores(base, cores, network.spike_bits)) for cores in range(1, base.cores + 1)]
    fitting = [config for config in configs if room is None or room(config)]
    if not fitting:
        return configs[0]
    found = [(_worst_clocks(map_network(network, config), network), config) for config in fitting]
    fastest = min(clocks for clocks, _ in found)
    return next(config for clocks, config in found if clocks <= _NEARLY * fastest)


def _worst_clocks(placement: Placement, network: Network) -> float:
    return predict(placement, DeviceConfig(placement.config), ticks_of(network)).clocks

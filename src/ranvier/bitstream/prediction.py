"""How long an inference takes on a fabric, from the cycle model: with samples, or at worst."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.limit import Limit, limit_of
from ..model.fabric.config import FabricConfig
from ..model.fabric.cycles import predict_cycles
from ..model.fabric.device_config import DeviceConfig
from ..model.fabric.layout import CHUNK_BITS
from ..model.fabric.placement import Placement
from ..model.link.protocol import CRC_BYTES, HEADER_BYTES, MOST_WRITE
from ..model.run.golden import run_golden
from ..runs import inputs_of

__all__ = ["MOST_SAMPLES", "Capacity", "Prediction", "capacity_of", "link_bytes", "predict"]

#: Samples of which the mean is taken.
MOST_SAMPLES = 200
_START_AND_STOP_BITS = 10
_FLAGS, _ADDRESS_BYTES = 2, 4


@dataclass(frozen=True)
class Capacity:
    """What fits a fabric at most. ``operations`` are synaptic operations in a second, when every core scans in every clock."""

    cores: int
    lanes: int
    neurons: int
    synapses: int
    operations: float

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Prediction:
    """Clocks and microseconds of an inference of ``ticks`` steps, from the input loaded to the answer ready.

    ``basis`` is ``samples`` (the mean over them) or ``worst`` (every neuron spikes in every step). ``stream`` is the time
    from one answer to the next, when the next input is always there. ``link_us`` is what the link needs for an input. ``limit`` is
    what the clocks of a stream hang on.
    """

    basis: str
    ticks: int
    samples: int
    clocks: float
    us: float
    stream_us: float
    link_bytes: int
    link_us: float
    limit: Limit

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "limit": self.limit.to_json()}


def capacity_of(fabric: FabricConfig, clock_hz: float) -> Capacity:
    """What fits, by the memories' depths."""
    core = fabric.core
    return Capacity(fabric.cores, core.lanes, fabric.cores * core.state_depth * core.sweep_lanes,
                    fabric.cores * core.weight_depth * core.lanes, fabric.cores * core.lanes * clock_hz)


def link_bytes(placement: Placement) -> int:
    """Bytes from host to device for one input: its values as plain words, with headers, CRCs and flags.

    What has to be escaped in the values comes on top; commands that pack values of 4 bits or 1 bit need less.
    """
    config = placement.config
    chunks = -(-config.input_bits * config.input.sweep_lanes // CHUNK_BITS)
    words = chunks * sum(row.groups for row in placement.units[-1])
    frames = -(-words // MOST_WRITE)
    return 4 * words + frames * (HEADER_BYTES + CRC_BYTES + _FLAGS + _ADDRESS_BYTES)


def predict(placement: Placement, device: DeviceConfig, ticks: int, samples: npt.NDArray[Any] | None = None) -> Prediction:
    """Predict a device's time for an inference of ``placement``."""
    network = placement.network
    if samples is None:
        popcounts, clamps = _everything_spikes(placement, ticks)
        count = 1
    else:
        run = run_golden(network, inputs_of(network, samples[:MOST_SAMPLES]), ticks, blocks=placement.blocks)
        popcounts, clamps = run.popcounts, run.clamps
        count = len(samples[:MOST_SAMPLES])
    alone = float(predict_cycles(placement, popcounts, clamps, ticks, stream=False).clocks.sum(axis=1).mean())
    many = {name: np.repeat(found, 8, axis=0) for name, found in popcounts.items()} if samples is None else popcounts
    held = {name: np.repeat(found, 8, axis=0) for name, found in clamps.items()} if samples is None else clamps
    windows = len(next(iter(many.values())))
    cycles = predict_cycles(placement, many, held, ticks)
    stream = float(cycles.clocks.sum()) / windows
    microsecond = device.clock_hz / 1e6
    count_bytes = link_bytes(placement)
    return Prediction("worst" if samples is None else "samples", ticks, count, alone, alone / microsecond, stream / microsecond,
                      count_bytes, count_bytes * _START_AND_STOP_BITS / device.baud * 1e6, limit_of(placement, cycles, ticks, windows))


def _everything_spikes(placement: Placement, ticks: int) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    popcounts, clamps = {}, {}
    for population in placement.network.populations:
        name = population.name
        sizes = np.diff(placement.blocks[name], append=population.size)
        clamps[name] = np.zeros((1, ticks, len(sizes)), np.int64)
        if population.spiking:
            popcounts[name] = np.broadcast_to(sizes, (1, ticks, placement.config.spike_bits, len(sizes))).copy()
    return popcounts, clamps

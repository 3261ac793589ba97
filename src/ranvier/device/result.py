"""What is asked of a backend, and what every backend answers alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..convert.samples import as_inputs
from ..model.errors import RanvierError
from ..model.fabric.counters import Counts
from ..model.fabric.layout import Counter
from ..model.fabric.placement import Placement
from ..model.mismatch import Mismatch
from ..model.network.network import Network
from ..model.run.golden import check_inputs

__all__ = ["MOST_TICKS", "Job", "Result", "make_job", "quantised", "recorded_by_default"]

Array = npt.NDArray[Any]

#: Longest window.
MOST_TICKS = (1 << 16) - 1
#: Samples between two readings of the counters, at most.
_MOST_BLOCK = 128
#: Steps of neurons that a block's records may have, to bound the memory.
_MOST_RECORDS = 1 << 26
#: Input values that a byte is made of when pixels have 4 bits: 0, 17, ... 255.
_NIBBLE = 17


@dataclass(frozen=True, eq=False)
class Job:
    """A run of every sample of a batch, each by itself.

    values
        For each input population unsigned integers: (samples, n) or, with ``per_step``, (samples, steps, n).
    recorded
        Populations whose spikes are wanted, in the network's order.
    pixel_bits
        Width in which the values may be sent: 1 (all are 0 or 1), 4 (all are multiples of 17), or any other.
    """

    placement: Placement
    values: Mapping[str, Array]
    steps: int
    samples: int
    recorded: tuple[str, ...]
    per_step: bool
    pixel_bits: int

    def no_spikes(self) -> dict[str, npt.NDArray[Any]]:
        """An array of zeros for each recorded population: (samples, steps, neurons), bool, or uint8 where spikes are counts."""
        network = self.placement.network
        kind = np.bool_ if network.spike_bits == 1 else np.uint8
        return {name: np.zeros((self.samples, self.steps, network.by_name[name].size), kind) for name in self.recorded}

    @property
    def block(self) -> int:
        """Samples that are run between two readings of the counters: so few that no counter wraps in between."""
        bound = 1 + self.steps * max(sum(s.end - s.begin for row in rows for s in row.segments) * lanes
                                     + sum(row.groups for row in rows) * lanes for rows, lanes in zip(
                                         self.placement.units, self._lanes, strict=True))
        records = self.steps * sum(population.size for population in self.placement.network.populations)
        return max(1, min(_MOST_BLOCK, (1 << 32) // (8 * bound), _MOST_RECORDS // records))

    @property
    def _lanes(self) -> tuple[int, ...]:
        config = self.placement.config
        return (*(config.core.lanes for _ in range(config.cores)), config.input.sweep_lanes)

    def blocks(self, size: int | None = None) -> Iterator[range]:
        """The samples, so many at a time."""
        size = size or self.block
        for first in range(0, self.samples, size):
            yield range(first, min(first + size, self.samples))


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gave, the same on every backend.

    readouts
        For each readout population (kind `li`) the membranes after the last step: int64 (samples, n).
    spikes
        For each recorded population: bool (samples, steps, n).
    counters
        The fabric's own counts (`Counter`), all samples together: int64 (units, counters), cores first, then the input unit.
    cycles
        Clocks that the fabric took for each sample, waits for the host left out: int64 (samples,).
    """

    readouts: dict[str, npt.NDArray[np.int64]]
    spikes: dict[str, npt.NDArray[Any]]
    counters: Counts
    cycles: npt.NDArray[np.int64]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {values.shape}" for name, values in (*self.readouts.items(), *self.spikes.items()))
        return f"Result({len(self.cycles)} samples; {shown})"

    @property
    def counts(self) -> dict[str, npt.NDArray[np.int64]]:
        """Spikes of each neuron of the recorded populations in a sample: int64 (samples, n)."""
        return {name: found.sum(axis=1, dtype=np.int64) for name, found in self.spikes.items()}

    def mismatch(self, found: Result) -> Mismatch | None:
        """The first difference of ``found`` from this one, which is what is expected: readouts, spikes, clocks, counters."""
        pairs = [*((Mismatch("readout", population=name), values, found.readouts.get(name)) for name, values in self.readouts.items()),
                 *((Mismatch("spike", population=name), values, found.spikes.get(name)) for name, values in self.spikes.items()),
                 (Mismatch("clocks"), self.cycles, found.cycles), (Mismatch("counter"), self.counters, found.counters)]
        differences = [mismatch for what, expected, other in pairs if (mismatch := _first(what, expected, other)) is not None]
        return replace(differences[0], total=sum(one.total for one in differences)) if differences else None


def _first(what: Mismatch, expected: Array, found: Array | None) -> Mismatch | None:
    """``what`` with the place of the first value that differs."""
    if found is None or found.shape != expected.shape:
        return replace(what, what="count", detail=f"{what.what} values", expected=expected.size, found=0 if found is None else found.size)
    wrong = np.argwhere(expected != found)
    if not len(wrong):
        return None
    index = tuple(int(n) for n in wrong[0])
    what = replace(what, expected=int(expected[index]), found=int(found[index]), total=len(wrong))
    if what.what == "counter":
        return replace(what, detail=f"unit {index[0]}, {Counter(index[1]).name.lower()}")
    return replace(what, window=index[0], step=index[1] if len(index) == 3 else -1, neuron=index[-1] if len(index) > 1 else -1)


def recorded_by_default(network: Network) -> tuple[str, ...]:
    """Populations that spike for nobody but the host: no projection starts from them."""
    sources = {projection.source for projection in network.projections}
    return tuple(p.name for p in network.populations if p.spiking and p.name not in sources)


def make_job(placement: Placement, inputs: Array | Mapping[str, Array], ticks: int, record: Sequence[str] | None,
             pixel_bits: int | None) -> Job:
    """What `Device.run` was asked for, checked. Raises `RanvierError`."""
    network = placement.network
    if not isinstance(ticks, (int, np.integer)) or isinstance(ticks, bool) or not 1 <= ticks <= MOST_TICKS:
        raise RanvierError(f"run: ticks is {ticks!r}; a window has 1 to {MOST_TICKS} ticks: use fewer, or split the input")
    steps = int(ticks)
    if not isinstance(inputs, Mapping):
        if len(network.inputs) != 1:
            raise RanvierError(f"run: the network has {len(network.inputs)} input populations; give a dict with an array for each of them")
        inputs = {network.inputs[0].name: as_inputs(network, inputs)}
    values, samples = check_inputs(network, inputs, steps)
    per_step = any(array.ndim == 3 for array in values.values())
    if per_step:
        values = {name: array if array.ndim == 3 else np.repeat(array[:, None], steps, axis=1) for name, array in values.items()}
    values, bits = _pixels(network, values, pixel_bits)
    return Job(placement, values, steps, samples, _recorded(placement, record, steps), per_step, bits)


def quantised(network: Network, values: Array, pixel_bits: int | None) -> Array:
    """Input values as ``pixel_bits`` can send them: those of 4 bits are multiples of 17, the nearest. Raises `RanvierError`."""
    if pixel_bits not in (None, 1, 4, 8):
        raise RanvierError(f"run: pixel_bits is {pixel_bits!r}; it must be 8, 4 or 1")
    if network.input_bits != 8 and pixel_bits in (1, 4):
        raise RanvierError(f"run: pixel_bits is {pixel_bits}, which needs inputs of 8 bits; the network's have {network.input_bits}")
    return (values.astype(np.uint16) * 15 + 127) // 255 * _NIBBLE if pixel_bits == 4 else values


def _pixels(network: Network, values: Mapping[str, Array], pixel_bits: int | None) -> tuple[dict[str, Array], int]:
    """The values as the device will have them, and the fewest bits in which all of them can be sent."""
    values = {name: quantised(network, array, pixel_bits) for name, array in values.items()}
    if network.input_bits != 8:
        return dict(values), network.input_bits
    largest = max((int(array.max()) for array in values.values()), default=0)
    if pixel_bits == 1 and largest > 1:
        raise RanvierError(f"run: pixel_bits is 1, and a value is {largest}; bits are 0 or 1")
    if largest <= 1:
        return dict(values), 1
    return dict(values), 4 if all(not np.any(array % _NIBBLE) for array in values.values()) else 8


def _recorded(placement: Placement, record: Sequence[str] | None, steps: int) -> tuple[str, ...]:
    network = placement.network
    if isinstance(record, str):
        record = [record]
    names = recorded_by_default(network) if record is None else tuple(record)
    for name in names:
        if name not in network.by_name:
            raise RanvierError(f"run: record: the network has no population {name!r}; there are {', '.join(network.by_name)}")
        if not network.by_name[name].spiking:
            raise RanvierError(f"run: record: {name} is a readout and never spikes; its membranes are in the result anyway")
    ticks = placement.schedule.ticks(steps)
    if names and ticks >= 1 << 16:
        raise RanvierError(f"run: the run takes {ticks} ticks of the fabric; spikes can be recorded in up to {(1 << 16) - 1}: "
                           "use fewer ticks, or record=[]")
    return tuple(p.name for p in network.populations if p.name in names)

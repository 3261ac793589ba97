"""The golden model as a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model.errors import RanvierError
from ..model.fabric.counters import empty
from ..model.fabric.device_config import DeviceConfig
from ..model.fabric.image import memory_image
from ..model.fabric.layout import CHUNK_BITS
from ..model.fabric.placement import Placement
from ..model.fabric.run import run_model
from ..model.link.identity import Identity, identity_words, parse_identity
from .backend import Progress
from .result import Job, Result

__all__ = ["GoldenBackend"]

#: The hardware's counters wrap.
_COUNTER = (1 << CHUNK_BITS) - 1


class GoldenBackend:
    """Computes what a device with ``config`` would give, clocks and counters too."""

    def __init__(self, config: DeviceConfig) -> None:
        self._identity = parse_identity(identity_words(config))
        self._placement: Placement | None = None

    @property
    def identity(self) -> Identity:
        """That of a device with the same configuration."""
        return self._identity

    def load(self, placement: Placement, progress: Progress | None) -> None:
        """Refuses what a device would refuse."""
        words = len(memory_image(placement).writes)
        self._placement = placement
        if progress is not None:
            progress(words, words)

    def read_back(self, progress: Progress | None) -> int:
        """There is nothing that could differ."""
        if self._placement is None:
            raise RanvierError("device: load a network first")
        return len(memory_image(self._placement).writes)

    def run(self, job: Job, progress: Progress | None) -> Result:
        """In blocks, as the hardware's counters are read."""
        network = job.placement.network
        readouts = {p.name: np.zeros((job.samples, p.size), np.int64) for p in network.readouts}
        spikes = job.no_spikes()
        counters, cycles = empty(job.placement.config.nodes), np.zeros(job.samples, np.int64)
        for block in job.blocks():
            rows = slice(block.start, block.stop)
            run = run_model(job.placement, {name: values[rows] for name, values in job.values.items()}, job.steps, record=bool(spikes),
                            stream=False)
            for name, values in readouts.items():
                values[rows] = run.golden.readouts[name]
            for name, fired in spikes.items():
                fired[rows] = run.golden.spikes[name]
            counters += run.cycles.counters & _COUNTER
            cycles[rows] = run.cycles.clocks.sum(axis=1, dtype=np.int64) & _COUNTER
            if progress is not None:
                progress(block.stop, job.samples)
        return Result(readouts, spikes, counters, cycles)

    def reset(self) -> None:
        """Runs leave nothing behind."""

    def clear(self) -> None:
        """Counters are those of a run."""

    def link_info(self) -> dict[str, Any]:
        """There is no link."""
        return {}

    def close(self) -> None:
        """There is nothing to give back."""

"""The device's recorder: which spike words it shall keep, and what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig
from ..model.fabric.layout import CHUNK_BITS
from ..model.fabric.placement import Part
from ..model.link.protocol import record_chunks
from .result import Job
from .session import Words

__all__ = ["RecordPlan"]


class RecordPlan:
    """The range of spike buffer addresses that holds every recorded population of a job.

    ``first`` and ``stop`` are what `Register.RECORD_FIRST` and `Register.RECORD_STOP` take; ``most`` is the number of words that one
    sample can give; ``chunks`` is that of words of 32 bits in an entry.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        placement = job.placement
        self._parts = [part for name in job.recorded for part in placement.parts[name]]
        planes = placement.config.spike_bits
        self.first = min((part.base for part in self._parts), default=0)
        self.stop = max((_end(part, planes) for part in self._parts), default=0)
        inside = [part for name, parts in placement.parts.items() if placement.network.by_name[name].spiking for part in parts
                  if part.base < self.stop and _end(part, planes) > self.first]
        self.most = job.steps * planes * sum(part.words for part in inside)
        self.chunks = record_chunks(placement.config)

    def store(self, entries: Words, spikes: dict[str, npt.NDArray[Any]], sample: int) -> None:
        """Put the entries of a sample's run, uint32 (entries, chunks), into ``spikes``. Raises `RanvierError` for impossible ones."""
        if not len(entries):
            return
        config, plan = self._job.placement.config, self._job.placement.schedule
        planes = config.spike_bits
        address, tick = (entries[:, 0] & 0xFFFF).astype(np.int64), (entries[:, 0] >> 16).astype(np.int64)
        tick -= (tick ^ address) & 1        # the next tick may have begun
        bits = _bits(entries[:, 1:], config)
        for part in self._parts:
            mine = np.flatnonzero((address >= part.base) & (address < _end(part, planes)))
            offset = address[mine] - part.base
            word, slot = offset >> part.slots_log2, offset & (1 << part.slots_log2) - 1
            step, rest = np.divmod(tick[mine] - 1 - plan.level[part.population], plan.period)
            if np.any(slot != tick[mine] & (1 << part.slots_log2) - 1) or np.any(rest) or np.any((step < 0) | (step >= self._job.steps)):
                raise RanvierError("device: a recorded spike word has an impossible time; the bitstream is of another version")
            rows = np.zeros((self._job.steps, planes * part.words, config.word_bits), np.uint8)
            rows[step, word] = bits[mine]
            places = part.positions(part.start, part.stop)
            found = rows.reshape(self._job.steps, planes, -1)[:, :, places]
            spikes[part.population][sample, :, part.start:part.stop] = (found << np.arange(planes, dtype=np.uint8)[:, None]).sum(axis=1)


def _end(part: Part, planes: int) -> int:
    return part.base + (planes * part.words << part.slots_log2)


def _bits(data: Words, config: FabricConfig) -> npt.NDArray[np.bool_]:
    """The spike words: bool (entries, word bits)."""
    words = np.ascontiguousarray(data[:, :-(-config.word_bits // CHUNK_BITS)].astype("<u4"))
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :config.word_bits].astype(np.bool_)

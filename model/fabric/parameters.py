"""Parameter words: what the drive and dynamics memories of a unit hold, equal rows stored once.

The mapper counts these words, and the image writer writes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..neurons.kind import INITIAL
from ..words import Field, pack
from .layout import drive_fields, dynamics_fields, parameter_field
from .placement import Placement, Row

__all__ = ["Parameters", "dynamics_words", "drive_words", "initial_words"]


@dataclass(frozen=True)
class Parameters:
    """The words of one memory, and each row's place in it: its first word, and whether each of its groups has its own."""

    words: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


def drive_words(placement: Placement, unit: int) -> Parameters:
    """What differs from neuron to neuron as a rule."""
    return _shared(placement, unit, drive_fields(placement.config, placement.config.unit(unit)))


def dynamics_words(placement: Placement, unit: int) -> Parameters:
    """What is equal in a whole population as a rule."""
    return _shared(placement, unit, dynamics_fields(placement.config, placement.config.unit(unit)))


def initial_words(placement: Placement, unit: int) -> list[int]:
    """Words of the state memory: every membrane at its beginning, as after a window's end."""
    config = placement.config
    fields = tuple(parameter_field(p, config.state_bits) for p in config.family(config.unit(unit)).parameters if p.name == INITIAL)
    rows = sorted(placement.units[unit], key=lambda row: row.state_base)
    return [word for row in rows for word in _row_words(placement, unit, row, fields)]


def _shared(placement: Placement, unit: int, fields: tuple[Field, ...]) -> Parameters:
    memory: list[int] = []
    known: dict[tuple[int, ...], int] = {}
    places = []
    for row, _ in placement.stored_rows(unit):
        words = _row_words(placement, unit, row, fields)
        step = int(len(set(words)) > 1)
        words = words if step else words[:1]
        if words not in known:
            known[words] = len(memory)
            memory += words
        places.append((known[words], step))
    return Parameters(tuple(memory), tuple(places))


def _row_words(placement: Placement, unit: int, row: Row, fields: tuple[Field, ...]) -> tuple[int, ...]:
    """One word for each group of a row."""
    config = placement.config
    lanes = config.part(config.unit(unit)).sweep_lanes
    padding, places = _padding(placement, row), row.places
    columns = []
    for f in fields:
        values = np.full(row.groups * lanes, padding[f.name])
        values[places] = placement.network.parameter(placement.population(row), f.name)[row.start:row.stop]
        columns.append(values.tolist())
    return tuple(pack([(f.name, value, f.bits, f.signed) for f, values in zip(fields, columns, strict=True)
                       for value in values[g * lanes:(g + 1) * lanes]]) for g in range(row.groups))


def _padding(placement: Placement, row: Row) -> dict[str, int]:
    """Parameters of a lane without a neuron, which gets no input. It neither spikes, nor moves, nor is ever clamped.

    As far as that allows, they are those of the row's last neuron, so that a row of equal neurons still has equal words.
    """
    network, population = placement.network, placement.population(row)
    last = {name: int(values[row.stop - 1]) for name, values in network.parameters(population).items()}
    return population.family.rest(last, network.rule(population))

"""Parameter words: what the drive and dynamics memories of a unit hold, equal rows stored once.

The mapper counts these words, and the image writer writes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..words import Field, pack
from .layout import drive_fields, dynamics_fields, state_fields
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
    """Words of the state memory: every neuron's state at its beginning, as after a window's end, a neuron's words side by side."""
    config, kind = placement.config, placement.config.unit(unit)
    lanes, fields = config.part(kind).sweep_lanes, state_fields(config, kind)
    found = []
    for row in sorted(placement.units[unit], key=lambda row: row.state_base):
        columns = [_column(placement, unit, row, word.initial) if word.initial else [0] * (row.groups * lanes)
                   for word in config.family(kind).words(config.options(kind))]
        found += [pack([(f.name, column[n], f.bits, f.signed) for n in range(g * lanes, (g + 1) * lanes)
                        for f, column in zip(fields, columns, strict=True)]) for g in range(row.groups)]
    return found


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
    columns = [_column(placement, unit, row, f.name) for f in fields]
    return tuple(pack([(f.name, value, f.bits, f.signed) for f, values in zip(fields, columns, strict=True)
                       for value in values[g * lanes:(g + 1) * lanes]]) for g in range(row.groups))


def _column(placement: Placement, unit: int, row: Row, name: str) -> list[int]:
    """A parameter of each lane of a row's groups."""
    lanes = placement.config.part(placement.config.unit(unit)).sweep_lanes
    neurons = placement.network.parameter(placement.population(row), name)[row.start:row.stop]
    if len(neurons) == row.groups * lanes:
        return list(neurons.tolist())
    values = np.full(row.groups * lanes, _padding(placement, row)[name])
    values[row.places] = neurons
    return list(values.tolist())


def _padding(placement: Placement, row: Row) -> dict[str, int]:
    """Parameters of a lane without a neuron, which gets no input. It neither spikes, nor moves, nor is ever clamped.

    As far as that allows, they are those of the row's last neuron, so that a row of equal neurons still has equal words.
    """
    network, population = placement.network, placement.population(row)
    last = {name: int(values[row.stop - 1]) for name, values in network.parameters(population).items()}
    return population.family.rest(last, network.rule(population))

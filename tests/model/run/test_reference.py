"""The plain reference against runs that were worked out by hand from docs/number-format.md."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.model.run.reference import run_reference

WIDE = {"v_min": -500, "v_max": 500}
EVENTS = Population("in", (1, 1, 1), "input", {"theta": 1, "v_min": 0, "v_max": 1})


def chain(*populations: Population, weight: int = 3, delay: int = 0, exponent: int = 0, state_bits: int = 12) -> Network:
    """Events into the first population through one weight; the first into the second, and so on, through a weight of 1."""
    names = ["in", *(p.name for p in populations)]
    weights = [weight, *[1] * (len(populations) - 1)]
    projections = [Projection.dense(a, b, np.array([[w]]), delay=delay if n == 0 else 0, exponent=exponent if n == 0 else 0)
                   for n, (a, b, w) in enumerate(zip(names, names[1:], weights, strict=False))]
    return Network((EVENTS, *populations), tuple(projections), state_bits=state_bits, weight_bits=4, input_bits=1)


def events(*values: int) -> dict[str, list[list[int]]]:
    return {"in": [[value] for value in values]}


def column(found: list[list[int]]) -> list[int]:
    return [row[0] for row in found]


def test_subtraction_keeps_what_is_above_the_threshold() -> None:
    cell = Population("cell", (1, 1, 1), "if", {"theta": 4, **WIDE}, Semantics(reset="subtract", strict=False))
    run = run_reference(chain(cell), events(1, 1, 1, 0, 1), 5)
    # u: 3, 6, 5, 1, 4
    assert column(run.spikes["cell"]) == [0, 1, 1, 0, 1]
    assert column(run.membranes["cell"]) == [3, 2, 1, 1, 0]


def test_strict_needs_more_than_the_threshold() -> None:
    for strict, expected in ((False, [0, 1, 0]), (True, [0, 0, 1])):
        cell = Population("cell", (1, 1, 1), "if", {"theta": 6, "v_reset": 1, **WIDE}, Semantics(reset="value", strict=strict))
        assert column(run_reference(chain(cell), events(1, 1, 1), 3).spikes["cell"]) == expected


def test_leak_rounds_to_nearest_and_halves_towards_zero() -> None:
    cell = Population("cell", (1, 1, 1), "lif", {"theta": 100, "k": 32768, **WIDE})
    run = run_reference(chain(cell, weight=7), events(1, 0, 0, 0), 4, endless=True)
    # 7, then 3.5 -> 3, 1.5 -> 1, 0.5 -> 0
    assert column(run.membranes["cell"]) == [7, 3, 1, 0]


def test_a_delay_and_an_exponent() -> None:
    cell = Population("cell", (1, 1, 1), "li", WIDE)
    run = run_reference(chain(cell, delay=2, exponent=3), events(1, 0, 0, 1), 4)
    # 3 * 2**3 two steps later; the event of step 3 is beyond the window
    assert run.readouts["cell"] == [24]
    assert column(run.membranes["cell"]) == [0, 0, 24, 0], "the last step stores v_init"


def test_a_clamp_is_counted_where_it_changes_the_membrane() -> None:
    cell = Population("cell", (1, 1, 1), "li", {"v_min": -5, "v_max": 5})
    run = run_reference(chain(cell), events(1, 1, 0), 3)
    assert run.clamps["cell"] == [0, 1, 0] and run.readouts["cell"] == [5]


def test_values_that_do_not_fit_are_errors() -> None:
    network = chain(Population("cell", (1, 1, 1), "li", WIDE))
    with pytest.raises(ValueError, match="does not fit 1 bits"):
        run_reference(network, events(2), 1)
    with pytest.raises(ValueError, match="must be 1 a step, for 2 steps"):
        run_reference(network, events(1), 2)

"""Tables of energies: their figures, their sources, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.boards import find_board
from ranvier.energy.compare import break_even, difference, verdict_of
from ranvier.energy.counts import Run, count_run, parameters_of
from ranvier.energy.horowitz import add_joules, memory_joules, multiply_joules
from ranvier.energy.interval import Interval, exactly
from ranvier.energy.statistics import wilson
from ranvier.energy.table import TABLES, Setting, Term, find_table, total
from ranvier.energy.twins import graded_bits
from ranvier.energy.up5k import coefficients, predict_syntzulu
from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.layout import Memory
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection


def leaky_run(board: str) -> Run:
    """A small network with a leak, on a board's fabric."""
    rng = np.random.default_rng(1)
    network = Network(
        (Population("pixels", 9, "input", theta=255), Population("hidden", 7, "lif", theta=20, k=60000, bias=2),
         Population("out", 3, "li")),
        (Projection.dense("pixels", "hidden", rng.integers(-7, 8, (9, 7))), Projection.dense("hidden", "out", rng.integers(-7, 8, (7, 3)))))
    placement = map_network(network, tailor(network, find_board(board).fabric))
    return count_run(placement, {"pixels": rng.integers(0, 256, (5, 9), dtype=np.uint8)}, 4)


def test_wilson() -> None:
    """As Brown, Cai and DasGupta (2001) and Newcombe (1998) tabulate it."""
    assert wilson(81, 263).to_json() == pytest.approx([0.2553, 0.3662], abs=5e-5)
    assert wilson(0, 20).to_json() == pytest.approx([0.0, 0.1611], abs=5e-5)
    assert wilson(29, 29).to_json() == pytest.approx([0.8830, 1.0], abs=5e-5)


def test_figures_of_45_nm() -> None:
    """The ones that the source prints come out of the rules between them."""
    assert [add_joules(8), add_joules(32)] == pytest.approx([0.03e-12, 0.1e-12])
    assert [multiply_joules(32, 32), multiply_joules(8, 8)] == pytest.approx([3.1e-12, 0.2e-12], rel=0.04)
    for kilobytes, joules in ((8, 10e-12), (32, 20e-12), (1024, 100e-12)):
        found = memory_joules(kilobytes)
        assert found.low == found.high and found.low * 64 == pytest.approx(joules, rel=0.14)
    small = memory_joules(0.5)
    assert small.high == memory_joules(8).high and small.low == pytest.approx(small.high / 4)


def test_coefficients_of_the_up5k() -> None:
    """From the file of measurements: those that its note derives by hand, in its units."""
    found = coefficients()
    per_volt = 1 / found.volts
    assert [end * per_volt * 1e6 for end in found.static_watts.to_json()] == pytest.approx([85.6, 92.1])
    assert found.clock_joules.low * per_volt * 1e12 == pytest.approx(42.8, abs=0.1)
    assert [end * per_volt * 1e15 for end in found.cell_joules.to_json()] == pytest.approx([12, 162], abs=0.6)
    assert found.multiplier_joules.high == pytest.approx(24e-12, rel=0.01)
    assert 0 < found.multiplier_joules.low < found.multiplier_joules.high
    assert found.block_ram_joules.low == found.spram_joules.low == 0 and found.spram_joules.high > found.block_ram_joules.high > 0


def test_syntzulu_is_inside_what_the_table_says_of_it() -> None:
    """And the interval is that of the known terms at least."""
    found, measured = predict_syntzulu()
    assert measured == 9.5e-3 and measured in found
    assert found.to_json() == pytest.approx([2.57e-3, 24.5e-3], rel=0.01)


@pytest.mark.parametrize(("name", "board"), [("horowitz-45nm", "ulx3s"), ("ice40up5k", "icebreaker")])
def test_every_count_has_its_term(name: str, board: str) -> None:
    """Each memory's bits, each operation; encoder and link apart; intervals that go up; totals that are the sum."""
    run, table = leaky_run(board), find_table(name)
    terms = table.terms(run, Setting(find_board(board), 36e6))
    assert all(term.count > 0 and 0 <= term.joules.low <= term.joules.high for term in terms)
    parts = [total(terms, part=part) for part in ("network", "encoder", "link")]
    kinds = [total(terms, kind=kind) for kind in ("static", "clock", "dynamic")]
    for pieces in (parts, kinds):
        assert sum(piece.high for piece in pieces) == pytest.approx(total(terms).high)
    assert parts[0].high > parts[1].high > 0
    assert any("leak" in term.name for term in terms)
    if name == "horowitz-45nm":
        assert kinds[0].high == kinds[1].high == 0
        bits = {memory: sum(a.reads * a.bits + a.writes * a.write_bits for a in run.accesses.memories if a.memory == memory)
                for memory in Memory}
        for memory in (Memory.WEIGHTS, Memory.STATE, Memory.SPIKES, Memory.PROGRAM, Memory.INPUTS):
            found = sum(term.count for term in terms if term.name.startswith(memory.name.lower() + " of"))
            assert found * run.samples == pytest.approx(bits[memory])
    else:
        assert kinds[0].low > 0 and kinds[1].low > 0
        known = total(table.terms(run, Setting(find_board(board), 36e6, cells=4763)))
        assert total(terms).low < known.low < known.high < total(terms).high


def test_a_chips_table_refuses_another_chip() -> None:
    with pytest.raises(RanvierError, match="iCE40UP5K; ulx3s has LFE5U.*--board icebreaker"):
        find_table("ice40up5k").check(Setting(find_board("ulx3s"), 1e8))
    with pytest.raises(RanvierError, match="it must be one of horowitz-45nm, ice40up5k"):
        find_table("horowitz")
    assert all(make().name == name and make().version for name, make in TABLES.items())


def term(name: str, count: float, joules: Interval, by_spikes: float = 0.0, unknown: str = "") -> Term:
    return Term(name, "network", "dynamic", count, joules, "a test", by_spikes, unknown)


def test_unknowns_are_the_same_for_both() -> None:
    """What is uncertain alike does not make the comparison uncertain."""
    unsure = Interval(1.0, 9.0)
    one = [term("memory", 3, unsure, unknown="memory"), term("sums", 5, exactly(1.0))]
    other = [term("memory", 2, unsure, unknown="memory"), term("sums", 5, exactly(1.0))]
    assert difference(one, other) == Interval(1.0, 9.0) and verdict_of(difference(one, other)) == "loses"
    assert verdict_of(difference(other, one)) == "wins"
    assert verdict_of(difference(one, one)) == "equal"
    apart = [term("memory", 2, unsure, unknown="another")]
    assert verdict_of(difference(one, apart)) == "undecided"


def test_break_even_is_where_both_take_the_same() -> None:
    """Scaling what goes with spikes to the rate found makes the energies equal, at both ends."""
    one = [term("weights", 10, exactly(1.0), by_spikes=1.0), term("updates", 1, Interval(2.0, 4.0), unknown="memory")]
    other = [term("weights", 8, exactly(1.0))]
    rate = break_even(one, other, 0.2)
    assert rate is not None and rate.to_json() == pytest.approx([0.2 * 0.4, 0.2 * 0.6])
    never = break_even(one, [term("weights", 1, exactly(1.0))], 0.2)
    assert never is not None and never.high < 0
    assert break_even([term("updates", 1, exactly(2.0))], other, 0.2) is None


def test_bits_of_the_graded_twin() -> None:
    assert [graded_bits(steps) for steps in (1, 2, 3, 4, 5, 7, 8, 15, 16)] == [1, 2, 2, 3, 3, 3, 4, 4, 5]


def test_parameters_count_a_channels_bias_once() -> None:
    network = Network(
        (Population("pixels", (4, 4, 1), "input", theta=255), Population("maps", (4, 4, 2), "if", theta=9, bias=np.array([3, 0])),
         Population("out", 3, "li", bias=1)),
        (Projection("pixels", "maps", np.ones((3, 3, 1, 2), np.int64), padding=(1, 1, 1, 1)),
         Projection.dense("maps", "out", np.ones((32, 3), np.int64))))
    assert parameters_of(network) == 18 + 1 + 96 + 3

"""The size of a fabric for a network: it beats its neighbours by the cycle model, and what limits it is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ranvier.mapping.limit import LIMITS, Limit, limit_of
from ranvier.mapping.mapper import map_network, tailor
from ranvier.mapping.size import NEARLY, Sizing, area, tailor_size
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.counters import empty
from ranvier.model.fabric.cycles import Cycles, predict_cycles
from ranvier.model.fabric.layout import Counter, Op
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.golden import run_golden

STEPS = 3


def dense() -> Network:
    """Many synapses for few neurons, and every one of them spikes: weights are what takes time."""
    return Network((Population("in", 96, "input", theta=1), Population("hidden", 96, "if", theta=50), Population("out", 10, "li")),
                   (Projection.dense("in", "hidden", np.ones((96, 96), np.int64)),
                    Projection.dense("hidden", "out", np.ones((96, 10), np.int64))))


def sparse() -> Network:
    """A convolution of an image in which hardly anything spikes: its spike words are read for nothing."""
    return Network((Population("in", (10, 10, 1), "input", theta=1), Population("map", (10, 10, 4), "if", theta=20)),
                   (Projection.conv("in", "map", np.ones((5, 5, 1, 4), np.int64), padding=2),))


def wide() -> Network:
    """Many neurons with few synapses: they are updated in every step, whatever arrives."""
    return Network((Population("in", 4, "input", theta=1), Population("many", 600, "if", theta=2)),
                   (Projection.dense("in", "many", np.ones((4, 600), np.int64)),))


#: A chip with room for two sweep lanes only.
FEW = FabricConfig(cores=1, core=CoreConfig(lanes=64, sweep_lanes=2), input=InputConfig(sweep_lanes=2), word_bits=32)
Case = tuple[Network, dict[str, float], FabricConfig | None]


def case(name: str) -> Case:
    """The network of which ``name`` is the limit, how much of it spikes, and what bounds its fabric."""
    return {"weights": (dense(), {}, None), "reads": (sparse(), {"in": 0.01, "map": 0.01}, None), "sweep": (wide(), {}, FEW)}[name]


@pytest.fixture(scope="module", params=LIMITS)
def sized(request: pytest.FixtureRequest) -> tuple[str, Case, Sizing]:
    """A limit, the case for it, and the choice."""
    network, activity, most = case(request.param)
    return request.param, (network, activity, most), tailor_size(network, steps=STEPS, activity=activity, base=most, most=most)


def test_the_limit_is_named(sized: tuple[str, Case, Sizing]) -> None:
    name, _, sizing = sized
    assert sizing.limit.name == name
    others = [getattr(sizing.limit, other) for other in LIMITS if other != name]
    assert 1 >= getattr(sizing.limit, name) > 1.2 * max(others)
    assert sizing.to_json()["limit"]["name"] == name


def test_no_neighbour_is_better(sized: tuple[str, Case, Sizing]) -> None:
    """None is faster by more than a per cent, and none as fast is smaller: measured once more, each for itself."""
    _, (network, activity, most), sizing = sized
    config = sizing.config
    found = 0
    for cores, lanes, sweep, inputs, word in NEIGHBOURS:
        try:
            other = config.replace(cores=config.cores + cores, word_bits=int(config.word_bits * word),
                                   core={"lanes": int(config.core.lanes * lanes), "sweep_lanes": int(config.core.sweep_lanes * sweep)},
                                   input={"sweep_lanes": int(config.input.sweep_lanes * inputs)})
        except RanvierError:
            continue
        if most is not None and (other.cores > 1 or other.core.lanes > 64 or other.core.sweep_lanes > 2
                                 or other.input.sweep_lanes != 2 or other.word_bits != 32):
            continue
        found += 1
        taken = measured(network, other, activity)
        assert taken * NEARLY >= sizing.clocks, other
        assert area(other) >= area(config) or taken > sizing.clocks, other
    assert found >= (2 if most else 6)


#: Steps away from a choice: cores more, and factors of lanes, sweep lanes, those of the input unit, and bits of a word.
NEIGHBOURS = ((1, 1, 1, 1, 1), (-1, 1, 1, 1, 1),
              *((0, *(factor if n == k else 1 for n in range(4))) for k in range(4) for factor in (0.5, 2)))


def measured(network: Network, config: FabricConfig, activity: dict[str, float]) -> float:
    """Clocks of a sample by the cycle model, with the same spikes as `tailor_size` draws."""
    placement = map_network(network, tailor(network, config))
    rng = np.random.default_rng(0)
    spikes = {p.name: rng.random((4, STEPS, 1, p.size)) < activity.get(p.name, 1.0) for p in network.populations if p.spiking}
    popcounts = {name: np.add.reduceat(found, placement.blocks[name], axis=3, dtype=np.int64) for name, found in spikes.items()}
    clamps = {p.name: np.zeros((4, STEPS, len(placement.blocks[p.name])), np.int64) for p in network.populations}
    return int(predict_cycles(placement, popcounts, clamps, STEPS).clocks.sum()) / 4


def test_the_choice_is_for_the_samples_given() -> None:
    """Its clocks are those of the golden model's spikes; silent samples need no second core."""
    network = dense()
    loud = {"in": np.ones((5, 96), np.int64)}
    sizing = tailor_size(network, steps=STEPS, inputs=loud)
    placement = map_network(network, sizing.config)
    run = run_golden(network, loud, STEPS, blocks=placement.blocks)
    cycles = predict_cycles(placement, run.popcounts, run.clamps, STEPS)
    assert sizing.clocks == cycles.clocks.sum() / 5
    assert sizing.limit == limit_of(placement, cycles, STEPS, 5)
    silent = tailor_size(network, steps=STEPS, inputs={"in": np.zeros((5, 96), np.int64)})
    assert silent.config.cores == 1 < sizing.config.cores and silent.clocks < sizing.clocks and silent.limit.weights == 0


def test_what_is_given_stays() -> None:
    for lanes, cores in ((8, None), (None, 3), (32, 2)):
        config = tailor_size(dense(), steps=1, lanes=lanes, cores=cores).config
        assert lanes in (None, config.core.lanes) and cores in (None, config.cores)
        assert tailor(dense(), config) == config


def test_room_and_most_bound_the_choice() -> None:
    free = tailor_size(dense(), steps=1).config
    assert free.cores * free.core.lanes > 64
    small = tailor_size(dense(), steps=1, cores=2, room=lambda config: config.core.lanes <= 16).config
    assert small.core.lanes == 16
    most = FabricConfig(cores=2, core=CoreConfig(lanes=16, sweep_lanes=2), input=InputConfig(sweep_lanes=4), word_bits=16)
    bounded = tailor_size(dense(), steps=1, base=most, most=most).config
    assert bounded.cores <= 2 and bounded.cores * bounded.core.lanes <= 32 and bounded.cores * bounded.core.sweep_lanes <= 4
    assert (bounded.input.sweep_lanes, bounded.word_bits) == (4, 16)
    with pytest.raises(RanvierError, match="no fabric of this network has room"):
        tailor_size(wide(), steps=1, lanes=64, cores=1, room=lambda config: False)


def test_words_grow_with_planes() -> None:
    """Counts of 4 bits take four words of the ring for one; every choice keeps its rule."""
    network = Network((Population("in", 8, "input", theta=1), Population("out", 8, "if", theta=4)),
                      (Projection.dense("in", "out", np.ones((8, 8), np.int64)),), spike_bits=4)
    config = tailor_size(network, steps=2, lanes=8).config
    assert config.spike_bits == 4
    assert config.word_bits >= config.nodes * max(config.core.sweep_lanes, config.input.sweep_lanes) * 4


def test_shares_by_hand() -> None:
    """One core of 8 lanes: 20 inputs in two words of 16 bits, 12 neurons in two rows, all spike."""
    network = Network((Population("in", 20, "input", theta=1), Population("out", 12, "li")),
                      (Projection.dense("in", "out", np.ones((20, 12), np.int64)),))
    placement = map_network(network, tailor(network, FabricConfig(
        cores=1, core=CoreConfig(lanes=8, sweep_lanes=2), input=InputConfig(sweep_lanes=4), word_bits=16)))
    assert all(s.op == Op.SCAN for row in placement.units[0] for s in row.segments)
    counters = empty(2)
    counters[0, Counter.WEIGHT_WORDS] = 5 * 2 * 20
    limit = limit_of(placement, Cycles(np.full((1, 6), 100, np.int32), counters), steps=5, windows=1)
    # A row: one clock to decode its segment, two words. Sweeps: 4 + 2 groups on the core, 5 groups of the inputs or 2 words a turn of 2.
    assert limit == Limit(weights=200 / 600, reads=5 * 2 * 3 / 600, sweep=5 * 6 / 600)
    assert replace(limit, sweep=0.5).name == "sweep" and replace(limit, reads=0.5).name == "reads" and limit.name == "weights"


@pytest.mark.parametrize(("options", "words"), [
    ({"lanes": 12}, "lanes is 12"), ({"cores": 17}, "cores is 17"), ({"activity": {"nobody": 0.5}}, "no population nobody"),
    ({"activity": {"in": 1.5}}, "in is 1.5; it must be 0 to 1")])
def test_wrong_bounds_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(RanvierError, match=words):
        tailor_size(dense(), steps=1, **options)    # type: ignore[arg-type]


def test_a_network_that_no_fabric_takes_is_refused_with_the_reason() -> None:
    network = Network((Population("in", 1 << 17, "input", theta=1), Population("out", 4, "li")),
                      (Projection.dense("in", "out", np.eye(1 << 17, 4, dtype=np.int64)),), state_bits=24)
    with pytest.raises(RanvierError, match="weight memories are full"):
        tailor_size(network, steps=1, lanes=4, cores=1)

"""Convolutions in the compiled fabric, in the forms of an ECP5 and of an iCE40: every word, membrane, counter and clock as in the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.rtl.forms.technology import CHECKED, CHECKED_UP5K, Technology
from ranvier.sim.simulator import Simulator
from ranvier.verify.evidence import check_batch


def fabric(cores: int, sweep_lanes: int, word_bits: int, **more: Any) -> FabricConfig:
    return FabricConfig(
        cores=cores, word_bits=word_bits, spike_depth=4096, levels=16, delays=3, state_bits=20, windows=1,
        core=CoreConfig(lanes=8, sweep_lanes=sweep_lanes, program_depth=4096, row_depth=1024, weight_depth=16384, state_depth=4096,
                        drive_depth=2048, dynamics_depth=2048, readout_depth=256),
        input=InputConfig(sweep_lanes=2, row_depth=8, state_depth=1024, drive_depth=1024, dynamics_depth=1024), **more)


FABRICS: dict[str, tuple[FabricConfig, Technology]] = {
    "planes ECP5": (fabric(2, 2, 16, spike_bits=2, next_tick=1, currents=1), CHECKED),
    "UP5K": (fabric(1, 1, 8, queue_depth=3), CHECKED_UP5K),
}


@pytest.fixture(scope="module", params=["planes ECP5", pytest.param("UP5K", marks=(pytest.mark.verify, pytest.mark.whole))])
def simulator(request: pytest.FixtureRequest) -> Iterator[tuple[FabricConfig, Simulator]]:
    """Each fabric, compiled once."""
    config, technology = FABRICS[request.param]
    with Simulator(config, technology=technology) as made:
        yield config, made


#: Random networks in each fabric.
STACKS = 28
MOMENTS = [("subtract", "same_tick"), ("subtract", "next_tick"), ("value", "same_tick"), ("value", "next_tick"), ("value", "old_v")]


def neurons(rng: np.random.Generator, config: FabricConfig, name: str, shape: tuple[int, int, int]) -> Population:
    """Any kind of neuron, reset and moment that the fabric has. Parameters are one a channel, or one a neuron."""
    kind = str(rng.choice(["if", "lif", *["cubalif"] * (3 * config.currents)]))
    reset, moment = MOMENTS[rng.integers(len(MOMENTS))] if config.next_tick else ("subtract", "same_tick")

    channelwise = rng.random() < 0.8    # else there is no loop

    def each(least: int, most: int) -> npt.NDArray[np.int64]:
        return rng.integers(least, most, shape[2] if channelwise else shape[0] * shape[1] * shape[2])

    found: dict[str, Any] = {"theta": each(1, 20), "bias": each(-3, 4), "v_init": each(-9, 9)}
    if reset == "value":
        found["v_reset"] = each(-20, 20)
    if kind != "if":
        found["k"] = each(40000, 65537)
    current = {"current": str(rng.choice(["after", "before"]))} if kind == "cubalif" else {}
    if current:
        found |= {"k_i": each(20000, 65537), "i_min": each(-200, -20), "i_max": each(20, 200), "i_init": each(-9, 9)}
    return Population(name, shape, kind, found, semantics=Semantics(reset=reset, reset_moment=moment, **current))


def drawn(rng: np.random.Generator, config: FabricConfig) -> Network:
    """Input, two convolutions with borders, strides and channels of all kinds, an all-to-all layer, and often one back into an image."""
    height, width, channels = (int(n) for n in rng.integers(1, (9, 9, 4)))
    source = Population("in", (height, width, channels), "input", theta=int(rng.integers(1, 200)))
    populations, projections = [source], []
    for name in ("a", "b"):
        before = populations[-1]
        while True:
            (kh, kw), dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
            extent = dilation * (np.array([kh, kw]) - 1) + 1
            groups = int(rng.choice([1, before.shape[2]]))
            channels = int(rng.integers(9, 14)) if rng.random() < 0.2 and groups == 1 else groups * int(rng.integers(1, 4))
            made = Projection.conv(before.name, name, rng.integers(-8, 8, (kh, kw, before.shape[2] // groups, channels)),
                                   stride=tuple(rng.integers(1, 4, 2).tolist()), dilation=tuple(dilation.tolist()), groups=groups,
                                   padding=tuple(int(rng.integers(0, extent[side // 2])) for side in range(4)),  # type: ignore[arg-type]
                                   exponent=int(rng.integers(0, 2)), delay=int(rng.integers(0, 2)))
            height, width = made.output_size(before)
            if min(height, width) >= 1:
                break
        populations.append(neurons(rng, config, name, (height, width, channels)))
        projections.append(made)
    populations += [Population("d", 4, "lif", theta=9, k=50000), Population("out", 3, "li")]
    size = populations[2].size
    projections += [Projection.dense("b", "d", rng.integers(-8, 8, (size, 4))),
                    Projection.dense("b", "out", rng.integers(-8, 8, (size, 3)))]
    if rng.random() < 0.4:    # its rows are not repeated then
        projections.append(Projection.dense("d", "b", rng.integers(-3, 3, (4, size)), delay=1))
    return Network(tuple(populations), tuple(projections), spike_bits=config.spike_bits, state_bits=20)


def test_stacks_have_every_kind_and_moment_in_loops_and_out_of_them() -> None:
    """What `test_convolutions` is drawn from: each kind, reset and current, in rows of a loop and in rows that are not repeated."""
    config, _ = FABRICS["planes ECP5"]
    found: set[tuple[str, str, str, str, bool]] = set()
    for seed in range(STACKS):
        network = drawn(np.random.default_rng(seed), config)
        placement = map_network(network, config)
        looped = {placement.units[unit][n].part.population for unit, loops in enumerate(placement.loops)
                  for loop in loops if loop.passes > 1 for n in range(loop.first, loop.first + loop.rows)}
        found |= {(p.kind, p.semantics.reset, p.semantics.reset_moment, p.semantics.current, p.name in looped)
                  for p in network.populations if p.name in "ab"}
    for looped in (False, True):
        assert {(reset, moment) for _, reset, moment, _, inside in found if inside == looped} == set(MOMENTS)
        assert {kind for kind, *_, inside in found if inside == looped} == {"if", "lif", "cubalif"}
        assert {current for kind, _, _, current, inside in found if kind == "cubalif" and inside == looped} == {"after", "before"}


@pytest.mark.parametrize("seed", range(STACKS))
def test_convolutions(simulator: tuple[FabricConfig, Simulator], seed: int) -> None:
    config, made = simulator
    rng = np.random.default_rng(seed)
    network = drawn(rng, config)
    placement = map_network(network, config)
    made.load(placement)
    check = check_batch(placement, made, {"in": rng.integers(0, 256, (2, network.by_name["in"].size))}, 5)
    assert check.mismatch is None, f"seed {seed}: {check.mismatch}"


def test_a_loop_is_run_and_left(simulator: tuple[FabricConfig, Simulator]) -> None:
    """Two images with loops behind one another on a core, in several windows."""
    config, made = simulator
    network = Network((Population("in", (7, 5, 2), "input", theta=90), Population("a", (7, 5, 3), "if", theta=3),
                       Population("b", (4, 3, 2), "if", theta=4)),
                      (Projection.conv("in", "a", np.arange(54).reshape(3, 3, 2, 3) % 13 - 5, padding=1),
                       Projection.conv("a", "b", np.arange(54).reshape(3, 3, 3, 2) % 11 - 4, padding=1, stride=2)),
                      spike_bits=config.spike_bits, state_bits=20)
    placement = map_network(network, config)
    assert sum(loop.passes for loops in placement.loops for loop in loops) == 7 + 4
    made.load(placement)
    values = np.random.default_rng(0).integers(0, 256, (3, 70))
    check = check_batch(placement, made, {"in": values}, 4)
    assert check.mismatch is None, str(check.mismatch)
    assert check.golden.spikes["b"].any() and check.recording.words.shape[0] > 0

"""The golden model equals the plain reference: every spike, every membrane, every clamp, in every corner."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ranvier.model.errors import RanvierError
from ranvier.model.fixed import NO_LEAK
from ranvier.model.network.levels import schedule
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import RESETS, Semantics
from ranvier.model.run import blas, golden
from ranvier.model.run.golden import GoldenRun, run_golden
from ranvier.model.run.reference import run_reference
from tests.strategies import Inputs, random_inputs, random_network, seeds


def compare(net: Network, inputs: Inputs, steps: int, *, endless: bool = False, note: str = "",
            **options: Any) -> GoldenRun:
    """Run both and compare all they say; the golden run."""
    run = run_golden(net, inputs, steps, record=True, endless=endless, **options)
    batch = len(next(iter(inputs.values()))) if inputs else 1
    for item in range(batch):
        plain = run_reference(net, {name: values[item] for name, values in inputs.items()}, steps, endless=endless)
        for population in net.populations:
            name, about = population.name, f"{note} population {population.name}, input {item}"
            np.testing.assert_array_equal(run.spikes[name][item], plain.spikes[name], f"spikes: {about}")
            np.testing.assert_array_equal(run.membranes[name][item], plain.membranes[name], f"membranes: {about}")
            np.testing.assert_array_equal(run.clamps[name][item].sum(axis=-1), plain.clamps[name], f"clamps: {about}")
            assert run.states[name].keys() == plain.states[name].keys()
            for word, values in plain.states[name].items():
                np.testing.assert_array_equal(run.states[name][word][item], values, f"{word}: {about}")
            total = np.sum(plain.spikes[name], axis=0)
            if not population.spiking:
                np.testing.assert_array_equal(run.readouts[name][item], plain.readouts[name], f"readout: {about}")
            else:
                planes = [np.sum(np.array(plain.spikes[name]) >> plane & 1, axis=1) for plane in range(net.spike_bits)]
                np.testing.assert_array_equal(run.popcounts[name][item].sum(axis=-1), np.stack(planes, axis=-1), f"popcounts: {about}")
            if population.spiking and not population.driven:
                np.testing.assert_array_equal(run.spike_counts[name][item], total, f"counts: {about}")
    return run


@given(seeds())
@settings(max_examples=300)
def test_random_networks_equal_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng)
    steps, batch = int(rng.integers(1, 14)), int(rng.integers(1, 4))
    compare(net, random_inputs(rng, net, batch, steps), steps, endless=bool(rng.integers(2)), note=f"seed {seed}")


@pytest.mark.parametrize("state_bits", range(12, 33))
@pytest.mark.parametrize("rounding", ["nearest", "zero"])
def test_every_width_and_rounding(state_bits: int, rounding: str) -> None:
    """Membranes from end to end of the word, most negative weights, every leak, reset and comparison."""
    rng = np.random.default_rng(state_bits)
    high, n = (1 << state_bits - 1) - 1, 12
    v_min, v_max = -high - 1 + 8 * 6, high - 7 * 6
    v_init = rng.integers(v_min, v_max + 1, n)
    v_init[:3] = v_min, v_max, 0
    leaks = np.resize([0, 1, 32768, 65535, NO_LEAK], n)
    kinds = [(reset, strict) for reset in RESETS for strict in (False, True)]
    populations = [Population("in", (1, 1, 6), "input", {"v_min": 0, "v_max": 15, "theta": 8})]
    populations += [Population(f"{reset}{strict}", (1, 1, n), "lif", {
        "v_min": v_min, "v_max": v_max, "v_init": v_init, "k": leaks, "v_reset": rng.permutation(v_init),
        "theta": rng.choice([1, 2, high // 2, high], n)}, Semantics(strict=strict, reset=reset))
                    for reset, strict in kinds]
    weights = [rng.choice([-8, 7], (6, n)) for _ in kinds]
    weights[0][...] = -8
    net = Network(tuple(populations), tuple(Projection.dense("in", p.name, w) for p, w in zip(
        populations[1:], weights, strict=True)), state_bits, input_bits=4, rounding=rounding)
    run = compare(net, random_inputs(rng, net, 3, 9), 9)
    assert sum(int(clamps.sum()) for clamps in run.clamps.values()) > 0


def chain(theta: int = 3, **parameters: Any) -> Network:
    """Three inputs that copy the host's bits, one hidden population, one readout."""
    bits = Population("in", (1, 1, 3), "input", {"v_min": 0, "v_max": 0, "theta": 1})
    hidden = Population("hid", (1, 1, 2), "if", {"v_min": -100, "v_max": 100, "theta": theta, **parameters})
    readout = Population("out", (1, 1, 1), "li", {"v_min": -1000, "v_max": 1000})
    return Network((bits, hidden, readout), (Projection.dense("in", "hid", [[1, 2], [1, -2], [1, 0]]),
                                             Projection.dense("hid", "out", [[3], [-5]])))


def test_a_window_by_hand() -> None:
    run = run_golden(chain(), {"in": np.array([[1, 0, 1]])}, 4, record=True)
    # Neuron 0 receives 2 a step, neuron 1 as well: 2, 4 - 3, 3 - 3, 2.
    assert run.membranes["hid"][0].tolist() == [[2, 2], [1, 1], [0, 0], [0, 0]]
    assert run.spikes["hid"][0].tolist() == [[False] * 2, [True] * 2, [True] * 2, [False] * 2]
    assert run.membranes["out"][0].ravel().tolist() == [0, -2, -4, 0]
    assert run.readouts["out"].tolist() == [[-4]]
    assert run.spike_counts["hid"].tolist() == [[2, 2]]
    assert set(run.spike_counts) == {"hid"}
    endless = run_golden(chain(), {"in": np.array([[1, 0, 1]])}, 4, record=True, endless=True)
    assert endless.membranes["hid"][0, 3].tolist() == [2, 2]
    assert endless.membranes["out"][0, 3].tolist() == endless.readouts["out"][0].tolist() == [-4]


@pytest.mark.parametrize(("strict", "spikes"), [(False, [0, 0, 1, 0]), (True, [0, 0, 0, 1])])
def test_strict_is_the_comparison(strict: bool, spikes: list[int]) -> None:
    net = chain()
    hidden = Population("hid", (1, 1, 2), "if", net.by_name["hid"].parameters, Semantics(strict))
    net = Network((net.populations[0], hidden, net.populations[2]), net.projections)
    run = compare(net, {"in": np.array([[1, 0, 0]])}, 4)
    assert run.spikes["hid"][0, :, 0].astype(int).tolist() == spikes


def test_spikes_of_an_earlier_window_do_not_reach_a_delayed_projection() -> None:
    net = Network((Population("in", (1, 1, 1), "input", {"v_min": 0, "v_max": 0}),
                   Population("out", (1, 1, 1), "li", {"v_min": -1000, "v_max": 1000})),
                  (Projection.dense("in", "out", [[3]], delay=2, exponent=4),))
    run = compare(net, {"in": np.ones((1, 1), np.uint8)}, 5, endless=True)
    assert run.membranes["out"].ravel().tolist() == [0, 0, 48, 96, 144]


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("theta", [1, 255])
def test_silent_and_full_inputs(level: int, theta: int) -> None:
    rng = np.random.default_rng(7)
    net = Network((Population("in", (1, 1, 70), "input", {"v_min": 0, "v_max": 1000, "theta": theta}),
                   Population("hid", (1, 1, 65), "if", {"v_min": -3000, "v_max": 3000, "theta": 9, "bias": 1}),
                   Population("out", (1, 1, 3), "li", {"v_min": -300, "v_max": 300})),
                  (Projection.dense("in", "hid", rng.integers(-8, 8, (70, 65))),
                   Projection.dense("hid", "out", rng.integers(-8, 8, (65, 3)))))
    run = compare(net, {"in": np.full((2, 70), level, np.uint8)}, 6)
    assert run.popcounts["in"].sum() == (0 if level == 0 else 2 * 6 * 70)
    # theta 255 takes all of 255 away again; theta 1 leaves 254 a step, and the bound holds the membrane at 1000.
    assert run.clamps["in"].sum() == (2 * 70 * 3 if level == 255 and theta == 1 else 0)


def same(a: GoldenRun, b: GoldenRun) -> None:
    for kind in ("readouts", "spike_counts", "popcounts", "clamps", "spikes", "membranes", "states"):
        first, second = getattr(a, kind), getattr(b, kind)
        if kind == "states":
            first, second = ({f"{name} {word}": values for name, words in found.items() for word, values in words.items()}
                             for found in (first, second))
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_array_equal(first[name], second[name], f"{kind} of {name}")


@pytest.mark.parametrize("seed", range(12))
def test_tiles_chunks_and_threads_do_not_matter(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng)
    steps, batch = 25, 37
    inputs = random_inputs(rng, net, batch, steps)
    whole = run_golden(net, inputs, steps, record=True, threads=1)
    monkeypatch.setattr(golden, "_CHUNK_INPUTS", 5)
    for rows in (1, 5, 15, 35, 90):  # tiles of 1 to 18 steps, shorter and longer than the delays
        monkeypatch.setattr(golden, "_TILE_NEURONS", rows * sum(p.size for p in net.populations))
        same(whole, run_golden(net, inputs, steps, record=True, threads=1 + rows % 3))


@pytest.mark.parametrize("seed", range(6))
def test_inputs_of_a_batch_are_independent(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    net = random_network(rng)
    inputs = random_inputs(rng, net, 6, 8)
    whole = run_golden(net, inputs, 8, record=True)
    order = rng.permutation(6)
    mixed = run_golden(net, {name: values[order] for name, values in inputs.items()}, 8, record=True)
    for name in whole.membranes:
        np.testing.assert_array_equal(whole.membranes[name][order], mixed.membranes[name])
        np.testing.assert_array_equal(whole.spikes[name][order], mixed.spikes[name])
    alone = run_golden(net, {name: values[2:3] for name, values in inputs.items()}, 8)
    for name in alone.readouts:
        np.testing.assert_array_equal(whole.readouts[name][2:3], alone.readouts[name])


def test_held_inputs_are_the_same_in_every_step() -> None:
    rng = np.random.default_rng(5)
    net = random_network(rng)
    held = random_inputs(rng, net, 3, 6, per_step=False)
    repeated = {name: np.repeat(values[:, None], 6, axis=1) for name, values in held.items()}
    same(run_golden(net, held, 6, record=True), run_golden(net, repeated, 6, record=True))


@pytest.mark.parametrize("starts", [
    [0], [0, 64, 128], [0, 8, 104], [0, 4, 12], [0, 1, 2, 199], [0, 7, 64, 129], list(range(200))])
def test_popcounts_of_blocks(starts: list[int]) -> None:
    rng = np.random.default_rng(3)
    net = Network((Population("in", (1, 1, 200), "input", {"v_min": 0, "v_max": 0, "theta": 100}),), ())
    values = rng.integers(0, 256, (4, 5, 200))
    values[0] = 255
    run = run_golden(net, {"in": values}, 5, blocks={"in": np.array(starts)}, record=True)
    spikes = values >= 100
    expected = [spikes[..., a:b].sum(axis=-1) for a, b in zip(starts, [*starts[1:], 200], strict=True)]
    np.testing.assert_array_equal(run.popcounts["in"][:, :, 0], np.stack(expected, axis=-1))
    assert run.popcounts["in"].dtype.kind == "u"
    clamped = np.where(spikes, values - 100, values) != 0     # both bounds are 0
    expected = [clamped[..., a:b].sum(axis=-1) for a, b in zip(starts, [*starts[1:], 200], strict=True)]
    np.testing.assert_array_equal(run.clamps["in"], np.stack(expected, axis=-1))


def test_popcounts_above_255() -> None:
    for n in (255, 256, 700):
        net = Network((Population("in", (1, 1, n), "input", {"v_min": 0, "v_max": 0}),), ())
        run = run_golden(net, {"in": np.ones((1, n), np.uint8)}, 2)
        assert run.popcounts["in"].tolist() == [[[[n]], [[n]]]]


@pytest.mark.parametrize(("starts", "name"), [
    ([1], "in"), ([0, 0], "in"), ([0, 3], "in"), ([], "in"), ([1], "out"), ([0], "x")])
def test_blocks_that_make_no_sense(starts: list[int], name: str) -> None:
    with pytest.raises(ValueError, match="blocks"):
        run_golden(chain(), {"in": np.zeros((1, 3), int)}, 2, blocks={name: np.array(starts, int)})


@pytest.mark.parametrize(("inputs", "message"), [
    ({}, "input in: there are no values"),
    ({"in": np.zeros((1, 3), int), "hid": np.zeros((1, 2), int)}, "input hid: the network has no input population"),
    ({"in": np.zeros((1, 3))}, "integers, not float64"), ({"in": np.zeros((1, 3), bool)}, "integers, not bool"),
    ({"in": np.zeros(3, int)}, r"shape \(3,\); it must be \(batch, 3\) or \(batch, 2, 3\)"),
    ({"in": np.zeros((1, 4), int)}, r"shape \(1, 4\)"), ({"in": np.zeros((1, 3, 3), int)}, r"shape \(1, 3, 3\)"),
    ({"in": np.zeros((1, 1, 2, 3), int)}, "shape"), ({"in": np.zeros((0, 3), int)}, "the batch is empty"),
    ({"in": np.array([[0, 0, 256]])}, "values reach from 0 to 256; they must be 0 to 255"),
    ({"in": np.array([[0, -1, 0]], np.int8)}, "values reach from -1 to 0"),
    ({"in": np.array([[0, 0, 1 << 63]], np.uint64)}, "values reach from 0 to 9223372036854775808")])
def test_inputs_that_do_not_fit(inputs: Inputs, message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        run_golden(chain(), inputs, 2)


def test_other_refusals() -> None:
    two = Network(tuple(Population(name, (1, 1, 1), "input", {"v_max": 9}) for name in "ab"), ())
    with pytest.raises(RanvierError, match="the populations' batches differ: 1, 2"):
        run_golden(two, {"a": np.zeros((1, 1), int), "b": np.zeros((2, 1), int)}, 1)
    for steps in (0, -1, 2.5):
        with pytest.raises(RanvierError, match="steps is"):
            run_golden(chain(), {"in": np.zeros((1, 3), int)}, steps)  # type: ignore[arg-type]
    with pytest.raises(RanvierError, match="could rise to"):
        run_golden(chain(v_max=32767), {"in": np.zeros((1, 3), int)}, 1)


def test_a_network_without_inputs_is_driven_by_its_biases() -> None:
    driven: dict[str, Any] = {"bias": np.array([3, -1]), "theta": 5, "v_min": -4, "v_max": 50}
    net = Network((Population("p", (1, 1, 2), "if", driven),), ())
    run = compare(net, {}, 6)
    assert run.spikes["p"][0].sum(axis=0).tolist() == [3, 0]


def test_progress_counts_up_to_the_batch() -> None:
    for threads in (1, 3):
        seen: list[int] = []
        places: set[int] = set()

        def note(done: int, seen: list[int] = seen, places: set[int] = places) -> None:
            seen.append(done)
            places.add(threading.get_ident())

        run_golden(chain(), {"in": np.zeros((600, 3), int)}, 2, threads=threads, progress=note)
        assert seen == sorted(seen)
        assert len(seen) > 1
        assert seen[-1] == 600
        assert places == {threading.get_ident()}


@pytest.mark.parametrize(("weight", "exponent", "expected"), [
    (-(1 << 15), 9, np.float32), (-(1 << 15), 10, np.float64), ((1 << 15) - 1, 9, np.float32),
    ((1 << 15) - 1, 10, np.float64), ((1 << 15) - 1, 14, np.float64)])
def test_products_stay_exact_beyond_single_precision(weight: int, exponent: int, expected: type) -> None:
    """Odd sums beyond 2**24, which float32 would round, and just at it, which it would not."""
    net = Network((Population("in", (1, 1, 2), "input", {"v_min": 0, "v_max": 0}),
                   Population("out", (1, 1, 2), "li", {"v_min": -(1 << 30), "v_max": 1 << 30})),
                  (Projection.dense("in", "out", [[weight, 0], [0, weight]], exponent=exponent),
                   Projection.dense("in", "out", [[0, 1], [1, 0]])), 32, 16)
    assert golden._real_dtype(net) is expected
    run = compare(net, {"in": np.array([[1, 1], [1, 0]])}, 1)
    assert run.readouts["out"].tolist() == [[weight * 2**exponent + 1] * 2, [weight * 2**exponent, 1]]


@pytest.mark.parametrize("seed", range(150))
def test_clamps_are_left_out_only_where_none_can_act(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng)
    steps = int(rng.integers(1, 90))
    plain = run_reference(net, {n: v[0] for n, v in random_inputs(rng, net, 1, steps).items()}, steps)
    for population in net.populations:
        if any(plain.clamps[population.name]):
            assert golden._clamps_act(net, population, steps), f"seed {seed}: {population.name} clamps"


def test_an_encoder_that_cannot_reach_its_bounds_skips_the_clamp() -> None:
    for v_max, acts in ((254, False), (253, True)):
        encoder = Population("in", (1, 1, 1), "input", {"theta": 255, "v_init": 127, "v_min": 0, "v_max": v_max})
        assert golden._clamps_act(Network((encoder,), ()), encoder, 1000) is acts


def test_a_bound_that_is_reached_late_still_clamps() -> None:
    ramp = Population("p", (1, 1, 1), "li", {"bias": 1, "v_min": 0, "v_max": 90})
    assert compare(Network((ramp,), ()), {}, 100).clamps["p"].sum() == 10


@pytest.mark.parametrize("state_bits", [12, 16, 32])
def test_the_most_negative_word_decays(state_bits: int) -> None:
    low = -(1 << state_bits - 1)
    full = Population("p", (1, 1, 3), "lif", {"k": np.array([NO_LEAK, 65535, 0]), "v_init": low, "v_max": 0})
    run = compare(Network((full,), (), state_bits), {}, 2, endless=True)
    assert run.membranes["p"][0, 0, 0] == low


def test_groups_are_the_cycles_sources_first() -> None:
    names = ["i", "a", "b", "c", "d", "o"]
    one = [[1]]
    net = Network(tuple(Population(n, (1, 1, 1), {"i": "input", "o": "li"}.get(n, "if")) for n in names), (
        Projection.dense("i", "c", one), Projection.dense("c", "a", one), Projection.dense("a", "c", one, 1),
        Projection.dense("a", "b", one), Projection.dense("b", "b", one, 2), Projection.dense("b", "o", one),
        Projection.dense("i", "d", one), Projection.dense("d", "o", one)))
    groups = golden._groups(net)
    assert sorted(map(sorted, groups)) == [["a", "c"], ["b"], ["d"], ["i"], ["o"]]
    assert ["c", "a"] in groups
    place = {name: n for n, group in enumerate(groups) for name in group}
    assert all(place[p.source] <= place[p.destination] for p in net.projections)


def test_blas_threads_are_as_they_were() -> None:
    found = blas._openblas()
    if found is None:
        pytest.skip("numpy does not use OpenBLAS here")
    library, prefix, suffix = found
    threads = library[f"{prefix}get_num_threads{suffix}"]
    before = threads()
    with blas.single_threaded():
        assert threads() == 1
        with blas.single_threaded():
            assert threads() == 1
        assert threads() == 1
    assert threads() == before


def test_the_generator_reaches_every_corner() -> None:
    """Networks from 400 seeds hold what the comparison above is meant to meet."""
    seen: set[str] = set()
    for seed in range(400):
        net = random_network(np.random.default_rng(seed))
        levels = schedule(net)
        seen |= {f"hop {levels.delay(p)}" for p in net.projections} | {f"delay {p.delay}" for p in net.projections}
        seen |= {f"period {min(levels.period, 3)}", f"state {net.state_bits}", net.rounding}
        for p in net.projections:
            seen |= {"exponent"} if p.exponent else set()
            seen |= {"recurrent"} if p.source == p.destination else set()
            seen |= {"most negative"} if np.all(p.matrix == -(1 << net.weight_bits - 1)) else set()
        for population in net.populations:
            values = {name: net.parameter(population, name) for name in ("theta", "k", "bias")}
            seen |= {f"{population.kind} {population.semantics.reset} {population.semantics.strict}"}
            seen |= {f"k {k}" for k in (0, NO_LEAK) if np.any(values["k"] == k)}
            seen |= {"theta 1"} if np.any(values["theta"] == 1) else set()
            seen |= {"bias"} if np.any(values["bias"]) else set()
            pairs = [p.source for p in net.incoming(population.name)]
            seen |= {"parallel projections"} if len(set(pairs)) < len(pairs) else set()
            seen |= {"readout"} if population.kind == "li" else set()
    wanted = {f"hop {n}" for n in range(1, 16)} | {f"delay {n}" for n in range(16)}
    wanted |= {f"state {n}" for n in range(12, 33)} | {"period 1", "period 2", "period 3", "nearest", "zero", "k 0"}
    wanted |= {f"{kind} {reset} {strict}"
               for kind in ("input", "if", "lif") for reset in RESETS for strict in (True, False)}
    wanted |= {f"k {NO_LEAK}", "theta 1", "bias", "exponent", "recurrent", "most negative", "parallel projections",
               "readout"}
    assert wanted <= seen, sorted(wanted - seen)

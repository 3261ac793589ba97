"""TrueNorth's neuron: the published vectors, random networks and RANC's cores in all stages, and what it costs unused."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ranvier.frontends.ranc import bus_lines, input_values, ranc_network, read_json, sent_packets
from ranvier.frontends.truenorth import Core, Target, build_network
from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.layout import drive_fields, dynamics_fields, row_word
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.network.semantics import Semantics
from ranvier.model.prng import Purpose, prng
from ranvier.model.run.golden import run_golden
from ranvier.rtl.forms.technology import CHECKED_UP5K
from ranvier.rtl.sweep.sweep import Sweep
from ranvier.rtl.verilog import verilog_of
from ranvier.sim.simulator import Simulator
from ranvier.verify.evidence import check_batch
from ranvier.verify.random_networks import random_inputs, random_network
from tests.in_rtl import equal_in_rtl
from tests.model.run.test_golden import compare

from ...frontends.ranc_oracle import random_cores, run_ranc

VECTORS = Path(__file__).resolve().parents[3] / "docs" / "truenorth-vectors"


def small(**changes: int) -> FabricConfig:
    """Two cores of few lanes."""
    return FabricConfig(
        cores=2, state_bits=20, weight_bits=8, input_bits=1, word_bits=8, spike_depth=2048, levels=24, neurons="truenorth",
        core=CoreConfig(lanes=4, sweep_lanes=2, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=256, drive_depth=256,
                        dynamics_depth=256, readout_depth=1),
        input=InputConfig(sweep_lanes=2, row_depth=4, state_depth=128, drive_depth=128, dynamics_depth=128),
    ).replace(**{"random": 1, **changes})


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The program that writes the published vectors."""
    spec = importlib.util.spec_from_file_location("truenorth_vectors", VECTORS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compiled() -> Iterator[Simulator]:
    with Simulator(small(), technology=CHECKED_UP5K) as made:
        yield made


def test_the_published_vectors_are_the_reference_s(generator: ModuleType) -> None:
    assert (VECTORS / "vectors.json").read_text() == generator.text(generator.vectors())


def test_the_vectors_have_every_mode(generator: ModuleType) -> None:
    """Every mode spikes, and the random ones differ from the plain one of their mode or draw something that acts."""
    neurons = json.loads((VECTORS / "vectors.json").read_text())["neurons"]
    assert {(n["leak_mode"], n["reset_mode"], n["random"]) for n in neurons} == {
        (leak, reset, random) for leak in generator.LEAKS for reset in generator.RESETS for random in generator.RANDOM}
    assert all("1" in n["spikes"] and "0" in n["spikes"] for n in neurons)
    assert len({tuple(n["v"]) for n in neurons}) == len(neurons)


def test_golden_gives_the_vectors(generator: ModuleType) -> None:
    published = json.loads((VECTORS / "vectors.json").read_text())
    run = run_golden(generator.network(published["neurons"]), _vector_inputs(published), generator.STEPS, record=True, endless=True)
    for n, neuron in enumerate(published["neurons"]):
        about = f"{neuron['leak_mode']}, {neuron['reset_mode']}, {neuron['random']}"
        assert run.membranes["neurons"][0, :, n].tolist() == neuron["v"], about
        assert "".join(str(int(s)) for s in run.spikes["neurons"][0, :, n]) == neuron["spikes"], about


def _vector_inputs(published: dict[str, list[str]]) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return {"inputs": np.array([[list(map(int, row)) for row in zip(*published["inputs"], strict=True)]], np.uint8)}


def test_the_rtl_gives_the_vectors(generator: ModuleType, compiled: Simulator) -> None:
    """In windows and without end, with every neuron's membrane in every step; the golden model has been held against the file."""
    published = json.loads((VECTORS / "vectors.json").read_text())
    placement = map_network(generator.network(published["neurons"]), small())
    assert all(any(row.part.population == "neurons" for row in rows) for rows in placement.units[:2]), "both cores have some"
    for endless in (True, False):
        compiled.load(placement)
        check = check_batch(placement, compiled, _vector_inputs(published), generator.STEPS, endless=endless)
        assert check.mismatch is None, check.mismatch
        assert not endless or check.golden.membranes["neurons"][0, :, 5].tolist() == published["neurons"][5]["v"]


@pytest.mark.parametrize("random", [0, 1])
def test_golden_equals_the_reference(random: int) -> None:
    spikes = clamps = 0
    config = small(random=random)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        network = random_network(rng, config)
        assert random or not network.options.random
        golden = compare(network, random_inputs(rng, network, 2, 6), 6, note=f"seed {seed}")
        for population in network.populations:
            if not population.driven:
                spikes, clamps = spikes + int(golden.spikes[population.name].sum()), clamps + int(golden.clamps[population.name].sum())
    assert spikes > 100 and clamps > 100, f"{spikes} spikes and {clamps} clamps"


def test_the_rtl_equals_the_model(compiled: Simulator) -> None:
    """Random networks: every spike, membrane, counter and clock."""
    spikes = clamps = drawing = 0
    for seed in range(16):
        equal = equal_in_rtl(compiled, small(), seed)
        spikes, clamps, drawing = spikes + equal.spikes, clamps + equal.clamps, drawing + equal.network.options.random
    assert spikes > 100 and clamps > 100 and drawing > 8, f"{spikes} spikes, {clamps} clamps, {drawing} that draw"


def test_cores_of_ranc_run_in_the_rtl(tmp_path: Path, compiled: Simulator) -> None:
    ticks, path = 12, tmp_path / "cores.json"
    value = random_cores(np.random.default_rng(2), ticks)
    path.write_text(json.dumps(value))
    file = read_json(path)
    network = ranc_network(file, "rtl")
    network = Network(network.populations, network.projections, 20, 8, 1, info=network.info)
    placement = map_network(network, small())
    compiled.load(placement)
    check = check_batch(placement, compiled, input_values(network, file.packets, ticks), ticks, endless=True)
    assert check.mismatch is None, check.mismatch
    sent = sent_packets(network, check.golden)
    assert (sent, bus_lines(network, sent)) == run_ranc(value, ticks, False) and sum(map(len, sent)) > 20


def test_random_synapses_in_the_rtl(compiled: Simulator) -> None:
    rng = np.random.default_rng(4)
    core = Core("a", rng.integers(0, 2, (6, 7)), rng.integers(0, 4, 6), rng.integers(-120, 121, (7, 4)),
                [Target("a", int(n), 2) for n in rng.integers(0, 6, 7)], {"alpha": 3, "beta": 40, "gamma": 1, "tm": 2, "seed": 5},
                rng.integers(0, 2, (7, 4)))
    network = build_network([core], [("a", n) for n in range(6)])
    placement = map_network(network, small())
    compiled.load(placement)
    check = check_batch(placement, compiled, {"input": rng.integers(0, 2, (2, 20, 6)).astype(np.uint8)}, 20, endless=False)
    assert check.mismatch is None, check.mismatch
    assert 20 < check.golden.spikes["a/synapses"].sum() < 0.9 * check.golden.spikes["a/synapses"].size


# --- what is drawn ----------------------------------------------------------------------------------------------------


def _lone(size: int = 400, **parameters: int) -> Network:
    return Network((Population("input", 1, "input", theta=1), Population("n", size, "truenorth", parameters, v_min=-9000, v_max=9000)),
                   (Projection.dense("input", "n", np.zeros((1, size), int)),), state_bits=20, input_bits=1)


def test_a_random_leak_has_the_frequency_that_it_says() -> None:
    """|leak| >= rho for a rho of 8 bits: so often in 256 is |leak| + 1."""
    steps = 60
    network = _lone(leak=-31, c=1, alpha=200, beta=9000)
    run = run_golden(network, {"input": np.zeros((1, 1), np.uint8)}, steps, record=True, endless=True)
    drawn = -np.diff(run.membranes["n"][0].astype(int), axis=0)
    assert set(np.unique(drawn)) == {0, 1}
    assert abs(drawn.mean() - 32 / 256) < 4 * np.sqrt(32 / 256 * (1 - 32 / 256) / drawn.size)
    assert len(np.unique(drawn, axis=1).T) > 300 and len(np.unique(drawn, axis=0)) > 50, "neurons and steps differ"


def test_the_draw_is_the_generator_s() -> None:
    """One word for a neuron and step: rho its lowest 8 bits, rho_T the next 18."""
    network = _lone(size=9, leak=0, tm=5, alpha=7, beta=0, kappa=1, gamma=2, v_init=20, seed=77)
    run = run_golden(network, {"input": np.zeros((1, 1), np.uint8)}, 20, record=True, endless=True)
    for step in range(20):
        etas = [prng(77, step, n, int(Purpose.NEURON)) >> 8 & 31 for n in range(9)]
        assert run.spikes["n"][0, step].tolist() == [eta <= 13 for eta in etas]


def test_other_seeds_and_shared_numbers() -> None:
    def spikes(**parameters: int) -> list[list[bool]]:
        run = run_golden(_lone(size=8, tm=5, alpha=7, gamma=2, v_init=20, **parameters), {"input": np.zeros((1, 1), np.uint8)}, 30,
                         record=True, endless=True)
        return run.spikes["n"][0].tolist()

    assert spikes(seed=1) != spikes(seed=2) and spikes(seed=1) == spikes(seed=1)
    assert all(len(set(row)) == 1 for row in spikes(number=3)), "neurons of one number draw alike"


# --- what it costs unused, and what is refused ------------------------------------------------------------------------


def test_a_fabric_that_draws_nothing_has_no_generator() -> None:
    config, drawn = small(random=0), {"number", "c", "tm"}
    columns = [{f.name for f in (*drive_fields(some, "core"), *dynamics_fields(some, "core"))} for some in (small(), config)]
    assert drawn <= columns[0] and not drawn & columns[1]
    assert ["seed" in {f.name for f in row_word(some, "core").fields} for some in (small(), config)] == [True, False]
    assert FabricConfig().digest == FabricConfig(random=0).digest and "random" not in FabricConfig().to_json()
    drawing, plain = (verilog_of(Sweep(fabric, "core"), "sweep") for fabric in (small(), config))
    assert "key_5" in drawing and "key_5" not in plain


def test_only_neurons_that_draw_can_have_a_generator() -> None:
    with pytest.raises(RanvierError, match="random is 1; integrate neurons draw no random numbers: use 0"):
        FabricConfig(random=1)


def test_a_network_that_draws_needs_a_fabric_that_can() -> None:
    network = _lone(tm=3)
    with pytest.raises(RanvierError, match="random is 0; population n draws random numbers: use a fabric with random 1"):
        map_network(network, small(random=0, weight_bits=4))
    assert tailor(network, FabricConfig()).random == 1 and tailor(_lone(), FabricConfig()).random == 0


@pytest.mark.parametrize(("change", "message"), [
    ({"semantics": Semantics(reset="subtract", reset_moment="next_tick")}, "kind truenorth resets in the same tick only"),
    ({"seed": np.array([1, 2, 3])}, "seed differs from neuron to neuron"),
    ({"seed": -1}, "seed of neuron 0 is -1"), ({"tm": 19}, "tm of neuron 0 is 19; it must be 0 to 18"),
    ({"gamma": 3}, "gamma of neuron 0 is 3; it must be 0 to 2"), ({"alpha": 1 << 18}, "alpha of neuron 0 is 262144"),
    ({"leak": 256}, "leak of neuron 0 is 256; it must be -256 to 255"), ({"theta": 1}, "unknown parameter 'theta'"),
])
def test_bad_parameters_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        Network((Population("n", 3, "truenorth", **change),), (), state_bits=20)  # type: ignore[arg-type]

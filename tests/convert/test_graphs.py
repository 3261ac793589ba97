"""Convolutions, branches and spikes with a count: converted networks give what conventional ones give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner

from ranvier.cli import cli
from ranvier.commands.run import run_samples
from ranvier.convert.convert import Conversion, convert
from ranvier.convert.network import Units
from ranvier.convert.samples import as_inputs
from ranvier.convert.simulate import integer_layers, simulate
from ranvier.files.network import load_network, save_network
from ranvier.frontends.conventional import Clip, Conventional, GraphLayer, Relu
from ranvier.frontends.onnx import load_onnx
from ranvier.frontends.synapses import Shape, Synapses
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.golden import run_golden
from ranvier.reports.tables import run_rows

CASES = Path(__file__).resolve().parents[1] / "cases" / "onnx"
RNG = np.random.default_rng(3)
SAMPLES = RNG.integers(0, 256, (60, 64), dtype=np.uint8)


def layer(name: str, shape: Shape, synapses: list[Synapses], activation: Any = None, bias: float = 0.1) -> GraphLayer:
    size = int(np.prod(shape))
    return GraphLayer(name, shape, tuple(synapses), np.resize(RNG.normal(size=shape[2]) * bias, size), activation)


def kernel(shape: Shape, source: str, size: int, channels: int, **geometry: Any) -> Synapses:
    each = shape[2] // geometry.get("groups", 1)
    return Synapses(RNG.normal(size=(size, size, each, channels)) / np.sqrt(size * size * each), shape, source=source, **geometry)


def mixture(activation: Any = None) -> Conventional:
    """Two channels in, a strided and padded convolution, a residual connection, a grouped one, and a readout that reads two layers."""
    activation = activation or Clip(1.0)
    image, inner, small = (6, 6, 2), (3, 3, 4), (2, 2, 4)
    return Conventional("mixture.onnx", 72, (
        layer("first", inner, [kernel(image, "input", 3, 4, stride=(2, 2), padding=(1, 1, 1, 1))], activation),
        layer("second", inner, [kernel(inner, "first", 3, 4, padding=(1, 1, 1, 1)),
                                Synapses.pointwise(np.full(4, 0.9), inner)], activation),
        layer("third", small, [kernel(inner, "second", 2, 4, groups=2)], activation),
        layer("output", (1, 1, 3), [Synapses.dense(RNG.normal(size=(16, 3)), "third"), Synapses.dense(RNG.normal(size=(36, 3)), "first")]),
    ), input_shape=image, channels_first=True)


def golden(network: Network, samples: npt.NDArray[Any], steps: int) -> Any:
    return run_golden(network, {"input": as_inputs(network, samples)}, steps, record=True)


def rounded_activations(network: Network, samples: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.int64]]:
    """Counts of a conventional network with the network's integers: sums over taps, a bias, rounding to 0 ... 2**spike_bits - 1."""
    most, theta = (1 << network.spike_bits) - 1, int(network.parameter(network.inputs[0], "theta")[0])
    found = {"input": np.clip((as_inputs(network, samples).astype(np.int64) + theta // 2) // theta, 0, most)}
    for population in network.populations[1:]:
        total = np.tile(network.parameter(population, "bias"), (len(samples), 1))
        for part in (p for p in network.projections if p.destination == population.name):
            source = network.by_name[part.source]
            before, weights = found[part.source], part.weights << part.exponent
            if part.is_dense(source, population):
                total += before @ weights[0, 0]
                continue
            (top, bottom, left, right), groups = part.padding, part.groups
            padded = np.pad(before.reshape(-1, *source.shape), ((0, 0), (top, bottom), (left, right), (0, 0)))
            height, width, channels = population.shape
            sums = np.zeros((len(samples), *population.shape), np.int64)
            for y, x, out in np.ndindex(height, width, channels):
                group = out // (channels // groups)
                own = slice(group * weights.shape[2], (group + 1) * weights.shape[2])
                rows, columns = (slice(step * place, step * place + hold * (size - 1) + 1, hold) for step, place, hold, size in zip(
                    part.stride, (y, x), part.dilation, weights.shape[:2], strict=True))
                sums[:, y, x, out] = (padded[:, rows, columns, own] * weights[..., out]).sum(axis=(1, 2, 3))
            total += sums.reshape(len(samples), -1)
        if population.spiking:
            theta_each = network.parameter(population, "theta")
            total = np.clip((total + theta_each // 2) // theta_each, 0, most)
        found[population.name] = total
    return found


def assert_graded(network: Network, samples: npt.NDArray[Any]) -> None:
    """One step of the spiking network is the conventional network of rounded activations, on every neuron."""
    run, wanted = golden(network, samples, 1), rounded_activations(network, samples)
    for population in network.populations:
        if population.spiking:
            np.testing.assert_array_equal(run.spikes[population.name][:, 0], wanted[population.name])
        else:
            np.testing.assert_array_equal(run.readouts[population.name], wanted[population.name])
    assert not any(np.any(clamps) for clamps in run.clamps.values())


def case(name: str, **options: Any) -> Conversion:
    return convert(CASES / f"{name}.onnx", calibration=SAMPLES, **{"weight_bits": 8, "state_bits": 24, **options})


@pytest.mark.parametrize(("spike_bits", "steps"), [(1, 8), (3, 5), (8, 2)])
def test_simulation_is_the_golden_model(spike_bits: int, steps: int) -> None:
    for network, samples in ((case("25_lenet", steps=steps, spike_bits=spike_bits).network, SAMPLES),
                             (case("24_residual", steps=steps, spike_bits=spike_bits).network, SAMPLES)):
        inputs = as_inputs(network, samples)
        trace = simulate(inputs.astype(np.int64), Units.of(spike_bits, 8), integer_layers(network), [steps], steps)
        run = golden(network, samples, steps)
        np.testing.assert_array_equal(trace.readouts[steps], run.readouts[network.readouts[0].name])
        for population, rates in zip(network.populations[1:], trace.rates, strict=False):
            counts = run.spikes[population.name].sum(axis=1, dtype=np.int64)
            np.testing.assert_array_equal(np.rint(rates * steps * ((1 << spike_bits) - 1)), counts)
            assert counts.any()


@pytest.mark.parametrize("spike_bits", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["25_lenet", "24_residual"])
def test_one_step_is_the_rounded_network(name: str, spike_bits: int) -> None:
    assert_graded(case(name, steps=1, spike_bits=spike_bits).network, SAMPLES)


@pytest.mark.parametrize(("weight_bits", "spike_bits"), [(8, 4), (4, 2), (16, 8)])
def test_one_step_of_a_mixture_is_the_rounded_network(weight_bits: int, spike_bits: int) -> None:
    samples = RNG.integers(0, 256, (40, 72), dtype=np.uint8)
    made = convert(mixture(), steps=1, calibration=samples, weight_bits=weight_bits, state_bits=28, spike_bits=spike_bits)
    assert_graded(made.network, samples)
    shapes = [population.shape for population in made.network.populations]
    assert shapes == [(6, 6, 2), (3, 3, 4), (3, 3, 4), (2, 2, 4), (1, 1, 3)]
    assert len(made.network.projections) == 6 and {p.groups for p in made.network.projections} == {1, 2, 4}


@pytest.mark.parametrize("activation", [Clip(1.0), Relu()])
def test_many_counts_come_near_the_conventional_network(activation: Any) -> None:
    """Weights of 16 bits and counts of 8 leave only rounding, which is small; so nothing is lost, moved or scaled wrongly."""
    model = mixture(activation)
    samples = RNG.integers(0, 256, (50, 72), dtype=np.uint8)
    wanted = model.forward(samples / 255)
    network = convert(model, steps=4, calibration=samples, weight_bits=16, state_bits=32, spike_bits=8, percentile=100).network
    found = golden(network, samples, 4).readouts["output"] * (network.info["readout_scale"] / 4)
    assert float(np.abs(found - wanted).max()) < 0.01 * float(np.abs(wanted).max())


def test_inputs_are_normalised_and_ordered(tmp_path: Path) -> None:
    """Channels come first in samples, each with its own mean and spread; a file keeps that."""
    model, samples = mixture(), RNG.random((50, 72)).astype(np.float32)
    mean, std = (0.2, 0.6), (0.5, 0.25)
    normal = (samples.reshape(50, 2, 36) - np.array(mean)[:, None]) / np.array(std)[:, None]
    wanted = model.forward(normal.reshape(50, 72))
    network = convert(model, steps=4, calibration=samples, weight_bits=16, state_bits=32, spike_bits=8, mean=mean, std=std).network
    save_network(network, tmp_path / "n.ranvier")
    network = load_network(tmp_path / "n.ranvier")
    assert network.info["input"]["channels_first"] == [6, 6, 2]
    found = golden(network, samples, 4).readouts["output"] * (network.info["readout_scale"] / 4)
    assert float(np.abs(found - wanted).max()) < 0.02 * float(np.abs(wanted).max())


def test_large_weights_of_a_branch_do_not_make_others_coarse() -> None:
    """A residual connection of 1 beside weights of 0.02 counts a power of two, so that 4 bits show both."""
    image = (4, 4, 4)
    small = Synapses(RNG.normal(size=(3, 3, 4, 4)) * 0.02, image, padding=(1, 1, 1, 1), source="input")
    model = Conventional("r.onnx", 64, (
        layer("sum", image, [small, Synapses.pointwise(np.ones(4), image)], Clip(1.0)),
        layer("output", (1, 1, 2), [Synapses.dense(RNG.normal(size=(64, 2)))])), input_shape=image)
    made = convert(model, steps=8, calibration=SAMPLES, weight_bits=4, state_bits=20)
    assert sorted(projection.exponent for projection in made.network.projections[:2])[1] >= 3
    assert np.abs(made.network.projections[0].weights).max() >= 4 and made.report.layers[0].weight_error < 0.15


def test_residual_and_lenet_convert_as_they_are() -> None:
    for name in ("24_residual", "25_lenet"):
        model, made = load_onnx(CASES / f"{name}.onnx"), case(name, steps=64, spike_bits=2)
        answers = golden(made.network, SAMPLES, 64).readouts[model.layers[-1].name].argmax(axis=1)
        assert np.mean(answers == model.forward(SAMPLES / 255).argmax(axis=1)) > 0.95


def test_the_command_line_takes_spike_bits(tmp_path: Path) -> None:
    np.savez(tmp_path / "samples.npz", pictures=SAMPLES)
    runner, made = CliRunner(), tmp_path / "n.ranvier"
    arguments = ["convert", str(CASES / "25_lenet.onnx"), "--calibrate", str(tmp_path / "samples.npz"), "--ticks", "1",
                 "--spike-bits", "4", "--weight-bits", "8", "--state-bits", "24", "-o", str(made)]
    done = runner.invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    network = load_network(made)
    assert network.spike_bits == 4 and network.populations[1].shape == (8, 8, 6)
    assert_graded(network, SAMPLES)
    assert runner.invoke(cli, ["9" if word == "4" else word for word in arguments]).exit_code == 2


def test_a_network_that_no_fabric_holds_still_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sizes = (1024, 4096, 4096, 2)
    kinds = ("input", "if", "if", "li")
    names = ["input", "first", "second", "output"]
    network = Network(
        tuple(Population(name, size, kind, **({} if kind == "li" else {"theta": 255 if kind == "input" else 900}))
              for name, size, kind in zip(names, sizes, kinds, strict=True)),
        tuple(Projection.dense(a, b, rng.integers(-7, 8, (m, n)))
              for a, b, m, n in zip(names, names[1:], sizes, sizes[1:], strict=False)), state_bits=20)
    samples = rng.integers(0, 256, (3, 1024), dtype=np.uint8)
    save_network(network, tmp_path / "n.ranvier")
    np.savez(tmp_path / "samples.npz", pictures=samples)
    report = run_samples(tmp_path / "n.ranvier", "golden:", tmp_path / "samples.npz", 4, None, output=tmp_path / "out")
    assert report["fabric"] is None and any("ran without a fabric" in note and "weight memories" in note for note in report["notes"])
    assert ("fabric", "none") in run_rows(report)
    with np.load(tmp_path / "out" / "readouts.npz") as saved:
        np.testing.assert_array_equal(saved["readouts"], run_golden(network, {"input": samples}, 4).readouts["output"])
    with pytest.raises(RanvierError, match="weight memories"):
        run_samples(tmp_path / "n.ranvier", "fabric:", tmp_path / "samples.npz", 4, None)

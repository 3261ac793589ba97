"""The digits: one step of spikes with a count is the conventional network of rounded activations, and as good as it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.convert.convert import convert
from ranvier.convert.samples import as_inputs
from ranvier.files.samples import load_samples
from ranvier.frontends.onnx import load_onnx
from ranvier.mapping.choose import choose_fabric
from ranvier.mapping.mapper import map_network
from ranvier.model.run.golden import run_golden
from tests.convert.test_graphs import assert_graded

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.mark.parametrize(("name", "weight_bits", "spike_bits"), [("digits", 4, 4), ("digits", 8, 8), ("cnn", 4, 4)])
def test_one_step_is_the_rounded_network(name: str, weight_bits: int, spike_bits: int) -> None:
    model = load_onnx(DIGITS / f"{name}.onnx")
    network = convert(model, steps=1, weight_bits=weight_bits, state_bits=24, spike_bits=spike_bits).network
    pictures = load_samples(DIGITS / "mnist_test.npz", 784, limit=100).values
    assert_graded(network, pictures)


@pytest.mark.parametrize(("steps", "weight_bits", "spike_bits", "state_bits", "lost"), [
    (8, 8, 1, 24, 0.002), (8, 4, 1, 16, 0.005), (1, 8, 4, 24, 0.003), (1, 4, 4, 24, 0.003)])
def test_convolutional_digits_keep_their_accuracy(steps: int, weight_bits: int, spike_bits: int, state_bits: int, lost: float) -> None:
    """On the first 500 digits at most one more is lost than the share that all 10,000 may lose; README has those."""
    model = load_onnx(DIGITS / "cnn.onnx")
    assert [layer.shape for layer in model.layers] == [(14, 14, 16), (7, 7, 32), (1, 1, 10)]
    samples = load_samples(DIGITS / "mnist_test.npz", 784, limit=500)
    calibration = load_samples(DIGITS / "calibration.npz", 784, limit=100)
    made = convert(model, steps=steps, calibration=calibration, weight_bits=weight_bits, state_bits=state_bits, spike_bits=spike_bits)
    run = run_golden(made.network, {"input": as_inputs(made.network, samples.values)}, steps)
    right = run.readouts["output"].argmax(axis=1) == samples.labels
    wanted = model.forward(samples.values / 255).argmax(axis=1) == samples.labels
    assert float(wanted.mean()) >= 0.985 and right.sum() >= wanted.sum() - lost * 500 - 1


@pytest.mark.parametrize(("cores", "spike_bits"), [(1, 4), (2, 4), (2, 8), (4, 8)])
def test_a_fabric_is_found_for_counts(cores: int, spike_bits: int) -> None:
    """Words are longer, or fewer neurons are swept at once, so that all planes of all nodes have their turns on the ring."""
    network = convert(load_onnx(DIGITS / "digits.onnx"), steps=1, weight_bits=4, state_bits=24, spike_bits=spike_bits).network
    fabric = choose_fabric(network, cores, 64)
    assert fabric.spike_bits == spike_bits and fabric.cores == cores
    map_network(network, fabric)

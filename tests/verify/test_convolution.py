"""Convolutional networks: accuracy in the golden model, and RTL against model on one tailored core: `make verify`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.event_network import STEPS, event_network, event_samples
from ranvier.commands.demo import find_digits
from ranvier.convert.convert import convert
from ranvier.convert.samples import as_inputs
from ranvier.files.samples import load_pictures
from ranvier.frontends.onnx import load_onnx
from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.layout import Counter
from ranvier.model.network.network import Network
from ranvier.model.run.golden import run_golden
from ranvier.runs import RtlResult, classify, run_rtl_set, weight_limit_share

pytestmark = pytest.mark.verify

PICTURES = 200
#: Ticks, settings of the conversion, and points of accuracy that may be lost over all 10,000 pictures.
SETTINGS = {"8 ticks, 8 bits": (8, {"weight_bits": 8, "state_bits": 24}, 0.2), "8 ticks, 4 bits": (8, {"weight_bits": 4}, 0.5),
            "1 tick, spikes of 4 bits": (1, {"weight_bits": 8, "state_bits": 24, "spike_bits": 4}, 0.3)}


def one_core(network: Network, sweep_lanes: int) -> FabricConfig:
    """A core of 64 lanes with just what the network needs."""
    return tailor(network, FabricConfig(cores=1, core=CoreConfig(lanes=64, sweep_lanes=sweep_lanes),
                                        input=InputConfig(sweep_lanes=sweep_lanes)))


def compare(network: Network, fabric: FabricConfig, samples: npt.NDArray[np.integer], steps: int, folder: Path) -> RtlResult:
    """The samples in the RTL; every word, counter and clock is the model's."""
    result = run_rtl_set(map_network(network, fabric), samples, steps, folder=folder, encoded=True)
    assert result.mismatch is None, str(result.mismatch)
    assert result.samples == len(samples)
    words = int(result.counters[:, Counter.WEIGHT_WORDS].max())
    print(f"\n{len(samples)} samples x {steps} ticks on 1 core x 64 lanes: 0 mismatches, {result.clocks / len(samples):,.1f} clocks "
          f"a sample, limit {words / len(samples):,.1f} weight words, share {100 * weight_limit_share(result.counters):.1f} %")
    return result


@pytest.mark.whole
@pytest.mark.parametrize("name", SETTINGS)
def test_convolutional_digits(name: str, share: float, tmp_path: Path) -> None:
    """`cnn.onnx` keeps its accuracy on all pictures, or a share of them, and the first of them are equal in RTL."""
    steps, settings, points = SETTINGS[name]
    folder = find_digits()
    conventional = load_onnx(folder / "cnn.onnx")
    pictures, labels = load_pictures(folder / "mnist_test.npz", conventional.input_size)
    calibration = load_pictures(folder / "calibration.npz", conventional.input_size)[0]
    network = convert(conventional, steps=steps, calibration=calibration, **settings).network
    values, every = as_inputs(network, pictures), round(1 / share)
    right = [classify(run_golden(network, {network.inputs[0].name: values[::every]}, steps).readouts[network.readouts[0].name]),
             conventional.forward(pictures[::every] / 255).argmax(axis=1)]
    spiking, floating = (100 * float(np.mean(found == labels[::every])) for found in right)
    print(f"\n{name}: {spiking:.2f} %, conventional {floating:.2f} %")
    assert floating >= 99.2
    assert spiking >= floating - points
    count = round(PICTURES * share)
    fabric = one_core(network, 16 if network.spike_bits == 1 else 8)
    result = compare(network, fabric, values[:count], steps, tmp_path / "mismatch")
    assert np.mean(classify(result.readouts) == labels[:count]) >= 0.99


@pytest.mark.whole
def test_event_network(share: float, tmp_path: Path) -> None:
    """Six layers with pooling and counts of 4 bits, driven by events: every layer but the last spikes, and all is equal in RTL."""
    network = event_network()
    samples = event_samples(max(2, round(8 * share)))
    run = run_golden(network, {"events": samples}, STEPS)
    assert all(counts.any() for counts in run.spike_counts.values())
    compare(network, one_core(network, 8), samples, STEPS, tmp_path / "mismatch")

"""Conversion: the maths, the report, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.convert.answer import values_of
from ranvier.convert.convert import ConversionReport, convert
from ranvier.files.network import load_network, save_network
from ranvier.files.samples import load_pictures
from ranvier.frontends.conventional import Activation, Clip, Conventional, DenseLayer, Relu
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from ranvier.model.network.headroom import prove_headroom
from ranvier.model.network.network import Network
from ranvier.model.run.golden import run_golden
from tests.convert.networks import random_network as network

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


PICTURES = np.random.default_rng(9).integers(0, 256, (200, 20), dtype=np.uint8)


def readout(net: Network, pictures: Any, steps: int) -> Any:
    return run_golden(net, {"input": pictures}, steps).readouts[net.readouts[0].name]


@pytest.mark.parametrize("activation", [Clip(1.2), Relu()])
def test_logits_come_back_from_the_membranes(activation: Activation) -> None:
    model = network(activation)
    found = convert(model, steps=256, calibration=PICTURES, weight_bits=16, state_bits=32, percentile=100)
    logits, _ = values_of(found.network, readout(found.network, PICTURES, 256), 256)
    wanted = model.forward(PICTURES / 255)
    assert np.abs(logits - wanted).mean() < 0.02 * np.abs(wanted).mean()
    assert np.mean(logits.argmax(1) == wanted.argmax(1)) > 0.97


def test_report_is_that_of_the_golden_model() -> None:
    model = network()
    found = convert(model, steps=8, calibration=PICTURES)
    wanted = model.forward(PICTURES / 255)
    logits, _ = values_of(found.network, readout(found.network, PICTURES, 8), 8)
    last = found.report.layers[-1]
    assert last.activation_error == pytest.approx(np.abs(logits - wanted).mean() / np.abs(wanted).mean())
    run = run_golden(found.network, {"input": PICTURES}, 8)
    first = found.report.layers[0]
    activation = model.layers[0].activate(model.preactivations(PICTURES / 255)[0])
    rates = run.spike_counts["layer1"] / 8 * first.bound
    assert first.activation_error == pytest.approx(np.abs(rates - activation).mean() / activation.mean())


def test_structure_and_formula() -> None:
    model = network()
    net = convert(model, steps=4).network
    assert [p.kind for p in net.populations] == ["input", "if", "if", "li"]
    source = net.populations[0]
    assert {name: net.parameter(source, name)[0] for name in ("theta", "v_init", "v_min", "v_max")} == {
        "theta": 255, "v_init": 127, "v_min": 0, "v_max": 255}
    before = 1.0
    for layer, population, projection, info in zip(
            model.layers, net.populations[1:], net.projections, net.info["layers"], strict=True):
        scales = np.array(info["scales"])
        np.testing.assert_array_equal(
            projection.matrix, np.clip(np.rint(layer.weight * before / scales), -8, 7))
        np.testing.assert_array_equal(net.parameter(population, "bias"), np.rint(layer.bias / scales))
        if population.spiking:
            theta = net.parameter(population, "theta")
            np.testing.assert_allclose(theta * scales, 1.2)
            np.testing.assert_array_equal(net.parameter(population, "v_init"), theta // 2)
            before = 1.2
        else:
            assert len(set(info["scales"])) == 1 and info["scales"][0] == net.info["readout_scale"]
        # One pair of bounds, and it cannot be one wider on either side.
        for name, side in (("v_max", 1), ("v_min", -1)):
            bounds = set(net.parameter(population, name).tolist())
            assert len(bounds) == 1
            wider = [type(p)(p.name, p.shape, p.kind, {**p.parameters, name: bounds.copy().pop() + side}, p.semantics)
                     if p is population else p for p in net.populations]
            with pytest.raises(RanvierError):
                prove_headroom(Network(tuple(wider), net.projections))
    json.dumps(dict(net.info), allow_nan=False)


@pytest.mark.parametrize("weight_bits", [2, 4, 8, 16])
@pytest.mark.parametrize("state_bits", [12, 16, 24, 32])
def test_every_number_format_gets_headroom(weight_bits: int, state_bits: int) -> None:
    model = network(sizes=(200, 30, 5))
    found = convert(model, steps=4, weight_bits=weight_bits, state_bits=state_bits)
    prove_headroom(found.network)
    hidden = found.network.populations[1]
    theta = found.network.parameter(hidden, "theta").max()
    assert found.network.parameter(hidden, "v_max")[0] >= 4 * theta
    assert found.network.parameter(hidden, "v_min")[0] <= -4 * theta


def test_errors_fall_with_steps_and_bits() -> None:
    def error(steps: int, bits: int) -> tuple[float, float]:
        last = convert(network(), steps=steps, calibration=PICTURES, weight_bits=bits, state_bits=24).report.layers[-1]
        assert last.conversion_error is not None and last.quantisation_error is not None
        return last.conversion_error, last.quantisation_error
    conversion = [error(steps, 8)[0] for steps in (2, 8, 64)]
    assert conversion == sorted(conversion, reverse=True) and conversion[-1] < 0.1
    quantisation = [error(64, bits)[1] for bits in (2, 4, 8)]
    assert quantisation == sorted(quantisation, reverse=True)


def test_report_names_the_worst_layer() -> None:
    report = convert(network(), steps=4, calibration=PICTURES).report
    assert report.worst in {layer.name for layer in report.layers}
    assert report.worst == max(report.layers, key=lambda layer: layer.activation_error or 0).name
    assert len(report.rows()[0]) == len(ConversionReport.header()) and json.dumps(report.to_json(), allow_nan=False)
    plain = convert(network(), steps=4).report
    assert plain.worst == max(plain.layers, key=lambda layer: layer.weight_error).name
    assert plain.rows()[0][4] == "-"


def test_percentile_is_the_bound_of_a_relu() -> None:
    model = network(Relu())
    found = convert(model, steps=4, calibration=PICTURES, percentile=99)
    reached = np.maximum(model.preactivations(PICTURES / 255)[0], 0)
    active = reached[reached > 0]
    assert found.report.layers[0].bound == pytest.approx(np.percentile(active, 99))
    assert found.report.layers[0].saturated == pytest.approx(0.01 * active.size / reached.size, abs=0.002)


def test_progress_reaches_its_end() -> None:
    seen: list[tuple[int, int]] = []
    convert(network(), steps=2, calibration=PICTURES, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_file_round_trip(tmp_path: Path) -> None:
    net = convert(network(), steps=4).network
    save_network(net, tmp_path / "n.ranvier")
    again = load_network(tmp_path / "n.ranvier")
    assert again.info == net.info
    np.testing.assert_array_equal(readout(again, PICTURES, 4), readout(net, PICTURES, 4))


def test_long_runs_are_warned_of() -> None:
    assert not convert(network(), steps=4).report.notes
    assert any("clamped" in note for note in convert(network(), steps=60000).report.notes)


@pytest.mark.parametrize(("changes", "words"), [
    ({"steps": 0}, "steps"), ({"percentile": 10.0}, "percentile"), ({"percentile": float("nan")}, "percentile"),
    ({"weight_bits": 3}, "weight_bits"), ({"state_bits": 40}, "state_bits"), ({"input_bits": 16}, "input_bits"),
    ({"calibration": np.zeros((2, 3), int)}, "calibration"), ({"calibration": np.full((2, 20), 1.5)}, "0 to 1"),
    ({"steps": True}, "steps"), ({"steps": 4.0}, "steps"),
    ({"calibration": np.full((2, 20), 256)}, "0 to 255"), ({"calibration": np.zeros((0, 20), int)}, "calibration"),
])
def test_bad_arguments(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RanvierError, match=words) as caught:
        convert(network(), **{"steps": 4, **changes})
    assert str(caught.value).isprintable()


def test_relu_needs_calibration() -> None:
    with pytest.raises(RanvierError, match="layer1: a Relu .* calibration="):
        convert(network(Relu()), steps=4)


def test_headroom_that_cannot_be_had_names_the_neuron() -> None:
    model = network()
    layer = model.layers[0]
    heavy = DenseLayer(layer.name, layer.weight, np.where(np.arange(16) == 5, 1e9, layer.bias), layer.activation)
    with pytest.raises(RanvierError, match="population layer1"):
        convert(Conventional("m", 20, (heavy, *model.layers[1:])), steps=4, state_bits=12)


def test_extremes_of_scale_convert_or_are_refused() -> None:
    model = network()
    for factor in (1e-300, 1e-30, 1e-9, 1e9, 1e15):
        layers = tuple(DenseLayer(x.name, x.weight * factor, x.bias, x.activation) for x in model.layers)
        try:
            prove_headroom(convert(Conventional("m", 20, layers), steps=2, calibration=PICTURES).network)
        except RanvierError as error:
            assert str(error).isprintable()


@pytest.mark.skipif(not (DIGITS / "digits.onnx").exists(), reason="examples/digits/digits.onnx is not there")
def test_digits() -> None:
    model = load_onnx(DIGITS / "digits.onnx")
    pictures, labels = load_pictures(DIGITS / "mnist_test.npz", model.input_size)
    calibration, _ = load_pictures(DIGITS / "calibration.npz", model.input_size)
    assert labels is not None
    found = convert(model, steps=4, calibration=calibration)
    # Trained on the grid that the quantiser has to find again.
    assert max(layer.weight_error for layer in found.report.layers) < 1e-6
    ann = np.mean(model.forward(pictures / 255).argmax(1) == labels)
    snn = np.mean(readout(found.network, pictures, 4).argmax(1) == labels)
    assert ann >= 0.98 and snn >= ann - 0.003

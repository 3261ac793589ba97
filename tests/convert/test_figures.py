"""Figures that would be wrong without a word: rare activity, silent layers, clamps, ranges of the inputs, and what is advised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ranvier
from ranvier.convert.convert import Conversion, convert
from ranvier.convert.measure import reported_ticks
from ranvier.convert.network import Units
from ranvier.convert.report import AccuracyReport
from ranvier.convert.simulate import integer_layers, simulate
from ranvier.files.samples import load_pictures, load_samples
from ranvier.frontends.conventional import Clip, Conventional, DenseLayer, Relu
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from ranvier.model.run.golden import run_golden
from tests.convert.networks import random_network, rare_detector, rare_samples

CASES = Path(__file__).parents[1] / "cases" / "figures"
SAMPLES = np.random.default_rng(9).integers(0, 256, (200, 20), dtype=np.uint8)


def accuracy_of(found: Conversion) -> AccuracyReport:
    assert found.report.accuracy is not None
    return found.report.accuracy


@pytest.mark.parametrize("events", [1, 2, 4])
def test_rare_activity_sets_the_bound(events: int) -> None:
    """Percentiles count no zeros: a layer that is silent in nearly all samples keeps what it is there for."""
    network, rng = rare_detector(), np.random.default_rng(events)
    calibration, _ = rare_samples(rng, 2000, events)
    test, labels = rare_samples(rng, 1000, 300)
    found = convert(network, steps=32, calibration=calibration, weight_bits=8)
    largest = network.preactivations(calibration / 255)[0].max()
    assert 0.8 * largest < found.report.layers[0].bound <= largest
    readouts = run_golden(found.network, {"input": test}, 32).readouts["output"]
    assert np.array_equal(readouts.argmax(1), labels)


def test_a_silent_layer_is_named_before_and_after_quantisation() -> None:
    rng = np.random.default_rng(0)
    hidden, output = rng.normal(size=(8, 8)), DenseLayer("output", rng.normal(size=(8, 2)), np.zeros(2), None)
    samples = rng.integers(0, 256, (100, 8))
    silent = Conventional("s.onnx", 8, (DenseLayer("hidden", hidden, np.full(8, -50.0), Relu()), output))
    notes = convert(silent, steps=8, calibration=samples).report.notes
    assert any("layer hidden: no calibration sample activates it" in note for note in notes)
    assert any("layer output: its readout is the same" in note for note in notes)
    # Active in the conventional network, too weakly for a spike in two steps.
    weak = Conventional("w.onnx", 8, (DenseLayer("hidden", np.abs(hidden) * 0.01, np.zeros(8), Clip(6.0)), output))
    notes = convert(weak, steps=2, calibration=samples).report.notes
    assert any(note.startswith("layer hidden: no neuron spikes in 2 steps") for note in notes)
    assert not any("hidden" in note for note in convert(weak, steps=512, calibration=samples, state_bits=24).report.notes)
    # One large bias leaves no bits for the weights of the readout.
    heavy = DenseLayer("output", np.full((8, 2), 1e-6), np.array([1e6, 0]), None)
    notes = convert(Conventional("h.onnx", 8, (weak.layers[0], heavy)), steps=2, calibration=samples).report.notes
    assert any("layer output: every weight became 0 in 4 bits" in note for note in notes)
    assert not convert(random_network(), steps=4, calibration=SAMPLES).report.notes


@pytest.mark.parametrize("steps", [16, 64, 256])
def test_the_readout_has_room_for_the_steps_asked_for(steps: int) -> None:
    network = load_onnx(CASES / "wide_digits.onnx")
    calibration = load_samples(CASES / "digits_calibration.npz", network.input_size)
    found = convert(network, steps=steps, calibration=calibration, weight_bits=8)
    assert not any("clamp" in note for note in found.report.notes)
    pictures, labels = ranvier.load_pictures(CASES / "digits_test.npz", network.input_size)
    run = run_golden(found.network, {"input": pictures}, steps)
    assert not run.clamps[found.network.readouts[0].name].any()
    assert np.mean(ranvier.classify(run.readouts[found.network.readouts[0].name]) == labels) >= 0.970


def test_a_readout_with_room_is_left_as_it_is() -> None:
    """Few steps need no room: the network is the one that 1 step gives."""
    network = load_onnx(CASES / "wide_digits.onnx")
    calibration = load_samples(CASES / "digits_calibration.npz", network.input_size)
    scales = [convert(network, steps=steps, calibration=calibration, weight_bits=8).network.info["readout_scale"]
              for steps in (1, 4, 16, 256)]
    assert scales[0] == scales[1] <= scales[2] < scales[3]


def test_a_clamp_that_cannot_be_avoided_is_said() -> None:
    """Two bits of weight and 12 of state leave no scale for 60,000 steps."""
    network = random_network(sizes=(20, 4))
    notes = convert(network, steps=20000, calibration=SAMPLES[:4], weight_bits=2, state_bits=12).report.notes
    assert any("layer2" in note or "layer1: in" in note and "clamp" in note for note in notes), notes


def test_simulation_is_the_golden_model() -> None:
    found = convert(random_network(Relu()), steps=8, calibration=SAMPLES, state_bits=12, percentile=60).network
    trace = simulate(SAMPLES.astype(np.int64), Units.of(1, 8), integer_layers(found), [3, 40, 200], 200)
    for steps in (3, 40, 200):
        run = run_golden(found, {"input": SAMPLES}, steps)
        np.testing.assert_array_equal(trace.readouts[steps], run.readouts["layer3"])
    np.testing.assert_array_equal(np.rint(trace.rates[1] * 200), run.spike_counts["layer2"])
    for clamped, name in zip(trace.clamped, ("layer1", "layer2", "layer3"), strict=True):
        np.testing.assert_array_equal(clamped, run.clamps[name].any(axis=(1, 2)))
    assert any(clamped.any() for clamped in trace.clamped)


# Accuracy and advice


def test_ticks_of_the_report() -> None:
    assert reported_ticks(4) == [1, 2, 4, 8] and reported_ticks(6) == [1, 2, 4, 6, 8, 12] and reported_ticks(1) == [1, 2]


def test_accuracy_with_labels_and_agreement_without() -> None:
    model = random_network()
    classes = model.forward(SAMPLES / 255).argmax(1)
    labels = np.where(np.arange(200) % 4 == 0, (classes + 1) % 4, classes)     # a quarter is wrong
    found = convert(model, steps=4, calibration=SAMPLES, labels=labels)
    accuracy = accuracy_of(found)
    assert accuracy.measure == "accuracy" and accuracy.conventional == 0.75 and list(accuracy.spiking) == [1, 2, 4, 8]
    without = accuracy_of(convert(model, steps=4, calibration=SAMPLES))
    assert without.measure == "agreement" and without.conventional is None
    for steps in (1, 2, 4, 8):
        answers = run_golden(found.network, {"input": SAMPLES}, steps).readouts["layer3"].argmax(1)
        assert accuracy.spiking[steps] == np.mean(answers == labels)
        assert without.spiking[steps] == np.mean(answers == classes)
    assert convert(model, steps=4).report.accuracy is None


def test_labels_that_the_network_cannot_give() -> None:
    found = convert(random_network(), steps=4, calibration=SAMPLES, labels=np.arange(200) % 13)
    assert accuracy_of(found).measure == "agreement"
    assert "labels: they go to 12, and the network gives 0 to 3; no accuracy can be given" in found.report.notes


def test_advice_is_true() -> None:
    """What is advised was measured: the network with the changes gives the figure that stands there."""
    model = random_network(Relu(), sizes=(20, 10, 10, 4))
    found = convert(model, steps=2, calibration=SAMPLES, weight_bits=2)
    assert found.report.advice and len(found.report.advice) <= 4
    for advice in found.report.advice:
        assert advice.figure > advice.unchanged + 0.004
        changed = accuracy_of(convert(model, calibration=SAMPLES, **{"steps": 2, "weight_bits": 2, **advice.changes}))  # type: ignore[arg-type]
        assert changed.spiking[int(advice.changes.get("steps", 2))] == advice.figure
    assert found.report.advice[0].figure >= accuracy_of(found).spiking[2] + 0.1
    assert len(found.report.advice[0].changes) > 1
    assert all("instead of" in line for line in found.report.advice_lines())
    assert not convert(model, steps=128, calibration=SAMPLES, weight_bits=16, state_bits=24).report.advice


# What the values of samples mean


def standardised(model: Conventional, mean: np.ndarray, std: np.ndarray) -> Conventional:
    """The network that gives for (x - mean) / std what ``model`` gives for x."""
    first = model.layers[0]
    layer = replace(first, weight=first.weight * std[:, None], bias=first.bias + mean @ first.weight)
    return replace(model, layers=(layer, *model.layers[1:]))


@pytest.mark.parametrize("each", [1, 4, 20])
def test_mean_and_std_are_folded(each: int) -> None:
    """One number, one a channel, one a value: the integers are those of the network without them."""
    model, rng = random_network(), np.random.default_rng(3)
    mean, std = rng.normal(size=each), rng.uniform(0.2, 2, each)
    other = standardised(model, np.repeat(mean, 20 // each), np.repeat(std, 20 // each))
    found = convert(other, steps=8, calibration=SAMPLES, mean=mean, std=std)
    plain = convert(model, steps=8, calibration=SAMPLES)
    for mine, theirs in zip(found.network.projections, plain.network.projections, strict=True):
        np.testing.assert_array_equal(mine.weights, theirs.weights)
    assert accuracy_of(found).spiking == accuracy_of(plain).spiking
    assert found.network.info["input"] == {"range": None, "mean": mean.tolist(), "std": std.tolist()}
    assert "input" not in plain.network.info and "answer" not in plain.network.info


def test_inputs_below_zero() -> None:
    """A range that begins below 0, without mean and std."""
    model = random_network()
    first = model.layers[0]
    shifted = replace(model, layers=(replace(first, weight=first.weight / 4, bias=first.bias + 0.5 * first.weight.sum(axis=0)),
                                     *model.layers[1:]))
    values = SAMPLES / 255 * 4 - 2
    found = convert(shifted, steps=8, calibration=values, input_range=(-2, 2))
    plain = convert(model, steps=8, calibration=SAMPLES)
    assert accuracy_of(found).spiking == accuracy_of(plain).spiking
    with pytest.raises(RanvierError, match=r"calibration: floats from -2 to 2.*input_range=\(LOW, HIGH\).*mean= and std="):
        convert(shifted, steps=8, calibration=values)


def test_a_network_trained_on_0_to_16() -> None:
    network = load_onnx(CASES / "trained_on_0_16.onnx")
    samples = load_samples(CASES / "raw_test.npz", network.input_size)
    wrong = convert(network, steps=16, calibration=samples).report
    assert any("from 0 to 16, of a range of 0 to 255" in note and "input_range=(0, 16)" in note for note in wrong.notes)
    assert any("9.81 % of the labels, and 97.78 % with input_range=(0, 16)" in note for note in wrong.notes)
    right = convert(network, steps=16, calibration=samples, input_range=(0, 16))
    assert not right.report.notes
    assert accuracy_of(right).conventional == pytest.approx(0.977, abs=0.003) and accuracy_of(right).spiking[16] > 0.96


@pytest.mark.parametrize(("scale", "kind", "words"), [
    (1.0, np.uint8, "from 0 to 1, of a range of 0 to 255"), (1 / 255, np.float64, "from 0 to 0.00392157, of a range of 0 to 1")])
def test_faint_samples_are_said(scale: float, kind: type, words: str) -> None:
    samples = (np.random.default_rng(1).integers(0, 2, (50, 20)) * scale).astype(kind)
    assert any(words in note for note in convert(random_network(), steps=4, calibration=samples).report.notes)


def test_labels_tell_of_inputs_that_were_standardised() -> None:
    plain = random_network(Relu(), seed=4)
    labels = plain.forward(SAMPLES / 255).argmax(1)
    mean, std = float((SAMPLES / 255).mean()), float((SAMPLES / 255).std())
    other = standardised(plain, np.full(20, mean), np.full(20, std))
    report = convert(other, steps=4, calibration=SAMPLES, labels=labels).report
    assert any(f"100.00 % with mean={mean:.4g} std={std:.4g}" in note for note in report.notes), report.notes
    assert not any("trained on such" in note for note in convert(
        other, steps=4, calibration=SAMPLES, labels=labels, mean=mean, std=std).report.notes)


@pytest.mark.parametrize(("changes", "words"), [
    ({"input_range": (1, 0)}, "input_range: 1, 0; it must be two numbers"), ({"input_range": (0, float("nan"))}, "input_range"),
    ({"mean": [0.1] * 3}, "mean: 3 numbers; a sample has 20"), ({"std": 0}, "std: 0; it must be above 0"),
    ({"std": "wide"}, "std: it must be a finite number"), ({"answer": "binary"}, "answer: it is binary, and the network has 4 outputs"),
    ({"answer": "number"}, "class, binary or value"), ({"labels": np.zeros(3)}, "labels: .*they must be 200 numbers"),
    ({"labels": np.full(200, np.nan)}, "NaN")])
def test_bad_words_on_inputs(changes: dict[str, object], words: str) -> None:
    with pytest.raises(RanvierError, match=words):
        convert(random_network(), steps=4, calibration=SAMPLES, **changes)  # type: ignore[arg-type]


# Python's own ways


def test_arrays_are_taken_as_files_are() -> None:
    model = random_network()
    whole = convert(model, steps=np.int64(4), calibration=SAMPLES)  # type: ignore[arg-type]
    for same in (SAMPLES / 255, (SAMPLES / 255).astype(np.float32), (SAMPLES / 255).reshape(200, 4, 5)):
        assert accuracy_of(convert(model, steps=4, calibration=same)).spiking == accuracy_of(whole).spiking
    placement = ranvier.map_network(whole.network, ranvier.choose_fabric(whole.network, cores=1, lanes=4))
    expected = ranvier.run_golden_set(placement, SAMPLES, np.int64(4)).readouts  # type: ignore[arg-type]
    np.testing.assert_array_equal(ranvier.run_golden_set(placement, SAMPLES / 255, 4).readouts, expected)
    np.testing.assert_array_equal(ranvier.run_golden_set(placement, SAMPLES.reshape(200, 5, 4), 4).readouts, expected)
    with ranvier.Device.open("golden:") as device:
        device.load(whole.network)
        np.testing.assert_array_equal(device.run(SAMPLES / 255, 4).readouts["layer3"], expected)
    with pytest.raises(RanvierError, match="steps is True"):
        ranvier.run_golden_set(placement, SAMPLES, True)


def test_a_range_holds_in_runs_too() -> None:
    found = convert(random_network(), steps=4, calibration=SAMPLES / 255 * 16, input_range=(0, 16)).network
    placement = ranvier.map_network(found, ranvier.choose_fabric(found, cores=1, lanes=4))
    np.testing.assert_array_equal(ranvier.run_golden_set(placement, SAMPLES / 255 * 16, 4).readouts,
                                  run_golden(found, {"input": SAMPLES}, 4).readouts["layer3"])
    with pytest.raises(RanvierError, match="0 to 16"):
        ranvier.run_golden_set(placement, SAMPLES, 4)


def test_records_are_there_when_asked_for() -> None:
    network = convert(random_network(), steps=4).network
    placement = ranvier.map_network(network, ranvier.choose_fabric(network, cores=1, lanes=4))
    assert ranvier.run_golden_set(placement, SAMPLES[:3], 4).golden.spikes == {}
    assert ranvier.run_golden_set(placement, SAMPLES[:3], 4, record=True).golden.spikes["layer1"].shape == (3, 4, 16)


def test_a_file_can_be_converted() -> None:
    found = convert(CASES / "one_output_sigmoid.onnx", steps=4, calibration=np.zeros((2, 6))).network
    assert found.info["source"] == "one_output_sigmoid.onnx" and found.info["answer"]["kind"] == "binary"
    assert convert(str(CASES / "binary.onnx"), steps=4, calibration=np.ones((2, 30))).network.readouts[0].size == 1
    with pytest.raises(RanvierError, match="convert: a dict is no network"):
        convert({}, steps=4)  # type: ignore[arg-type]
    with pytest.raises(RanvierError, match="no such file"):
        convert("none.onnx", steps=4)


def test_representations_are_short() -> None:
    found = convert(random_network(sizes=(64, 48, 10)), steps=4)
    placement = ranvier.map_network(found.network, ranvier.choose_fabric(found.network, cores=2, lanes=64))
    result = ranvier.run_golden_set(placement, np.zeros((3, 64), np.uint8), 4)
    things = [found, found.network, *found.network.populations, *found.network.projections, placement, result, result.golden]
    with ranvier.Device.open("golden:") as device:
        device.load(found.network)
        things.append(device.run(np.zeros((2, 64), np.uint8), 4))
    for thing in things:
        assert type(thing).__name__ in repr(thing) and len(repr(thing)) < 400, repr(thing)


def test_samples_of_a_network_with_a_range_of_its_own_are_in_that_range(tmp_path: Path) -> None:
    values = np.array([[0, 16], [8, 4]], np.uint8)
    np.savez(tmp_path / "samples.npz", samples=values)
    model = Conventional("x.onnx", 2, (DenseLayer("out", np.eye(2), np.zeros(2), None),))
    found = convert(model, steps=4, input_range=(0, 16)).network
    assert load_pictures(tmp_path / "samples.npz", found)[0].tolist() == [[0, 255], [128, 64]]
    assert load_pictures(tmp_path / "samples.npz", 2)[0].tolist() == values.tolist()

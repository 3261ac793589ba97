"""What readouts mean: classes, two classes by a sign, values; and networks that do not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ranvier
from ranvier.convert.answer import answer_of, choose, judge, values_of
from ranvier.convert.convert import convert
from ranvier.files.samples import load_samples
from ranvier.frontends.conventional import Answer, Conventional
from ranvier.frontends.onnx import load_onnx
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.run.golden import run_golden
from tests.convert.networks import random_network

CASES = Path(__file__).parents[1] / "cases" / "figures"
SAMPLES = np.random.default_rng(9).integers(0, 256, (200, 20), dtype=np.uint8)


def single(answer: Answer | None = None) -> Conventional:
    """One output, about half of whose values are above 0."""
    model = random_network(sizes=(20, 16, 1))
    last = model.layers[-1]
    middle = float(np.median(model.forward(SAMPLES / 255)))
    model = replace(model, layers=(*model.layers[:-1], replace(last, bias=last.bias - middle)))
    return model if answer is None else replace(model, answer=answer)


def test_binary_by_the_sign() -> None:
    network = load_onnx(CASES / "binary.onnx")
    test = load_samples(CASES / "binary_test.npz", network.input_size)
    pictures, labels = ranvier.load_pictures(CASES / "binary_test.npz", network.input_size)
    found = convert(network, steps=64, calibration=load_samples(CASES / "binary_calibration.npz", network.input_size), weight_bits=8)
    run = run_golden(found.network, {"input": pictures}, 64).readouts[found.network.readouts[0].name]
    assert np.mean(ranvier.classify(run, found.network) == labels) >= 0.9649
    with_labels = convert(network, steps=16, calibration=test).report
    assert any("class 1 is where it is above 0" in note for note in with_labels.notes)
    assert with_labels.accuracy is not None and with_labels.accuracy.conventional == pytest.approx(0.96491, abs=1e-5)


@pytest.mark.parametrize("threshold", [-0.4, 0.0, 0.7])
@pytest.mark.parametrize("steps", [4, 64, 256])
def test_the_threshold_is_kept_whatever_the_scale(threshold: float, steps: int) -> None:
    model = single(Answer("binary", threshold))
    found = convert(model, steps=steps, calibration=SAMPLES, weight_bits=16, state_bits=24).network
    run = run_golden(found, {"input": SAMPLES}, steps).readouts["layer2"]
    scale = found.info["readout_scale"]
    np.testing.assert_array_equal(ranvier.classify(run, found, steps), run[:, 0] * scale / steps > threshold)
    if steps == 256:
        assert np.mean(ranvier.classify(run, found, steps) == (model.forward(SAMPLES / 255)[:, 0] > threshold)) > 0.97
    if threshold:
        with pytest.raises(RanvierError, match="give the steps"):
            ranvier.classify(run, found)


def test_labels_of_0_and_1_say_binary_unless_the_user_speaks() -> None:
    model, labels = single(), (np.arange(200) % 2)
    said = convert(model, steps=4, calibration=SAMPLES, labels=labels)
    assert said.network.info["answer"] == {"kind": "binary", "threshold": 0.0, "classes": None, "final": None}
    assert convert(model, steps=4, calibration=SAMPLES, labels=labels, answer="value").network.info["answer"]["kind"] == "value"
    assert convert(model, steps=4, calibration=SAMPLES, labels=labels * 0.5).network.info["answer"]["kind"] == "value"
    open_ended = convert(model, steps=4, calibration=SAMPLES)
    assert "answer" not in open_ended.network.info and any("answer=binary or answer=value" in n for n in open_ended.report.notes)
    assert answer_of(open_ended.network).kind == "value" and answer_of(open_ended.network, labels).kind == "binary"
    assert answer_of(open_ended.network, labels + 1).kind == "value"


def test_values_come_in_the_network_s_own_units() -> None:
    model = single(Answer("value"))
    wanted = model.forward(SAMPLES / 255)
    targets = wanted[:, 0] + np.where(np.arange(200) % 2, 0.5, -0.5)
    found = convert(model, steps=256, calibration=SAMPLES, labels=targets, weight_bits=16, state_bits=24)
    assert found.report.accuracy is not None and found.report.accuracy.measure == "rms error"
    assert found.report.accuracy.conventional == pytest.approx(0.5)
    run = run_golden(found.network, {"input": SAMPLES}, 256).readouts["layer2"]
    values, scale = values_of(found.network, run, 256)
    assert scale is not None and np.allclose(values, run * scale) and np.abs(values - wanted).mean() < 0.02
    figures, notes = judge(answer_of(found.network), values, targets)
    assert figures["mean_absolute_error"] == pytest.approx(0.5, abs=0.02) and not notes and "accuracy" not in figures
    with pytest.raises(RanvierError, match="a value, not a class"):
        ranvier.classify(run, found.network)


def test_values_below_zero_are_cut_where_the_file_does() -> None:
    found = convert(single(Answer("value", final="relu")), steps=4, calibration=SAMPLES).network
    values, _ = values_of(found, np.array([[-5], [5]]), 4, answer_of(found))
    assert values[0, 0] == 0 and values[1, 0] > 0


def test_classes_stand_for_labels() -> None:
    model = replace(random_network(), answer=Answer("class", classes=(3, 5, 8, 12)))
    labels = np.array([3, 5, 8, 12])[model.forward(SAMPLES / 255).argmax(1)]
    found = convert(model, steps=64, calibration=SAMPLES, labels=labels, weight_bits=8)
    assert found.report.accuracy is not None and found.report.accuracy.conventional == 1.0
    run = run_golden(found.network, {"input": SAMPLES}, 64).readouts["layer3"]
    assert set(ranvier.classify(run, found.network)) <= {3, 5, 8, 12}
    assert "the network gives 3, 5, 8, 12" in judge(answer_of(found.network), run.astype(float), labels * 0)[1][0]


def test_judge_says_what_it_cannot_compare() -> None:
    values = np.zeros((3, 4))
    assert "begin at -1" in judge(Answer("class"), values, np.array([-1, 0, 1]))[1][0]
    assert "not whole numbers" in judge(Answer("class"), values, np.array([0.5, 0, 1]))[1][0]
    assert "1 numbers a sample" in judge(Answer("value"), values, np.zeros(3))[1][0]
    assert judge(Answer("class"), values, None) == ({}, ())


def test_classify_without_a_network() -> None:
    assert ranvier.classify(np.array([[1, 3, 3], [0, 0, 0]])).tolist() == [1, 0]
    assert choose(Answer("binary"), np.array([[-1.0], [0.0], [1.0]])).tolist() == [0, 0, 1]
    with pytest.raises(RanvierError, match="give the network too"):
        ranvier.classify(np.zeros((3, 1)))
    with pytest.raises(RanvierError, match="must be"):
        ranvier.classify(np.zeros(3))


PLAIN = {"kind": "class", "threshold": 0.0, "classes": None, "final": None}


@pytest.mark.parametrize("record", [
    3, {}, {**PLAIN, "more": 1}, {**PLAIN, "kind": "other"}, {**PLAIN, "kind": "binary"}, {**PLAIN, "threshold": float("inf")},
    {**PLAIN, "classes": [1, 2]}, {**PLAIN, "classes": [1, 2, 3, True]}, {**PLAIN, "final": "tanh"}])
def test_damaged_records_are_refused(record: object) -> None:
    network = convert(random_network(), steps=4).network
    damaged = Network(network.populations, network.projections, info={**network.info, "answer": record})
    with pytest.raises(RanvierError, match="'answer' is not what conversion writes"):
        answer_of(damaged)

"""Delays that learn: whole in the forward pass, one projection for each in the network, and found again by training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ranvier import training
from ranvier.model.errors import RanvierError
from ranvier.training.delays import gates

STEPS = 12


def network(each: str = "synapse", **options: Any) -> training.Network:
    """Delays into a hidden population, within it, and from a convolution."""
    return training.Network(
        [training.Input("in", (4, 4, 1)), training.IF("seen", (2, 2, 3)), training.LIF("hidden", 5, 0.75), training.LI("out", 2)],
        [training.Conv2d("in", "seen", 2, stride=2, delay=training.Delays(5, each=each)),
         training.Dense("seen", "hidden", delay=training.Delays(7, 2, each)), training.Dense("seen", "hidden"),
         training.Dense("hidden", "hidden", delay=training.Delays(4, 1, each)), training.Dense("hidden", "out")], input_bits=1, **options)


@pytest.mark.parametrize("each", ["synapse", "source", "destination", "projection"])
def test_what_runs_is_the_integer_model(each: str) -> None:
    """Before and after steps of training, with and without gradients; every synapse in one projection, that of its delay."""
    model, rng = network(each), np.random.default_rng(3)
    inputs, labels = rng.integers(0, 2, (6, STEPS, 16)), torch.from_numpy(rng.integers(0, 2, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.2)
    before = [p.delays for p in model.projections]
    for _ in range(4):
        output = model(inputs, record=True)
        with torch.no_grad():
            plain = model(inputs, record=True)
        assert torch.equal(output.word("hidden"), plain.word("hidden"))
        assert float(output.operations().detach()) == float(plain.operations())
        training.check(model, inputs, STEPS)
        integers = model.to_network()
        for projection in model.projections:
            parts = [p for p in integers.projections if (p.source, p.destination) == (projection.source, projection.destination)
                     and (p.delay in projection.delay.steps if isinstance(projection.delay, training.Delays) else p.delay == 0)]
            whole = projection.quantised(model.by_name[projection.destination], 4).detach().numpy()
            np.testing.assert_array_equal(sum(p.weights for p in parts), whole)
            for part in parts:
                assert np.all(np.broadcast_to(projection.delays, whole.shape)[part.weights != 0] == part.delay)
        optimizer.zero_grad()
        (training.cross_entropy(output, labels) + output.word("hidden").square().mean() * 1e-3).backward()
        optimizer.step()
    assert all(np.any(a != b.delays) for a, b in zip(before, model.projections, strict=True) if b.place is not None)


def test_training_finds_the_delays_of_a_teacher() -> None:
    rng = np.random.default_rng(5)
    weight, delays = rng.choice([-1, 1], (6, 5)) * rng.integers(3, 8, (6, 5)) / 7, rng.integers(0, 9, (6, 5))

    def of(start: Any) -> training.Network:
        return training.Network([training.Input("in", 6), training.LI("out", 5, 0.5)],
                                [training.Dense("in", "out", weight=weight, learn=False, delay=training.Delays(8, start=start))],
                                input_bits=1, seed=1)

    teacher, pupil = of(delays), of(None)
    assert np.array_equal(teacher.projections[0].delays[0, 0], delays)
    right = [(pupil.projections[0].delays[0, 0] == delays).mean()]
    optimizer = torch.optim.Adam([p for p in pupil.parameters() if p.requires_grad], lr=0.02)
    for step in range(150):
        pupil.anneal(step / 149)
        inputs = (rng.random((32, 20, 6)) < 0.2).astype(np.int64)
        with torch.no_grad():
            expected = teacher(inputs).word("out")
        optimizer.zero_grad()
        (pupil(inputs).word("out") - expected).square().mean().backward()
        optimizer.step()
    right.append((pupil.projections[0].delays[0, 0] == delays).mean())
    assert right[0] < 0.3 and right[1] > 0.9, right


def test_the_gradient_is_that_of_a_gaussian() -> None:
    """A place between two delays, against the slope of the normalised Gaussian by differences."""
    delays, width, step = training.Delays(4), 0.8, 1e-6

    def soft(place: float) -> Any:
        share = np.exp(-(np.arange(5) - 4 * place) ** 2 / (2 * width ** 2))
        return share / share.sum()

    place = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    found = gates(place, delays, width)
    assert [float(gate.detach()) for gate in found] == [0, 1, 0, 0, 0]
    slopes = [float(torch.autograd.grad(gate.sum(), place, retain_graph=True)[0]) for gate in found]
    np.testing.assert_allclose(slopes, (soft(0.3 + step) - soft(0.3 - step)) / (2 * step), rtol=1e-6)


def test_fit_narrows_the_gaussian_and_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    data = rng.integers(0, 2, (24, STEPS, 16)), rng.integers(0, 2, 24)
    options: dict[str, Any] = {"steps": STEPS, "batch": 8, "progress": False}
    whole, again = network(), network(seed=4)
    training.fit(whole, data, epochs=3, checkpoint=tmp_path / "whole.npz", **options)
    assert [round(p.sigma, 9) for p in whole.projections] == [0.5, 0.5, 0, 0.5, 0]
    training.fit(again, data, epochs=3, checkpoint=tmp_path / "whole.npz", resume=True, **options)
    assert all(np.array_equal(a.delays, b.delays) for a, b in zip(whole.projections, again.projections, strict=True))


def test_back_and_there_the_delays_stay() -> None:
    model = network()
    integers = model.to_network()
    again = training.to_network(training.from_network(integers))
    assert [(p.name, p.delay) for p in again.projections] == [(p.name, p.delay) for p in integers.projections]
    assert all(np.array_equal(p.weights, q.weights) for p, q in zip(again.projections, integers.projections, strict=True))


def test_what_cannot_be_is_one_line() -> None:
    def loop(least: int) -> training.Network:
        return training.Network([training.Input("in", 2), training.IF("h", 2), training.LI("out", 2)],
                                [training.Dense("in", "h"), training.Dense("h", "h", delay=training.Delays(3, least)),
                                 training.Dense("h", "out")])

    loop(1)
    for message, build in (
            ("most is 16", lambda: training.Delays(16)), ("least is 3 and most 3", lambda: training.Delays(3, 3)),
            ("each is 'neuron'", lambda: training.Delays(3, each="neuron")), ("sigma", lambda: training.Delays(3, sigma=(0.0, 1.0))),
            ("cycle without delay", lambda: loop(0)),
            ("its spikes would wait 16 ticks", lambda: training.Network([training.Input("in", 2), training.LI("out", 2)],
                                                                        [training.Dense("in", "out", delay=training.Delays(15))])),
            ("begin with must be 0 to 3", lambda: training.Network([training.Input("in", 2), training.LI("out", 2)], [
                training.Dense("in", "out", delay=training.Delays(3, start=4))])),
            ("spread over", lambda: training.Network([training.Input("in", 2), training.LI("out", 2)], [
                training.Dense("in", "out", delay=training.Delays(3, start=[1, 2, 3]))]))):
        with pytest.raises(RanvierError, match=message) as found:
            build()
        assert "\n" not in str(found.value)

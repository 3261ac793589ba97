"""Rate code: the regular one against an input population of the golden model, the Bernoulli one against its generator."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.encoders import decode_rate, rate
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.semantics import Semantics
from ranvier.model.prng import Purpose, prng
from ranvier.model.run.golden import run_golden


def _model(levels: npt.NDArray[np.int64], steps: int, input_bits: int, v_init: int) -> npt.NDArray[np.bool_]:
    """Spikes [steps, n] of an input population in the golden model; ``levels`` are (n,), or [steps, n]."""
    theta = (1 << input_bits) - 1
    source = Population("in", (1, 1, levels.shape[-1]), "input", {"theta": theta, "v_init": v_init, "v_min": 0, "v_max": theta},
                        Semantics(strict=False, reset="subtract"))
    run = run_golden(Network((source,), (), input_bits=input_bits, state_bits=20), {"in": levels[None]}, steps, record=True)
    return np.asarray(run.spikes["in"][0] != 0)


@pytest.mark.parametrize("steps", [1, 2, 7, 16, 40])
@pytest.mark.parametrize("v_init", [None, 0, 1, 200, 254])
def test_regular_is_an_input_population(steps: int, v_init: int | None) -> None:
    levels = np.arange(256)
    found = rate(levels / 255, steps, v_init=v_init)
    assert found.dtype == bool
    assert np.array_equal(found, _model(levels, steps, 8, 127 if v_init is None else v_init))


@pytest.mark.parametrize("input_bits", [1, 4, 8, 16])
def test_regular_with_a_new_value_in_every_step(input_bits: int) -> None:
    theta = (1 << input_bits) - 1
    levels = np.random.default_rng(input_bits).integers(0, theta + 1, (40, 30))
    assert np.array_equal(rate(levels / theta, input_bits=input_bits), _model(levels, 40, input_bits, theta // 2))


@given(st.integers(0, 255), st.integers(1, 100), st.integers(0, 254))
def test_regular_has_as_many_spikes_as_the_number_format_says(level: int, steps: int, v_init: int) -> None:
    assert rate(level / 255, steps, v_init=v_init).sum() == (v_init + steps * level) // 255


@given(st.floats(0, 1), st.integers(1, 200), st.integers(1, 16))
def test_decoder_is_within_half_a_spike(value: float, steps: int, bits: int) -> None:
    theta = (1 << bits) - 1
    error = abs(float(decode_rate(rate(value, steps, input_bits=bits))) - value)
    assert error <= 0.5 / steps + (0.5 + 0.5 / steps) / theta + 1e-12


def test_bernoulli_is_its_generator() -> None:
    values = np.random.default_rng(1).random((3, 4))
    found = rate(values, 5, method="bernoulli", seed=9, first_step=40)
    assert found.shape == (5, 3, 4)
    for step in range(5):
        for n, value in enumerate(values.reshape(-1).tolist()):
            number = prng(9, 40 + step, n, int(Purpose.RATE))
            assert found.reshape(5, -1)[step, n] == (int(number) < value * 2**32)  # type: ignore[call-overload]


def test_bernoulli_compares_to_the_last_bit() -> None:
    """A value of exactly the number drawn does not spike, and one 2**-32 larger does."""
    numbers = np.array([int(prng(9, 0, neuron, int(Purpose.RATE))) for neuron in range(50)])  # type: ignore[arg-type]
    assert not rate(numbers / 2**32, 1, method="bernoulli", seed=9).any()
    assert rate((numbers + 1) / 2**32, 1, method="bernoulli", seed=9).all()


def test_bernoulli_ends_and_means() -> None:
    values = np.linspace(0, 1, 21)
    steps = 4000
    found = rate(values, steps, method="bernoulli", seed=3)
    means = decode_rate(found)
    assert means[0] == 0 and means[-1] == 1
    assert np.all(np.abs(means - values) <= 5 * np.sqrt(values * (1 - values) / steps))
    moving = rate(np.tile(values, (steps, 1)), method="bernoulli", seed=3)
    assert np.array_equal(moving, found)


def test_samples_of_a_run_get_draws_of_their_own() -> None:
    values = np.full(400, 0.5)
    whole = rate(values, 8, method="bernoulli", seed=3)
    assert np.array_equal(rate(values, 4, method="bernoulli", seed=3, first_step=4), whole[4:])
    share = float((whole[:4] == whole[4:]).mean())
    assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(whole[4:].size)


@pytest.mark.parametrize(("arguments", "message"), [
    (([1.5], 4), "rate: values from 1.5 to 1.5; scale them to 0 to 1"), (([-0.1], 4), "scale them"),
    (([float("nan")], 4), "rate: NaN or infinity"), ((["a"], 4), "give numbers"), (([[1], [1, 2]], 4), "no rectangular shape"),
    (([0.5], 0), "steps is 0; it must be a whole number from 1 to 65535"), (([0.5], 2.0), "steps is 2.0"), (([0.5], True), "steps is True"),
    ((0.5, None), "a single value and no steps"),
])
def test_bad_values(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        rate(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("options", "message"), [
    ({"method": "poisson"}, "method is 'poisson'; it must be one of regular, bernoulli"), ({"input_bits": 17}, "input_bits is 17"),
    ({"v_init": 255}, "v_init is 255; it must be 0 to 254"), ({"method": "bernoulli", "seed": -1}, "prng: seed is -1"),
])
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(RanvierError, match=message):
        rate([0.5], 4, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("spikes", [1, np.zeros((0, 3)), np.array(["a"])])
def test_decoder_wants_steps(spikes: object) -> None:
    with pytest.raises(RanvierError, match="decode_rate: spikes of the shape"):
        decode_rate(spikes)  # type: ignore[arg-type]

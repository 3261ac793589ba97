"""`rtl/fixed.py` against `model/fixed.py`, function by function, in Amaranth's own simulator."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.sim import Simulator

from ranvier.model import fixed as model
from ranvier.rtl import fixed as rtl

STATE_BITS = (12, 16, 25, 32)


def _extremes(bits: int) -> list[int]:
    high = (1 << bits - 1) - 1
    return sorted({-high - 1, -high, -1, 0, 1, high - 1, high})


def _draw(rng: random.Random, bits: int) -> int:
    return rng.choice([*_extremes(bits), rng.randint(-(1 << bits - 1), (1 << bits - 1) - 1), rng.randint(-200, 200)])


def _evaluate(inputs: list[Signal], output: Value, cases: list[tuple[int, ...]]) -> Iterator[int]:
    """The output's value for each case; all logic is combinational."""
    m = Module()
    result = Signal.like(output, name="result")
    m.d.comb += result.eq(output)
    found: list[int] = []

    async def bench(ctx: object) -> None:
        for case in cases:
            for signal, value in zip(inputs, case, strict=True):
                ctx.set(signal, value)  # type: ignore[attr-defined]
            found.append(int(ctx.get(result)))  # type: ignore[attr-defined]

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return iter(found)


def _compare(inputs: list[Signal], output: Value, cases: list[tuple[int, ...]], expected: Callable[..., int]) -> None:
    for case, found in zip(cases, _evaluate(inputs, output, cases), strict=True):
        want = expected(*case)
        assert found == want, f"{dict(zip((s.name for s in inputs), case, strict=True))}: expected {want}, found {found}"


@pytest.fixture(params=STATE_BITS, ids=lambda bits: f"{bits}-bit")
def bits(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def rng(seed: int, bits: int) -> random.Random:
    return random.Random(f"{seed} {bits}")


@pytest.mark.parametrize("rounding", sorted(model.ROUNDING))
def test_decay(bits: int, rng: random.Random, rounding: str) -> None:
    x, k = Signal(signed(bits), name="x"), Signal(17, name="k")
    factors = [0, 1, 2, 32767, 32768, 32769, 65535, 65536]
    cases = [(v, f) for v in _extremes(bits) for f in factors]
    # Halves and what lies beside them: x odd and k = 32768, or x * k near a multiple of 2**16.
    cases += [(sign * n, f) for n in range(8) for f in factors for sign in (1, -1)]
    cases += [(_draw(rng, bits), rng.choice([rng.randint(0, 65536), 65536 - rng.randint(0, 5)])) for _ in range(600)]
    product = rtl.decay_product(x, k)
    assert len(product) == bits + model.DECAY_SHIFT
    whole = Mux(rtl.decay_whole(k), x, 0)[:bits]
    carry = rtl.decay_carry(product, x[-1], rounding)
    _compare([x, k], rtl.add_with_carry(product[model.DECAY_SHIFT:], whole, carry).as_signed(), cases,
             lambda v, f: model.decay(v, f, rounding))


def test_spike_count(bits: int, rng: random.Random) -> None:
    u, theta, strict = Signal(signed(bits), name="u"), Signal(signed(bits), name="theta"), Signal(name="strict")
    cases = []
    for _ in range(600):
        threshold = max(1, abs(_draw(rng, bits)) % (1 << bits - 1))
        membrane = rng.choice([_draw(rng, bits), threshold - 1, threshold, min(threshold + 1, (1 << bits - 1) - 1)])
        cases.append((membrane, threshold, rng.randrange(2)))
    less = (u - theta)[:bits]
    _compare([u, theta, strict], rtl.spike_count(u, less, theta, strict), cases, lambda v, t, s: model.spike_count(v, t, bool(s)))


def test_clamp(bits: int, rng: random.Random) -> None:
    x, low, high = (Signal(signed(bits), name=name) for name in ("x", "low", "high"))
    cases = []
    for _ in range(600):
        bounds = sorted([_draw(rng, bits), _draw(rng, bits)])
        cases.append((rng.choice([_draw(rng, bits), *bounds]), *bounds))
    below, above = rtl.clamp_choice(x, low, high)
    _compare([x, low, high], Mux(below, low, Mux(above, high, x)), cases, model.clamp)


@pytest.mark.parametrize("width", [1, 2, 3, 8, 13, 64])
def test_popcount(seed: int, width: int) -> None:
    rng = random.Random(f"{seed} {width}")
    bits = Signal(width, name="bits")
    cases = [(0,), ((1 << width) - 1,), *((rng.getrandbits(width),) for _ in range(200))]
    _compare([bits], Value.cast(rtl.popcount(bits)), cases, int.bit_count)

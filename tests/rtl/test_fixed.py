"""`rtl/fixed.py` against `model/fixed.py`, function by function, in Amaranth's own simulator."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.sim import Simulator

from ranvier.model import fixed as model
from ranvier.model.network.semantics import RESETS
from ranvier.rtl import fixed as rtl

STATE_BITS = (12, 16, 25, 32)


def _extremes(bits: int) -> list[int]:
    high = (1 << bits - 1) - 1
    return sorted({-high - 1, -high, -1, 0, 1, high - 1, high})


def _draw(rng: random.Random, bits: int) -> int:
    return rng.choice([*_extremes(bits), rng.randint(-(1 << bits - 1), (1 << bits - 1) - 1), rng.randint(-200, 200)])


def _evaluate(inputs: list[Signal], output: Value, cases: list[tuple[int, ...]], between: Sequence[Any] = ()) -> Iterator[int]:
    """The output's value for each case; all logic is combinational. ``between`` drives signals that the output is made of."""
    m = Module()
    m.d.comb += between
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


def _compare(inputs: list[Signal], output: Value, cases: list[tuple[int, ...]], expected: Callable[..., int],
             between: Sequence[Any] = ()) -> None:
    for case, found in zip(cases, _evaluate(inputs, output, cases, between), strict=True):
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
    found = rtl.decay(x, k, rounding)
    assert len(found) == bits
    _compare([x, k], found, cases, lambda v, f: model.decay(v, f, rounding))


def test_decay_adds_what_arrives(bits: int, rng: random.Random) -> None:
    x, k, plus = Signal(signed(bits), name="x"), Signal(17, name="k"), Signal(signed(bits), name="plus")
    cases = []
    for _ in range(600):
        membrane, factor = _draw(rng, bits), rng.choice([0, 65536, rng.randint(0, 65536)])
        high = (1 << bits - 1) - 1
        leaked = model.decay(membrane, factor)
        cases.append((membrane, factor, rng.randint(max(-high - 1, -high - 1 - leaked), min(high, high - leaked))))
    _compare([x, k, plus], rtl.decay(x, k, "nearest", plus=plus), cases, lambda v, f, p: model.decay(v, f) + p)


def test_spike_count(bits: int, rng: random.Random) -> None:
    u, theta, strict = Signal(signed(bits), name="u"), Signal(signed(bits), name="theta"), Signal(name="strict")
    cases = []
    for _ in range(600):
        threshold = max(1, abs(_draw(rng, bits)) % (1 << bits - 1))
        membrane = rng.choice([_draw(rng, bits), threshold - 1, threshold, min(threshold + 1, (1 << bits - 1) - 1)])
        cases.append((membrane, threshold, rng.randrange(2)))
    less = (u - theta)[:bits]
    _compare([u, theta, strict], rtl.spike_count(u, less, theta, strict), cases, lambda v, t, s: model.spike_count(v, t, bool(s)))


@pytest.mark.parametrize("planes", [2, 5, 8])
@pytest.mark.parametrize("more", [0, 2])
def test_planes_of_a_count(bits: int, rng: random.Random, planes: int, more: int) -> None:
    """The restoring division, all planes in one clock: count and what is left, of sums that may be wider than theta."""
    u, theta, strict = Signal(signed(bits + more), name="u"), Signal(signed(bits), name="theta"), Signal(name="strict")
    rest, count, between = u, Signal(planes), list[Any]()
    for plane in reversed(range(planes)):
        less, left = rtl.lessened(rest, theta, plane), Signal(signed(len(u)), name=f"rest_{plane}")
        between += [count[plane].eq(rtl.spike_count(rest, less, theta, strict, plane)),
                    left.eq(Mux(count[plane], Cat(rest[:plane], less)[:len(u)].as_signed(), rest))]
        rest = left
    high, cases = (1 << bits + more - 1) - 1, []
    for _ in range(600):
        threshold = max(1, abs(_draw(rng, bits)) % (1 << bits - 1))
        near = min(rng.randrange(1 << planes) * threshold + rng.randint(-1, 1), high)
        cases.append((rng.choice([_draw(rng, bits + more), near, near]), threshold, rng.randrange(2)))
    _compare([u, theta, strict], count, cases, lambda v, t, s: model.spike_count(v, t, bool(s), planes), between)
    _compare([u, theta, strict], rest, cases, lambda v, t, s: v - t * model.spike_count(v, t, bool(s), planes), between)


def test_decay_that_is_left_out_or_cleared(bits: int, rng: random.Random) -> None:
    x, k, scaled, where = Signal(signed(bits), name="x"), Signal(17, name="k"), Signal(name="scaled"), Signal(name="where")
    cases = [(_draw(rng, bits), rng.choice([0, 65536, rng.randint(0, 65536)]), rng.randrange(2), rng.randrange(2)) for _ in range(600)]
    for rounding in sorted(model.ROUNDING):
        found = rtl.decay(x, k, rounding, bits=bits + 2, scaled=scaled, where=where)
        assert len(found) == bits + 2
        _compare([x, k, scaled, where], found, cases,
                 lambda v, f, s, w, rounding=rounding: (model.decay(v, f, rounding) if s else v) if w else 0)


def test_clamp_of_a_wider_sum(bits: int, rng: random.Random) -> None:
    x, low, high = Signal(signed(bits + 2), name="x"), Signal(signed(bits), name="low"), Signal(signed(bits), name="high")
    cases = [(_draw(rng, bits + 2), *sorted([_draw(rng, bits), _draw(rng, bits)])) for _ in range(600)]
    for by_or in (False, True):
        held, changed = rtl.clamp(x, low, high, by_or=by_or)
        assert len(held) == bits
        _compare([x, low, high], held.as_signed(), cases, model.clamp)
        _compare([x, low, high], changed, cases, lambda v, least, most: int(model.clamp(v, least, most) != v))


@pytest.mark.parametrize("kind", RESETS)
def test_reset(bits: int, rng: random.Random, kind: str) -> None:
    u, theta, v_reset = (Signal(signed(bits), name=name) for name in ("u", "theta", "v_reset"))
    count = Signal(name="count")
    high = (1 << bits - 1) - 1
    cases = []
    for _ in range(400):
        spikes, threshold = rng.randrange(2), rng.randint(1, high)
        cases.append((abs(_draw(rng, bits)) & high if spikes else _draw(rng, bits), threshold, _draw(rng, bits), spikes))
    after, replaced = rtl.reset(u, (u - theta)[:bits].as_signed(), count, Const(RESETS.index(kind), 2))
    _compare([u, theta, v_reset, count], Mux(replaced, v_reset, after.as_signed()), cases,
             lambda v, t, r, c: model.reset(v, c, t, r, kind))


@pytest.mark.parametrize("by_or", [False, True])
def test_clamp(bits: int, rng: random.Random, by_or: bool) -> None:
    x, low, high = (Signal(signed(bits), name=name) for name in ("x", "low", "high"))
    cases = []
    for _ in range(600):
        bounds = sorted([_draw(rng, bits), _draw(rng, bits)])
        cases.append((rng.choice([_draw(rng, bits), *bounds]), *bounds))
    held, changed = rtl.clamp(x, low, high, by_or=by_or)
    _compare([x, low, high], held.as_signed(), cases, model.clamp)
    _compare([x, low, high], changed, cases, lambda v, least, most: int(model.clamp(v, least, most) != v))


@pytest.mark.parametrize("by_or", [False, True])
def test_clamp_of_a_membrane_that_was_reset(bits: int, rng: random.Random, by_or: bool) -> None:
    x, low, high, value = (Signal(signed(bits), name=name) for name in ("x", "low", "high", "value"))
    replaced = Signal(name="replaced")
    cases = []
    for _ in range(400):
        least, inner, most = sorted(_draw(rng, bits) for _ in range(3))
        cases.append((rng.choice([_draw(rng, bits), least, most]), least, most, inner, rng.randrange(2)))
    held, changed = rtl.clamp(x, low, high, instead=(replaced, value), by_or=by_or)
    _compare([x, low, high, value, replaced], held.as_signed(), cases,
             lambda v, least, most, inner, r: model.clamp(inner if r else v, least, most))
    _compare([x, low, high, value, replaced], changed, cases,
             lambda v, least, most, inner, r: int(not r and model.clamp(v, least, most) != v))


@pytest.mark.parametrize("width", [1, 2, 3, 8, 13, 64])
def test_popcount(seed: int, width: int) -> None:
    rng = random.Random(f"{seed} {width}")
    bits = Signal(width, name="bits")
    cases = [(0,), ((1 << width) - 1,), *((rng.getrandbits(width),) for _ in range(200))]
    _compare([bits], Value.cast(rtl.popcount(bits)), cases, int.bit_count)


@pytest.mark.parametrize("shift", [0, 1, 6, 15])
def test_rounded(bits: int, shift: int) -> None:
    rng = random.Random(shift)
    x = Signal(signed(bits), name="x")
    cases = [(value,) for value in _extremes(bits)] + [(_draw(rng, bits),) for _ in range(200)]
    _compare([x], Value.cast(rtl.rounded(x, shift)), cases, lambda value: model.rounded(value, shift))


def test_every_rule_of_the_model_has_its_name_in_the_hardware() -> None:
    rules = {name for name in model.__all__ if callable(getattr(model, name))}
    assert rules == {"clamp", "decay", "reset", "rounded", "saturated", "spike_count"}
    rules.remove("saturated")    # a clamp between the ends of a word
    assert rules <= set(rtl.__all__)
    assert set(rtl.__all__) - rules == {"Register", "lessened", "popcount", "unregistered"}    # what pipelines and counters need besides

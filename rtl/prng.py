"""Random numbers in hardware: `model/prng.py` under the same names.

`Key` makes what the neurons of a step share, and `Draw` a neuron's number from it: a fabric has one `Key` and a `Draw` for each lane.
`Prng` is both for one lane. All take something new in every clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.prng import BASE, DRAW_STEPS, KEY_STEPS, WORD_BITS

__all__ = ["Draw", "Key", "Prng"]


def _registers(m: Module, words: Sequence[Value], name: str) -> list[Signal]:
    """A register of `WORD_BITS` for each word; what does not fit it wraps."""
    held = [Signal(WORD_BITS, name=f"{name}_{n}", reset_less=True) for n in range(len(words))]
    m.d.sync += [mine.eq(word) for mine, word in zip(held, words, strict=True)]
    return held


class Key(Component):
    """What all neurons of a step share, `model.prng.key`; ``latency`` clocks, a new one in every clock.

    =========== === ===== ==========================================================
    port        dir width meaning
    =========== === ===== ==========================================================
    ``seed``    in  32    of the run
    ``step``    in  32    the population's own step
    ``purpose`` in  32    what the number is for
    ``a``       out 32    first word of the key, ``latency`` clocks later
    ``b``       out 32    second word
    ``c``       out 32    third word
    =========== === ===== ==========================================================
    """

    seed: Signal
    step: Signal
    purpose: Signal
    a: Signal
    b: Signal
    c: Signal

    #: Clocks from ``seed``, ``step`` and ``purpose`` to the key.
    latency = 1 + len(KEY_STEPS)

    def __init__(self) -> None:
        super().__init__({**dict.fromkeys(("seed", "step", "purpose"), In(WORD_BITS)), **dict.fromkeys("abc", Out(WORD_BITS))})

    def elaborate(self, platform: object) -> Module:
        """A clock adds the constant; each further one is a step of the model's, of one or two additions side by side."""
        m = Module()
        words = _registers(m, [BASE + word for word in (self.seed, self.step, self.purpose)], "base")
        for n, (mixed, by, plus, rotation) in enumerate(KEY_STEPS):
            after: list[Value] = list(words)
            after[mixed] = (words[mixed] - words[by])[:WORD_BITS] ^ words[by].rotate_left(rotation)
            after[by] = words[by] + words[plus]
            words = _registers(m, after, f"key_{n}")
        m.d.comb += [mine.eq(word) for mine, word in zip((self.a, self.b, self.c), words, strict=True)]
        return m


class Draw(Component):
    """A neuron's number, `model.prng.draw`; ``latency`` clocks, a new one in every clock.

    =========== === ===== ==========================================================
    port        dir width meaning
    =========== === ===== ==========================================================
    ``a``       in  32    first word of the key
    ``b``       in  32    second word
    ``c``       in  32    third word
    ``neuron``  in  32    the neuron's number in its population
    ``u``       out 32    the random number, ``latency`` clocks later
    =========== === ===== ==========================================================
    """

    a: Signal
    b: Signal
    c: Signal
    neuron: Signal
    u: Signal

    #: Clocks from the key and ``neuron`` to ``u``.
    latency = 1 + len(DRAW_STEPS)

    def __init__(self) -> None:
        super().__init__({**dict.fromkeys(("a", "b", "c", "neuron"), In(WORD_BITS)), "u": Out(WORD_BITS)})

    def elaborate(self, platform: object) -> Module:
        """A clock adds the neuron; each further one is a step of the model's, one subtraction."""
        m = Module()
        words = _registers(m, [self.a, self.b + self.neuron, self.c], "words")
        for n, (changed, by, rotation) in enumerate(DRAW_STEPS):
            after: list[Value] = list(words)
            after[changed] = (words[changed] ^ words[by]) - words[by].rotate_left(rotation)
            words = _registers(m, after, f"draw_{n}")
        m.d.comb += self.u.eq(words[-1])
        return m


class Prng(Component):
    """A random number for a neuron, a step and a purpose, `model.prng.prng`; ``latency`` clocks, a new one in every clock.

    =========== === ===== ==========================================================
    port        dir width meaning
    =========== === ===== ==========================================================
    ``seed``    in  32    of the run
    ``step``    in  32    the population's own step
    ``neuron``  in  32    the neuron's number in its population
    ``purpose`` in  32    what the number is for
    ``u``       out 32    the random number, ``latency`` clocks later
    =========== === ===== ==========================================================
    """

    seed: Signal
    step: Signal
    neuron: Signal
    purpose: Signal
    u: Signal

    #: Clocks from what is given to ``u``.
    latency = Key.latency + Draw.latency

    def __init__(self) -> None:
        super().__init__({**dict.fromkeys(("seed", "step", "neuron", "purpose"), In(WORD_BITS)), "u": Out(WORD_BITS)})

    def elaborate(self, platform: object) -> Module:
        """The neuron waits in registers until its key is there."""
        m = Module()
        m.submodules.key = key = Key()
        m.submodules.draw = draw = Draw()
        neuron: Signal = self.neuron
        for n in range(key.latency):
            (neuron,) = _registers(m, [neuron], f"neuron_{n}")
        m.d.comb += [
            key.seed.eq(self.seed), key.step.eq(self.step), key.purpose.eq(self.purpose),
            draw.a.eq(key.a), draw.b.eq(key.b), draw.c.eq(key.c), draw.neuron.eq(neuron),
            self.u.eq(draw.u),
        ]
        return m

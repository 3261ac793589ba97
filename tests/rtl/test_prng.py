"""Random numbers in hardware against the model: cocotb benches on Verilator, and what they are made of."""

from __future__ import annotations

from pathlib import Path

from amaranth.back import rtlil

from ranvier.rtl.prng import Draw, Key, Prng
from ranvier.sim.bench import run_bench


def test_block(simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench("prng", "prng", simulator, folder=tmp_path, seed=seed) == 3


def test_latency_is_that_of_its_parts() -> None:
    assert (Key.latency, Draw.latency, Prng.latency) == (7, 8, 15)


def test_no_multiplier_and_no_memory() -> None:
    text = rtlil.convert(Prng())
    assert "cell $sub" in text and "cell $add" in text and "cell $xor" in text
    assert not [kind for kind in ("$mul", "$div", "$mod", "$mem", "$shl", "$shr", "$shift") if f"cell {kind}" in text]

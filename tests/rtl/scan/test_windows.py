"""Sequencer, scanner and sweep of a fabric that scans windows, in four forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranvier.sim.bench import run_bench

#: In `make verify`: each form is compiled.
LONG = (pytest.mark.verify, pytest.mark.whole)


@pytest.mark.parametrize("bench", ["sequencer", "scanner", "sweep"])
@pytest.mark.parametrize("top", ["windows", *(pytest.param(top, marks=LONG) for top in ("windows_up5k", "windows_whole", "windows_ahead"))])
def test_block(top: str, bench: str, simulator: str, seed: int, tmp_path: Path) -> None:
    assert run_bench(top, bench, simulator, folder=tmp_path, seed=seed) == 1

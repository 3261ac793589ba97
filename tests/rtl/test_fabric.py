"""The whole fabric in a cocotb bench: random networks against golden model and cycle model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ranvier.files.network import save_network
from ranvier.mapping.mapper import map_network
from ranvier.model.errors import RanvierError
from ranvier.sim.bench import FABRIC, iverilog_version, run_bench, tool_environment, verilator_binary

NETWORKS = {"verilator": 6, "icarus": 2}


def _strategies() -> ModuleType:
    """`tests/strategies.py`, which is no package's."""
    if "strategies" not in sys.modules:
        path = Path(__file__).resolve().parents[1] / "strategies.py"
        spec = importlib.util.spec_from_file_location("strategies", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["strategies"] = module
        spec.loader.exec_module(module)
    return sys.modules["strategies"]


def _write_cases(folder: Path, count: int, seed: int) -> None:
    """Networks that fit the bench's fabric, with inputs that change every step."""
    strategies = _strategies()
    rng = np.random.default_rng(seed)
    while len(list(folder.glob("*.ranvier"))) < count:
        network = strategies.random_network(rng, FABRIC, max_neurons=40, max_hidden=3)
        try:
            map_network(network, FABRIC)
        except RanvierError:    # larger than the memories
            continue
        steps, windows = int(rng.integers(1, 6)), int(rng.integers(1, 4))
        name = folder / f"network_{len(list(folder.glob('*.ranvier')))}"
        save_network(network, name.with_suffix(".ranvier"))
        np.savez(name.with_suffix(".npz"), **strategies.random_inputs(rng, network, windows, steps, per_step=True))


def test_fabric(simulator: str, seed: int, tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    cases.mkdir()
    _write_cases(cases, NETWORKS[simulator], seed)
    assert run_bench("fabric", "fabric", simulator, folder=tmp_path, seed=seed, variables={"RANVIER_CASES": str(cases)}) == 1


def test_verilator_is_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is on PATH."""
    import shutil
    assert Path(shutil.which("verilator", path=tool_environment()["PATH"]) or "").resolve() == verilator_binary()


@pytest.mark.skipif(iverilog_version() is None, reason="Icarus Verilog is not installed")
def test_icarus_is_tried() -> None:
    """Stands for all benches on Icarus Verilog, which run where it is installed."""
    assert iverilog_version()

"""Fixtures of the cocotb benches."""

from __future__ import annotations

import os

import pytest

from ranvier.sim.bench import iverilog_version

#: Benches draw from this; another one may be asked for.
SEED = int(os.environ.get("RANVIER_SEED", "1"))


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of every bench in this session."""
    print(f"seed {SEED}")
    return SEED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``simulator``: Verilator always; Icarus Verilog is optional, and one skipped test says so where it is missing."""
    if "simulator" in metafunc.fixturenames:
        metafunc.parametrize("simulator", ["verilator", *(["icarus"] if iverilog_version() else [])])

"""A family of neurons from another package: one file for the model, one for the hardware, and a line in each registry.

Nothing else of Ranvier knows it, and it runs in the reference, the golden model and the RTL, which agree in every spike, membrane,
counter and clock.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ranvier.mapping.mapper import map_network, tailor
from ranvier.model.errors import RanvierError
from ranvier.model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.fabric.layout import drive_fields, dynamics_fields
from ranvier.model.fabric.timing import word_latency, write_latency
from ranvier.model.link.identity import identity_words
from ranvier.model.neurons import registry
from ranvier.rtl.forms.technology import CHECKED, CHECKED_UP5K, Technology
from ranvier.rtl.neurons.registry import UNITS
from ranvier.rtl.sweep.sweep import Sweep
from ranvier.sim.simulator import Simulator
from ranvier.verify.random_networks import random_inputs, random_network
from tests.in_rtl import equal_in_rtl
from tests.model.run.test_golden import compare

SOURCE = Path(__file__).resolve().parents[2] / "cases" / "halving"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The family, in a package of its own, and registered as long as this module's tests run."""
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(SOURCE, folder / "halving_neurons")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        model = importlib.import_module("halving_neurons.model")
        patch.setitem(registry.FAMILIES, "halving", model.HALVING)
        patch.setitem(UNITS, "halving", importlib.import_module("halving_neurons.hardware").Halving)
        yield model


@pytest.fixture(scope="module")
def config(package: ModuleType) -> FabricConfig:
    return FabricConfig(
        cores=2, state_bits=14, weight_bits=4, input_bits=6, word_bits=8, spike_depth=2048, levels=24, neurons="halving",
        core=CoreConfig(lanes=4, sweep_lanes=2, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=256, drive_depth=256,
                        dynamics_depth=256, readout_depth=256),
        input=InputConfig(sweep_lanes=2, row_depth=4, state_depth=128, drive_depth=128, dynamics_depth=128))


def test_without_its_line_nobody_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry.FAMILIES, "halving", raising=False)
    with pytest.raises(RanvierError, match="neurons is 'halving'; it must be one of integrate"):
        FabricConfig(neurons="halving")


def test_words_and_clocks_are_the_family_s(package: ModuleType, config: FabricConfig) -> None:
    assert [(f.name, f.bits) for f in drive_fields(config, "core")] == [("level", 14), ("v_init", 14)]
    assert [(f.name, f.bits) for f in dynamics_fields(config, "core")] == [("shift", 3), ("v_min", 14), ("v_max", 14)]
    assert "theta" in {f.name for f in drive_fields(config, "input")}
    assert (write_latency(config, "core"), word_latency(config, "core")) == (7, 8)
    assert Sweep(config, "core").columns == ("level", "v_init", "shift", "v_min", "v_max")


def test_files_say_the_family_and_a_device_refuses_it(config: FabricConfig) -> None:
    assert config.to_json()["neurons"] == "halving" and FabricConfig.from_json(config.to_json()) == config
    assert "neurons" not in FabricConfig().to_json()
    assert config.digest != config.replace(neurons="integrate").digest
    with pytest.raises(RanvierError, match="the fabric's neurons are halving"):
        identity_words(DeviceConfig(config))


def test_a_fabric_of_other_neurons_refuses_the_network(config: FabricConfig) -> None:
    network = random_network(np.random.default_rng(1), config)
    with pytest.raises(RanvierError, match="its cores compute integrate neurons, the network has halving"):
        map_network(network, config.replace(neurons="integrate"))
    assert tailor(network, FabricConfig(cores=2)).neurons == "halving"


@pytest.mark.parametrize("seed", range(40))
def test_golden_equals_the_reference(config: FabricConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, config)
    compare(network, random_inputs(rng, network, 2, 6), 6, note=f"seed {seed}")


@pytest.fixture(scope="module", params=[CHECKED, CHECKED_UP5K], ids=lambda technology: technology.name)
def compiled(request: pytest.FixtureRequest, config: FabricConfig) -> Iterator[Simulator]:
    technology: Technology = request.param
    with Simulator(config, technology=technology) as made:
        yield made


def test_the_rtl_equals_the_model(config: FabricConfig, compiled: Simulator) -> None:
    """Random networks of the family's kinds, fed by input populations: every spike, membrane, readout, counter and clock."""
    spikes = clamps = 0
    for seed in range(25):
        equal = equal_in_rtl(compiled, config, seed)
        spikes, clamps = spikes + equal.spikes, clamps + equal.clamps
    assert spikes > 100 and clamps > 100, f"{spikes} spikes and {clamps} clamps on cores"


@pytest.mark.parametrize("clock", ["latency", "spikes"])
def test_a_pipeline_notices_other_clocks(clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardware that needs another number of clocks than the model says is not built."""
    family, config = registry.FAMILIES["integrate"], FabricConfig(spike_bits=2, word_bits=128, next_tick=1, currents=1)
    timing = family.timing(config.options("core"))
    UNITS["integrate"](config, "core", clamp_by_or=False).elaborate(CHECKED)
    monkeypatch.setattr(type(family), "timing", lambda self, options: replace(timing, **{clock: getattr(timing, clock) + 1}))
    with pytest.raises(AssertionError):
        UNITS["integrate"](config, "core", clamp_by_or=False).elaborate(CHECKED)

"""Networks that nothing drives but their own biases: every target runs them, and all agree."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.device.device import Device
from ranvier.mapping.mapper import map_network
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection
from ranvier.model.run.reference import run_reference
from ranvier.sim.simulator import Simulator
from ranvier.verify.evidence import check_batch
from ranvier.verify.line_faults import FAULT_DEVICE

_BOUNDS = {"v_min": -900, "v_max": 900}
PACEMAKER = Population("a", (1, 1, 3), "if", {"bias": np.array([1, 2, 3]), "theta": 3, "v_min": -9, "v_max": 9})
NETWORKS = {
    "pacemaker and readout": Network(
        (PACEMAKER, Population("o", (1, 1, 2), "li", _BOUNDS)), (Projection.dense("a", "o", np.arange(6).reshape(3, 2)),)),
    "readout alone": Network((Population("o", (1, 1, 2), "li", {"bias": 2, **_BOUNDS}),), ()),
    "pacemaker alone": Network((PACEMAKER,), ()),
    "a ring": Network((PACEMAKER,), (Projection.dense("a", "a", -np.eye(3, dtype=int), delay=2),)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_all_targets_agree(name: str) -> None:
    network = NETWORKS[name]
    reference = run_reference(network, {}, 5)
    found = []
    for target in ("golden:", "rtl:"):
        with Device.open(target, config=FAULT_DEVICE) as device:
            device.load(network)
            spiking = [population.name for population in network.populations if population.spiking]
            found.append(device.run({}, 5, record=spiking))
            assert found[-1].mismatch(device.run({}, 5, record=spiking)) is None    # nothing is left of the first run
    assert found[0].mismatch(found[1]) is None
    assert {name: values.tolist() for name, values in found[0].readouts.items()} == {
        name: [values] for name, values in reference.readouts.items()}
    assert {name: values[0].astype(int).tolist() for name, values in found[1].spikes.items()} == {
        name: reference.spikes[name] for name in found[1].spikes}
    assert sum(values.sum() for values in (*found[0].readouts.values(), *found[0].spikes.values()))    # something happened


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("endless", [False, True])
def test_every_membrane_and_clock_of_the_fabric(name: str, endless: bool) -> None:
    placement = map_network(NETWORKS[name], FAULT_DEVICE.fabric)
    with Simulator(FAULT_DEVICE.fabric) as simulator:
        for steps in (1, 5):
            simulator.load(placement)    # also the membranes, which an open window leaves as they are
            check = check_batch(placement, simulator, {}, steps, endless=endless)
            assert check.mismatch is None, check.mismatch

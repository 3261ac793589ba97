"""Faults on the line under the driver: it gives the model's results, or one clear error, and the next session works.

`line_faults` looks at the device alone. Here the driver loads networks and runs samples while bytes are lost, changed, doubled and
invented in both directions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from ..device import Device, Result
from ..model.errors import RanvierError
from ..model.fabric.device_config import DeviceConfig
from ..model.network.network import Network
from ..sim.device import SimulatedPort, Symbol, broken_stop, flipped, hold, idle, symbol_of
from .line_faults import FAULT_DEVICE
from .random_networks import Inputs, random_inputs, random_network

__all__ = ["HostTally", "run_host_faults"]

# Faults a byte: from one in some sessions to one in most frames.
_RATES = (1 / 5000, 1 / 1000, 1 / 300, 1 / 60)
_SAMPLES, _STEPS = 3, 4


@dataclass
class HostTally:
    """What was injected, and how the sessions ended."""

    injected: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    undisturbed: int = 0
    recovered: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"sessions": self.sessions, "faults": sum(self.injected.values()), "by_kind": dict(sorted(self.injected.items())),
                "sessions_without_a_fault": self.undisturbed, "sessions_recovered": self.recovered,
                "sessions_with_a_clear_error": sum(self.refused.values()), "failures": self.failures}


class _FaultyPort(SimulatedPort):
    """A port whose line changes one byte in ``1 / rate``, both ways."""

    def __init__(self, config: DeviceConfig, rng: Random, tally: HostTally) -> None:
        super().__init__(config)
        self.rate = 0.0
        self._rng = rng
        self._tally = tally

    def write(self, data: bytes, /) -> int:
        """Send ``data``, or something like it."""
        symbols: list[Symbol] = []
        for byte in data:
            symbols += self._sent(byte) if self._rng.random() < self.rate else [symbol_of(byte)]
        self.simulator.send(symbols)
        return len(data)

    def read(self, size: int = 1, /) -> bytes:
        """Bytes that came, or something like them."""
        found = bytearray()
        for byte in super().read(size):
            found += self._received(byte) if self._rng.random() < self.rate else bytes([byte])
        return bytes(found)

    def close(self) -> None:
        """The session is over; the device stays."""

    def _sent(self, byte: int) -> list[Symbol]:
        kind = self._rng.choice(("flipped bit", "lost byte", "doubled byte", "inserted byte", "broken stop bit", "low line"))
        self._tally.injected[f"sent: {kind}"] += 1
        other = symbol_of(self._rng.randrange(256))
        return {"flipped bit": [flipped(byte, self._rng.randrange(1, 9))], "lost byte": [], "doubled byte": [symbol_of(byte)] * 2,
                "inserted byte": [other, symbol_of(byte)], "broken stop bit": [broken_stop(byte)],
                "low line": [hold(self._rng.choice((2, 8, 14))), idle(24), symbol_of(byte)]}[kind]

    def _received(self, byte: int) -> bytes:
        kind = self._rng.choice(("flipped bit", "lost byte", "doubled byte", "inserted byte"))
        self._tally.injected[f"received: {kind}"] += 1
        return {"flipped bit": bytes([byte ^ 1 << self._rng.randrange(8)]), "lost byte": b"", "doubled byte": bytes([byte, byte]),
                "inserted byte": bytes([self._rng.randrange(256), byte])}[kind]


def run_host_faults(sessions: int, *, seed: int = 0, config: DeviceConfig = FAULT_DEVICE,
                    progress: Callable[[int], None] | None = None) -> HostTally:
    """``sessions`` seeded sessions over a bad line to one simulated device; there should be no ``failures``.

    In each, a host opens the port, loads a random network, runs samples and compares them with the model. After every fourth
    session the line is good for one, which must succeed.
    """
    rng, tally = Random(seed), HostTally()
    port = _FaultyPort(config, rng, tally)
    try:
        for number in range(sessions):
            numbers = np.random.default_rng([seed, number])
            network = random_network(numbers, config.fabric, max_neurons=4, max_hidden=1, max_inputs=1, max_readouts=1)
            inputs = random_inputs(numbers, network, _SAMPLES, _STEPS)
            with Device.open("golden:", config=config) as model:
                model.load(network)
                expected = model.run(inputs, _STEPS)
            for rate in (rng.choice(_RATES), *((0.0,) if number % 4 == 3 else ())):
                port.rate = rate
                _session(port, network, inputs, expected, tally, f"seed {seed}, session {number}, rate {rate:g}")
            if tally.failures:
                break
            if progress is not None:
                progress(1)
    finally:
        port.simulator.close()
    return tally


def _session(port: _FaultyPort, network: Network, inputs: Inputs, expected: Result, tally: HostTally, name: str) -> None:
    before = sum(tally.injected.values())
    tally.sessions += 1
    try:
        # What a host does that opens a serial port: a break brings the device back to its first rate.
        port.send_break(0.0)
        with Device.over(port, timeout=port.silence) as device:
            device.load(network, verify=True)
            found = device.run(inputs, _STEPS)
    except RanvierError as error:
        tally.refused[str(error)] += 1
        if not port.rate:
            tally.failures.append(f"{name}: {error}")
        return
    mismatch = expected.mismatch(found)
    if mismatch is not None:
        tally.failures.append(f"{name}: {mismatch}")
    elif sum(tally.injected.values()) == before:
        tally.undisturbed += 1
    else:
        tally.recovered += 1

"""The compiled device: the complete board top, spoken to over its UART pins, bit by bit."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from ranvier.model.errors import RanvierError
from ranvier.model.fabric.device_config import DeviceConfig

from .verilate import build_device_library

__all__ = ["DeviceSimulator", "SimulatedPort", "Symbol", "broken_stop", "flipped", "hold", "idle", "symbol_of"]

#: Levels on the line, the first in bit 0, each for a bit time of the host, the last for the rest; and the number of bit times.
Symbol = tuple[int, int]

_BYTE_BITS = 10
_MOST_BIT_TIME = 1 << 20


def symbol_of(byte: int) -> Symbol:
    """A byte as a UART sends it: start bit, eight data bits, stop bit."""
    return (byte & 0xFF) << 1 | 1 << 9, _BYTE_BITS


def flipped(byte: int, bit: int) -> Symbol:
    """A byte with one bit inverted: 0 is the start bit, 1 to 8 are data, 9 is the stop bit."""
    levels, bits = symbol_of(byte)
    return levels ^ 1 << bit, bits


def broken_stop(byte: int) -> Symbol:
    """A byte whose stop bit is low, and a bit of rest, so that the next start can be seen."""
    return (byte & 0xFF) << 1 | 1 << 10, _BYTE_BITS + 1


def hold(bits: int) -> Symbol:
    """The line low for so many bit times: a break, if they are enough. A rest should follow."""
    return 0, bits


def idle(bits: int) -> Symbol:
    """The line at rest for so many bit times."""
    return 0xFFFFFFFF, bits


class DeviceSimulator:
    """A device in simulation. Time passes in `run` only.

    The first use of a configuration compiles it, which takes a minute or less.
    """

    def __init__(self, config: DeviceConfig) -> None:
        self.config = config
        self._library = _library(build_device_library(config))
        self._handle: int | None = self._library.device_open()
        self.set_bit_time(config.divisor)

    def close(self) -> None:
        """Free the simulation; a second call does nothing."""
        if self._handle is not None:
            self._library.device_close(self._handle)
            self._handle = None

    def set_bit_time(self, clocks: float) -> None:
        """Clocks that a bit of the host lasts, in sending and in sampling; a fraction makes a host whose rate is a little off."""
        fixed = round(clocks * 65536)
        if not 1 << 16 <= fixed <= _MOST_BIT_TIME << 16:
            raise RanvierError(f"simulated line: a bit of {clocks:g} clocks; it must last 1 to {_MOST_BIT_TIME}")
        self._library.device_bit_time(self._alive(), fixed)

    def send(self, symbols: Iterable[Symbol]) -> None:
        """Queue symbols behind those that have not been sent."""
        array = np.array(list(symbols), np.uint32).reshape(-1, 2)
        self._library.device_send(self._alive(), array.ctypes.data, len(array))

    def send_bytes(self, data: bytes) -> None:
        """Queue bytes."""
        array = np.empty((len(data), 2), np.uint32)
        array[:, 0] = np.frombuffer(data, np.uint8).astype(np.uint32) << 1 | 1 << 9
        array[:, 1] = _BYTE_BITS
        self._library.device_send(self._alive(), array.ctypes.data, len(array))

    def run(self, clocks: int, *, wanted: int = 0, sent: bool = False) -> int:
        """Let clocks pass: at most so many, less when ``wanted`` bytes have been received or, with ``sent``, all symbols are out."""
        return int(self._library.device_run(self._alive(), clocks, wanted, int(sent)))

    def take(self, most: int | None = None) -> bytes:
        """Received bytes, which are then gone."""
        count = self.waiting if most is None else min(most, self.waiting)
        data = np.empty(max(1, count), np.uint8)
        self._library.device_take(self._alive(), data.ctypes.data, count)
        return data[:count].tobytes()

    @property
    def waiting(self) -> int:
        """Received bytes that have not been taken."""
        return int(self._library.device_waiting(self._alive()))

    @property
    def clocks(self) -> int:
        """Clocks since power came."""
        return int(self._library.device_clocks(self._alive()))

    @property
    def lights(self) -> dict[str, bool]:
        """Levels of the output pins."""
        pins = int(self._library.device_pins(self._alive()))
        return {name: bool(pins >> n & 1) for n, name in enumerate(("heartbeat", "busy", "error", "tx"))}

    def press_reset(self, clocks: int = 16) -> None:
        """Hold the reset pin high for so many clocks."""
        self._library.device_reset_pin(self._alive(), 1)
        self.run(clocks)
        self._library.device_reset_pin(self._alive(), 0)
        self.run(clocks)

    def _alive(self) -> int:
        if self._handle is None:
            raise RanvierError("simulated device: it is closed; open it again")
        return self._handle


class SimulatedPort:
    """A serial port with a simulated device at its end: the part of pyserial's interface that the driver uses.

    Seconds are the device's: ``clock_hz`` simulated clocks. ``skew`` makes the host's bits so much longer than they should be.
    """

    def __init__(self, config: DeviceConfig, *, skew: float = 0.0) -> None:
        self.simulator = DeviceSimulator(config)
        self.timeout: float | None = None
        self._clock_hz = config.clock_hz
        self._skew = skew
        self._baudrate = 0
        self.baudrate = round(config.clock_hz / config.divisor)

    @property
    def silence(self) -> float:
        """Seconds of silence that mean that something was lost: a little more than the device's patience and its longest reply."""
        config = self.simulator.config
        return 1.25 * (1 << config.link.patience_log2) / config.clock_hz + 10_000 / self._baudrate

    @property
    def baudrate(self) -> int:
        """Bits a second."""
        return self._baudrate

    @baudrate.setter
    def baudrate(self, rate: int) -> None:
        self.simulator.set_bit_time(self._clock_hz / rate * (1 + self._skew))
        self._baudrate = rate

    @property
    def in_waiting(self) -> int:
        """Bytes that have been received and not been read."""
        return self.simulator.waiting

    def write(self, data: bytes, /) -> int:
        """Send ``data``; it is on its way when time passes."""
        self.simulator.send_bytes(data)
        return len(data)

    def read(self, size: int = 1, /) -> bytes:
        """At most ``size`` bytes; waits until they are there, or ``timeout`` seconds have passed since the last was sent or received."""
        simulator = self.simulator
        seconds = 1.0 if self.timeout is None else self.timeout
        silence = max(1, round(seconds * self._clock_hz))
        while simulator.waiting < size:
            before = simulator.waiting
            simulator.run(1 << 40, wanted=before + 1, sent=True)
            if simulator.waiting == before:
                simulator.run(silence, wanted=before + 1)
            if simulator.waiting == before:
                break
        return simulator.take(size)

    def reset_input_buffer(self) -> None:
        """Forget what has been received."""
        self.simulator.take()

    def send_break(self, duration: float = 0.25) -> None:
        """Hold the line low, and then at rest for as long."""
        bits = max(30, round(duration * self._baudrate))
        self.simulator.send([hold(bits), idle(bits)])
        self.simulator.run(1 << 40, sent=True)

    def close(self) -> None:
        """Free the simulation."""
        self.simulator.close()


@cache
def _library(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, count = ctypes.c_void_p, ctypes.c_uint64
    library.device_open.restype = pointer
    for name, arguments, result in (
            ("close", [], None), ("clocks", [], count), ("bit_time", [count], None), ("send", [pointer, count], None),
            ("run", [count, count, ctypes.c_int], count), ("waiting", [], count), ("take", [pointer, count], None),
            ("reset_pin", [ctypes.c_int], None), ("pins", [], ctypes.c_uint32)):
        function = getattr(library, f"device_{name}")
        function.argtypes, function.restype = [pointer, *arguments], result
    return library

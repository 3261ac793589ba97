"""The device: one interface to the golden model, the simulated device, and boards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy.typing as npt

from ..mapping.mapper import map_network
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig
from ..model.fabric.device_config import DeviceConfig
from ..model.fabric.placement import Placement
from ..model.link.identity import Identity
from ..model.link.protocol import FLAG
from ..model.network.network import Network
from .backend import Backend, Progress
from .golden import GoldenBackend
from .port import Port
from .rate import BREAK_SECONDS, RATES
from .remote import LinkBackend
from .result import Result, make_job
from .serial_port import SerialPort
from .session import NoAnswer

__all__ = ["Device", "simulation_config"]

#: What devices open at: the usual rate, and that of boards with a slow adapter. At others one may have been left by a program that
#: died, if its adapter cannot send a break.
_FIRST_RATES = (1_000_000, 115_200)
#: A port that talks all the time is given up after so many seconds, shared by the rates that are tried.
_MOST_SECONDS = 10.0
_TARGETS = "golden:, rtl: or serial:PORT"


def simulation_config(fabric: FabricConfig | None = None) -> DeviceConfig:
    """The device that ``golden:`` and ``rtl:`` are without another wish: a fast line, so that loading takes little simulation."""
    return DeviceConfig(fabric or FabricConfig(), clock_hz=48_000_000, baud=12_000_000)


@dataclass(frozen=True)
class _Target:
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> _Target:
        kind, colon, name = text.partition(":")
        if not colon or kind not in ("golden", "rtl", "serial") or (kind == "serial") != bool(name) and kind != "golden":
            raise RanvierError(f"device: {text!r} is not {_TARGETS}; 'ranvier info' lists the serial ports")
        return cls(kind, name)


class Device:
    """A device that networks are loaded into and run on. Make one with `Device.open`, and use it as a context manager.

        with Device.open("serial:/dev/ttyUSB1") as device:
            device.load(network)
            result = device.run(samples, ticks=4)
    """

    def __init__(self, backend: Backend) -> None:
        self._backend: Backend = backend
        self._placement: Placement | None = None
        self._open = True

    @classmethod
    def open(cls, target: str, *, config: DeviceConfig | None = None, baud: int | None = None, timeout: float | None = None) -> Device:
        """Open ``golden:`` (the model), ``rtl:`` (the device's hardware description, simulated), or ``serial:PORT`` (a board).

        config
            What ``golden:`` and ``rtl:`` are; by default a fabric of 2 cores x 64 lanes. A board says itself what it is.
            ``golden:NAME`` gives the model's device a name.
        baud
            Rate of the line; by default a board's is raised to the highest that both ends can.
        timeout
            Seconds of silence after which a command is sent again; by default what a device of this clock may need.

        Raises `RanvierError` that says what to check.
        """
        asked = _Target.parse(target)
        if asked.kind == "serial":
            if config is not None:
                raise RanvierError("device: config is for golden: and rtl:; a board says itself what it is")
            return cls(_open_serial(asked.name, baud, timeout))
        config = config or simulation_config()
        if asked.kind == "golden":
            return cls(GoldenBackend(config.replace(board=asked.name) if asked.name else config))
        return cls(_open_simulation(config, baud, timeout))

    @classmethod
    def over(cls, port: Port, *, baud: int | None = None, timeout: float | None = None) -> Device:
        """A device behind any `Port` that is open."""
        return cls(LinkBackend(port, rate=baud or port.baudrate, silence=timeout))

    def __enter__(self) -> Device:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        self._open = False
        self._backend.close()

    @property
    def identity(self) -> Identity:
        """Board, clock, fabric and its configuration hash, as the device gives them."""
        return self._backend.identity

    @property
    def placement(self) -> Placement | None:
        """Where the loaded network lies; None before `load`."""
        return self._placement

    def load(self, network: Network | Placement, *, verify: bool = False, progress: Progress | None = None) -> Placement:
        """Put a network on the device, and with ``verify`` read all of it back.

        A `Network` is placed on the device's fabric; a `Placement` must have been made for exactly that fabric. ``progress`` is called
        with the parts done so far and the parts there are. Raises `RanvierError` where the network does not fit, and says why.
        """
        backend = self._usable()
        self._placement = None
        placement = network if isinstance(network, Placement) else self._placed(network)
        if placement.config.digest != self.identity.digest:
            raise RanvierError(f"device: the network was placed for a fabric with configuration hash {placement.config.digest}, "
                               f"{self.identity.board} has {self.identity.digest}; program the bitstream that was built for the network, "
                               "or load the network instead of its placement")
        try:
            backend.load(placement, progress)
        except RanvierError as error:
            raise self._named(error) from error
        self._placement = placement
        if verify:
            self.read_back()
        return placement

    def read_back(self, *, progress: Progress | None = None) -> int:
        """Compare everything that was loaded with what the device's memories hold: the number of words compared.

        Membranes too: between runs they are those of the beginning. Raises `RanvierError` at a difference.
        """
        backend = self._usable()
        if not self.identity.fabric.reads_back:
            raise RanvierError(f"device: the fabric of {self.identity.board} does not give its memories back (reads_back is 0), "
                               "so what was loaded cannot be compared; load without verify")
        return backend.read_back(progress)

    def run(self, inputs: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]], ticks: int = 4, *, record: Sequence[str] | None = None,
            pixel_bits: int | None = None, progress: Callable[[int, int], None] | None = None) -> Result:
        """Run samples, each by itself from the network's beginning.

        inputs
            Unsigned integers below ``2**input_bits``: (samples, n) held through the window, or (samples, ticks, n), new values
            in every step. A dict by population where the network has several inputs.
        ticks
            Steps of the window, 1 to 65535.
        record
            Populations whose spikes are wanted; by default those without outgoing projections.
        pixel_bits
            4 sends values of 4 bits, which halves the time on the line: they are rounded to multiples of 17, on every backend.
            1 takes values 0 and 1. Values that need no more are sent in 4 bits or in one anyway.
        progress
            Called with the samples done so far, and their number.

        Raises `RanvierError` for inputs that do not fit, for lost spike words, and for a device that does not answer.
        """
        backend = self._usable()
        if self._placement is None:
            raise RanvierError("device: load a network first")
        return backend.run(make_job(self._placement, inputs, ticks, record, pixel_bits), progress)

    def reset(self) -> None:
        """Stop whatever runs; the network stays, as after loading."""
        self._usable().reset()

    def clear(self) -> None:
        """Set the device's counters to 0. Runs do that themselves."""
        self._usable().clear()

    def info(self) -> dict[str, Any]:
        """Identity, fabric and link as plain JSON values."""
        identity = self._usable().identity
        return {"board": identity.board, "protocol": identity.protocol, "configuration": identity.digest, "clock_hz": identity.clock_hz,
                "first_divisor": identity.divisor, "buffer_bytes": identity.buffer_bytes, "record_depth": identity.record_depth,
                "fabric": identity.fabric.to_json(), "link": self._backend.link_info()}

    def _usable(self) -> Backend:
        if not self._open:
            raise RanvierError("device: it is closed; open it again")
        return self._backend

    def _placed(self, network: Network) -> Placement:
        try:
            return map_network(network, self.identity.fabric)
        except RanvierError as error:
            raise self._named(error) from error

    def _named(self, error: RanvierError) -> RanvierError:
        """A refusal by the mapper, with the board in it, and what can be done about a fabric that is already built."""
        text = str(error)
        if text.startswith(("link:", "device:")):
            return error
        return RanvierError(f"{self.identity.board}: {text}, or build a bitstream that is tailored to the network")


def _open_simulation(config: DeviceConfig, baud: int | None, timeout: float | None) -> LinkBackend:
    """The complete board top in Verilator, behind its UART pins."""
    from ..sim.device import SimulatedPort  # a compiler is needed only for this
    port = SimulatedPort(config)
    backend = LinkBackend(port, rate=baud or port.baudrate, silence=timeout or port.silence)
    backend.silence = timeout or port.silence      # at the rate that it has now
    return backend


def _open_serial(name: str, baud: int | None, timeout: float | None) -> LinkBackend:
    """The device is asked at its first rate, and then at others, in case that a break does not reach it.

    Bytes that are no answer are listened to for `_MOST_SECONDS` in all, an equal share of what is left at each rate.
    """
    heard = False
    rates = list(dict.fromkeys([*_FIRST_RATES, *([baud] if baud else []), *RATES]))
    end = time.monotonic() + _MOST_SECONDS
    for place, rate in enumerate(rates):
        now = time.monotonic()
        until = now + max(0.0, end - now) / (len(rates) - place)
        port = SerialPort(name, rate)
        try:
            if rate in _FIRST_RATES:
                port.write(bytes([FLAG, FLAG]))     # ends what a program that died had begun
                port.send_break(BREAK_SECONDS)
            return LinkBackend(port, rate=baud, silence=timeout, until=until)
        except NoAnswer as error:
            heard = heard or error.heard
        except RanvierError as error:
            raise RanvierError(f"{name}: {error}") from error
    what = "bytes come back, but not those of a Ranvier device" if heard else "no answer"
    raise RanvierError(f"{name}: {what}; check that this is the board's UART (it may have two ports, 'ranvier info' lists them), "
                       "that the board has Ranvier's bitstream ('ranvier program'), its power and cable, and that no other program "
                       "uses the port")

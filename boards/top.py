"""The top of a board's design: clock, PLL and reset; the device; the pins."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from ranvier.model.fabric.device_config import DeviceConfig

from .board import Board, Pin
from .pll import PllSetting

__all__ = ["BoardTop", "Clocking"]

#: Time for which reset is held after the PLL has locked. Block RAMs of an iCE40 read 0 for some 3 us after configuration
#: (IceStorm, issue 76); Amaranth's own platform waits five times that, too.
_HOLD_SECONDS = 15e-6


class Clocking(Elaboratable):
    """Oscillator, PLL and reset: gives ``clock``, and ``reset`` in step with it, which is high until the PLL has locked."""

    def __init__(self, board: Board, setting: PllSetting) -> None:
        self._board = board
        self._setting = setting
        self.clock = Signal(attrs={"keep": "true"})
        self.reset = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self._board
        clock, locked = self.clock, Signal()
        port = platform.request(board.clock, 0, dir="-")
        {"ice40": self._ice40, "ecp5": self._ecp5, "gowin": self._gowin}[board.family](m, port, clock, locked)
        platform.add_clock_constraint(clock, float(self._setting.hz))
        self._hold_reset(m, clock, locked)
        return m

    def _ice40(self, m: Module, port: Any, clock: Signal, locked: Signal) -> None:
        """SB_PLL40_PAD where the oscillator is on the PLL's pad: that pad then has no other input, so CORE could not be placed."""
        setting, width = self._setting, {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}
        common: dict[str, Any] = {f"p_{name}": Const(setting[name], bits) for name, bits in width.items()}
        common |= {"p_FEEDBACK_PATH": "SIMPLE", "i_RESETB": Const(1), "i_BYPASS": Const(0), "o_LOCK": locked, "o_PLLOUTGLOBAL": clock}
        if self._board.clock_on_pad:
            m.submodules.pll = Instance("SB_PLL40_PAD", i_PACKAGEPIN=port.io, **common)
        else:
            m.submodules.clock_buffer = buffer = io.Buffer(io.Direction.Input, port)
            m.submodules.pll = Instance("SB_PLL40_CORE", i_REFERENCECLK=buffer.i, **common)

    def _ecp5(self, m: Module, port: Any, clock: Signal, locked: Signal) -> None:
        """The loop filter's attributes are those that LiteX and ecppll use for every ratio."""
        setting = self._setting
        m.submodules.clock_buffer = buffer = io.Buffer(io.Direction.Input, port)
        m.submodules.pll = Instance(
            "EHXPLLL", a_FREQUENCY_PIN_CLKI=f"{self._board.source_hz / 1e6:g}", a_FREQUENCY_PIN_CLKOP=f"{float(setting.hz) / 1e6:g}",
            a_ICP_CURRENT="6", a_LPF_RESISTOR="16", a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
            p_FEEDBK_PATH="INT_OS3", p_CLKI_DIV=setting["CLKI_DIV"], p_CLKFB_DIV=setting["CLKFB_DIV"],
            p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=setting["CLKOP_DIV"], p_CLKOP_CPHASE=setting["CLKOP_DIV"] - 1, p_CLKOP_FPHASE=0,
            p_CLKOS3_ENABLE="ENABLED", p_CLKOS3_DIV=1, p_CLKOS3_CPHASE=23, p_CLKOS3_FPHASE=0,
            i_CLKI=buffer.i, i_RST=Const(0), i_STDBY=Const(0), o_CLKOP=clock, o_LOCK=locked)

    def _gowin(self, m: Module, port: Any, clock: Signal, locked: Signal) -> None:
        setting = self._setting
        m.submodules.clock_buffer = buffer = io.Buffer(io.Direction.Input, port)
        m.submodules.pll = Instance(
            "rPLL", p_FCLKIN=f"{self._board.source_hz / 1e6:g}", p_DEVICE=self._board.device, p_CLKFB_SEL="internal",
            p_IDIV_SEL=setting["IDIV_SEL"], p_FBDIV_SEL=setting["FBDIV_SEL"], p_ODIV_SEL=setting["ODIV_SEL"],
            p_DYN_IDIV_SEL="false", p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false", p_DYN_SDIV_SEL=2, p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000", p_DYN_DA_EN="false", p_CLKOUT_BYPASS="false", p_CLKOUTP_BYPASS="false", p_CLKOUTD_BYPASS="false",
            i_CLKIN=buffer.i, i_CLKFB=Const(0), i_RESET=Const(0), i_RESET_P=Const(0), i_FBDSEL=Const(0, 6), i_IDSEL=Const(0, 6),
            i_ODSEL=Const(0, 6), i_PSDA=Const(0, 4), i_DUTYDA=Const(0, 4), i_FDLY=Const(0, 4), o_CLKOUT=clock, o_LOCK=locked)

    def _hold_reset(self, m: Module, clock: Signal, locked: Signal) -> None:
        """Reset for `_HOLD_SECONDS` after the PLL has locked, and again should it lose its lock."""
        m.domains.hold = ClockDomain("hold", reset_less=True, local=True)
        m.d.comb += ClockSignal("hold").eq(clock)
        stable = Signal()
        m.submodules.stable = FFSynchronizer(locked, stable, o_domain="hold")
        last = int(_HOLD_SECONDS * self._setting.hz)
        count = Signal(range(last + 1))
        run = Signal()      # begins as 0 in every family, so reset is on from the first clock
        with m.If(~stable):
            m.d.hold += [count.eq(0), run.eq(0)]
        with m.Elif(count == last):
            m.d.hold += run.eq(1)
        with m.Else():
            m.d.hold += count.eq(count + 1)
        m.d.comb += self.reset.eq(~run)


class BoardTop(Elaboratable):
    """A whole board. ``device`` has ports rx, tx, reset, heartbeat, busy and error; without it the device is made of ``config``."""

    def __init__(self, board: Board, config: DeviceConfig, setting: PllSetting, device: Any = None) -> None:
        self._board = board
        self._config = config
        self._setting = setting
        self._device = device

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board, device = self._board, self._device
        if device is None:
            from ranvier.rtl.device import Device
            device = Device(self._config)
        m.submodules.clocking = clocking = Clocking(board, self._setting)
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal().eq(clocking.clock), ResetSignal().eq(clocking.reset)]
        m.submodules.device = device
        uart = platform.request("uart", board.uart, dir={"rx": "-", "tx": "-"} | _others(platform, board.uart))
        m.submodules.rx_buffer = rx = io.Buffer(io.Direction.Input, uart.rx)
        m.submodules.tx_buffer = tx = io.Buffer(io.Direction.Output, uart.tx)
        m.d.comb += [device.rx.eq(rx.i), tx.o.eq(device.tx)]
        for name in ("heartbeat", "busy", "error"):
            pin: Pin | None = getattr(board, name)
            if pin is not None:
                port = platform.request(pin.resource, pin.number, dir="-")
                m.submodules[f"{name}_buffer"] = led = io.Buffer(io.Direction.Output, port)
                m.d.comb += led.o.eq(getattr(device, name))
        if board.reset is not None:
            port = platform.request(board.reset.resource, board.reset.number, dir="-")
            m.submodules.reset_buffer = button = io.Buffer(io.Direction.Input, port)
            m.d.comb += device.reset.eq(button.i)
        for n, name in enumerate(board.held_high):
            m.submodules[f"held_{n}"] = held = io.Buffer(io.Direction.Output, platform.request(name, 0, dir="-"))
            m.d.comb += held.o.eq(1)
        return m


def _others(platform: Any, number: int) -> dict[str, str]:
    """Modem lines of the UART resource are left alone."""
    resource = platform.lookup("uart", number)
    return {sub.name: "-" for sub in resource.ios if sub.name not in ("rx", "tx")}

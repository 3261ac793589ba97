"""A stand-in for the device, for tests of everything around it."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Lights"]


class Lights(Component):
    """Has a device's ports, and next to nothing in it."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1), "tx": Out(1), "reset": In(1), "heartbeat": Out(1), "busy": Out(1), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += [self.heartbeat.eq(~self.heartbeat), self.tx.eq(self.rx), self.busy.eq(self.reset), self.error.eq(self.busy)]
        return m

"""A core by reference, so that all cores of a fabric share one module."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib.wiring import In

from .core import Core

__all__ = ["CORE_MODULE", "CoreInstance"]

#: Module name of the core where it is converted apart from the fabric.
CORE_MODULE = "ranvier_core"


class CoreInstance(Core):
    """The ports of a `Core` around the Verilog module `CORE_MODULE`.

    Converters and simulators then handle one core instead of up to sixteen equal ones.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports = {f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}": Value.cast(port)
                 for path, member, port in self.signature.flatten(self)}
        m.submodules.shared = Instance(CORE_MODULE, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
        return m

"""The PLLs of the three device families: which frequencies they reach from a board's clock, and with which settings.

Limits: iCE40 from Lattice TN1251 as in IceStorm's icepll; ECP5 from Lattice FPGA-DS-02012 and TN1263; Gowin from UG286 and
the data sheets DS117 (GW1NR, C6/I5) and DS102 (GW2A, C8/I7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from ranvier.model.errors import RanvierError

__all__ = ["Pll", "PllSetting", "ecp5_pll", "gw1n_pll", "ice40_pll"]

_MHZ = 1_000_000


@dataclass(frozen=True)
class PllSetting:
    """One way to set a PLL: the frequency in Hz that comes out, and the dividers by the names of the family's primitive."""

    hz: Fraction
    dividers: tuple[tuple[str, int], ...]

    @property
    def clock_hz(self) -> int:
        """The frequency as a device's identity states it."""
        return round(self.hz)

    def __getitem__(self, name: str) -> int:
        return dict(self.dividers)[name]


@dataclass(frozen=True)
class Pll:
    """A family's PLL. Frequencies are in Hz: of the phase detector, of the oscillator, of the output."""

    family: str
    detector: tuple[int, int]
    oscillator: tuple[int, int]
    output: tuple[int, int]

    def settings(self, source_hz: int) -> Iterator[PllSetting]:
        """Every setting within the limits. Some frequencies come more than once."""
        return {"ice40": self._ice40, "ecp5": self._ecp5, "gowin": self._gowin}[self.family](source_hz)

    def reachable(self, source_hz: int, low: float, high: float) -> list[PllSetting]:
        """Settings whose frequency is ``low`` to ``high``, by rising frequency, one for each.

        Of equal ones the one whose phase detector runs fastest is kept: it has the least jitter.
        """
        best: dict[Fraction, PllSetting] = {}
        for setting in self.settings(source_hz):
            if low <= setting.hz <= high and setting.hz not in best:
                best[setting.hz] = setting
        return [best[hz] for hz in sorted(best)]

    def below(self, source_hz: int, most_hz: float) -> PllSetting:
        """The fastest setting of at most ``most_hz``; raises `RanvierError` where there is none."""
        found = self.reachable(source_hz, 0, most_hz)
        if not found:
            raise RanvierError(f"clock: {most_hz / _MHZ:.3f} MHz is less than the PLL can make from {source_hz / _MHZ:.3f} MHz; "
                               "ask for a faster clock")
        return found[-1]

    def nearest(self, source_hz: int, hz: float) -> PllSetting:
        """The setting closest to ``hz``."""
        return min(self.reachable(source_hz, *self.output), key=lambda setting: (abs(setting.hz - Fraction(hz)), setting.hz))

    def _references(self, source_hz: int, most_divider: int) -> Iterator[tuple[int, Fraction]]:
        for divider in range(1, most_divider + 1):
            reference = Fraction(source_hz, divider)
            if self.detector[0] <= reference <= self.detector[1]:
                yield divider, reference

    def _fits(self, oscillator: Fraction, output: Fraction) -> bool:
        return self.oscillator[0] <= oscillator <= self.oscillator[1] and self.output[0] <= output <= self.output[1]

    def _ice40(self, source_hz: int) -> Iterator[PllSetting]:
        """Feedback path SIMPLE: oscillator = source * (DIVF + 1) / (DIVR + 1), output = oscillator / 2**DIVQ."""
        for divider, reference in self._references(source_hz, 16):
            for factor in range(1, 129):
                for shift in range(1, 7):
                    oscillator = reference * factor
                    if self._fits(oscillator, oscillator / 2**shift):
                        yield PllSetting(oscillator / 2**shift, (("DIVR", divider - 1), ("DIVF", factor - 1), ("DIVQ", shift),
                                                                 ("FILTER_RANGE", _ice40_filter(reference))))

    def _ecp5(self, source_hz: int) -> Iterator[PllSetting]:
        """Internal feedback from CLKOS3, undivided: oscillator = source / CLKI_DIV * CLKFB_DIV, output = that / CLKOP_DIV."""
        for divider, reference in self._references(source_hz, 128):
            for factor in range(1, 81):
                for last in range(1, 129):
                    oscillator = reference * factor
                    if self._fits(oscillator, oscillator / last):
                        yield PllSetting(oscillator / last, (("CLKI_DIV", divider), ("CLKFB_DIV", factor), ("CLKOP_DIV", last)))

    def _gowin(self, source_hz: int) -> Iterator[PllSetting]:
        """Output = source * (FBDIV_SEL + 1) / (IDIV_SEL + 1), oscillator = output * ODIV_SEL."""
        for divider, reference in self._references(source_hz, 64):
            for factor in range(1, 65):
                for last in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                    if self._fits(reference * factor * last, reference * factor):
                        yield PllSetting(reference * factor, (("IDIV_SEL", divider - 1), ("FBDIV_SEL", factor - 1), ("ODIV_SEL", last)))


def _ice40_filter(reference: Fraction) -> int:
    """FILTER_RANGE, by the phase detector's frequency."""
    limits = (17, 26, 44, 66, 101)
    return 1 + sum(reference >= limit * _MHZ for limit in limits)


ice40_pll = Pll("ice40", (10 * _MHZ, 133 * _MHZ), (533 * _MHZ, 1066 * _MHZ), (16 * _MHZ, 275 * _MHZ))
ecp5_pll = Pll("ecp5", (10 * _MHZ, 400 * _MHZ), (400 * _MHZ, 800 * _MHZ), (3_125_000, 400 * _MHZ))
gw1n_pll = Pll("gowin", (3 * _MHZ, 400 * _MHZ), (400 * _MHZ, 1200 * _MHZ), (3_125_000, 600 * _MHZ))

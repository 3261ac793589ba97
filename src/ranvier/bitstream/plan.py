"""From a board and a device's configuration to the files and command lines of synthesis, placement and packing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..boards import Board, PllSetting
from ..model.errors import RanvierError
from ..model.fabric.device_config import DeviceConfig

__all__ = ["LATE_WIRES", "NAME", "SYNTHESIS_SCRIPT", "Plan", "before_synthesis", "make_plan", "placement_arguments"]

#: Name of the design, and of every file of it.
NAME = "top"
SYNTHESIS_SCRIPT = f"{NAME}.ys"
_KEPT = (".il", ".ys", ".pcf", ".lpf", ".cst")
#: Has router2 route wires again that come out late; it never ends where timing cannot be met.
LATE_WIRES = "--tmg-ripup"
#: The static placer leaves room between cells where the chip has it, so that routing ends (docs/decisions/0012).
_PLACERS: Mapping[str, tuple[str, ...]] = {
    "ice40": (), "ecp5": ("--placer", "static", "--router", "router2", LATE_WIRES), "gowin": ()}
#: Picoseconds that a path may take by the estimate of Yosys's mapper. Left alone it makes each as short as the shortest possible, and
#: everything as large as that takes.
_MAPPED_PS: Mapping[str, int] = {"ecp5": 3300}
_ECP5_PACKAGES = {"BG256": "CABGA256", "MG285": "CSFBGA285", "BG381": "CABGA381", "BG554": "CABGA554", "BG756": "CABGA756"}
_PACKED = {"ice40": "asc", "ecp5": "config", "gowin": "placed.json"}
_BITSTREAM = {"ice40": "bin", "ecp5": "bit", "gowin": "fs"}


@dataclass(frozen=True)
class Plan:
    """Files by name, and the arguments of the programs; ``placement`` and ``packing`` are for one seed."""

    board: Board
    setting: PllSetting
    files: Mapping[str, str]
    device: tuple[str, ...]
    constraints: tuple[str, ...]

    @property
    def bitstream(self) -> str:
        """Name of the file that is loaded into the board."""
        return f"{NAME}.{_BITSTREAM[self.board.family]}"

    def placement(self, seed: int) -> list[str]:
        """Arguments of nextpnr. Missed timing is not its failure: the report says it, and what comes of it is decided here."""
        return placement_arguments(self.board.family, [*self.device, *self.constraints, *self.board.placement], seed)

    def packing(self, seed: int) -> list[str]:
        """Arguments of the packer."""
        packed = f"{NAME}-{seed}.{_PACKED[self.board.family]}"
        options = list(self.board.packing)
        if self.board.family == "ice40":
            return [*options, packed, self.bitstream]
        if self.board.family == "ecp5":
            return [*options, "--input", packed, "--bit", self.bitstream]
        return [*options, "-d", _chip(self.device), "-o", self.bitstream, packed]


def _chip(device: tuple[str, ...]) -> str:
    return next(option.partition("family=")[2] for option in device if "family=" in option)


def placement_arguments(family: str, options: list[str], seed: int, *, packed: bool = True) -> list[str]:
    """nextpnr's arguments that every placement has; its files are named by the seed. What is not ``packed`` is only measured."""
    write = {"ice40": "--asc", "ecp5": "--textcfg", "gowin": "--write"}[family]
    result = [write, f"{NAME}-{seed}.{_PACKED[family]}"] if packed else []
    return [*_PLACERS[family], *options, "--json", f"{NAME}.json", *result, "--seed", str(seed),
            "--report", f"{NAME}-{seed}.report.json", "--timing-allow-fail"]


def before_synthesis(family: str) -> str:
    """Commands of Yosys between reading a design in RTLIL and its synthesis."""
    from ..rtl.forms.technology import YOSYS_AFTER_READ
    relaxed = [f"scratchpad -set abc9.D {_MAPPED_PS[family]}"] if family in _MAPPED_PS else []
    return "\n".join([YOSYS_AFTER_READ, *relaxed])


def make_plan(board: Board, config: DeviceConfig, setting: PllSetting, device: Any = None) -> Plan:
    """Elaborate a board's design. ``device`` takes the place of the one that ``config`` describes."""
    from ..boards.top import BoardTop
    try:
        platform = board.platform()
    except ModuleNotFoundError as error:
        raise RanvierError(f"{board.name}: the package {error.name} is not installed; pip install 'ranvier[boards]'") from None
    made = platform.prepare(
        BoardTop(board, config, setting, device), NAME, debug_verilog=False, emit_src=False, synth_opts=board.synthesis,
        script_after_read=before_synthesis(board.family),
        script_after_synth=f"tee -q -o {NAME}.stat.json stat -json\nwrite_json {NAME}.json")
    files = {name: content if isinstance(content, str) else content.decode()
             for name, content in made.files.items() if name.endswith(_KEPT)}
    if board.family == "ice40":
        options: tuple[str, ...] = ("--" + platform.device.lower().removeprefix("ice40"), "--package", platform.package.lower())
        constraints: tuple[str, ...] = ("--pcf", f"{NAME}.pcf")
    elif board.family == "ecp5":
        options = (f"--{platform.device.removeprefix('LFE5U-').removesuffix('F')}k", "--package", _ECP5_PACKAGES[platform.package],
                   "--speed", platform.speed)
        constraints = ("--lpf", f"{NAME}.lpf")
    else:
        # Amaranth's template calls nextpnr-gowin, which is gone; its successor takes the same files by other options. It
        # reads no clock from the constraints' file, so the clock is given for the whole design.
        chip = platform.family.replace("GW1NR", "GW1N")
        options = ("--device", platform.part, "--vopt", f"family={chip}")
        constraints = ("--vopt", f"cst={NAME}.cst", "--freq", f"{float(setting.hz) / 1e6:.4f}")
    return Plan(board, setting, files, options, constraints)

"""The table of imports in CONTRIBUTING.md: which folder may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_MODEL = ("model", "model/neurons", "model/network", "model/fabric", "model/run", "model/link")
_RTL = ("rtl", "rtl/verilog", "rtl/forms", "rtl/memory", "rtl/neurons", "rtl/scan", "rtl/sweep", "rtl/link")
#: Each room, and the rooms whose files its own may import besides each other. A file is in the deepest room that holds it.
ROOMS: dict[str, tuple[str, ...]] = {
    "model": (),
    "model/neurons": ("model",),
    "model/network": ("model", "model/neurons"),
    "model/run": ("model", "model/neurons", "model/network"),
    "model/fabric": ("model", "model/neurons", "model/network", "model/run"),
    "model/link": ("model", "model/neurons", "model/network", "model/fabric"),
    **dict.fromkeys(_RTL, (*_MODEL, *_RTL)),
    "rtl/verilog": ("rtl", "src/ranvier/processes"),    # Yosys writes it
    "sim": (*_MODEL, *_RTL, "src/ranvier/processes"),
    # The bench of the whole fabric maps networks.
    "sim/benches": (*_MODEL, *_RTL, "sim", "src/ranvier/processes", "src/ranvier/files", "src/ranvier/mapping"),
    "boards": (*_MODEL, *_RTL),
    "src/ranvier/files": _MODEL,
    "src/ranvier/frontends": (*_MODEL, "src/ranvier/files"),
    "src/ranvier/convert": (*_MODEL, "src/ranvier/files", "src/ranvier/frontends"),
    "src/ranvier/mapping": _MODEL,
    "src/ranvier/encoders": (*_MODEL, "src/ranvier/files"),
    "src/ranvier/training": (*_MODEL, "src/ranvier/files", "src/ranvier/progress", "src/ranvier/simulation"),
    "src/ranvier/simulation": _MODEL,
    "src/ranvier/progress": (),
    "src/ranvier/processes": (),
    "src/ranvier": ("",),
}


def path_of(module: str) -> str:
    """Where the module ``ranvier.X`` lies, without its suffix."""
    parts = module.split(".")[1:]
    return "/".join(parts if parts and parts[0] in ("model", "rtl", "sim", "boards") else ["src", "ranvier", *parts])


def imports_of(path: Path) -> set[str]:
    """Modules of this project that the file ``path`` imports anywhere, as paths from the root."""
    inside = path.relative_to(ROOT)
    name = ["ranvier", *(inside.parts[2:] if inside.parts[0] == "src" else inside.parts)]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(name[:len(name) - node.level]) if node.level else ""
            target = ".".join(part for part in (base, node.module) if part)
            found |= {f"{target}.{alias.name}" for alias in node.names}
    return {path_of(module) for module in found if module == "ranvier" or module.startswith("ranvier.")}


def room_of(path: str) -> str:
    """The deepest room that holds ``path``."""
    return max((room for room in ROOMS if path.removesuffix(".py") == room or path.startswith(room + "/")), key=len)


FILES = sorted(path for top in ("model", "rtl", "sim", "boards", "src") for path in (ROOT / top).rglob("*.py")
               if not any(parent.is_symlink() for parent in path.parents))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_what_its_room_may(path: Path) -> None:
    here = str(path.relative_to(ROOT))
    room = room_of(here)
    if here == "model/__init__.py" or "" in ROOMS[room]:
        return    # the model's face gathers names from its rooms; what users call may use all
    wrong = sorted(target for target in imports_of(path) if room_of(target) not in (room, *ROOMS[room]))
    assert not wrong, f"{here} imports {', '.join(wrong)}; {room} may import {', '.join(ROOMS[room]) or 'nothing else'}"

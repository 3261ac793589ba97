"""What is shipped: wheel and sdist hold every file, imports stay under one name, and files name no machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("rtl", "model", "sim", "boards")
IMPORTS = """
import importlib.util, pkgutil, sys
import ranvier
torch = importlib.util.find_spec("torch")    # training needs it, and make test goes without
for module in pkgutil.walk_packages(ranvier.__path__, "ranvier."):
    if not module.name.endswith("__main__") and ".sim.benches." not in module.name and (torch or module.name != "ranvier.training"):
        importlib.import_module(module.name)
wrong = {"rtl", "model", "sim", "boards"} & {name.split(".")[0] for name in sys.modules}
assert not wrong, wrong
for name in ("rtl.fabric", "model.run.golden", "sim.simulator", "boards"):
    assert f"ranvier.{name}" in sys.modules, name
print(ranvier.__file__)
"""


def tracked() -> list[str]:
    """Files under version control that are there."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is not a checkout")
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def shipped() -> list[str]:
    """Tracked files of the package, the committed links left out."""
    return [name for name in tracked() if not (ROOT / name).is_symlink()
            and (name.startswith("src/ranvier/") or name.split("/")[0] in FOLDERS)]


def in_package(name: str) -> str:
    """Where a tracked file is once it is installed."""
    return name.removeprefix("src/") if name.startswith("src/") else f"ranvier/{name}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and the wheel made from it; nothing is fetched."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def test_wheel_holds_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        wanted = {in_package(name): name for name in shipped()}
        assert len(wanted) > 50 and not set(wanted) - set(names)
        assert {"ranvier/py.typed", "ranvier/sim/harness.cpp", "ranvier/rtl/fabric.py", "ranvier/model/run/golden.py"} <= set(names)
        assert len(names) == len(set(names))
        assert {name.split("/")[0].split("-")[0] for name in names} == {"ranvier"}, "something lies beside the package"
        assert any(name.endswith("/licenses/LICENSE") for name in names)
        for inside, name in wanted.items():
            assert archive.read(inside) == (ROOT / name).read_bytes(), name


def test_sdist_holds_every_file(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {name for name in tracked() if name.startswith("tests/")} | {"pyproject.toml", "README.md", "LICENSE", *shipped()}
    assert not wanted - names


def _imports(folder: Path, path: str) -> Path:
    """Import every module from outside the checkout; the place it came from."""
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_imports_of_the_checkout(tmp_path: Path) -> None:
    """No module is imported under two names."""
    assert _imports(tmp_path, str(ROOT / "src")).is_relative_to(ROOT)


def test_imports_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert _imports(tmp_path, str(tmp_path / "site")).is_relative_to(tmp_path / "site")


def test_links_lead_to_the_folders() -> None:
    for name in FOLDERS:
        link = ROOT / "src" / "ranvier" / name
        assert link.is_symlink() and os.readlink(link) == f"../../{name}" and link.resolve() == ROOT / name


def test_files_name_no_machine() -> None:
    """No path of a developer's machine and no address of a package registry."""
    places = ["/" + "root/", "/" + "work/", "/tmp" + "/w/", "pypi" + ".org", "files.python" + "hosted"]
    for name in tracked():
        path = ROOT / name
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if b"\0" in data:     # not text
            continue
        assert not [place for place in places if place.encode() in data], name

"""What a file may ask for is bounded before it is unpacked: small files that unpack to huge ones cost little, measured in a child."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ranvier.files.archive import Archive
from ranvier.files.limits import MAX_WEIGHTS
from ranvier.files.network import load_network, save_network
from ranvier.model.errors import RanvierError
from ranvier.model.network.network import Network
from ranvier.model.network.population import Population
from ranvier.model.network.projection import Projection

MIB = 1 << 20


#: Runs a command and prints its exit code and its most KiB. It stands between, because a process begins with its parent's peak as its own.
_MEASURE = """
import os, resource, subprocess, sys
limit = int(sys.argv[1])
bounded = (lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))) if limit else None
process = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, preexec_fn=bounded)
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)
"""


def measured(*arguments: object, limit: int = 0) -> tuple[int, str, float]:
    """Exit code and standard error of `ranvier` in a process of its own, and the most MiB that it had; ``limit`` bytes is all it gets."""
    # One thread for BLAS: each has a buffer, which is no part of what is measured.
    done = subprocess.run([sys.executable, "-S", "-c", _MEASURE, str(limit), sys.executable, "-m", "ranvier", *map(str, arguments)],
                          capture_output=True, text=True, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    code, peak = map(int, done.stdout.split())
    return code, done.stderr, peak / 1024


def written(path: Path, name: str, dtype: str, shape: tuple[int, ...], others: dict[str, bytes] | None = None) -> Path:
    """A zip with an array of zeros, deflated as it is made."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    rest = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other, data in (others or {}).items():
            archive.writestr(other, data)
        with archive.open(name, "w", force_zip64=True) as entry:
            entry.write(b"\x93NUMPY\x01\x00v\x00" + header.encode())
            while rest > 0:
                entry.write(bytes(min(rest, MIB)))
                rest -= MIB
    return path


def network(size: int, outputs: int) -> Network:
    return Network((Population("in", (1, 1, size), "input", {"theta": 255, "v_min": 0, "v_max": 1000}),
                    Population("out", (1, 1, outputs), "li", {"v_min": -1000, "v_max": 1000})),
                   (Projection.dense("in", "out", np.zeros((size, outputs), int)),))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A network of 784 inputs."""
    save_network(network(784, 2), tmp_path / "small.ranvier")
    return tmp_path / "small.ranvier"


def test_a_network_that_unpacks_to_a_huge_one(tmp_path: Path) -> None:
    save_network(network(2, 2), tmp_path / "two.ranvier")
    with zipfile.ZipFile(tmp_path / "two.ranvier") as archive:
        description = archive.read("network.json").replace(b"        2\n", b"        20000\n").replace(b"      2\n", b"      20000\n")
    assert description.count(b"20000") == 2
    path = written(tmp_path / "bomb.ranvier", "projection-0000.npy", "|i1", (1, 1, 20000, 20000), {"network.json": description})
    assert path.stat().st_size < 4 * MIB
    np.savez(tmp_path / "in.npz", pictures=np.zeros((1, 20000), np.uint8))
    code, said, used = measured("run", path, "--input", tmp_path / "in.npz")
    assert code == 2 and said == f"error: {path}: projections: 400000000 weights; a network has at most {MAX_WEIGHTS}: use a smaller one\n"
    assert used < 256


def test_many_projections_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = Population("a", (1, 1, 4), "input", {"theta": 255, "v_min": 0, "v_max": 1000})
    b = Population("b", (1, 1, 3), "li", {"v_min": -1000, "v_max": 1000})
    made = Network((a, b), tuple(Projection.dense("a", "b", np.ones((4, 3), int), delay=n) for n in range(3)))
    save_network(made, tmp_path / "n.ranvier")
    monkeypatch.setattr("ranvier.files.network.MAX_WEIGHTS", 35)
    with pytest.raises(RanvierError, match="36 weights"):
        load_network(tmp_path / "n.ranvier")
    with pytest.raises(RanvierError, match="36 weights"):
        save_network(made, tmp_path / "m.ranvier")
    monkeypatch.setattr("ranvier.files.network.MAX_WEIGHTS", 36)
    assert len(load_network(tmp_path / "n.ranvier").projections) == 3


def test_a_parameter_that_unpacks_to_a_huge_one(tmp_path: Path) -> None:
    """Its population is small."""
    made = network(2, 2)
    out = Population("out", (1, 1, 2), "li", {"bias": np.array([1, 2]), "v_min": -1000, "v_max": 1000})
    save_network(Network((made.populations[0], out), made.projections), tmp_path / "n.ranvier")
    with zipfile.ZipFile(tmp_path / "n.ranvier") as archive:
        others = {name: archive.read(name) for name in archive.namelist() if "bias" not in name}
    path = written(tmp_path / "bomb.ranvier", "population-0001.bias.npy", "<i4", (100 * MIB,), others)
    np.savez(tmp_path / "in.npz", pictures=np.zeros((1, 2), np.uint8))
    code, said, used = measured("run", path, "--input", tmp_path / "in.npz")
    assert code == 2 and said.count("\n") == 1 and "population-0001.bias.npy" in said
    assert used < 256


def test_limit_leaves_the_rest_packed(tmp_path: Path, small: Path) -> None:
    """500 MiB of float16, which widen to 2 GiB: the first is run, and with all of them the one line says what to do."""
    path = written(tmp_path / "bomb.npz", "pictures.npy", "<f2", (334367, 784), {})
    assert path.stat().st_size < 4 * MIB
    code, said, used = measured("run", small, "--input", path, "--limit", "1")
    assert code == 0, said
    assert used < 256
    code, said, used = measured("run", small, "--input", path)
    assert code == 2 and said.count("\n") == 1 and "--limit" in said
    assert used < 1400


def test_too_little_memory_is_one_line(tmp_path: Path, small: Path) -> None:
    """Where the bounds are not bounds enough for a machine: 1 GiB of address space for 500 MiB in the file."""
    path = written(tmp_path / "large.npz", "pictures.npy", "|u1", (500 * MIB // 784, 784), {})
    code, said, _ = measured("run", small, "--input", path, limit=1 << 30)
    assert code == 2 and said.splitlines()[-1].startswith("error: there is not enough memory") and "Traceback" not in said


@pytest.mark.parametrize("rows", [1, 3, 9, 10, 11, None])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_the_first_of_all(tmp_path: Path, rows: int | None, save: Callable[..., None], order: str) -> None:
    values = np.asarray(np.random.default_rng(0).normal(size=(10, 3, 2)), order=order)  # type: ignore[call-overload]
    save(tmp_path / "a.npz", a=values, b=np.float64(3), c=np.arange(4))
    archive = Archive(tmp_path / "a.npz")
    assert archive.shape("a.npy") == (10, 3, 2) and archive.shape("b.npy") == () and archive.shape("c.npy") == (4,)
    np.testing.assert_array_equal(archive.array("a.npy", rows=rows), values[:rows])
    np.testing.assert_array_equal(archive.array("c.npy", rows=rows), np.arange(4)[:rows])
    assert archive.array("b.npy", rows=rows) == 3


def test_rows_of_a_lying_header(tmp_path: Path) -> None:
    """Neither more rows than there are, nor bytes behind them, nor a stream that ends too soon."""
    data = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (9, 2), }".ljust(117) + b"\n"
    for content in (data + bytes(17), data + bytes(19), data):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("a.npy", content)
        with pytest.raises(RanvierError, match="array a: the header says 9 x 2"):
            Archive(tmp_path / "a.npz").array("a.npy", rows=2)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", data + np.random.default_rng(0).bytes(18))
    packed = bytearray((tmp_path / "a.npz").read_bytes())
    at = packed.index(b"a.npy") + 5
    packed[at:at + 40] = bytes(40)
    (tmp_path / "a.npz").write_bytes(packed)
    with pytest.raises(RanvierError, match="damaged|cut short"):
        Archive(tmp_path / "a.npz").array("a.npy", rows=2)

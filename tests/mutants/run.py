"""`make mutants`: faults put into the sources of model and RTL one at a time; the cheapest test that must notice is run first.

Works on copies of the tree in a temporary folder, never on the checkout. A mutant is *killed* if a check fails or takes too long,
*argued* if `argued.toml` says why nothing can notice it, and *survives* otherwise. Results are kept in the output folder as they come,
so that a run that was stopped goes on where it was; a result counts only as long as the mutant's source is as it was.

Mutants that matter are also written by hand, in the other ``*.toml`` files beside this one:

    [[mutant]]
    file = "rtl/link/uart.py"     # and the text that is replaced, which is there once
    old = "..."
    new = "..."
    tests = ["tests/device/test_device.py::test_name"]    # for pytest, cheapest first; or what checks.py knows
    why = "what it does wrong"
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Lock
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from operators import Mutant, mutants_of  # noqa: E402

SAMPLE = 150
LEAST_SHARE = 0.98
#: A share of the sample is too small to tell 98 %, and a new one with every change of a source: it fails where the evidence has gone.
LEAST_OF_A_SHARE = 0.75
#: What is copied: no documentation, no build.
COPIED = ("model", "rtl", "sim", "boards", "src", "tests", "examples", "pyproject.toml", "docs", "benchmarks", "README.md")
#: Seconds of wall clock that a check may take on a busy machine; a mutant that takes longer hangs.
PATIENCE = 900

#: By the beginning of a file's name, the longest that fits: checks from the cheapest on. What is not in `checks.py` is pytest's.
CHECKS: dict[str, tuple[str, ...]] = {
    "model/": ("frozen simulation", "model", "tests/model", "tests/mapping", "frozen iCE40", "tests/files"),
    "model/prng.py": ("tests/model/test_prng.py",),
    "model/fixed.py": ("tests/model/test_fixed.py", "model"),
    "model/network/": ("tests/model/network", "model", "frozen simulation", "tests/files"),
    "model/network/levels.py": ("tests/model/network/test_levels.py", "model", "frozen simulation"),
    "model/network/headroom.py": ("tests/model/network/test_headroom.py", "model"),
    "model/neurons/": ("model", "frozen simulation", "tests/model"),
    "model/run/": ("model", "tests/model/run", "tests/test_runs.py"),
    "model/fabric/": ("frozen simulation", "frozen iCE40", "tests/model", "tests/mapping"),
    "model/fabric/config.py": ("frozen simulation", "tests/model/run/test_digits_stay.py", "tests/mapping", "tests/files",
                               "tests/verify/test_campaign.py"),
    "model/fabric/device_config.py": ("tests/device/test_link_session.py", "device", "tests/boards", "tests/bitstream/test_build.py"),
    "model/link/": ("tests/model/link", "tests/device/test_link_session.py", "device", "tests/device/test_device.py"),
    "rtl/": ("fabric simulation", "fabric ECP5", "fabric iCE40"),
    "rtl/prng.py": ("tests/rtl/test_prng.py",),
    "rtl/fixed.py": ("tests/rtl/test_fixed.py", "fabric simulation"),
    "rtl/lanes.py": ("fabric simulation", "tests/rtl/test_blocks.py -k lanes", "fabric ECP5", "fabric iCE40"),
    "rtl/ticker.py": ("fabric simulation", "tests/rtl/test_blocks.py -k ticker", "fabric ECP5", "fabric iCE40"),
    "rtl/ring.py": ("fabric simulation", "tests/rtl/test_blocks.py -k ring", "fabric ECP5", "fabric iCE40"),
    "rtl/input_unit.py": ("fabric simulation", "tests/rtl/test_blocks.py -k input_unit", "fabric ECP5", "fabric iCE40"),
    "rtl/scan/": ("fabric simulation", "tests/rtl/test_blocks.py -k scanner", "tests/rtl/test_blocks.py -k sequencer", "fabric ECP5",
                  "fabric iCE40"),
    "rtl/sweep/": ("fabric simulation", "tests/rtl/test_blocks.py -k sweep", "fabric ECP5", "fabric iCE40"),
    "rtl/memory/": ("fabric simulation", "tests/rtl/test_blocks.py -k memory", "fabric ECP5", "fabric iCE40"),
    "rtl/memory/counters.py": ("fabric simulation", "tests/rtl/test_blocks.py -k counters", "fabric ECP5", "fabric iCE40"),
    "rtl/forms/": ("tests/rtl/forms", "fabric simulation", "fabric ECP5", "fabric iCE40", "tests/rtl/test_blocks.py -k ticker"),
    "rtl/device.py": ("device", "tests/device/test_device.py", "tests/bitstream/test_verilog.py"),
    "rtl/link/": ("device", "tests/rtl/test_blocks.py -k link", "tests/device/test_device.py"),
}


@dataclass(frozen=True)
class Case:
    """A fault and the checks that must notice it."""

    mutant: Mutant
    checks: tuple[str, ...]
    why: str = ""

    @property
    def key(self) -> str:
        """Changes with the mutant and with the source that it is put into."""
        source = (ROOT / self.mutant.file).read_bytes()
        return hashlib.sha256(f"{self.mutant.name} {self.checks}".encode() + source).hexdigest()[:16]


def checks_of(file: str) -> tuple[str, ...]:
    """The checks of a file."""
    return CHECKS[max((prefix for prefix in CHECKS if file.startswith(prefix)), key=len)]


def sampled(count: int, seed: int, only: str = "") -> list[Case]:
    """So many of all mutants of model and RTL, as many of each; another ``seed`` gives others."""
    rng, chosen = random.Random(seed), []
    for folder in ("model", "rtl"):
        found: list[Mutant] = []
        for path in sorted((ROOT / folder).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            if file.startswith(only):
                found += mutants_of(file, path.read_text())
        rng.shuffle(found)
        chosen += found[:-(-count // 2)]
    rng.shuffle(chosen)
    return [Case(mutant, checks_of(mutant.file)) for mutant in chosen[:count]]


def by_hand() -> list[Case]:
    """The mutants of the files beside this one."""
    cases = []
    for path in sorted(HERE.glob("*.toml")):
        for entry in tomllib.loads(path.read_text()).get("mutant", []):
            source = (ROOT / entry["file"]).read_text()
            count = source.count(entry["old"])
            if count != 1:
                raise SystemExit(f"{path.name}: {entry['file']} has {count} times {entry['old']!r}; it must be there once")
            start = source.index(entry["old"])
            line = source[:start].count("\n") + 1
            mutant = Mutant(entry["file"], line, start - source.rfind("\n", 0, start) - 1, "by hand", entry["old"], entry["new"], start,
                            start + len(entry["old"]))
            tests = entry["tests"]
            cases.append(Case(mutant, (tests,) if isinstance(tests, str) else tuple(tests), entry["why"]))
    return cases


def argued() -> list[dict[str, str]]:
    """Mutants that nothing can notice: file, the source line that they are in, what stood there and what stands there, and why."""
    entries = tomllib.loads((HERE / "argued.toml").read_text()).get("argued", [])
    for entry in entries:
        if entry.keys() != {"file", "line", "old", "new", "why"}:
            raise SystemExit(f"argued.toml: {entry.get('file')}: an entry has file, line, old, new and why")
    return entries


def is_argued(mutant: Mutant, entries: list[dict[str, str]]) -> bool:
    """Whether one of the entries is about ``mutant``."""
    line = (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1].strip()
    return any((entry["file"], entry["line"], entry["old"], entry["new"]) == (mutant.file, line, mutant.old, mutant.new)
               for entry in entries)


class Tree:
    """A copy of the sources for one worker; every mutant has a cache of its own, which ends with it."""

    def __init__(self, folder: Path, frozen: Path) -> None:
        self.root, self._frozen, self._cache = folder / "tree", frozen, folder / "cache"
        self.root.mkdir(parents=True)
        for name in COPIED:
            source, target = ROOT / name, self.root / name
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "build"))
            else:
                shutil.copy(source, target)

    def run(self, words: list[str], log: Path) -> bool:
        """Whether a check succeeds."""
        known = ("model", "frozen", "fabric", "device", "freeze")
        command = [sys.executable, str(self.root / "tests/mutants/checks.py"), *words] if words[0] in known else \
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *words]
        environment = {**os.environ, "PYTHONPATH": f"{self.root / 'src'}{os.pathsep}{self.root}", "RANVIER_CACHE": str(self._cache),
                       "RANVIER_FROZEN": str(self._frozen), "PYTHONDONTWRITEBYTECODE": "1"}
        with log.open("a") as output:
            output.write(f"== {' '.join(words)}\n")
            output.flush()
            process = subprocess.Popen(command, cwd=self.root, env=environment, stdout=output, stderr=subprocess.STDOUT,
                                       start_new_session=True)
            try:
                return process.wait(PATIENCE) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def judge(self, case: Case, clean: Clean, log: Path) -> dict[str, Any]:
        """Put the fault in, run the checks until one fails, take it out again."""
        path = self.root / case.mutant.file
        source = path.read_text()
        begin = time.monotonic()
        killer = ""
        try:
            path.write_text(case.mutant.apply(source))
            for check in case.checks:
                if check.split()[0] in ("frozen", "fabric"):
                    clean.freeze(check.split()[1])
                if not self.run(check.split(), log):
                    clean.must_hold(_failed(log) or check.split())
                    killer = check
                    break
        finally:
            path.write_text(source)
            shutil.rmtree(self._cache, ignore_errors=True)
        return {"key": case.key, "name": case.mutant.name, "killed_by": killer, "seconds": round(time.monotonic() - begin, 1)}


class Clean:
    """The sources as they are: what is compiled from them once, and whether a check succeeds on them."""

    def __init__(self, folder: Path, frozen: Path, logs: Path) -> None:
        self._tree, self._frozen, self._logs = Tree(folder, frozen), frozen, logs
        self._lock = Lock()
        self._known: set[tuple[str, ...]] = set()

    def freeze(self, form: str) -> None:
        """Compile the checks' fabric in a form, unless that has been done."""
        with self._lock:
            made = (self._frozen / f"{form}.so").is_file()
            if not made and not self._tree.run(["freeze", form, str(self._frozen)], self._logs / "clean.log"):
                raise SystemExit(f"the fabric cannot be compiled; see {self._logs / 'clean.log'}")

    def must_hold(self, check: list[str]) -> None:
        """A check's failure means something only if it succeeds without any mutant."""
        with self._lock:
            if tuple(check) not in self._known and not self._tree.run(check, self._logs / "clean.log"):
                raise SystemExit(f"{' '.join(check)}: fails without any mutant; see {self._logs / 'clean.log'}")
            self._known.add(tuple(check))


def _failed(log: Path) -> list[str]:
    """The test that failed at the end of a log of pytest, or what could not be collected; nothing for other checks."""
    found = re.findall(r"^(FAILED|ERROR) (tests/.*?)(?: - .*)?$", log.read_text().rpartition("\n== ")[2], re.MULTILINE)
    return [] if not found else [found[0][1]] if "::" in found[0][1] else [found[0][1], "--collect-only"]


def _digest() -> str:
    """Changes with anything that the checks' fabrics are compiled from."""
    paths = [HERE / "checks.py", *(path for folder in ("model", "rtl", "sim") for path in sorted((ROOT / folder).rglob("*.py")))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]


def difference(mutant: Mutant) -> str:
    """The mutant as a difference of its source."""
    source = (ROOT / mutant.file).read_text()
    lines = difflib.unified_diff(source.splitlines(), mutant.apply(source).splitlines(), mutant.file, mutant.file, n=1, lineterm="")
    return "\n".join(lines)


def run(cases: list[Case], folder: Path, workers: int) -> list[dict[str, Any]]:
    """The verdict on every case; those of earlier runs are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    kept_in = folder / "results.jsonl"
    known = {entry["key"]: entry for line in (kept_in.read_text().splitlines() if kept_in.is_file() else [])
             if (entry := json.loads(line))}
    waiting = [case for case in cases if case.key not in known]
    with tempfile.TemporaryDirectory(prefix="ranvier-mutants-") as temporary:
        trees: Queue[Tree] = Queue()
        frozen = folder / f"frozen-{_digest()}"
        frozen.mkdir(exist_ok=True)
        for n in range(workers):
            trees.put(Tree(Path(temporary) / str(n), frozen))
        clean = Clean(Path(temporary) / "clean", frozen, folder)

        def judge(case: Case) -> None:
            tree = trees.get()
            try:
                entry = tree.judge(case, clean, folder / f"{case.key}.log")
            finally:
                trees.put(tree)
            known[case.key] = entry
            with kept_in.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            print(f"{'killed' if entry['killed_by'] else 'SURVIVED'} {entry['seconds']:6.1f} s  {entry['name'].splitlines()[0]}"
                  f"{'  by ' + entry['killed_by'] if entry['killed_by'] else ''}", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(judge, case) for case in waiting]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)    # what has begun ends, and no more begins
                raise
    return [known[case.key] for case in cases]


def main() -> int:
    """The command line; 1 where too many survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=SAMPLE, help="mutants of the operators to draw (default: %(default)s)")
    parser.add_argument("--share", type=float, default=1.0, help="part of them, and of those by hand, to take")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="beginning of the files' names")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/mutants"))
    options = parser.parse_args()
    cases = sampled(round(options.count * options.share), options.seed, options.only)
    cases += [case for case in by_hand() if case.mutant.file.startswith(options.only)][::round(1 / options.share)]
    verdicts = run(cases, options.output.resolve(), options.workers)
    reasons = argued()
    survivors, argued_for = [], 0
    for case, verdict in zip(cases, verdicts, strict=True):
        if verdict["killed_by"]:
            continue
        if is_argued(case.mutant, reasons):
            argued_for += 1
        else:
            survivors.append(case)
    good = len(cases) - len(survivors)
    report = {"mutants": len(cases), "killed": good - argued_for, "argued": argued_for, "survived": len(survivors),
              "survivors": [{"at": f"{case.mutant.file}:{case.mutant.line}", "operator": case.mutant.operator,
                             "difference": difference(case.mutant), "why": case.why} for case in survivors]}
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        for survivor in report["survivors"]:
            print(f"\nsurvived: {survivor['at']} ({survivor['operator']}) {survivor['why']}\n{survivor['difference']}")
        print(f"{len(cases)} mutants: {good - argued_for} killed, {argued_for} argued, {len(survivors)} survived")
    by_hand_survives = any(case.why for case in survivors)
    return int(by_hand_survives or good < (LEAST_SHARE if options.share == 1 else LEAST_OF_A_SHARE) * len(cases))


if __name__ == "__main__":
    sys.exit(main())

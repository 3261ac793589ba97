"""The measured tables of docs/encoders.md, its vectors and its example."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ranvier.encoders import ngram_neurons
from ranvier.model.prng import prng

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "encoders.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def costs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_encoder_costs", DOCS / "encoder_costs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module    # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_tables_are_what_is_measured(costs: ModuleType) -> None:
    assert costs.page_with_tables(PAGE) == PAGE, "docs/encoders.md is old: run python docs/encoder_costs.py"


def test_figures_are_right_where_they_can_be_known(costs: ModuleType) -> None:
    rows = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in costs.values_table().splitlines()[2:]}
    assert rows["`phase`, 8 steps"][:1] + rows["`phase`, 8 steps"][2:4] == ["4.00", "8.00", "2.00"]
    assert rows["`rate`, 255 steps"][0] == "127.50" and rows["`rate`, 255 steps"][2] == "8.00"
    assert rows["`latency`, linear, 16 steps"][0] == "1.00"
    # A count of 0 to 16 from a value that is anything: entropies by hand, of a uniform count and of its mean spread.
    assert 1.5 < float(rows["`rate`, Bernoulli, 16 steps"][2]) < 2.5


def test_vectors_of_the_random_numbers_are_right() -> None:
    rows = re.findall(r"^" + 4 * r"\| `?([0-9a-f]+)`? " + r"\| `([0-9a-f]{8})` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for *words, number in rows:
        assert prng(*(int(word, 16) for word in words)) == int(number, 16)


def test_vectors_of_the_hash_are_right() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \| (\d+) \| ([\d, ]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for content, size, n, neurons in rows:
        assert ngram_neurons(content, int(size), int(n)) == [int(neuron) for neuron in neurons.split(", ")]


def test_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(example, "encoders.md", "exec"), {})
    assert capsys.readouterr().out == "[0 2 4 6 8] [0.   0.25 0.5  0.75 1.  ]\n"


def test_rule_of_the_random_numbers_is_literally_true() -> None:
    """The lines of the page, run as they stand."""
    block = re.search(r"^    a = B \+ seed.*?^    u = c$", PAGE, re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = [re.split(r" {3,}[B k d]", line.strip())[0] for line in block[0].splitlines() if line.strip()]

    def rot(x: int, k: int) -> int:
        return (x << k | x >> 32 - k) & 0xFFFFFFFF

    for seed, step, neuron, purpose in ((0, 0, 0, 0), (1, 2, 3, 4), (0xFFFFFFFF, 5, 0x80000000, 1), (123456789, 7, 77, 1)):
        names: dict[str, object] = {"rot": rot, "B": 0xDEADBEEF + 0x14, "seed": seed, "step": step, "neuron": neuron, "purpose": purpose}
        for statement in (part.strip() for line in lines for part in line.split(";")):
            target, _, value = statement.partition(" = ")
            names[target] = eval(value, names) & 0xFFFFFFFF    # wraps, as the page says
        assert names["u"] == prng(seed, step, neuron, purpose)


def test_encoders_need_numpy_alone() -> None:
    """No extra is loaded before a file of its kind is read, and no oracle ever."""
    foreign = ("scipy", "aedat", "matplotlib", "torch", "snntorch", "tonic", "rockpool")
    script = ("import sys; import ranvier.encoders, ranvier.encoders.audio, ranvier.encoders.events; "
              f"print([name for name in {foreign!r} if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

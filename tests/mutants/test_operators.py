"""The mutation operators: each makes its fault, and nothing else; `make mutants` runs them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import operators
import run

SOURCE = '''"""Words."""
def f(m, a, b, c, x):
    m.d.sync += [a.eq(b), b.eq(c)]
    m.d.comb += c.eq(Mux(a, b, c))
    with m.If(a):
        g(x)
    if a == 1 and not b:
        raise ValueError(f"{a + 7}")
    return max(a, b) - (x << 2) if a < b else ~c & x
'''


def _all() -> dict[tuple[str, str], str]:
    return {(mutant.operator, mutant.old): mutant.new for mutant in operators.mutants_of("a.py", SOURCE)}


@pytest.mark.parametrize(("operator", "old", "new"), [
    ("comparison", "a == 1", "(a != 1)"), ("comparison", "a < b", "(a <= b)"), ("constant", "1", "0"), ("operator", "x << 2", "(x >> 2)"),
    ("operands swapped", "x << 2", "(2 << x)"),
    ("and or", "a == 1 and not b", "(a == 1 or not b)"), ("not", "not b", "b"), ("not", "~c", "c"),
    ("arms swapped", "Mux(a, b, c)", "Mux(a, c, b)"), ("other call", "max(a, b)", "min(a, b)"), ("statement dropped", "g(x)", "pass"),
    ("condition inverted", "m.If(a)", "m.If(~a.bool())"),
    ("assignment dropped", "m.d.sync += [a.eq(b), b.eq(c)]", "m.d.sync += [a.eq(b)]"), ("operator", "~c & x", "(~c | x)"),
    ("statement dropped", "m.d.comb += c.eq(Mux(a, b, c))", "pass"),
])
def test_operator(operator: str, old: str, new: str) -> None:
    assert _all()[operator, old] == new


def test_every_mutant_is_python_and_differs() -> None:
    for path in sorted([*(run.ROOT / "model").rglob("*.py"), *(run.ROOT / "rtl").rglob("*.py")])[::7]:
        source = path.read_text()
        for mutant in operators.mutants_of("x.py", source)[::11]:
            changed = mutant.apply(source)
            ast.parse(changed)
            assert changed != source
            assert changed.count("\n") - source.count("\n") == mutant.new.count("\n") - mutant.old.count("\n")


def test_messages_are_no_mutants() -> None:
    assert not any("7" in mutant.old for mutant in operators.mutants_of("a.py", SOURCE))


def test_a_sample_is_seeded_and_every_file_has_checks() -> None:
    first, again = run.sampled(20, 5), run.sampled(20, 5)
    assert [case.key for case in first] == [case.key for case in again]
    assert [case.key for case in first] != [case.key for case in run.sampled(20, 6)]
    assert all(case.checks for case in first)
    for checks in run.CHECKS.values():
        for check in checks:
            if check.startswith("tests/"):
                assert (run.ROOT / check.split()[0].partition("::")[0]).exists(), check


def test_mutants_by_hand_and_arguments_fit_the_sources() -> None:
    run.by_hand()    # each text is there once
    for entry in run.argued():
        mutants = operators.mutants_of(entry["file"], (run.ROOT / entry["file"]).read_text())
        assert any(run.is_argued(mutant, [entry]) for mutant in mutants), f"argued.toml: no mutant of {entry['file']} is {entry['line']!r}"
        assert len(entry["why"]) > 20


def test_a_mutant_that_nothing_checks_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that breaks the import of the model is killed, in a tree of its own."""
    monkeypatch.setattr(run, "COPIED", ("model", "rtl", "sim", "boards", "src", "tests", "pyproject.toml"))
    file = "model/limits.py"
    source = (run.ROOT / file).read_text()
    line = source.rindex("\n", 0, len(source) - 1) + 1
    broken = operators.Mutant(file, 1, 0, "by hand", source[line:], "raise ValueError\n", line, len(source))
    harmless = operators.Mutant(file, 1, 0, "by hand", source[line:], source[line:] + "# nothing\n", line, len(source))
    checks = ("tests/model/network/test_network.py",)
    verdicts = run.run([run.Case(broken, checks), run.Case(harmless, checks)], tmp_path, 1)
    assert [verdict["killed_by"] for verdict in verdicts] == [checks[0], ""]
    assert (run.ROOT / file).read_text() == source
    # What is known is not run again.
    monkeypatch.setattr(run.Tree, "run", lambda *_: pytest.fail("run again"))
    assert run.run([run.Case(broken, checks)], tmp_path, 1)[0]["killed_by"] == checks[0]

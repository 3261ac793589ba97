"""The documentation: generated pages are current, links lead somewhere, and what it quotes exists and runs."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest

import ranvier
from ranvier.cli import cli
from ranvier.reports.tables import demo_rows

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _prose(page: Path) -> str:
    """The page without fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _quoted(page: Path, program: str) -> list[str]:
    """Calls of ``program``: indented lines, and code in the text."""
    text = _prose(page)
    lines = re.findall(rf"^ {{4}}(?:\.venv/bin/)?({program} .+)$", text, re.MULTILINE)
    return [call.partition("#")[0].strip() for call in [*lines, *re.findall(rf"`(?:\.venv/bin/)?({program} [^`\n]+)`", text)]]


@pytest.mark.parametrize("name", sorted(generate.PAGES))
def test_generated_page_is_current(name: str) -> None:
    found = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert found == generate.PAGES[name](), f"docs/{name} is old: run python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), target


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "index.md" or f"({name})" in index, name


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_quoted_commands_exist(page: Path) -> None:
    for call in _quoted(page, "ranvier"):
        words = shlex.split(call)[1:]
        if words[0] == "COMMAND":
            continue
        assert words[0] in cli.commands, call
        command = cli.commands[words[0]]
        if isinstance(command, click.Group):
            command = command.commands[words[1]]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, call


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_quoted_targets_exist(page: Path) -> None:
    for call in _quoted(page, "make"):
        words = call.split()[1:]
        folder, words = (ROOT / words[1], words[2:]) if words[:1] == ["-C"] else (ROOT, words)
        targets = set(re.findall(r"^([a-z-]+):", (folder / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert {word for word in words if "=" not in word} <= targets, call


def test_readme_shows_every_command() -> None:
    shown = {shlex.split(call)[1] for call in _quoted(ROOT / "README.md", "ranvier")}
    assert set(cli.commands) <= shown


def test_readme_shows_the_demo_table_as_it_is_printed() -> None:
    rows = demo_rows({
        "ann_accuracy": 0.0, "snn_accuracy": {str(n): 0.0 for n in (1, 2, 4, 8, 16)}, "weight_bits": 4, "ticks": 4,
        "rtl_samples": 0, "rtl_mismatches": 0, "fabric": {"cores": 2, "core": {"lanes": 64}}, "clocks_per_sample": 0.0,
        "clocks_per_sample_stream": 0.0, "clocks_per_tick": 0.0, "weight_words_on_busiest_core": 0.0, "weight_limit_share": 0.0,
        "spikes_per_sample": {"input": 0.0, "hidden": 0.0}, "synaptic_operations_per_sample": 0.0, "clamps": 0})
    (table,) = _blocks(ROOT / "README.md", "text")
    assert [name for name, _ in rows] == [line.split("│")[1].strip() for line in table.splitlines() if line.startswith("│")]


def test_readme_example_is_the_package_docstring() -> None:
    (example,) = _blocks(ROOT / "README.md", "python")
    documented = inspect.cleandoc(ranvier.__doc__ or "").partition("\n\n")[2]
    assert example.strip() == inspect.cleandoc(documented).strip()


def test_readme_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it but the RTL, whose lines the tests of the command line and of the fabric cover."""
    (example,) = _blocks(ROOT / "README.md", "python")
    statements = [node for node in ast.parse(example).body if "rtl" not in
                  {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}]
    with np.load(DIGITS / "mnist_test.npz") as archive:
        np.savez(tmp_path / "test.npz", pictures=archive["pictures"][:100], labels=archive["labels"][:100])
    shutil.copy(DIGITS / "digits.onnx", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(ast.Module(statements, []), "README.md", "exec"), names)
    exec("print((ranvier.classify(model.readouts) == labels).mean())", names)
    assert float(capsys.readouterr().out) >= 0.95


def test_getting_started_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = _blocks(ROOT / "docs" / "getting-started.md", "python")
    exec(compile(example, "getting-started.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") == 10


def test_every_option_is_explained() -> None:
    for command in cli.commands.values():
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{command.name} {parameter.name}"

"""House rules that a linter cannot say."""

import re
import tomllib
from functools import reduce
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import septum
from septum.baselines import BASELINES
from septum.bench import TABLES
from septum.data import SOURCES
from septum.models import MODELS
from septum.tasks import TASKS

ROOT = Path(__file__).parents[1]
CODE = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")])
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TOP = [ROOT / name for name in ("Makefile", "constraints.txt", "CITATION.cff", ".ci/run")]
SPOKEN = (*CODE, *DOCS, *TOP)
MACHINE = re.compile(r"(?<![\w.}])/(?:work|home|opt|root|mnt|Users)/(?!someone)\w|\blocalhost\b")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_fit_on_a_few_screens():
    assert [relative(p) for p in CODE if len(p.read_text().splitlines()) > 400] == []


def test_no_file_speaks_of_a_machine():
    said = (MACHINE.pattern, '"localhost')  # a server has to know that name of its own
    texts = {p: reduce(lambda t, s: t.replace(s, ""), said, p.read_text()) for p in SPOKEN}
    assert {
        relative(p): m.group() for p, text in texts.items() if (m := MACHINE.search(text))
    } == {}


def test_files_are_named_after_what_they_hold():
    vague = re.compile(r"utils?|helpers?|common|base|misc")
    assert [relative(p) for p in CODE if vague.search(p.stem)] == []


def test_imports_point_down(capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", [*MODELS, *BASELINES, *SOURCES, *TASKS, *TABLES])
def test_every_entry_of_a_registry_is_documented(name):
    assert any(f"`{name}`" in text or f" {name} " in text for text in map(Path.read_text, DOCS))


@pytest.mark.parametrize("name", [*MODELS, *BASELINES])
def test_every_model_has_a_page(name):
    page = ROOT / "docs" / "systems" / f"{name}.md"
    assert page.name in (ROOT / "mkdocs.yml").read_text()
    assert {**MODELS, **BASELINES}[name].title in page.read_text()


def test_contributing_is_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 80


def test_one_version_everywhere():
    assert f"## [{septum.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {septum.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_requirement_is_pinned_in_the_tested_set():
    pins = re.findall(r"^([\w.-]+)==[\w.]+$", (ROOT / "constraints.txt").read_text(), re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = sum(project["optional-dependencies"].values(), project["dependencies"])
    names = {plain(re.split(r"[\[><=]", line)[0]) for line in lines}
    assert names - {"septum"} <= {plain(pin) for pin in pins}


def test_the_tested_set_holds_nothing_but_pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line)] == []


def test_every_bound_has_a_reason():
    text = (
        (ROOT / "pyproject.toml").read_text().partition("dependencies = [")[2].partition("\n]")[0]
    )
    assert [line for line in text.strip().splitlines() if "  # " not in line] == []


def test_nothing_committed_is_large():
    files = [path for folder in ("src", "tests", "docs") for path in (ROOT / folder).rglob("*")]
    large = [relative(p) for p in files if p.is_file() and p.stat().st_size > 1_000_000]
    assert large == []


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

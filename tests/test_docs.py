"""What the documentation shows works: code runs, commands parse, links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from septum import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(language):
    """Every fenced block of a language: page and text."""
    fenced = re.compile(rf"^```{language}\n(.*?)^```$", re.M | re.S)
    return [(page, text) for page in PAGES for text in fenced.findall(page.read_text())]


def name(value):
    return value.stem if isinstance(value, Path) else ""


def lines(start):
    """Every line of the shell blocks that begins with these words, without them."""
    found = [line for _, text in blocks("sh") for line in text.splitlines()]
    return [line.removeprefix(start) for line in found if line.startswith(start)]


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(("page", "code"), blocks("python"), ids=name)
def test_python_blocks_run(page, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {})


@pytest.mark.parametrize("line", lines("septum "))
def test_commands_parse(line):
    assert cli.parse(shlex.split(line, comments=True))


@pytest.mark.parametrize("line", lines("torchrun "))
def test_distributed_commands_parse(line):
    assert cli.parse(shlex.split(line.partition("-m septum.cli ")[2]))


def test_make_targets_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert {"demo", "test"} <= {line.split()[0] for line in lines("make ")} <= set(targets)


def test_links_lead_somewhere():
    links = [
        (page, link) for page in PAGES for link in re.findall(r"\]\(([^)#]+)", page.read_text())
    ]
    local = [(page, link) for page, link in links if not link.startswith("https://")]
    assert [(page.name, link) for page, link in local if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_contents():
    contents = (ROOT / "mkdocs.yml").read_text()
    docs = ROOT / "docs"
    assert [p for p in docs.rglob("*.md") if str(p.relative_to(docs)) not in contents] == []


def test_the_site_builds_strictly(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").is_file()

"""Runs on tiny phantoms, servers that show them, and a browser that looks."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from septum import runs
from septum.baselines import BASELINES
from septum.data import SOURCES, phantom
from septum.data.prepare import prepare_many
from septum.models import MODELS

SIZE = (64, 96)
FILM_SIZE = (48, 48)
DATA = {"coreecho": "films", "attri_ssc_vae": "hearts"}
"""What models are trained on that take no echo stills."""
ANSWER_MS = 30_000


@pytest.fixture(scope="session")
def explored_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets: `phantom` (stills), `films` (beating hearts), `hearts` (late enhancement)."""
    root = tmp_path_factory.mktemp("explored")
    phantom.write(root / "phantom", subjects=12, seed=0, size=SIZE)
    for name, layout in (("films", "echonet_dynamic"), ("hearts", "emidec")):
        draw = SOURCES[layout].drawn
        assert draw is not None
        (root / name).mkdir()
        draw(root / name, 10, 0)
    return root


@pytest.fixture(scope="session")
def made(explored_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a run of a model that was trained for two steps; made on the first call."""
    folder, kept = tmp_path_factory.mktemp("explored-runs"), explored_root / "cache"

    def make(model: str) -> Path:
        run = folder / model
        if not run.is_dir():
            _train(model, run, explored_root, kept)
        return run

    return make


def _train(model: str, run: Path, root: Path, kept: Path) -> None:
    registry = MODELS if model in MODELS else BASELINES
    paper = registry[model]
    name = DATA.get(model, "phantom")
    layout = {"films": "films:echonet_dynamic", "hearts": "hearts:hearts"}.get(name, name)
    size_name = "tiny" if "tiny" in paper.sizes else "small"
    with pytest.MonkeyPatch.context() as patch:
        size = paper.sizes[size_name]
        recipe = replace(size.recipe, steps=2, batch_size=4)
        sizes = {**paper.sizes, size_name: replace(size, recipe=recipe)}
        patch.setitem(registry, model, replace(paper, sizes=sizes))
        shape = {"films": FILM_SIZE, "hearts": (64, 64)}.get(name, SIZE)
        images = prepare_many((layout,), root, size=shape, cache=kept)
        runs.train(model, images, run, size=size_name)
    runs.note_images(run, (layout,), root)


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The process behind every link that `site` gives; at the end none is left."""
    running: dict[str, subprocess.Popen[str]] = {}
    yield running
    for server in running.values():
        server.terminate()
        server.communicate(timeout=20)


@pytest.fixture(scope="session")
def site(
    made: Callable[[str], Path], explored_root: Path, servers: dict[str, subprocess.Popen[str]]
) -> Callable[..., str]:
    """The link to a server that shows runs of these models: `site("concept_vae")`.

    Further options of the command can be given as `words`.
    """

    @cache
    def serve(*models: str, words: tuple[str, ...] = ()) -> str:
        folders = [made(model) for model in models]
        server, link = _served(folders, explored_root / "cache", words)
        servers[link] = server
        return link

    return serve


def _served(
    folders: list[Path], kept: Path, words: tuple[str, ...]
) -> tuple[subprocess.Popen[str], str]:
    asked = ["explore", "--run", *map(str, folders), "--cache", str(kept), "--port", "0", *words]
    server = subprocess.Popen(
        [sys.executable, "-m", "septum.cli", *asked], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    link = server.stdout.readline().strip()
    if not link.startswith("http://127.0.0."):
        server.kill()
        server.communicate()
        pytest.fail(f"the server said {link!r}")
    return server, link


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("skipped: Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Page]:
    """A page of 1280 x 720; at the end the browser may have complained of nothing."""
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(ANSWER_MS)
    expect.set_options(timeout=ANSWER_MS)
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type in {"error", "warning"} else None)

    def broke(error: Error) -> None:
        said.append(str(error))

    page.on("pageerror", broke)
    yield page
    page.close()
    assert said == []

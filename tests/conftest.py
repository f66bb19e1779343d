"""What every test stands on."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from septum.baselines import BASELINES
from septum.data import phantom
from septum.models import MODELS

torch.set_num_threads(1)  # small tensors: several times faster, steady on shared machines

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test before has left: one thread, and what is logged is heard."""
    torch.set_num_threads(1)
    monkeypatch.setattr(logging.getLogger("septum"), "disabled", False)
    monkeypatch.setattr(logging.getLogger("septum"), "propagate", True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images for development, where they lie beside the project."""
    if not SHARED.is_dir():
        pytest.skip("skipped: no shared data")
    return SHARED


@pytest.fixture(scope="session")
def phantom_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set `phantom`: twelve small hearts in two views; not to be written."""
    root = tmp_path_factory.mktemp("data")
    phantom.write(root / "phantom", subjects=12, seed=0, size=(64, 80))
    return root


@pytest.fixture(scope="module")
def tiny_models() -> Iterator[None]:
    """Every registered model and baseline trains for two steps on tiny images."""
    with pytest.MonkeyPatch.context() as patch:
        for registry in (MODELS, BASELINES):
            for name, paper in registry.items():
                short = {"steps": 2, "batch_size": 4, "image_size": (64, 96)}
                sizes = {
                    key: replace(size, recipe=replace(size.recipe, **short))
                    for key, size in paper.sizes.items()
                }
                patch.setitem(registry, name, replace(paper, sizes=sizes))
        yield

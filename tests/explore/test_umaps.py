"""UMAP in its own process: what is told, and what is said where it cannot be."""

import importlib.util
import sys
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from septum.contract import BadInput
from septum.explore import umaps

POOLED = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)


def learner(**given: Any) -> SimpleNamespace:
    """Draws a progress bar as umap-learn does, and gives back the first two features."""

    def fit_transform(pooled: np.ndarray) -> np.ndarray:
        bar = given["tqdm_kwds"]["file"]
        for text in ("\r", "0%", "\r40%", "\n"):
            bar.write(text)
            bar.flush()
        assert (given["n_neighbors"], given["random_state"]) == (15, umaps.SEED)
        return pooled[:, :2]

    return SimpleNamespace(fit_transform=fit_transform)


def test_progress_is_told_and_then_the_points(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=learner))
    here, there = Pipe(duplex=False)

    umaps._work(POOLED, there)

    assert [here.recv(), here.recv()] == [0.0, 0.4]
    np.testing.assert_array_equal(here.recv(), POOLED[:, :2])


def test_without_umap_learn_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(BadInput, match=r"pip install 'septum\[explain\]'"):
        umaps.umap(POOLED, lambda _: None)


def test_few_images_have_no_neighbourhoods():
    with pytest.raises(BadInput, match="at least 8 images, not 5"):
        umaps.umap(POOLED[:5], lambda _: None)


def test_a_process_that_ends_early_is_a_sentence(monkeypatch):
    monkeypatch.setattr(umaps, "_work", len)  # does not take two arguments

    with pytest.raises(BadInput, match="UMAP ended early"):
        umaps.umap(POOLED, lambda _: None)

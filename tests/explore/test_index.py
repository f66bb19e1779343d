"""Runs that are shown, and the index beside them."""

import numpy as np
import pytest
import torch

from septum.contract import BadInput
from septum.explore import index
from septum.explore.shelf import Shelf
from septum.explore.shown import shown


@pytest.fixture(scope="module")
def one(made, explored_root):
    return shown([made("unet")], cache=explored_root / "cache")[0]


def test_a_run_is_shown_on_the_images_of_its_training(one):
    assert one.title == "unet · unet"
    assert len(one.records) == 48
    assert one.place_of[one.records[7].id] == 7
    assert one.frame(7).shape == (64, 96)
    pixels = one.batch(7).image[0, 0].numpy() * 255
    assert np.array_equal(np.rint(pixels).astype(np.uint8), one.frame(7))


def test_labels_choose_among_the_images(made, explored_root):
    few = shown([made("unet")], cache=explored_root / "cache", only=["view=A4C"])[0]
    assert {record.labels["view"] for record in few.records} == {"A4C"}


def test_runs_of_the_same_name_are_told_apart(made, explored_root):
    two = shown([made("unet")] * 2, cache=explored_root / "cache")
    assert [each.title for each in two] == ["unet · unet (1)", "unet · unet (2)"]


def test_the_index_says_what_the_model_says(one):
    shares: list[float] = []
    assert index.load(one) is None or shares == []
    found = index.build(one, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with torch.no_grad():
        features = one.run.model.encode(one.samples.batch([3, 40]).image)
    assert np.allclose(found.pooled[[3, 40]], features.pooled, atol=1e-4)
    assert found.content is not None
    assert np.allclose(found.content[[3, 40]], features.content, atol=1e-4)


def test_an_index_of_other_images_or_weights_is_another(one, made, explored_root):
    few = shown([made("unet")], cache=explored_root / "cache", only=["view=A4C"])[0]
    assert index.folder_of(few) != index.folder_of(one)


def test_a_damaged_index_is_named(one):
    index.build(one)
    file = index.folder_of(one) / "pooled.npy"
    content = file.read_bytes()
    file.write_bytes(content[:20])
    with pytest.raises(BadInput, match="is damaged; remove that folder"):
        index.load(one)
    file.write_bytes(content)


def test_nothing_is_left_of_an_index_that_could_not_be_built(one, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index, "folder_of", lambda _: one.run.folder / "index" / "fresh")
    monkeypatch.setattr(index, "encoded", broken)
    with pytest.raises(BadInput, match="No space left"):
        index.build(one)
    assert not [*(one.run.folder / "index").glob(".building-*")]


def test_a_shelf_says_why_it_stays_empty(tmp_path):
    shelf = Shelf(lambda: shown([tmp_path]))
    shelf.fill()
    assert shelf.runs == ()
    assert "holds no run" in shelf.failure


def test_a_shelf_is_filled_and_indexed(one):
    shelf = Shelf(lambda: [one])
    shelf.fill()
    assert shelf.progress == [1.0]
    assert shelf.index(0) is not None

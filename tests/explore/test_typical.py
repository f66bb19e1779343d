"""Distances from training images, and what they are compared with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.covariance import OAS

from septum.contract import BadInput
from septum.explore import typical
from septum.explore.index import Index
from septum.explore.shown import shown


@pytest.fixture(scope="module")
def one(made, explored_root):
    return shown([made("unet")], cache=explored_root / "cache")[0]


def test_distances_are_those_of_mahalanobis_with_a_shrunk_covariance():
    rng = np.random.default_rng(0)
    pooled = (rng.normal(size=(60, 4)) * [1, 2, 3, 4]).astype(np.float32)
    train = list(range(40))
    fitted = OAS().fit(pooled[train])
    wanted = np.sqrt(fitted.mahalanobis(pooled))
    assert np.allclose(typical.mahalanobis(pooled, train), wanted, rtol=1e-4)


def test_an_image_that_was_never_seen_is_farther_and_shows_where(one):
    records = one.records
    train, val = (typical.of_split(records, split) for split in ("train", "val"))
    rng = np.random.default_rng(1)
    pooled = rng.normal(size=(len(records), 3)).astype(np.float32)
    content = rng.normal(size=(len(records), 5, 6, 6)).astype(np.float32)
    odd = next(place for place in val)
    pooled[odd] = 50.0
    content[odd, :, 2, 4] = 50.0
    found = typical.typical(one, Index(content=content, pooled=pooled), lambda _: None)
    assert odd == found.distance.argmax()
    farther, n = found.farther(odd)
    assert farther == 0
    assert n == len({records[place].subject for place in val}) - (odd in found.validated)
    share = found.where(content[odd])
    assert share.shape == (6, 6)
    assert np.unravel_index(share.argmax(), share.shape) == (2, 4)
    seen = train[0]
    assert found.where(content[seen]).max() == pytest.approx(0.0, abs=1e-5)


def test_without_training_images_nothing_is_said(one):
    records = [replace(record, split="val") for record in one.records]
    none = replace(one, samples=replace(one.samples, records=records))
    pooled = np.zeros((len(records), 3), np.float32)
    with pytest.raises(BadInput, match="Fewer than two training images"):
        typical.typical(none, Index(content=None, pooled=pooled), lambda _: None)


def test_one_of_every_subject_is_drawn(one):
    places = typical.of_split(one.records, "train")
    found = typical.one_each(one.records, places, seed=0)
    subjects = [one.records[place].subject for place in found]
    assert sorted(subjects) == sorted({one.records[place].subject for place in places})
    assert found != typical.one_each(one.records, places, seed=1)


def test_fine_maps_are_averaged():
    part = torch.arange(64.0 * 64).reshape(1, 1, 64, 64)
    found = typical.coarse(part)
    assert found.shape == (1, 1, 32, 32)
    assert found[0, 0, 0, 0] == part[0, 0, :2, :2].mean()
    assert typical.coarse(found) is found

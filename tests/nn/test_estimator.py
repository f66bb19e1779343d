"""What every method that learns a number from films shares."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from septum.contract import BadInput, Batch, Clip, Films, Record
from septum.nn import clip_views, estimator, regressor
from septum.nn.estimator import Estimator
from septum.nn.r2plus1d import R2Plus1D


class Cines:
    """Two films of which one has a label."""

    name, split, classes, clip = "some", "train", ("background",), Clip(frames=4)
    records = tuple(
        Record(id=str(i), subject=str(i), image=Path("none"), labels=labels)
        for i, labels in enumerate(
            [{"ef_percent": 60.04}, {"frames": 30.0, "view": "4CH"}, {"ef_percent": float("nan")}]
        )
    )

    def __init__(self, side=32):
        self.side = side

    def lengths(self):
        return [8, 8, 8]

    clips = lengths

    def batch(self, indices):
        return Batch(image=torch.zeros(len(indices), 1, 4, self.side, self.side))


class Stills:
    name, split, classes, records = "stills", "train", ("background",), Cines.records

    def batch(self, indices):
        return Batch(image=torch.zeros(len(indices), 1, 32, 32))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Estimator(R2Plus1D(width=2), regressor.linear(16, start=50.3))


def test_an_embedding_is_the_mean_of_the_map_of_the_normed_clip(net):
    image = torch.rand(2, 1, 8, 32, 32)
    features = net.encode(image)
    with torch.no_grad():
        maps = net.eval().encoder(clip_views.normalised(image))
    torch.testing.assert_close(features.content, maps)
    torch.testing.assert_close(features.pooled, maps.mean((2, 3, 4)))
    torch.testing.assert_close(net.estimate(image), net.head(features.pooled)[:, 0])
    assert features.style is None


@pytest.mark.parametrize("training", [True, False])
def test_asking_leaves_statistics_and_mode_alone(net, training):
    net.train(training)
    before = [value.clone() for value in net.buffers()]
    image = torch.rand(3, 1, 8, 32, 32)
    alone = net.estimate(image[:1])
    torch.testing.assert_close(net.estimate(image)[:1], alone)
    assert not net.encode(image).pooled.requires_grad
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))
    assert net.training is net.encoder.training is training


def test_the_head_reads_in_float32_under_autocast(net):
    e = torch.randn(50, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = net.read(e)
        assert net.embed(torch.rand(1, 1, 8, 32, 32)).dtype == torch.float32
    torch.testing.assert_close(found, net.read(e), rtol=0, atol=0)


def test_clips_without_the_label_are_left_out():
    batch = Batch(
        image=torch.arange(3.0)[:, None, None, None, None].expand(3, 1, 2, 4, 4),
        labels={"ef_percent": torch.tensor([60.0, torch.nan, 30.0])},
        ids=["a", "b", "c"],
    )
    found = estimator.known(batch, "ef_percent")
    assert found.image[:, 0, 0, 0, 0].tolist() == [0, 2]
    assert found.labels["ef_percent"].tolist() == [60, 30]
    assert found.ids == ["a", "c"]
    assert len(estimator.known(batch, "age_years").image) == 0
    assert len(estimator.known(replace(batch, labels={}), "ef_percent").image) == 0


def test_views_are_drawn_from_the_ranges():
    batch = Batch(image=torch.rand(2, 1, 2, 8, 8), ids=["a", "b"])
    assert torch.equal(estimator.shown(batch, clip_views.STILL), batch.image)
    torch.manual_seed(0)
    assert not torch.equal(estimator.shown(batch, clip_views.Ranges()), batch.image)


def test_the_mean_of_the_label_is_that_of_the_films_that_have_it():
    assert isinstance(Cines(), Films)
    assert estimator.learns_from(Cines(), "ef_percent") == 60.0
    assert estimator.learns_from(Cines(), "frames") == 30.0


def test_what_cannot_be_learnt_from_is_refused():
    with pytest.raises(BadInput, match=r"stills \(train\) holds still images"):
        estimator.learns_from(Stills(), "ef_percent")
    with pytest.raises(BadInput, match="label 'edv_ml' to learn; choose one of ef_percent, frames"):
        estimator.learns_from(Cines(), "edv_ml")
    with pytest.raises(BadInput, match="'view' to learn"):
        estimator.learns_from(Cines(), "view")
    with pytest.raises(BadInput, match="24 x 24 pixels are too small"):
        estimator.learns_from(Cines(side=24), "ef_percent")

"""Monitors on groups of subjects."""

from pathlib import Path

import pytest
import torch
from torch import nn

from septum.contract import BadInput, Batch, Features, Record
from septum.tasks import monitor


class Bright(nn.Module):
    """Says how bright a set of images is, and how many there are."""

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image) -> Features:
        raise NotImplementedError

    def monitors(self, batch: Batch):
        return {"brightness": batch.image.mean().item(), "images": float(len(batch.image))}


def named(name, subject):
    return Record(id=name, subject=subject, image=Path(name))


@pytest.fixture
def hearts(toys):
    records = [named(f"{k}_{i}", f"s{k}") for k in range(20) for i in range(3)]
    image = torch.arange(20.0).repeat_interleave(3)[:, None, None, None].expand(-1, 1, 4, 4) / 20
    return toys.stills(image=image, mask=None, records=records, classes=("background",))


def test_groups_share_out_the_images_and_cut_no_subject(hearts):
    groups = monitor.grouped(hearts.records, 0)
    assert len(groups) == 10
    assert sorted(place for group in groups for place in group) == list(range(60))
    subjects = [{hearts.records[place].subject for place in group} for group in groups]
    assert sum(map(len, subjects)) == len(set().union(*subjects)) == 20


def test_the_value_is_the_mean_over_groups(hearts):
    report = monitor.run(Bright(), hearts, hearts, 0)
    assert report.metrics["brightness"].value == pytest.approx(9.5 / 20)
    assert report.metrics["brightness"].n == 10
    assert report.metrics["images"].value == 6
    assert report.metrics["images"].low == report.metrics["images"].high == 6
    assert len(report.rows) == 60


def test_few_subjects_make_few_groups():
    groups = monitor.grouped([named(str(k), str(k)) for k in range(3)], 0)
    assert sorted(groups) == [[0], [1], [2]]


def test_a_model_without_monitors_is_told_so(hearts, toys):
    with pytest.raises(BadInput, match="no monitors"):
        monitor.run(toys.says(content=lambda image: image), hearts, hearts, 0)

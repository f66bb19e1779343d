"""Attributes of masks as labels, of slices or of volumes."""

from dataclasses import dataclass

import pytest

from septum import measured, runs
from septum.contract import Clip, Recipe, Size
from septum.data import SOURCES
from septum.data.prepare import prepare

AREA, VOLUME = "left_ventricle_area_mm2", "left_ventricle_volume_ml"


@dataclass(frozen=True)
class Tied:
    attributes: str = ""


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    (folder / "emidec").mkdir()
    SOURCES["emidec"].drawn(folder / "emidec", 5, 0)
    return prepare("emidec:hearts", folder, size=(32, 32), cache=folder / "cache")


def labels(images):
    return {name for record in images.records for name in record.labels}


def size(config, *, volumes):
    clip = Clip(frames=4, stride=0) if volumes else None
    return Size(config=config, recipe=Recipe(data="emidec", steps=1, clip=clip))


@pytest.mark.parametrize(
    ("volumes", "found", "other", "asked"),
    [(False, AREA, VOLUME, "volume"), (True, VOLUME, AREA, "still")],
)
def test_slices_or_volumes_are_measured(hearts, monkeypatch, volumes, found, other, asked):
    monkeypatch.setattr(measured, asked, lambda *_, **__: pytest.fail("measured"))

    known = labels(runs.taken(size(Tied(), volumes=volumes), hearts))

    assert found in known
    assert other not in known


@pytest.mark.parametrize("volumes", [False, True])
def test_nothing_is_measured_for_a_model_without_attributes(hearts, volumes):
    known = labels(runs.taken(size(object(), volumes=volumes), hearts))

    assert not {AREA, VOLUME} & known

"""Answers about DICOM files become objects of the same study."""

import numpy as np
import pytest

from septum.data import SOURCES, dicom
from septum.predict import Answer, Estimate, Objects, exchanged, inputs


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    SOURCES["dicom"].sketch(folder)
    path = next(p for p in dicom.found(folder) if dicom.facts(p).modality == "US")
    return next(iter(inputs([path])))


def test_every_kind_that_is_wanted_and_answered_is_made(one):
    masks = np.zeros(one.frames.shape, np.uint8)
    masks[:, 2:9, 3:9] = 1
    ef = Estimate(value=55.0, low=45.0, high=65.0, unit="percent")
    answer = Answer(
        embedding=np.zeros(2, np.float32),
        masks=masks,
        classes=("background", "left_ventricle"),
        estimates={"ef_percent": ef},
    )
    everything = Objects(seg=True, report=True, capture=True)
    found = dict(exchanged.made(one, answer, everything, model="unet"))
    assert [*found] == ["seg", "report", "capture"]
    study = dicom.facts(one.path).study_uid
    assert {str(x.StudyInstanceUID) for sets in found.values() for x in sets} == {study}
    assert np.array_equal(found["seg"][0].pixel_array.squeeze(), masks[0])
    values = [x for x in found["report"][0].iterall() if x.keyword == "NumericValue"]
    assert float(values[0].value) == 55.0
    picture = found["capture"][0].pixel_array
    assert (picture[0, 0] == one.frames[0, 0, 0]).all()
    assert len(np.unique(picture[5, 5])) > 1


def test_what_the_answer_has_nothing_for_is_not_made(one):
    answer = Answer(embedding=np.zeros(2, np.float32), masks=np.zeros(one.frames.shape, np.uint8))
    wanted = Objects(seg=True, report=True)
    assert [*exchanged.made(one, answer, wanted, model="unet")] == []

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK

from septum.contract import BadInput, Clip
from septum.data import SOURCES, camus, camus_sequences, film, limits, read
from septum.data.prepare import prepare


@pytest.fixture(scope="module")
def sketched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "camus_sequences"
    camus_sequences.sketch(folder)
    return folder


@pytest.fixture
def folder(tmp_path, sketched):
    """A copy of the first patient that a test may damage."""
    home = tmp_path / "patient0001"
    home.mkdir()
    for path in (sketched / "patient0001").iterdir():
        (home / path.name).write_bytes(path.read_bytes())
    return tmp_path


def said(folder):
    with pytest.raises(BadInput) as caught:
        list(camus_sequences.records(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder), "DIR")


def test_every_view_of_a_patient_is_a_film(sketched):
    records = list(camus_sequences.records(sketched))
    assert [r.id for r in records] == [f"patient000{n}_{v}" for n in (1, 2) for v in ("2CH", "4CH")]
    assert [r.split for r in records] == ["train", "train", "val", "val"]
    assert [r.subject for r in records] == ["patient0001"] * 2 + ["patient0002"] * 2
    four = [r for r in records if limits.allows({"view": ("4CH",)}, r)]
    assert [r.id for r in four] == ["patient0001_4CH", "patient0002_4CH"]
    for record in records:
        assert record.film == (record.image,)
        assert record.image.name == f"{record.id}_half_sequence.nii.gz"
        assert record.mask.name == f"{record.id}_ED_gt.nii.gz"


def test_phases_are_counted_from_zero_and_frames_are_those_of_the_film(folder):
    (folder / "patient0001" / "Info_2CH.cfg").write_text(
        "ED: 2\nES: 9\nNbFrame: 99\nSex: F\nAge: 56\nImageQuality: Good\nEF: 63.2\n"
        "FrameRate: 48.5\n"
    )
    record = next(camus_sequences.records(folder))
    count = SimpleITK.ReadImage(str(record.image)).GetSize()[2]
    assert record.labels == {
        "modality": "US",
        "view": "2CH",
        "ed_frame": 1.0,
        "es_frame": 8.0,
        "frames": float(count),
        "sex": "F",
        "age_years": 56.0,
        "quality": "Good",
        "ef_percent": 63.2,
        "frame_rate_hz": 48.5,
    }


def test_the_frames_at_ed_and_es_are_the_published_pictures(sketched):
    stills = {r.id: r for r in camus.records(sketched)}
    for record in camus_sequences.records(sketched):
        frames = list(film.frames(record.image))
        for phase in ("ED", "ES"):
            still = read.image(stills[f"{record.id}_{phase}"].image).grey
            place = int(record.labels[f"{phase.lower()}_frame"])
            np.testing.assert_array_equal(frames[place], still)


def test_labels_are_otherwise_those_of_the_pictures(sketched):
    stills = {r.id.removesuffix("_ED"): r for r in camus.records(sketched)}
    for record in camus_sequences.records(sketched):
        still = stills[record.id]
        labels = {k: v for k, v in still.labels.items() if k not in {"phase"}}
        assert {*labels} == {*record.labels}
        changed = {"frames", "ed_frame", "es_frame"}
        assert all(record.labels[k] == v for k, v in labels.items() if k not in changed)
        assert replace(record, labels={}, film=(), id="", image=still.image) == replace(
            still, labels={}, id=""
        )


def test_a_missing_film_is_named(folder):
    (folder / "patient0001" / "patient0001_4CH_half_sequence.nii.gz").unlink()
    assert said(folder) == (
        "DIR/patient0001 lacks patient0001_4CH_half_sequence.nii.gz; fetch the patient again, or "
        "read its pictures alone as `camus` or `beats`."
    )


@pytest.mark.parametrize("line", ["ED: 0", "ES: 400", "ED: 1.5", "ES: -3"])
def test_a_phase_outside_the_film_is_named(folder, line):
    (folder / "patient0001" / "Info_4CH.cfg").write_text(f"{line}\n")
    message = said(folder)
    assert message.startswith("DIR/patient0001/Info_4CH.cfg says that ED or ES is frame ")
    assert f"frame {line.split()[1]}, but the film has" in message


def test_a_damaged_film_and_an_empty_folder_are_named(folder, tmp_path):
    path = folder / "patient0001" / "patient0001_2CH_half_sequence.nii.gz"
    path.write_bytes(path.read_bytes()[:50])
    assert "patient0001_2CH_half_sequence.nii.gz is damaged" in said(folder)
    assert "no patientXXXX folder" in said(tmp_path / "patient0001")


def test_the_sketch_can_be_prepared(sketched, tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "camus_sequences", camus_sequences.SOURCE)
    prepared = prepare("camus_sequences", sketched.parent, size=(48, 64), cache=tmp_path)
    records = list(camus_sequences.records(sketched))
    samples = prepared.filmed(Clip(frames=4)).split("all")
    assert [r.labels["frames"] for r in samples.records] == [r.labels["frames"] for r in records]
    mask = samples.batch(range(4)).mask
    assert {*mask.unique().tolist()} == {0, 1, 2, 3}


def test_a_population_is_drawn_from_its_seed(tmp_path):
    found = []
    for subjects, seed in ((1, 5), (2, 6)):
        camus_sequences.SOURCE.drawn(tmp_path / str(seed), subjects, seed)
        found.append([r.image.read_bytes() for r in camus_sequences.records(tmp_path / str(seed))])
    assert [len(films) for films in found] == [2, 4]
    assert len({data for films in found for data in films}) == 6

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput, Clip
from septum.data import SOURCES, beats, camus, manifest, open_source, phantom
from septum.data.prepare import prepare

CLASSES = {"1": "lv_endocardium", "2": "myocardium", "3": "left_atrium"}
HEADER = "id,subject,split,image,mask,view,phase,ef,quality,area"


@pytest.fixture
def write(tmp_path):
    """A folder with a table of pictures of 4 x 4 pixels."""

    def write(*rows, header=HEADER, classes=CLASSES):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "ed.png")
        Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / "es.png")
        (tmp_path / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
        card = {"title": "T", "modality": "US", "mask_classes": classes}
        (tmp_path / "dataset.json").write_text(json.dumps(card))
        return tmp_path

    return write


def beat(name, view, *, ef=60, split="train"):
    return [
        f"{name}_{view}_{phase},{name},{split},{phase.lower()}.png,{phase.lower()}.png,{view},"
        f"{phase},{ef},Good,{area}"
        for phase, area in (("ED", 30), ("ES", 20))
    ]


def test_two_pictures_become_a_film(write):
    folder = write(*beat("p1", "2CH"), *beat("p1", "4CH"), *beat("p2", "4CH", ef=35, split="val"))
    one, two, three = beats.records(folder)
    assert (one.id, one.subject, one.split) == ("p1_2CH", "p1", "train")
    assert one.film == (folder.resolve() / "ed.png", folder.resolve() / "es.png")
    assert one.image == one.mask == one.film[0]
    assert one.labels == {
        "modality": "US",
        "view": "2CH",
        "quality": "Good",
        "ef_percent": 60.0,
        "frames": 2.0,
        "ed_frame": 0.0,
        "es_frame": 1.0,
    }
    assert (two.id, three.id, three.split) == ("p1_4CH", "p2_4CH", "val")
    assert three.labels["ef_percent"] == 35.0


def test_the_order_of_the_rows_does_not_matter(write):
    rows = [*beat("p1", "2CH"), *beat("p1", "4CH"), *beat("p2", "4CH")]
    films = {r.id: r.film for r in beats.records(write(*rows))}
    assert films == {r.id: r.film for r in beats.records(write(*reversed(rows)))}


@pytest.mark.parametrize(
    ("header", "told", "expected"),
    [
        ("ef_percent", ("55", "55"), 55.0),
        ("ef", ("55", ""), 55.0),
        ("ef", ("", "55"), 55.0),
        ("ef", ("55", "54"), None),
        ("ef", ("", ""), None),
    ],
)
def test_where_the_ejection_fraction_comes_from(write, header, told, expected):
    rows = [f"{p},s,{p}.png,4CH,{p.upper()},{ef}" for p, ef in zip(("ed", "es"), told, strict=True)]
    (record,) = beats.records(write(*rows, header=f"id,subject,image,view,phase,{header}"))
    assert record.labels.get("ef_percent") == expected
    assert "ef" not in record.labels


def test_a_stated_percentage_goes_before_another_column(write):
    rows = [f"{p},s,{p}.png,4CH,{p.upper()},40,41,50" for p in ("ed", "es")]
    header = "id,subject,image,view,phase,ef,ef_percent,frame_rate_hz"
    (record,) = beats.records(write(*rows, header=header))
    assert record.labels["ef_percent"] == 41.0
    assert "frame_rate_hz" not in record.labels  # two pictures have none


def test_views_without_both_phases_are_left_out_and_named(write):
    rows = [*beat("p1", "2CH"), beat("p1", "4CH")[0], beat("p2", "4CH")[1]]
    folder = write(*rows)
    assert [r.id for r in beats.records(folder)] == ["p1_2CH"]
    assert beats.left_out(folder) == ["p1_4CH", "p2_4CH"]


def test_other_stills_are_passed_over(write):
    other = beat("p3", "4CH")[0].replace(",ED,", ",other,")
    unseen = beat("p4", "4CH")[0].replace(",4CH,", ",,")
    folder = write(*beat("p1", "2CH"), other, unseen)
    assert [r.id for r in beats.records(folder)] == ["p1_2CH"]
    assert beats.left_out(folder) == []


def test_masks_of_structures_with_other_names_are_not_kept(write):
    folder = write(*beat("p1", "2CH"), classes={"1": "disk"})
    (record,) = beats.records(folder)
    assert record.mask is None


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "holds no subject with one view in the phases ED and ES"),
        (beat("p1", "2CH")[:1], "holds no subject with one view in the phases ED and ES"),
        (
            [*beat("p1", "2CH"), "x,p1,,ed.png,,2CH,ES,60,,1"],
            "has two pictures of p1_2CH at ES, 'p1_2CH_ES' and 'x'; drop one.",
        ),
        (["x,p1,,gone.png,,2CH,ES,60,,1"], "row 2: There is no file"),
    ],
)
def test_what_makes_no_beats_is_told(write, rows, told):
    with pytest.raises(BadInput, match=told):
        list(beats.records(write(*rows)))


def test_camus_as_published(tmp_path):
    beats.SOURCE.sketch(tmp_path)
    stills = {r.id: r for r in camus.records(tmp_path)}
    films = list(beats.records(tmp_path))
    assert [r.id for r in films] == [f"patient000{n}_{v}" for n in (1, 2) for v in ("2CH", "4CH")]
    assert [r.split for r in films] == ["train", "train", "val", "val"]
    for record in films:
        ed, es = (stills[f"{record.id}_{phase}"] for phase in ("ED", "ES"))
        assert (record.film, record.mask) == ((ed.image, es.image), ed.mask)
        assert record.labels["ef_percent"] == ed.labels["ef_percent"]
        assert (record.labels["frames"], record.labels["es_frame"]) == (2.0, 1.0)


def test_the_phantom_beats_without_its_masks(tmp_path):
    phantom.write(tmp_path, subjects=2, seed=0, size=(48, 64))
    films = list(beats.records(tmp_path))
    assert [r.id for r in films] == [f"phantom000{n}_{v}" for n in (0, 1) for v in ("A2C", "A4C")]
    assert {r.mask for r in films} == {None}
    assert all(0 < r.labels["ef_percent"] < 100 for r in films)
    changing = {"phase", "cycle", "volume_ml", "wall_now_mm", "left_annulus_x_px"}
    assert changing <= {*next(manifest.records(tmp_path)).labels}
    assert not changing & {name for r in films for name in r.labels}


def test_a_film_is_prepared_with_both_pictures_and_the_mask_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "beats", beats.SOURCE)
    beats.SOURCE.sketch(tmp_path / "mine")
    prepared = prepare("mine:beats", tmp_path, size=(48, 64), cache=tmp_path / "cache")
    assert [r.labels["frames"] for r in prepared.records] == [2.0] * 4
    stills = prepare("mine:camus", tmp_path, size=(48, 64), cache=tmp_path / "cache")
    films = prepared.filmed(Clip(frames=2)).split("all").batch(range(4))
    pictures = stills.split("all").batch(range(8))
    np.testing.assert_array_equal(films.image.flatten(0, 2), pictures.image.squeeze(1))
    np.testing.assert_array_equal(films.mask, pictures.mask[::2])


def test_real_stills(shared_data, monkeypatch):
    monkeypatch.setitem(SOURCES, "beats", beats.SOURCE)
    _, films = open_source("camus:beats", shared_data)
    assert len(films) == 900
    assert Counter(r.labels["view"] for r in films) == {"2CH": 450, "4CH": 450}
    assert len({r.subject for r in films}) == 450
    assert beats.left_out(shared_data / "camus") == []
    ef_percent = {r.subject: r.labels["ef_percent"] for r in films}
    assert ef_percent["patient0001"] == 64.24
    assert (min(ef_percent.values()), max(ef_percent.values())) == (5.67, 85.73)
    assert all(r.mask.name == r.film[0].name for r in films)

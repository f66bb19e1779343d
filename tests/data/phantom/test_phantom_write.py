import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput
from septum.data import manifest, phantom, stills
from septum.data.prepare import prepare

SIZE = (64, 80)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_written_folder_reads_as_a_data_set(tmp_path: Path) -> None:
    phantom.write(tmp_path, subjects=2, seed=0, size=SIZE)
    records = list(manifest.records(tmp_path))

    assert [record.id for record in records[:4]] == [
        f"phantom0000_{view}_{phase}" for view in ("A2C", "A4C") for phase in ("ED", "ES")
    ]
    assert len({record.subject for record in records}) == 2
    assert tuple(manifest.source(tmp_path).classes) == phantom.CLASSES
    for record in records:
        assert record.mask is not None
        with Image.open(record.image) as image, Image.open(record.mask) as mask:
            assert image.size == mask.size == SIZE[::-1]
            assert np.asarray(mask).max() < len(phantom.CLASSES)
        assert 0 <= float(record.labels["left_annulus_x_px"]) < SIZE[1]
        assert record.labels["view"] in ("A2C", "A4C")
        assert 10 < float(record.labels["ef_percent"]) < 80


def test_volumes_of_the_table_give_the_ejection_fraction(tmp_path: Path) -> None:
    phantom.write(tmp_path, subjects=3, seed=1, size=SIZE, views=("A4C",))

    for record in manifest.records(tmp_path):
        edv, esv, ef = (float(record.labels[k]) for k in ("edv_ml", "esv_ml", "ef_percent"))
        assert ef == pytest.approx(100 * (edv - esv) / edv, abs=0.1)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        phantom.write(tmp_path / name, subjects=2, seed=7, size=SIZE)
    phantom.write(tmp_path / "c", subjects=2, seed=8, size=SIZE)

    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_a_subject_does_not_depend_on_what_else_is_written(tmp_path: Path) -> None:
    phantom.write(tmp_path / "few", subjects=1, seed=7, size=SIZE, views=("A4C",), phases=("ES",))
    phantom.write(tmp_path / "many", subjects=3, seed=7, size=SIZE)

    few, many = files(tmp_path / "few"), files(tmp_path / "many")
    names = {"images/phantom0000_A4C_ES.png", "masks/phantom0000_A4C_ES.png"}
    assert {k: few[k] for k in names} == {k: many[k] for k in names}


def test_the_valve_has_columns_where_a_view_shows_it(tmp_path: Path) -> None:
    views = ("PLAX", "SAX_MID")
    phantom.write(tmp_path, subjects=1, seed=0, size=SIZE, views=views, phases=("mid_systole",))
    shown, hidden = manifest.records(tmp_path)

    corners = [float(shown.labels[f"valve_{c}_x_px"]) for c in ("upper_left", "lower_right")]
    assert corners[0] < corners[1]
    assert shown.labels["valve_open"] == 1
    assert "valve_upper_left_x_px" not in hidden.labels
    assert "apex_x_px" not in hidden.labels


def test_the_card_names_every_class(tmp_path: Path) -> None:
    phantom.write(tmp_path, subjects=1, seed=0, size=SIZE)
    card = json.loads((tmp_path / "dataset.json").read_text())

    assert card["mask_classes"]["2"] == "myocardium"
    assert card["modality"] == "US"


def test_nobody_is_bad_input_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 subjects"):
        phantom.write(tmp_path / "new", subjects=0, seed=0)
    assert not (tmp_path / "new").exists()


def test_prepared_landmarks_are_as_far_apart_as_the_heart_is_long(tmp_path: Path) -> None:
    """ED, and no tilt to speak of: the apex is one long axis above the middle of the annulus."""
    phantom.write(tmp_path / "phantom", subjects=4, seed=0, size=SIZE, phases=("ED",))
    ready = prepare("phantom", tmp_path, size=(48, 96), cache=tmp_path / "cache")

    for labels in (record.labels for record in ready.records):
        left, right, apex = (
            np.array([labels[f"{name}_{axis}_px"] for axis in "yx"], float)
            for name in ("left_annulus", "right_annulus", "apex")
        )
        spacing_mm = np.array([labels["spacing_y_mm"], labels["spacing_x_mm"]], float)
        long_axis_mm = np.linalg.norm((apex - (left + right) / 2) * spacing_mm)
        assert long_axis_mm == pytest.approx(float(labels["lv_length_mm"]), rel=0.03)


def test_an_unknown_view_is_bad_input_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'A5C'"):
        phantom.write(tmp_path / "new", subjects=1, seed=0, views=("A4C", "A5C"))
    assert not (tmp_path / "new").exists()


def test_a_population_is_drawn_from_its_seed(tmp_path: Path) -> None:
    stills.drawn(tmp_path / "drawn", 1, 3)
    phantom.write(tmp_path / "written", subjects=1, seed=3)
    assert files(tmp_path / "drawn") == files(tmp_path / "written")
    assert manifest.source(tmp_path / "drawn").organ == "heart"

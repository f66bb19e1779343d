import json
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput
from septum.data import manifest, phantom, stacks
from septum.data.phantom import STACK_CLASSES, Study, write_stacks

SMALL = Study(subjects=2, size=(48, 48), slices=3, phases=("ED", "ES"))


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_written_folder_reads_as_a_data_set(tmp_path: Path) -> None:
    write_stacks(tmp_path, SMALL, seed=0)
    records = list(manifest.records(tmp_path))

    assert len(records) == 12
    assert [record.id for record in records[:4]] == [
        "stack0000_ED_z00",
        "stack0000_ED_z01",
        "stack0000_ED_z02",
        "stack0000_ES_z00",
    ]
    assert {record.subject for record in records} == {"stack0000", "stack0001"}
    assert tuple(manifest.source(tmp_path).classes) == STACK_CLASSES
    for place, record in enumerate(records):
        assert record.mask is not None
        with Image.open(record.image) as image, Image.open(record.mask) as mask:
            assert image.size == mask.size == (48, 48)
            assert np.asarray(mask).max() < len(STACK_CLASSES)
        labels = record.labels
        assert labels["slice"] == place % 3
        assert labels["n_slices"] == 3
        assert labels["spacing_y_mm"] == labels["spacing_x_mm"] == 5  # 240 mm in 48 pixels
        assert (labels["modality"], labels["sequence"]) == ("MR", "cine")


def test_volumes_of_the_table_give_the_ejection_fraction(tmp_path: Path) -> None:
    write_stacks(tmp_path, replace(SMALL, slices=1), seed=1)

    for record in manifest.records(tmp_path):
        edv, esv, ef = (float(record.labels[k]) for k in ("edv_ml", "esv_ml", "ef_percent"))
        assert ef == pytest.approx(100 * (edv - esv) / edv, abs=0.1)


def test_writing_twice_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_stacks(tmp_path / name, SMALL, seed=seed)

    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_a_subject_does_not_depend_on_who_else_is_written(tmp_path: Path) -> None:
    write_stacks(tmp_path / "many", SMALL, seed=7)
    write_stacks(
        tmp_path / "one", replace(SMALL, subjects=1, first_subject=1, phases=("ES",)), seed=7
    )

    few, many = files(tmp_path / "one"), files(tmp_path / "many")
    names = [f"{kind}/stack0001_ES_z0{z}.png" for kind in ("images", "masks") for z in range(3)]
    assert {k: few[k] for k in names} == {k: many[k] for k in names}


def test_a_number_is_one_heart_under_every_modality(tmp_path: Path) -> None:
    for modality in ("MR", "LGE", "CT"):
        write_stacks(tmp_path / modality, replace(SMALL, modality=modality), seed=0)
    phantom.write(tmp_path / "US", subjects=2, seed=0, views=("A4C",), size=(64, 80))

    tables = [list(manifest.records(tmp_path / name)) for name in ("MR", "LGE", "CT", "US")]
    for fact in ("edv_ml", "ef_percent", "wall_mm", "scar_percent"):
        assert len({tuple({r.labels[fact]: 0 for r in table}) for table in tables}) == 1
    shifts = {table[0].labels["shift_right_mm"] for table in tables[:3]}
    assert len(shifts) == 3  # the acquisition is another


def test_studies_of_different_subjects_share_a_folder(tmp_path: Path) -> None:
    ct = replace(SMALL, modality="CT", first_subject=2, plane="axial")
    write_stacks(tmp_path, SMALL, ct, seed=0)
    seen = {(r.subject, r.labels["modality"]) for r in manifest.records(tmp_path)}

    assert seen == {(f"stack000{k}", "MR" if k < 2 else "CT") for k in range(4)}


@pytest.mark.parametrize(
    ("studies", "match"),
    [
        ((SMALL, replace(SMALL, modality="CT", first_subject=1)), "first_subject"),
        ((), "first_subject"),
        ((replace(SMALL, first_subject=-1),), "first_subject"),
        ((replace(SMALL, subjects=0),), "nothing to scan"),
        ((replace(SMALL, slices=0),), "nothing to scan"),
        ((replace(SMALL, phases=()),), "nothing to scan"),
        ((replace(SMALL, modality="PET"),), "'PET'"),
        ((replace(SMALL, plane="coronal"),), "'coronal'"),
        ((replace(SMALL, phases=("ED", "EDD")),), "'EDD'"),
    ],
)
def test_bad_studies_are_refused_before_anything_is_written(
    tmp_path: Path, studies: tuple[Study, ...], match: str
) -> None:
    with pytest.raises(BadInput, match=match):
        write_stacks(tmp_path / "new", *studies, seed=0)
    assert not (tmp_path / "new").exists()


def test_the_sketch_of_the_source_has_both_modalities_and_every_class(tmp_path: Path) -> None:
    stacks.SOURCE.sketch(tmp_path)
    records = list(stacks.SOURCE.records(tmp_path))

    assert {r.labels["modality"] for r in records} == {"MR", "CT"}
    masks = [np.asarray(Image.open(r.mask)) for r in records if r.mask]
    assert set(np.unique(masks)) == set(range(len(STACK_CLASSES)))
    card = json.loads((tmp_path / "dataset.json").read_text())
    assert card["mask_classes"]["7"] == "pulmonary_artery"


@pytest.mark.slow
def test_writing_keeps_up_with_experiments(tmp_path: Path) -> None:
    def seconds(turn: int) -> float:
        start = process_time()
        write_stacks(tmp_path / str(turn), Study(subjects=4), seed=0)
        return process_time() - start

    least = min(seconds(turn) for turn in range(3))  # a busy machine slows all but some turns
    assert 4 * 2 * 10 / least > 20  # slices of 112 x 112 per second, with all types checked

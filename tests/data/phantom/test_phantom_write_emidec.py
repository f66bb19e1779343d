import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from septum.contract import BadInput
from septum.data import emidec, hearts
from septum.data.phantom import Body, Heart, Scan, sample_scan, write_emidec
from septum.data.phantom.heart import pose_at, scar_percent, volume_ml
from septum.data.phantom.injury import (
    LATE_CLASSES,
    PHASE,
    Injury,
    draw_late,
    sample_injury,
    volumes_ml,
)
from septum.data.phantom.stack import myocardium_ml
from septum.data.phantom.write_emidec import PATHOLOGICAL_SHARE, subject

INFARCTED = Heart(
    pathology="infarct", ef_percent=35.0, infarct_half_width_deg=80.0, infarct_angle_deg=265.0
)
INJURY = Injury(depth_share=0.8, core_share=0.7)
REST = 0.6
"""Mid-diastole."""
LATE = sample_scan(np.random.default_rng(0), modality="LGE")


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four cases, two with an infarct, of which the second is large."""
    root = tmp_path_factory.mktemp("late")
    emidec.drawn(root, 4, 0)
    return root


def truth(root: Path) -> dict[str, dict[str, float]]:
    with (root / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {row.pop("case"): {k: float(v) for k, v in row.items()} for row in rows}


def counted(root: Path, case: str) -> tuple[np.ndarray, float]:
    contours = SimpleITK.ReadImage(str(root / case / "Contours" / f"{case}.nii.gz"))
    voxel_ml = float(np.prod(contours.GetSpacing())) / 1000
    return SimpleITK.GetArrayFromImage(contours), voxel_ml


def test_a_written_folder_reads_as_emidec(root: Path) -> None:
    records = list(emidec.records(root))
    assert len({r.subject for r in records}) == 4
    for record in records:
        facts = truth(root)[record.subject]
        assert record.labels["pathological"] == float(facts["infarction_volume_ml"] > 0)
        assert record.labels["ef_percent"] == round(facts["ef_percent"])
        assert record.labels["sex"] in {"F", "M"}
        assert 25 <= float(record.labels["age_years"]) <= 95
    assert {r.labels["pathological"] for r in records} == {0.0, 1.0}
    assert tuple(emidec.CLASSES) == LATE_CLASSES


def test_volumes_that_are_counted_are_those_of_the_truth(root: Path) -> None:
    for case, facts in truth(root).items():
        index, voxel_ml = counted(root, case)
        ml = np.bincount(index.ravel(), minlength=5) * voxel_ml
        assert ml[1] == pytest.approx(facts["left_ventricle_volume_ml"], rel=0.05)
        assert ml[2:].sum() == pytest.approx(facts["myocardium_volume_ml"], rel=0.07)
        assert ml[3:].sum() == pytest.approx(facts["infarction_volume_ml"], rel=0.1)
        assert ml[4] == pytest.approx(facts["no_reflow_volume_ml"], rel=0.15)
        share = 100 * ml[3:].sum() / ml[2:].sum()
        assert share == pytest.approx(facts["infarct_share_percent"], abs=1.5)


def test_infarcts_lie_inside_their_wall_and_normal_cases_have_none(root: Path) -> None:
    for case in truth(root):
        index, _ = counted(root, case)
        dead = index > 2
        assert dead.any() == case.startswith("Case_P")
        assert (index > 0).any((1, 2)).all()  # every slice shows the ventricle
        if (core := index == 4).any():  # with scar round it, a pixel thin towards the blood
            beside = [np.roll(index, step, axis)[core] for axis in (1, 2) for step in (-1, 1)]
            assert np.isin(beside, (1, 3, 4)).mean() > 0.97
        beside = [np.roll(index, step, axis)[index == 3] for axis in (1, 2) for step in (-1, 1)]
        assert (np.isin(beside, (0, 1)).mean() if dead.any() else 0) < 0.5


def test_scar_is_bright_and_its_core_as_dark_as_healthy_muscle() -> None:
    late = draw_late(INFARCTED, INJURY, Body(), replace(LATE, bias_share=0.0, blur_mm=0.1))
    blood, wall, scar, core = (float(np.median(late.signal[late.mask == k])) for k in range(1, 5))
    assert wall < 0.45 * blood
    assert scar > 1.2 * blood
    assert core == pytest.approx(wall, abs=0.15)


def test_a_scar_begins_inside_and_reaches_its_depth() -> None:
    """On a ray through the middle of the infarct, of a slice at its level."""
    heart = replace(INFARCTED, infarct_angle_deg=0.0)  # at the right of the picture
    still = Scan(modality="LGE")
    late = draw_late(heart, INJURY, Body(), still, size=(320, 320), slices=5)
    layer = late.mask[np.argmax((late.mask == 3).sum((1, 2)))]
    row = round(float(np.mean(np.nonzero(layer == 1)[0])))
    ray = layer[row, round(float(np.mean(np.nonzero(layer == 1)[1]))) :]
    steps = ray[np.flatnonzero(np.diff(ray, prepend=ray[:1] + 1))]
    assert steps.tolist()[:6] == [1, 3, 4, 3, 2, 0]
    wall = np.isin(ray, (2, 3, 4)).sum()
    assert np.isin(ray, (3, 4)).sum() / wall == pytest.approx(0.8, abs=0.08)


def test_volumes_are_those_of_the_heart_and_of_its_scar() -> None:
    """The phantom's own integrals, of a scar through all of the wall."""
    rest = pose_at(INFARCTED, REST)
    facts = volumes_ml(rest, Injury(depth_share=1.0))
    assert facts["left_ventricle_volume_ml"] == pytest.approx(volume_ml(rest), rel=1e-3)
    assert facts["myocardium_volume_ml"] == pytest.approx(myocardium_ml(INFARCTED), rel=2e-3)
    whole = volumes_ml(rest, Injury(depth_share=1e9))
    assert whole["infarct_share_percent"] == pytest.approx(scar_percent(INFARCTED), rel=0.02)
    shallow = volumes_ml(rest, Injury(depth_share=0.5))
    assert 0.4 < shallow["infarction_volume_ml"] / facts["infarction_volume_ml"] < 0.55
    assert volumes_ml(pose_at(Heart(), REST), INJURY)["infarction_volume_ml"] == 0
    assert (PHASE, facts["no_reflow_volume_ml"]) == ("mid_diastole", 0)


def test_only_large_infarcts_have_a_core() -> None:
    for half_width, has_core in ((55.0, False), (90.0, True)):
        heart = replace(INFARCTED, infarct_half_width_deg=half_width)
        drawn = [sample_injury(np.random.default_rng(k), heart) for k in range(20)]
        assert {injury.core_share > 0 for injury in drawn} == {has_core}
        assert {0.5 <= injury.depth_share <= 1 for injury in drawn} == {True}


def test_writing_twice_gives_the_same_bytes_whoever_else_is_written(tmp_path: Path) -> None:
    small = {"size": (48, 48), "seed": 7}
    write_emidec(tmp_path / "a", subjects=2, **small)
    write_emidec(tmp_path / "b", subjects=2, **small)
    write_emidec(tmp_path / "one", subjects=1, first_subject=1, **small)
    many, one = files(tmp_path / "a"), files(tmp_path / "one")
    assert many == files(tmp_path / "b")
    assert len(one) == 4
    assert {k: v for k, v in one.items() if k != "truth.csv"}.items() <= many.items()


def test_two_in_three_hearts_have_an_infarct() -> None:
    sick = [heart for k in range(300) if (heart := subject(k, 0)).pathology == "infarct"]
    assert len(sick) / 300 == pytest.approx(PATHOLOGICAL_SHARE, abs=0.08)
    rest = [pose_at(heart, REST) for heart in sick[::12]]
    shares = [volumes_ml(pose, INJURY)["infarct_share_percent"] for pose in rest]
    assert 3 < min(shares) < 12
    assert 20 < max(shares) < 40


def test_nobody_to_write_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="ask for 1 or more"):
        write_emidec(tmp_path, subjects=0, seed=0)


def test_hearts_are_cut_out_of_it(root: Path) -> None:
    found = list(hearts.records(root))
    assert {r.window[2:] for r in found if r.window} == {(80, 80)}  # 120 mm of 1.5 mm
    assert len(found) == len(list(emidec.records(root)))

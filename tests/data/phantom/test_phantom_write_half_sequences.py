from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from septum.contract import BadInput
from septum.data import camus, phantom
from septum.data.phantom.write_half_sequences import quality


def voxels(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    image = SimpleITK.ReadImage(str(path))
    return SimpleITK.GetArrayFromImage(image), image.GetSpacing()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients; not to be written."""
    root = tmp_path_factory.mktemp("halves")
    phantom.write_half_sequences(root, subjects=4, seed=0, size=(96, 120))
    return root


def info(path: Path) -> dict[str, str]:
    return dict(line.split(": ") for line in path.read_text().splitlines())


def test_a_patient_has_the_published_files(root: Path) -> None:
    names = {path.name for path in (root / "patient0002").iterdir()}

    assert names == {
        *(f"Info_{view}.cfg" for view in ("2CH", "4CH")),
        *(
            f"patient0002_{view}_{part}{ending}.nii.gz"
            for view in ("2CH", "4CH")
            for part in ("half_sequence", "ED", "ES")
            for ending in ("", "_gt")
        ),
    }


def test_films_lead_from_end_diastole_to_end_systole(root: Path) -> None:
    for patient in sorted(root.iterdir()):
        for view in ("2CH", "4CH"):
            stem, facts = patient / f"{patient.name}_{view}", info(patient / f"Info_{view}.cfg")
            film, spacing = voxels(Path(f"{stem}_half_sequence.nii.gz"))
            masks, _ = voxels(Path(f"{stem}_half_sequence_gt.nii.gz"))
            assert film.shape == masks.shape == (int(facts["NbFrame"]), 192, 120)
            assert (int(facts["ED"]), int(facts["ES"])) == (1, len(film))
            assert spacing[0] == pytest.approx(2 * spacing[1])
            assert np.unique(masks).tolist() == [0, 1, 2, 3]
            areas = (masks == 1).sum((1, 2))
            assert areas[0] == areas.max()
            assert areas[-1] == areas.min()
            for phase, frame in (("ED", 0), ("ES", -1)):
                for ending, pixels in (("", film), ("_gt", masks)):
                    still, _ = voxels(Path(f"{stem}_{phase}{ending}.nii.gz"))
                    np.testing.assert_array_equal(still, pixels[frame])


def test_two_views_of_one_heart_share_its_volumes(root: Path) -> None:
    for patient in root.iterdir():
        two, four = (info(patient / f"Info_{view}.cfg") for view in ("2CH", "4CH"))
        assert {two[k] == four[k] for k in ("LVedv", "LVesv", "LVef")} == {True}
        edv, esv, ef = (float(two[k]) for k in ("LVedv", "LVesv", "LVef"))
        assert ef == pytest.approx(100 * (1 - esv / edv), abs=0.2)


def test_masks_in_mm_give_the_volume_but_for_foreshortening(root: Path) -> None:
    """Rows of the mask are disks: the long axis is nearly upright, the heart nearly round."""
    for patient in root.iterdir():
        told = float(info(patient / "Info_4CH.cfg")["LVedv"])
        for view in ("2CH", "4CH"):
            mask, (x_mm, y_mm) = voxels(patient / f"{patient.name}_{view}_ED_gt.nii.gz")
            widths = (mask == 1).sum(1) * x_mm
            assert 0.7 * told < np.pi / 4 * np.sum(widths**2) * y_mm / 1000 < 1.15 * told


def test_the_reader_of_the_stills_reads_the_folder(root: Path) -> None:
    records = list(camus.records(root))

    assert len(records) == 4 * 4
    assert records[0].labels["ed_frame"] == 1
    assert records[0].labels["quality"] in {"Good", "Medium", "Poor"}
    assert 10 <= float(records[0].labels["ef_percent"]) <= 80


def test_quality_follows_the_look_and_is_spread_as_in_camus() -> None:
    """CAMUS has 35 percent good, 46 medium and 19 poor images (Leclerc et al., table I)."""
    looks = [phantom.sample_look(np.random.default_rng(k)) for k in range(1000)]
    shares = Counter(quality(look) for look in looks)
    best = replace(looks[0], blood_db=-16.0, dropout_db=0.0, noise_db=-40.0, haze_db=2.0)
    worst = replace(looks[0], blood_db=-7.0, dropout_db=12.0, noise_db=-26.0, haze_db=6.0)

    assert shares["Good"] / 1000 == pytest.approx(0.35, abs=0.1)
    assert shares["Medium"] / 1000 == pytest.approx(0.46, abs=0.1)
    assert shares["Poor"] / 1000 == pytest.approx(0.19, abs=0.1)
    assert quality(replace(best, shadow_width_deg=0.0)) == "Good"
    assert quality(worst) == "Poor"


def test_writing_twice_gives_the_same_bytes_and_subjects_stand_alone(tmp_path: Path) -> None:
    little = {"size": (32, 40), "seed": 3}
    phantom.write_half_sequences(tmp_path / "a", subjects=2, **little)
    phantom.write_half_sequences(tmp_path / "b", subjects=1, first_subject=1, **little)

    one, other = (tmp_path / name / "patient0002" for name in "ab")
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {
        p.name: p.read_bytes() for p in other.iterdir()
    }
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["patient0002"]


@pytest.mark.parametrize("asked", [{"subjects": 0}, {"subjects": 1, "first_subject": -1}])
def test_nobody_is_bad_input(tmp_path: Path, asked: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="ask for 1 or more"):
        phantom.write_half_sequences(tmp_path / "new", seed=0, **asked)
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("file stream is fail after write")

    monkeypatch.setattr(SimpleITK, "WriteImage", full)
    with pytest.raises(BadInput, match=r"sequence\.nii\.gz cannot be written; make room"):
        phantom.write_half_sequences(tmp_path, subjects=1, seed=0, size=(32, 40))

import csv
from pathlib import Path

import numpy as np
import pytest

from septum.contract import BadInput
from septum.data import film, hmc_qu, phantom
from septum.data.phantom.write_hmc_qu import is_infarcted, subject

SEPTUM, LATERAL = ("SEG1", "SEG2", "SEG3"), ("SEG5", "SEG6", "SEG7")


def table(root: Path) -> list[dict[str, str]]:
    with (root / "A4C.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve subjects; not to be written."""
    root = tmp_path_factory.mktemp("hmc")
    phantom.write_hmc_qu(root, subjects=12, seed=0, size=(48, 48))
    return root


def test_the_table_has_the_published_columns(root: Path) -> None:
    rows = table(root)

    assert list(rows[0]) == ["ECHO", *SEPTUM, *LATERAL, "REFERENCE FRAME", "END OF CYCLE"]
    assert [row["ECHO"] for row in rows[:2]] == ["ES0001 _4CH_1", "ES0002 _4CH_1"]
    assert {row[k] for row in rows for k in (*SEPTUM, *LATERAL)} == {"MI", "non-MI"}
    infarcted = [row for row in rows if "MI" in row.values()]
    assert 5 <= len(infarcted) <= 11


def test_a_film_holds_its_cycle(root: Path) -> None:
    for row in table(root):
        count = film.count(root / "HMC-QU" / "A4C" / f"{row['ECHO']}.avi")
        first, last = int(row["REFERENCE FRAME"]), int(row["END OF CYCLE"])
        assert 1 <= first <= 4
        assert last <= count <= last + 3
        assert 15 <= last - first + 1 <= 27  # 25 Hz at 55 to 100 beats per minute


def test_the_reader_of_the_layout_reads_the_folder(root: Path) -> None:
    infarcts = [record.labels["infarct"] for record in hmc_qu.records(root)]

    assert infarcts == [float("MI" in row.values()) for row in table(root)]


@pytest.mark.parametrize(("angle_deg", "wall"), [(210.0, SEPTUM), (30.0, LATERAL)])
def test_the_labelled_wall_is_the_one_that_does_not_contract(
    angle_deg: float, wall: tuple[str, ...]
) -> None:
    """In the image: the infarcted side of the cavity moves in less than the other side."""
    heart = phantom.Heart(ef_percent=35.0, infarct_angle_deg=angle_deg, infarct_half_width_deg=55.0)
    look = phantom.Look(probe_tilt_deg=5.0)  # the long axis is upright
    labels = is_infarcted(heart, look)
    film = {"frames": 20, "rate_hz": 25.0, "rate_per_min": 60.0}
    cine = phantom.draw_cine(heart, look, size=(256, 256), **film)
    cavity = cine.masks == phantom.CLASSES.index("left_ventricle")
    left, right = (
        [np.nonzero(cavity[k, 100])[0][end] for k in (cine.ed_frame, cine.es_frame)]
        for end in (0, -1)
    )
    moved = {SEPTUM: left[1] - left[0], LATERAL: right[0] - right[1]}

    (other,) = {SEPTUM, LATERAL} - {wall}
    assert labels[wall[1]]
    assert not any(labels[name] for name in other)
    assert moved[other] > moved[wall] + 4


def test_a_healthy_heart_has_no_infarcted_segment() -> None:
    assert not any(is_infarcted(phantom.Heart(), phantom.Look()).values())


def test_infarcts_are_always_seen_and_weaken_the_heart_on_average() -> None:
    hearts = [subject(number, 1) for number in range(200)]
    ill = [heart for heart in hearts if heart.infarct_half_width_deg]
    well = [heart for heart in hearts if not heart.infarct_half_width_deg]

    for roll in (-8.0, 8.0):
        look = phantom.Look(probe_roll_deg=roll)
        assert all(any(is_infarcted(heart, look).values()) for heart in ill)
    assert len(ill) / 200 == pytest.approx(72 / 109, abs=0.1)
    assert np.mean([h.ef_percent for h in well]) > np.mean([h.ef_percent for h in ill]) + 10
    assert min(h.ef_percent for h in well) < max(h.ef_percent for h in ill)


def test_writing_twice_gives_the_same_bytes_and_subjects_stand_alone(tmp_path: Path) -> None:
    little = {"seed": 3, "size": (32, 32)}
    phantom.write_hmc_qu(tmp_path / "a", subjects=2, **little)
    phantom.write_hmc_qu(tmp_path / "b", subjects=1, first_subject=1, **little)

    one, other = (
        (tmp_path / name / "HMC-QU" / "A4C" / "ES0002 _4CH_1.avi").read_bytes() for name in "ab"
    )
    assert one == other
    assert table(tmp_path / "a")[1:] == table(tmp_path / "b")


@pytest.mark.parametrize("asked", [{"subjects": 0}, {"subjects": 1, "first_subject": -1}])
def test_nobody_is_bad_input(tmp_path: Path, asked: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="ask for 1 or more"):
        phantom.write_hmc_qu(tmp_path / "new", seed=0, **asked)
    assert not (tmp_path / "new").exists()

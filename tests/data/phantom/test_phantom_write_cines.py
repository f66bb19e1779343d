import csv
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from septum.contract import BadInput
from septum.data import echonet_dynamic, film, phantom

LITTLE = {"frames": (27, 32), "size": (48, 48)}


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight subjects; not to be written."""
    root = tmp_path_factory.mktemp("cines")
    phantom.write_cines(root, subjects=8, seed=0, **LITTLE)
    return root


def test_the_list_has_the_published_columns_and_tells_the_truth(root: Path) -> None:
    rows = table(root / "FileList.csv")

    assert list(rows[0]) == [
        *("FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames"),
        "Split",
    ]
    assert Counter(row["Split"] for row in rows) == {"TRAIN": 6, "VAL": 1, "TEST": 1}
    assert len({row["FPS"] for row in rows}) > 3
    assert len({row["NumberOfFrames"] for row in rows}) > 1
    for row in rows:
        ef, esv, edv = (float(row[k]) for k in ("EF", "ESV", "EDV"))
        assert ef == pytest.approx(100 * (edv - esv) / edv, abs=0.1)
        assert 10 <= ef <= 80
        assert 30 <= int(row["FPS"]) <= 60
        images = list(film.frames(root / "Videos" / f"{row['FileName']}.avi"))
        assert len(images) == int(row["NumberOfFrames"])
        assert images[0].shape == (int(row["FrameHeight"]), int(row["FrameWidth"])) == (48, 48)
        assert max(image.max() for image in images) > 100


def test_two_frames_of_every_film_are_traced_with_an_axis_and_twenty_chords(root: Path) -> None:
    rows = table(root / "VolumeTracings.csv")
    listed = {row["FileName"]: row for row in table(root / "FileList.csv")}

    assert list(rows[0]) == ["FileName", "X1", "Y1", "X2", "Y2", "Frame"]
    films = {name: list(group) for name, group in groupby(rows, lambda row: row["FileName"])}
    assert set(films) == {f"{name}.avi" for name in listed}
    for name, group in films.items():
        frames = Counter(row["Frame"] for row in group)
        assert list(frames.values()) == [21, 21]
        assert max(map(int, frames)) < int(listed[name[:-4]]["NumberOfFrames"])


def test_the_reader_of_the_layout_finds_end_diastole_and_end_systole(root: Path) -> None:
    """The larger outline, which comes last, is 0.36 beats before the smaller or later still."""
    records = list(echonet_dynamic.records(root))

    assert len(records) == 8
    assert {record.split for record in records} == {"train", "val", "test"}
    for record in records:
        first, last = record.outlines
        assert (first, last) == (record.labels["es_frame"], record.labels["ed_frame"])
        assert first > last
        small, large = (area(record.outlines[k]) for k in (first, last))
        # area^1.5 goes as volume where length and width shrink alike; they nearly do
        assert 100 * (1 - (small / large) ** 1.5) == pytest.approx(
            float(record.labels["ef_percent"]), abs=20
        )


def area(corners: Sequence[tuple[float, float]]) -> float:
    """By triangles round the first corner."""
    x, y = (np.array(corners) - corners[0]).T
    return float(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2)


def test_writing_twice_gives_the_same_bytes_and_subjects_stand_alone(tmp_path: Path) -> None:
    for name, seed, who in (("a", 7, (2, 0)), ("b", 7, (2, 0)), ("c", 7, (1, 1)), ("d", 8, (2, 0))):
        count, first = who
        phantom.write_cines(
            tmp_path / name, subjects=count, first_subject=first, seed=seed, **LITTLE
        )

    a, b, c, d = (files(tmp_path / name) for name in "abcd")
    assert a == b
    assert a.keys() == d.keys()
    assert all(a[name] != d[name] for name in a)
    assert set(c) == {"FileList.csv", "VolumeTracings.csv", "Videos/0X0000000000000001.avi"}
    assert all(a[name] == c[name] for name in c if name.endswith(".avi"))
    assert table(tmp_path / "a" / "FileList.csv")[1] == table(tmp_path / "c" / "FileList.csv")[0]


def test_films_of_the_fewest_frames_show_a_systole_and_start_anywhere(tmp_path: Path) -> None:
    phantom.write_cines(tmp_path, subjects=24, seed=2, frames=(27, 27), size=(24, 24))
    rows = table(tmp_path / "VolumeTracings.csv")
    ends = list(dict.fromkeys((row["FileName"], int(row["Frame"])) for row in rows))

    assert len(ends) == 2 * 24
    for (name, systole), (same, diastole) in zip(ends[::2], ends[1::2], strict=True):
        assert name == same
        assert 0 <= diastole < systole < 27
    assert len({diastole for _, diastole in ends[1::2]}) > 6


def test_pathologies_that_are_left_out_narrow_the_ejection_fractions(tmp_path: Path) -> None:
    """45 to 80 percent without infarcts and dilation; by chance, one subject in 500 would do."""
    healthy = ("normal", "hypertrophic")
    phantom.write_cines(tmp_path, subjects=9, seed=1, pathologies=healthy, **LITTLE)

    assert min(float(row["EF"]) for row in table(tmp_path / "FileList.csv")) >= 44.9


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"subjects": 0}, "0 subjects"),
        ({"subjects": 1, "first_subject": -1}, "number -1"),
        ({"subjects": 1, "frames": (26, 40)}, "26 to 40 frames"),
        ({"subjects": 1, "frames": (50, 40)}, "fewest first"),
        ({"subjects": 1, "pathologies": ("flu",)}, "'flu'"),
        ({"subjects": 1, "pathologies": ()}, "0 pathologies"),
    ],
)
def test_nothing_to_write_is_bad_input_before_anything_is_written(
    tmp_path: Path, asked: dict[str, object], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        phantom.write_cines(tmp_path / "new", seed=0, **asked)
    assert not (tmp_path / "new").exists()

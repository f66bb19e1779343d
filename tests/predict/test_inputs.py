"""A user's files, in order and under safe names; a bad one stops nothing."""

import numpy as np
import pytest
from PIL import Image

from septum.data import dicom, film
from septum.predict import Failure, Input, inputs
from septum.predict.inputs import kind_of


def picture(path, value=100, size=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)
    return path


def test_a_folder_is_walked_in_order_without_hidden_files_and_others(tmp_path):
    for name in ("b/2.png", "a/1.png", ".hidden/3.png", "c.bmp", ".d.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    assert [one.path.name for one in inputs([tmp_path])] == ["c.bmp", "1.png", "2.png"]


def test_names_are_distinct_also_where_case_is_not_told_apart(tmp_path):
    files = [picture(tmp_path / name) for name in ("a/x.png", "b/X.png", "b/x.jpg", "b/x-2.png")]
    names = [one.id for one in inputs(files)]
    assert names == ["x", "X-2", "x-3", "x-2-2"]
    assert len({name.casefold() for name in names}) == 4


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("=cmd|x.png", "_cmd_x"),
        ("..png.png", "png"),
        ("a b\nc.png", "a_b_c"),
        ("--out.png", "out"),
        ("é.png", "_"),
        ("y" * 200 + ".png", "y" * 80),
        ("v.nii.gz", "v"),
    ],
)
def test_names_are_safe_in_paths(file, name, tmp_path):
    (found,) = inputs([picture(tmp_path / "p.png").rename(tmp_path / file)])
    assert found.id == name


def test_a_bad_file_is_one_sentence_and_the_others_are_read(tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG no picture")
    unknown = tmp_path / "notes.txt"
    unknown.write_text("text")
    empty = tmp_path / "empty"
    empty.mkdir()
    files = [damaged, unknown, tmp_path / "gone.png", tmp_path / "gone", empty]
    *bad, good = inputs([*files, picture(tmp_path / "good.png")])
    assert isinstance(good, Input)
    said = ["damaged or no image", "no image that is known", "missing", "missing", "holds no image"]
    for one, path, words in zip(bad, files, said, strict=True):
        assert isinstance(one, Failure)
        assert words in one.error
        assert str(path) in one.error


def test_every_so_many_frames_of_a_film_are_kept(tmp_path):
    frames = np.repeat(np.arange(0, 200, 20, dtype=np.uint8), 64).reshape(10, 8, 8)
    film.write(tmp_path / "f.avi", frames, rate_hz=20.0)
    (whole,), (some,) = inputs([tmp_path / "f.avi"]), inputs([tmp_path / "f.avi"], every=4)
    assert len(whole.frames) == 10
    assert np.array_equal(some.frames, whole.frames[[0, 4, 8]])
    assert (some.kind, some.every) == ("film", 4)


def test_a_dicom_file_is_known_by_its_content_and_named_without_its_name(tmp_path):
    dicom.source.STILLS.sketch(tmp_path)
    file = next(path for path in dicom.found(tmp_path) if dicom.facts(path).frames == 1)
    copy = tmp_path / "MUELLER_ANNA"
    copy.write_bytes(file.read_bytes())
    (one,) = inputs([copy])
    assert kind_of(copy) == "dicom"
    assert one.id.startswith("dicom-0001-")
    assert np.array_equal(one.frames, dicom.frames(file))
    copy.write_bytes(file.read_bytes()[:-50])
    (bad,) = inputs([copy])
    assert isinstance(bad, Failure)
    assert "MUELLER" not in bad.id + bad.error

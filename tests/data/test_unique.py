"""What is left of a data set without near-duplicates of other subjects."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from septum.contract import BadInput, Clip
from septum.data import SOURCES
from septum.data.prepare import prepare, prepare_many
from septum.data.unique import unique


def texture(seed, size=(72, 96)):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=size), 2)
    return (128 + 300 * smooth).clip(0, 255).astype(np.uint8)


def dimmed(pixels):
    return (pixels * 0.7 + 40).astype(np.uint8)


def write(folder, pictures, rows):
    """Pictures by name; rows of name, subject, split, label."""
    folder.mkdir()
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    table = [f"{n},{subject},{split},{n}.png,{label}" for n, subject, split, label in rows]
    (folder / "manifest.csv").write_text("\n".join(["id,subject,split,image,label", *table]))
    (folder / "dataset.json").write_text("{}")


@pytest.fixture
def root(tmp_path):
    """Four strangers, a chain of three, a pair that disagrees, two subjects with two frames each.

    `s` and `t` are of one subject and alike; `u` and `v` of two others are like both.
    """
    chain, odd, frames = texture(20), texture(30), texture(40)
    pictures = {name: texture(seed) for seed, name in enumerate("abcd")}
    pictures |= {"k": chain, "l": dimmed(chain), "m": chain, "x": odd, "y": dimmed(odd)}
    pictures |= {"s": frames, "t": dimmed(frames), "u": frames, "v": dimmed(frames)}
    rows = [(name, name, "train", "benign") for name in "abcd"]
    rows += [("k", "k", "test", "benign"), ("l", "l", "train", ""), ("m", "m", "val", "benign")]
    rows += [("x", "x", "train", "benign"), ("y", "y", "train", "malignant")]
    rows += [("s", "p", "train", "benign"), ("u", "q", "train", "benign")]
    rows += [("t", "p", "train", "benign"), ("v", "r", "train", "benign")]
    write(tmp_path / "some", pictures, rows)
    return tmp_path


def left(images):
    return "".join(r.id.rpartition("/")[2] for r in images.records)


def test_the_first_of_a_group_stays_and_none_of_one_that_disagrees(root):
    images = prepare("some", root, size=(48, 48), cache=root / "c")
    assert left(images) == "abcdklmxysutv"
    kept = unique(images)
    assert left(kept) == "abcdkst"  # x and y disagree; t is of the subject of s
    assert [r.split for r in kept.records] == ["train"] * 4 + ["test"] + ["train"] * 2
    assert kept.unique_by == "label"
    first = kept.split("test").batch([0]).image
    assert (first == images.split("test").batch([0]).image).all()


def test_what_is_not_asked_for_does_not_disagree(root):
    images = prepare("some", root, size=(48, 48), cache=root / "c")
    assert left(unique(images, by="nothing")) == "abcdkxst"


def test_what_stays_depends_neither_on_the_size_nor_on_the_neighbours(root):
    write(root / "more", {"k": texture(20)}, [("k", "k", "train", "malignant")])
    for size in ((24, 40), (96, 96)):
        joined = prepare_many(["more", "some"], root, size=size, cache=root / "c")
        assert left(unique(joined)) == "k" + "abcdkst"


def test_without_near_duplicates_all_stay(root):
    images = prepare("some", root, size=(48, 48), cache=root / "c").limited({"label": ("benign",)})
    strangers = images.kept({"some": 1.0})
    few = unique(strangers)
    assert left(unique(few)) == left(few) == "abcdkxst"


def test_nothing_left_and_films_are_refused(root, tmp_path):
    odd = texture(1)
    rows = [("x", "x", "train", "a"), ("y", "y", "train", "b")]
    write(tmp_path / "odd", {"x": odd, "y": odd}, rows)
    with pytest.raises(BadInput, match="another label; keep them all"):
        unique(prepare("odd", root, size=(48, 48), cache=root / "c"))
    (tmp_path / "camus_sequences").mkdir()
    SOURCES["camus_sequences"].sketch(tmp_path / "camus_sequences")
    films = prepare("camus_sequences", tmp_path, size=(32, 32), cache=root / "c")
    with pytest.raises(BadInput, match="films"):
        unique(films.filmed(Clip(frames=2)))


@pytest.mark.slow
def test_of_614_images_of_busi_506_are_left(shared_data, tmp_path):
    images = prepare("busi", shared_data, size=(64, 64), cache=tmp_path)
    assert len(images.records) == 614
    assert len(unique(images, by="nothing").records) == 509
    assert len(unique(images).records) == 506  # seven in three groups that disagree

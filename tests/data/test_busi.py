import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput
from septum.data import busi, decode
from septum.data.prepare import prepare
from septum.data.split import by_hash
from septum.data.unique import unique

CODES = busi.SOURCE.codes


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "busi").mkdir()
    busi.sketch(tmp_path / "busi")
    return tmp_path / "busi"


def save(folder, name, pixels):
    path = folder / busi.HOME / f"{name}.png"
    Image.fromarray(pixels).save(path)
    return path


def test_every_picture_of_every_kind_in_the_order_of_its_number(folder):
    for number in (10, 9):
        save(folder, f"benign/benign ({number})", np.zeros((9, 9), np.uint8))
    records = list(busi.records(folder))
    assert [r.id for r in records] == [
        *("benign_001", "benign_002", "benign_009", "benign_010"),
        *("malignant_001", "malignant_002", "normal_001", "normal_002"),
    ]
    assert [r.subject for r in records] == [r.id for r in records]
    assert records[4].labels == {"modality": "US", "label": "malignant"}
    assert [r.mask is None for r in records] == [False, False, True, True, *[False] * 4]
    assert {r.split for r in records} == {None}


def test_several_masks_are_one(folder):
    one, two, *_ = busi.records(folder)
    assert (one.mask.name, one.more_masks) == ("benign (1)_mask.png", ())
    assert [p.name for p in two.more_masks] == ["benign (2)_mask_1.png"]
    parts = [np.asarray(Image.open(p).convert("L")) for p in (two.mask, *two.more_masks)]
    assert not np.array_equal(*parts)
    union = (parts[0] == 255) | (parts[1] == 255)
    np.testing.assert_array_equal(decode.mask(two, CODES), union)


def test_masks_are_counted_and_none_is_missed_after_a_gap(folder):
    for part, column in ((2, 3), (10, 5)):
        lesion = np.zeros((120, 130), np.uint8)
        lesion[:, column] = 255
        save(folder, f"benign/benign (2)_mask_{part}", lesion)
    two = list(busi.records(folder))[1]
    assert [p.stem[-3:] for p in two.more_masks] == ["k_1", "k_2", "_10"]
    assert decode.mask(two, CODES)[:, [3, 5]].all()


def test_a_normal_breast_has_a_mask_without_a_lesion(folder):
    last = list(busi.records(folder))[-1]
    assert not decode.mask(last, CODES).any()


def test_prepared_images_are_breasts_with_their_lesions(folder):
    images = prepare("busi", folder.parent, size=(48, 64), cache=folder.parent / "c")
    assert {r.labels["organ"] for r in images.records} == {"breast"}
    assert [r.split for r in images.records] == [by_hash(r.subject) for r in images.records]
    assert [len(r.more_masks) for r in images.records] == [0, 1, 0, 1, 0, 0]
    share = (images.split("all").batch(range(6)).mask == 1).float().mean((1, 2))
    assert share[:4].min() > 0.02
    assert not share[4:].any()
    assert images.split("all").batch([0, 3]).texts["label"] == ["benign", "malignant"]


def test_another_part_of_a_mask_makes_another_cache(folder):
    prepare("busi", folder.parent, size=(48, 64), cache=folder.parent / "c")
    more = folder / busi.HOME / "benign" / "benign (2)_mask_1.png"
    more.write_bytes((more.parent / "benign (2)_mask.png").read_bytes())
    images = prepare("busi", folder.parent, size=(48, 64), cache=folder.parent / "c")
    assert len(list((folder.parent / "c").iterdir())) == 2
    more.unlink()
    alone = prepare("busi", folder.parent, size=(48, 64), cache=folder.parent / "c")
    masks = [found.split("all").batch([1]).mask for found in (images, alone)]
    assert (masks[0] == masks[1]).all()


def test_the_three_folders_may_lie_in_the_folder_itself(folder):
    before = [r.id for r in busi.records(folder)]
    for kind in busi.KINDS:
        (folder / busi.HOME / kind).rename(folder / kind)
    (folder / busi.HOME).rmdir()
    assert [r.id for r in busi.records(folder)] == before


def test_other_files_are_passed_over(folder):
    home = folder / busi.HOME / "benign"
    for name in ("benign (1).txt", "Thumbs.db", "benign (3) copy.png", "benign.png"):
        (home / name).write_text("no picture")
    assert len(list(busi.records(folder))) == 6


def test_an_empty_folder_and_a_mask_without_its_picture_are_told(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"benign \(1\)\.png .*; fetch BUSI"):
        list(busi.records(tmp_path / "empty"))
    (folder / busi.HOME / "normal" / "normal (2).png").unlink()
    with pytest.raises(BadInput, match=r"a mask of normal \(2\) and not its picture; fetch"):
        list(busi.records(folder))


@pytest.mark.parametrize(
    ("name", "pixels", "said"),
    [
        ("benign (2)_mask_1", np.zeros((120, 131), np.uint8), "same image 120 x 130"),
        ("benign (2)_mask", np.zeros((119, 130), np.uint8), "119 x 130"),
        ("benign (1)_mask", np.zeros((97, 110), np.uint8), "97 x 110 pixels and its image"),
        ("benign (1)_mask", np.full((96, 110), 128, np.uint8), "the value 128"),
        ("benign (1)_mask", np.eye(96, 110, dtype=np.uint8)[..., None] * (255, 0, 0), "colour"),
    ],
    ids=["size-of-a-part", "size-of-the-first", "size-of-the-image", "grey", "colour"],
)
def test_a_mask_that_does_not_fit_is_told(folder, name, pixels, said):
    save(folder, f"benign/{name}", pixels.astype(np.uint8))
    with pytest.raises(BadInput, match=said):
        prepare("busi", folder.parent, size=(48, 64), cache=folder.parent / "c")


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "LA"])
def test_masks_are_read_however_they_were_saved(folder, mode):
    lesion = np.eye(96, 110, dtype=np.uint8) * 255
    path = folder / busi.HOME / "benign" / "benign (1)_mask.png"
    Image.fromarray(lesion).convert(mode).save(path)
    one = next(busi.records(folder))
    np.testing.assert_array_equal(decode.mask(one, CODES), lesion > 0)


def test_no_two_pictures_of_the_sketch_are_alike(folder):
    images = prepare("busi", folder.parent, size=(48, 64), cache=folder.parent / "c")
    assert unique(images).records == images.records

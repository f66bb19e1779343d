import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from septum.contract import BadInput
from septum.data import alike
from septum.data.audit import audit
from septum.data.findings import as_dict, as_text, contact_sheet


def texture(seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(96, 96)), 2)
    return (128 + 300 * smooth).clip(0, 255).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    """Six sound images; 6 equals 0, 7 is 1 dimmed, 8 is cut, 9, 10 have bad masks, 11 is gone."""
    folder = tmp_path / "a"
    folder.mkdir()
    images = [texture(seed) for seed in range(11)]
    images[6], images[7] = images[0], (images[1] * 0.7 + 40).astype(np.uint8)
    for i, pixels in enumerate(images):
        Image.fromarray(pixels).save(folder / f"{i}.png")
        mask = np.zeros((96, 95 if i == 9 else 96), np.uint8)
        mask[40:60, 40:60] = 9 if i == 10 else 1
        Image.fromarray(mask).save(folder / f"m{i}.png")
    (folder / "8.png").write_bytes((folder / "0.png").read_bytes()[:500])
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(folder / "m6.png")
    subjects = {0: ("p0", "train"), 1: ("p1", "train"), 5: ("p0", "val"), 6: ("p6", "val")}
    rows = ["id,subject,split,image,mask,kind"]
    for i in range(12):
        subject, split = subjects.get(i, (f"p{i}", "train"))
        rows.append(f"i{i},{subject},{split},{i}.png,m{i}.png,{'odd' if i in {6, 7} else 'even'}")
    (folder / "manifest.csv").write_text("\n".join(rows))
    card = {"modality": "US", "organ": "heart", "mask_classes": {"1": "square"}}
    (folder / "dataset.json").write_text(json.dumps(card))
    return tmp_path


def test_everything_that_was_planted_is_found(root):
    found = audit("a", root)
    assert len(found.bad_rows) == 1
    assert "row 13" in found.bad_rows[0]
    assert "11.png" in found.bad_rows[0]
    assert len(found.unreadable) == 1
    assert "8.png" in found.unreadable[0]
    assert ["m9.png" in found.mismatched[0], "m10.png" in found.mismatched[1]] == [True, True]
    assert len(found.mismatched) == 2
    assert found.in_two_splits == {"p0": ["train", "val"]}
    assert found.organs == {"heart": {"images": 11, "subjects": 10}}
    assert found.sizes == [(96, 96)]
    assert found.values["kind"] == {"even": 9, "odd": 2}
    assert found.images_with_class == {"background": 10, "square": 8}
    assert sum(found.subjects_by_split.values()) == 10
    equal, near = found.twins
    assert (equal.first.id, equal.second.id, equal.exact) == ("i0", "i6", True)
    assert (near.first.id, near.second.id, near.exact) == ("i1", "i7", False)
    assert equal.disagree == ("kind", "mask")
    assert near.disagree == ("kind",)
    assert near.same_split
    assert not near.same_subject


def test_the_findings_can_be_written(root, tmp_path):
    found = audit("a", root)
    facts = json.loads(json.dumps(as_dict(found)))
    assert not facts["clean"]
    assert facts["twins"][0]["ids"] == ["i0", "i6"]
    assert facts["organs"] == {"heart": {"images": 11, "subjects": 10}}
    assert facts["smallest"] == facts["largest"] == [96, 96]
    text = as_text(found)
    for line in (
        "heart: 11 images of 10 subjects",
        "pixels: 96 x 96; smaller ones",
        "unusable rows: 1",
        "unreadable files: 1",
        "subjects in two splits: 1",
        "2 pairs of different subjects among 4 images, 1 of them equal",
        "twins that disagree in: kind 2, mask 1",
    ):
        assert line in text
    contact_sheet(found).savefig(tmp_path / "sheet.png", dpi=40)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    assert np.ptp(sheet, axis=2).max() > 60  # coloured outlines


def test_a_sound_data_set_is_clean(root):
    table = root / "a" / "manifest.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:6]).replace("p0,val", "p0,train"))
    found = audit("a", root)
    assert as_dict(found)["clean"]
    assert found.twins == []


def test_long_lists_are_cut_and_say_so(root):
    table = root / "a" / "manifest.csv"
    rows = [f"x{i},p,,gone{i}.png,,even" for i in range(30)]
    table.write_text(table.read_text() + "\n" + "\n".join(rows))
    text = as_text(audit("a", root))
    assert "unusable rows: 31" in text
    assert "and 11 more" in text


def test_nothing_readable_is_still_a_report(root):
    for path in (root / "a").glob("*.png"):
        path.write_bytes(b"")
    found = audit("a", root)
    assert len(found.unreadable) == 11
    assert contact_sheet(found)
    (root / "a" / "dataset.json").unlink()
    with pytest.raises(BadInput):
        audit("a", root)


def test_alikeness_is_the_correlation_of_detail_whatever_the_block():
    images = np.stack([alike.thumbnail(texture(i)) for i in range(30)])
    images[20] = np.clip(images[3].astype(int) + 9, 0, 255)
    fine = images.astype(float) - [ndimage.uniform_filter(i.astype(float), 9) for i in images]
    fine -= fine.sum(0) / (30 + 10)
    expected = np.corrcoef(fine.reshape(30, -1))[3, 20]
    ((i, j, correlation),) = alike.pairs(images)
    assert (i, j) == (3, 20)
    assert correlation == pytest.approx(expected, abs=1e-4)


def test_what_all_images_share_makes_no_twins():
    frame = np.zeros((96, 96), np.uint8)
    frame[10:86, 10:86] = 255
    images = [
        alike.thumbnail((frame * 0.7).astype(np.uint8) // 2 + texture(i) // 3) for i in range(40)
    ]
    assert not list(alike.pairs(np.stack(images)))


def test_blank_images_have_no_near_twins():
    assert not list(alike.pairs(np.zeros((4, 32, 32), np.uint8)))


@pytest.mark.slow
def test_busi_holds_many_twins_and_camus_one_patient_twice(shared_data):
    found = audit("busi", shared_data)
    among = {r.id for t in found.twins for r in (t.first, t.second)}
    assert 180 < len(among) < 260  # published critiques count about 235 in the full set
    assert any("label" in t.disagree for t in found.twins)
    strangers = [t for t in audit("camus", shared_data).twins if not t.same_subject]
    assert {(t.first.subject, t.second.subject) for t in strangers} == {
        ("patient0033", "patient0068")
    }


def test_images_of_one_pixel_are_drawn_without_outlines(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for name, side in (("one", (1, 1)), ("row", (1, 9)), ("more", (9, 9))):
        Image.fromarray(np.ones(side, np.uint8)).save(folder / f"{name}.png")
    rows = [f"{name},{name},{name}.png,{name}.png" for name in ("one", "row", "more")]
    (folder / "manifest.csv").write_text("\n".join(["id,subject,image,mask", *rows]))
    (folder / "dataset.json").write_text('{"mask_classes": {"1": "square"}}')
    found = audit("a", tmp_path)
    assert as_dict(found)["clean"]
    assert "pixels: 1 x 1 to 9 x 9; smaller ones" in as_text(found)
    contact_sheet(found).savefig(tmp_path / "sheet.png")

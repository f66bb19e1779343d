import json

import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput
from septum.data import SOURCES, decode, emidec, hearts, miniature, open_source
from septum.data.prepare import prepare

CLASSES = {str(i): name for i, name in enumerate(emidec.CLASSES) if i}
HEADER = "id,subject,split,image,mask"


@pytest.fixture
def write(tmp_path):
    """A folder with a table of pictures; a mask shows a rectangle, or nothing."""

    def write(rows, *, header=HEADER, classes=CLASSES, size=(32, 48)):
        lines = [header]
        for name, subject, box, *more in rows:
            grey = np.full(size, 99, np.uint8)
            Image.fromarray(grey).save(tmp_path / f"{name}.png")
            mask = np.zeros(size, np.uint8)
            if box is not None:
                top, left, bottom, right = box
                mask[top:bottom, left:right] = 1
                Image.fromarray(mask).save(tmp_path / f"{name}_mask.png")
            cell = "" if box is None else f"{name}_mask.png"
            lines.append(",".join([name, subject, "train", f"{name}.png", cell, *more]))
        (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
        card = {"title": "T", "modality": "MR", "mask_classes": classes}
        (tmp_path / "dataset.json").write_text(json.dumps(card))
        return tmp_path

    return write


NOTHING = (0, 0, 0, 0)


def test_all_slices_of_a_subject_have_the_window_of_its_heart(write):
    folder = write(
        [
            ("a0", "a", (4, 10, 8, 14)),
            ("b0", "b", (20, 40, 30, 48)),
            ("a1", "a", (6, 16, 14, 24)),
            ("a2", "a", NOTHING),
            ("a3", "a", None),
        ]
    )
    found = {r.id: r for r in hearts.records(folder)}
    # 7/16 of 48 is 21; rows 4 to 14 have their middle at 9, columns 10 to 24 at 17
    assert {found[name].window for name in ("a0", "a1", "a2", "a3")} == {(-2, 6, 21, 21)}
    assert found["b0"].window == (14, 34, 21, 21)  # 25 - 10.5 and 44 - 10.5, to even
    assert [found[f"a{k}"].labels["slice"] for k in range(4)] == [0.0, 1.0, 2.0, 3.0]
    assert found["a0"].labels["volume"] == found["a3"].labels["volume"] == "a"
    assert (found["a0"].split, found["a3"].mask) == ("train", None)


def test_a_window_holds_what_the_masks_show(write):
    rng = np.random.default_rng(0)
    ends = [(*rng.integers((0, 0), (20, 30)), *rng.integers(3, 12, 2)) for _ in range(6)]
    boxes = [tuple(int(n) for n in (y, x, y + h, x + w)) for y, x, h, w in ends]
    folder = write([(f"r{k}", f"s{k}", box) for k, box in enumerate(boxes)])
    for record, (top, left, bottom, right) in zip(hearts.records(folder), boxes, strict=True):
        assert (decode.mask(record) > 0).sum() == (bottom - top) * (right - left)
        y, x = np.nonzero(decode.mask(record))
        assert abs(y.min() - (20 - y.max())) <= 1
        assert abs(x.min() - (20 - x.max())) <= 1


def test_subjects_without_a_heart_are_left_out_and_named(write):
    folder = write([("a", "a", NOTHING), ("b", "b", (4, 4, 9, 9)), ("c", "c", None)])
    assert [r.id for r in hearts.records(folder)] == ["b"]
    assert hearts.left_out(folder) == ["a", "c"]


def test_stated_volumes_slices_and_spacings_are_kept(write):
    rows = [("a", "s", (4, 4, 9, 9), "ED", "7", "5", "4")]
    header = f"{HEADER},volume,slice,spacing_y_mm,spacing_x_mm"
    (record,) = hearts.records(write(rows, header=header))
    assert (record.labels["volume"], record.labels["slice"]) == ("ED", 7.0)
    assert record.window == (-6, -8, 24, 30)  # 120 mm; 6.5 - 12 and 6.5 - 15, to even


def test_masks_of_structures_with_other_names_are_not_kept(write):
    folder = write([("a", "s", (4, 10, 8, 14))], classes={"1": "disk"})
    (record,) = hearts.records(folder)
    assert (record.mask, record.window) == (None, (-4, 2, 21, 21))


def test_what_cannot_be_cut_out_is_told(write):
    with pytest.raises(BadInput, match="holds no mask of a heart to cut slices out by"):
        list(hearts.records(write([("a", "a", NOTHING), ("b", "b", None)])))
    folder = write([("a", "s", (4, 4, 9, 9)), ("b", "s", (4, 4, 9, 9))])
    Image.fromarray(np.ones((9, 9), np.uint8)).save(folder / "b_mask.png")
    with pytest.raises(BadInput, match="The masks of 's' have several sizes"):
        list(hearts.records(folder))


def test_emidec_as_published_is_cut_to_120_mm(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "hearts", hearts.SOURCE)
    hearts.SOURCE.sketch(tmp_path / "mine")
    found = list(hearts.records(tmp_path / "mine"))
    whole = list(emidec.records(tmp_path / "mine"))
    assert [(r.id, r.at, r.labels) for r in found] == [(r.id, r.at, r.labels) for r in whole]
    assert {r.window[2:] for r in found} == {(48, 48)}  # of 2.5 mm
    prepared = prepare("mine:hearts", tmp_path, size=(48, 48), cache=tmp_path / "c")
    assert prepared.records[0].labels["spacing_y_mm"] == pytest.approx(2.5)
    mask = prepared.split("all").batch(range(len(whole))).mask
    counts = [np.bincount(decode.mask(r).ravel(), minlength=5)[1:] for r in whole]
    np.testing.assert_array_equal([np.bincount(m.ravel(), minlength=5)[1:] for m in mask], counts)


def test_an_axis_with_other_pixels_gets_as_many_millimetres(tmp_path):
    case = tmp_path / "Case_P001"
    index = np.zeros((2, 90, 120), np.int16)
    index[0, 40:50, 60:64] = 1
    for part in ("Images", "Contours"):
        (case / part).mkdir(parents=True)
        miniature.write(case / part / "Case_P001.nii.gz", index, spacing_mm=(9.0, 2.0, 1.5))
    one, two = hearts.records(tmp_path)
    assert one.window == two.window == (45 - 30, 62 - 40, 60, 80)


def test_real_hearts(shared_data, monkeypatch):
    monkeypatch.setitem(SOURCES, "hearts", hearts.SOURCE)
    _, found = open_source("emidec:hearts", shared_data)
    assert (len(found), len({r.subject for r in found})) == (567, 80)
    assert {r.window[2:] for r in found} == {(112, 112)}
    shown = [r for r in found if r.subject in {"Case_N037", "Case_P001"}]
    for record in shown:
        stated = sum(record.labels[f"px_{name}"] for name in ("lv", "myo", "mi", "mvo"))
        assert (decode.mask(record) > 0).sum() == stated  # all of the heart is in the window

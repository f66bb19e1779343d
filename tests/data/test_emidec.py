import numpy as np
import pytest

from septum.contract import BadInput
from septum.data import decode, emidec, miniature
from septum.data.prepare import prepare


@pytest.fixture
def folder(tmp_path):
    emidec.sketch(tmp_path / "emidec")
    return tmp_path / "emidec"


def test_every_slice_of_every_case(folder):
    records = list(emidec.records(folder))
    assert [r.id for r in records[3:5]] == ["Case_N006_z03", "Case_P035_z00"]
    assert len(records) == 2 * 4
    assert records[1].labels == {
        "modality": "MR",
        "sequence": "LGE",
        "pathological": 0.0,
        "sex": "F",
        "age_years": 57.0,
        "ef_percent": 60.0,
        "volume": "Case_N006",
        "slice": 1.0,
        "n_slices": 4.0,
        "spacing_z_mm": 10.0,
    }
    assert records[4].labels["pathological"] == 1.0
    assert "sex" not in records[4].labels
    present = [np.unique(decode.mask(r)).tolist() for r in (records[0], records[4])]
    assert present == [[0, 1, 2], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize("place", ["Case_P035.txt", "Case_P035/Case P035.txt"])
@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (b"Sex : M\nAge : 61 years\nFEVG : 38.5\n", ("M", 61.0, 38.5)),
        (b"SEX:f\n\nno colon\nAge: old\nFEVG :\n", ("F", None, None)),
        (b"\xff\xfe\x00 : :\nAge : " + b"9" * 400, (None, None, None)),
        (b"Age : 1\n" * 20_000, (None, None, None)),
    ],
)
def test_clinical_lines_never_fail(folder, place, text, facts):
    (folder / place).write_bytes(text)
    labels = next(r for r in emidec.records(folder) if r.subject == "Case_P035").labels
    assert tuple(labels.get(k) for k in ("sex", "age_years", "ef_percent")) == facts


def test_cases_to_test_have_neither_mask_nor_diagnosis(folder):
    case = folder / "Case_007" / "Images"
    case.mkdir(parents=True)
    miniature.write(case / "Case_007.nii.gz", np.ones((2, 3, 4)), spacing_mm=(10.0, 2.0, 2.0))
    records = [r for r in emidec.records(folder) if r.subject == "Case_007"]
    assert [(r.mask, r.at) for r in records] == [(None, (0,)), (None, (1,))]
    assert "pathological" not in records[0].labels


def test_what_is_wrong_is_named(folder):
    path = folder / "Case_P035" / "Contours" / "Case_P035.nii.gz"
    miniature.write(path, np.zeros((4, 64, 72)), spacing_mm=(10.0, 2.5, 2.0))
    with pytest.raises(BadInput, match=r"of 2 x 2.5 x 10 mm .* of 2.5 x 2.5 x 10 mm"):
        list(emidec.records(folder))
    (folder / "Case_P035" / "Images" / "Case_P035.nii.gz").unlink()
    with pytest.raises(BadInput, match=r"Case_P035 lacks Images/Case_P035\.nii\.gz"):
        list(emidec.records(folder))
    with pytest.raises(BadInput, match="no Case_XXXX folder"):
        list(emidec.records(folder / "Case_N006"))


def test_links_may_not_lead_out(folder, tmp_path):
    path = folder / "Case_N006" / "Images" / "Case_N006.nii.gz"
    path.rename(tmp_path / "elsewhere.nii.gz")
    path.symlink_to(tmp_path / "elsewhere.nii.gz")
    with pytest.raises(BadInput, match="leads out of"):
        list(emidec.records(folder))


def test_prepared_hearts_have_the_pixels_of_acdc_and_masks_their_classes(folder, tmp_path):
    samples = prepare("emidec", folder.parent, size=(112, 112), cache=tmp_path / "c").split("all")
    assert samples.classes[3:] == ("infarction", "no_reflow")
    for axis in "yx":
        assert samples.records[0].labels[f"spacing_{axis}_mm"] == pytest.approx(2.74, rel=0.01)
    batch = samples.batch(range(8))
    assert batch.mask[4:].unique().tolist() == [0, 1, 2, 3, 4]
    levels = [batch.image[4:, 0][batch.mask[4:] == k].mean() for k in range(5)]
    bright, dark = (levels[1], levels[3]), (levels[2], levels[4])
    assert min(bright) > max(dark) + 0.3  # blood and scar, healthy wall and no-reflow
    path = folder / "Case_P035" / "Contours" / "Case_P035.nii.gz"
    miniature.write(path, np.full((4, 64, 72), 5), spacing_mm=(10.0, 2.5, 2.5))
    with pytest.raises(BadInput, match="holds the index 5, but the classes end at 4"):
        prepare("emidec", folder.parent, size=(112, 112), cache=tmp_path / "c")

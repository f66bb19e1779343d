import json

import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput, Clip
from septum.data import film, manifest
from septum.data.prepare import prepare

HEADER = "id,subject,split,image,mask,age_years,view,note"


@pytest.fixture
def write(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")

    def write(*rows, header=HEADER, **card):
        (tmp_path / "manifest.csv").write_text("\n".join((header, *rows)) + "\n")
        (tmp_path / "dataset.json").write_text(json.dumps(card))
        return tmp_path

    return write


def test_a_row_becomes_a_record(write):
    folder = write(
        "1,p1,train,a.png,a.png,61,4CH,", "2,p2,,a.png,,,2CH,12", "3,p3,,a.png,,nan,2CH,x"
    )
    one, two, three = manifest.records(folder)
    assert (one.id, one.subject, one.split) == ("1", "p1", "train")
    assert one.image == one.mask == folder.resolve() / "a.png"
    assert one.labels == {"age_years": 61.0, "view": "4CH"}
    assert two.split is two.mask is None
    assert two.labels == {"view": "2CH", "note": "12"}  # a text column stays one
    assert three.labels == {"view": "2CH", "note": "x"}


def test_the_card(write):
    source = manifest.source(
        write(title="T", license="L", citation="C", url="U", mask_classes={"2": "b", "1": "a"})
    )
    assert (source.title, source.licence, source.cite, source.url) == ("T", "L", "C", "U")
    assert source.classes == ("background", "a", "b")


def test_the_modality_of_the_card_is_a_label_unless_a_column_says_it(write):
    assert next(manifest.records(write("1,p,,a.png,,,,", modality="US"))).labels == {
        "modality": "US"
    }
    header = "id,subject,image,modality"
    folder = write("1,p,a.png,CT", "2,p,a.png,", header=header, modality="US")
    assert [r.labels["modality"] for r in manifest.records(folder)] == ["CT", "US"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",p,,a.png,,,,", "row 3: .*'id' is empty"),
        ("2,,,a.png,,,,", "row 3: .*'subject' is empty"),
        ("2,p,,,,,,", "row 3: .*'image' is empty"),
        ("1,p,,a.png,,,,", "row 3: .*'1' occurs twice"),
        ("2,p,,b.png,,,,", "row 3: .*no file .*b.png"),
        ("2,p,,a.png,b.png,,,", "row 3: .*no file .*b.png"),
        ("2,p,,../a.png,,,,", "row 3: .*plain path"),
        ("2,p,,/a.png,,,,", "row 3: .*plain path"),
        ("2,p,,.,,,,", "row 3: .*no file"),
        ("2,p,,a.png", "row 3: .*4 cells"),
    ],
)
def test_a_bad_row_is_named_by_its_number(write, row, said):
    folder = write("1,p,,a.png,,,,", row, "9,p,,a.png,,,,")
    with pytest.raises(BadInput, match=said):
        list(manifest.records(folder))
    problems = []
    assert [r.id for r in manifest.records(folder, problems.append)] == ["1", "9"]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,subject", "no column 'image'"),
        ("id,subject,image,id", "repeated column"),
        ("id,subject,image,", "nameless"),
        ("", "no column 'id'"),
        ("id,subject,image," + ",".join(f"c{i}" for i in range(400)), "more than 256"),
    ],
)
def test_bad_headers(write, header, said):
    with pytest.raises(BadInput, match=said):
        list(manifest.records(write(header=header)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "no JSON"),
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"title": 3}', "no JSON object"),
        ('{"mask_classes": {"2": "a"}}', "without a gap"),
        ('{"mask_classes": ["a"]}', "without a gap"),
        (json.dumps({"mask_classes": {str(i): "a" for i in range(1, 129)}}), "127 at most"),
    ],
)
def test_bad_cards(write, text, said):
    folder = write()
    (folder / "dataset.json").write_text(text)
    with pytest.raises(BadInput, match=said):
        manifest.source(folder)


def test_files_that_are_missing_too_large_or_no_text(write, monkeypatch):
    folder = write()
    (folder / "manifest.csv").write_bytes(b"id,\xff")
    with pytest.raises(BadInput, match="UTF-8"):
        list(manifest.records(folder))
    (folder / "manifest.csv").write_bytes(b"id,subject,image\n1,p\0,a.png\n")
    with pytest.raises(BadInput, match="NUL"):
        list(manifest.records(folder))
    monkeypatch.setattr(manifest, "MAX_TABLE_BYTES", 3)
    with pytest.raises(BadInput, match="larger than"):
        list(manifest.records(folder))
    (folder / "dataset.json").unlink()
    with pytest.raises(BadInput, match="missing"):
        manifest.source(folder)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
def test_a_table_may_have_any_line_ends_and_a_byte_order_mark(write, end, mark):
    folder = write("1,p,,a.png,,61,4CH,one\u2028two")
    text = (folder / "manifest.csv").read_text()
    (folder / "manifest.csv").write_bytes((mark + text).replace("\n", end).encode())
    (record,) = manifest.records(folder)
    assert record.labels == {"age_years": 61.0, "view": "4CH", "note": "one\u2028two"}


def test_a_table_of_films(tmp_path):
    folder = tmp_path / "clinic"
    folder.mkdir()
    grey = np.random.default_rng(0).integers(0, 200, (2, 9, 48, 64), np.uint8)
    for name, frames in zip("ab", grey, strict=True):
        film.write(folder / f"{name}.avi", frames, rate_hz=30.0)
    (folder / "dataset.json").write_text('{"name": "clinic", "modality": "US"}')
    (folder / "manifest.csv").write_text(
        "id,subject,image,ef_percent\na,p1,a.avi,55\nb,p2,b.avi,30\n"
    )
    prepared = prepare("clinic", tmp_path, size=(48, 64), cache=tmp_path / "cache")
    batch = prepared.filmed(Clip(frames=4, stride=2)).split("all").batch([0, 1])
    assert batch.image.shape == (2, 1, 4, 48, 64)
    assert batch.labels["ef_percent"].tolist() == [55, 30]
    assert [r.labels["frames"] for r in prepared.records] == [9, 9]

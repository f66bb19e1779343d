"""The organ of an image: from its own label, or else from the card of its data set."""

import json

import numpy as np
import pytest
from PIL import Image

from septum.contract import BadInput, Clip
from septum.data import SOURCES, manifest
from septum.data.counts import by_label, by_split
from septum.data.prepare import prepare, prepare_many


def write(folder, organs=(), **card):
    """A data set with three images; with organs, they stand in the table."""
    folder.mkdir()
    rows = ["id,subject,split,image" + ",organ" * bool(organs)]
    for i in range(3):
        Image.fromarray(np.full((8, 8), 50 * i, np.uint8)).save(folder / f"{i}.png")
        rows.append(f"r{i},s{i // 2},train,{i}.png" + (f",{organs[i]}" if organs else ""))
    (folder / "manifest.csv").write_text("\n".join(rows))
    (folder / "dataset.json").write_text(json.dumps(card))


def organs(prepared):
    return [r.labels.get("organ") for r in prepared.records]


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "card", organ="lung")
    write(tmp_path / "table", organs=("hip", "", "hip"), organ="leg")
    write(tmp_path / "nobody")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("card", ["lung", "lung", "lung"]),
        ("table", ["hip", "leg", "hip"]),
        ("nobody", [None, None, None]),
    ],
)
def test_the_label_of_an_image_wins_over_its_card(name, said, root):
    assert organs(prepare(name, root, size=(8, 8), cache=root / "c")) == said


def test_a_cache_from_before_the_card_had_an_organ_is_used(root):
    prepare("nobody", root, size=(8, 8), cache=root / "c")
    (root / "nobody" / "dataset.json").write_text('{"organ": "spleen"}')
    assert organs(prepare("nobody", root, size=(8, 8), cache=root / "c")) == ["spleen"] * 3
    assert len(list((root / "c").iterdir())) == 1


def test_joined_data_sets_keep_their_organs_and_batches_tell_them(root):
    names = ["card", "table", "nobody"]
    both = prepare_many(names, root, size=(8, 8), cache=root / "c")
    assert organs(both) == ["lung", "lung", "lung", "hip", "leg", "hip", None, None, None]
    batch = both.split("train").batch([7, 0, 4])
    assert batch.texts == {"organ": ["", "lung", "leg"], "data": ["nobody", "card", "table"]}
    assert by_label(both.records, "organ") == {
        "hip": {"images": 2, "subjects": 2},
        "leg": {"images": 1, "subjects": 1},
        "lung": {"images": 3, "subjects": 2},
    }


@pytest.mark.parametrize("name", ["camus_sequences", "echonet_dynamic"])
def test_clips_of_films_tell_texts_as_well(name, tmp_path):
    (tmp_path / name).mkdir()
    SOURCES[name].sketch(tmp_path / name)
    films = prepare(name, tmp_path, size=(32, 32), cache=tmp_path / "c").filmed(Clip(frames=2))
    batch = films.split("all").clips([1, 0, 1], [0, 0, 0])
    assert batch.texts["organ"] == ["heart"] * 3
    ids = [films.records[i].labels["data"] for i in (1, 0, 1)]
    assert batch.texts["data"] == ids


def test_every_layout_of_hearts_says_so():
    assert {name: s.organ for name, s in SOURCES.items() if s.organ != "heart"} == {
        "busi": "breast",
        "dicom": "",
        "dicom_films": "",
    }


def test_an_organ_that_is_no_text_is_refused(root):
    (root / "card" / "dataset.json").write_text('{"organ": ["lung"]}')
    with pytest.raises(BadInput, match=r"texts for .*organ"):
        manifest.source(root / "card")


def test_counts_by_split_are_in_the_usual_order(root):
    records = prepare("table", root, size=(8, 8), cache=root / "c").records
    assert by_split(records) == {"train": {"images": 3, "subjects": 2}}
    assert by_label(records, "organ", default="x").keys() == {"hip", "leg"}

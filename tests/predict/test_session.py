"""From a run and files to tables, masks and concepts."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet
from SimpleITK import ReadImage

from septum import runs
from septum.contract import BadInput
from septum.data import SOURCES, read
from septum.data.letterbox import fit
from septum.data.prepare import prepare_many
from septum.predict import Objects, Settings, inputs, opened, predict, reference


@pytest.fixture
def asked(cache, tmp_path):
    """Ask a run about files; the rows of the table, by id, and what was told."""

    def ask(run, files, **settings):
        told = []
        own = runs.load(shutil.copytree(run, tmp_path / "run", dirs_exist_ok=True))
        settings = Settings(cache=cache, **settings)
        predict(own, files, tmp_path / "out", settings=settings, tell=told.append)
        with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
            return {row["id"]: row for row in csv.DictReader(file)}, told

    return ask


def images_of(root):
    return sorted((root / "phantom" / "images").iterdir())


def test_masks_lie_on_their_pictures(asked, trained, root, cache, tmp_path):
    files = images_of(root)[:3]
    rows, told = asked(trained("unet"), [*files, tmp_path / "gone.png"])
    assert told == []
    assert "missing" in rows["gone"]["error"]
    row = rows[files[1].stem]
    assert (row["height"], row["width"], row["error"]) == ("96", "120", "")
    assert float(row["outlier"]) > 0
    assert row.get("abstain", "") == ""  # three subjects cannot tell one in a hundred
    run = runs.load(trained("unet"))
    seen = prepare_many(["phantom"], root, size=(64, 96), cache=cache).split("all")
    place = next(k for k, r in enumerate(seen.records) if r.image == files[1])
    index = run.model.segment(seen.batch([place]).image).argmax(1)[0].numpy().astype(np.uint8)
    mask = read.mask(tmp_path / "out" / row["mask"])
    box = fit((96, 120), (64, 96), None)
    middle = [
        int((k + 0.5) * scale + offset)
        for k, scale, offset in zip((50, 60), box.scale, box.offset, strict=True)
    ]
    assert mask.shape == (96, 120)
    assert mask[50, 60] == index[middle[0], middle[1]]
    with Image.open(tmp_path / "out" / "overlays" / "masks" / f"{files[1].stem}.png") as shown:
        assert (shown.size, shown.mode) == ((120, 96), "RGB")
    table = parquet.read_table(tmp_path / "out" / "embeddings.parquet").to_pydict()
    pooled = run.model.encode(seen.batch([place]).image).pooled[0]
    assert np.allclose(table["embedding"][1], pooled.numpy(), atol=1e-4)
    assert (tmp_path / "run" / reference.FILE).is_file()


def test_answers_do_not_depend_on_what_is_asked_beside(asked, trained, root):
    files = images_of(root)
    together, _ = asked(trained("unet"), files)
    alone, _ = asked(trained("unet"), files[33:34])
    (row,) = alone.values()
    assert float(row["outlier"]) == pytest.approx(float(together[row["id"]]["outlier"]), rel=1e-4)


def test_without_its_images_a_run_says_so_once(asked, trained, root, tmp_path):
    spoilt = shutil.copytree(trained("unet"), tmp_path / "spoilt")
    (spoilt / "images.json").unlink()
    rows, told = asked(spoilt, images_of(root)[:2])
    assert len(told) == 1
    assert "without intervals and outlier scores" in told[0]
    assert rows.keys() == {path.stem for path in images_of(root)[:2]}
    assert all("outlier" not in row for row in rows.values())
    again, told = asked(spoilt, images_of(root)[:1], root=root)
    assert told == []
    assert "outlier" in next(iter(again.values()))


def test_far_inputs_are_abstained_from_once_there_are_subjects_enough(trained, root, cache):
    run = runs.load(trained("unet"))
    asker = opened(run, Settings(cache=cache), lambda _: None)
    found = replace(asker.reference, distances=np.linspace(0, 1e-3, 99))
    (one,) = inputs(images_of(root)[:1])
    (answer,) = replace(asker, reference=found).answers([one])
    assert (answer.abstain, answer.percentile) == (True, 100.0)
    far = replace(asker.reference, distances=np.linspace(0, 1e9, 99))
    assert next(replace(asker, reference=far).answers([one])).abstain is False


def test_concepts_are_written_per_cell_and_shown_over_the_frame(asked, trained, root, tmp_path):
    (row,) = asked(trained("concept_vae"), images_of(root)[:1])[0].values()
    cells = read.mask(tmp_path / "out" / row["concepts"])
    assert cells.shape == (4, 6)  # a sixteenth of 64 x 96
    with Image.open(tmp_path / "out" / "overlays" / "concepts" / f"{row['id']}.png") as shown:
        assert shown.size == (120, 96)


def test_a_volume_gets_a_mask_of_its_voxels(asked, trained, root, tmp_path):
    file = next((root / "acdc").rglob("*_4d.nii.gz"))
    rows, _ = asked(trained("unet"), [file])
    (row,) = rows.values()
    mask, source = (ReadImage(str(path)) for path in (tmp_path / "out" / row["mask"], file))
    assert mask.GetSize() == source.GetSize()
    assert mask.GetDirection() == source.GetDirection()


@pytest.mark.slow
def test_dicom_gets_objects_of_its_own_study(asked, trained, tmp_path):
    SOURCES["dicom_films"].sketch(tmp_path / "study")
    rows, _ = asked(trained("unet"), [tmp_path / "study"], objects=Objects(seg=True, capture=True))
    assert {row.get("error", "") for row in rows.values()} == {""}
    assert all(row["file"] == "" and row.get("dicom_error", "") == "" for row in rows.values())
    written = [path.name for path in (tmp_path / "out" / "dicom").iterdir()]
    assert any(name.endswith("-capture.dcm") for name in written)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"every": 0}, "Every 0 frames is none"),
        ({"objects": Objects(report=True)}, "estimates nothing; leave out --report"),
        ({"objects": Objects(seg=True), "every": 2}, "of all frames; leave out --every"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    settings, said, trained, root, tmp_path
):
    run = runs.load(trained("unet"))
    with pytest.raises(BadInput, match=said):
        predict(run, images_of(root), tmp_path / "out", settings=Settings(**settings))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_film_has_an_ejection_fraction_and_a_still_has_none(asked, trained, films, root):
    files = sorted((films / "echonet_dynamic" / "Videos").iterdir())[:2]
    rows, _ = asked(trained("coreecho", "echonet_dynamic"), [*files, images_of(root)[0]])
    *good, bad = rows.values()
    assert all(0 < float(row["ef_percent"]) < 100 and float(row["outlier"]) > 0 for row in good)
    assert "is a single picture" in bad["error"]


@pytest.mark.slow
def test_an_organ_is_recognised_frame_by_frame(asked, trained, films, tmp_path):
    run = trained("anatomy_vit", size="tiny", organ=two_organs)
    file = sorted((films / "echonet_dynamic" / "Videos").iterdir())[0]
    rows, _ = asked(run, [file], every=20)
    (row,) = rows.values()
    shares = [float(row[f"organ/{name}"]) for name in ("heart", "lung")]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert row["organ"] == ("heart" if shares[0] > shares[1] else "lung")
    said = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert (said["every"], said["model"]) == (20, "anatomy_vit")


def two_organs(images):
    organ = {"A4C": "heart", "A2C": "lung"}
    records = [
        replace(r, labels={**r.labels, "organ": organ[str(r.labels["view"])]})
        for r in images.records
    ]
    return replace(images, records=records)


@pytest.mark.slow
def test_attributes_are_told_by_their_proxies(asked, trained, root):
    run = trained("attri_ssc_vae", "emidec:hearts")
    file = next((root / "emidec").rglob("Images/*.nii.gz"))
    (row,) = asked(run, [file])[0].values()
    names = runs.load(run).model.attributes()
    assert names
    assert all(np.isfinite(float(row[f"proxy/{name}"])) for name in names)

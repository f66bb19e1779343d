import json
import os
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from septum.contract import BadInput, Record, Samples, Source
from septum.data import SOURCES, manifest, miniature, shards, volume
from septum.data import prepare as module
from septum.data.prepare import default_cache, prepare, prepare_many

HEADER = "id,subject,split,image,mask,age_years,tip_x_px,tip_y_px\n"


@pytest.fixture
def root(tmp_path):
    """Data set `a`: frames of 20 x 40 whose grey level is their number; 3 has no mask, no age."""
    write(tmp_path / "a", [10, 11, 12, 13, 14])
    return tmp_path


def write(folder, levels, *, modality="MR", classes=("disk",), subjects=None):
    (folder / "masks").mkdir(parents=True)
    rows = [HEADER]
    for i, level in enumerate(levels):
        Image.fromarray(np.full((20, 40), level, np.uint8)).save(folder / f"{i}.png")
        Image.fromarray(np.eye(20, 40, dtype=np.uint8)).save(folder / "masks" / f"{i}.png")
        extra = f"masks/{i}.png,{30 + i},0,19" if i != 3 else ",,,"
        split = ("train", "train", "val", "train", "test")[i % 5]
        rows.append(f"r{i},{(subjects or range(99))[i]},{split},{i}.png,{extra}\n")
    (folder / "manifest.csv").write_text("".join(rows))
    card = {"modality": modality, "mask_classes": {str(i): c for i, c in enumerate(classes, 1)}}
    (folder / "dataset.json").write_text(json.dumps(card))


def test_a_batch_holds_what_the_files_hold(root):
    samples = prepare("a", root, size=(10, 20), cache=root / "c").split("train")
    assert isinstance(samples, Samples)
    assert (samples.name, samples.split) == ("a", "train")
    assert list(samples.classes) == ["background", "disk"]
    assert [r.id for r in samples.records] == ["r0", "r1", "r3"]
    batch = samples.batch([2, 0])
    assert batch.ids == ["r3", "r0"]
    torch.testing.assert_close(batch.image[:, 0, 5, 5], torch.tensor([13.0, 10.0]) / 255)
    assert batch.image.shape == (2, 1, 10, 20)
    assert batch.mask.dtype == torch.int64
    assert (batch.mask[0] == -1).all()
    assert batch.mask[1].unique().tolist() == [0, 1]
    assert batch.sector.all()
    torch.testing.assert_close(
        batch.labels["age_years"], torch.tensor([torch.nan, 30.0]), equal_nan=True
    )


def test_points_are_moved_into_the_frame(root):
    first = prepare("a", root, size=(30, 20), cache=root / "c").records[0]
    # 20 x 40 goes to 10 x 20 below 10 black rows: (0 + .5) / 2 - .5 and (19 + .5) / 2 - .5 + 10
    assert (first.labels["tip_x_px"], first.labels["tip_y_px"]) == (-0.25, 19.25)


def test_white_is_one_and_black_is_zero(root):
    write(root / "b", [0, 255])
    image = prepare("b", root, size=(20, 40), cache=root / "c").split("all").batch([0, 1]).image
    assert (image.amin((1, 2, 3)).tolist(), image.amax((1, 2, 3)).tolist()) == ([0, 1], [0, 1])


def test_splits(root):
    prepared = prepare("a", root, size=(10, 20), cache=root / "c")
    sizes = {s: len(prepared.split(s).records) for s in ("train", "val", "test", "all")}
    assert sizes == {"train": 3, "val": 1, "test": 1, "all": 5}
    with pytest.raises(BadInput, match="no split 'valid'"):
        prepared.split("valid")


def test_an_empty_split_is_refused_and_the_filled_ones_are_named(root):
    write(root / "b", [1, 2])
    with pytest.raises(BadInput, match="'val' of b is empty; it has images in train"):
        prepare("b", root, size=(10, 20), cache=root / "c").split("val")


def test_a_second_call_reads_nothing(root, monkeypatch):
    first = prepare("a", root, size=(10, 20), cache=root / "c")
    monkeypatch.setattr(module, "_write_frames", lambda *_, **__: pytest.fail("decoded again"))
    again = prepare("a", root, size=(10, 20), cache=root / "c")
    assert again.records == first.records
    everything = np.arange(5)
    np.testing.assert_array_equal(again.images.gather(everything), first.images.gather(everything))


def test_a_changed_file_another_size_or_row_makes_another_cache(root):
    def caches():
        prepare("a", root, size=(10, 20), cache=root / "c")
        return len(list((root / "c").iterdir()))

    assert caches() == 1
    os.utime(root / "a" / "0.png", ns=(1, 1))
    assert caches() == 2
    table = root / "a" / "manifest.csv"
    table.write_text(table.read_text().replace(",30,", ",31,"))
    assert caches() == 3
    prepare("a", root, size=(10, 21), cache=root / "c")
    assert caches() == 4


def test_a_failed_preparation_leaves_nothing(root):
    (root / "a" / "4.png").write_bytes(b"not a picture")
    with pytest.raises(BadInput, match=r"4\.png"):
        prepare("a", root, size=(10, 20), cache=root / "c")
    assert not list((root / "c").iterdir())


def test_a_full_disk_is_told_and_leaves_nothing(root, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards.Writer, "append", full)
    with pytest.raises(BadInput, match="No space left on device"):
        prepare("a", root, size=(10, 20), cache=root / "c")
    assert not list((root / "c").iterdir())


def test_of_two_writers_the_first_wins(root, monkeypatch):
    write_frames = module._write_frames

    def overtaken(folder, *args, **options):
        write_frames(folder, *args, **options)
        monkeypatch.setattr(module, "_write_frames", write_frames)
        prepare("a", root, size=(10, 20), cache=root / "c")

    monkeypatch.setattr(module, "_write_frames", overtaken)
    assert len(prepare("a", root, size=(10, 20), cache=root / "c").records) == 5
    assert len(list((root / "c").iterdir())) == 1


def test_a_damaged_cache_is_named(root):
    prepare("a", root, size=(10, 20), cache=root / "c")
    (folder,) = (root / "c").iterdir()
    for victim in ("images-000.npy", "table.parquet"):
        sound = (folder / victim).read_bytes()
        (folder / victim).write_bytes(sound[:60])
        with pytest.raises(BadInput, match=f"{folder.name} is damaged"):
            prepare("a", root, size=(10, 20), cache=root / "c")
        (folder / victim).write_bytes(sound)


def test_the_source_may_be_read_only(root):
    before = {p: p.stat().st_mtime_ns for p in sorted((root / "a").rglob("*"))}
    prepare("a", root, size=(10, 20), cache=root / "c")
    assert before == {p: p.stat().st_mtime_ns for p in sorted((root / "a").rglob("*"))}


def test_frames_are_found_across_shards(root, monkeypatch):
    whole = prepare("a", root, size=(10, 20), cache=root / "c").images
    monkeypatch.setattr(shards, "SHARD_BYTES", 2 * 10 * 20)
    parts = prepare("a", root, size=(10, 20), cache=root / "d").images
    assert [len(s) for s in parts.shards] == [2, 2, 1]
    places = np.array([4, 0, 3, 3, 1])
    np.testing.assert_array_equal(parts.gather(places), whole.gather(places))


@pytest.mark.parametrize("size", [(0, 10), (10, 99_999)])
def test_impossible_sizes(root, size):
    with pytest.raises(BadInput, match="cannot be made"):
        prepare("a", root, size=size, cache=root / "c")


def test_masks_must_fit_their_image_and_the_classes(root):
    mask = root / "a" / "masks" / "1.png"
    Image.fromarray(np.zeros((20, 41), np.uint8)).save(mask)
    with pytest.raises(BadInput, match=r"1\.png has 20 x 41 pixels and its image 20 x 40"):
        prepare("a", root, size=(10, 20), cache=root / "c")
    Image.fromarray(np.full((20, 40), 7, np.uint8)).save(mask)
    with pytest.raises(BadInput, match="index 7, but the classes end at 1"):
        prepare("a", root, size=(10, 20), cache=root / "c")


@pytest.mark.parametrize("spacing", ["0", "-1", "1e9"])
def test_a_stated_spacing_must_be_possible(root, spacing):
    (root / "a" / "manifest.csv").write_text(
        f"id,subject,image,spacing_y_mm,spacing_x_mm\nr,p,1.png,1,{spacing}\n"
    )
    with pytest.raises(BadInput, match="'r' states a pixel spacing"):
        prepare("a", root, size=(10, 20), cache=root / "c")


def test_a_subject_in_two_splits_is_refused(root):
    write(root / "b", [1, 2, 3], subjects=["p", "q", "p"])
    with pytest.raises(BadInput, match="'p' is in two splits"):
        prepare("b", root, size=(10, 20), cache=root / "c")


def test_several_data_sets_are_one(root):
    write(root / "b", [20, 21, 22])
    both = prepare_many(["a", "b"], root, size=(10, 20), cache=root / "c").split("train")
    assert both.name == "a+b"
    assert [r.id for r in both.records] == ["a/r0", "a/r1", "a/r3", "b/r0", "b/r1"]
    assert len({r.subject for r in both.records}) == 5
    batch = both.batch([4, 0])
    torch.testing.assert_close(batch.image[:, 0, 5, 5] * 255, torch.tensor([21.0, 10.0]))
    assert batch.mask.max() == 1


def test_data_sets_of_other_classes_have_no_common_mask(root):
    write(root / "b", [20, 21], classes=("ring",))
    both = prepare_many(["a", "b"], root, size=(10, 20), cache=root / "c")
    assert both.classes == ("background",)
    assert both.split("all").batch([0]).mask is None


def test_joining_nothing_or_one_twice_is_refused(root):
    for names in ([], ["a", "a"]):
        with pytest.raises(BadInput, match="every one once"):
            prepare_many(names, root, size=(10, 20), cache=root / "c")
    assert prepare_many(["a"], root, size=(10, 20), cache=root / "c").records[0].id == "r0"


def test_ultrasound_gets_its_sector(root):
    write(root / "u", [90, 90], modality="US")
    sector = prepare("u", root, size=(40, 40), cache=root / "c").split("all").batch([0]).sector
    assert sector[0, 0, 10:30].all()
    assert not sector[0, 0, :10].any()
    assert not sector[0, 0, 30:].any()


def test_images_smaller_than_their_frame_are_enlarged(root):
    batch = prepare("a", root, size=(200, 400), cache=root / "c").split("test").batch([0])
    assert batch.image.shape == (1, 1, 200, 400)
    torch.testing.assert_close(batch.image, torch.full_like(batch.image, 14 / 255))
    diagonal = np.eye(20, 40).repeat(10, 0).repeat(10, 1)  # every pixel ten times
    np.testing.assert_array_equal(batch.mask[0], diagonal)


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "septum"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(default_cache()) == "/home/someone/.cache/septum"


@pytest.mark.slow
def test_real_camus(shared_data, tmp_path):
    prepared = prepare("camus", shared_data, size=(224, 224), cache=tmp_path)
    assert len(prepared.split("train").records) == 1600
    samples = prepared.split("val")
    batch = samples.batch(range(200))
    original = np.asarray(Image.open(samples.records[7].image))
    torch.testing.assert_close(batch.image[7, 0], torch.from_numpy(original / np.float32(255)))
    share = batch.sector.float().mean((1, 2, 3))
    assert ((share > 0.5) & (share < 0.65)).all()  # a cone in its bounding box
    outside = batch.image[~batch.sector]
    assert outside.mean() < 1e-3
    regions = [ndimage.label(s[0])[1] for s in batch.sector]
    assert set(regions) == {1}


@pytest.fixture
def stacks(root, monkeypatch):
    """The layout `stacks`: one volume of two slices, 10 x 10 pixels of 2 mm, mask values 0, 7."""
    voxels = np.zeros((2, 10, 10), np.int16)
    voxels[:, 4:6, 4:6] = 7
    for name in ("image", "mask"):
        miniature.write(root / "a" / f"{name}.nii", voxels, spacing_mm=(9.0, 2.0, 2.0))
    files = {"image": root / "a" / "image.nii", "mask": root / "a" / "mask.nii"}

    def records(_):
        for z in range(2):
            yield Record(id=f"z{z}", subject="s", at=(z,), split="train", **files)

    def register(**options):
        facts = {**dict.fromkeys(("title", "url", "licence", "cite"), "x"), "sketch": print}
        source = Source(classes=("background", "disk"), records=records, **facts, **options)
        monkeypatch.setitem(SOURCES, "stacks", source)
        return prepare("a:stacks", root, size=(10, 10), cache=root / "c")

    return register


def test_slices_keep_their_place_and_are_cut_to_the_field(root, stacks):
    whole = stacks(codes={7: 1})
    assert [r.at for r in whole.records] == [(0,), (1,)]
    assert whole.split("train").batch([1]).mask[0, 4:6, 4:6].all()
    half = stacks(codes={7: 1}, field_mm=(10.0, 10.0))
    assert half.records[0].labels["spacing_y_mm"] == 1.0
    expected = np.zeros((10, 10))
    expected[3:7, 3:7] = 1
    np.testing.assert_array_equal(half.split("train").batch([0]).mask[0], expected)
    np.testing.assert_array_equal(half.split("train").batch([0]).image[0, 0] > 0.4, expected)
    assert len(list((root / "c").iterdir())) == 2


def test_codes_make_another_cache_and_volumes_are_not_kept(root, stacks):
    stacks(codes={7: 1})
    stacks(codes={7: 1, 8: 1})
    assert len(list((root / "c").iterdir())) == 2
    assert volume._in_file.cache_info().currsize == 0
    with pytest.raises(BadInput, match=r"mask\.nii holds the index 7, but the classes end at 1"):
        stacks()


def test_a_field_needs_a_spacing(root, monkeypatch):
    wanted = replace(manifest.source(root / "a"), field_mm=(10.0, 10.0))
    monkeypatch.setattr(manifest, "source", lambda _: wanted)
    with pytest.raises(BadInput, match=r"0\.png does not state the spacing of its pixels"):
        prepare("a", root, size=(10, 20), cache=root / "c")


@pytest.fixture
def windowed(root, monkeypatch):
    """The layout `parts`: a picture of 12 x 16 pixels, point and mask, of which a part is meant."""
    pixels = np.arange(192, dtype=np.uint8).reshape(12, 16)
    Image.fromarray(pixels).save(root / "a" / "part.png")
    Image.fromarray(pixels // 96).save(root / "a" / "part_mask.png")

    def register(window):
        def records(folder):
            yield Record(
                id="r",
                subject="s",
                image=folder / "part.png",
                mask=folder / "part_mask.png",
                window=window,
                split="train",
                labels={"tip_y_px": 6.0, "tip_x_px": 8.0},
            )

        facts = {**dict.fromkeys(("title", "url", "licence", "cite"), "x"), "sketch": print}
        source = Source(classes=("background", "disk"), records=records, **facts)
        monkeypatch.setitem(SOURCES, "parts", source)
        return prepare("a:parts", root, size=(8, 8), cache=root / "c")

    return register


def test_a_part_of_a_picture_fills_the_frame(windowed):
    prepared = windowed((4, 6, 4, 4))
    batch = prepared.split("train").batch([0])
    # four pixels become eight: each is two, and bilinear between
    pixels = np.arange(192).reshape(12, 16)[4:8, 6:10]
    np.testing.assert_array_equal(batch.mask[0], (pixels // 96).repeat(2, 0).repeat(2, 1))
    corners = batch.image[0, 0][[0, 0, -1, -1], [0, -1, 0, -1]] * 255
    np.testing.assert_allclose(corners, pixels[[0, 0, -1, -1], [0, -1, 0, -1]], atol=0.01)
    # (6 - 4 + .5) 2 - .5 and (8 - 6 + .5) 2 - .5
    assert (batch.labels["tip_y_px"], batch.labels["tip_x_px"]) == (4.5, 4.5)
    assert prepared.records[0].window == (4, 6, 4, 4)


def test_another_window_makes_another_cache_and_none_keeps_its_name(root, windowed):
    names = []
    for window in (None, (4, 6, 4, 4), (4, 6, 4, 5)):
        windowed(window)
        names.append({path.name for path in (root / "c").iterdir()})
    assert [len(found) for found in names] == [1, 2, 3]
    facts = ("id", "subject", "split", "at", "labels", "image", "mask")
    (record,) = SOURCES["parts"].records(root / "a")
    whole = replace(record, window=None)
    told = [getattr(whole, name) for name in facts]
    stamps = [module._stamp(path) for path in told[5:]]
    key = json.dumps(
        [module.VERSION, (8, 8), (["background", "disk"], None, []), [[*told[:5], *stamps]]]
    )
    assert f"a-parts-8x8-{sha256(key.encode()).hexdigest()[:16]}" in names[0]

"""Films in the cache, and the clips that are cut out of them."""

import csv
import timeit
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from septum.contract import BadInput, Clip, Films, Outlined, Record, Source
from septum.data import SOURCES, clips, film, outline, shards
from septum.data.loader import batches
from septum.data.prepare import prepare, prepare_many

LENGTHS = {"a": 5, "b": 9, "c": 2, "d": 12, "e": 7}
SQUARE = [(4.0, 3.0), (12.0, 3.0), (12.0, 9.0), (4.0, 9.0)]
SMALLER = [(6.0, 4.0), (10.0, 4.0), (10.0, 8.0), (6.0, 8.0)]
CLIP = Clip(frames=4, stride=2)


def level(name, frame):
    """Grey level of all of a frame."""
    return 40 * "abcde".index(name) + 3 * frame + 2


def write(folder, lengths):
    folder.mkdir(exist_ok=True)
    for name, count in lengths.items():
        levels = np.array([level(name, k) for k in range(count)], np.uint8)
        frames = np.tile(levels[:, None, None], (1, 16, 24))
        film.write(folder / f"{name}.avi", frames, rate_hz=25.0)


def records(folder, **changes):
    for i, path in enumerate(sorted(folder.glob("*.avi"))):
        record = Record(
            id=path.stem,
            subject=f"s{path.stem}",
            image=path,
            film=(path,),
            split=("train", "train", "val", "train", "test")[i % 5],
            outlines={0: SMALLER, 1: SQUARE} if path.stem != "b" else {},
            labels={
                "ef_percent": 50.0 + i,
                "frames": 99.0,
                "modality": "US",
                "quality": "AB"[i % 2],
            },
        )
        yield replace(record, **changes)


@pytest.fixture
def register(monkeypatch):
    """Make a layout known under a name; the default is that of `records`."""

    def known(name="films", found=records):
        facts = {**dict.fromkeys(("title", "url", "licence", "cite"), "x"), "sketch": print}
        source = Source(classes=("background", "lv"), records=found, **facts)
        monkeypatch.setitem(SOURCES, name, source)

    return known


@pytest.fixture
def root(tmp_path, register):
    register()
    write(tmp_path / "films", LENGTHS)
    return tmp_path


@pytest.fixture
def images(root):
    return prepare("films", root, size=(8, 12), cache=root / "cache")


def levels(batch):
    """Grey level of every frame of every clip."""
    assert (batch.image.flatten(3).std(-1) < 1e-6).all()
    return (batch.image[:, 0, :, 0, 0] * 255).round().int().tolist()


def test_every_frame_is_in_the_cache_and_counted(images):
    assert images.spans.tolist() == [[0, 5], [5, 9], [14, 2], [16, 12], [28, 7]]
    assert [r.labels["frames"] for r in images.records] == [5, 9, 2, 12, 7]
    every = images.filmed(Clip(frames=12)).split("all")
    assert every.lengths() == [5, 9, 2, 12, 7]
    expected = [[level(n, k) for k in range(c)] + [0] * (12 - c) for n, c in LENGTHS.items()]
    assert levels(every.batch(range(5))) == expected


def test_a_clip_holds_the_frames_that_its_places_name(images):
    train = images.filmed(CLIP).split("train")
    assert isinstance(train, Films)
    assert not isinstance(train, Outlined)
    assert [r.id for r in train.records] == ["a", "b", "d"]
    batch = train.clips([2, 0, 2], [5, 1, 3])
    assert batch.ids == ["d", "a", "d"]
    assert batch.image.shape == (3, 1, 4, 8, 12)
    for row, name, start in zip(levels(batch), "dad", (5, 1, 3), strict=True):
        places = clips.places(LENGTHS[name], CLIP, start)
        assert row == [0 if place < 0 else level(name, place) for place in places]
    assert batch.labels["ef_percent"].tolist() == [53, 50, 53]
    assert levels(train.batch([1])) == levels(train.clips([1], [0]))


def test_clips_are_found_across_shards(root, images, monkeypatch):
    whole = images.filmed(CLIP).split("all")
    monkeypatch.setattr(shards, "SHARD_BYTES", 7 * 8 * 12)
    parts = prepare("films", root, size=(8, 12), cache=root / "other").filmed(CLIP).split("all")
    assert [len(s) for s in parts.frames.shards] == [7] * 5
    for start in range(5):
        a, b = (s.clips([3, 1], [start, 1]).image for s in (whole, parts))
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_whole_film_is_resampled_in_time(images):
    every = images.filmed(Clip(frames=5, stride=0)).split("all")
    assert levels(every.batch([0])) == [[level("a", k) for k in range(5)]]
    linear = np.linspace(level("d", 0), level("d", 11), 5).round()  # a steady rise stays one
    assert np.abs(np.array(levels(every.batch([3]))) - linear).max() <= 1
    ends = every.batch([1]).image[0, 0, [0, -1], 0, 0]
    torch.testing.assert_close(ends * 255, torch.tensor([level("b", 0), level("b", 8)]).float())


def test_a_spline_does_not_leave_the_range_of_intensities(tmp_path, register):
    register()
    (tmp_path / "films").mkdir()
    frames = np.zeros((8, 16, 24), np.uint8)
    frames[3:5] = 255  # the spline through it swings beyond
    film.write(tmp_path / "films" / "a.avi", frames, rate_hz=25.0)
    whole = prepare("films", tmp_path, size=(16, 24), cache=tmp_path / "cache")
    image = whole.filmed(Clip(frames=29, stride=0)).split("all").batch([0]).image
    assert (image.min(), image.max()) == (0, 1)
    swing = clips.weights(8, 29) @ frames[:, 0, 0]
    assert swing.min() < -10
    assert swing.max() > 265


def test_the_mask_is_the_largest_outline(images):
    batch = images.filmed(CLIP).split("train").batch([0, 1])
    half = [((x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5) for x, y in SQUARE]
    assert images.records[0].outlines[1] == half
    np.testing.assert_array_equal(batch.mask[0], outline.fill(half, (8, 12)))
    assert (batch.mask[1] == -1).all()
    assert batch.sector.shape == (2, 1, 8, 12)


def test_films_are_mapped_on_the_second_call(root, images, monkeypatch):
    monkeypatch.setattr(film, "frames", lambda _: pytest.fail("decoded again"))
    again = prepare("films", root, size=(8, 12), cache=root / "cache")
    assert again.records == images.records
    assert again.spans.tolist() == images.spans.tolist()


def test_another_film_or_outline_makes_another_cache(root, images, register):
    (root / "films" / "e.avi").touch()
    prepare("films", root, size=(8, 12), cache=root / "cache")
    register(found=partial(records, outlines={0: SMALLER}))
    changed = prepare("films", root, size=(8, 12), cache=root / "cache")
    assert len(list((root / "cache").iterdir())) == 3
    assert changed.records[0].outlines != images.records[0].outlines


def test_frames_that_are_missing_in_the_cache_are_told(root, images):
    del images
    (folder,) = (root / "cache").iterdir()
    np.save(folder / "images-000.npy", np.zeros((34, 8, 12), np.uint8))
    with pytest.raises(BadInput, match="is damaged; remove that folder"):
        prepare("films", root, size=(8, 12), cache=root / "cache")


def test_pictures_make_a_film(tmp_path, register):
    folder = tmp_path / "beats"
    folder.mkdir()
    paths = [folder / f"{phase}.png" for phase in ("ED", "ES")]
    for path, grey in zip(paths, (200, 100), strict=True):
        Image.fromarray(np.full((16, 24), grey, np.uint8)).save(path)
    Image.fromarray(np.eye(16, 24, dtype=np.uint8)).save(folder / "mask.png")

    def found(_):
        yield Record(
            id="a", subject="s", image=paths[0], mask=folder / "mask.png", film=paths, split="train"
        )

    register("beats", found)
    beats = prepare("beats", tmp_path, size=(16, 24), cache=tmp_path / "cache")
    assert beats.records[0].film == tuple(paths)
    batch = beats.filmed(Clip(frames=3, stride=0)).split("train").batch([0])
    assert levels(batch) == [[200, 150, 100]]
    np.testing.assert_array_equal(batch.mask[0], np.eye(16, 24))
    Image.fromarray(np.zeros((16, 25), np.uint8)).save(paths[1])
    with pytest.raises(BadInput, match=r"ES\.png has 16 x 25 pixels and .*ED\.png 16 x 24"):
        prepare("beats", tmp_path, size=(16, 24), cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {"ef_percent": 101.0}}, r"a\.avi has an ejection fraction of 101\.0 %"),
        ({"labels": {"ef_percent": float("nan")}}, r"a\.avi has an ejection fraction of nan %"),
        ({"outlines": {7: SQUARE}}, r"frame 7 of .*a\.avi is of no frame: the film has 5"),
        ({"outlines": {0: SQUARE[:2]}}, r"frame 0 of .*a\.avi has 2 corners"),
        ({"outlines": {0: [*SQUARE, (40.0, 1.0)]}}, r"a\.avi leaves the picture of 16 x 24"),
    ],
)
def test_what_cannot_be_is_named_with_its_film(root, register, changes, words):
    register(found=partial(records, **changes))
    with pytest.raises(BadInput, match=words):
        prepare("films", root, size=(8, 12), cache=root / "cache")
    assert not list((root / "cache").iterdir())


@pytest.mark.parametrize("count", [0, 1])
def test_a_film_needs_two_frames(root, count):
    film.write(root / "films" / "b.avi", np.zeros((count, 16, 24), np.uint8), rate_hz=25.0)
    words = r"b\.avi holds no frame" if count == 0 else r"b\.avi is a film of 1 frame"
    with pytest.raises(BadInput, match=words):
        prepare("films", root, size=(8, 12), cache=root / "cache")


def test_a_cut_film_is_named_and_leaves_nothing(root):
    path = root / "films" / "d.avi"
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(BadInput, match=r"d\.avi is (damaged|cut short)"):
        prepare("films", root, size=(8, 12), cache=root / "cache")
    assert not list((root / "cache").iterdir())


def test_films_without_a_clip_are_no_images(images):
    train = images.split("train")
    assert not isinstance(train, Films)
    assert len(train.records) == 3
    with pytest.raises(
        BadInput, match=r"films holds films.*choose a model of clips, such as coreecho"
    ):
        train.batch([0])


@pytest.mark.parametrize(
    "clip", [Clip(frames=0), Clip(frames=3, stride=-1), Clip(frames=3, per_film=0)]
)
def test_impossible_clips_are_refused(images, clip):
    with pytest.raises(BadInput, match="There is no clip of"):
        images.filmed(clip)


def test_a_film_that_is_shorter_than_the_stride_is_named(images):
    assert images.filmed(Clip(frames=3, stride=2)).clip.stride == 2
    with pytest.raises(
        BadInput, match=r"c\.avi is a film of 2 frames, shorter than the stride of 3"
    ):
        images.filmed(Clip(frames=3, stride=3))
    without = images.limited({"quality": ("B",)})  # b and d
    assert without.filmed(Clip(frames=3, stride=9)).split("train").lengths() == [9, 12]


def write_stills(folder):
    folder.mkdir()
    Image.fromarray(np.full((16, 24), 9, np.uint8)).save(folder / "a.png")
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("id", "subject", "image", "split"), ("a", "s", "a.png", "train")]
        )
    (folder / "dataset.json").write_text("{}")


def test_still_images_are_no_films(root):
    write_stills(root / "stills")
    stills = prepare("stills", root, size=(8, 12), cache=root / "cache")
    assert stills.spans is None
    with pytest.raises(BadInput, match="stills holds still images, and the model takes films"):
        stills.filmed(CLIP)
    with pytest.raises(BadInput, match="films holds films and the other data sets still images"):
        prepare_many(["stills", "films"], root, size=(8, 12), cache=root / "cache")


def test_a_data_set_is_of_one_kind(root, register):
    register(
        found=lambda folder: (
            replace(r, film=r.film if r.id != "b" else ()) for r in records(folder)
        )
    )
    with pytest.raises(BadInput, match="films mixes films and still images"):
        prepare("films", root, size=(8, 12), cache=root / "cache")


def test_several_data_sets_of_films_are_one(root, register):
    register("more")
    write(root / "more", {"d": 3, "e": 4})
    both = prepare_many(["films", "more"], root, size=(8, 12), cache=root / "cache")
    every = both.filmed(Clip(frames=4)).split("all")
    assert every.lengths() == [5, 9, 2, 12, 7, 3, 4]
    assert levels(every.batch([5, 6])) == [
        [level("d", 0), level("d", 1), level("d", 2), 0],
        [level("e", k) for k in range(4)],
    ]


def test_films_are_chosen_as_images_are(images):
    clipped = images.filmed(CLIP)
    kept = clipped.kept({"films": 0.7}).split("train")
    assert len(kept.records) == 2
    for row, record in zip(levels(kept.batch([0, 1])), kept.records, strict=True):
        assert row[0] == level(record.id, 0)
    shown = clipped.labelled(0.5).split("train").batch([0, 1, 2])
    assert sorted((shown.mask >= 0).flatten(1).all(1).tolist()) == [False, False, True]
    assert shown.labels["lv_px"][0] == 12
    only = clipped.limited({"quality": ("B",)}).split("train")
    assert levels(only.clips([1], [3]))[0][0] == level("d", 3)


def test_a_split_that_nothing_is_in_stays_empty(images):
    with pytest.raises(BadInput, match="'test' of films is empty"):
        images.limited({"quality": ("B",)}).filmed(CLIP).split("test")


def draw(images, number, *, per_film=2, **options):
    samples = images.filmed(replace(CLIP, per_film=per_film)).split("all")
    stream = batches(samples, batch_size=4, seed=5, **options)
    return [next(stream) for _ in range(number)]


def test_a_batch_has_all_films_then_all_again(images):
    firsts = set()
    for batch in draw(images, 30):
        assert batch.image.shape == (8, 1, 4, 8, 12)
        assert [*batch.ids[:4]] == [*batch.ids[4:]]
        ef = batch.labels["ef_percent"]
        assert ef[:4].tolist() == ef[4:].tolist()
        for name, row in zip(batch.ids, levels(batch), strict=True):
            start = (row[0] - level(name, 0)) // 3
            assert 0 <= start < clips.starts(LENGTHS[name], CLIP)
            firsts.add((name, start))
    # every film from every place: 8 - 6 = 2 places, also where black follows; 9: 3, 12: 6
    assert len(firsts) == 2 + 3 + 2 + 6 + 2


def test_views_of_a_film_begin_apart(images):
    pairs = [(b.image[k], b.image[k + 4]) for b in draw(images, 10) for k in range(4)]
    same = [torch.equal(a, b) for a, b in pairs]
    assert 0 < sum(same) < len(same)


def test_a_resumed_stream_of_clips_goes_on_exactly(images):
    whole = draw(images, 9)
    for start in (1, 6):
        for a, b in zip(whole[start:], draw(images, 9 - start, start=start), strict=True):
            assert a.ids == b.ids
            assert torch.equal(a.image, b.image)


def test_ranks_have_both_views_of_their_films(images):
    whole = draw(images, 3)
    parts = [draw(images, 3, rank=rank, ranks=2) for rank in range(2)]
    for a, b, all_of in zip(*parts, whole, strict=True):
        assert [*a.ids[:2]] == [*a.ids[2:]]
        views = torch.cat([a.image[:2], b.image[:2], a.image[2:], b.image[2:]])
        assert torch.equal(views, all_of.image)


def test_the_films_of_a_batch_do_not_hang_on_the_views(images):
    one, two = draw(images, 5, per_film=1), draw(images, 5, per_film=2)
    assert [b.ids for b in one] == [b.ids[:4] for b in two]


def test_films_are_not_drawn_by_their_masks(images):
    with pytest.raises(BadInput, match="has a mask to learn from"):
        batches(images.filmed(CLIP).split("train"), batch_size=4, labelled=2, seed=0)


def test_a_clip_is_cut_out_much_faster_than_its_film_is_decoded(tmp_path, register):
    register()
    (tmp_path / "films").mkdir()
    path = tmp_path / "films" / "a.avi"
    film.write(
        path, np.random.default_rng(0).integers(0, 256, (80, 64, 64), np.uint8), rate_hz=50.0
    )
    whole = prepare("films", tmp_path, size=(64, 64), cache=tmp_path / "cache")
    samples = whole.filmed(Clip(frames=20, stride=4)).split("all")
    cut_s = min(timeit.repeat(lambda: samples.clips([0], [0]), number=1, repeat=20))
    decoded_s = min(timeit.repeat(lambda: list(film.frames(path)), number=1, repeat=5))
    assert cut_s < decoded_s / 5


def test_the_paths_of_a_film_are_kept(images):
    assert all(isinstance(path, Path) for r in images.records for path in r.film)
    assert [r.film[0].name for r in images.records] == [f"{name}.avi" for name in LENGTHS]

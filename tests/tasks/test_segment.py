import pytest
import torch
from torch.nn import functional as F

from septum.contract import BadInput
from septum.tasks import segment
from septum.tasks.probe import Probe

CELL = 4
CLASSES = ("background", "left_ventricle", "left_atrium")
QUICK = Probe(sides=(1, 5), steps=60, batch_size=32)


def blocks(toys, n, *, split, seed, without=()):
    """Two rectangles of whole grid cells per image; grey value and class tell one another."""
    draw = torch.Generator().manual_seed(seed)
    grid = torch.zeros(n, 8, 9, dtype=torch.int64)
    for i in range(n):
        top, left = torch.randint(1, 4, (2,), generator=draw).tolist()
        grid[i, top : top + 2, left : left + 3] = 1
        grid[i, top + 3 : top + 4, left + 1 : left + 4] = 2
    mask = grid.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)
    image = mask[:, None] / 2.0
    mask[list(without)] = -1
    records = [toys.record(f"{split}{i}", subject=f"{split}{i // 2}") for i in range(n)]
    return toys.stills(image=image, mask=mask, records=records, classes=CLASSES, split=split)


def seen(image):
    """Content: the truth as one-hot maps."""
    index = (image[:, 0, ::CELL, ::CELL] * 2).round().long()
    return F.one_hot(index, 3).permute(0, 3, 1, 2).float()


def moved(image):
    """Content: the truth, one cell to the right."""
    return seen(image).roll(1, dims=3)


def noise(image):
    """Style: nothing to do with the image."""
    shape = (len(image), 4, image.shape[2] // CELL, image.shape[3] // CELL)
    return torch.rand(shape, generator=torch.Generator().manual_seed(len(image)))


@pytest.fixture(scope="module")
def splits(toys):
    return blocks(toys, 96, split="train", seed=0), blocks(toys, 24, split="val", seed=1)


def test_what_the_content_states_is_read_off_and_noise_is_not(toys, splits):
    report = segment.run(toys.says(content=seen, style=noise), *splits, 0, probe=QUICK)

    value = {path: metric.value for path, metric in report.metrics.items()}
    assert value["dice_loss/content/k1"] < 0.05
    assert value["dice_loss/both/k1"] < 0.05
    assert value["dice_loss/style/k1"] > 0.5


def test_a_kernel_sees_as_far_as_its_side(toys, splits):
    report = segment.run(toys.says(content=moved), *splits, 0, probe=QUICK)

    assert report.metrics["dice_loss/content/k1"].value > 0.2
    assert report.metrics["dice_loss/content/k5"].value < 0.05


def test_names_rows_and_figures(toys, splits):
    report = segment.run(toys.says(content=seen, style=noise), *splits, 0, probe=QUICK)

    inputs = ("content", "style", "both")
    by_kernel = {f"dice_loss/{i}/k{k}" for i in inputs for k in (1, 5)}
    by_class = {f"dice_loss/{i}/k5/{c}" for i in inputs for c in CLASSES[1:]}
    assert set(report.metrics) == by_kernel | by_class
    assert all(metric.n == 24 for metric in report.metrics.values())
    assert set(report.figures) == {"dice_loss", "segmentation"}
    assert [row["id"] for row in report.rows] == [f"val{i}" for i in range(24)]
    for path in by_kernel:
        mean = sum(row[path] for row in report.rows) / 24
        assert mean == pytest.approx(report.metrics[path].value)


def test_a_model_without_style_is_asked_for_content_alone(toys, splits):
    report = segment.run(toys.says(content=seen), *splits, 0, probe=QUICK)

    assert {path.split("/")[1] for path in report.metrics} == {"content"}


def test_images_without_a_mask_are_left_out(toys, splits):
    test = blocks(toys, 24, split="val", seed=1, without=[0, 5])

    report = segment.run(toys.says(content=seen), splits[0], test, 0, probe=QUICK)

    assert report.metrics["dice_loss/content/k1"].n == 22
    assert [row["id"] for row in report.rows] == [f"val{i}" for i in range(24) if i not in (0, 5)]


@pytest.mark.parametrize("masks", [None, "unknown"])
def test_no_mask_at_all_is_refused(toys, splits, masks):
    mask = None if masks is None else torch.full_like(splits[1].mask, -1)
    bare = toys.stills(image=splits[1].image, mask=mask, records=splits[1].records, classes=CLASSES)

    with pytest.raises(BadInput, match=r"No image of stills \(val\) has a mask"):
        segment.run(toys.says(content=seen), splits[0], bare, 0, probe=QUICK)


def test_a_structure_counts_only_where_it_is(toys, splits):
    test = blocks(toys, 24, split="val", seed=1)
    test.mask[:10][test.mask[:10] == 2] = 0

    report = segment.run(toys.says(content=seen), splits[0], test, 0, probe=QUICK)

    assert report.metrics["dice_loss/content/k5/left_ventricle"].n == 24
    assert report.metrics["dice_loss/content/k5/left_atrium"].n == 14
    assert report.metrics["dice_loss/content/k5"].n == 24


def test_the_seed_decides(toys, splits):
    model = toys.says(content=moved)
    few = Probe(sides=(3,), steps=20, batch_size=8)

    runs = [segment.run(model, *splits, seed, probe=few).metrics for seed in (0, 0, 1)]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_no_more_training_images_than_asked_for(toys, splits):
    seen_ids = []

    class Counted(toys.stills):
        def batch(self, indices):
            seen_ids.extend(indices)
            return super().batch(indices)

    train = Counted(**vars(splits[0]))
    probe = Probe(sides=(3,), steps=2, images=10)
    segment.run(toys.says(content=seen), train, splits[1], 0, probe=probe)

    assert len(set(seen_ids)) == len(seen_ids) == 10

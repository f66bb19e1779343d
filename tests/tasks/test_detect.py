import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from torch.nn import functional as F

from septum.contract import BadInput
from septum.tasks import boxes, detect
from septum.tasks.detect import Head

CELL = 8
H, W = 6, 7
STATES = ("open", "closed")


def valves(toys, n=32, *, split="train", seed=0, reach=1.0, states=(1.0, 0.0)):
    """A box of 2 x 2 cells, brighter where it is open; `reach` is its share of the lower two."""
    draw = torch.Generator().manual_seed(seed)
    image = torch.zeros(n, 1, H * CELL, W * CELL)
    records = []
    for i in range(n):
        row, column = torch.randint(0, 5, (2,), generator=draw).tolist()
        state = states[i % len(states)]
        edges = (column, row, column + 2, row + 1 + reach)
        labels = dict(zip(boxes.CORNERS, (CELL * float(e) for e in edges), strict=True))
        image[i, 0, CELL * row :, CELL * column :][: 2 * CELL, : 2 * CELL] = 0.5 + 0.5 * state
        records.append(toys.record(f"{split}{i}", f"{split}{i // 2}", valve_open=state, **labels))
    return toys.stills(
        image=image, mask=None, records=records, classes=("background",), split=split
    )


@pytest.fixture(scope="module")
def splits(toys):
    return valves(toys), valves(toys, 20, split="val", seed=1)


def place(image):
    """Content: where the valve is."""
    return F.avg_pool2d((image > 0.25).float(), CELL)


def state(image):
    """Style: where it is open, beside noise."""
    shape = (len(image), 2, H, W)
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(len(image)))
    return torch.cat([F.avg_pool2d((image > 0.75).float(), CELL), noise], dim=1)


def blurred(image):
    """Content: both, each under noise."""
    known = torch.cat([place(image), state(image)[:, :1]], dim=1)
    return known + 3 * torch.rand(known.shape, generator=torch.Generator().manual_seed(len(image)))


def discrete(toys, content, style=None):
    """A model whose content is a distribution over concepts."""

    class Concepts(toys.says):
        def discretise(self, content):
            return content

        def restyle(self, image, concepts):
            return image, concepts

        def plain(self, image):
            return image

    return Concepts(content, style)


def values(report):
    return {path: metric.value for path, metric in report.metrics.items()}


def test_content_that_knows_the_place_needs_style_for_the_state(toys, splits):
    value = values(detect.run(toys.says(place, state), *splits, 0))

    for name in ("both", "content"):
        assert value[f"average_precision/{name}/objectness"] == pytest.approx(1)
    for what in (*STATES, "mean"):
        assert value[f"average_precision/both/{what}"] > 0.98
        # all object cells score the same, and half of them are right
        assert value[f"average_precision/content/{what}"] == pytest.approx(0.5)
    assert value["auroc/both/state"] > 0.99
    assert value["auroc/content/state"] == pytest.approx(0.5)


def test_names_rows_and_figures(toys, splits):
    report = detect.run(toys.says(place, state), *splits, 0)

    asked = {*(f"average_precision/{{}}/{w}" for w in (*STATES, "mean", "objectness"))}
    paths = {path.format(i) for path in (*asked, "auroc/{}/state") for i in ("both", "content")}
    cells = {"open": 40, "closed": 40, "mean": 80, "objectness": 80, "state": 80}
    assert set(report.metrics) == paths
    assert all(metric.n == cells[path.split("/")[2]] for path, metric in report.metrics.items())
    assert set(report.figures) == {"detection", "precision_recall"}
    assert [row["id"] for row in report.rows] == [f"val{i}" for i in range(20)]
    for i, row in enumerate(report.rows):
        assert row["state"] == row["state/both"] == STATES[i % 2]
        assert row["found/both"] == row["found/content"] == 1
        assert row["object_cells"] == 4


def test_a_state_is_ranked_among_all_cells_by_objectness_times_its_probability(toys, splits):
    train, test = splits
    model, head = toys.says(blurred), Head(decay=0.1)
    known, asked = (detect.located(model, s, boxes.find(s), overlap=0.5) for s in splits)
    said = detect.predicted(known, asked.inputs["content"], "content", side=1, head=head)

    value = values(detect.run(model, train, test, 0, head=head))

    scores, opens, objects = [], [], []
    for i, record in enumerate(test.records):
        left, upper = (int(record.labels[name]) // CELL for name in boxes.CORNERS[:2])
        for y in range(H):
            for x in range(W):
                inside = upper <= y < upper + 2 and left <= x < left + 2
                scores.append(float(said.objectness[i, y, x] * said.state[i, 0, y, x]))
                opens.append(inside and record.labels["valve_open"] == 1)
                objects.append((inside, float(said.objectness[i, y, x]), said.state[i, 0, y, x]))
    found, objectness, likely = (np.array(column) for column in zip(*objects, strict=True))
    path = "average_precision/content"
    assert value[f"{path}/open"] == pytest.approx(average_precision_score(opens, scores))
    assert value[f"{path}/objectness"] == pytest.approx(average_precision_score(found, objectness))
    expected = roc_auc_score(np.array(opens)[found], likely[found])
    assert value["auroc/content/state"] == pytest.approx(expected)
    assert value[f"{path}/mean"] == pytest.approx(
        (value[f"{path}/open"] + value[f"{path}/closed"]) / 2
    )


def test_windows_are_five_cells_wide_for_concepts_and_one_for_other_features(toys, splits):
    def beside(image):
        return F.pad(place(image), (0, 2))[..., 2:]

    path = "average_precision/content/objectness"

    assert values(detect.run(discrete(toys, beside), *splits, 0))[path] > 0.95
    assert values(detect.run(toys.says(beside), *splits, 0))[path] < 0.5


def test_a_model_without_style_is_asked_for_content_alone(toys, splits):
    report = detect.run(toys.says(place), *splits, 0)

    assert {path.split("/")[1] for path in report.metrics} == {"content"}


def test_the_head_is_a_balanced_logistic_regression():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(12, 2, H, W, generator=draw)
    noise = torch.randn(2, 12, H, W, generator=draw)
    occupied = x[:, 0] + noise[0] > 1.5
    opened = x[:, 1] + noise[1] > 0.5
    in_state = torch.stack([occupied & opened, occupied & ~opened], dim=1)

    kernel = detect.fit(x, occupied, in_state, side=3, head=Head(decay=0.05))

    windows = F.unfold(x, 3, padding=1).movedim(1, 2).flatten(0, 1).numpy().astype(float)
    flat = occupied.flatten().numpy()
    asked = [(windows, flat)]
    asked += [(windows[flat], shown.flatten().numpy()[flat]) for shown in in_state.unbind(1)]
    for channel, (seen, truth) in enumerate(asked):
        oracle = LogisticRegression(
            C=1 / (0.05 * len(seen)), class_weight="balanced", tol=1e-8, max_iter=1_000
        ).fit(seen, truth)
        assert kernel.weight[channel].flatten().numpy() == pytest.approx(oracle.coef_[0], abs=2e-3)
        assert float(kernel.bias[channel]) == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_balanced_cross_entropy_is_scikit_learn_s_with_weights():
    draw = torch.Generator().manual_seed(0)
    logits, positive = torch.randn(50, generator=draw), torch.rand(50, generator=draw) < 0.1
    share = positive.float().mean()
    weight = torch.where(positive, 0.5 / share, 0.5 / (1 - share))

    ours = detect.balanced_cross_entropy(logits, positive)

    theirs = log_loss(positive, logits.double().sigmoid(), sample_weight=weight)
    assert ours.item() == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(("overlap", "cells"), [(0.5, 4), (0.7, 2)])
def test_a_cell_is_an_object_if_the_box_covers_enough_of_it(toys, overlap, cells):
    train, test = (valves(toys, 12, split=name, reach=0.6) for name in ("train", "val"))

    report = detect.run(toys.says(place), train, test, 0, overlap=overlap)

    assert {row["object_cells"] for row in report.rows} == {cells}


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_and_offset_of_features_do_not_matter(toys, splits, scale):
    plain = detect.run(toys.says(state), *splits, 0)

    scaled = detect.run(toys.says(lambda image: scale * state(image) + 5 * scale), *splits, 0)

    assert values(scaled) == pytest.approx(values(plain), abs=2e-3)


def test_no_more_training_images_than_asked_for_and_the_seed_draws_them(toys, splits):
    def used(seed):
        ids: list[int] = []

        class Counted(toys.stills):
            def batch(self, indices):
                ids.extend(indices)
                return super().batch(indices)

        train = Counted(**vars(splits[0]))
        detect.run(toys.says(place), train, splits[1], seed, head=Head(images=10))
        return ids

    first, again, other = used(0), used(0), used(1)
    assert len(set(first)) == len(first) == 10
    assert first == again != other


def test_splits_of_different_objects_are_refused(toys, splits):
    records = [toys.record(f"a{i}", phase=("ED", "ES")[i % 2]) for i in range(4)]
    atria = toys.stills(
        image=splits[1].image[:4], mask=torch.ones(4, H * CELL, W * CELL, dtype=torch.int64),
        records=records, classes=("background", "left_atrium"),
    )  # fmt: skip

    with pytest.raises(BadInput, match=r"open or closed.*ED or ES"):
        detect.run(toys.says(place), splits[0], atria, 0)


def test_both_states_are_needed(toys, splits):
    closed = valves(toys, 6, split="val", states=(0.0,))

    with pytest.raises(BadInput, match=r"No box of stills \(val\) that is open"):
        detect.run(toys.says(place), splits[0], closed, 0)


def test_boxes_must_leave_something_out(toys, splits):
    whole = dict(zip(boxes.CORNERS, (0.0, 0.0, float(W * CELL), float(H * CELL)), strict=True))
    records = [toys.record(f"{i}", valve_open=float(i % 2), **whole) for i in range(4)]
    image = splits[0].image[:4]
    full = toys.stills(image=image, mask=None, records=records, classes=("background",))

    with pytest.raises(BadInput, match="cover every cell"):
        detect.run(toys.says(place), full, splits[1], 0)

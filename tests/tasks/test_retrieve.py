import pytest
import torch
from torch import Tensor

from septum.contract import BadInput
from septum.metrics.retrieval import map5_strict
from septum.tasks import landmarks, retrieve
from septum.tasks.regions import complete_descriptors, padded_descriptors

CELL = 16
H, W = 9, 10


def unique(n: int, seed: int = 0) -> Tensor:
    """Content that is nowhere twice."""
    return torch.rand(n, 6, H, W, generator=torch.manual_seed(seed)).softmax(1)


def labels(cells: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Landmarks at the centres of these cells (row, column)."""
    x = {f"{name}_x_px": CELL * (j + 0.5) - 0.5 for name, (_, j) in cells.items()}
    return x | {f"{name}_y_px": CELL * (i + 0.5) - 0.5 for name, (i, _) in cells.items()}


CELLS = dict(zip(landmarks.NAMES, [(5, 3), (5, 6), (3, 4), (4, 3), (4, 6)], strict=True))


def acquisitions(toys, n, *, phases=("ED", "ES"), cells=CELLS, **more):
    """Frames of n acquisitions of one view; the image holds the frame's number."""
    records = [
        toys.record(
            f"{i}_{phase}", subject=f"s{i}", view="A4C", phase=phase, **labels(cells), **more
        )
        for i in range(n)
        for phase in phases
    ]
    image = torch.zeros(len(records), 1, H * CELL, W * CELL)
    image += torch.arange(len(records))[:, None, None, None] / 1000
    return toys.stills(image=image, mask=None, records=records, classes=("background",))


def says(toys, content):
    """A model that knows the content of every frame by its number."""
    return toys.says(content=lambda image: content[(image[:, 0, 0, 0] * 1000).round().long()])


def smooth(n: int) -> Tensor:
    """Content of its own per frame that changes by the same little step from cell to cell."""
    content = torch.rand(n, 6, 1, 1, generator=torch.manual_seed(1)).expand(n, 6, H, W).clone()
    content[:, 1] += 0.001 * torch.arange(H)[:, None]
    content[:, 2] += 0.001 * torch.arange(W)
    return content


def values(report, name: str) -> set[float]:
    return {m.value for path, m in report.metrics.items() if path.startswith(f"{name}/")}


@pytest.mark.parametrize("describe", [padded_descriptors, complete_descriptors])
def test_planted_duplicates_score_one(toys, describe):
    samples = acquisitions(toys, 6)
    content = smooth(6).repeat_interleave(2, dim=0)  # ED and ES of an acquisition are the same

    report = retrieve.run(says(toys, content), samples, samples, 0, descriptors=describe)

    # cells next to each other differ by one step, all others by more: five right ones come first
    assert values(report, "map5") == values(report, "map5_strict") == {1.0}
    assert all(
        row[f"hit_{k}"] == f"{row['subject'][1:]}_ES" for row in report.rows for k in range(1, 6)
    )


def test_random_descriptors_score_as_chance_says(toys):
    n, keys = 30, (H - 4) * (W - 4)
    samples = acquisitions(toys, n, cells={"apex": (4, 5)})
    found: list[Tensor] = []
    for seed in range(10):
        model = says(toys, unique(2 * n, seed))
        ed, es = (retrieve.frames(model, samples, phase) for phase in ("ED", "ES"))
        found.append(retrieve.ask(ed, es, complete_descriptors).match)
    match = torch.cat(found)

    # nine of n x keys places are right, and the one at rank k is worth 1/k
    hit = 9 / (n * keys)
    strict = map5_strict(match, torch.full((len(match),), 9)).mean().item()
    assert match.shape == (300, 5)
    assert match.float().mean().item() == pytest.approx(hit, abs=4 * (hit / 1_500) ** 0.5)
    assert strict == pytest.approx(hit * (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5, abs=0.006)


@pytest.mark.parametrize(("shift", "match"), [((0, 0), 1), ((1, 1), 1), ((-1, 0), 1), ((0, 2), 0)])
def test_a_match_lies_on_the_landmark_or_beside_it(toys, shift, match):
    cells = {name: (4, 3 + i) for i, name in enumerate(landmarks.NAMES[:2])}
    samples = acquisitions(toys, 4, cells=cells)
    content = unique(4).repeat_interleave(2, dim=0)
    content[1::2] = content[1::2].roll(shift, dims=(2, 3))

    report = retrieve.run(
        says(toys, content), samples, samples, 0, descriptors=complete_descriptors
    )

    assert [row["hit_1"] for row in report.rows] == [f"{i}_ES" for i in range(4) for _ in cells]
    assert {row["match_1"] for row in report.rows} == {match}
    assert set(report.metrics) == {
        f"{m}/{x}" for m in ("map5", "map5_strict") for x in (*cells, "mean")
    }
    assert report.metrics["map5/mean"].n == 8


def test_another_view_of_the_same_heart_is_no_match(toys):
    samples = acquisitions(toys, 4)
    views = ["A4C", "A4C", "A2C", "A2C"] * 2
    records = [
        toys.record(r.id, subject=f"s{i // 4}", **{**r.labels, "view": view})
        for i, (r, view) in enumerate(zip(samples.records, views, strict=True))
    ]
    samples = toys.stills(**{**vars(samples), "records": records})
    content = unique(8)
    content[3], content[1] = content[0], content[2]  # each ED is the ES of the other view

    report = retrieve.run(says(toys, content), samples, samples, 0)

    assert [row["hit_1"] for row in report.rows[:10]] == ["1_ES"] * 5 + ["0_ES"] * 5
    assert all(row["match_1"] == 0 for row in report.rows[:10])


def test_key_points_at_a_border_have_fewer_neighbours(toys):
    cells = {"apex": (0, 0), "mid_septum": (0, 4), "mid_free_wall": (4, 4)}
    samples = acquisitions(toys, 2, cells=cells)

    rows = retrieve.run(says(toys, unique(4)), samples, samples, 0).rows

    assert {row["landmark"]: row["relevant"] for row in rows} == {
        "apex": 4, "mid_septum": 6, "mid_free_wall": 9,
    }  # fmt: skip


def test_pixels_belong_to_the_cell_that_covers_them(toys):
    at = {"apex_x_px": 15.4, "apex_y_px": 15.6}
    record = toys.record("a", phase="ED", **at)
    samples = toys.stills(
        image=torch.zeros(1, 1, H * CELL, W * CELL),
        mask=None,
        records=[record],
        classes=("background",),
    )

    found = retrieve.frames(says(toys, unique(1)), samples, "ED")

    assert found.points[0, 2].floor().tolist() == [0, 1]


def test_queries_without_an_answer_are_left_out(toys):
    both, alone = acquisitions(toys, 3), acquisitions(toys, 4, phases=("ED",))
    samples = toys.stills(
        image=torch.arange(7)[:, None, None, None].expand(7, 1, H * CELL, W * CELL) / 1000,
        mask=None,
        records=[*both.records, alone.records[3]],
        classes=("background",),
    )

    report = retrieve.run(says(toys, unique(7)), samples, samples, 0)

    assert {row["subject"] for row in report.rows} == {"s0", "s1", "s2"}
    assert report.metrics["map5/mean"].n == 15


def test_landmarks_are_read_off_masks_where_no_label_gives_them(toys):
    records = [
        toys.record(f"{i}", subject="s", phase=phase) for i, phase in enumerate(("ED", "ES"))
    ]
    mask = torch.zeros(2, H * CELL, W * CELL, dtype=torch.int64)
    mask[:, 20:80, 60:100] = 1
    mask[:, 80:110, 60:100] = 2
    samples = toys.stills(
        image=torch.arange(2)[:, None, None, None].expand(2, 1, H * CELL, W * CELL) / 1000,
        mask=mask, records=records, classes=("background", "left_ventricle", "left_atrium"),
    )  # fmt: skip

    rows = retrieve.run(says(toys, unique(1).repeat(2, 1, 1, 1)), samples, samples, 0).rows

    assert [row["landmark"] for row in rows] == list(landmarks.NAMES)
    assert all(row["match_1"] == 1 for row in rows)


@pytest.mark.parametrize("phase", ["ED", "ES"])
def test_both_phases_are_needed(toys, phase):
    samples = acquisitions(toys, 3, phases=({"ED": "ES", "ES": "ED"}[phase],))

    with pytest.raises(BadInput, match=f"phase = {phase}"):
        retrieve.run(says(toys, unique(3)), samples, samples, 0)


def test_no_landmark_is_refused(toys):
    samples = acquisitions(toys, 3, cells={})

    with pytest.raises(BadInput, match="landmark"):
        retrieve.run(says(toys, unique(6)), samples, samples, 0)

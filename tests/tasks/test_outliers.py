from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.covariance import oas
from torch import Tensor

from septum.contract import BadInput, Batch, Features, Record
from septum.tasks import outliers
from septum.tasks.regions import padded_descriptors

CELL = 8
H, W = 6, 7
HEADS = ("flow", "mixture", "neighbours")


@dataclass(frozen=True, kw_only=True)
class Scans:
    """Images that hold their content, one pixel of a cell per channel, and a sector."""

    content: Tensor
    records: Sequence[Record]
    sector: Tensor | None = None
    name: str = "scans"
    split: str = "val"
    classes: Sequence[str] = ("background",)

    def batch(self, indices: Sequence[int]) -> Batch:
        content = self.content[list(indices)]
        n, d, h, w = content.shape
        image = torch.zeros(n, 1, h, CELL, w, CELL)
        image[:, 0, :, 0, :, :d] = content.permute(0, 2, 3, 1)
        sector = None if self.sector is None else self.sector[list(indices)]
        return Batch(image=image.view(n, 1, h * CELL, w * CELL), sector=sector)


class Reads:
    """A model that reads the content off the image."""

    channels = 4

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image: Tensor) -> Features:
        h, w = image.shape[2] // CELL, image.shape[3] // CELL
        cells = image.view(-1, h, CELL, w, CELL)[:, :, 0, :, : self.channels]
        content = cells.permute(0, 3, 1, 2)
        return Features(content=content, style=None, pooled=content.mean((2, 3)))


class ReadsConcepts(Reads):
    """The same, if the content is a distribution over concepts."""

    def discretise(self, content: Tensor) -> Tensor:
        return content

    def restyle(self, image: Tensor, concepts: Tensor) -> Tensor:
        return concepts * image.mean()

    def plain(self, image: Tensor) -> Tensor:
        return image


def features(n: int, *, seed: int) -> Tensor:
    return torch.randn(n, 4, H, W, generator=torch.manual_seed(seed))


def scans(toys, known: Tensor, unknown: Tensor, **more) -> Scans:
    """Some images of known kinds, then some of unknown ones."""
    kinds = ["yes"] * len(known) + ["no"] * len(unknown)
    records = [toys.record(f"{kind}{i}", known=kind) for i, kind in enumerate(kinds)]
    return Scans(content=torch.cat([known, unknown]), records=records, **more)


def known_alone(toys, content: Tensor, **more) -> Scans:
    return scans(toys, content, content[:0], split="train", **more)


def values(report) -> dict[str, float]:
    return {path: metric.value for path, metric in report.metrics.items()}


@pytest.fixture(scope="module")
def train(toys) -> Scans:
    return known_alone(toys, features(30, seed=0))


@pytest.fixture(scope="module")
def apart(toys) -> Scans:
    """Unknown kinds that lie elsewhere."""
    return scans(toys, features(10, seed=1), features(8, seed=2) + 3)


def test_every_head_tells_kinds_that_lie_apart(train: Scans, apart: Scans):
    report = outliers.run(Reads(), train, apart, 0)

    assert values(report) == {f"auroc/{name}": 1.0 for name in HEADS}
    assert {(m.n, m.low, m.high) for m in report.metrics.values()} == {(18, 1.0, 1.0)}
    assert set(report.figures) == {"roc", "typicality"}


def test_no_head_tells_kinds_that_are_alike(toys, train: Scans):
    same = scans(toys, features(150, seed=3), features(150, seed=4))

    report = outliers.run(Reads(), train, same, 0)

    for metric in report.metrics.values():
        assert metric.value == pytest.approx(0.5, abs=0.11)  # three standard errors
        assert metric.low < 0.5 < metric.high


def test_only_neighbours_notice_that_places_are_exchanged(toys):
    """The same descriptors as in training, but upside down."""
    tilted = features(60, seed=0) + torch.linspace(-4, 4, H)[:, None]
    asked = scans(toys, tilted[40:50], tilted[50:].flip(2))

    found = values(outliers.run(Reads(), known_alone(toys, tilted[:40]), asked, 0))

    assert found["auroc/neighbours"] == 1.0
    assert found["auroc/flow"] < 0.8
    assert found["auroc/mixture"] < 0.8


def test_an_image_scores_the_mean_log_density_of_its_cells(train: Scans, apart: Scans):
    rows = outliers.run(Reads(), train, apart, 0).rows

    x = train.content.permute(0, 2, 3, 1).reshape(-1, 4).double().numpy()
    gaussian = multivariate_normal(x.mean(0), oas(x)[0])
    theirs = gaussian.logpdf(apart.content.permute(0, 2, 3, 1).double().numpy()).mean((1, 2))
    assert [row["flow"] for row in rows] == pytest.approx(theirs.tolist())
    assert [(row["id"], row["subject"], row["known"]) for row in rows] == [
        (r.id, r.subject, r.labels["known"]) for r in apart.records
    ]


def test_heads_never_see_an_unknown_kind(toys, train: Scans, apart: Scans):
    mixed = scans(toys, train.content, features(20, seed=5) + 3, split="train")

    assert (
        outliers.run(Reads(), mixed, apart, 0).rows == outliers.run(Reads(), train, apart, 0).rows
    )


def test_images_of_no_stated_kind_are_left_out(toys, train: Scans, apart: Scans):
    more = replace(
        apart,
        content=torch.cat([features(2, seed=6), apart.content]),
        records=[toys.record("a"), toys.record("b", known="perhaps"), *apart.records],
    )

    assert outliers.run(Reads(), train, more, 0).rows == outliers.run(Reads(), train, apart, 0).rows


def test_what_lies_outside_the_sector_does_not_count(train: Scans, apart: Scans):
    sector = torch.zeros(18, 1, H * CELL, W * CELL, dtype=torch.bool)
    sector[:, :, CELL : 3 * CELL + CELL // 2] = True  # the third row of cells is half inside
    sector[0] = False  # an image without a sector counts as a whole
    strange = apart.content.clone()
    strange[:, :, [0, 4, 5]] = 1e3

    model, learnt = Reads(), outliers.inliers(Reads(), train, 0, 100)
    heads = outliers.fitted(learnt, 0)
    scores = outliers.scored(
        model, replace(apart, content=strange, sector=sector), [0, 5], learnt.describe, heads
    )
    plain = outliers.scored(model, apart, [0, 5], learnt.describe, heads)

    for name in HEADS:
        assert scores[name][0].isfinite().all()
        assert scores[name][1].isfinite().all(1).tolist() == [False, True, True, True, False, False]
        torch.testing.assert_close(scores[name][1, 1:4], plain[name][1, 1:4])


def test_training_images_count_inside_their_sector_alone(toys, train: Scans, apart: Scans):
    sector = torch.ones(30, 1, H * CELL, W * CELL, dtype=torch.bool)
    sector[:, :, : 2 * CELL] = False
    strange = train.content.clone()
    strange[:, :, :2] = 1e3

    found = outliers.run(Reads(), known_alone(toys, strange, sector=sector), apart, 0)

    whole = known_alone(toys, train.content, sector=sector)
    assert found.rows == outliers.run(Reads(), whole, apart, 0).rows


def test_concepts_are_described_by_windows_without_their_first_class(toys):
    content = features(3, seed=0).softmax(1)

    learnt = outliers.inliers(ReadsConcepts(), known_alone(toys, content), 0, 100)

    (found,) = learnt.descriptors()
    theirs = padded_descriptors(learnt.seen).unflatten(3, (25, 4))[..., 1:].flatten(3)
    assert torch.equal(found, theirs)
    assert learnt.inside.shape == found.shape[:3] == (3, H - 2, W - 2)


def test_concepts_are_scored_where_a_window_fits(toys):
    content = features(40, seed=0).softmax(1)
    asked = scans(toys, content[20:30], content[30:].roll(1, 1) ** 2)

    learnt = outliers.inliers(ReadsConcepts(), known_alone(toys, content[:20]), 0, 100)
    scores = outliers.scored(
        ReadsConcepts(), asked, [3], learnt.describe, outliers.fitted(learnt, 0)
    )

    for score in scores.values():
        assert score.shape == (1, H, W)
        assert score[:, 1:-1, 1:-1].isfinite().all()
        assert score.isfinite().sum() == (H - 2) * (W - 2)


def test_rotated_and_rescaled_features_rank_alike(toys, train: Scans):
    """Of all affine changes those that shrinkage and distances allow; the flow alone: all."""
    near = scans(toys, features(40, seed=7), features(40, seed=8) * 1.1)
    turn = 5 * torch.linalg.qr(torch.randn(4, 4, generator=torch.manual_seed(9))).Q

    def turned(samples: Scans) -> Scans:
        return replace(samples, content=torch.einsum("ndhw,dc->nchw", samples.content, turn) + 2)

    before = outliers.run(Reads(), train, near, 0)
    after = outliers.run(Reads(), turned(train), turned(near), 0)

    assert 0.5 < before.metrics["auroc/flow"].value < 1
    assert values(after) == pytest.approx(values(before), abs=2e-3)


def test_training_images_are_drawn_and_limited(train: Scans, monkeypatch: pytest.MonkeyPatch):
    few = outliers.inliers(Reads(), train, 0, 7)
    monkeypatch.setattr(outliers, "FLOATS", 1)
    monkeypatch.setattr("septum.tasks.frozen.BATCH", 5)
    first = outliers.inliers(Reads(), train, 0, 100)
    other = outliers.inliers(Reads(), train, 1, 100)

    assert len(few.seen) == 7
    assert torch.equal(first.seen, few.seen[:5])
    assert not torch.equal(other.seen, first.seen)


def test_the_picture_shows_the_extremes(train: Scans, apart: Scans):
    report = outliers.run(Reads(), train, apart, 0)

    titles = [axes.get_title() for axes in report.figures["typicality"].axes if axes.get_title()]
    assert titles == ["(known)"] * 3 + ["(unknown)"] * 3


def test_two_images_are_shown_once_each(toys, train: Scans):
    asked = scans(toys, features(1, seed=1), features(1, seed=2) + 3)

    report = outliers.run(Reads(), train, asked, 0)

    titles = [axes.get_title() for axes in report.figures["typicality"].axes if axes.get_title()]
    assert titles == ["(known)", "(unknown)"]


def test_a_split_without_the_label_is_refused(train: Scans, apart: Scans):
    bare = replace(apart, records=[replace(r, labels={}) for r in apart.records])

    with pytest.raises(BadInput, match=r"scans \(val\) has the label known;.*septum evaluate"):
        outliers.run(Reads(), train, bare, 0)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("yes", r"All images of scans \(val\).*--only view=4CH"),
        ("no", "No image.*--data camus busi"),
    ],
)
def test_a_split_of_one_kind_is_refused(train: Scans, apart: Scans, kind: str, message: str):
    alike = replace(apart, records=[replace(r, labels={"known": kind}) for r in apart.records])

    with pytest.raises(BadInput, match=message):
        outliers.run(Reads(), train, alike, 0)


def test_training_images_of_unknown_kinds_alone_are_refused(toys, apart: Scans):
    train = scans(toys, features(0, seed=0), features(5, seed=0), split="train")

    with pytest.raises(BadInput, match=r"No image of scans \(train\) is of a kind the model"):
        outliers.run(Reads(), train, apart, 0)


class ReadsStyles(Reads):
    """The first two channels are content, the others style."""

    def encode(self, image: Tensor) -> Features:
        whole = super().encode(image).content
        return Features(content=whole[:, :2], style=whole[:, 2:], pooled=whole.mean((2, 3)))


def test_appearance_alone_sees_what_only_the_style_tells(toys, train: Scans):
    other = features(30, seed=5)
    other[:, 2:] *= 3
    near = scans(toys, features(30, seed=4), other)

    found = values(outliers.run(ReadsStyles(), train, near, 0))

    assert found["auroc/appearance"] > 0.95
    assert max(found[f"auroc/{head}"] for head in HEADS) < 0.7


def test_styles_vary_as_much_as_content(train: Scans):
    learnt = outliers.inliers(ReadsStyles(), train, 0, 100)

    spread = learnt.seen.var((0, 2, 3))

    assert spread[:2].sum() == pytest.approx(float(spread[2:].sum()), rel=1e-4)
    (x,) = learnt.descriptors()
    assert torch.equal(learnt.of_content(x), x[..., :2])

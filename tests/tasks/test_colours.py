"""Features as colours, on features whose components are known."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import f_oneway
from sklearn.decomposition import PCA

from septum.contract import BadInput, Batch
from septum.tasks import colours

CLASSES = ("background", "left_ventricle", "lesion")


class Sectored:
    """Stills that have a sector as well."""

    def __init__(self, stills, sector):
        self.stills, self.sector = stills, sector

    def __getattr__(self, name):
        return getattr(self.stills, name)

    def batch(self, indices):
        batch = self.stills.batch(indices)
        return Batch(image=batch.image, mask=batch.mask, sector=self.sector[indices])


def painted(toys, n=8, *, seed=0, mask=None, labels=None, subjects=None):
    """Images of 8 x 12 pixels that are noise."""
    image = torch.rand(n, 1, 8, 12, generator=torch.Generator().manual_seed(seed))
    records = [
        toys.record(f"i{i}", subjects[i] if subjects else None, **(labels[i] if labels else {}))
        for i in range(n)
    ]
    return toys.stills(image=image, mask=mask, records=records, classes=CLASSES)


def mixed(image):
    """Six channels of 4 x 6 cells, mixed of the four pixels of each, with an offset."""
    cells = torch.nn.functional.pixel_unshuffle(image, 2)
    draw = torch.Generator().manual_seed(1)
    scale = torch.tensor([4.0, 2.0, 1.0, 0.3])
    mix = torch.linalg.qr(torch.randn(6, 4, generator=draw)).Q * scale
    return torch.einsum("bdhw,ed->behw", cells, mix) + torch.arange(6.0)[:, None, None]


def every_cell(samples, content=mixed):
    return content(samples.image).movedim(1, -1).flatten(0, 2).double().numpy()


def places(samples, image):
    """Where these images are among the samples."""
    return (samples.image[None] == image[:, None]).all((2, 3, 4)).int().argmax(1)


def regions(n=8, *, seed=0):
    """Classes of blocks of 2 x 2 pixels, so that every cell has one."""
    draw = torch.Generator().manual_seed(seed)
    cells = torch.randint(3, (n, 4, 6), generator=draw)
    return cells.repeat_interleave(2, 1).repeat_interleave(2, 2)


def test_explained_variance_is_that_of_scikit_learn_on_all_cells(toys):
    samples = painted(toys)

    metrics = colours.run(toys.says(content=mixed), samples, samples, 0).metrics

    expected = 100 * PCA(3).fit(every_cell(samples)).explained_variance_ratio_
    assert [metrics[f"explained_variance_percent/c{k}"].value for k in (1, 2, 3)] == pytest.approx(
        expected, rel=1e-5
    )
    assert expected[0] > 60
    assert metrics["explained_variance_percent/c1"].n == 8
    assert metrics["explained_variance_percent/c1"].unit == "%"
    assert not [path for path in metrics if path.startswith("eta")]


def test_components_of_training_explain_less_of_images_that_vary_otherwise(toys):
    train, test = painted(toys), painted(toys, seed=5)

    def turned(image):
        """The channels in another order for the tested images."""
        is_known = train.image[places(train, image)] == image
        return torch.where(
            is_known.all(3, keepdim=True).all(2, keepdim=True), mixed(image), mixed(image).flip(1)
        )

    metrics = colours.run(toys.says(content=turned), train, test, 0).metrics

    axes = PCA(3).fit(every_cell(train)).components_
    x = every_cell(test, lambda image: mixed(image).flip(1))
    expected = 100 * (x @ axes.T).var(0) / x.var(0).sum()
    found = [metrics[f"explained_variance_percent/c{k}"] for k in (1, 2, 3)]
    assert [m.value for m in found] == pytest.approx(expected, rel=1e-4)
    assert all(m.low <= m.value <= m.high for m in found)
    assert expected[0] < 50


def test_colours_are_the_components_between_their_percentiles(toys):
    samples = painted(toys)
    palette = colours.fitted(toys.says(content=mixed), samples, 0)

    found = palette.rgb(mixed(samples.image)).movedim(1, -1).flatten(0, 2).double().numpy()

    scores = PCA(3).fit_transform(every_cell(samples))
    low, high = np.percentile(scores, [1, 99], axis=0)
    np.testing.assert_allclose(found, ((scores - low) / (high - low)).clip(0, 1), atol=1e-4)
    assert 0.005 < (found[:, 0] == 0).mean() < 0.02


def test_eta_squared_is_that_of_the_analysis_of_variance(toys):
    mask = regions()
    samples = painted(toys, mask=mask)
    cells = mask[:, ::2, ::2].flatten()

    def content(image):
        return mixed(image) + 2 * mask[places(samples, image), None, ::2, ::2]

    metrics = colours.run(toys.says(content=content), samples, samples, 0).metrics

    scores = PCA(3).fit_transform(every_cell(samples, content))
    n = len(scores)
    for k in range(3):
        f = f_oneway(*(scores[cells.numpy() == c, k] for c in range(3))).statistic
        expected = 2 * f / (2 * f + n - 3)
        assert metrics[f"eta_squared/c{k + 1}"].value == pytest.approx(expected, rel=1e-4)
    weight = scores.var(0)
    parts = [metrics[f"eta_squared/c{k}"].value for k in (1, 2, 3)]
    together = (weight * parts).sum() / weight.sum()
    assert metrics["eta_squared/all"].value == pytest.approx(together, rel=1e-4)
    assert metrics["eta_squared/all"].low < together < metrics["eta_squared/all"].high


def test_features_that_are_the_classes_tell_all_and_noise_tells_nothing(toys):
    mask = regions(16)
    samples = painted(toys, 16, mask=mask)

    def classes(image):
        one_hot = torch.nn.functional.one_hot(mask[places(samples, image), ::2, ::2], 3)
        return one_hot.movedim(-1, 1).float()

    told, noise = (
        colours.run(toys.says(content=content), samples, samples, 0).metrics
        for content in (classes, mixed)
    )

    assert told["eta_squared/all"].value == pytest.approx(1)
    assert noise["eta_squared/all"].value < 0.03


def test_a_cell_is_of_the_class_that_fills_most_of_it(toys):
    mask = torch.zeros(1, 8, 12, dtype=torch.int64)
    mask[0, 0, 0] = 1  # a quarter of a cell
    mask[0, 2:4, 2:4] = torch.tensor([[2, 2], [2, 0]])
    mask[0, 6:, 10:] = -1
    samples = painted(toys, 1, mask=mask)
    model = toys.says(content=mixed)

    found = colours.seen(model, samples, colours.fitted(model, samples, 0))

    expected = torch.zeros(4, 6, dtype=torch.int64)
    expected[1, 1], expected[3, 5] = 2, -1
    assert found.classes.reshape(4, 6).tolist() == expected.tolist()


def test_images_without_a_mask_count_for_the_variance_only(toys):
    mask = regions(4)
    mask[2:] = -1
    samples = painted(toys, 4, mask=mask)

    metrics = colours.run(toys.says(content=mixed), samples, samples, 0).metrics

    assert metrics["explained_variance_percent/c1"].n == 4
    assert metrics["eta_squared/all"].n == 2 * 24


def test_masks_of_one_class_are_no_classes(toys):
    samples = painted(toys, mask=torch.zeros(8, 8, 12, dtype=torch.int64))

    metrics = colours.run(toys.says(content=mixed), samples, samples, 0).metrics

    assert not [path for path in metrics if path.startswith("eta")]


def test_the_interval_is_over_subjects(toys):
    one = painted(toys, mask=regions(), subjects=["a"] * 8)

    metrics = colours.run(toys.says(content=mixed), one, one, 0).metrics

    assert all(m.low == m.value == m.high for m in metrics.values())


def test_what_lies_outside_of_the_sector_changes_nothing(toys):
    stills = painted(toys, mask=regions())
    sector = torch.ones(8, 1, 8, 12, dtype=torch.bool)
    sector[..., 6:] = False
    black = stills.image.clone()
    black[..., 6:] = 0.0
    other = toys.stills(image=black, mask=stills.mask, records=stills.records, classes=CLASSES)
    model = toys.says(content=mixed)

    a, b = (
        colours.run(model, Sectored(of, sector), Sectored(of, sector), 0) for of in (stills, other)
    )

    assert a.metrics == b.metrics
    assert a.metrics["eta_squared/c1"].n == 8 * 12
    assert a.metrics != colours.run(model, stills, stills, 0).metrics
    opacity = a.figures["colours"].axes[1].images[1].get_array()[..., 3]
    assert (opacity == np.array([1, 1, 1, 0, 0, 0])).all()


def test_few_cells_of_few_images_are_drawn(toys, monkeypatch):
    monkeypatch.setattr(colours, "IMAGES", 40)
    monkeypatch.setattr(colours, "CELLS", 100)
    fitted = []

    class Kept(PCA):
        def fit(self, X, y=None):  # noqa: N803 - the name of scikit-learn
            fitted.append(X)
            return super().fit(X, y)

    monkeypatch.setattr(colours, "PCA", Kept)
    samples = painted(toys, 60)

    colours.fitted(toys.says(content=mixed), samples, 0)

    (cells,) = fitted
    assert cells.shape == (100, 6)
    every = {tuple(cell): i // 24 for i, cell in enumerate(every_cell(samples).round(5))}
    of = [every[tuple(cell)] for cell in cells.round(5)]
    assert len(np.unique(cells, axis=0)) == 100
    assert 20 < len({*of}) <= 40


def test_two_channels_leave_the_third_colour_grey(toys):
    samples = painted(toys)

    report = colours.run(toys.says(content=lambda image: mixed(image)[:, :2]), samples, samples, 0)

    assert set(report.metrics) == {"explained_variance_percent/c1", "explained_variance_percent/c2"}
    total = sum(metric.value for metric in report.metrics.values())
    assert total == pytest.approx(100)
    shown = report.figures["colours"].axes[1].images[1].get_array()
    assert (shown[..., 2] == 0.5).all()


def test_features_that_are_constant_have_no_variance(toys):
    samples = painted(toys, mask=regions())

    report = colours.run(
        toys.says(content=lambda image: torch.full((len(image), 4, 4, 6), 0.3)),
        samples, samples, 0,
    )  # fmt: skip

    assert {metric.value for metric in report.metrics.values()} == {0.0}


def test_rows_are_the_mean_components_of_images(toys):
    samples = painted(toys)

    rows = colours.run(toys.says(content=mixed), samples, samples, 0).rows

    scores = PCA(3).fit_transform(every_cell(samples)).reshape(8, 24, 3).mean(1)
    found = [[row[f"c{k}"] for k in (1, 2, 3)] for row in rows]
    np.testing.assert_allclose(found, scores, atol=1e-4)
    assert [row["id"] for row in rows] == [record.id for record in samples.records]


def test_the_figure_has_a_row_per_kind_with_its_images_and_colours(toys):
    labels = [{"organ": ("lung", "fetal_head")[i % 2], "view": f"{i}"} for i in range(8)]
    samples = painted(toys, labels=labels)
    model = toys.says(content=mixed)

    figure = colours.run(model, samples, samples, 0).figures["colours"]

    axes = np.array(figure.axes).reshape(2, 6)
    assert [row[0].get_ylabel() for row in axes] == ["fetal head", "lung"]
    first = axes[0, 0].images[0].get_array()
    assert (first == samples.image[1, 0].numpy()).all()
    rgba = axes[0, 1].images[1].get_array()
    expected = colours.fitted(model, samples, 0).rgb(mixed(samples.image[1:2]))[0]
    np.testing.assert_allclose(rgba[..., :3], expected.movedim(0, -1), atol=1e-6)
    assert axes[0, 1].images[1].get_interpolation() == "nearest"
    assert axes[0, 1].images[1].get_extent() == [-0.5, 11.5, 7.5, -0.5]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([{"organ": "lung", "data": "b"}, {"organ": "lung", "data": "a"}], ["a", "b"]),
        ([{"organ": "heart", "view": "A4C"}, {"organ": "heart", "view": "A2C"}], ["A2C", "A4C"]),
        ([{}, {}], [""]),
    ],
)
def test_rows_are_organs_data_sets_or_views(toys, labels, names):
    samples = painted(toys, 2, labels=labels)

    figure = colours.run(toys.says(content=mixed), samples, samples, 0).figures["colours"]

    shown = [axes.get_ylabel() for axes in figure.axes if axes.get_subplotspec().is_first_col()]
    assert shown == names


def test_nothing_is_cut_off(toys):
    samples = painted(toys, labels=[{"organ": ("lung", "fetal_head")[i % 2]} for i in range(8)])
    figure = colours.run(toys.says(content=mixed), samples, samples, 0).figures["colours"]

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01


def test_clips_are_refused(toys):
    samples = painted(toys)

    with pytest.raises(BadInput, match="one map per still image"):
        colours.run(toys.says(content=lambda image: image[:, :, None]), samples, samples, 0)

"""Codes whose numbers are known functions of the labels."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LinearRegression
from torch import nn

from septum.contract import BadInput, Features
from septum.metrics.interpretability import informative
from septum.tasks import attributes

N, EACH = 36, 3
NAMES = ("left_ventricle_area_px", "myocardium_area_px", "ef_percent")
LABELS = np.random.default_rng(0).uniform(50, 150, (N, 3))
LABELS[:, 1] += LABELS[:, 0]


def noisy(code):
    return code[:, :3] * 0.01 + 0.1 * torch.sin(1000 * code[:, :3])


@dataclass(frozen=True)
class Reads:
    """The first pixels of an image are its labels, and the code."""

    says: object = field(default=noisy)
    names: tuple[str, ...] = NAMES
    grid: bool = False

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        return Features(content=image, style=None, pooled=image.flatten(1))

    def code(self, image):
        code = image.flatten(1)[:, :4]
        return code[:, :, None, None].expand(-1, -1, 2, 2) if self.grid else code

    def render(self, code):
        return code

    def attributes(self):
        return self.names

    def proxies(self, code):
        return self.says(code.flatten(2).mean(2) if self.grid else code)

    def edited(self, code, attribute, amount):
        del attribute, amount
        return code


@pytest.fixture
def stills(toys):
    def build(labels=LABELS, names=NAMES):
        known = [
            {name: float(v) for name, v in zip(names, row, strict=True) if not np.isnan(v)}
            for row in labels
        ]
        records = [toys.record(f"i{i}", f"s{i // EACH}", **facts) for i, facts in enumerate(known)]
        image = torch.zeros(len(labels), 1, 2, 2)
        image[:, 0].view(-1, 4)[:, :3] = torch.tensor(LABELS[: len(labels)])
        image[:, 0, 1, 1] = torch.linspace(0, 1, len(labels)).sin()
        return toys.stills(image=image, mask=None, records=records, classes=("background",))

    return build


def said():
    return noisy(torch.tensor(LABELS).float()).double().numpy()


def means(columns):
    return columns.reshape(N // EACH, EACH, -1).mean(1)


def ask(samples, model=None):
    return attributes.run(model or Reads(), samples, samples, 0)


def test_orders_by_hand(stills):
    metrics = ask(stills()).metrics

    losses = []
    for name, proxy, label in zip(NAMES, said().T, LABELS.T, strict=True):
        rho = stats.spearmanr(proxy, label).statistic
        assert metrics[f"spearman/{name}"].value == pytest.approx(rho)
        assert 0.5 < rho < 1
        rho = stats.spearmanr(means(proxy), means(label)).statistic
        assert metrics[f"spearman_subject/{name}"].value == pytest.approx(rho)
        assert metrics[f"spearman_subject/{name}"].n == N // EACH
        pairs = [
            abs(np.tanh(10 * (proxy[p] - proxy[q])) - np.sign(label[p] - label[q]))
            for p in range(N)
            for q in range(N)
        ]
        losses.append(pairs)
        assert metrics[f"ar_loss/{name}"].value == pytest.approx(np.mean(pairs), rel=1e-4)
    assert metrics["ar_loss"].value == pytest.approx(np.mean(losses, axis=1).sum(), rel=1e-4)
    assert metrics["ar_loss_sum"].value == pytest.approx(np.sum(losses), rel=1e-4)
    assert metrics["ar_loss_sum"].low < metrics["ar_loss_sum"].value < metrics["ar_loss_sum"].high


def test_single_dimensions_of_the_code(stills):
    metrics = ask(stills()).metrics

    codes = stills().image.flatten(1).double().numpy()
    for name, label in zip(NAMES, LABELS.T, strict=True):
        best = codes[:, [informative(codes, label)]]
        expected = LinearRegression().fit(best, label).score(best, label)
        assert metrics[f"interpretability/{name}"].value == pytest.approx(expected)
        assert expected == pytest.approx(1)
    r2 = np.corrcoef(codes.T, LABELS.T)[:4, 4:] ** 2
    second, best = np.sort(r2, axis=0)[-2:]
    assert metrics["sap"].value == pytest.approx((best - second).mean())
    assert 0.5 < metrics["modularity"].value <= 1


def test_correlations_are_over_subjects(stills):
    metrics = ask(stills()).metrics

    for kind, columns in (("data", LABELS), ("said", said())):
        for a, b in combinations(range(3), 2):
            r = stats.pearsonr(*means(columns[:, [a, b]]).T)
            path = f"correlation_{kind}/{NAMES[a]}/{NAMES[b]}"
            assert metrics[path].value == pytest.approx(r.statistic, abs=1e-5)
            assert metrics[path].n == N // EACH
            assert metrics[f"p_{path}"].value == pytest.approx(r.pvalue, rel=1e-3)
    assert metrics[f"correlation_data/{NAMES[0]}/{NAMES[1]}"].value > 0.5


def test_dimensions_of_a_grid_are_shares_of_its_atoms():
    code = torch.tensor([[[[1.0, -3.0]], [[0.0, 4.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])

    torch.testing.assert_close(attributes.dimensions(code), torch.tensor([[0.5, 0.5], [0.0, 0.0]]))
    vectors = torch.randn(3, 5)
    assert attributes.dimensions(vectors) is vectors
    volume = torch.rand(2, 3, 2, 2, 2)
    torch.testing.assert_close(attributes.dimensions(volume).sum(1), torch.ones(2))


def test_codes_on_a_grid_are_asked_as_shares(stills):
    report = ask(stills(), Reads(grid=True))

    share = stills().image.flatten(1)[:, :3].double().numpy()
    share = share / stills().image.flatten(1).abs().sum(1, keepdim=True).numpy()
    best = share[:, [informative(share, LABELS[:, 0])]]
    expected = LinearRegression().fit(best, LABELS[:, 0]).score(best, LABELS[:, 0])
    found = report.metrics[f"interpretability/{NAMES[0]}"].value
    assert found == pytest.approx(expected, rel=1e-3)
    assert found < 0.9


def test_unknown_labels_are_left_out_and_constant_attributes_too(stills):
    labels = LABELS.copy()
    labels[::4, 0], labels[:, 2] = np.nan, 55.0
    known = ~np.isnan(labels[:, 0])

    report = ask(stills(labels))

    assert report.metrics[f"spearman/{NAMES[0]}"].n == known.sum()
    rho = stats.spearmanr(said()[known, 0], labels[known, 0]).statistic
    assert report.metrics[f"spearman/{NAMES[0]}"].value == pytest.approx(rho)
    assert not any("ef_percent" in path for path in report.metrics)
    pairs = [(NAMES[0], known), (NAMES[1], np.ones(N, bool))]
    whole = sum(report.metrics[f"ar_loss/{name}"].value * rows.sum() ** 2 for name, rows in pairs)
    assert report.metrics["ar_loss_sum"].value == pytest.approx(whole)


def test_a_model_that_always_says_the_same_has_no_correlation(stills):
    report = ask(stills(), Reads(says=lambda code: 0 * code[:, :3]))

    assert not any(path.startswith(("spearman", "correlation_said")) for path in report.metrics)
    assert report.metrics[f"ar_loss/{NAMES[0]}"].value == pytest.approx((N - 1) / N)


def test_one_attribute_and_one_subject_have_nothing_to_be_told_apart_from(stills):
    few = stills(LABELS[:EACH, :1], NAMES[:1])

    metrics = ask(few, Reads(names=NAMES[:1], says=lambda code: noisy(code)[:, :1])).metrics

    assert set(metrics) == {
        f"spearman/{NAMES[0]}", f"ar_loss/{NAMES[0]}", "ar_loss", "ar_loss_sum",
        f"interpretability/{NAMES[0]}",
    }  # fmt: skip


def test_rows_are_images(stills):
    labels = LABELS.copy()
    labels[0, 1] = np.nan

    rows = ask(stills(labels)).rows

    assert len(rows) == N
    assert set(rows[0]) == {"id", "subject", NAMES[0], NAMES[2], *(f"{n}/said" for n in NAMES)}
    assert rows[5][NAMES[1]] == pytest.approx(LABELS[5, 1])
    assert rows[5][f"{NAMES[1]}/said"] == pytest.approx(said()[5, 1], rel=1e-4)


def test_the_figure_has_a_panel_per_attribute(stills):
    panels = ask(stills()).figures["attributes"].axes

    assert [panel.get_xlabel() for panel in panels] == [
        "left ventricle area (px)", "myocardium area (px)", "ef (%)",
    ]  # fmt: skip
    np.testing.assert_allclose(panels[1].lines[0].get_xdata(), LABELS[:, 1])
    np.testing.assert_allclose(panels[1].lines[0].get_ydata(), said()[:, 1], rtol=1e-4)


def test_a_network_is_asked_in_evaluation_mode_and_returns_to_its_own(stills):
    class Net(nn.Module, Reads):
        def __init__(self):
            nn.Module.__init__(self)

        phases = after_step = encode = lambda *_: None
        says, names, grid = staticmethod(noisy), NAMES, False

        def code(self, image):
            assert not self.training
            return Reads.code(self, image)

        def proxies(self, code):
            assert not self.training
            return noisy(code)

    net = Net().train()

    assert ask(stills(), net).metrics == ask(stills()).metrics
    assert net.training


def test_a_model_without_attributes_is_refused(toys, stills):
    with pytest.raises(BadInput, match="stand for no attributes"):
        ask(stills(), toys.says(content=lambda image: image))
    with pytest.raises(BadInput, match="stand for no attributes"):
        ask(stills(), Reads(names=()))


def test_images_without_labels_are_refused(stills):
    with pytest.raises(BadInput, match=r"of stills \(val\) have no label left_ventricle_area_px, "):
        ask(stills(np.full((N, 3), np.nan)))

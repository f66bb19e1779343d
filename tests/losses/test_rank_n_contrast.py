"""Rank-N-Contrast against the authors' numbers, the printed formula, and what must not matter."""

import math

import pytest
import torch

from septum.losses import rank_n_contrast as losses
from septum.losses.rank_n_contrast import lower_bound, rank_n_contrast


def grid(a, b, c):
    """6 x 5 numbers that anyone can make: sin(a i + b j + c i j)."""
    i, j = torch.meshgrid(torch.arange(6.0).double(), torch.arange(5.0).double(), indexing="ij")
    return torch.sin(a * i + b * j + c * i * j)


def drawn(n, d=6, *, labels="ties", seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, d, generator=generator, dtype=torch.float64)
    y = 70 * torch.rand(n, generator=generator, dtype=torch.float64) + 10
    if labels == "ties":
        y = (y / 10).round() * 10
    if labels == "views":
        y = torch.cat([y[: (n + 1) // 2], y[: n // 2]])
    return features.to(dtype), y.to(dtype)


def brute_force(features, labels, temperature=1.0):
    """The printed formula: a loop over anchors, positives and those in the denominator."""
    n, total = len(features), 0.0
    apart = [[float((a - b).norm()) for b in features] for a in features]
    far = (labels[:, None] - labels).abs().tolist()
    for i in range(n):
        for j in {*range(n)} - {i}:
            others = [m for m in range(n) if m != i and far[i][m] >= far[i][j]]
            total += math.log(
                sum(math.exp((apart[i][j] - apart[i][m]) / temperature) for m in others)
            )
    return total / (n * (n - 1))


def masked(features, labels, temperature=1.0):
    """The same as a cube of masks, for the gradient of autograd."""
    n = len(features)
    apart = torch.where(
        torch.eye(n, dtype=torch.bool), 0.0, (features[:, None] - features).norm(dim=2)
    )
    s, far = -apart / temperature, (labels[:, None] - labels).abs()
    off = ~torch.eye(n, dtype=torch.bool)
    among = (far[:, None, :] >= far[:, :, None]) & off[:, None, :]
    sums = s[:, None, :].expand(n, n, n).masked_fill(~among, -torch.inf).logsumexp(2)
    return (sums - s)[off].mean()


def gradient(loss, features, *rest):
    features = features.clone().requires_grad_()
    return torch.autograd.grad(loss(features, *rest), features)[0]


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1.0, 1.930100805297004), (2.0, 1.8044123605182802)]
)
def test_the_value_is_that_of_the_authors_code(temperature, expected):
    # loss.py of kaiwenzha/Rank-N-Contrast at eca433b, run once in float64
    features = torch.cat([grid(0.37, 1.7, 0.11), grid(0.9, 0.7, 0.23)])
    labels = torch.tensor([55, 61.5, 30.2, 55, 70.1, 22], dtype=torch.float64).repeat(2)
    found = rank_n_contrast(features, labels, temperature=temperature)
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("labels", ["ties", "views", "distinct"])
@pytest.mark.parametrize("n", [2, 3, 8, 21])
def test_the_value_is_the_printed_formula(n, labels):
    features, y = drawn(n, labels=labels)
    found = rank_n_contrast(features, y, temperature=0.7).item()
    assert found == pytest.approx(brute_force(features, y, 0.7), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("labels", ["ties", "views", "distinct"])
def test_the_gradient_is_that_of_the_printed_formula(labels):
    features, y = drawn(21, labels=labels)
    torch.testing.assert_close(
        gradient(rank_n_contrast, features, y), gradient(masked, features, y), rtol=1e-9, atol=1e-12
    )
    features, y = features[:7].requires_grad_(), y[:7]
    assert torch.autograd.gradcheck(lambda e: rank_n_contrast(e, y, temperature=0.5), [features])


def test_anchors_may_be_taken_a_few_at_a_time(monkeypatch):
    features, y = drawn(23)
    whole = rank_n_contrast(features, y), gradient(rank_n_contrast, features, y)
    monkeypatch.setattr(losses, "AT_ONCE", 5 * 23)
    parts = rank_n_contrast(features, y), gradient(rank_n_contrast, features, y)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-14)


def test_labels_tie_as_the_numbers_that_they_are():
    """.3 - .2 and .2 - .1 differ in float64 and 1.5 - 1 and 1 - .5 do not."""
    features, _ = drawn(3)
    for y in ([0.1, 0.2, 0.3], [0.5, 1.0, 1.5]):
        labels = torch.tensor(y, dtype=torch.float64)
        assert rank_n_contrast(features, labels).item() == pytest.approx(
            brute_force(features, labels), rel=1e-12
        )
    near = rank_n_contrast(features, torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    tied = rank_n_contrast(features, torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64))
    assert near.item() != pytest.approx(tied.item(), rel=1e-3)


def test_two_clips_cost_nothing():
    features, y = drawn(2, labels="distinct")
    assert rank_n_contrast(features, y).item() == 0
    assert not gradient(rank_n_contrast, features, y).any()


def test_the_bound_counts_ties():
    _, y = drawn(19)
    far = (y[:, None] - y).abs().tolist()
    logs = [
        math.log(sum(far[i][m] == far[i][j] for m in range(19) if m != i))
        for i in range(19)
        for j in range(19)
        if i != j
    ]
    assert lower_bound(y).item() == pytest.approx(sum(logs) / len(logs), rel=1e-12)


def test_the_bound_of_two_views_of_sixteen_films():
    # 30 of the 31 others lie two by two at one distance, the other view at none: 30 log 2 / 31
    _, y = drawn(32, labels="views")
    assert lower_bound(y).item() == pytest.approx(30 * math.log(2) / 31, rel=1e-12)


@pytest.mark.parametrize("labels", ["ties", "views", "distinct"])
def test_no_features_fall_below_the_bound_and_a_wide_line_reaches_it(labels):
    features, y = drawn(16, labels=labels)
    bound = lower_bound(y).item()
    assert rank_n_contrast(features, y).item() > bound
    found = [rank_n_contrast(scale * y[:, None], y).item() for scale in (0.1, 1, 1e3)]
    assert found[0] > found[1] > bound - 1e-9
    assert found[2] == pytest.approx(bound, abs=1e-4)


def test_the_order_of_the_clips_does_not_matter():
    features, y = drawn(21)
    order = torch.randperm(21, generator=torch.Generator().manual_seed(1))
    assert rank_n_contrast(features[order], y[order]).item() == pytest.approx(
        rank_n_contrast(features, y).item(), rel=1e-12
    )
    torch.testing.assert_close(
        gradient(rank_n_contrast, features[order], y[order]),
        gradient(rank_n_contrast, features, y)[order],
    )


def test_neither_turning_nor_shifting_nor_scale_with_the_temperature_matter():
    features, y = drawn(21)
    turn, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    base = rank_n_contrast(features, y).item()
    assert rank_n_contrast(features @ turn + 5, y).item() == pytest.approx(base, rel=1e-10)
    scaled = rank_n_contrast(3 * features, y, temperature=3.0).item()
    assert scaled == pytest.approx(base, rel=1e-12)
    assert rank_n_contrast(3 * features, y).item() != pytest.approx(base, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e4, 1e6])
def test_loss_and_gradient_are_finite_at_any_distance(scale):
    features, y = drawn(32, 8, labels="views", dtype=torch.float32)
    features = scale * features
    assert rank_n_contrast(features, y).isfinite()
    assert gradient(rank_n_contrast, features, y).isfinite().all()


def test_at_distances_of_thousands_the_value_is_that_of_float64():
    features, y = drawn(24, 8, dtype=torch.float32)
    features = 1e4 * features
    expected = brute_force_of_maxima(features.double(), y)
    assert rank_n_contrast(features, y).item() == pytest.approx(expected, rel=1e-5)


def brute_force_of_maxima(features, labels):
    """So far apart only the nearest counts in a sum of exponentials."""
    n, total = len(features), 0.0
    apart, far = torch.cdist(features, features), (labels[:, None] - labels).abs()
    for i in range(n):
        for j in {*range(n)} - {i}:
            others = [m for m in range(n) if m != i and far[i, m] >= far[i, j]]
            total += float(apart[i, j] - apart[i, others].min())
    return total / (n * (n - 1))


def test_clips_in_one_place_have_a_gradient():
    features, y = drawn(12, labels="views", dtype=torch.float32)
    features[6:] = features[:6]
    found = gradient(rank_n_contrast, features, y)
    assert found.isfinite().all()
    torch.testing.assert_close(found, gradient(masked, features.double(), y.double()).float())


def test_near_twins_far_from_the_origin_are_told_apart():
    features, y = drawn(12, labels="views")
    features[6:] = features[:6] + 1e-3 * features[6:]
    near = (features + 1000).float()
    torch.testing.assert_close(
        gradient(rank_n_contrast, near, y.float()),
        gradient(masked, near.double(), y).float(),
        rtol=1e-4,
        atol=1e-6,
    )


def test_clips_with_like_labels_are_pulled_together():
    triangle = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
    y = torch.tensor([30.0, 31.0, 60.0])
    moved = triangle - 0.1 * gradient(rank_n_contrast, triangle, y)
    apart = torch.cdist(moved, moved)
    assert apart[0, 1] < 1
    assert apart[0, 1] < min(apart[0, 2], apart[1, 2])


def test_autocast_does_not_reach_it():
    features, y = drawn(16, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = rank_n_contrast(features, y), gradient(rank_n_contrast, features, y)
    outside = rank_n_contrast(features, y), gradient(rank_n_contrast, features, y)
    torch.testing.assert_close(inside, outside, rtol=0, atol=0)
    half = rank_n_contrast(features.bfloat16(), y)
    assert half.dtype == torch.float32
    assert gradient(rank_n_contrast, features.bfloat16(), y).dtype == torch.bfloat16


def test_there_is_no_second_derivative_that_could_be_wrong():
    features, y = drawn(4)
    features.requires_grad_()
    slope = torch.autograd.grad(rank_n_contrast(features, y), features, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="does not require grad"):
        slope.sum().backward()

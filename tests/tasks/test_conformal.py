import numpy as np
import pytest
import torch
from sklearn.covariance import OAS

from septum.contract import BadInput, Clip
from septum.metrics.conformal import clopper_pearson
from septum.tasks import conformal

CLIP = Clip(frames=4, stride=3)
N = 120


@pytest.fixture
def split(toys):
    """Films that know their EF; two of every subject where they share subjects in pairs."""

    def build(efs, *, pairs=False, **labels):
        records = [
            toys.record(f"f{i}", f"s{i // 2 if pairs else i}", ef_percent=float(ef),
                        **{name: column[i] for name, column in labels.items()})
            for i, ef in enumerate(efs)
        ]  # fmt: skip
        return toys.films([30] * len(efs), clip=CLIP, records=records)

    return build


def noisy(seed=0, n=N):
    """True EFs, errors of what is said, and how much clips disagree: as much as they err."""
    rng = np.random.default_rng(seed)
    scale = rng.choice([1.0, 8.0], n)
    return rng.uniform(25, 75, n), rng.normal(0, scale), scale


def model(toys, efs, off, spread, features=None):
    """Says the truth and an error, and half of its clips more, the others less."""
    centre, half = (torch.tensor(column) for column in (efs + off, spread))

    def ef(place, start):
        return centre[place] + half[place] * torch.where(start % 2 == 0, 1.0, -1.0)

    known = torch.zeros(len(efs), 2) if features is None else torch.as_tensor(features)
    return toys.estimates(ef, lambda place, _: known[place].float())


def values(report):
    return {path: metric.value for path, metric in report.metrics.items()}


def test_half_of_the_subjects_calibrate_and_the_others_are_evaluated(toys, split):
    efs, off, scale = noisy()
    films = split(efs, pairs=True)

    found = conformal.told(model(toys, efs, off, scale), films, films, 3)
    one, other = conformal.halves(found, 3)

    here, there = ({record.subject for record in half.records} for half in (one, other))
    assert not here & there
    assert (len(here), len(there), len(one.records)) == (30, 30, 60)
    assert conformal.halves(found, 3)[0].records == one.records
    assert conformal.halves(found, 4)[0].records != one.records


def test_intervals_are_those_of_the_calibration_quantile(toys, split):
    efs, off, scale = noisy()
    films = split(efs)

    report = conformal.run(model(toys, efs, off, scale), films, films, 0)

    evaluated = [int(str(row["id"])[1:]) for row in report.rows]
    calibration = np.setdiff1d(np.arange(N), evaluated)
    # starts are 0, 5, 10, 15 and 20, or 0 to 20 by 5: three of five clips say more
    clips = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    estimate, spread = efs + off + scale / 5, scale * clips.std()
    score = np.abs(estimate - efs)[calibration]
    q = np.sort(score)[55 - 1]  # ⌈61 · 0.9⌉
    scaled = np.sort(score / (spread[calibration] + 1))[55 - 1]
    for row, i in zip(report.rows, evaluated, strict=True):
        assert row["said"] == pytest.approx(estimate[i], abs=1e-4)
        width = row["high/absolute"] - row["low/absolute"]
        assert width == pytest.approx(min(100, estimate[i] + q) - max(0, estimate[i] - q), abs=1e-4)
        assert row["high/normalised"] == pytest.approx(
            min(100, estimate[i] + scaled * (spread[i] + 1)), abs=1e-4
        )
    held = np.abs(estimate - efs)[evaluated] <= q
    metric = report.metrics["coverage/absolute"]
    assert metric.value == pytest.approx(held.mean())
    assert (metric.low, metric.high) == pytest.approx(clopper_pearson(int(held.sum()), 60))
    assert report.metrics["width/normalised"].value < report.metrics["width/absolute"].value


def test_the_promise_is_kept_over_many_splits(toys, split):
    efs, off, scale = noisy(n=200)
    films = split(efs)
    told = conformal.told(model(toys, efs, off, scale), films, films, 0)

    judged = [conformal.judge(*conformal.halves(told, seed), seed) for seed in range(60)]

    for way in ("absolute", "normalised"):
        coverage = np.mean([j.holds(way).mean() for j in judged])
        assert coverage == pytest.approx(91 / 101, abs=0.02)  # ⌈101 · 0.9⌉ / 101


def test_coverage_of_groups_counts_a_film_of_every_subject(toys, split):
    efs, off, scale = noisy()
    films = split(efs, pairs=True, view=["2CH", "4CH"] * 60, quality=["good"] * 90 + [""] * 30)

    metrics = conformal.run(model(toys, efs, off, scale), films, films, 0).metrics

    assert metrics["coverage/absolute"].n == 30
    assert metrics["coverage/absolute/view_2CH"].n == 30
    assert metrics["coverage/normalised/quality_good"].n < 30
    assert {"ef_at_most_35", "ef_35_to_50", "ef_from_50", "view_4CH"} < {
        path.split("/")[2] for path in metrics if path.count("/") == 2
    }
    assert "coverage/absolute/quality_" not in metrics


def strange():
    """Every fifth of the later films lies far from the first sixty, and there the model errs."""
    rng = np.random.default_rng(1)
    odd = (np.arange(N) >= 60) & (np.arange(N) % 5 == 0)
    features = rng.normal(size=(N, 2)) * [1.0, 5.0] + 40 * odd[:, None]
    return rng.uniform(25, 75, N), np.where(odd, 25.0, 2.0), odd, features


def test_films_unlike_those_of_training_are_abstained_from(toys, split):
    efs, off, odd, features = strange()
    # training films are known by their places, so they are like the first that are asked about
    learnt, asked = split(efs[:60]), split(efs)

    report = conformal.run(model(toys, efs, off, np.zeros(N), features), learnt, asked, 0)

    found, far = values(report), np.array([row["abstained"] == 1 for row in report.rows])
    is_odd = odd[[int(str(row["id"])[1:]) for row in report.rows]]
    assert 0 < is_odd.sum() < 12
    distance = np.array([row["distance"] for row in report.rows])
    assert distance[is_odd].min() > 5 * distance[~is_odd].max() / 2
    # more than one in twenty of the calibration films are odd: the farthest of them are answered
    assert far.sum() <= is_odd.sum()
    assert found["abstained"] == pytest.approx(far.mean())


def test_distances_are_those_of_mahalanobis(toys, split):
    efs, off, _, features = strange()
    learnt, asked = split(efs[:60]), split(efs)

    told = conformal.told(model(toys, efs, off, off, features), learnt, asked, 0)

    theirs = OAS().fit(features[:60].astype(np.float32))
    assert told.distance == pytest.approx(np.sqrt(theirs.mahalanobis(features)), rel=1e-4)


def test_the_farthest_are_left_out_and_the_error_of_the_others_falls(toys, split):
    efs, off, odd, features = strange()
    told = conformal.told(model(toys, efs, off, off, features), split(efs[:60]), split(efs), 0)
    usual = np.flatnonzero(~odd).tolist()
    calibration, evaluated = (
        told.at(usual[:50]),
        told.at([*usual[50:], *np.flatnonzero(odd).tolist()]),
    )

    judged = conformal.judge(calibration, evaluated, 0)

    # ⌈51 · 0.95⌉ = 49
    assert judged.most == np.sort(told.distance[usual[:50]])[49 - 1]
    assert judged.far[-odd.sum() :].all()
    assert judged.far[: -odd.sum()].mean() < 0.2
    assert not judged.holds("absolute")[-odd.sum() :].any()


def test_without_training_films_nothing_is_abstained_from(toys, split):
    efs, off, scale = noisy()

    report = conformal.run(model(toys, efs, off, scale), split([50.0]), split(efs), 0)

    assert not any("abstained" in path or "kept" in path for path in report.metrics)
    assert "distance" not in report.rows[0]
    assert {*report.figures} == {"intervals", "coverage"}


def test_few_films_have_intervals_that_hold_everything(toys, split):
    efs, off, scale = noisy(n=6)

    report = conformal.run(model(toys, efs, off, scale), split(efs), split(efs), 0)

    assert [(row["low/absolute"], row["high/normalised"]) for row in report.rows] == [(0, 100)] * 3
    assert values(report)["coverage/absolute"] == 1
    assert values(report)["width/absolute"] == 100


def test_one_subject_is_not_enough(toys, split):
    films = split([50.0, 60.0], pairs=True)

    with pytest.raises(BadInput, match=r"fewer than two subjects of films \(val\) know"):
        conformal.run(toys.estimates(lambda place, _: place), films, films, 0)


def test_a_model_must_estimate(toys, split):
    films = split([50.0, 60.0])

    with pytest.raises(BadInput, match="estimates nothing, and so no ef_percent"):
        conformal.run(toys.says(content=lambda image: image), films, films, 0)

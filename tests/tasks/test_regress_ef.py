import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as theirs
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from septum.contract import BadInput, Clip
from septum.tasks import regress_ef
from septum.tasks.filmed import clip_starts

CLIP = Clip(frames=4, stride=3)
TRUTH = np.array([20.0, 34.0, 41.0, 48.0, 55.0, 58.0, 60.0, 66.0])
OFF = np.array([4.0, -3.0, 9.0, 6.0, -2.0, 1.0, 0.0, 5.0])
SCORES = ("mae", "rmse", "r2", "pearson", "spearman")


@pytest.fixture
def split(toys):
    """Films of 100 frames that know their EF."""

    def build(efs=TRUTH, *, subjects=None, clip=CLIP, frames=100):
        records = [
            toys.record(f"f{i}", (subjects or [f"s{k}" for k in range(len(efs))])[i],
                        **({} if np.isnan(ef) else {"ef_percent": float(ef)}))
            for i, ef in enumerate(efs)
        ]  # fmt: skip
        return toys.films([frames] * len(efs), clip=clip, records=records)

    return build


def table(values):
    """An estimate of each film, that rises by one from start to start."""
    return lambda place, start: torch.tensor(values, dtype=torch.float64)[place] + start


def values(report):
    return {path: metric.value for path, metric in report.metrics.items()}


def test_scores_of_one_clip_three_and_all_as_elsewhere(toys, split):
    films = split()
    model = toys.estimates(table(TRUTH + OFF))

    found = values(regress_ef.run(model, split(np.full(1, np.nan)), films, 5))

    starts = [clip_starts(films, i, "three", 5) for i in range(8)]
    every = clip_starts(films, 0, "all")
    for name, added in {
        "": np.mean(starts, axis=1),
        "/one_clip": np.array(starts)[:, 0],
        "/all_clips": np.full(8, np.mean(every)),
    }.items():
        said = TRUTH + OFF + added
        assert {s: found[s + name] for s in SCORES} == pytest.approx(
            {
                "mae": theirs.mean_absolute_error(TRUTH, said),
                "rmse": theirs.root_mean_squared_error(TRUTH, said),
                "r2": theirs.r2_score(TRUTH, said),
                "pearson": stats.pearsonr(TRUTH, said).statistic,
                "spearman": stats.spearmanr(TRUTH, said).statistic,
            }
        )
    assert not any("probe" in path or "predictor" in path for path in found)


def test_agreement_and_classes_by_hand(toys, split):
    whole = Clip(frames=4, stride=0)
    model = toys.estimates(table(TRUTH + OFF))

    report = regress_ef.run(model, split([50.0, 58.0]), split(clip=whole), 0)

    found, said = values(report), TRUTH + OFF
    assert found["bias"] == pytest.approx(20 / 8)
    assert found["limit_high"] == pytest.approx(2.5 + 1.96 * OFF.std(ddof=1))
    # said are 24, 31, 50, 54, 53, 59, 60, 71: the third and the fourth are in another class
    assert found["accuracy/ef_class"] == pytest.approx(6 / 8)
    assert found["auroc/ef_below_50"] == theirs.roc_auc_score(TRUTH < 50, -said)
    assert found["auroc/ef_at_most_40"] == 1
    assert found["mean_predictor/mae"] == pytest.approx(np.abs(TRUTH - 54).mean())
    # 54 is in the class of the last four
    assert found["mean_predictor/accuracy/ef_class"] == pytest.approx(4 / 8)
    assert "mean_predictor/pearson" not in found
    units = {path: metric.unit for path, metric in report.metrics.items()}
    assert (units["mae"], units["limit_low"], units["r2"]) == ("percent", "percent", "")
    assert all(m.low <= m.value <= m.high for m in report.metrics.values())


def test_films_without_an_ef_are_left_out_and_rows_are_films(toys, split):
    efs = [np.nan, 40.0, np.nan, 70.0]
    films = split(efs, clip=Clip(frames=4, stride=0))

    report = regress_ef.run(toys.estimates(table([0.0, 42.0, 0.0, 69.0])), split([]), films, 0)

    assert report.metrics["mae"].n == 2
    assert report.rows == [
        {"id": "f1", "subject": "s1", "ef_percent": 40, "said": 42,
         "said/one_clip": 42, "said/all_clips": 42},
        {"id": "f3", "subject": "s3", "ef_percent": 70, "said": 69,
         "said/one_clip": 69, "said/all_clips": 69},
    ]  # fmt: skip


def test_films_of_a_subject_are_averaged_besides(toys, split):
    films = split([40.0, 40.0, 60.0], subjects=["a", "a", "b"], clip=Clip(frames=4, stride=0))

    found = regress_ef.run(toys.estimates(table([30.0, 46.0, 61.0])), split([]), films, 0).metrics

    assert found["mae"].value == pytest.approx((10 + 6 + 1) / 3)
    assert found["mae/subject"].value == pytest.approx((2 + 1) / 2)
    assert (found["mae"].n, found["mae/subject"].n) == (3, 2)


def features(place, start):
    """What an encoder says of films with EFs 15, 17, ...: the EF along a line, and where it was."""
    line = torch.tensor([1.0, -2.0, 0.5])
    return (15 + 2 * place[:, None]) * line + torch.stack([start.sin(), start.cos(), start], 1)


def test_a_model_that_estimates_nothing_is_probed_by_ridge_regression(toys, split):
    learn = np.arange(15.0, 75.0, 2.0)
    train, test = split(learn), split(learn[:12])

    def content(image):
        first = image[:, 0, 0, 0, 0]
        said = features(first.floor(), (256 * first.frac()).round())
        return said[:, :, None, None]

    report = regress_ef.run(toys.says(content=content), train, test, 1)

    def seen(films, clip):
        places = range(len(films.records))
        starts = [float(clip_starts(films, i, "three", 1)[clip]) for i in places]
        return features(torch.arange(len(places)).float(), torch.tensor(starts)).double().numpy()

    scaler = StandardScaler().fit(seen(train, 0))
    ridge = RidgeCV(np.logspace(-1, 5, 13)).fit(scaler.transform(seen(train, 0)), learn)
    expected = np.mean([ridge.predict(scaler.transform(seen(test, k))) for k in range(3)], axis=0)
    assert [row["said/probe"] for row in report.rows] == pytest.approx(expected.tolist(), rel=1e-4)
    assert {"mae/probe", "limit_low/probe", "accuracy/ef_class/probe"} < {*report.metrics}
    assert "mae" not in report.metrics


def test_a_model_that_estimates_is_probed_as_well(toys, split):
    model = toys.estimates(table(TRUTH), lambda place, _: place[:, None].float())

    report = regress_ef.run(model, split(np.arange(10.0, 50.0, 5.0)), split(), 0)

    # the probe has learnt 10 + 5 i of film i
    said = [row["said/probe"] for row in report.rows]
    assert said == pytest.approx((10 + 5 * np.arange(8)).tolist(), abs=1)
    assert {"mae", "mae/one_clip", "mae/all_clips", "mae/probe"} < {*report.metrics}


def test_pictures_show_films_and_their_errors(toys, split):
    films = split(clip=Clip(frames=4, stride=0))

    figures = regress_ef.run(toys.estimates(table(TRUTH + OFF)), split([]), films, 0).figures

    scatter, differences = figures["agreement"].axes
    points = scatter.lines[-1]
    assert points.get_xdata().tolist() == TRUTH.tolist()
    assert points.get_ydata().tolist() == (TRUTH + OFF).tolist()
    assert differences.lines[1].get_ydata().tolist() == OFF.tolist()
    names = [axes.get_ylabel() for axes in figures["worst"].axes if axes.get_ylabel()]
    assert names == [
        "f2\nEF 41 %, said 50 %",
        "f3\nEF 48 %, said 54 %",
        "f7\nEF 66 %, said 71 %",
        "f0\nEF 20 %, said 24 %",
    ]


def test_what_cannot_be_asked_is_said(toys, split):
    model = toys.estimates(table(TRUTH))

    with pytest.raises(BadInput, match=r"No film of films \(val\) knows its ef_percent; choose"):
        regress_ef.run(model, split(), split(np.full(2, np.nan)), 0)
    with pytest.raises(BadInput, match=r"does not estimate ef_percent, and too few films of films"):
        regress_ef.run(toys.says(content=lambda image: image), split([50.0]), split(), 0)

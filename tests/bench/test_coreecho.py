"""The bench of CoReEcho asks what the paper asks, of every method alike, and only once."""

import csv
from itertools import combinations
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from septum import runs
from septum.baselines import BASELINES
from septum.bench import coreecho
from septum.bench.coreecho import FOLDS, METHODS, SHARES, TRANSFERS, Bench, trainings
from septum.bench.published import COREECHO
from septum.bench.table import Setting
from septum.contract import BadInput, Metric, Record
from septum.data import SOURCES
from septum.models import MODELS


def bench(*data):
    return Bench(Setting(out=Path("none"), data=data, prepared=lambda *_: None))


def test_no_training_is_done_twice_nor_in_the_folder_of_another():
    found = trainings()
    folds = sum(count for count, _ in FOLDS.values())
    assert len(found) == len(METHODS) + 3 + 2 * len(SHARES) + len(TRANSFERS) * folds + 10
    assert [pair for pair in combinations(found, 2) if found[pair[0]] == found[pair[1]]] == []
    above = {str(parent) for name in found for parent in PurePosixPath(name).parents}
    assert above.isdisjoint(found)


def test_every_training_can_be_begun():
    found = trainings()
    for name, training in found.items():
        size = runs.sized(training.model, training.size)
        assert set(training.changes) <= {*vars(size.config)}
        if training.begin:
            assert [*found].index(training.begin) < [*found].index(name)


def test_methods_see_as_many_clips_of_the_same_length():
    recipes = [runs.sized(model, "small").recipe for model in METHODS]
    recipes.append(runs.sized("coreecho", "small_one_clip").recipe)
    assert {r.steps * r.batch_size * r.clip.per_film for r in recipes} == {96_000}
    assert len({(r.image_size, r.clip.frames, r.clip.stride) for r in recipes}) == 1
    assert set(METHODS) <= {*MODELS, *BASELINES}


def test_what_is_transferred_fits_the_encoders_it_begins_with():
    transferred = runs.sized("transferred", "small").config
    for model in ("coreecho", "echocotr"):
        config = runs.sized(model, "small").config
        for name in ("widths", "depths", "head_dim"):
            assert getattr(config, name) == getattr(transferred, name)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ((), {}),
        (("mine:echonet_dynamic",), {"echonet": "mine:echonet_dynamic"}),
        (("camus:beats",), {"camus": "camus:beats"}),
        (("mine:hmc_qu",), {"hmc_qu": "mine:hmc_qu"}),
    ],
)  # fmt: skip
def test_a_layout_says_which_part_a_data_set_plays(data, named):
    found = bench(*data)
    assert found.named == named
    assert found.has_stills() == ("camus:beats" in data)
    assert all(SOURCES[layouts[0]].drawn for layouts in coreecho.PARTS.values())


def test_every_published_number_stands_beside_one_of_ours(monkeypatch):
    names = {path for table in COREECHO.values() for of in table.values() for path in of}
    metric = Metric(value=1.0, low=0.0, high=2.0, unit="", n=3)
    names |= {"spearman", "mae", "mae/one_clip", "r2"}
    answer = SimpleNamespace(metrics=dict.fromkeys(names, metric))
    monkeypatch.setattr(Bench, "asked", lambda *_: Path("none"))
    monkeypatch.setattr(coreecho, "read", lambda _: answer)
    monkeypatch.setattr(coreecho, "_gain", lambda *_: {})
    monkeypatch.setattr(coreecho, "_pooled", lambda *_: answer.metrics)
    monkeypatch.setattr(coreecho, "rates_by_subject", lambda *_: answer.metrics)
    two = {"said": np.ones(2), "infarct": np.ones(2)}
    monkeypatch.setattr(coreecho, "cases", lambda _: ("ab", two))

    rows = coreecho.rows(Setting(out=Path("none"), data=(), prepared=lambda *_: None))

    beside = {
        (row["table"][:7], row["model"], row["metric"]): row["published"]
        for row in rows
        if row["published"] != ""
    }
    assert beside == {
        (table, model, path): value
        for table, of in COREECHO.items()
        for model, numbers in of.items()
        for path, value in numbers.items()
    }


def test_films_are_pooled_over_folds_by_quality_and_by_subject(tmp_path, monkeypatch):
    said = {"a": (50, 54), "b": (30, 36), "c": (60, 70)}
    quality = {"a": "Good", "b": "Poor", "c": "Medium"}
    records = [
        Record(id=f"{s}{k}", subject=s, image=Path("none"), labels={"quality": quality[s]})
        for s in said
        for k in range(2)
    ]
    folders = [
        _answered(tmp_path / name, [(f"{s}{k}", s, 40, said[s][k]) for s in name for k in (0, 1)])
        for name in ("ab", "c")
    ]
    everything = bench()
    monkeypatch.setattr(everything, "films", lambda _: SimpleNamespace(records=records))

    found = coreecho._pooled(everything, folders)

    assert found["mae"].value == pytest.approx(
        mean_absolute_error([40] * 6, sum(said.values(), ()))
    )
    assert found["mae/poor"].value == pytest.approx((10 + 4) / 2)
    assert found["mae/good"].value == pytest.approx((10 + 14 + 20 + 30) / 4)
    assert found["mae/subject"].value == pytest.approx((12 + 7 + 25) / 3)
    assert found["mae/subject"].n == 3


def test_a_gain_is_positive_where_our_error_is_the_smaller(tmp_path):
    truth = [30.0, 50.0, 70.0]
    ours = _answered(tmp_path / "a", [(s, s, t, t + 1) for s, t in zip("abc", truth, strict=True)])
    off = (4, 5, 6)
    theirs = _answered(
        tmp_path / "b", [(s, s, t, t - o) for s, t, o in zip("abc", truth, off, strict=True)]
    )
    found = coreecho._gain(ours, theirs)
    assert found["gain_mae"].value == pytest.approx((3 + 4 + 5) / 3)
    assert found["gain_mae"].n == 3
    assert found["p_value_mae"].value < 0.05
    fewer = _answered(tmp_path / "c", [("a", "a", 30.0, 31.0)])
    with pytest.raises(BadInput, match="asked of other cases"):
        coreecho._gain(ours, fewer)


def _answered(folder, rows):
    folder.mkdir()
    with (folder / "predictions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "subject", "ef_percent", "said"])
        table.writerows(rows)
    return folder

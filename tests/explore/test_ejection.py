"""Intervals of an ejection fraction, frames of a film, and where an estimate comes from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from septum.contract import Record
from septum.data import outline
from septum.explore import ejection, index
from septum.explore.ejection import Reference
from septum.explore.shown import shown
from septum.tasks import filmed

N = 29
NEW = Record(id="new", subject="new", image=Path("a"))


@pytest.fixture(scope="module")
def one(made, explored_root):
    return shown([made("coreecho")], cache=explored_root / "cache")[0]


def reference(*, off, spread, distance):
    """Films of as many subjects, whose EF is 50; the film that is asked about is the last."""
    return Reference(
        places=list(range(len(off))),
        records=[Record(id=f"{i}", subject=f"s{i}", image=Path("a")) for i in range(len(off))],
        truth=np.full(len(off), 50.0),
        estimate=50.0 + np.asarray(off, float),
        spread=np.asarray(spread, float),
        distance=np.asarray(distance, float),
    )


def test_an_interval_is_as_wide_as_nine_of_ten_errors_for_their_spread():
    known = reference(off=range(1, N + 1), spread=[1.0] * N, distance=[*range(N), 5.0])
    clips = np.array([57.0, 63.0])  # mean 60, standard deviation 3
    found = ejection.judged(known, clips, NEW, N)
    q = sorted(off / 2 for off in range(1, N + 1))[27 - 1]  # ⌈30 · 0.9⌉ = 27
    assert (found.low, found.high) == pytest.approx((60 - 4 * q, min(100, 60 + 4 * q)))
    assert (found.estimate, found.n, found.promise) == pytest.approx((60.0, N, 0.9))
    assert not found.abstains


def test_films_of_the_same_subject_do_not_calibrate():
    known = reference(off=[1] * N + [40] * 9, spread=[0.0] * (N + 9), distance=[1.0] * (N + 9))
    same = [Record(id=f"x{i}", subject="new", image=Path("a")) for i in range(9)]
    known = Reference(**{**vars(known), "records": [*known.records[:N], *same]})
    found = ejection.judged(known, np.array([50.0]), NEW, 0)
    assert (found.low, found.high, found.n) == (49.0, 51.0, N)


def test_a_film_that_is_farther_than_nearly_all_is_better_not_answered():
    known = reference(off=[1] * N, spread=[1.0] * N, distance=[*range(N), 27.5, 28.5])
    assert not ejection.judged(known, np.array([50.0]), NEW, N).abstains
    assert ejection.judged(known, np.array([50.0]), NEW, N + 1).abstains


def test_agreement_is_that_of_bland_and_altman():
    off = np.random.default_rng(0).normal(2, 5, N)
    found = reference(off=off, spread=[1.0] * N, distance=[0.0] * N).agreement()
    assert found["bias"].value == pytest.approx(off.mean())
    assert found["limit_low"].value == pytest.approx(off.mean() - 1.96 * off.std(ddof=1))
    assert found["limit_high"].value == pytest.approx(off.mean() + 1.96 * off.std(ddof=1))


def test_validation_films_are_asked_one_per_subject(one):
    shares: list[float] = []
    found = ejection.reference(one, index.build(one), shares.append)
    assert {record.split for record in found.records} == {"val"}
    assert len({record.subject for record in found.records}) == len(found.records) >= 2
    (clips,) = filmed.estimates(one.run.model, one.samples, [found.places[0]], "all", seed=0)
    assert found.estimate[0] == pytest.approx(clips.mean())
    assert found.spread[0] == pytest.approx(clips.std())
    assert found.truth[0] == found.records[0].labels["ef_percent"]
    assert np.isfinite(found.distance).all()
    assert shares[-1] == 1.0


def test_end_diastole_has_the_largest_outline(one):
    (diastole, systole), whose = ejection.phases(one, 0, None)
    outlines = one.records[0].outlines
    assert diastole.frame == outline.largest(outlines)
    assert systole.frame == min(outlines, key=lambda frame: outline.area(outlines[frame]))
    assert diastole.ventricle.sum() > systole.ventricle.sum() > 0
    assert whose == "as traced"


def test_a_run_on_stills_tells_the_phases_of_a_film_without_outlines(one, made, explored_root):
    bare = [replace(record, outlines={}) for record in one.records]
    about = replace(one.samples.about, records=bare)
    film = replace(one, samples=replace(one.samples, about=about))
    (first, last), whose = ejection.phases(film, 0, None)
    assert (first.frame, last.frame) == (0, film.length(0) - 1)
    assert "nobody says" in whose
    unet = shown([made("unet")], cache=explored_root / "cache")[0]
    (diastole, systole), whose = ejection.phases(film, 0, unet)
    assert unet.title in whose or first.ventricle is None
    if diastole.ventricle is not None:
        assert diastole.ventricle.sum() >= systole.ventricle.sum()
        assert diastole.ventricle.shape == film.frame(0).shape


def test_heat_is_held_against_the_ventricle(one):
    pytest.importorskip("captum")
    found = ejection.explained(one, 0)
    inside = one.batch(0).mask[0].numpy() == 1
    assert found.chance == pytest.approx(inside.mean())
    assert set(found.heat) >= {"saliency"}
    assert all(0 <= share <= 1 for share in found.focus.values())
    assert found.frames.shape == found.heat["saliency"].shape


def test_a_strip_is_orange_above_zero_and_blue_below():
    frames = np.full((2, 4, 4), 0.5, np.float32)
    heat = np.zeros((2, 4, 4), np.float32)
    heat[0], heat[1, :2] = 1.0, -1.0
    found = ejection.strip(frames, heat).astype(int)
    assert found.shape == (4, 8, 3)
    assert found[0, 0, 0] > found[0, 0, 2]
    assert found[0, 7, 2] > found[0, 7, 0]
    assert found[3, 7].tolist() == [128, 128, 128]

import math

import numpy as np
import pytest

from septum.tasks.factors import ANATOMY, AREA, CONTROL, LOOK, shared


def one_each(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def column(name: str, values) -> list[dict]:
    """Facts of images that know this one only; None is unknown."""
    return [{} if value is None else {name: value} for value in values]


def ask(name: str, known, asked):
    return shared(column(name, known), one_each(len(known)), column(name, asked))


def test_numbers_are_quantities():
    [(here, there)] = ask("ef_percent", [40.0, 50.0, None, 60.0, 70.0], [55.0, 65.0])

    assert (here.name, here.classes) == ("ef_percent", ())
    assert here.values == pytest.approx([40, 50, math.nan, 60, 70], nan_ok=True)
    assert there.values.tolist() == [55, 65]


def test_texts_are_classes_and_those_of_few_subjects_are_none():
    known = ["A4C"] * 4 + ["A2C"] * 5 + ["PLAX"] * 3

    [(here, there)] = ask("view", known, ["A2C", "PLAX", "A4C", "SAX"])

    assert here.classes == there.classes == ("A2C", "A4C")
    assert here.values == pytest.approx([1] * 4 + [0] * 5 + [math.nan] * 3, nan_ok=True)
    assert there.values == pytest.approx([0, math.nan, 1, math.nan], nan_ok=True)


def test_a_class_that_one_subject_shows_often_is_that_of_one_subject():
    facts = column("view", ["A4C"] * 8 + ["A2C"] * 8)

    assert shared(facts, [*one_each(8), *["s0"] * 8], column("view", ["A2C", "A4C"])) == []


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ([150.0] * 6, [140.0, 150.0]),
        ([140.0, 150.0] * 3, [150.0, 150.0]),
        ([1.0, 2.0, 3.0, 4.0, *[None] * 5], [1.0, 2.0]),
        ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, None, None, None]),
        ([1.0, 2.0, 3.0], [1.0, 2.0]),
        ([""] * 6, ["", ""]),
        (["low", "high"] * 4, [1.0, 2.0]),
        ([math.nan] * 6, [1.0, 2.0]),
    ],
    ids=[
        "the same everywhere",
        "the same in the tested split",
        "unknown to most",
        "unknown to most tested",
        "of three subjects",
        "without a name",
        "another kind in the tested split",
        "not a number",
    ],
)
def test_nothing_is_asked_where_there_is_nothing_to_tell(known, asked):
    assert ask("gain_db", known, asked) == []


def test_factors_come_in_their_order_and_other_labels_are_left_alone():
    rng = np.random.default_rng(0)
    names = ("speckle_seed", "gain_db", AREA, "cycle", "ef_percent")
    facts = [dict(zip(names, rng.random(5).tolist(), strict=True)) for _ in range(6)]

    found = shared(facts, one_each(6), facts)

    assert [here.name for here, _ in found] == ["ef_percent", AREA, "gain_db", "speckle_seed"]


def test_no_fact_is_in_two_groups():
    names = [*ANATOMY, *LOOK, *CONTROL]

    assert len(names) == len(set(names))

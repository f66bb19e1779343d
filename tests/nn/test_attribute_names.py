"""Which labels are meant, which of them can be learnt, and on what scale."""

import logging
import math
from pathlib import Path

import pytest
import torch

from septum.contract import BadInput, Batch, Record
from septum.nn.attribute_names import resolved, scaled

COUNT = 20


class Facts:
    """Samples that are nothing but their labels, one column by name."""

    name, split, classes = "facts", "train", ("background",)

    def __init__(self, **columns):
        self.records = [
            Record(
                id=f"{i}", subject=f"{i // 2}", image=Path("none"),
                labels={k: v[i] for k, v in columns.items() if v[i] is not None},
            )
            for i in range(COUNT)
        ]  # fmt: skip

    def batch(self, indices):
        raise NotImplementedError


RISING = [float(i) for i in range(COUNT)]
WAVY = [math.sin(float(i)) for i in range(COUNT)]
FLAT = [3.0] * COUNT


def gaps(column, *unknown):
    return [None if i in unknown else v for i, v in enumerate(column)]


def test_a_name_means_the_label_with_its_unit_and_its_range():
    found = resolved("wall, area", Facts(area_mm2=RISING, wall_mm=WAVY, other_px=WAVY))
    assert found.names == ("wall_mm", "area_mm2")
    assert found.low == (min(WAVY), 0.0)
    assert found.high == (max(WAVY), 19.0)
    assert found.remarks == ()


@pytest.mark.parametrize("unit", ["", "_px", "_mm", "_mm2", "_ml", "_voxels"])
def test_every_unit_is_found(unit):
    assert resolved("size", Facts(**{f"size{unit}": RISING})).names == (f"size{unit}",)


def test_an_exact_name_needs_no_unit():
    assert resolved("size_px", Facts(size_px=RISING)).names == ("size_px",)


def test_of_several_units_the_one_that_most_images_have_is_taken_and_mm_of_as_many():
    common, rare = gaps(RISING, 3), gaps(RISING, *range(12))
    assert resolved("size", Facts(size_mm2=rare, size_px=common)).names == ("size_px",)
    assert resolved("size", Facts(size_px=RISING, size_mm2=RISING)).names == ("size_mm2",)


def test_the_area_of_a_volume_is_its_volume():
    facts = Facts(scar_volume_ml=RISING, wall_volume_voxels=WAVY, cavity_area_px=WAVY)
    assert resolved("scar_area,wall_area", facts).names == ("scar_volume_ml", "wall_volume_voxels")
    assert resolved("cavity_area", facts).names == ("cavity_area_px",)


def test_nothing_asked_is_nothing_found():
    assert resolved("", Facts(size=RISING)).names == ()
    assert resolved(" , ", Facts(size=RISING)).names == ()


def test_a_name_asked_twice_is_one():
    assert resolved("size,size_px", Facts(size_px=RISING)).names == ("size_px",)


def test_what_teaches_nothing_is_left_out_with_a_sentence_and_the_rest_stays(caplog):
    facts = Facts(a_px=RISING, flat=FLAT, twice=[2 * v for v in RISING], c=gaps(WAVY, 0, 1, 2))
    with caplog.at_level(logging.WARNING, logger="septum"):
        found = resolved("a,flat,twice,c", facts)
    assert found.names == ("a_px", "c")
    assert tuple(caplog.messages) == found.remarks
    for remark, words in zip(
        found.remarks, (["flat", "3"], ["twice", "a_px"], ["c", "3 of 20"]), strict=True
    ):
        assert all(word in remark for word in words)
    assert (found.low[1], found.high[1]) == (min(WAVY[3:]), max(WAVY[3:]))


def test_values_that_are_no_numbers_are_unknown():
    column = [math.nan, math.inf, "?", *RISING[3:]]
    found = resolved("size", Facts(size=column))
    assert (found.low, found.high) == ((3.0,), (19.0,))
    assert "3 of 20" in found.remarks[0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("length", "No image of facts .train. has the attribute 'length'; choose among flat, size"),
        ("sex", "'sex' of facts .train. is a text, .* choose among flat, size"),
        ("flat", "No attribute of facts .train. is left to learn from: flat"),
    ],
)
def test_names_that_cannot_be_learnt_are_refused_with_a_sentence(asked, said):
    facts = Facts(size=RISING, flat=FLAT, sex=["F"] * COUNT)
    with pytest.raises(BadInput, match=said):
        resolved(asked, facts)


def test_attributes_lie_between_0_and_1_on_the_range_and_may_lie_beyond():
    batch = Batch(image=torch.zeros(3, 1, 2, 2), labels={"a": torch.tensor([2.0, torch.nan, 12.0])})
    found = scaled(batch, ["b", "a"], low=[0.0, 2.0], high=[1.0, 7.0])
    assert found.shape == (3, 2)
    assert found[:, 0].isnan().all()
    assert found[:, 1].isnan().tolist() == [False, True, False]
    assert found[[0, 2], 1].tolist() == [0.0, 2.0]

import math

import pytest

from septum.report import words


def test_not_a_number_is_a_dash():
    assert words.number(math.nan) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dice_slice/joint", "Dice by slice, as published, all as one"),
        ("hd95_px/right_ventricle", "HD95, right ventricle"),
        ("dice_kept/cine_to_LGE", "Dice of the masks before and after, cine to LGE"),
        ("accuracy/z0", "accuracy, z0"),
        ("labelled/kl", "labelled, KL"),
    ],
)
def test_paths_read_as_words(name, said):
    assert words.readable(name) == said


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("dice_loss/both/k5", "lower"),
        ("hd95_mm/apex", "lower"),
        ("dice_kept/a_to_b", "higher"),
        ("variance/z3", ""),
        ("volume_ml/left_ventricle/true", ""),
    ],
)
def test_which_way_is_better(name, way):
    assert words.better(name) == way

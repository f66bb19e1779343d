"""How the images of a run were read, from their folder or from their names."""

import json
from dataclasses import replace

import pytest

from septum import runs
from septum.predict import card as cards


@pytest.fixture(scope="module")
def run(trained):
    return runs.load(trained("unet"))


@pytest.mark.parametrize(
    ("data", "slices", "axial"),
    [("phantom", False, False), ("acdc", True, False), ("mmwhs", True, True)],
)
def test_a_folder_says_how_it_is_read(data, slices, axial, run, root):
    card = cards.read(replace(run, data=data), root)
    assert (card.slices, card.axial) == (slices, axial)
    assert cards.from_dict(json.loads(json.dumps(cards.as_dict(card)))) == card


def test_without_a_folder_the_names_of_layouts_say_it(run, tmp_path):
    card = cards.found(replace(run, data="mine:acdc"), None)
    assert (card.slices, card.field_mm is not None) == (True, True)
    assert cards.found(replace(run, data="mine"), tmp_path) == cards.Card()


def test_data_sets_that_differ_agree_on_nothing_but_the_rest(run):
    card = cards.guess(replace(run, data="acdc+phantom"))
    assert (card.slices, card.field_mm) == (False, None)


def test_merged_structures_have_the_names_of_their_groups(run):
    grouped = replace(run, groups={"heart": ("left_ventricle", "myocardium")})
    assert cards.guess(grouped).classes == ("background", "heart")

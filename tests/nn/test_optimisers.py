"""Parameters in groups of one rate each."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from septum.contract import BadInput, Phase, Recipe
from septum.nn.lars import LARS
from septum.nn.madgrad import MADGRAD
from septum.nn.optimisers import of_phase

RECIPE = Recipe(data="toy", steps=1, lr=0.25, weight_decay=0.5)
KINDS = {"adamw": torch.optim.AdamW, "lars": LARS, "madgrad": MADGRAD}


def phase(*rates, count=5, **fields):
    """A phase of vectors, the first of which has one number, the next two, and so on."""
    parameters = [nn.Parameter(torch.ones(1 + i)) for i in range(count)]
    return Phase(name="main", parameters=parameters, loss=lambda *_: {}, rates=rates, **fields)


def sizes(optimiser):
    """The vectors of every group, by their lengths."""
    return [[len(p) for p in group["params"]] for group in optimiser.param_groups]


@pytest.mark.parametrize("name", KINDS)
def test_parameters_of_one_rate_are_a_group_the_highest_rate_first(name):
    asked = phase(0.1, 1.0, 0.5, 1.0, 0.1)

    found = of_phase(asked, replace(RECIPE, optimiser=name))

    assert isinstance(found, KINDS[name])
    assert [group["rate"] for group in found.param_groups] == [1.0, 0.5, 0.1]
    assert sizes(found) == [[2, 4], [3], [1, 5]]
    grouped = [p for group in found.param_groups for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, asked.parameters))


@pytest.mark.parametrize("name", KINDS)
def test_without_rates_there_is_one_group(name):
    found = of_phase(phase(), replace(RECIPE, optimiser=name))

    assert sizes(found) == [[1, 2, 3, 4, 5]]
    assert found.param_groups[0]["rate"] == 1.0


@pytest.mark.parametrize("name", KINDS)
def test_every_group_has_what_the_recipe_says(name):
    found = of_phase(phase(1.0, 0.5, count=2), replace(RECIPE, optimiser=name))

    assert [group["lr"] for group in found.param_groups] == [0.25] * 2
    assert [group["weight_decay"] for group in found.param_groups] == [0.5] * 2


def test_every_group_has_the_betas_of_its_phase():
    found = of_phase(phase(1.0, 0.5, count=2, betas=(0.5, 0.9)), RECIPE)

    assert [group["betas"] for group in found.param_groups] == [(0.5, 0.9)] * 2


@pytest.mark.parametrize("rates", [(1.0,), (1.0, 0.5, 0.25)])
def test_rates_of_other_parameters_are_an_error(rates):
    with pytest.raises(ValueError, match="argument 2 is"):
        of_phase(phase(*rates, count=2), RECIPE)


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(BadInput, match="the optimiser sgd; use adamw, lars or madgrad"):
        of_phase(phase(), replace(RECIPE, optimiser="sgd"))

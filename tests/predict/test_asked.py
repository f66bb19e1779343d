"""Every question that a model can be asked, in batches, and what becomes of the answers."""

import numpy as np
import pytest
import torch

from septum import runs
from septum.data.prepare import prepare_many
from septum.predict import asked
from septum.tasks import filmed


def said(run, samples):
    return asked.joined([*asked.ask(run.model, samples)])


@pytest.mark.slow
def test_an_ejection_fraction_is_the_mean_of_clips_all_over_the_film(trained, films, cache):
    run = runs.load(trained("coreecho", "echonet_dynamic"))
    images = prepare_many(["echonet_dynamic"], films, size=(64, 96), cache=cache)
    val = runs.as_seen(run, images).split("val")
    found = said(run, val)
    places = range(len(val.records))
    expected = filmed.estimates(run.model, val, places, "all", seed=0)
    for place in places:
        some = asked.between(found, place, place + 1)
        assert np.allclose(some.numbers["ef_percent"], expected[place], atol=1e-4)
        assert len(some.pooled) == len(expected[place]) > 1


@pytest.fixture(scope="module")
def stills(root, cache):
    return prepare_many(["phantom"], root, size=(64, 96), cache=cache).split("all")


def test_a_mask_is_the_likeliest_class_in_any_batch(trained, stills):
    run = runs.load(trained("unet"))
    found = said(run, stills)
    assert len(found.masks) == len(stills.records) > asked.frozen.BATCH
    alone = run.model.segment(stills.batch([33]).image).argmax(1)
    assert np.array_equal(found.masks[33], alone[0].numpy())
    assert np.array_equal(asked.between(found, 33, 34).masks, alone.numpy())


def test_concepts_are_those_that_are_likeliest(trained, stills):
    run = runs.load(trained("concept_vae"))
    found = said(run, stills)
    content = run.model.encode(stills.batch([0]).image).content
    assert np.array_equal(found.cells[0], content[0].argmax(0).numpy())
    assert found.masks is None
    assert (found.numbers, found.shares, found.proxies) == ({}, {}, {})


def test_only_what_a_reference_needs_is_asked_of_it(trained, stills):
    run = runs.load(trained("unet"))
    (one, *_) = asked.ask(run.model, stills, everything=False)
    assert one.masks is None
    whole = run.model.encode(stills.batch(range(32)).image).pooled
    assert torch.allclose(one.pooled, whole.double(), atol=1e-5)

"""Structures and channels as layers."""

import numpy as np
import pytest
import torch

from septum.contract import Features
from septum.explore import layers, shown


class Anatomy:
    """Content as it is given."""

    def __init__(self, content):
        self.content = torch.tensor(content)[None]

    def phases(self):
        return []

    def after_step(self, progress):
        del progress

    def encode(self, image):
        del image
        return Features(content=self.content, style=None, pooled=self.content.flatten(1))


IMAGE = torch.zeros(1, 1, 1, 3)


def test_every_structure_is_a_layer_and_the_background_is_none():
    found = layers.of_classes(np.array([[0, 1, 2, 2]]), ["background", "left_atrium", "wall"])
    assert [layer.name for layer in found] == ["1 left atrium", "2 wall"]
    assert [layer.share for layer in found] == [0.25, 0.5]
    assert found[1].inside.tolist() == [[False, False, True, True]]
    assert len({layer.colour for layer in found}) == 2


def test_channels_of_an_anatomy_are_layers_that_are_off_at_first():
    found = layers.of_content(Anatomy([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]]), IMAGE)
    assert [layer.name for layer in found] == ["s0", "s1"]
    assert [layer.inside.tolist() for layer in found] == [
        [[True, False, False]],
        [[False, True, True]],
    ]
    assert not any(layer.at_first for layer in found)


@pytest.mark.parametrize("content", [[[[0.5, 0.0, 1.0]]], [[[1.0, 0.0]]]])
def test_content_that_is_no_anatomy_is_no_layer(content):
    assert layers.of_content(Anatomy(content), IMAGE) == []


def test_layers_tint_the_picture_and_a_later_one_covers():
    frame = np.full((1, 3), 100, np.uint8)
    both = [
        layers.Layer(name="a", colour="#ffffff", inside=np.array([[True, True, False]])),
        layers.Layer(name="b", colour="#000000", inside=np.array([[False, True, False]])),
    ]
    drawn = layers.over(frame, both, opacity=1.0)
    # tints are 0.55 opaque: 0.45 * 100 + 0.55 * 255, and 0.45 * 100
    assert drawn[0, :, 0].tolist() == [185, 45, 100]
    assert layers.over(frame, both, opacity=0.0)[0, :, 0].tolist() == [100, 100, 100]
    assert layers.over(frame, [], opacity=1.0) is frame


def test_a_run_is_asked(made, explored_root):
    run = shown.shown([made("unet")], cache=explored_root / "cache")[0]
    found = layers.asked(run, 3)
    assert len(found) == len(run.samples.classes) - 1
    p = run.run.model.segment(run.batch(3).image)[0]
    assert sum(layer.share for layer in found) == pytest.approx(
        float((p.argmax(0) > 0).float().mean())
    )


def test_classes_that_the_images_do_not_have_are_numbered(made, explored_root):
    run = shown.shown([made("unet")], cache=explored_root / "cache")[0]
    assert layers.names(run, 2) == ["class 0", "class 1"]
    assert layers.names(run, len(run.samples.classes)) == list(run.samples.classes)

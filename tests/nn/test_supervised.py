import pytest
import torch

from septum.contract import BadInput, Batch
from septum.nn import supervised


@pytest.fixture
def batch():
    mask = torch.tensor([0, -1, 2, -1])[:, None, None].expand(4, 16, 16).clone()
    image = torch.arange(4.0)[:, None, None, None].expand(4, 1, 16, 16)
    labels, texts = {"x": torch.arange(4.0)}, {"organ": ["heart", "breast", "", "liver"]}
    return Batch(image=image, mask=mask, labels=labels, texts=texts, ids=list("abcd"))


def test_images_are_told_apart_by_their_masks(batch):
    known, bare = supervised.annotated(batch), supervised.others(batch)
    assert (list(known.ids), list(bare.ids)) == (["a", "c"], ["b", "d"])
    assert known.labels["x"].tolist() == [0, 2]
    assert known.texts == {"organ": ["heart", ""]}
    assert bare.texts == {"organ": ["breast", "liver"]}
    assert bare.image[:, 0, 0, 0].tolist() == [1, 3]


def test_a_batch_without_masks_has_no_annotated_image(batch):
    bare = Batch(image=batch.image, ids=batch.ids)
    assert len(supervised.annotated(bare).image) == 0
    assert len(supervised.others(bare).image) == 4


def test_the_background_and_the_unknown_are_no_structure():
    maps = supervised.structures(torch.tensor([[[0, 1], [3, -1]]]), 3)
    assert maps[0].flatten(1).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]


def test_an_angle_of_0_leaves_a_batch_alone(batch):
    assert supervised.turned(batch, 0.0) is batch


class Images:
    name, split, records = "some", "train", ()

    def __init__(self, classes, size):
        self.classes, self.size = classes, size

    def batch(self, indices):
        return Batch(image=torch.zeros(len(indices), 1, *self.size))


def test_the_images_decide():
    found = supervised.learns_from(Images(("background", "a", "b"), (32, 48)), multiple=16)
    assert found == (2, (32, 48))


@pytest.mark.parametrize(
    ("classes", "size", "message"),
    [(("background",), (32, 32), "no masks"), (("background", "a"), (32, 40), "multiples of 16")],
)
def test_images_that_do_not_fit_are_refused(classes, size, message):
    with pytest.raises(BadInput, match=message):
        supervised.learns_from(Images(classes, size), multiple=16)

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from septum.contract import Record
from septum.nn import finetuning
from septum.nn.vit import Vit, VitConfig

TINY = VitConfig(patch_px=8, width=16, depth=3, heads=2, organs=2, deforms=True)


@dataclass(frozen=True)
class Images:
    """Images that say these organs; None where one says nothing."""

    organs: list[str | None]
    name, split, classes = "some", "train", ("background",)

    @property
    def records(self):
        labels = [{} if organ is None else {"organ": organ} for organ in self.organs]
        return [Record(id="", subject="", image=Path(), labels=of) for of in labels]

    def batch(self, indices):
        raise NotImplementedError


def test_layers_of_three_blocks_have_the_rates_computed_by_hand():
    model = torch.nn.Module()
    model.encoder, model.head = Vit(TINY), torch.nn.Linear(16, 2)
    names = [name for name, _ in model.named_parameters()]
    found = dict(zip(names, finetuning.rates(names, depth=3, decay=0.5), strict=True))

    assert {name for name, rate in found.items() if rate == 1 / 16} == {
        "encoder.cls", "encoder.mask_token", "encoder.patches.weight", "encoder.patches.bias",
    }  # fmt: skip
    assert {name for name, rate in found.items() if rate == 1} == {
        "encoder.norm.weight", "encoder.norm.bias", "head.weight", "head.bias",
    }  # fmt: skip
    for block, rate in enumerate((1 / 8, 1 / 4, 1 / 2)):
        inside = {found[name] for name in names if name.startswith(f"encoder.blocks.{block}.")}
        assert inside == {rate}


def test_the_tenth_block_is_the_tenth():
    names = [f"encoder.blocks.{block}.norm1.bias" for block in (1, 10)]
    assert finetuning.rates(names, depth=12, decay=0.65) == pytest.approx([0.65**11, 0.65**2])


@pytest.mark.parametrize(
    ("organs", "table", "expected"),
    [
        (["lung", "lung"], (), ("lung", ("lung",))),
        (["lung", "lung"], ("heart", "lung"), ("lung", ("heart", "lung"))),
        (["lung", "lung"], ("heart",), ("lung", ("heart", "lung"))),
        (["lung", "hip"], ("heart", "lung"), ("", ("heart", "lung"))),
        (["lung", None], ("lung",), ("", ("lung",))),
        ([None, None], (), ("", ())),
    ],
)
def test_the_organ_is_the_one_that_all_images_show(organs, table, expected):
    assert finetuning.table(table, Images(organs)) == expected


def test_an_organ_is_told_to_every_image_alike_and_an_unknown_one_to_none():
    image = torch.zeros(2, 1, 8, 8)
    assert finetuning.named("lung", ("heart", "lung"), image).tolist() == [[0, 1], [0, 1]]
    assert finetuning.named("", ("heart", "lung"), image).tolist() == [[0, 0], [0, 0]]
    assert finetuning.named("", (), image).shape == (2, 0)

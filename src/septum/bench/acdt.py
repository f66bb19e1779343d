"""What deforming costs: a step of an ACDT block beside one of the plain ViT block of its size.

A step is the block forwards and backwards, in the precision of the recipes, on one core. On
processors samples are gathered by rows (`septum.nn.sampling`); on other devices it is one
`grid_sample`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from septum.bench import timing
from septum.bench.table import Row, Setting
from septum.nn.acdt import AcdtBlock
from septum.nn.vit import Block

SIZES = {"tiny": (192, 3, 8, 64), "ViT-S/16": (384, 6, 14, 8), "ViT-B/16": (768, 12, 14, 4)}
"""Width, heads, cells of a side, images."""
ORGANS = 9
TURNS, ROUNDS = 10, 3


def rows(setting: Setting) -> Sequence[Row]:
    """Seconds of either block, and how many times faster ours is: below 1, since it does more.

    A row has `name`, `value`, `low`, `high` (95 % of the resampled statistic), `unit`, `n`.
    """
    del setting
    return [
        row
        for size in SIZES
        for row in timing.side_by_side(f"ACDT block of {size}", seconds, size, rounds=ROUNDS)
    ]


def seconds(side: str, size: str) -> list[float]:
    """How long a step takes on one core, turn after turn."""
    torch.set_num_threads(1)
    step = stepping(side, size)
    return [timing.seconds(step) for _ in range(TURNS + 2)][2:]


def stepping(side: str, size: str) -> Callable[[], None]:
    """A step of the plain block, or of ours with displacements that are not zero."""
    width, heads, cells, images = SIZES[size]
    torch.manual_seed(0)
    tokens = torch.randn(images, 1 + cells**2, width, requires_grad=True)
    organ = torch.eye(ORGANS)[torch.arange(images) % ORGANS]
    plain = Block(width=width, heads=heads)
    ours = AcdtBlock(width=width, heads=heads, organs=ORGANS, reach=4.0)
    for moves in ours.displace[-1].parameters():
        nn.init.normal_(moves, std=0.1)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            found = plain(tokens) if side == "plain" else ours(tokens, (cells, cells), organ)
        found.float().square().mean().backward()

    return step

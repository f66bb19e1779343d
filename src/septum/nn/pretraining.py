"""Sizes and schedules that A-ViT and its baselines share: equal networks, images and steps.

The publication of A-ViT states ViT-B/16 and no schedule. Optimiser, rates and warm-up are those of
MAE (He et al., arXiv:2111.06377, Table 8), for 1.5e-4 per 256 images.
"""

from collections.abc import Mapping
from dataclasses import replace

from septum.contract import Recipe
from septum.nn.vit import VitConfig

BETAS = (0.9, 0.95)

VITS: Mapping[str, VitConfig] = {
    "tiny": VitConfig(patch_px=8, width=192, depth=6, heads=3),
    "small": VitConfig(width=384, heads=6),
    "paper": VitConfig(),
}

_TINY = Recipe(
    data="ultrasound", steps=1_000, batch_size=64, balanced="organ", image_size=(64, 64), lr=5e-4,
    weight_decay=0.05, warmup_steps=50, final_lr=0.002, clip_norm=3.0,
)  # fmt: skip
_SMALL = replace(
    _TINY, steps=50_000, batch_size=256, image_size=(224, 224), lr=1.5e-4, warmup_steps=2_500
)
RECIPES: Mapping[str, Recipe] = {
    "tiny": _TINY,
    "small": _SMALL,
    "paper": replace(_SMALL, batch_size=1024, lr=6e-4),
}

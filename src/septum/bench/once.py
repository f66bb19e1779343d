"""What a bench has trained or asked once, it does not do again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from septum import runs
from septum.bench.table import Setting
from septum.data import SOURCES
from septum.data.prepared import Prepared


def trained(
    setting: Setting,
    name: str,
    model: str,
    images: Prepared,
    *,
    size: str = "small",
    changes: Mapping[str, Any] | None = None,
    begin: Path | None = None,
) -> Path:
    """The run OUT/NAME, finished: trained now, or taken up where it was left."""
    out = setting.out / name
    if not (out / "model.safetensors").is_file():
        runs.train(
            model, images, out, size=size, steps=setting.steps, seed=setting.seed, resume=True,
            changes=changes, begin=begin,
        )  # fmt: skip
    return out


def asked(
    setting: Setting,
    run: Path,
    task: str,
    images: Prepared,
    where: str = "",
    *,
    split: str = "test",
) -> Path:
    """The folder of what a run answers on the tested subjects of these images."""
    out = run / "evaluate" / (where or task)
    if not (out / "metrics.json").is_file():
        opened = runs.load(run, device=runs.device())
        runs.evaluate(opened, task, images, out, split=split, seed=setting.seed)
    return out


def drawn(setting: Setting, layout: str, subjects: int) -> Path:
    """OUT/data, where so many phantom subjects lie in the folder LAYOUT, in that layout."""
    root = setting.out / "data"
    if not (root / layout).is_dir():
        draw = SOURCES[layout].drawn
        assert draw is not None
        fresh = root / f".{layout}"  # a folder of that name is whole
        fresh.mkdir(parents=True)
        draw(fresh, subjects, setting.seed)
        fresh.rename(root / layout)
    return root

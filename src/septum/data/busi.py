"""BUSI: breast ultrasound, benign and malignant lesions and normal breasts, as published.

    Dataset_BUSI_with_GT/benign/benign (1).png          the picture, grey saved in colour
    Dataset_BUSI_with_GT/benign/benign (1)_mask.png     0 and 255, or 0 and 1; black where normal
    Dataset_BUSI_with_GT/benign/benign (1)_mask_1.png   another lesion of it; _mask_2.png, ...

`malignant/` and `normal/` are alike; the three may also lie in the folder itself. Which images are
of one patient has not been published: here each is its own subject, and since the set holds
near-duplicates, also across classes, one looks at it twice, as it is and without them
(`septum.data.unique`). There are no published splits.

Al-Dhabyani et al., Data in Brief 2020, doi:10.1016/j.dib.2019.104863; what is wrong with it:
Pawłowska et al., Data in Brief 2023, doi:10.1016/j.dib.2023.109247.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from scipy import ndimage

from septum.contract import BadInput, Record, Source
from septum.data.read import inside

HOME = "Dataset_BUSI_with_GT"
KINDS = ("benign", "malignant", "normal")
NAME = re.compile(r"(?P<image>\w+ \((?P<number>\d{1,6})\))(?P<mask>_mask(?:_(?P<part>\d{1,3}))?)?")


def records(folder: Path) -> Iterator[Record]:
    """Every picture, kind by kind, in the order of its number; its masks are one.

    Raises:
        BadInput: There is no picture, or a mask without one.
    """
    home = folder / HOME if (folder / HOME).is_dir() else folder
    found = [record for kind in KINDS for record in _kind(home, kind)]
    if not found:
        raise BadInput(
            f"{folder} holds no {HOME}/benign/benign (1).png and the like; fetch BUSI from "
            f"{SOURCE.url} and unpack it there, or draw a miniature with `septum data sketch`."
        )
    yield from found


def sketch(folder: Path) -> None:
    """Write two pictures of every kind: ellipses in speckle, two lesions in one of them."""
    rng = np.random.default_rng(0)
    for kind in KINDS:
        (folder / HOME / kind).mkdir(parents=True)
        for number, shape in enumerate(((96, 110), (120, 130)), start=1):
            stem = folder / HOME / kind / f"{kind} ({number})"
            lesions = _lesions(shape, number, rng) if kind != "normal" else [np.zeros(shape, bool)]
            _write(stem, _picture(np.logical_or.reduce(lesions), rng), lesions)


def _kind(home: Path, kind: str) -> Iterator[Record]:
    pictures: dict[int, Path] = {}
    masks: dict[int, dict[int, Path]] = {}
    for path in (home / kind).glob(f"{kind} (*.png"):
        if name := NAME.fullmatch(path.stem):
            safe, number = inside(home, f"{kind}/{path.name}"), int(name["number"])
            if name["mask"]:
                masks.setdefault(number, {})[int(name["part"] or 0)] = safe
            else:
                pictures[number] = safe
    if lost := sorted(masks.keys() - pictures.keys()):
        raise BadInput(
            f"{home / kind} has a mask of {kind} ({lost[0]}) and not its picture; fetch it again."
        )
    for number, path in sorted(pictures.items()):
        parts = [mask for _, mask in sorted(masks.get(number, {}).items())]
        yield Record(
            id=f"{kind}_{number:03d}",
            subject=f"{kind}_{number:03d}",
            image=path,
            mask=parts[0] if parts else None,
            more_masks=tuple(parts[1:]),
            labels={"modality": "US", "label": kind},
        )


def _lesions(
    shape: tuple[int, int], count: int, rng: np.random.Generator
) -> list[Bool[np.ndarray, "h w"]]:
    """Ellipses side by side."""
    y, x = np.indices(shape) / np.array(shape)[:, None, None]
    middles = zip(rng.uniform(0.3, 0.7, count), (np.arange(count) + 0.5) / count, strict=True)
    return [np.hypot((y - row) / 0.2, (x - column) * count / 0.3) < 1 for row, column in middles]


def _picture(lesion: Bool[np.ndarray, "h w"], rng: np.random.Generator) -> UInt8[np.ndarray, "h w"]:
    speckle = ndimage.gaussian_filter(rng.rayleigh(1.0, lesion.shape), 1.0)
    depth = np.linspace(1.0, 0.6, len(lesion))[:, None]
    grey = 150 * depth * speckle / speckle.mean() * np.where(lesion, 0.3, 1.0)
    grey[:, :5] = grey[:, -5:] = 0  # the frame of the screen
    return grey.clip(0, 255).astype(np.uint8)


def _write(
    stem: Path, grey: UInt8[np.ndarray, "h w"], lesions: list[Bool[np.ndarray, "h w"]]
) -> None:
    """The picture in colour, as published; of several masks the last is in colour, too."""
    Image.fromarray(grey).convert("RGB").save(stem.with_name(f"{stem.name}.png"))
    for part, lesion in enumerate(lesions):
        mask = Image.fromarray(lesion.astype(np.uint8) * 255)
        end = f"_mask_{part}" if part else "_mask"
        (mask.convert("RGB") if part else mask).save(stem.with_name(f"{stem.name}{end}.png"))


SOURCE = Source(
    title="BUSI, breast ultrasound with benign and malignant lesions",
    url="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
    licence="free for research with citation",
    cite="Al-Dhabyani et al., Data in Brief 2020, doi:10.1016/j.dib.2019.104863",
    classes=("background", "lesion"),
    records=records,
    sketch=sketch,
    codes={1: 1, 255: 1},
    organ="breast",
)

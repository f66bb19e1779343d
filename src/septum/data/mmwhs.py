"""MM-WHS: whole hearts in CT and MR, seven structures.

    ct_train/ct_train_10NN_image.nii.gz   20 volumes, and mr_train/ likewise
    ct_train/ct_train_10NN_label.nii.gz   cavities 500 LV, 600 RV, 420 LA, 550 RA; 205 LV
                                          myocardium, 820 ascending aorta, 850 pulmonary artery
    ct_test/ct_test_20NN_image.nii.gz     without labels; optional, as is mr_test/

Files may also lie flat. One published label has stray voxels of 421 for 420. Volumes are turned to
axial slices, which lead from the feet to the head. All slices are read, also those below and above
the heart: which ones show it only the label tells, and an image to test has none. (Chartsias et al.
counted the slices that show the heart: 3,626 of MR and 2,580 of CT.) Zhuang and Shen, Medical Image
Analysis 2016, doi:10.1016/j.media.2016.02.006.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from septum.contract import BadInput, Record, Source
from septum.data import miniature, volume

CLASSES = (
    "background",
    "left_ventricle",
    "right_ventricle",
    "left_atrium",
    "right_atrium",
    "myocardium",
    "aorta",
    "pulmonary_artery",
)
CODES = {500: 1, 600: 2, 420: 3, 421: 3, 550: 4, 205: 5, 820: 6, 850: 7}
FOLDERS = ("ct_train", "mr_train", "ct_test", "mr_test")
NAME = re.compile(r"((ct|mr)_(train|test)_\d{4})_image\.nii(\.gz)?")
SAGITTAL = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
"""Axes of a file whose slices are sagittal: columns to the back, rows to the feet."""


def records(folder: Path) -> Iterator[Record]:
    """Every axial slice of every volume, CT before MR.

    Raises:
        BadInput: There is no volume; or one to train with lacks its label, or the two do not fit.
    """
    homes = [home for home in (folder, *(folder / n for n in FOLDERS)) if home.is_dir()]
    found = {m[1]: p.parent for home in homes for p in home.iterdir() if (m := _named(p))}
    if not found:
        raise BadInput(
            f"{folder} holds no ct_train_10NN_image.nii.gz; fetch MM-WHS from {SOURCE.url} and "
            "unpack it there, or draw a miniature with `septum data sketch`."
        )
    for name in sorted(found):
        yield from _slices(found[name], name)


def sketch(folder: Path) -> None:
    """Write two CT and two MR volumes with labels, the latter in sagittal slices, and one without.

    The seven structures are discs on the axial slices.
    """
    rng = np.random.default_rng(0)
    for part, number in (*((n, k) for n in FOLDERS[:2] for k in (1, 2)), ("ct_test", 1)):
        name = f"{part}_{1000 + number if 'train' in part else 2000 + number}"
        label = miniature.stack((6, 60, 64), DISCS, size=1 - 0.1 * number)
        image = miniature.paint(label, {0: 150.0, **LEVELS[part[:2]]}, rng)
        (folder / part).mkdir(exist_ok=True, parents=True)
        _write(folder / part / f"{name}_image.nii.gz", image, is_sagittal=part == "mr_train")
        if "train" in part:
            _write(folder / part / f"{name}_label.nii.gz", label, is_sagittal=part == "mr_train")


def _named(path: Path) -> re.Match[str] | None:
    return NAME.fullmatch(path.name) if path.is_file() else None


def _slices(home: Path, name: str) -> Iterator[Record]:
    image, mask = (volume.find(home, f"{name}_{kind}") for kind in ("image", "label"))
    assert image is not None
    if mask is None and "_train_" in name:
        raise BadInput(f"{home} lacks {name}_label.nii.gz; fetch the volume again.")
    if mask:
        volume.check_same(image, mask, axial=True)
    grid = volume.grid(image, axial=True)
    for place in range(grid.shape[1]):
        yield Record(
            id=f"{name}_z{place:03d}",
            subject=name,
            image=image,
            mask=mask,
            at=(place,),
            labels={
                "modality": name[:2].upper(),
                "plane": "axial",
                "volume": name,
                "slice": float(place),
                "n_slices": float(grid.shape[1]),
                "spacing_z_mm": grid.spacing_mm[0],
            },
        )


DISCS = {
    205: (0.55, 0.66, 0.22),
    500: (0.55, 0.66, 0.15),
    600: (0.36, 0.44, 0.15),
    550: (0.54, 0.25, 0.13),
    420: (0.8, 0.52, 0.14),
    820: (0.58, 0.44, 0.08),
    850: (0.22, 0.66, 0.09),
}
LEVELS = {
    "ct": {205: 220.0, 500: 450.0, 600: 350.0, 550: 350.0, 420: 450.0, 820: 450.0, 850: 400.0},
    "mr": {205: 90.0, 500: 400.0, 600: 400.0, 550: 380.0, 420: 380.0, 820: 420.0, 850: 420.0},
}


def _write(path: Path, voxels: Int16[np.ndarray, "z y x"], *, is_sagittal: bool) -> None:
    if is_sagittal:
        turned = voxels[::-1].transpose(2, 0, 1)
        miniature.write(path, turned, spacing_mm=(2.5, 4.0, 2.0), direction=SAGITTAL)
    else:
        miniature.write(path, voxels, spacing_mm=(4.0, 2.0, 2.5))


SOURCE = Source(
    title="MM-WHS whole-heart CT and MR, seven structures",
    url="https://zmiclab.github.io/zxh/0/mmwhs/",
    licence="for research, on registration",
    cite="Zhuang and Shen, Medical Image Analysis 2016, doi:10.1016/j.media.2016.02.006",
    classes=CLASSES,
    records=records,
    sketch=sketch,
    codes=CODES,
    organ="heart",
)

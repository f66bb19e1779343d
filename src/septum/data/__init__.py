"""Data sets, one file each. A new one is a new file and one line here."""

from pathlib import Path

from septum.contract import BadInput, Record, Source
from septum.data import (
    acdc,
    beats,
    busi,
    camus,
    camus_sequences,
    echonet_dynamic,
    emidec,
    hearts,
    hmc_qu,
    manifest,
    mmwhs,
    stacks,
    stills,
)
from septum.data.dicom import source as studies

SOURCES: dict[str, Source] = {
    "acdc": acdc.SOURCE,
    "beats": beats.SOURCE,
    "busi": busi.SOURCE,
    "camus": camus.SOURCE,
    "camus_sequences": camus_sequences.SOURCE,
    "dicom": studies.STILLS,
    "dicom_films": studies.FILMS,
    "echonet_dynamic": echonet_dynamic.SOURCE,
    "emidec": emidec.SOURCE,
    "hearts": hearts.SOURCE,
    "hmc_qu": hmc_qu.SOURCE,
    "mmwhs": mmwhs.SOURCE,
    "phantom": stills.SOURCE,
    "phantom_stacks": stacks.SOURCE,
}
"""Every layout that is read without a manifest, and the phantom."""


def open_source(
    name: str, root: Path, *, on_bad: manifest.OnBad = manifest.stop
) -> tuple[Source, list[Record]]:
    """The card and the records of a data set under a folder.

    Args:
        name: `NAME` is the folder `root/NAME`: with a `manifest.csv` in it that table is read,
            otherwise NAME must be a registered layout. `NAME:LAYOUT` names the layout itself.
        root: Holds one folder per data set.
        on_bad: Is told of every row of a manifest that cannot be used.

    Raises:
        BadInput: There is no such folder, layout or image.
    """
    folder_name, _, layout = name.partition(":")
    folder = _folder(folder_name, root)
    if not layout and (folder / manifest.TABLE).is_file():
        source, records = manifest.source(folder), manifest.records(folder, on_bad)
    else:
        source = _layout(layout or folder_name, folder)
        records = source.records(folder)
    found = list(records)
    if not found:
        raise BadInput(f"{folder} holds no usable image; fill it or name another data set.")
    return source, found


def _folder(name: str, root: Path) -> Path:
    if not root.is_dir():
        raise BadInput(f"The folder {root} is missing; name the one that holds the data sets.")
    if not name or not name.isprintable() or name in {".", ".."} or {"/", "\\"} & set(name):
        raise BadInput(f"{name!r} is no name of a data set; use the name of a folder in {root}.")
    if not (root / name).is_dir():
        there = sorted(path.name for path in root.iterdir() if path.is_dir())
        raise BadInput(
            f"There is no data set {name!r} in {root}; there is {', '.join(there[:20]) or 'none'}."
        )
    return root / name


def _layout(name: str, folder: Path) -> Source:
    if name not in SOURCES:
        raise BadInput(
            f"{folder} has no {manifest.TABLE} and {name!r} is no known layout; "
            f"add the table or name a layout of {', '.join(SOURCES)} as NAME:LAYOUT."
        )
    return SOURCES[name]

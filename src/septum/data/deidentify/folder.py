"""Every DICOM object of a folder without identity, and a report that holds none either.

OUT/anon-3f.../9b....dcm     one object; both names are keyed hashes
OUT/report.json              what was done to each, or why it was refused
OUT/sheet-1.png ...          what is left of the pictures
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from septum import __version__
from septum.checkpoint import write_bytes, write_json
from septum.contract import BadInput
from septum.data import dicom
from septum.data.deidentify import sheet
from septum.data.deidentify.instance import METHOD, Instance, deidentified
from septum.data.deidentify.picture import Unsure
from septum.data.deidentify.pseudonyms import Pseudonyms
from septum.data.deidentify.tags import Done

REPORT = "report.json"

Row = Mapping[str, Any]
"""What the report says of one input: its `number` and its `source`, a keyed hash of its path; then
where it was written and what was done, or why it was `refused`."""


def deidentify(source: Path, out: Path, names: Pseudonyms) -> Sequence[Row]:
    """Write what may be written of a folder, a file or a DICOMDIR; a bad file stops no other.

    The number of an input is its place in `septum.data.dicom.found(source)`, from 1.

    Raises:
        BadInput: There is nothing to read, or OUT is not a new or empty folder outside of it.
    """
    _check_out(source, out)
    paths = dicom.found(source)
    rows: list[Row] = []
    tiles: list[tuple[int, Image.Image]] = []
    try:
        for number, path in enumerate(paths, start=1):
            known = names.source(_relative(path, source))
            done = _tried(path, names)
            if isinstance(done, Instance):
                said = _written(done, out, known)
                tiles.append((number, sheet.tile(done.picture)))
            else:
                said = {"refused": done}
            rows.append({"number": number, "source": known, **said})
    finally:
        _report(rows, tiles, out)
    return rows


def refused(rows: Sequence[Row]) -> list[Row]:
    """Those of which nothing was written."""
    return [row for row in rows if "refused" in row]


def _check_out(source: Path, out: Path) -> None:
    home = source.resolve() if source.is_dir() else source.resolve().parent
    if source.is_dir() and out.resolve().is_relative_to(home):
        raise BadInput(f"{out} lies in {source}, which names patients; choose a folder outside.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is there already and not empty; choose a new folder.")


def _relative(path: Path, source: Path) -> Path:
    return path.relative_to(source if source.is_dir() else source.parent)


def _tried(path: Path, names: Pseudonyms) -> Instance | str:
    """The object, or why not: in words that do not name the file, whose path may name a patient."""
    try:
        return deidentified(path, names)
    except Unsure as error:
        return f"{error}."
    except BadInput as error:
        said = str(error).removeprefix(f"{path} ")
        is_nameless = not any(part in said for part in path.parts if len(part) > 3)
        return said if is_nameless else "cannot be read."
    except Exception:  # noqa: BLE001 - no header may end the run; what it raised may hold a name
        return "has a header that cannot be rewritten."


def _written(instance: Instance, out: Path, source: str) -> dict[str, Any]:
    path = out / str(instance.dataset.PatientID) / f"{source}.dcm"
    write_bytes(path, instance.data)
    if path.read_bytes() != instance.data:
        path.unlink()
        raise BadInput(f"{out} does not keep what is written to it; choose another disk.")
    return {
        "written": str(path.relative_to(out)),
        "pixels": _pixels(instance),
        "attributes": _by_action(instance.done),
    }


def _pixels(instance: Instance) -> dict[str, Any]:
    kept, frames = instance.picture.kept, instance.picture.frames
    t, h, w = frames.shape[:3]
    said: dict[str, Any] = {"frames": t, "height": h, "width": w, "blanked_share": 0.0}
    if kept is None:
        return said
    return said | {"blanked_share": round(1 - float(kept.mean()), 4), "kept_box": _box(kept)}


def _box(kept: Bool[np.ndarray, "h w"]) -> list[int]:
    """First row, first column, last row and last column of what was kept."""
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    return [int(side) for side in (rows[0], columns[0], rows[-1], columns[-1])]


def _by_action(done: Done) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (action, keyword), count in sorted(done.items()):
        found[action][keyword] = count
    return dict(found)


def _report(rows: Sequence[Row], tiles: Sequence[tuple[int, Image.Image]], out: Path) -> None:
    facts = {
        "septum": __version__,
        "method": METHOD,
        "actions": {"D": "dummy", "K": "kept", "U": "UID replaced", "X": "removed", "Z": "emptied"},
        "files": len(rows),
        "refused": len(refused(rows)),
        "rows": list(rows),
    }
    write_json(out / REPORT, facts)
    for number, png in enumerate(sheet.sheets(tiles), start=1):
        write_bytes(out / f"sheet-{number}.png", png)

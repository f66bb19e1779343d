"""A folder with a table: `manifest.csv`, `dataset.json`, and the files that the table names.

    dataset.json   name, title, modality, organ, license, citation, url, mask_classes {"1": "..."}
    manifest.csv   id, subject, image; optional split, mask; every other column is a label
    ...            images in grey; masks with one class index per pixel, same height and width;
                   or films, `.avi` or `.mp4`, whose mask is that of end-diastole

A column whose filled cells are all numbers is numeric, any other is text; an empty cell means
unknown. The modality of the card becomes a label of every record, unless a column says it; so does
its organ, once the images are prepared (`septum.contract.Source.organ`).
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from septum.contract import BadInput, Label, Record, Source
from septum.data import film, phantom
from septum.data.read import inside

TABLE = "manifest.csv"
CARD = "dataset.json"
MAX_TABLE_BYTES = 64 * 2**20
MAX_CARD_BYTES = 2**20
MAX_COLUMNS = 256
MAX_CLASSES = 127
REQUIRED = ("id", "subject", "image")
OWN = {*REQUIRED, "split", "mask"}

Row = Mapping[str, str]
OnBad = Callable[[BadInput], None]


def stop(problem: BadInput) -> NoReturn:
    """Take the first bad row as the last."""
    raise problem


def source(folder: Path) -> Source:
    """The card of a manifest folder.

    Raises:
        BadInput: `dataset.json` is missing or not what it should be.
    """
    card = _card(folder)
    return Source(
        title=card.get("title") or card.get("name") or folder.name,
        url=card.get("url", ""),
        licence=card.get("license", "not stated"),
        cite=card.get("citation", "not stated"),
        classes=_classes(folder, card.get("mask_classes", {})),
        records=records,
        sketch=sketch,
        organ=card.get("organ", ""),
    )


def records(folder: Path, on_bad: OnBad = stop) -> Iterator[Record]:
    """Every row of the table, in its order.

    Args:
        folder: Holds `manifest.csv` and `dataset.json`.
        on_bad: Is told of every row that cannot be used; that row is left out.

    Raises:
        BadInput: The table or the card cannot be read at all, or what `on_bad` raises.
    """
    modality = _card(folder).get("modality")
    common: dict[str, Label] = {"modality": modality} if modality else {}
    rows = list(_rows(folder / TABLE, on_bad))
    convert = {name: _converter([row[name] for _, row in rows]) for name in _labels(rows)}
    seen: set[str] = set()
    for number, row in rows:
        try:
            record = _record(folder, row, seen)
        except BadInput as error:
            on_bad(BadInput(f"{folder / TABLE}, row {number}: {error}"))
            continue
        labels = {k: to(row[k]) for k, to in convert.items() if _known(row[k])}
        yield Record(**record, labels=common | labels)


def sketch(folder: Path) -> None:
    """Write four phantom hearts in this layout."""
    phantom.write(folder, subjects=4, seed=0, size=(96, 120))


def _record(folder: Path, row: Row, seen: set[str]) -> dict[str, Any]:
    for name in REQUIRED:
        if not row[name]:
            raise BadInput(f"The cell {name!r} is empty; fill it or drop the row.")
    if row["id"] in seen:
        raise BadInput(f"The id {row['id']!r} occurs twice; give every row its own.")
    seen.add(row["id"])
    image = _file(folder, row["image"])
    return {
        "id": row["id"],
        "subject": row["subject"],
        "image": image,
        "film": (image,) if image.suffix.lower() in film.FORMATS else (),
        "mask": _file(folder, row["mask"]) if row.get("mask") else None,
        "split": row.get("split") or None,
    }


def _file(folder: Path, cell: str) -> Path:
    path = inside(folder, cell)
    if not path.is_file():
        raise BadInput(f"There is no file {path}; restore it or drop the row.")
    return path


def _rows(table: Path, on_bad: OnBad) -> Iterator[tuple[int, Row]]:
    """Rows by column name, numbered as a spreadsheet numbers them: the header is row 1."""
    lines = csv.reader(io.StringIO(_text(table, MAX_TABLE_BYTES)))
    try:
        header = [name.strip() for name in next(lines, [])]
        _check_header(table, header)
        for number, cells in enumerate(lines, start=2):
            if len(cells) == len(header):
                yield number, dict(zip(header, (cell.strip() for cell in cells), strict=True))
            elif cells:
                on_bad(
                    BadInput(
                        f"{table}, row {number}: It has {len(cells)} cells and the header "
                        f"{len(header)}; add or remove commas."
                    )
                )
    except csv.Error as error:
        raise BadInput(f"{table} is no table of comma-separated cells; save it again.") from error


def _check_header(table: Path, header: Sequence[str]) -> None:
    if missing := [name for name in REQUIRED if name not in header]:
        raise BadInput(f"{table} has no column {missing[0]!r}; it needs {', '.join(REQUIRED)}.")
    if "" in header or len(set(header)) < len(header):
        raise BadInput(f"{table} has a nameless or repeated column; name every column once.")
    if len(header) > MAX_COLUMNS:
        raise BadInput(f"{table} has more than {MAX_COLUMNS} columns; drop those not needed.")


def _labels(rows: Sequence[tuple[int, Row]]) -> list[str]:
    return [name for name in (rows[0][1] if rows else {}) if name not in OWN]


def _converter(cells: Sequence[str]) -> Callable[[str], Label]:
    return float if all(_is_number(cell) for cell in cells if _known(cell)) else str


def _known(cell: str) -> bool:
    return cell.lower() not in {"", "nan"}


def _is_number(cell: str) -> bool:
    try:
        return "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


def _card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    try:
        card = json.loads(_text(path, MAX_CARD_BYTES))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is no JSON; correct it.") from error
    texts = ("title", "name", "url", "license", "citation", "modality", "organ")
    if not isinstance(card, dict) or not all(isinstance(card.get(k, ""), str) for k in texts):
        raise BadInput(f"{path} is no JSON object with texts for {', '.join(texts)}; correct it.")
    return card


def _classes(folder: Path, names: Any) -> tuple[str, ...]:
    indices = [str(i) for i in range(1, 1 + len(names))] if isinstance(names, dict) else None
    if (
        indices is None
        or len(indices) > MAX_CLASSES
        or not all(isinstance(names.get(i), str) for i in indices)
    ):
        raise BadInput(
            f"The mask_classes of {folder / CARD} must name the indices 1, 2, ... without a gap, "
            f"{MAX_CLASSES} at most."
        )
    return ("background", *(names[i] for i in indices))


def _text(path: Path, most_bytes: int) -> str:
    if not path.is_file():
        raise BadInput(f"{path} is missing; add it or name another data set.")
    if path.stat().st_size > most_bytes:
        raise BadInput(f"{path} is larger than {most_bytes >> 20} MiB; split the data set.")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not in UTF-8; save it in that encoding.") from error
    if "\0" in text:
        raise BadInput(f"{path} is damaged, it has a NUL byte; save it again.")
    return text

"""What is written about inputs, as they are predicted.

    OUT/predictions.csv       one row per input, with the columns that any row has
    OUT/predictions.json      the same with settings and versions, and numbers of every frame
    OUT/embeddings.parquet    id and embedding
    OUT/masks, OUT/concepts   index pictures, or NIfTI; OUT/overlays over the frame in the middle
    OUT/dicom                 objects of the studies of DICOM inputs, where they are wanted

Tables are replaced as a whole every few seconds and at the end: what a killed run leaves is sound.
"""

import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, UInt8
from pyarrow import parquet

from septum.cells import as_csv
from septum.checkpoint import write_bytes, write_json
from septum.contract import BadInput
from septum.data.read import inside
from septum.predict import exchanged, pictures, volumes
from septum.predict.answers import Answer
from septum.predict.exchanged import Objects
from septum.predict.inputs import DICOM, Failure, Input

Cell = str | int | float
Row = dict[str, Cell]

EVERY_S, SHARE = 5.0, 0.05
"""Tables are replaced after so many seconds, or later, so that it takes this share of the time."""


class Folder:
    """The folder of one prediction; tables are written when the block ends, however it does."""

    def __init__(self, out: Path, about: Mapping[str, Any]) -> None:
        self.out, self.about = out, about
        self.rows: list[Row] = []
        self._details: list[dict[str, Any]] = []
        self._embeddings: list[tuple[str, Float32[np.ndarray, " e"]]] = []
        self._written_s, self._took_s = -math.inf, 0.0

    def __enter__(self) -> "Folder":
        self.out.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._write_tables()

    def add(self, one: Input, answer: Answer, more: Mapping[str, Cell] | None = None) -> None:
        """Write pictures and volumes of an answer, and its row, with these cells beside."""
        row = {**_of_input(one), **_of_answer(answer), **self._drawn(one, answer), **(more or {})}
        parts = {name: [*said.parts] for name, said in answer.estimates.items() if said.parts}
        self._embeddings.append((one.id, answer.embedding))
        self._append(row, {"by_frame": parts} if parts else {})

    def fail(self, one: Failure) -> None:
        """Write the row of an input that could not be predicted."""
        self._append({**_named(one), "error": one.error}, {})

    def exchange(self, one: Input, answer: Answer, wanted: Objects, *, model: str) -> Row:
        """Write the DICOM objects of an answer; the cells of their names, or why there are none."""
        from septum.predict import dicom_file  # noqa: PLC0415 - needs a library of its own

        row: Row = {}
        try:
            for kind, found in exchanged.made(one, answer, wanted, model=model):
                names = dicom_file.write(found, inside(self.out, "dicom"), f"{one.id}-{kind}")
                row[kind] = names[0].name if len(names) == 1 else f"{one.id}-{kind}-*.dcm"
        except BadInput as error:
            row["dicom_error"] = str(error).replace(str(one.path), one.id)
        return row

    def write(self, name: str, data: bytes) -> str:
        """Write a file below the folder; its name there.

        Raises:
            BadInput: It would lie elsewhere, or cannot be written.
        """
        write_bytes(inside(self.out, name), data)
        return name

    def _append(self, row: Row, more: Mapping[str, Any]) -> None:
        self.rows.append(row)
        self._details.append({**row, **more})
        now = time.monotonic()
        if now - self._written_s > max(EVERY_S, self._took_s / SHARE):
            self._write_tables()
            self._written_s, self._took_s = time.monotonic(), time.monotonic() - now

    def _write_tables(self) -> None:
        write_bytes(self.out / "predictions.csv", as_csv(self.rows) if self.rows else b"id\r\n")
        write_json(self.out / "predictions.json", {**self.about, "inputs": self._details})
        write_bytes(self.out / "embeddings.parquet", _parquet(self._embeddings))

    def _drawn(self, one: Input, answer: Answer) -> Row:
        found: Row = {}
        if answer.masks is not None:
            found["mask"] = self._masks(one, answer.masks)
        if answer.cells is not None and answer.concepts is not None:
            found["concepts"] = self._pictures("concepts", one, answer.cells)
            self._overlay("concepts", one, answer.concepts)
        return found

    def _masks(self, one: Input, masks: UInt8[np.ndarray, "t h w"]) -> str:
        self._overlay("masks", one, masks)
        if one.kind == "nifti":
            return self.write(f"masks/{one.id}.nii.gz", volumes.as_nifti(one, masks))
        return self._pictures("masks", one, masks)

    def _pictures(self, kind: str, one: Input, index: UInt8[np.ndarray, "t h w"]) -> str:
        """One picture, or a folder of one per frame, numbered as in the file from 0."""
        if len(index) == 1:
            return self.write(f"{kind}/{one.id}.png", pictures.indexed(index[0]))
        for k, frame in enumerate(index):
            self.write(f"{kind}/{one.id}/{k * one.every:04d}.png", pictures.indexed(frame))
        return f"{kind}/{one.id}"

    def _overlay(self, kind: str, one: Input, index: UInt8[np.ndarray, "t h w"]) -> None:
        """Of the frame in the middle."""
        middle = len(index) // 2
        data = pictures.overlay(one.frames[middle], index[middle])
        self.write(f"overlays/{kind}/{one.id}.png", data)


def _named(one: Input | Failure) -> Row:
    """The name of a DICOM file stays out: it may be a patient's."""
    return {"id": one.id, "file": "" if one.kind == DICOM else str(one.path), "kind": one.kind}


def _of_input(one: Input) -> Row:
    frames, height, width = one.frames.shape
    return {**_named(one), "frames": frames, "height": height, "width": width}


def _of_answer(answer: Answer) -> Row:
    row: dict[str, Cell | None] = {"outlier": answer.outlier, "percentile": answer.percentile}
    if answer.abstain is not None:
        row["abstain"] = "yes" if answer.abstain else "no"
    for name, said in answer.estimates.items():
        row |= {name: said.value, f"{name}_low": said.low, f"{name}_high": said.high}
    for name, shares in answer.shares.items():
        row[name] = max(shares, key=lambda value: shares[value])
        row |= {f"{name}/{value}": share for value, share in shares.items()}
    row |= {f"proxy/{name}": value for name, value in answer.proxies.items()}
    return {name: value for name, value in row.items() if value is not None and _is_sound(value)}


def _is_sound(value: Cell) -> bool:
    return isinstance(value, str) or math.isfinite(value)


def _parquet(embeddings: Sequence[tuple[str, Float32[np.ndarray, " e"]]]) -> bytes:
    columns = {
        "id": pa.array([name for name, _ in embeddings], pa.string()),
        "embedding": pa.array([x for _, x in embeddings], pa.list_(pa.float32())),
    }
    data = io.BytesIO()
    parquet.write_table(pa.table(columns), data)
    return data.getvalue()

"""Damaged files: each is read, or refused in one sentence; nothing else happens."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from septum.contract import BadInput
from septum.data import manifest, read

CARD = '{"title": "t", "modality": "US", "mask_classes": {"1": "disk"}}'
TABLE = "id,subject,split,image,mask,age_years\na,s,train,a.png,a.png,3\nb,t,,b.png,,\n"
CELLS = [
    *("", "../a.png", "/etc/passwd", "a.png/../../x", "..", "a\x00.png", "C:\\a.png", "nan", "inf"),
    *("train", '"', "a" * 5000, "a,b", "\ud7ff", "1e999", ".", "a.png"),
]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Turn up to eight bits, most of them in the header."""
    body = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        at = int(rng.integers(min(len(body), 400 if rng.random() < 0.7 else 10**9)))
        body[at] ^= 1 << int(rng.integers(8))
    return bytes(body)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data)))]


def splice(data: bytes, rng: np.random.Generator) -> bytes:
    """Put a run of random bytes somewhere."""
    at, run = int(rng.integers(len(data))), rng.bytes(int(rng.integers(1, 20)))
    return data[:at] + run + data[at + int(rng.integers(20)) :]


def recompress(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage what lies inside the compression."""
    return gzip.compress(flip(gzip.decompress(data), rng))


def replace_cell(data: bytes, rng: np.random.Generator) -> bytes:
    rows = [line.split(",") for line in data.decode("utf-8", "replace").splitlines()]
    row = rows[int(rng.integers(len(rows)))]
    row[int(rng.integers(len(row)))] = CELLS[int(rng.integers(len(CELLS)))]
    return "\n".join(",".join(row) for row in rows).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 3, (12, 10), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    for name in ("a.png", "b.png", "c.jpg", "d.bmp"):
        picture.save(tmp_path / name)
    picture.convert("P").save(tmp_path / "e.png")
    Image.fromarray(pixels.astype(np.uint16) * 999).save(tmp_path / "f.png")
    frame = SimpleITK.GetImageFromArray(pixels)
    for name in ("g.mhd", "h.nii.gz", "i.nii"):
        SimpleITK.WriteImage(frame, str(tmp_path / name))
    (tmp_path / "dataset.json").write_text(CARD)
    (tmp_path / "manifest.csv").write_text(TABLE)
    return tmp_path


def refusal(action) -> str | None:
    """What was said, or None after success; any other exception passes."""
    try:
        action()
    except BadInput as error:
        return str(error)
    return None


CASES = [
    *((name, how) for name in ("a.png", "c.jpg", "d.bmp", "e.png", "f.png") for how in (flip, cut)),
    *((name, splice) for name in ("a.png", "c.jpg")),
    *((name, how) for name in ("g.mhd", "g.raw", "i.nii") for how in (flip, cut, splice)),
    *(("h.nii.gz", how) for how in (flip, cut, recompress)),
    *(("manifest.csv", how) for how in (flip, cut, splice, replace_cell)),
    *(("dataset.json", how) for how in (flip, cut, splice)),
]


def read_all(folder: Path, name: str):
    if name in {"manifest.csv", "dataset.json"}:
        return manifest.source(folder), list(manifest.records(folder))
    path = folder / name.replace(".raw", ".mhd")
    return read.mask(path) if name in {"a.png", "f.png"} else read.image(path)


def test_a_thousand_damaged_files_are_read_or_refused(folder, capfd):
    rng = np.random.default_rng(1)
    said = []
    for name, damage in CASES * (1 + 1000 // len(CASES)):
        sound = (folder / name).read_bytes()
        (folder / name).write_bytes(damage(sound, rng))
        said.append(refusal(lambda name=name: read_all(folder, name)))
        (folder / name).write_bytes(sound)
    capfd.readouterr()  # the readers below us print to stderr
    refused = [text for text in said if text is not None]
    assert len(said) >= 1000
    assert 100 < len(refused) < len(said) - 100
    assert all("\n" not in text and text.endswith(".") for text in refused)

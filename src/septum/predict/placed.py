"""Frames of a user at the size that a model takes, and what it draws on them back at theirs.

    frames `t H W` → letterbox → frames `t h w` → model → maps `t h w` → letterbox, back → `t H W`

The way there is the very one of prepared data sets (`septum.data.fitted`).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from septum.contract import BadInput, Clip, Films, Record, Samples
from septum.data import fitted
from septum.data.letterbox import Letterbox
from septum.data.prepared import Prepared
from septum.data.shards import Frames
from septum.predict.card import Card
from septum.predict.inputs import Input


def framing(one: Input, card: Card, size: tuple[int, int]) -> Letterbox:
    """Where the frames of an input lie in prepared ones.

    Raises:
        BadInput: The data sets show a field in millimetres, and the input states no spacing.
    """
    height, width = one.frames.shape[1:]
    return fitted.framing(one.path, (height, width), size, one.spacing_mm, card.field_mm)


def prepared(one: Input, card: Card, box: Letterbox) -> UInt8[np.ndarray, "t h w"]:
    """The frames as a data set of this card has them once it is prepared."""
    return np.stack([fitted.stretched(box.image(grey), card.stretch) for grey in one.frames])


def back(index: Shaped[np.ndarray, "h w"], box: Letterbox) -> Shaped[np.ndarray, "H W"]:
    """A map of the prepared frame on the pixels of the file, each from the nearest prepared one.

    What the frame does not show of the picture is 0.
    """
    (rows, is_row), (columns, is_column) = (_nearest(box, axis) for axis in (0, 1))
    return np.where(is_row[:, None] & is_column, index[np.ix_(rows, columns)], 0)


def all_back(maps: Shaped[np.ndarray, "t h w"], box: Letterbox) -> Shaped[np.ndarray, "t H W"]:
    """`back` of every frame."""
    return np.stack([back(index, box) for index in maps])


def enlarged(
    cells: Shaped[np.ndarray, "t y x"], size: tuple[int, int]
) -> Shaped[np.ndarray, "t h w"]:
    """Cells of a grid as the pixels of the prepared frame that they cover."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, cells.shape[1:], strict=True))
    return cells[:, rows[:, None], columns]


def samples(
    some: Sequence[Input], frames: Sequence[UInt8[np.ndarray, "_ h w"]], clip: Clip | None
) -> Samples | Films:
    """Inputs, prepared, as a split of a data set: a record per film, or without a clip per frame.

    Raises:
        BadInput: There is a clip, and a film is shorter than its stride or a single picture.
    """
    lengths = np.array([len(film) for film in frames])
    whole = np.concatenate(frames)
    paths = [one.path for one, film in zip(some, frames, strict=True) for _ in film]
    if clip is not None:
        _refuse_stills(some)
        paths = [one.path for one in some]
    count = len(paths)
    found = Prepared(
        name="inputs",
        classes=("background",),
        records=[Record(id=f"{k}", subject=f"{k}", image=p) for k, p in enumerate(paths)],
        places=np.arange(count),
        images=Frames([whole]),
        sectors=Frames([np.broadcast_to(np.uint8(1), (count, *whole.shape[1:]))]),
        masks=None,
        spans=None if clip is None else np.stack([np.cumsum(lengths) - lengths, lengths], axis=1),
    )
    return (found if clip is None else found.filmed(clip)).split("all")


def _refuse_stills(some: Sequence[Input]) -> None:
    for one in some:
        if len(one.frames) < 2:
            raise BadInput(
                f"{one.path} is a single picture, and the model takes films or volumes; name such "
                "a file, or a run of a model of still images."
            )


def _nearest(box: Letterbox, axis: int) -> tuple[Int[np.ndarray, " n"], np.ndarray]:
    """The prepared row or column nearest to each of the file, and whether the frame has it."""
    centres = (np.arange(box.source[axis]) + 0.5) * box.scale[axis] + box.offset[axis]
    found = np.floor(centres).astype(np.int64)
    last = box.size[axis] - 1
    return found.clip(0, last), (found >= 0) & (found <= last)

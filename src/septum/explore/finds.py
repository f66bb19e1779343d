"""Regions of all images that are like one of them, and what is shown and saved of them.

A region is what `septum.tasks.regions` says: the 5 x 5 window of concept probabilities round a key
point, with one ring of background round the map, or the one cell of a model without concepts. Key
points are the cells of the map but its outermost.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from PIL import Image, ImageDraw, ImageFont

from septum.cells import Cell
from septum.contract import BadInput, Record
from septum.data.limits import written
from septum.nn import region_search
from septum.nn.region_search import Maps

WINDOW = 5
"""Cells of a region of concepts in height and width."""
EDGE = 1
"""Cells round the map that are no key points."""
TILE = 144
"""Side of a picture of the contact sheet in pixels."""
ACROSS = 6
"""Pictures in a row of it."""
GAP, TEXT, LINE = 4, 12, 15
"""Round a picture, of its letters, and from line to line, in pixels."""
PAPER, INK, MARK = "#ffffff", "#000000", "#e69f00"

Frame = Callable[[int], UInt8[np.ndarray, "h w"]]
"""The picture of a record by its place."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """What is searched among.

    Attributes:
        grid: Rows and columns of a map.
        keys: Rows and columns of its key points.
    """

    maps: Maps
    grid: tuple[int, int]

    @property
    def keys(self) -> tuple[int, int]:
        """Rows and columns of key points."""
        rows, columns = self.maps.squares.shape[1:]
        return rows, columns

    def key_at(self, row: int, column: int) -> tuple[int, int]:
        """The key point nearest to one that may lie outside."""
        rows, columns = self.keys
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of a region, in parts of the picture, cut at its edges."""
        reach = self.maps.window // 2
        (top, bottom), (left, right) = (
            (max(key + EDGE - reach, 0) / cells, min(key + EDGE + reach + 1, cells) / cells)
            for key, cells in zip((row, column), self.grid, strict=True)
        )
        return left, top, right - left, bottom - top


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the visitor asks for.

    Attributes:
        results: How many regions.
        split: Of these images only; empty for all.
        others: Whether the subject of the query is left out.
        one_per_image: Whether only the best region of every image counts, and none of the query's.
    """

    results: int
    split: str = ""
    others: bool = False
    one_per_image: bool = True


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A region: the place of its record, row and column of its key point.

    Attributes:
        distance: Of the descriptors, Euclidean; it has no unit.
        same: Whether its subject is that of the query.
    """

    place: int
    row: int
    column: int
    distance: float
    same: bool


def field(content: Float32[np.ndarray, "n d h w"], *, concepts: bool) -> Field:
    """The maps of an index made ready; they stay in their file.

    Args:
        content: Of all images.
        concepts: Whether it is a distribution over concepts, of which the first is background.

    Raises:
        BadInput: The maps have no key point.
    """
    grid = (content.shape[2], content.shape[3])
    if min(grid) <= 2 * EDGE:
        raise BadInput(f"A map of {grid[0]} x {grid[1]} cells has no regions; use larger images.")
    with warnings.catch_warnings():  # nothing here writes to them
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        maps = torch.from_numpy(content)
    if concepts:
        background = torch.eye(maps.shape[1])[0]
        ready = region_search.maps(maps, origin=background, window=WINDOW, ring=EDGE)
    else:
        inner = maps[:, :, EDGE:-EDGE, EDGE:-EDGE]
        ready = region_search.maps(inner, origin=maps[0].mean((1, 2)))
    return Field(maps=ready, grid=grid)


def hits(
    field: Field, records: Sequence[Record], place: int, at: tuple[int, int], wanted: Wanted
) -> list[Hit]:
    """The regions most like that round a key point of an image, nearest first."""
    [query] = region_search.descriptors(field.maps, torch.tensor([[place, *at]]))
    found = region_search.nearest_regions(
        query, field.maps, k=wanted.results, among=among(records, place, wanted),
        one_per_map=wanted.one_per_image,
    )  # fmt: skip
    subject = records[place].subject
    return [
        Hit(place=i, row=row, column=column, distance=d, same=records[i].subject == subject)
        for (i, row, column), d in zip(
            found.place.tolist(), found.squared.sqrt().tolist(), strict=True
        )
    ]


def among(records: Sequence[Record], place: int, wanted: Wanted) -> Int[torch.Tensor, " m"]:
    """Places of the records that are searched."""
    subject = records[place].subject
    return torch.tensor(
        [
            i
            for i, record in enumerate(records)
            if wanted.split in {"", record.split}
            and not (wanted.others and record.subject == subject)
            and not (wanted.one_per_image and i == place)
        ],
        dtype=torch.int64,
    )


def rows(field: Field, found: Sequence[Hit], records: Sequence[Record]) -> list[dict[str, Cell]]:
    """One row per hit; row and column count the cells of the map from 0."""
    return [
        {
            "rank": rank,
            "distance": hit.distance,
            "id": records[hit.place].id,
            "subject": records[hit.place].subject,
            "same_subject": "yes" if hit.same else "no",
            "split": records[hit.place].split or "",
            "view": written(records[hit.place].labels.get("view")),
            "phase": written(records[hit.place].labels.get("phase")),
            "row": hit.row + EDGE,
            "column": hit.column + EDGE,
            "rows": field.grid[0],
            "columns": field.grid[1],
        }
        for rank, hit in enumerate(found, 1)
    ]


def about(record: Record) -> str:
    """View and phase, where they are known."""
    return " ".join(filter(None, (written(record.labels.get(name)) for name in ("view", "phase"))))


def _known(record: Record) -> list[str]:
    return [record.subject, about(record)]


def _said(rank: int, hit: Hit) -> str:
    return f"{rank}  d {hit.distance:.4g}" + ("  same subject" if hit.same else "")


def sheet(
    field: Field, query: Hit, found: Sequence[Hit], records: Sequence[Record], frame: Frame
) -> UInt8[np.ndarray, "h w 3"]:
    """The query and its hits as one picture, with what is said of each below it."""
    names = ["query", *(_said(rank, hit) for rank, hit in enumerate(found, 1))]
    tiles = [
        _tile(field.box(hit.row, hit.column), frame(hit.place), [name, *_known(records[hit.place])])
        for hit, name in zip([query, *found], names, strict=True)
    ]
    high, wide = tiles[0].height, tiles[0].width
    whole = Image.new(
        "RGB", (wide * min(ACROSS, len(tiles)), high * -(-len(tiles) // ACROSS)), PAPER
    )
    for i, tile in enumerate(tiles):
        whole.paste(tile, (wide * (i % ACROSS), high * (i // ACROSS)))
    return np.asarray(whole)


def _tile(
    box: tuple[float, float, float, float], pixels: UInt8[np.ndarray, "h w"], lines: Sequence[str]
) -> Image.Image:
    """A picture with a region marked, and lines of text below."""
    frame = Image.fromarray(pixels)
    frame = frame.resize([round(side * TILE / max(frame.size)) for side in frame.size])
    tile = Image.new("RGB", (TILE + 2 * GAP, TILE + 2 * GAP + len(lines) * LINE), PAPER)
    tile.paste(frame, (GAP, GAP))
    left, top, wide, high = box
    x, y = GAP + left * frame.width, GAP + top * frame.height
    corners = (x - 1, y - 1, x + wide * frame.width, y + high * frame.height)
    draw = ImageDraw.Draw(tile)
    draw.rectangle(corners, outline=MARK, width=2)
    for i, line in enumerate(lines):
        draw.text(
            (GAP, TILE + 2 * GAP + i * LINE), line, fill=INK, font=ImageFont.load_default(TEXT)
        )
    return tile

"""Which concepts are anatomy and which are modifiers: the size of their islands.

An anatomical concept covers a structure and forms large islands on the grid; a modifier stands
alone in single cells and shapes its neighbours (ConceptVAE, section 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage
from torch import Tensor

FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
WITHIN_A_MAP = np.stack([np.zeros((3, 3)), FOUR_NEIGHBOURS, np.zeros((3, 3))])


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How one concept spreads over some maps.

    Attributes:
        cells: Grid cells it covers, all maps together.
        islands: Connected regions that these cells form.
    """

    concept: int
    cells: int
    islands: int

    @property
    def island_cells(self) -> float:
        """Mean size of an island in grid cells."""
        return self.cells / self.islands


def habits(maps: Int[np.ndarray, "n h w"]) -> list[Habit]:
    """Of every concept on these maps but the background, the most frequent first."""
    found = [_habit(maps == concept, int(concept)) for concept in np.unique(maps) if concept > 0]
    return sorted(found, key=lambda habit: (-habit.cells, habit.concept))


def anatomical(found: Sequence[Habit]) -> tuple[int, int]:
    """The two concepts that cover most cells; `found` as `habits` sorts it, at least four."""
    return found[0].concept, found[1].concept


def modifiers(found: Sequence[Habit]) -> tuple[int, int]:
    """The two most isolated of the others: smallest mean island, then the more frequent."""
    alone = sorted(found[2:], key=lambda habit: (habit.island_cells, -habit.cells))
    return alone[0].concept, alone[1].concept


def swapped(content: Float[Tensor, "b d h w"], pair: tuple[int, int]) -> Float[Tensor, "b d h w"]:
    """The same grid with two concepts in each other's place."""
    a, b = pair
    order = list(range(content.shape[1]))
    order[a], order[b] = b, a
    return content[:, order]


def _habit(where: np.ndarray, concept: int) -> Habit:
    labelled: Any = ndimage.label(where, structure=WITHIN_A_MAP)
    return Habit(concept=concept, cells=int(where.sum()), islands=int(labelled[1]))

"""Colours of concepts, told apart by every common kind of colour vision.

The first seven are those of Okabe and Ito (Color Universal Design, 2008). The other eight were
found by a search that keeps any two of the fifteen, seen with normal, protanope or deuteranope
eyes, as far apart as the closest two of Okabe and Ito. Every cell has its index besides.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.colors import LinearSegmentedColormap, to_rgb, to_rgba

CONCEPTS: Sequence[str] = (
    "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442",
    "#0072b2", "#d55e00", "#4fd975", "#994680", "#18d6eb",
    "#9e3a29", "#7392fd", "#b7ee9d", "#8223ff", "#60dbb7",
)  # fmt: skip
"""Concept 1 is the first; concept 0 is the background and has no colour."""

CHANGE = LinearSegmentedColormap.from_list(
    "change", ["#8fd3ff", "#0072b2", "#000000", "#b35806", "#ffc46b"]
)
"""Darker to brighter: blue, black where nothing changed, orange."""

LINES: Sequence[str] = ("#56b4e9", "#e69f00", "#009e73", "#d55e00", "#0072b2", "#cc79a7")
"""Of Okabe and Ito, those that stand out as thin lines, on white and on black."""

FAINT, STRONG = 0.2, 0.7
"""Opacity of a cell at confidence 0 and 1."""
TINT = 0.55
"""Opacity of a structure over its frame."""


def colour(concept: int) -> str:
    """Hex colour of a concept from 1 on; beyond 15 they repeat."""
    return CONCEPTS[(concept - 1) % len(CONCEPTS)]


def cells(
    concepts: Int[np.ndarray, "h w"], confidence: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w 4"]:
    """Colour and opacity of every grid cell; the background is transparent.

    >>> cells(np.array([[0, 1]]), np.array([[0.9, 1.0]]))[0, :, 3].tolist()
    [0.0, 0.7]
    """
    table = np.array([to_rgb(colour(i)) for i in range(int(concepts.max()) + 1)])
    opacity = np.where(concepts > 0, FAINT + (STRONG - FAINT) * confidence, 0.0)
    return np.concatenate([table[concepts], opacity[..., None]], axis=-1)


def tints(maps: Bool[np.ndarray, "d h w"], colours: Sequence[str]) -> Float[np.ndarray, "h w 4"]:
    """Colour and opacity of every pixel that is in a map; a later map covers an earlier one.

    >>> tints(np.array([[[True, False]]]), ["#ffffff"])[0].tolist()
    [[1.0, 1.0, 1.0, 0.55], [0.0, 0.0, 0.0, 0.0]]
    """
    found = np.zeros((*maps.shape[1:], 4))
    for inside, colour in zip(maps, colours, strict=True):
        found[inside] = to_rgba(colour, TINT)
    return found

"""The images that graphs are compared on: those of the run where at hand, else phantoms."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float
from torch import Tensor

from septum import opened
from septum.contract import BadInput, Samples
from septum.data import SOURCES
from septum.data.prepare import prepare, prepare_many
from septum.data.prepared import Prepared
from septum.opened import Run

PROBES = 12
"""Images that are looked at, spread over the split."""
SPLIT = "val"
STILLS, FILMS = "phantom", "echonet_dynamic"
HEARTS = 3


def at_hand(run: Run, *, root: Path | None = None, cache: Path | None = None) -> Prepared | None:
    """The images of the run, in its splits; None where they lie no more.

    Args:
        run: A finished training.
        root: Holds the data sets, if it is another folder than at the training.
        cache: Holds prepared images.

    Raises:
        BadInput: They are not in the `root` that is given.
    """
    try:
        names, noted = opened.noted_images(run.folder) if root is None else ((), root)
        names = names or run.data.split("+")
        found = prepare_many(
            names, noted, size=run.recipe.image_size, cache=cache, groups=run.groups
        )
        ready = opened.as_seen(run, found.limited(run.limits))
        ready.split(SPLIT)
    except BadInput:
        if root is not None:
            raise
        return None
    return ready


def of_run(images: Prepared) -> Float[Tensor, "n 1 *t h w"]:
    """Images of the split that a training does not learn from."""
    return _spread(images.split(SPLIT))


def phantoms(run: Run) -> Float[Tensor, "n 1 *t h w"]:
    """Phantom hearts of the size that the model takes, drawn anew."""
    clip = run.recipe.clip
    name = STILLS if clip is None else FILMS
    draw = SOURCES[name].drawn
    assert draw is not None
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).mkdir()
        draw(root / name, HEARTS, 0)
        found = prepare(name, root, size=run.recipe.image_size, cache=root / "cache")
        return _spread((found if clip is None else found.filmed(clip)).split("all"))


def _spread(samples: Samples) -> Float[Tensor, "n 1 *t h w"]:
    n = len(samples.records)
    places = np.linspace(0, n - 1, min(n, PROBES)).round().astype(int)
    return samples.batch([int(place) for place in places]).image

"""What a frozen model says about the clips of films.

    film --clip_starts--> (place, start) of its clips --model, 8 at a time--> estimate or features

A clip of n frames at stride s may begin anywhere from 0 to max(f, n s) - (n - 1) s - 1 in a film of
f frames (Maani et al., CoReEcho, MICCAI 2024, arXiv:2403.10164, `clip sampling` of section 2.1).
Which are asked about follows from the seed and the id of the film alone, not from the other films
of the split nor from their order.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from septum.contract import BadInput, Films, Model, Regresses, Samples
from septum.nn.device import device_of
from septum.nn.mode import evaluating

BATCH = 8
"""Clips that a model sees at a time."""
DRAWN = 3
"""Clips of a film whose estimates are averaged, as in the table of the paper."""
EF = "ef_percent"

How = Literal["one", "three", "all"]
"""Which clips: the first of the three, three drawn at random, or all over the film."""


def films_in(samples: Samples) -> Films:
    """The samples, which are films.

    Raises:
        BadInput: If they are still images.
    """
    if not isinstance(samples, Films):
        raise BadInput(
            f"{samples.name} ({samples.split}) holds still images, and this task asks about films; "
            "choose a data set of films, such as echonet_dynamic or hmc_qu."
        )
    return samples


def clip_starts(films: Films, place: int, how: How = "three", seed: int = 0) -> list[int]:
    """Frames of the film at which its clips begin.

    * `three`: drawn uniformly and with replacement, from the seed and the id of the film.
    * `one`: the first of these three.
    * `all`: from the first possible start to the last, evenly spread, and as few as it takes for
      neighbours to begin at most half a clip apart: so clips tile the film twice over.

    A film that a clip shows whole (stride 0) has one clip, whichever are asked for.
    """
    if not films.clip.stride:
        return [0]
    last = _last_start(films, place)
    if how == "all":
        reach = (films.clip.frames - 1) * films.clip.stride + 1
        count = math.ceil(last / max(1, reach // 2)) + 1
        return np.linspace(0, last, count).round().astype(int).tolist()
    digest = sha256(f"{seed}/{films.records[place].id}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    return rng.integers(last + 1, size=DRAWN)[: 1 if how == "one" else DRAWN].tolist()


def does_regress(model: Model, films: Films, *, label: str = EF) -> bool:
    """Whether the model estimates the label; it is shown one clip to find out."""
    if not isinstance(model, Regresses):
        return False
    return bool(_asked(model, films, [0], [0], lambda x: _has(label, model.regress(x)))[0, 0])


def estimates(
    model: Model, films: Films, places: Sequence[int], how: How, *, seed: int, label: str = EF
) -> list[Float64[np.ndarray, " clips"]]:
    """Of the films at these places, what these clips say, in the order of `clip_starts`.

    Raises:
        BadInput: As `regressed`.
    """
    starts = [clip_starts(films, place, how, seed) for place in places]
    each = [place for place, some in zip(places, starts, strict=True) for _ in some]
    said = regressed(model, films, each, [start for some in starts for start in some], label=label)
    return np.split(said, np.cumsum([len(some) for some in starts])[:-1])


def embedded(
    model: Model, films: Films, places: Sequence[int], starts: Sequence[int]
) -> Float64[np.ndarray, "n e"]:
    """The pooled features of one clip per place, that begins at this frame of its film.

    The model works where its parameters lie, in evaluation mode and without autocast.
    """
    return _asked(model, films, places, starts, lambda image: model.encode(image).pooled)


def regressed(
    model: Model, films: Films, places: Sequence[int], starts: Sequence[int], *, label: str = EF
) -> Float64[np.ndarray, " n"]:
    """The estimate of a label by one clip per place, that begins at this frame of its film.

    Raises:
        BadInput: If the model does not estimate the label.
    """
    if not isinstance(model, Regresses):
        raise BadInput(
            f"The model estimates nothing, and so no {label}; choose one that does, such as "
            "coreecho."
        )
    return _asked(model, films, places, starts, lambda x: _estimate(model, x, label)[:, None])[:, 0]


def _last_start(films: Films, place: int) -> int:
    clip, length = films.clip, films.lengths()[place]
    return max(length, clip.frames * clip.stride) - (clip.frames - 1) * clip.stride - 1


def _estimate(
    model: Regresses, image: Float[Tensor, "b 1 t h w"], label: str
) -> Float[Tensor, " b"]:
    said = model.regress(image)
    if label not in said:
        raise BadInput(
            f"The model estimates {', '.join(said) or 'nothing'}, and no {label}; choose one that "
            "does, such as coreecho."
        )
    return said[label]


def _has(label: str, said: Mapping[str, Float[Tensor, " 1"]]) -> Float[Tensor, "1 1"]:
    return torch.full((1, 1), float(label in said))


@torch.no_grad()
def _asked(
    model: Model,
    films: Films,
    places: Sequence[int],
    starts: Sequence[int],
    question: Callable[[Float[Tensor, "b 1 t h w"]], Float[Tensor, "b e"]],
) -> Float64[np.ndarray, "n e"]:
    """The answers to one clip per place, a batch at a time, on the CPU in fp64."""
    found: list[Tensor] = []
    for at in range(0, len(places), BATCH):
        few = slice(at, at + BATCH)
        image = films.clips(list(places[few]), list(starts[few])).image
        if isinstance(model, nn.Module):
            with evaluating(model):
                found.append(question(image.to(device_of(model))).double().cpu())
        else:
            found.append(question(image).double())
    return torch.cat(found).numpy()

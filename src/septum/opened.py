"""A run folder, opened: its model with its weights, and images as it was shown them.

A run folder says everything that its model needs to be built again. Where its images lay is noted
beside, in `images.json`, which is no part of the run: it may be moved with its images.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from septum import checkpoint, measured
from septum.baselines import BASELINES
from septum.contract import BadInput, Model, Paper, Recipe, Size
from septum.data.classes import Groups
from septum.data.limits import Limits
from septum.data.prepared import Prepared
from septum.data.unique import unique
from septum.models import MODELS
from septum.nn.device import device_of

FLOOR_SEED = 0
"""Draws the weights of the model that is never trained."""
IMAGES = "images.json"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished training.

    Attributes:
        name: Of the model, as in the registry.
        data: Names of the data sets it was trained on, joined by `+`.
        limits: Labels that chose the images among them.
        groups: Structures that their masks told apart; none for the classes as they are.
        fold: Of a cross-validation; None for the splits of the data sets.
        folds: How many there were.
        by: Label that stratified them.
        unique: Label by which near-duplicates contradict, where these were left out.
        model: With its trained weights, in evaluation mode.
    """

    folder: Path
    name: str
    size: str
    data: str
    limits: Limits
    groups: Groups
    fold: int | None
    folds: int
    by: str
    unique: str
    seed: int
    paper: Paper
    config: Any
    recipe: Recipe
    model: Model


def choose(options: Mapping[str, T], name: str, what: str) -> T:
    """The entry of a registry.

    Raises:
        BadInput: There is none of that name.
    """
    if name not in options:
        raise BadInput(f"There is no {what} {name!r}; choose one of {', '.join(options)}.")
    return options[name]


def paper(name: str) -> Paper:
    """The model or baseline of that name."""
    return choose({**MODELS, **BASELINES}, name, "model")


def sized(name: str, size: str, *, steps: int | None = None) -> Size:
    """Network and schedule of a model in one of its sizes; the recipe's steps, or these."""
    chosen = choose(paper(name).sizes, size, f"size of {name}")
    if steps is None:
        return chosen
    if steps < 1:
        raise BadInput(f"A training of {steps} steps is none; ask for 1 or more.")
    return replace(chosen, recipe=replace(chosen.recipe, steps=steps))


def load(folder: Path, *, device: str = "cpu") -> Run:
    """Open a run folder.

    Raises:
        BadInput: It holds no finished run, or one of another version of septum or of a model
            that is not there.
    """
    header = checkpoint.read_header(folder)
    try:
        name, size, seed = header["model"], header["size"], header["seed"]
        data, config, recipe = header["data"], header["config"], header["recipe"]
        limits, groups, fold = header["only"], header["classes"], header["fold"]
        folds, by, alone = header["folds"], header["by"], header["unique"]
    except KeyError as error:
        raise BadInput(
            f"{folder / checkpoint.CONFIG} does not say the {error}; restore it."
        ) from error
    chosen = sized(str(name), str(size))
    config = restored(chosen.config, config, folder)
    recipe = restored(chosen.recipe, recipe, folder)
    model = built(paper(name), config, FLOOR_SEED)
    checkpoint.load_weights(folder, model)
    model = model.to(device).eval()
    assert isinstance(model, Model)
    return Run(
        folder=folder,
        name=name,
        size=size,
        data=data,
        limits=limits,
        groups=groups,
        fold=fold,
        folds=folds,
        by=by,
        unique=alone,
        seed=seed,
        paper=paper(name),
        config=config,
        recipe=recipe,
        model=model,
    )


def floor(run: Run) -> Model:
    """The same network before training, on the same device: what its architecture can do."""
    untrained = built(run.paper, run.config, FLOOR_SEED).to(device_of(run.model)).eval()
    assert isinstance(untrained, Model)
    return untrained


def as_seen(run: Run, images: Prepared) -> Prepared:
    """The images in the splits of the run, without near-duplicates if it was; films in clips."""
    folded = images
    if run.unique and not images.unique_by:
        folded = unique(images, by=run.unique)
    if run.fold is not None:
        folded = folded.folded(run.fold, folds=run.folds, by=run.by)
    return taken(Size(config=run.config, recipe=run.recipe), folded)


def taken(size: Size, images: Prepared) -> Prepared:
    """The images as a model takes them: films in clips, if its recipe is one for films.

    Slices are stacked to volumes, which are films along their slices, if the recipe resamples. If
    the config names attributes, those of the masks of slices or of volumes become labels.

    Raises:
        BadInput: The recipe is one for films, and they are still images; or slices of no volume.
    """
    named, classes, clip = hasattr(size.config, "attributes"), images.classes, size.recipe.clip
    if clip is None:
        return images.described(partial(measured.still, classes=classes)) if named else images
    if images.spans is None and not clip.stride:
        images = images.stacked(partial(measured.volume, classes=classes) if named else None)
    return images.filmed(clip)


def words(groups: Groups) -> Sequence[str]:
    """Groups of classes as one would type them.

    >>> words({"wall": ("myocardium", "infarction")})
    ['wall=myocardium,infarction']
    """
    return [f"{name}={','.join(members)}" for name, members in groups.items()]


def restored(default: Any, said: Any, folder: Path) -> Any:
    """A dataclass that went through JSON, back in the types of `default`, at any depth.

    Raises:
        BadInput: Its fields are other ones than those of `default`.
    """
    if is_dataclass(default) and not isinstance(default, type):
        names = {field.name for field in fields(default)}
        if not isinstance(said, dict) or said.keys() != names:
            raise _other_settings(folder)
        inner = {name: restored(getattr(default, name), said[name], folder) for name in names}
        return replace(default, **inner)
    said = tuple(said) if isinstance(said, list) else said
    if isinstance(said, (int, float) if isinstance(default, float) else type(default)):
        return said
    raise _other_settings(folder)


def device() -> str:
    """Where to compute: the first GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def note_images(folder: Path, names: Sequence[str], root: Path) -> None:
    """Write down where the images of a run lie."""
    facts = {"data": list(names), "root": str(root.resolve())}
    checkpoint.write_bytes(folder / IMAGES, json.dumps(facts, indent=2).encode() + b"\n")


def noted_images(folder: Path) -> tuple[list[str], Path]:
    """Names of the data sets of a run, and the folder they lie in.

    Raises:
        BadInput: The run does not say.
    """
    path = folder / IMAGES
    try:
        facts = json.loads(path.read_bytes())
        return [str(name) for name in facts["data"]], Path(str(facts["root"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} does not say where the images are; restore it or train again."
        ) from error


def _other_settings(folder: Path) -> BadInput:
    return BadInput(
        f"{folder / checkpoint.CONFIG} has other settings than this version of septum; "
        "install the version that wrote it, or train again."
    )


def built(system: Paper, config: Any, seed: int) -> nn.Module:
    """Network with first weights from a seed; the generator of the caller stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return system.build(config)

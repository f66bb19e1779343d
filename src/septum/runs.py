"""A run folder as the commands see it: made by `train`, opened by `load`, asked by `evaluate`.

registry, prepared images --train--> RUN --load--> Run, prepared images --evaluate--> metrics.json

A run folder says everything that its model needs to be built again. Where its images lay is noted
beside, in `images.json`, which is no part of the run: it may be moved with its images.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from septum import checkpoint, measured
from septum.baselines import BASELINES
from septum.contract import BadInput, Batch, Model, Paper, Recipe, Record, Report, Size
from septum.data.classes import Groups
from septum.data.limits import Limits, allows
from septum.data.loader import batches
from septum.data.prepared import Prepared
from septum.data.unique import unique
from septum.models import MODELS
from septum.tasks import TASKS, WITHOUT_FLOOR
from septum.tasks.write import with_floor, write
from septum.train import fit

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


def train(  # noqa: PLR0913 - each is an option of the command line
    name: str,
    images: Prepared,
    out: Path,
    *,
    size: str = "small",
    steps: int | None = None,
    seed: int = 0,
    resume: bool = False,
    changes: Mapping[str, Any] | None = None,
    begin: Path | None = None,
) -> None:
    """Train a model on the training split of prepared images, of whatever height and width.

    Args:
        name: Of the model, as in the registry.
        images: The recipe's image size becomes theirs.
        out: The run folder; made, and refused if it holds a run and `resume` is not set.
        size: One of those that the model comes in.
        steps: Instead of those of the recipe.
        seed: Decides first weights, order of the images and every random number.
        resume: Continue the run in the folder; it ends where it would have ended.
        changes: Fields of the config with other values than the size has.
        begin: A run whose weights the training begins with, wherever their names and shapes fit;
            its config decides fields of this one (`inherited`).

    Raises:
        BadInput: As `septum.train.fit`; or there is no such model or size.
    """
    chosen = sized(name, size, steps=steps)
    samples = taken(chosen, images).split("train")
    height, width = samples.batch([0]).image.shape[-2:]
    recipe = replace(chosen.recipe, image_size=(height, width))
    config = replace(inherited(chosen.config, begin), **(changes or {}))
    config = paper(name).adapt(config, samples)
    header = {
        "model": name,
        "size": size,
        "config": asdict(config),
        "data": images.name,
        "only": {label: list(values) for label, values in images.limits.items()},
        "classes": {name: list(members) for name, members in images.groups.items()},
        "fold": images.fold,
        "folds": images.folds,
        "by": images.by,
        "subjects": dict(images.shares),
        "labelled": images.shown,
        "unique": images.unique_by,
        "begin": None if begin is None else checkpoint.read_header(begin),
    }

    def from_step(start: int) -> Iterator[Batch]:
        rank, ranks = _place()
        return batches(
            samples, batch_size=recipe.batch_size, labelled=recipe.labelled,
            balanced=recipe.balanced, seed=seed, start=start, rank=rank, ranks=ranks,
        )  # fmt: skip

    from_step(0)  # what cannot be drawn is refused before anything is written
    model = _built(paper(name), config, seed)
    if begin is not None:
        checkpoint.load_alike(begin, model)
    assert isinstance(model, Model)
    fit(model, from_step, recipe, run=out, header=header, seed=seed, resume=resume)


def inherited(config: Any, begin: Path | None) -> Any:
    """A config with what the run that a training begins with has decided, so that weights fit.

    That is its table of `organs`, or whatever fields the config names under `inherits`.

    Raises:
        BadInput: The folder holds no run, or one of another version of septum.
    """
    if begin is None:
        return config
    said = dict(checkpoint.read_header(begin).get("config", {}))
    wanted = getattr(config, "inherits", ("organs",))
    both = [name for name in wanted if name in said and hasattr(config, name)]
    return replace(config, **{n: restored(getattr(config, n), said[n], begin) for n in both})


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
    model = _built(paper(name), config, FLOOR_SEED)
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
    assert isinstance(run.model, nn.Module)
    where = next(run.model.parameters()).device
    untrained = _built(run.paper, run.config, FLOOR_SEED).to(where).eval()
    assert isinstance(untrained, Model)
    return untrained


def evaluate(
    run: Run, task: str, images: Prepared, out: Path, *, split: str = "val", seed: int = 0
) -> Report:
    """Put a question to the model and to its floor; write what they answer into a folder.

    A run of one fold of a cross-validation is asked in the splits of that fold.

    Raises:
        BadInput: There is no such task or split, or the images do not have what it needs.
    """
    ask = choose(TASKS, task, "task")
    asked = as_seen(run, told(run, images))
    learn, test = asked.split("train"), asked.split(split)
    report = ask(run.model, learn, test, seed)
    if task not in WITHOUT_FLOOR:
        report = with_floor(report, ask(floor(run), learn, test, seed))
    write(report, out, task=task, model=run.name, data=images.name, split=split, seed=seed)
    return report


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


def parsed(config: Any, said: Sequence[str]) -> dict[str, Any]:
    """Values of fields of a config, from words such as `channels=4`.

    Raises:
        BadInput: A word names no field, or its value is of another kind than the field.
    """
    changes: dict[str, Any] = {}
    for word in said:
        name, _, text = word.partition("=")
        known = {field.name: getattr(config, field.name) for field in fields(config)}
        plain = {k: v for k, v in known.items() if isinstance(v, bool | int | float | str)}
        if name not in plain:
            raise BadInput(f"{word!r} sets no field of the config; set {', '.join(plain)}.")
        changes[name] = _value(word, text, plain[name])
    return changes


def _value(word: str, text: str, like: Any) -> Any:
    """A text as a value of the same kind."""
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(like)(text)
    except (KeyError, ValueError) as error:
        kind = type(like).__name__
        raise BadInput(f"{word!r} gives no {kind}; write it like {like!r}.") from error


def told(run: Run, images: Prepared) -> Prepared:
    """The images with the label `known`: `yes` for the kind the run was trained on, else `no`.

    A data set that states the label itself is believed.
    """
    return replace(images, records=[_told(run, record) for record in images.records])


def _told(run: Run, record: Record) -> Record:
    known = record.labels.get("data") in run.data.split("+") and allows(run.limits, record)
    return replace(record, labels={"known": "yes" if known else "no", **record.labels})


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


def leads() -> bool:
    """Whether this process is the first of those that train together: the one that writes."""
    return _place()[0] == 0


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


def _built(system: Paper, config: Any, seed: int) -> nn.Module:
    """Network with first weights from a seed; the generator of the caller stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return system.build(config)


def _place() -> tuple[int, int]:
    """This process and the number of processes, as `torchrun` states them."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))

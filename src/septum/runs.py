"""A run folder as the commands see it: made by `train`, opened by `load`, asked by `evaluate`.

registry, prepared images --train--> RUN --load--> Run, prepared images --evaluate--> metrics.json
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from septum import checkpoint
from septum.contract import BadInput, Batch, Model, Record, Report
from septum.data.limits import allows
from septum.data.loader import batches
from septum.data.prepared import Prepared
from septum.opened import (
    Run,
    as_seen,
    built,
    choose,
    device,
    floor,
    load,
    note_images,
    noted_images,
    paper,
    restored,
    sized,
    taken,
    words,
)
from septum.tasks import TASKS, WITHOUT_FLOOR
from septum.tasks.write import with_floor, write
from septum.train import fit

__all__ = [
    "Run",
    "as_seen",
    "built",
    "choose",
    "device",
    "evaluate",
    "floor",
    "inherited",
    "leads",
    "load",
    "note_images",
    "noted_images",
    "paper",
    "parsed",
    "restored",
    "sized",
    "taken",
    "told",
    "train",
    "words",
]


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
    model = built(paper(name), config, seed)
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


def leads() -> bool:
    """Whether this process is the first of those that train together: the one that writes."""
    return _place()[0] == 0


def _place() -> tuple[int, int]:
    """This process and the number of processes, as `torchrun` states them."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))

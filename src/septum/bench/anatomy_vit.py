"""The tables of A-ViT (ARL), on ultrasound that can be had, beside the published numbers.

    all data sets --pretrain--> OUT/NAME --ask, data set by data set----> rows
    one data set  --fine-tune, from OUT/NAME or from scratch--> OUT/NAME-DATA --ask--> rows

Every encoder has one size and sees as many images in batches of one size; one that learns from two
views of each sees twice as many views. Phantom hearts, drawn into OUT/data, are one more site. What
has been trained or evaluated in OUT is not done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from septum import runs
from septum.bench import once
from septum.bench.folds import MAIN, cases, predictions
from septum.bench.published import ANATOMY_VIT
from septum.bench.table import Row, Setting, row
from septum.contract import BadInput, Metric
from septum.data.prepare import joined, prepare
from septum.data.prepared import Prepared
from septum.data.unique import unique
from septum.metrics.interval import mean_by_subject
from septum.metrics.paired import t_test
from septum.tasks.classify import LABELS
from septum.tasks.write import read

SIZE = "tiny"
ALL = "all sites"
TUNED = "busi"
"""The data set of the published ladder."""
PHANTOM = "phantom"
FEWEST = 20
"""Tested subjects of a data set that classes are told of."""
HEARTS = 60
"""Phantom subjects."""
ONCE = ", near-duplicates left out"
LADDER = ("masked_vit", "acdt", "critic", "anatomy_vit")
"""From masked modelling to all of it, a part more on every rung."""
METHODS = ("mae", "dino", *LADDER)
SCRATCH = "scratch"
FINETUNED = (SCRATCH, *LADDER)
"""What a fine-tuning begins with."""
SCORES = ("accuracy", "balanced_accuracy", "auroc", "f1", "ece")
PROBES = ("logistic", "linear")


@dataclass(frozen=True, kw_only=True)
class Training:
    """One pretraining of a bench.

    Attributes:
        label: Name in the tables.
    """

    model: str
    label: str
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def trainings() -> dict[str, Training]:
    """All pretrainings by name."""
    alone = {"adversarial": 0.0, "distillation": 0.0}
    ours = "anatomy_vit"
    return {
        "mae": Training(model="mae", label="MAE"),
        "dino": Training(model="dino", label="DINO"),
        "masked_vit": Training(model="masked_vit", label="masked modelling"),
        "acdt": Training(model=ours, label="+ ACDT", changes=alone),
        "critic": Training(model=ours, label="+ critic", changes={"distillation": 0.0}),
        ours: Training(model=ours, label="A-ViT"),
    }


def rows(setting: Setting) -> Sequence[Row]:
    """One row per method, condition and metric: value, 95 % interval, n, and the paper's."""
    bench = Bench(setting)
    return [
        *_probed(bench),
        *_gained(bench),
        *_finetuned(bench),
        *_segmented(bench),
        *_speckle(bench),
        *_told(bench),
        *_offsets(bench),
    ]


class Bench:
    """The images of a bench, prepared once, and its runs."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.all = trainings()
        self.alone = cache(self._alone)

    def folder(self, name: str) -> Path:
        """The finished pretraining of that name."""
        training = self.all[name]
        return once.trained(
            self.setting, name, training.model, self.images, size=SIZE, changes=training.changes
        )

    def tuned(self, name: str, model: str, data: str) -> Path:
        """The finished fine-tuning on a data set of what that name has learnt; or from scratch."""
        begin = None if name == SCRATCH else self.folder(name)
        size = SIZE if begin else f"{SIZE}_{SCRATCH}"
        out = f"{name}-{model}-{_plain(data)}"
        return once.trained(self.setting, out, model, self.alone(data), size=size, begin=begin)

    def asked(self, run: Path, task: str, data: str) -> Mapping[str, Metric]:
        """What a run answers on the tested subjects of a data set."""
        return read(self.answered(run, task, data)).metrics

    def answered(self, run: Path, task: str, data: str) -> Path:
        """The folder of that answer."""
        images, where = self.alone(data), f"{task}-{_plain(data)}"
        return once.asked(self.setting, run, task, images, where, split=_tested(images))

    @cached_property
    def images(self) -> Prepared:
        """All sites, as one."""
        names = dict.fromkeys((*self.setting.data, PHANTOM))
        return joined([self.alone(name) for name in names])

    @cached_property
    def classified(self) -> Sequence[str]:
        """Data sets that state classes; the first of the paper also without near-duplicates."""
        found = [name for name in self.setting.data if _states_classes(self.alone(name))]
        return [*found, *[TUNED + ONCE] * (TUNED in found)]

    @cached_property
    def outlined(self) -> Sequence[str]:
        """Data sets of hearts with masks."""
        return [
            n
            for n in self.setting.data
            if self.alone(n).masks is not None and _hearts(self.alone(n))
        ]

    def row(self, table: str, name: str, path: str, metric: Metric, data: str) -> Row:
        """A number in the shape of a table."""
        label = self.all[name].label if name in self.all else name
        published = ANATOMY_VIT.get(
            f"{table.split(':', maxsplit=1)[0]}/{data.split(',', maxsplit=1)[0]}", {}
        )
        return row(table, path, metric, data=data, model=label, published=published)

    def _alone(self, name: str) -> Prepared:
        """A data set at the size of the models."""
        if name == ALL:
            return self.images
        if name.endswith(ONCE):
            return unique(self.alone(name.removesuffix(ONCE)))
        size = runs.sized("anatomy_vit", SIZE).recipe.image_size
        if name != PHANTOM or name in self.setting.data:
            return self.setting.prepared(size, [name])
        root = once.drawn(self.setting, PHANTOM, HEARTS)
        return prepare(PHANTOM, root, size=size, cache=self.setting.out / "cache")


def _plain(data: str) -> str:
    """The name of a data set in the name of a folder."""
    return data.replace(ONCE, "-once").replace(":", "-")


def _tested(images: Prepared) -> str:
    """The split that is asked: some data sets publish no `test`. No choice was made on `val`."""
    return "test" if any(record.split == "test" for record in images.records) else "val"


def _states_classes(images: Prepared) -> bool:
    """Whether training and tested images are of two classes at least, and the latter not few."""
    asked = [r for r in images.records if r.split == _tested(images)]
    learn = [r for r in images.records if r.split == "train"]
    return len({r.subject for r in asked}) >= FEWEST and any(
        all(len({r.labels.get(label) for r in of} - {None, ""}) > 1 for of in (learn, asked))
        for label in LABELS
    )


def _hearts(images: Prepared) -> bool:
    return all(record.labels.get("organ") == "heart" for record in images.records)


def _probed(bench: Bench) -> Iterator[Row]:
    """Frozen encoders, and the untrained one."""
    for data in bench.classified:
        for name in METHODS:
            for path, metric in bench.asked(bench.folder(name), "classify", data).items():
                score, _, by = path.removeprefix("floor/").partition("/")
                if score not in SCORES or (path.startswith("floor/") and name != "anatomy_vit"):
                    continue
                model = bench.all[name].label + ", untrained" * path.startswith("floor/")
                yield bench.row("Linear probe", model, f"{score}/{by}", metric, data)


def _gained(bench: Bench) -> Iterator[Row]:
    """By how much more often A-ViT is right than masked modelling alone (paired over subjects)."""
    for data in bench.classified:
        for probe in PROBES:
            found = [
                bench.answered(bench.folder(name), "classify", data)
                for name in ("anatomy_vit", "masked_vit")
            ]
            gain, p = _gain(found[0], found[1], f"said/{probe}")
            yield bench.row("Linear probe", "anatomy_vit", f"gain_accuracy/{probe}", gain, data)
            yield bench.row("Linear probe", "anatomy_vit", f"p_value_accuracy/{probe}", p, data)


def _gain(ours: Path, theirs: Path, said: str) -> tuple[Metric, Metric]:
    a, b = predictions([ours]), predictions([theirs])
    if [r["id"] for r in a] != [r["id"] for r in b]:
        raise BadInput(f"{ours} was asked of other images than {theirs}; remove it and ask again.")
    right = [np.array([float(r[said] == r["truth"]) for r in of]) for of in (a, b)]
    test = t_test(right[0], right[1], [r["subject"] for r in a])
    of: Any = {"unit": "", "n": test.n}
    return (
        Metric(value=test.difference, low=test.low, high=test.high, **of),
        Metric(value=test.p_value, low=test.p_value, high=test.p_value, **of),
    )


def _finetuned(bench: Bench) -> Iterator[Row]:
    """The ladder, fine-tuned on breast images, as they are and without near-duplicates."""
    for data in bench.classified:
        if data.removesuffix(ONCE) != TUNED:
            continue
        for name in FINETUNED:
            found = bench.asked(bench.tuned(name, "finetuned", data), "classify", data)
            for path in (f"{score}/own" for score in SCORES):
                yield bench.row("Fine-tuning", name, path, found[path], data)


def _segmented(bench: Bench) -> Iterator[Row]:
    """Hearts outlined by UPerNet."""
    for data in bench.outlined:
        for name in (SCRATCH, "masked_vit", "anatomy_vit"):
            answer = bench.answered(bench.tuned(name, "upernet", data), "delineate", data)
            found = {"miou": _miou(answer, bench.setting.seed), **read(answer).metrics}
            for path, metric in found.items():
                if path.startswith(("dice/", "miou", "hd95")):
                    yield bench.row("Segmentation", name, path, metric, data)


def _miou(answer: Path, seed: int) -> Metric:
    """Mean over structures, and then images, of intersection over union: dice / (2 - dice)."""
    subjects, columns = cases([answer])
    dice = np.stack([v for n, v in columns.items() if n.startswith("dice/") and n != MAIN])
    return mean_by_subject(np.nanmean(dice / (2 - dice), axis=0), subjects, unit="", seed=seed)


def _speckle(bench: Bench) -> Iterator[Row]:
    """What is drawn in place of hidden patches, beside what was there."""
    for name in LADDER:
        for path, metric in bench.asked(bench.folder(name), "speckle", ALL).items():
            if not path.startswith("floor/"):
                yield bench.row("Speckle", name, path, metric, ALL)


def _told(bench: Bench) -> Iterator[Row]:
    """Beyond the paper: the organ given, recognised, wrong, absent."""
    for data in bench.classified:
        for path, metric in bench.asked(bench.folder("anatomy_vit"), "conditioning", data).items():
            if not path.startswith("floor/"):
                yield bench.row("Organ label", "anatomy_vit", path, metric, data)


def _offsets(bench: Bench) -> Iterator[Row]:
    """Where blocks look, organ by organ."""
    for name in ("acdt", "anatomy_vit"):
        for path, metric in bench.asked(bench.folder(name), "offsets", ALL).items():
            yield bench.row("Offsets", name, path, metric, ALL)

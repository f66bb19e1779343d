"""The tables and figures of CoReEcho, on films that can be had, beside the published numbers.

    films, fold, share of subjects --train--> OUT/NAME --evaluate--> OUT/NAME/evaluate/TASK --> rows

Three data sets play the parts of EchoNet-Dynamic, CAMUS and HMC-QU. Which is which, its layout
says; a part that no named data set has is played by phantom hearts in the published layout, drawn
into OUT/data. Methods see the same films in the same order, as many clips, with the same encoder.
What has been trained or evaluated in OUT is not done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from septum import runs
from septum.bench import once
from septum.bench.folds import Column, Table, cases, compared, predictions
from septum.bench.published import COREECHO
from septum.bench.table import Row, Setting
from septum.bench.table import row as table_row
from septum.contract import Metric
from septum.data.prepare import prepare
from septum.data.prepared import Prepared
from septum.metrics.agreement import errors
from septum.metrics.diagnosis import rates_by_subject
from septum.nn.clip_views import STILL
from septum.tasks.write import read

PARTS = {
    "echonet": ("echonet_dynamic",),
    "camus": ("camus_sequences", "beats"),
    "hmc_qu": ("hmc_qu",),
}
"""Layouts that can play a part; the first of them is drawn where no data set does."""
HEARTS = {"echonet": 1000, "camus": 60, "hmc_qu": 100}
"""Phantom subjects of every part."""
METHODS = {"coreecho": "CoReEcho", "echocotr": "EchoCoTr", "l1": "L1", "r2plus1d": "R(2+1)D-18"}
COMPONENTS = {
    "l1": "L1",
    "stage_one": "stage one",
    "coreecho": "stages one and two",
    "echocotr": "EchoCoTr",
}
CLIPS = {
    "stage_one": "two clips, views",
    "one_clip": "one clip, views",
    "no_views": "two clips, no views",
}
SHARES = (0.5, 0.25, 0.125, 0.0625)
"""Of the training subjects, beside all of them."""
TRANSFERS = {
    "scratch": ("small_finetuned", ""),
    "probe of EchoCoTr": ("small", "echocotr"),
    "probe of CoReEcho": ("small", "coreecho"),
    "EchoCoTr, fine-tuned": ("small_finetuned", "echocotr"),
    "CoReEcho, fine-tuned": ("small_finetuned", "coreecho"),
}
"""Size of the transferred model, and the training it begins with."""
FOLDS = {"camus": (10, ""), "hmc_qu": (5, "infarct")}
"""How many, and the label that stratifies them."""
TRUTH = "ef_percent"
LABELS = {"camus": "ef_percent", "hmc_qu": "infarct"}
QUALITIES = {"good": ("Good", "Medium"), "poor": ("Poor",)}
PLAYERS = {"Table 4": "camus", "Table 5": "hmc_qu"}
TABLES = {
    "table_2": "Table 2: components",
    "table_3": "Table 3: clips and views",
}


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a bench.

    Attributes:
        part: Of `PARTS`; or `stills`, the pictures behind films of two frames.
        share: Of the training subjects.
        fold: Of a cross-validation; None for the splits of the data set.
        begin: Name of the training whose encoder it begins with.
    """

    model: str
    part: str = "echonet"
    size: str = "small"
    share: float = 1.0
    fold: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    begin: str = ""


def fewer(method: str, share: float) -> str:
    """Name of a training on a share of the subjects."""
    return method if share == 1 else f"fewer/{method}-{share:g}"


def transfer(part: str, row: str, fold: int) -> str:
    """Name of a training of Table 4 or 5."""
    return f"{part}/{row.lower().replace(',', '').replace(' ', '_')}-{fold}"


def trainings() -> dict[str, Training]:
    """All trainings by name; those that another begins with come before it."""
    found = {method: Training(model=method) for method in METHODS}
    found["stage_one"] = Training(model="coreecho", changes={"second_stage": 0.0})
    found["one_clip"] = Training(
        model="coreecho", size="small_one_clip", changes={"second_stage": 0.0}
    )
    found["no_views"] = Training(model="coreecho", changes={"second_stage": 0.0, "views": STILL})
    for share in SHARES:
        for method in ("coreecho", "echocotr"):
            found[fewer(method, share)] = Training(model=method, share=share)
    for part, (folds, _) in FOLDS.items():
        for fold in range(folds):
            for row, (size, begin) in TRANSFERS.items():
                found[transfer(part, row, fold)] = Training(
                    model="transferred", part=part, size=size, fold=fold, begin=begin,
                    changes={"label": LABELS[part]},
                )  # fmt: skip
    for fold in range(FOLDS["camus"][0]):
        found[f"masks-{fold}"] = Training(model="unet", part="stills", fold=fold)
    return found


def rows(setting: Setting) -> Sequence[Row]:
    """One row per method, condition and metric: value, 95 % interval, n, and the paper's."""
    bench = Bench(setting)
    return [
        *_methods(bench),
        *_intervals(bench),
        *_ablations(bench),
        *_explained(bench),
        *_fewer(bench),
        *_camus(bench),
        *_hmc_qu(bench),
    ]


class Bench:
    """The films of a bench, prepared once each, and its runs."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.all = trainings()
        self.named = {part: name for name in setting.data for part in _played(name)}
        self.films = cache(self._films)

    def folder(self, name: str) -> Path:
        """The finished run of that name."""
        training = self.all[name]
        return once.trained(
            self.setting, name, training.model, self.learnt(training), size=training.size,
            changes=training.changes, begin=self.folder(training.begin) if training.begin else None,
        )  # fmt: skip

    def asked(self, name: str, task: str) -> Path:
        """The folder of what a run of that name answers on its tested subjects."""
        images = self.films(self.all[name].part)
        return once.asked(self.setting, self.folder(name), task, images)

    def learnt(self, training: Training) -> Prepared:
        """What a training sees."""
        seen = self.films(training.part)
        if training.fold is not None:
            folds, by = FOLDS["camus" if training.part == "stills" else training.part]
            seen = seen.folded(training.fold, folds=folds, by=by)
        names = dict.fromkeys((str(r.labels["data"]) for r in seen.records), training.share)
        return seen.kept(names, seed=self.setting.seed)

    def has_stills(self) -> bool:
        """Whether the films of CAMUS are pairs of outlined pictures."""
        return self.named.get("camus", "").endswith(":beats")

    def _films(self, part: str) -> Prepared:
        """The data set of a part at the size of the model."""
        if part == "stills":
            size = runs.sized("unet", "small").recipe.image_size
            return self.setting.prepared(size, [self.named["camus"].removesuffix(":beats")])
        size = runs.sized("coreecho", "small").recipe.image_size
        if part in self.named:
            return self.setting.prepared(size, [self.named[part]])
        layout = PARTS[part][0]
        root = once.drawn(self.setting, layout, HEARTS[part])
        return prepare(layout, root, size=size, cache=self.setting.out / "cache")


def _played(name: str) -> Iterator[str]:
    """The part that a data set plays, if any."""
    layout = name.rpartition(":")[2]
    yield from (part for part, layouts in PARTS.items() if layout in layouts)


def _methods(bench: Bench) -> Iterator[Row]:
    """Table 1: errors of EF by one clip, three and all, and whether the gain is chance."""
    table = "Table 1: ejection fraction"
    for method, model in METHODS.items():
        for path, metric in read(bench.asked(method, "regress_ef")).metrics.items():
            if path.startswith("mean_predictor/") and method == "coreecho":
                plain = path.removeprefix("mean_predictor/")
                yield row(table, bench, "mean of the training films", plain, metric)
            elif not path.startswith(("mean_predictor/", "floor/")):
                yield row(table, bench, model, path, metric)
    for method in ("echocotr", "l1"):
        gain = _gain(bench.asked("coreecho", "regress_ef"), bench.asked(method, "regress_ef"))
        for path, metric in gain.items():
            yield row(table, bench, f"CoReEcho against {METHODS[method]}", path, metric)


def _intervals(bench: Bench) -> Iterator[Row]:
    """Beyond the paper: how far an estimate may be trusted."""
    for path, metric in read(bench.asked("coreecho", "conformal")).metrics.items():
        if not path.startswith("floor/"):
            yield row("Intervals of EF", bench, "CoReEcho", path, metric)


def _gain(ours: Path, theirs: Path) -> dict[str, Metric]:
    """By how much less our absolute error is, in points of EF (`septum.bench.folds.compared`)."""

    def closeness(found: Table) -> Column:
        return -np.abs(found["said"] - found[TRUTH])

    return compared([ours], [[theirs]], name="mae", score=closeness, unit="percent")


def _ablations(bench: Bench) -> Iterator[Row]:
    """Tables 2 and 3; order of the embeddings beside the errors."""
    for table, of in (("table_2", COMPONENTS), ("table_3", CLIPS)):
        for name, model in of.items():
            found = read(bench.asked(name, "regress_ef")).metrics
            for path in ("r2/one_clip", "mae/one_clip", "r2", "mae"):
                yield row(TABLES[table], bench, model, path, found[path])
            order = read(bench.asked(name, "continuity")).metrics["spearman"]
            yield row(TABLES[table], bench, model, "order", order)


def _explained(bench: Bench) -> Iterator[Row]:
    """Figures 1 and 3: are embeddings ordered by EF, and does the model look at the ventricle?"""
    for task, table in (("continuity", "Figure 1: order"), ("attribution", "Figure 3: focus")):
        for method in ("coreecho", "echocotr", "l1"):
            for path, metric in read(bench.asked(method, task)).metrics.items():
                model = METHODS[method] + ", untrained" * path.startswith("floor/")
                yield row(table, bench, model, path.removeprefix("floor/"), metric)


def _fewer(bench: Bench) -> Iterator[Row]:
    """Errors by the share of the training subjects."""
    for share in (1.0, *SHARES):
        for method in ("coreecho", "echocotr"):
            found = read(bench.asked(fewer(method, share), "regress_ef")).metrics
            for path in ("mae", "r2"):
                yield row(
                    "Fewer subjects", bench, METHODS[method], f"{path}/{share:.1%}", found[path]
                )


def _camus(bench: Bench) -> Iterator[Row]:
    """Table 4: EF of another data set, every subject tested once; a film, then a subject each."""
    table, folds = "Table 4: transfer to CAMUS", range(FOLDS["camus"][0])
    for name in TRANSFERS:
        folders = [bench.asked(transfer("camus", name, fold), "regress_ef") for fold in folds]
        for path, metric in _pooled(bench, folders).items():
            yield row(table, bench, name, path, metric)
    if bench.has_stills():
        folders = [bench.asked(f"masks-{fold}", "biplane") for fold in folds]
        drawn = [f for f in predictions(folders) if f["said"]]  # empty where no mask was drawn
        for path, metric in _errors(drawn, bench.setting.seed).items():
            yield row(table, bench, "U-Net, biplane disks", f"{path}/subject", metric)


def _pooled(bench: Bench, folders: Sequence[Path]) -> dict[str, Metric]:
    """Errors over all folds: of every film, of films by quality, and of means over a subject."""
    films = predictions(folders)
    records = {record.id: record for record in bench.films("camus").records}
    groups = {"": films}
    for name, of in QUALITIES.items():
        groups[f"/{name}"] = [f for f in films if records[f["id"]].labels.get("quality") in of]
    groups["/subject"] = [
        {"subject": subject, **{k: str(fmean(float(f[k]) for f in of)) for k in ("said", TRUTH)}}
        for subject, of in _by_subject(films).items()
    ]
    return {
        f"{path}{name}": metric
        for name, of in groups.items()
        if len(of) > 1
        for path, metric in _errors(of, bench.setting.seed).items()
    }


def _by_subject(films: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    of: dict[str, list[Mapping[str, str]]] = {}
    for film in films:
        of.setdefault(film["subject"], []).append(film)
    return of


def _errors(films: Sequence[Mapping[str, str]], seed: int) -> dict[str, Metric]:
    truth, said = (np.array([float(film[k]) for film in films]) for k in (TRUTH, "said"))
    return errors(truth, said, [film["subject"] for film in films], unit="percent", seed=seed)


def _hmc_qu(bench: Bench) -> Iterator[Row]:
    """Table 5: infarct or none, every film tested once."""
    for name in TRANSFERS:
        folders = [
            bench.asked(transfer("hmc_qu", name, fold), "diagnose")
            for fold in range(FOLDS["hmc_qu"][0])
        ]
        subjects, found = cases(folders)
        said, truth = found["said"] >= 0.5, found["infarct"] == 1
        for path, metric in rates_by_subject(said, truth, subjects).items():
            yield row("Table 5: transfer to HMC-QU", bench, name, path, metric)


def row(table: str, bench: Bench, model: str, path: str, metric: Metric) -> Row:
    """A number in the shape of a table."""
    published = COREECHO.get(table.split(":", maxsplit=1)[0], {})
    data = _played_by(table, bench)
    return table_row(table, path, metric, data=data, model=model, published=published)


def _played_by(table: str, bench: Bench) -> str:
    """Name of the data set behind a table."""
    part = next((p for k, p in PLAYERS.items() if table.startswith(k)), "echonet")
    return bench.named.get(part, f"phantom as {PARTS[part][0]}")

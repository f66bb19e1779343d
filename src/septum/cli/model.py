"""The commands that train a model, ask it, measure it and show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from septum import show
from septum.cli.data import Images


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a model by its recipe."""

    model: Positional[str]
    """Name of the model."""
    images: Images
    out: Path
    """The run folder."""
    size: str = "small"
    """Size of the model: small runs on a CPU in minutes, paper is the published one."""
    set: tuple[str, ...] = ()
    """Fields of the model's config with other values than the size has: channels=4 rate=.1."""
    classes: tuple[str, ...] = ()
    """Structures to tell apart in masks: left_ventricle myocardium=myocardium,infarction."""
    labelled: float = 1.0
    """Share of the training subjects whose masks are shown, chosen by the seed."""
    fold: int | None = None
    """Fold of a cross-validation, from 0, instead of the splits of the data sets."""
    folds: int = 3
    """How many folds there are; with more than three every subject is tested once."""
    by: str = ""
    """Label that stratifies the folds, such as infarct or quality."""
    subjects: float = 1.0
    """Share of the training subjects that are used at all, chosen by the seed."""
    begin: Path | None = None
    """A run whose weights the training begins with, where they fit."""
    steps: int | None = None
    """Training steps, instead of those of the recipe."""
    seed: int = 0
    """Decides first weights, order of images and every random number."""
    resume: bool = False
    """Continue the run in OUT; it ends where it would have ended."""

    def run(self) -> None:
        """Prepare and train."""
        from septum import runs

        chosen = runs.sized(self.model, self.size, steps=self.steps)
        changes = runs.parsed(chosen.config, self.set)
        ready = self.narrowed(self.images.prepared(chosen.recipe.image_size, self.classes))
        options: dict[str, Any] = {
            "size": self.size,
            "steps": self.steps,
            "seed": self.seed,
            "changes": changes,
            "begin": self.begin,
        }
        runs.train(self.model, ready, self.out, resume=self.resume, **options)
        if runs.leads():
            runs.note_images(self.out, self.images.data, self.images.root)
            print(self.out)

    def narrowed(self, images: Any) -> Any:
        """The images in the splits of the fold: whom and what the training sees."""
        folded = images
        if self.fold is not None:
            folded = images.folded(self.fold, folds=self.folds, by=self.by)
        kept = folded.kept(dict.fromkeys(self.images.data, self.subjects), seed=self.seed)
        return kept.labelled(self.labelled, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Put a question to a trained, frozen model, and to its untrained floor."""

    task: Positional[str]
    """Name of the task."""
    run_folder: Annotated[Path, tyro.conf.arg(name="run")]
    """The run folder."""
    images: Images
    out: Path
    """Folder for metrics.json, predictions.csv and pictures."""
    split: str = "val"
    """The split that is asked about: train, val, test or all."""
    seed: int = 0
    """Of the task."""

    def run(self) -> None:
        """Ask; print the metrics."""
        from septum import runs

        run = runs.load(self.run_folder, device=runs.device())
        ready = self.images.prepared(run.recipe.image_size, runs.words(run.groups))
        report = runs.evaluate(run, self.task, ready, self.out, split=self.split, seed=self.seed)
        show.metrics(report)
        print(self.out / "metrics.json")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure a table, side by side with what was published or with the plain way."""

    table: Positional[str]
    """Name of the table."""
    out: Path
    """Folder for its JSON and what lies behind it."""
    data: tuple[str, ...] = ()
    """Names of data sets, for a table that needs some."""
    root: Path | None = None
    """Folder that holds one folder per data set."""
    cache: Path | None = None
    """Folder for prepared images; by default in the user's cache folder."""
    steps: int | None = None
    """Training steps of every row, instead of those of the table."""
    seed: int = 0
    """Of trainings and tasks."""

    def run(self) -> None:
        """Measure; print and write the rows."""
        from septum import checkpoint, runs
        from septum.bench import PAGES, TABLES
        from septum.bench.table import Setting
        from septum.bench.timing import machine
        from septum.report import measured

        ask = runs.choose(TABLES, self.table, "table")
        setting = Setting(
            out=self.out, data=self.data, prepared=self._prepared, steps=self.steps, seed=self.seed
        )
        found, path = ask(setting), self.out / f"{self.table}.json"
        facts = {"table": self.table, "data": self.data, "seed": self.seed, "machine": machine()}
        checkpoint.write_json(path, {**facts, "rows": found})
        for title, parts in measured.tables(path).items():
            for name, rows in parts.items():
                print("\n" + ", ".join(filter(None, (title, name))))
                show.table([*rows[0]], [[*row.values()] for row in rows])
        print(path)
        if self.table in PAGES:
            self._show(self.out / PAGES[self.table], path)

    def _show(self, folder: Path, path: Path) -> None:
        """Write the page of the run that the table is about."""
        from septum import runs
        from septum.report import trained

        run = runs.load(folder)
        names = run.data.split("+")
        images = self._prepared(run.recipe.image_size, names, runs.words(run.groups))
        print(trained.write(run, runs.as_seen(run, images).split("val"), tables=[path]))

    def _prepared(
        self, size: tuple[int, int], names: Sequence[str], classes: Sequence[str] = ()
    ) -> Any:
        from septum.contract import BadInput

        if not names or self.root is None:
            raise BadInput(f"The table {self.table} needs images; name them by --data and --root.")
        return Images(data=tuple(names), root=self.root, cache=self.cache).prepared(size, classes)


@dataclass(frozen=True, kw_only=True)
class WriteReport:
    """Write report.html into run folders: one page each, with no file beside it."""

    runs: Positional[tuple[Path, ...]]
    """The run folders."""
    results: tuple[Path, ...] = ()
    """Folders that `septum evaluate` wrote for one RUN; by default those in RUN/evaluate."""
    tables: tuple[Path, ...] = ()
    """Files that `septum bench` wrote; each becomes a table of the page."""
    split: str = "val"
    """The split whose images are shown: train, val, test or all."""
    root: Path | None = None
    """Folder that holds the data sets, if it is another than at the training."""
    cache: Path | None = None
    """Folder for prepared images; by default in the user's cache folder."""

    def run(self) -> None:
        """Write the pages."""
        from septum.contract import BadInput

        if self.results and len(self.runs) != 1:
            raise BadInput("Results belong to one run; give its folder alone with --results.")
        for folder in self.runs:
            self._write(folder)

    def _write(self, folder: Path) -> None:
        from septum import runs
        from septum.report import trained

        run = runs.load(folder)
        # a bench notes no places; which images they were, every run says
        names, root = (run.data.split("+"), self.root) if self.root else runs.noted_images(folder)
        images = Images(data=tuple(names), root=root, cache=self.cache)
        ready = images.prepared(run.recipe.image_size, runs.words(run.groups))
        samples = runs.as_seen(run, ready).split(self.split)
        print(trained.write(run, samples, evaluations=self.results, tables=self.tables))

"""The command line: every command is a dataclass, every field a flag.

A command imports what it needs when it runs, so that help is instant. Status 0 is success, 2 bad
input with one sentence on stderr, 130 an interruption from the keyboard.
"""

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import tyro
from tyro.conf import Positional, subcommand

from septum import show


@dataclass(frozen=True, kw_only=True)
class Images:
    """Where images come from."""

    data: tuple[str, ...]
    """Names of data sets: folders of ROOT; NAME:LAYOUT names the layout of a folder."""
    root: Path
    """Folder that holds one folder per data set."""
    cache: Path | None = None
    """Folder for prepared images; by default in the user's cache folder."""

    def prepared(self, size: tuple[int, int]) -> Any:
        """All of them as one `septum.data.prepared.Prepared` of this height and width in pixels."""
        from septum.data.prepare import prepare_many

        return prepare_many(self.data, self.root, size=size, cache=self.cache)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """From nothing to a page: draw hearts, train ConceptVAE on them, ask it questions."""

    out: Path = Path("septum-demo")
    """Folder for all of it; a demo that was stopped goes on in it."""
    subjects: int = 60
    """Hearts to draw."""
    size: str = "demo"
    """Size of the model."""
    steps: int | None = None
    """Training steps, instead of those of the recipe."""
    seed: int = 0
    """Of hearts, training and evaluation."""

    def run(self) -> None:
        """Draw, then call the other commands in turn."""
        from septum import runs
        from septum.data import phantom

        runs.sized("concept_vae", self.size, steps=self.steps)
        root, folder = self.out / "data", self.out / "run"
        images = Images(data=("phantom",), root=root, cache=self.out / "cache")
        if not (root / "phantom" / "manifest.csv").is_file():
            print(f"Drawing {self.subjects} hearts.")
            phantom.write(root / "phantom", subjects=self.subjects, seed=self.seed)
        Train(
            model="concept_vae",
            images=images,
            out=folder,
            size=self.size,
            steps=self.steps,
            seed=self.seed,
            resume=True,
        ).run()
        for task in ("segment", "retrieve", "monitor"):
            out = folder / "evaluate" / task
            Evaluate(task=task, run_folder=folder, images=images, out=out, seed=self.seed).run()
        WriteReport(runs=(folder,), cache=images.cache).run()


@dataclass(frozen=True, kw_only=True)
class DataList:
    """List the data sets whose published layout is known."""

    def run(self) -> None:
        """Print one row per data set."""
        from septum.data import SOURCES

        rows = [(name, s.title, s.licence, s.url) for name, s in SOURCES.items()]
        show.table(("name", "data set", "licence", "where"), rows)
        print("Any other folder is read by its manifest.csv and dataset.json.")


@dataclass(frozen=True, kw_only=True)
class DataPrepare:
    """Decode data sets once, so that training and evaluation start at once."""

    images: Images
    image_size: tuple[int, int] = (224, 224)
    """Height and width of a prepared image in pixels."""

    def run(self) -> None:
        """Prepare; print the counts, and write them into the cache."""
        from septum.data.prepare import default_cache
        from septum.data.split import SPLITS

        ready = self.images.prepared(self.image_size)
        counts = {
            split: {"images": len(found), "subjects": len({r.subject for r in found})}
            for split in SPLITS
            if (found := [r for r in ready.records if r.split == split])
        }
        rows = [(split, n["images"], n["subjects"]) for split, n in counts.items()]
        show.table(("split", "images", "subjects"), rows)
        h, w = self.image_size
        facts = {"data": ready.name, "image_size": [h, w], "splits": counts}
        name = ready.name.replace(":", "-")
        show.json_file((self.images.cache or default_cache()) / f"{name}-{h}x{w}.json", facts)


@dataclass(frozen=True, kw_only=True)
class DataAudit:
    """Look for leaks, twins, contradictions and broken files in a data set."""

    data: str
    """Name of the data set: a folder of ROOT; NAME:LAYOUT names the layout of the folder."""
    root: Path
    """Folder that holds one folder per data set."""
    out: Path
    """Folder for audit.json, audit.txt and contact_sheet.png."""

    def run(self) -> None:
        """Audit; print the text."""
        from septum.checkpoint import write_bytes
        from septum.data import findings
        from septum.data.audit import audit

        found = audit(self.data, self.root)
        text = findings.as_text(found)
        print(text)
        show.json_file(self.out / "audit.json", findings.as_dict(found))
        write_bytes(self.out / "audit.txt", text.encode() + b"\n")
        sheet = io.BytesIO()
        findings.contact_sheet(found).savefig(sheet, format="png", dpi=150)
        write_bytes(self.out / "contact_sheet.png", sheet.getvalue())


@dataclass(frozen=True, kw_only=True)
class DataSketch:
    """Write a miniature of a published layout, filled with phantom hearts."""

    name: Positional[str]
    """Name of the data set."""
    out: Path
    """Folder for it: the miniature is OUT/NAME."""

    def run(self) -> None:
        """Write it."""
        from septum import runs
        from septum.data import SOURCES

        folder = self.out / self.name
        source = runs.choose(SOURCES, self.name, "data set")
        folder.mkdir(parents=True)
        source.sketch(folder)
        print(folder)


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
    steps: int | None = None
    """Training steps, instead of those of the recipe."""
    seed: int = 0
    """Decides first weights, order of images and every random number."""
    resume: bool = False
    """Continue the run in OUT; it ends where it would have ended."""

    def run(self) -> None:
        """Prepare and train."""
        from septum import runs

        recipe = runs.sized(self.model, self.size, steps=self.steps).recipe
        ready = self.images.prepared(recipe.image_size)
        options: dict[str, Any] = {"size": self.size, "steps": self.steps, "seed": self.seed}
        runs.train(self.model, ready, self.out, resume=self.resume, **options)
        if runs.leads():
            runs.note_images(self.out, self.images.data, self.images.root)
            print(self.out)


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
        ready = self.images.prepared(run.recipe.image_size)
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
        from septum import runs
        from septum.bench import TABLES
        from septum.bench.speed import machine
        from septum.bench.table import Setting

        ask = runs.choose(TABLES, self.table, "table")
        rows = ask(Setting(out=self.out, prepared=self._prepared, steps=self.steps, seed=self.seed))
        show.table([*rows[0]], [[*row.values()] for row in rows])
        facts = {"table": self.table, "data": self.data, "seed": self.seed, "machine": machine()}
        show.json_file(self.out / f"{self.table}.json", {**facts, "rows": rows})

    def _prepared(self, size: tuple[int, int]) -> Any:
        from septum.contract import BadInput

        if not self.data or self.root is None:
            raise BadInput(f"The table {self.table} needs images; name them by --data and --root.")
        return Images(data=self.data, root=self.root, cache=self.cache).prepared(size)


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
        names, root = runs.noted_images(folder)
        images = Images(data=tuple(names), root=self.root or root, cache=self.cache)
        samples = images.prepared(run.recipe.image_size).split(self.split)
        print(trained.write(run, samples, evaluations=self.results, measured=self.tables))


@runtime_checkable
class Command(Protocol):
    """What runs."""

    def run(self) -> None:
        """Do it."""
        ...


DATA = (
    Annotated[DataList, subcommand("list")]
    | Annotated[DataPrepare, subcommand("prepare")]
    | Annotated[DataAudit, subcommand("audit")]
    | Annotated[DataSketch, subcommand("sketch")]
)
COMMANDS: Any = (
    Annotated[Demo, subcommand("demo")]
    | Annotated[DATA, subcommand("data", description="Look at data sets and prepare them.")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Bench, subcommand("bench")]
    | Annotated[WriteReport, subcommand("report")]
)


CONFIG = (
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.OmitArgPrefixes,
    tyro.conf.OmitSubcommandPrefixes,
    tyro.conf.PositionalMetavarFromFieldName,
)


def parse(arguments: Sequence[str] | None = None) -> Command:
    """The command that these words say; ends the process with status 2 where they say none."""
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(
                COMMANDS,
                prog="septum",
                args=arguments,
                description="Interpretable representations of cardiac and ultrasound images.",
                config=CONFIG,
            )
    except SystemExit as stopped:
        if stopped.code:
            _stop(show.sentence(complaint.getvalue()))
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    command = parse(arguments)
    try:
        from septum.contract import BadInput

        try:
            _refuse_seed(getattr(command, "seed", 0))
            command.run()
        except BadInput as error:
            return _stop(str(error))
        except OSError as error:
            where = error.filename or getattr(command, "out", "A file")
            why = error.strerror or error
            return _stop(f"{where} cannot be used ({why}); make room or name another path.")
    except KeyboardInterrupt:
        return 130
    return 0


def _refuse_seed(seed: int) -> None:
    from septum.contract import BadInput

    if not 0 <= seed < 1 << 63:
        raise BadInput(f"The seed {seed} cannot be used; choose one from 0 to {(1 << 63) - 1}.")


def _stop(sentence: str) -> int:
    print(f"septum: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

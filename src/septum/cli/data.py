"""The commands that look at data sets and prepare them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

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
    only: tuple[str, ...] = ()
    """Labels that choose among the images: view=4CH, or view=4CH,2CH for either."""
    unique: bool = False
    """Leave out near-duplicates, and all of those that the label tells apart."""

    def prepared(self, size: tuple[int, int], classes: Sequence[str] = ()) -> Any:
        """All of them as one `septum.data.prepared.Prepared` of this height and width in pixels.

        With `classes`, their masks tell these structures apart.
        """
        from septum.data import classes as structures
        from septum.data import limits
        from septum.data.prepare import prepare_many
        from septum.data.unique import unique

        groups, allowed = structures.parse(classes), limits.parse(self.only)
        found = prepare_many(self.data, self.root, size=size, cache=self.cache, groups=groups)
        return (unique(found) if self.unique else found).limited(allowed)


@dataclass(frozen=True, kw_only=True)
class DataList:
    """List the data sets whose published layout is known."""

    def run(self) -> None:
        """Print one row per data set."""
        from septum.data import SOURCES

        rows = [(name, s.title, s.organ, s.licence, s.url) for name, s in SOURCES.items()]
        show.table(("name", "data set", "organ", "licence", "where"), rows)
        print("Any other folder is read by its manifest.csv and dataset.json.")


@dataclass(frozen=True, kw_only=True)
class DataPrepare:
    """Decode data sets once, so that training and evaluation start at once."""

    images: Images
    image_size: tuple[int, int] = (224, 224)
    """Height and width of a prepared image in pixels."""

    def run(self) -> None:
        """Prepare; print the counts, and write them into the cache."""
        from septum.data import counts
        from septum.data.prepare import default_cache

        ready = self.images.prepared(self.image_size)
        splits, organs = counts.by_split(ready.records), counts.by_label(ready.records, "organ")
        for what, found in (("split", splits), ("organ", organs)):
            rows = [(value, n["images"], n["subjects"]) for value, n in found.items()]
            show.table((what, "images", "subjects"), rows)
        h, w = self.image_size
        facts = {"data": ready.name, "image_size": [h, w], "splits": splits, "organs": organs}
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
    """Write a published layout, filled with phantom hearts: a miniature, or a whole population."""

    name: Positional[str]
    """Name of the data set."""
    out: Path
    """Folder for it: it is written into OUT/NAME."""
    layout: str = ""
    """Layout, where the data set is to have another name: echonet-dynamic, camus-sequences."""
    subjects: int | None = None
    """Number of hearts, for a population instead of the miniature."""
    seed: int = 0
    """Draws the population."""

    def run(self) -> None:
        """Write it."""
        from septum import runs
        from septum.contract import BadInput
        from septum.data import SOURCES
        from septum.data.read import inside

        layout = (self.layout or self.name).replace("-", "_")
        source, folder = runs.choose(SOURCES, layout, "data set"), inside(self.out, self.name)
        if self.subjects is None:
            folder.mkdir(parents=True)
            source.sketch(folder)
        elif source.drawn is None:
            raise BadInput(f"{layout} has no population; leave out --subjects for its miniature.")
        else:
            folder.mkdir(parents=True)
            source.drawn(folder, self.subjects, self.seed)
        print(folder)


@dataclass(frozen=True, kw_only=True)
class DataDeidentify:
    """Write DICOM files without identity; a file of which that is not sure is refused.

    Read the report and look at every sheet before giving anything away.
    """

    source: Positional[Path]
    """Folder, DICOMDIR or file."""
    out: Positional[Path]
    """New folder for the files, report.json and the contact sheets."""
    key: Path | None = None
    """File of random bytes from which pseudonyms are made; by default they differ in every run."""

    def run(self) -> None:
        """De-identify; print what was refused, by number, since a path may name a patient."""
        from septum.contract import BadInput
        from septum.data.deidentify import folder, pseudonyms

        names = pseudonyms.drawn() if self.key is None else pseudonyms.kept(self.key)
        rows = folder.deidentify(self.source, self.out, names)
        refused = folder.refused(rows)
        print(self.out / folder.REPORT)
        if refused:
            show.table(("file", "refused, for it"), [(r["number"], r["refused"]) for r in refused])
            raise BadInput(
                f"{len(refused)} of {len(rows)} files were refused, the others are written; "
                f"see {folder.REPORT}."
            )


DATA = (
    Annotated[DataList, subcommand("list")]
    | Annotated[DataPrepare, subcommand("prepare")]
    | Annotated[DataAudit, subcommand("audit")]
    | Annotated[DataSketch, subcommand("sketch")]
    | Annotated[DataDeidentify, subcommand("deidentify")]
)

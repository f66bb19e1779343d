"""The model card of a run: what it is, learnt from and reaches, and what it must not be used for.

run folder + cards of its data sets --facts--> `card.md.j2` --> README.md

No place on a machine and no subject is named: texts of others come in as one plain line each.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from septum import __version__, checkpoint
from septum.contract import BadInput, Metric
from septum.data import counts
from septum.data.prepared import Prepared
from septum.export import licences
from septum.export.parity import Parity
from septum.opened import Run
from septum.tasks import TASKS
from septum.tasks.write import Evaluation, read

EVALUATIONS = "evaluate/*/metrics.json"
FLOOR = "floor/"


def text(
    run: Run,
    graphs: Mapping[str, Parity],
    *,
    images: Prepared | None,
    root: Path | None,
    tolerance: float,
) -> str:
    """The card, in Markdown.

    Args:
        run: A finished training.
        graphs: What its graphs were found to be, by name.
        images: Those of the run, to count them; None where they are not at hand.
        root: Holds its data sets; None likewise.
        tolerance: That the graphs were held to.

    Raises:
        BadInput: A file of the run cannot be read.
    """
    header = checkpoint.read_header(run.folder)
    origins = [licences.origin(name, root) for name in _data(header)]
    licence, why = licences.of_weights({o.name: o.licence for o in origins})
    evaluations = [read(path.parent) for path in sorted(run.folder.glob(EVALUATIONS))]
    return _template().render(
        run=run,
        claim=_claim(run),
        chosen=_chosen(header),
        begun=_begun(header),
        origins=origins,
        splits={} if images is None else counts.by_split(_learnt(images, header).records),
        classes=() if images is None else images.classes,
        recipe=asdict(run.recipe),
        environment=_environment(run.folder),
        licence=licence,
        why=why,
        evaluations=[(found, _rows(found)) for found in evaluations],
        unasked=sorted(set(TASKS) - {found.task for found in evaluations}),
        graphs=graphs,
        tolerance=tolerance,
        shape=next(iter(graphs.values())).inputs["image"][1:],
        version=__version__,
    )


def _template() -> Any:
    """Autoescape is for HTML; this is Markdown, whose texts pass through `plain`."""
    environment = Environment(
        loader=PackageLoader("septum.export", "."),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    return environment.get_template("card.md.j2")


def plain(said: object) -> str:
    r"""A text of others on one line, without what Markdown or HTML would act on.

    >>> plain("a | <b>\n[c](d) `e`")
    'a \\| \\<b\\> \\[c\\](d) \\`e\\`'
    """
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", " ".join(str(said).split()))


def _claim(run: Run) -> str:
    """The first paragraph of the file of the paper, which is named as the registry names it."""
    files = (sys.modules.get(f"septum.{kind}.{run.name}") for kind in ("models", "baselines"))
    said = next((file.__doc__ for file in files if file and file.__doc__), run.paper.title)
    return " ".join(said.strip().split("\n\n")[0].split())


def _learnt(images: Prepared, header: Mapping[str, Any]) -> Prepared:
    """Without the training subjects that the training left out."""
    return images.kept(header.get("subjects", {}), seed=header["seed"])


def _data(header: Mapping[str, Any]) -> list[str]:
    """Names of all data sets that its weights have seen, those before they came here last."""
    own = str(header["data"]).split("+")
    before = _data(header["begin"]) if header.get("begin") else []
    return list(dict.fromkeys([*own, *before]))


def _begun(header: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Model and data of the runs that this one began with, the last one first."""
    begin = header.get("begin")
    return [(str(begin["model"]), str(begin["data"])), *_begun(begin)] if begin else []


def _chosen(header: Mapping[str, Any]) -> Mapping[str, str]:
    """How the images were chosen, where not all were taken as they are."""
    groups: Mapping[str, Sequence[str]] = header["classes"]
    only: Mapping[str, Sequence[str]] = header["only"]
    fold, by = header["fold"], f", by {header['by']}" if header["by"] else ""
    told = {
        "only": ", ".join(f"{label} = {' or '.join(values)}" for label, values in only.items()),
        "classes": ", ".join(f"{name} = {' + '.join(of)}" for name, of in groups.items()),
        "fold": "" if fold is None else f"{fold} of {header['folds']}{by}",
        "share of the training subjects": ", ".join(
            f"{name} {share:g}" for name, share in header.get("subjects", {}).items()
        ),
        "share of them whose masks were shown": _less(header.get("labelled", 1.0)),
        "without near-duplicates that contradict in": str(header["unique"] or ""),
    }
    return {what: said for what, said in told.items() if said}


def _less(share: float) -> str:
    return "" if share == 1 else f"{share:g}"


def _environment(folder: Path) -> Mapping[str, Any]:
    """What the training says of its machine; nothing where it does not."""
    path = folder / checkpoint.ENVIRONMENT
    if not path.exists():
        return {}
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read; restore it, or remove it.") from error
    return said if isinstance(said, dict) else {}


def _rows(found: Evaluation) -> list[tuple[str, Metric, Metric | None]]:
    """Every metric by name, and what the untrained model reaches."""
    return [
        (name, metric, found.metrics.get(FLOOR + name))
        for name, metric in found.metrics.items()
        if not name.startswith(FLOOR)
    ]

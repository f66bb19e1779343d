"""One self-contained page per run: what was trained, how well, and what it sees and draws."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from septum.checkpoint import METRICS, write_bytes
from septum.contract import Label, Model, Samples
from septum.report import curves, inline, tables, words
from septum.report.captions import caption
from septum.report.measured import Parts
from septum.report.pictures import Picture, pictures
from septum.tasks.write import Evaluation, read

EVALUATIONS = "evaluate/*/metrics.json"


def write(
    run: Path,
    *,
    model: Model,
    samples: Samples,
    header: Mapping[str, Label],
    out: Path,
    evaluations: Sequence[Path] = (),
    extra: Mapping[str, Parts] | None = None,
    drawn: Sequence[Picture] = (),
) -> Path:
    """Write the report of a run folder to the file `out`, and return it.

    The page makes no request: its pictures, charts and styles are part of it. What the run lacks,
    such as evaluations, the page names; what its model cannot be asked for is not on the page.

    Args:
        run: Folder of the run; its `metrics.jsonl` is drawn.
        model: The trained model.
        samples: Whose frames the model is asked about.
        header: Facts for the top of the page, by name; `title` and `summary` have their own place.
        out: File of the page; replaced as a whole.
        evaluations: Folders with a `metrics.json` and pictures; those in `run/evaluate` if none.
        extra: Further tables by title, such as an ablation: rows of cells by column name; of a
            table in several parts, by name of the part.
        drawn: Pictures of these tables.

    Raises:
        BadInput: If a file of the run or of an evaluation cannot be read, or `out` not be written.
    """
    folders = evaluations or sorted(path.parent for path in run.glob(EVALUATIONS))
    answers = [read(folder) for folder in folders]
    log = run / METRICS
    shown = pictures(model, samples)
    content = {
        "header": {"title": "Report", "summary": ""} | dict(header),
        "headlines": _in_order([line for answer in answers for line in tables.headlines(answer)]),
        "pictures": [picture for picture in shown if picture.svg],
        "evaluations": [_evaluation(answer) for answer in answers],
        "drawn": drawn,
        "extra": extra or {},
        "charts": curves.groups(curves.read(log)) if log.is_file() else [],
        "left_out": [picture for picture in shown if not picture.svg],
    }
    write_bytes(out, _render(content).encode())
    return out


def _in_order(headlines: Sequence[tables.Headline]) -> list[tables.Headline]:
    """Those of the list of headlines first, in its order."""
    order = {name: place for place, name in enumerate(tables.HEADLINES)}
    return sorted(headlines, key=lambda line: order.get(line.name, len(order)))


def _evaluation(answer: Evaluation) -> Mapping[str, Any]:
    """One evaluation as the template wants it."""
    return {
        "title": f"{answer.task} on {answer.data}, split {answer.split}",
        "task": answer.task,
        "tables": tables.tables(answer),
        "images": [(caption(answer.task, p.stem), inline.png(p)) for p in answer.pictures],
    }


def _render(content: Mapping[str, Any]) -> str:
    pages = Environment(
        loader=PackageLoader("septum.report", package_path=""),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"number": words.number, "readable": words.readable}
    shape = {"chart_width": curves.WIDTH, "chart_height": curves.HEIGHT}
    return pages.get_template("page.html.j2").render(**content, **shape)

"""The page of a run folder: what the folder says of itself, put at the head of its page."""

from collections.abc import Sequence
from pathlib import Path

from septum import checkpoint
from septum.contract import Label, Samples
from septum.report import measured, page, pictures
from septum.runs import Run


def write(
    run: Run, samples: Samples, *, evaluations: Sequence[Path] = (), tables: Sequence[Path] = ()
) -> Path:
    """Write `report.html` into the run folder.

    Args:
        run: A finished training.
        samples: Whose images are shown.
        evaluations: Folders that `septum evaluate` wrote; by default those in the run folder.
        tables: Files that `septum bench` wrote; they are shown, and what labels are worth is drawn.

    Raises:
        BadInput: As `page.write` and `measured.rows`.
    """
    curves = [
        pictures.few_labels(f"labels-{i}", measured.rows(path))
        for i, path in enumerate(tables, start=1)
    ]
    header = {
        "title": f"{run.paper.title} on {run.data}",
        "summary": run.paper.cite,
        "size": run.size,
        "steps": run.recipe.steps,
        "seed": run.seed,
        **_few(run),
    }
    return page.write(
        run.folder,
        model=run.model,
        samples=samples,
        header=header,
        out=run.folder / "report.html",
        evaluations=evaluations,
        extra={k: v for path in tables for k, v in measured.tables(path).items()},
        drawn=[curve for curve in curves if curve],
    )


def _few(run: Run) -> dict[str, Label]:
    """The fold, and the share of its training subjects whose masks were shown, if not all."""
    share = checkpoint.read_header(run.folder).get("labelled", 1.0)
    facts: dict[str, Label] = {} if run.fold is None else {"fold": run.fold}
    return facts if share == 1 else {**facts, "labelled": f"{share:.1%} of the training subjects"}

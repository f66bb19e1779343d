"""The page of a run folder: what the folder says of itself, put at the head of its page."""

from collections.abc import Sequence
from pathlib import Path

from septum.contract import Samples
from septum.report import page, tables
from septum.runs import Run


def write(
    run: Run, samples: Samples, *, evaluations: Sequence[Path] = (), measured: Sequence[Path] = ()
) -> Path:
    """Write `report.html` into the run folder.

    Args:
        run: A finished training.
        samples: Whose images are shown.
        evaluations: Folders that `septum evaluate` wrote; by default those in the run folder.
        measured: Files that `septum bench` wrote; their tables are shown.

    Raises:
        BadInput: As `page.write` and `tables.rows`.
    """
    header = {
        "title": f"{run.paper.title} on {run.data}",
        "summary": run.paper.cite,
        "size": run.size,
        "steps": run.recipe.steps,
        "seed": run.seed,
    }
    return page.write(
        run.folder,
        model=run.model,
        samples=samples,
        header=header,
        out=run.folder / "report.html",
        evaluations=evaluations,
        extra={k: v for path in measured for k, v in tables.measured(path).items()},
    )

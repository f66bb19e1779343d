"""The command that does everything once, on drawn hearts."""

from dataclasses import dataclass
from pathlib import Path

from septum.cli.data import Images
from septum.cli.model import Evaluate, Train, WriteReport


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

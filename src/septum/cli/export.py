"""The command that makes a run something to hand on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from septum import show


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a run as a folder to hand on: weights, ONNX graphs and a model card."""

    run_folder: Annotated[Path, tyro.conf.arg(name="run")]
    """The run folder."""
    out: Path
    """The folder to write; new or empty."""
    tolerance: float = 1e-4
    """What a number of a graph may differ from that of the model."""
    root: Path | None = None
    """Folder that holds the data sets, if it is another than at the training."""
    cache: Path | None = None
    """Folder for prepared images; by default in the user's cache folder."""

    def run(self) -> None:
        """Write; print how far graphs are from the model."""
        from septum.export import export

        done = export(
            self.run_folder, self.out, tolerance=self.tolerance, root=self.root, cache=self.cache
        )
        rows = [
            (name, output, f"{difference:.1e}", found.onnxruntime_ms, found.torch_ms)
            for name, found in done.graphs.items()
            for output, difference in found.differences.items()
        ]
        show.table(("graph", "output", "difference", "onnxruntime ms", "torch ms"), rows)
        print("compared on {n} images of {data}, split {split}".format(**done.images))
        for sentence in done.left_out.values():
            print(sentence)
        print(self.out)

"""The command that asks a model about a user's own files."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Ask a trained model about your own images, films, volumes or DICOM files."""

    files: Positional[tuple[Path, ...]]
    """Files, and folders of them."""
    run_folder: Annotated[Path, tyro.conf.arg(name="run")]
    """The run folder."""
    out: Path
    """Folder for predictions.csv, masks, concepts and embeddings."""
    root: Path | None = None
    """Folder that holds the data sets of the run, if it is another than at the training."""
    cache: Path | None = None
    """Folder for prepared images; by default in the user's cache folder."""
    every: int = 1
    """A model of still images sees every so many frames of a film."""
    seg: bool = False
    """Write the masks of DICOM files as DICOM segmentations."""
    report: bool = False
    """Write the estimates about DICOM files as DICOM structured reports."""
    capture: bool = False
    """Write the overlays of DICOM files as DICOM secondary captures."""

    def run(self) -> None:
        """Predict; list what failed, and print where the table is."""
        from septum import runs
        from septum.contract import BadInput
        from septum.predict import Objects, Settings, predict

        run = runs.load(self.run_folder, device=runs.device())
        objects = Objects(seg=self.seg, report=self.report, capture=self.capture)
        settings = Settings(root=self.root, cache=self.cache, every=self.every, objects=objects)
        began = time.perf_counter()
        rows = predict(run, self.files, self.out, settings=settings, tell=_tell)
        took_s = time.perf_counter() - began
        for row in rows:
            if "error" in row:
                _tell(str(row["error"]))
        good = [row for row in rows if "error" not in row]
        if not good:
            raise BadInput(f"None of {len(rows)} inputs could be predicted; {self.out} says why.")
        images = sum(int(row["frames"]) for row in good)
        print(
            f"{self.out / 'predictions.csv'}: {len(good)} of {len(rows)} inputs, {images} images, "
            f"{images / took_s:.1f} images/s"
        )


def _tell(sentence: str) -> None:
    print(f"septum: {sentence}", file=sys.stderr)

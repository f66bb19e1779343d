"""The commands that speak with a DICOMweb server."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, subcommand


@dataclass(frozen=True, kw_only=True)
class Find:
    """List the series that a server has."""

    url: Positional[str]
    """Address of the service, such as https://pacs.example.org/dicom-web."""
    study: str = ""
    """UID of a study."""
    patient: str = ""
    """Identifier of a patient; * stands for any characters."""
    modality: str = ""
    """Such as US, MR, SEG."""
    date: str = ""
    """Of the study: YYYYMMDD, or a range YYYYMMDD-YYYYMMDD."""

    def run(self) -> None:
        """Print one row per series; nothing that names a patient."""
        with _library():
            from septum.predict import dicomweb

        found = dicomweb.find(
            self.url,
            study=self.study,
            patient=self.patient,
            modality=self.modality,
            date=self.date,
        )
        print("date      modality  instances  study, series")
        for s in found:
            count = "" if s.instances is None else s.instances
            print(f"{s.date:8}  {s.modality:8}  {count:9}  {s.study_uid} {s.series_uid}")


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Copy the images of a study into a folder."""

    url: Positional[str]
    """Address of the service, such as https://pacs.example.org/dicom-web."""
    study: Positional[str]
    """UID of the study."""
    out: Path
    """New or empty folder for the files."""
    modality: str = ""
    """Only series of this modality, such as US."""

    def run(self) -> None:
        """Fetch; print where the files are."""
        with _library():
            from septum.predict import dicomweb

        paths = dicomweb.fetch(self.url, self.study, self.out, modality=self.modality)
        print(f"{len(paths)} files in {self.out}")


@dataclass(frozen=True, kw_only=True)
class Store:
    """Send DICOM files to a server."""

    url: Positional[str]
    """Address of the service, such as https://pacs.example.org/dicom-web."""
    files: Positional[tuple[Path, ...]]
    """The files."""

    def run(self) -> None:
        """Send them; print how many."""
        with _library():
            from septum.predict import dicomweb

        print(f"{dicomweb.store(self.url, self.files)} files stored")


@contextmanager
def _library() -> Generator[None]:
    from septum.contract import BadInput

    try:
        yield
    except ModuleNotFoundError as error:
        raise BadInput(f"DICOMweb needs {error.name}; run: pip install 'septum[dicom]'") from error


DICOMWEB = (
    Annotated[Find, subcommand("find")]
    | Annotated[Fetch, subcommand("fetch")]
    | Annotated[Store, subcommand("store")]
)

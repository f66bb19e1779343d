"""The command that serves the explorer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


@dataclass(frozen=True, kw_only=True)
class Explore:
    """Look at runs, and ask them, in a web browser."""

    run_folders: Annotated[tuple[Path, ...], tyro.conf.arg(name="run")]
    """The run folders; with more than one they can be compared."""
    data: tuple[str, ...] = ()
    """Names of data sets, by default those of the training: folders of ROOT."""
    root: Path | None = None
    """Folder that holds one folder per data set, if it is another than at the training."""
    cache: Path | None = None
    """Folder for prepared images; by default in the user's cache folder."""
    only: tuple[str, ...] = ()
    """Labels that choose among the images: view=4CH, or view=4CH,2CH for either."""
    host: str = "127.0.0.1"
    """Address to listen at; for any but this machine the link has a token."""
    port: int = 8090
    """Port to listen at; 0 for one that is free."""
    names: tuple[str, ...] = ()
    """More names by which browsers reach this server."""

    def run(self) -> None:
        """Serve until interrupted."""
        from septum.contract import BadInput

        try:
            from septum.explore.serve import serve
            from septum.explore.shelf import Shelf
        except ModuleNotFoundError as error:
            raise BadInput(
                f"The explorer needs {error.name}; run: pip install 'septum[explore]'"
            ) from error
        serve(Shelf(self._opened), host=self.host, port=self.port, names=self.names, ready=_told)

    def _opened(self) -> Sequence[Any]:
        from septum.explore.shown import shown

        return shown(
            self.run_folders, data=self.data, root=self.root, cache=self.cache, only=self.only
        )


def _told(link: str) -> None:
    print(link, flush=True)

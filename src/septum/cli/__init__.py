"""The command line: every command is a dataclass, every field a flag.

A command imports what it needs when it runs, so that help is instant. Status 0 is success, 2 bad
input with one sentence on stderr, 130 an interruption from the keyboard.
"""

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Annotated, Any, Protocol, runtime_checkable

import tyro
from tyro.conf import subcommand

from septum import show
from septum.cli.data import DATA
from septum.cli.demo import Demo
from septum.cli.dicomweb import DICOMWEB
from septum.cli.explore import Explore
from septum.cli.export import Export
from septum.cli.model import Bench, Evaluate, Train, WriteReport
from septum.cli.predict import Predict


@runtime_checkable
class Command(Protocol):
    """What runs."""

    def run(self) -> None:
        """Do it."""
        ...


COMMANDS: Any = (
    Annotated[Demo, subcommand("demo")]
    | Annotated[DATA, subcommand("data", description="Look at data sets and prepare them.")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Bench, subcommand("bench")]
    | Annotated[Explore, subcommand("explore")]
    | Annotated[WriteReport, subcommand("report")]
    | Annotated[Predict, subcommand("predict")]
    | Annotated[Export, subcommand("export")]
    | Annotated[DICOMWEB, subcommand("dicomweb", description="Speak with a DICOMweb server.")]
)


CONFIG = (
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.OmitArgPrefixes,
    tyro.conf.OmitSubcommandPrefixes,
    tyro.conf.PositionalMetavarFromFieldName,
)


def parse(arguments: Sequence[str] | None = None) -> Command:
    """The command that these words say; ends the process with status 2 where they say none."""
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(
                COMMANDS,
                prog="septum",
                args=arguments,
                description="Interpretable representations of cardiac and ultrasound images.",
                config=CONFIG,
            )
    except SystemExit as stopped:
        if stopped.code:
            _stop(show.sentence(complaint.getvalue()))
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    command = parse(arguments)
    try:
        from septum.contract import BadInput

        try:
            _refuse_seed(getattr(command, "seed", 0))
            command.run()
        except BadInput as error:
            return _stop(str(error))
        except OSError as error:
            where = error.filename or getattr(command, "out", "A file")
            why = error.strerror or error
            return _stop(f"{where} cannot be used ({why}); make room or name another path.")
    except KeyboardInterrupt:
        return 130
    return 0


def _refuse_seed(seed: int) -> None:
    from septum.contract import BadInput

    if not 0 <= seed < 1 << 63:
        raise BadInput(f"The seed {seed} cannot be used; choose one from 0 to {(1 << 63) - 1}.")


def _stop(sentence: str) -> int:
    print(f"septum: {sentence}", file=sys.stderr)
    return 2

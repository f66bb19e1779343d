"""Names that stand for names: the same for the same key, and not to be traced back without it."""

import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from septum.contract import BadInput

LEAST_KEY_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Pseudonyms:
    """HMAC-SHA-256 of what is to be hidden, under one key.

    >>> names = Pseudonyms(key=bytes(32))
    >>> names.uid("1.2.3") == names.uid("1.2.3") != names.uid("1.2.4")
    True
    """

    key: bytes = field(repr=False)

    def uid(self, uid: str) -> str:
        """A UID of the form 2.25.UUID (PS3.5, B.2) in place of another."""
        digest = bytes.fromhex(self._digest("uid", uid))
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"

    def patient(self, identity: str) -> str:
        """What is written in place of a patient's identifier and name."""
        return f"anon-{self._digest('patient', identity)[:12]}"

    def source(self, relative: Path) -> str:
        """What the report calls an input file: paths hold names too."""
        return self._digest("source", relative.as_posix())[:16]

    def _digest(self, kind: str, value: str) -> str:
        return hmac.new(self.key, f"{kind}|{value.strip()}".encode(), "sha256").hexdigest()


def drawn() -> Pseudonyms:
    """Those of a key that is forgotten with the run."""
    return Pseudonyms(key=secrets.token_bytes(32))


def kept(key: Path) -> Pseudonyms:
    """Those of a key file, so that runs agree: whoever holds it can link names to pseudonyms.

    Raises:
        BadInput: The file cannot be read or is shorter than 16 bytes.
    """
    try:
        secret = key.read_bytes()
    except OSError as error:
        raise BadInput(f"{key} cannot be read as a key ({error.strerror}); name a file.") from error
    if len(secret) < LEAST_KEY_BYTES:
        raise BadInput(
            f"{key} is too short for a key; fill it with {LEAST_KEY_BYTES} random bytes or more."
        )
    return Pseudonyms(key=secret)

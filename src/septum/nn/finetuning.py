"""What a trained ViT needs to learn on for a task: its organ, and a learning rate for every layer.

Early layers have learnt what holds for any task, so they move least (Bao et al.: BEiT, ICLR 2022,
arXiv:2106.08254; He et al.: MAE, CVPR 2022, arXiv:2111.06377, appendix A.1).
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from septum.contract import Samples
from septum.nn.recogniser import one_hot

LABEL = "organ"
EMBEDS = ("cls", "patches", "mask_token")


def rates(names: Sequence[str], *, depth: int, decay: float) -> list[float]:
    """Factors of the learning rate: 1 behind the blocks, less by `decay` for every layer before.

    Args:
        names: Of parameters of a model whose ViT is its `encoder`.
        depth: Blocks of it.
        decay: In (0, 1]; 1 leaves all alike.

    >>> rates(["encoder.cls", "encoder.blocks.0.norm1.bias", "head.bias"], depth=2, decay=0.5)
    [0.125, 0.25, 1.0]
    """
    return [decay ** (depth + 1 - _layer(name, depth)) for name in names]


def _layer(name: str, depth: int) -> int:
    """0 for what embeds, i + 1 for block i, and the last one for all that comes behind."""
    match name.split("."):
        case ["encoder", "blocks", i, *_]:
            return int(i) + 1
        case ["encoder", part, *_] if part in EMBEDS:
            return 0
        case _:
            return depth + 1


def table(organs: Sequence[str], samples: Samples) -> tuple[str, tuple[str, ...]]:
    """The organ that all these images show, and the table of organs with it at the end if new.

    There is none, an empty text, where images show several or do not say.
    """
    found = {str(record.labels.get(LABEL, "")) for record in samples.records}
    organ = found.pop() if len(found) == 1 else ""
    fresh = (organ,) if organ and organ not in organs else ()
    return organ, (*organs, *fresh)


def named(
    organ: str, organs: Sequence[str], image: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b organs"]:
    """The same organ for every image; all zero for one that is not in the table."""
    return one_hot([organ], organs).to(image.device).expand(image.shape[0], -1)

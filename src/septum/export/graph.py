"""What a model does with images as ONNX graphs: the batch axis is free, all others are fixed.

    model --asked--> function of tensors --torch.export--> program --torch.onnx--> NAME.onnx

A graph holds nothing of the machine it was made on: the places of the source are removed.
"""

import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import BadInput, Classifies, Decodes, Model, Regresses, Segments

OPSET = 20
"""The first whose sampling of grids knows `linear`; onnxruntime runs it since 1.17."""
BATCH = "batch"
EXAMPLES = 2
"""Images that a graph is traced with: one alone would be taken for an axis of fixed size."""

Named = Mapping[str, Tensor]
LOUD = ("torch.onnx", "onnxscript", "onnx_ir")


class _Asked(nn.Module):
    """A method of a model as a function of tensors."""

    def __init__(self, model: nn.Module, ask: Callable[..., Named]) -> None:
        super().__init__()
        self.model, self.ask = model, ask

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.ask(self.model, *given).values())


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One question to a model.

    Attributes:
        name: Of the file, without its ending.
        given: The inputs by name, of images; their first axis is the batch.
        asked: From the inputs to the answers.
        outputs: Names of the answers, in their order.
    """

    name: str
    given: Callable[[Tensor], Named]
    asked: nn.Module
    outputs: Sequence[str]


def graphs(model: Model, image: Float[Tensor, "b 1 *t h w"]) -> list[Graph]:
    """All that the model can be asked about such images, `encode` first.

    What it answers to nobody, such as estimates of a model that was taught none, is left out.
    """
    able = [name for name, kind in ABILITIES.items() if kind is None or isinstance(model, kind)]
    found = [_graph(name, model, image) for name in able]
    return [graph for graph in found if graph.outputs]


def _graph(name: str, model: Model, image: Tensor) -> Graph:
    assert isinstance(model, nn.Module)
    ask, given = ASKS[name], _code(model) if name == "decode" else _image
    try:
        outputs = tuple(ask(model, *given(image).values()))
    except BadInput:  # its config leaves out what this takes
        outputs = ()
    return Graph(name=name, given=given, asked=_Asked(model, ask).eval(), outputs=outputs)


def _image(image: Tensor) -> Named:
    return {"image": image}


def _code(model: Any) -> Callable[[Tensor], Named]:
    def given(image: Tensor) -> Named:
        found = _encode(model, image)
        return {name: found[name].contiguous() for name in ("content", "style")}

    return given


def _encode(model: Any, image: Tensor) -> Named:
    features = model.encode(image)
    style = {} if features.style is None else {"style": features.style}
    return {"content": features.content, **style, "pooled": features.pooled}


def _segment(model: Any, image: Tensor) -> Named:
    return {"probability": model.segment(image)}


def _regress(model: Any, image: Tensor) -> Named:
    return model.regress(image)


def _classify(model: Any, image: Tensor) -> Named:
    return {"probability": model.classify(image)}


def _decode(model: Any, content: Tensor, style: Tensor) -> Named:
    return {"image": model.decode(content, style)}


ASKS: Mapping[str, Callable[..., Named]] = {
    "encode": _encode,
    "segment": _segment,
    "regress": _regress,
    "classify": _classify,
    "decode": _decode,
}
ABILITIES: Mapping[str, type | None] = {
    "encode": None,
    "segment": Segments,
    "regress": Regresses,
    "classify": Classifies,
    "decode": Decodes,
}


def write(graph: Graph, image: Float[Tensor, "b 1 *t h w"], path: Path) -> None:
    """Write the graph for images of this shape.

    Raises:
        BadInput: The config has made a model of it that no graph can be made of.
    """
    given = graph.given(image[:1].expand(EXAMPLES, *image.shape[1:]).contiguous())
    batch = torch.export.Dim(BATCH)
    shapes = (tuple({0: batch} for _ in given),)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(
                graph.asked, tuple(given.values()), dynamic_shapes=shapes, strict=False
            )
            found: Any = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, input_names=[*given],
                output_names=[*graph.outputs], dynamic_shapes=shapes, verbose=False,
            )  # fmt: skip
    except RuntimeError as error:  # of a branch on data, of an operator without counterpart
        why = str(error).strip().splitlines()[0]
        raise BadInput(f"{graph.name} of this model is no graph ({why}); leave it out.") from error
    _forget_places(found.model)
    found.save(path)


def _forget_places(model: Any) -> None:
    """Remove what tells the files and lines of the source."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
    for function in model.functions.values():
        for node in function.all_nodes():
            node.metadata_props.clear()
    model.graph.metadata_props.clear()


@contextmanager
def _quiet() -> Generator[None]:
    """Without what the exporter says of itself."""
    loud = [logging.getLogger(name) for name in LOUD]
    before = [logger.level for logger in loud]
    for logger in loud:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch looks at its own trees the old way
            warnings.filterwarnings("ignore", message=r".*LeafSpec", category=FutureWarning)
            # content and style have one batch axis, as they should
            warnings.filterwarnings("ignore", message=rf".*axis name: {BATCH} will not be used")
            yield
    finally:
        for logger, level in zip(loud, before, strict=True):
            logger.setLevel(level)

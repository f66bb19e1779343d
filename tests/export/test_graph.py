"""Every model as ONNX graphs that say what it says."""

import dataclasses
import importlib.util
import math
from pathlib import Path

import pytest
import torch

from septum.baselines import BASELINES
from septum.contract import BadInput, Features
from septum.export import graph, parity
from septum.models import MODELS

PAPERS = {**MODELS, **BASELINES}
TOLERANCE = 1e-4
"""What a graph may differ from its model."""


@pytest.fixture(scope="module")
def contract():
    """How every model is built and shown images."""
    path = Path(__file__).parents[1] / "test_contract.py"
    spec = importlib.util.spec_from_file_location("contract_of_every_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stirred(model):
    """Off its first weights: what is zero there, such as where A-ViT looks, would go untested."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()


def shallow(config):
    """Two blocks of a ViT: more of them say the same, and take longer."""
    if not hasattr(config, "vit"):
        return config
    return dataclasses.replace(config, vit=dataclasses.replace(config.vit, depth=2))


def images(contract, paper):
    """Four noisy discs, as films for a model of films."""
    stills = contract.discs().image
    if contract.smallest(paper).recipe.clip is None:
        return stills
    return stills[:, :, None] * torch.linspace(0.8, 1.0, contract.FRAMES)[:, None, None]


def compared(name, contract, out, *, only=None):
    """Every graph of the model with what it was found to be."""
    paper = PAPERS[name]
    torch.manual_seed(0)
    model = paper.build(shallow(contract.taught(contract.smallest(paper).config)))
    model, image = stirred(model), images(contract, paper)
    found = {}
    for one in graph.graphs(model, image):
        if only in {None, one.name}:
            graph.write(one, image, out / f"{one.name}.onnx")
            found[one.name] = parity.compare(one, out / f"{one.name}.onnx", image)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_every_model_encodes_alike_in_onnxruntime(name, contract, tmp_path):
    found = compared(name, contract, tmp_path, only="encode")["encode"]
    assert found.inputs["image"][0] == "batch"
    assert found.outputs["content"][0] == found.outputs["pooled"][0] == "batch"
    assert max(found.differences.values()) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("concept_vae", "decode"),
        ("unet", "segment"),
        ("r2plus1d", "regress"),
        ("finetuned", "classify"),
    ],
)
def test_what_else_a_model_does_is_alike(name, only, contract, tmp_path):
    found = compared(name, contract, tmp_path, only=only)[only]
    assert {shape[0] for shape in (*found.inputs.values(), *found.outputs.values())} == {"batch"}
    assert max(found.differences.values()) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "able"),
    [
        ("vae", ["encode"]),  # taught no attribute, it estimates none
        ("sdnet", ["encode", "segment", "decode"]),
        ("l1", ["encode", "regress"]),
        ("finetuned", ["encode", "classify"]),
    ],
)
def test_a_model_is_asked_what_it_can_answer(name, able, contract):
    paper = PAPERS[name]
    found = graph.graphs(contract.built(paper, seed=0), images(contract, paper))
    assert [one.name for one in found] == able


def test_a_concept_vae_without_decoder_draws_nothing(contract):
    model = contract.built(PAPERS["concept_vae"], seed=0)
    model.ema_image_decoder = None  # as where beta 1 to 3 are 0
    assert [one.name for one in graph.graphs(model, contract.discs().image)] == ["encode"]


class Mean(torch.nn.Module):
    """The simplest model."""

    def phases(self):
        return []

    def after_step(self, progress):
        pass

    def encode(self, image):
        return Features(content=image, style=None, pooled=image.mean((2, 3)))


class Branching(Mean):
    """A model that decides by what it sees, which no graph can."""

    def encode(self, image):
        return super().encode(image if image.sum() > 1 else -image)


def test_a_model_that_branches_on_data_is_refused(tmp_path):
    image = torch.rand(2, 1, 8, 8)
    (one,) = graph.graphs(Branching(), image)
    with pytest.raises(BadInput, match="encode of this model"):
        graph.write(one, image, tmp_path / "encode.onnx")
    assert list(tmp_path.iterdir()) == []


class Off(torch.nn.Module):
    """Asked for content and pooled, it adds 0.5 to the mean of a bright image."""

    def forward(self, image):
        mean = image.mean((2, 3))
        return image, mean + 0.5 * (mean > 0.5)


def test_the_difference_is_the_largest_over_all_images(tmp_path):
    """A graph of the mean against a model whose mean is off by 0.5 for one bright image."""
    image = torch.rand(4, 1, 8, 8) * 0.1
    image[2] = 1.0
    (one,) = graph.graphs(Mean(), image)
    graph.write(one, image, tmp_path / "encode.onnx")
    off = dataclasses.replace(one, asked=Off())
    found = parity.compare(off, tmp_path / "encode.onnx", image)
    assert found.differences["content"] == 0
    assert found.differences["pooled"] == pytest.approx(0.5, abs=1e-6)
    parity.refuse_apart("encode", found, tolerance=0.6)
    with pytest.raises(BadInput, match=r"differs from its model by 0\.5 in pooled"):
        parity.refuse_apart("encode", found, tolerance=0.4)


def test_what_is_no_number_is_refused():
    found = parity.Parity(
        inputs={}, outputs={}, differences={"pooled": math.nan}, onnxruntime_ms=1.0, torch_ms=1.0
    )
    with pytest.raises(BadInput, match="nan in pooled"):
        parity.refuse_apart("encode", found, tolerance=1e9)

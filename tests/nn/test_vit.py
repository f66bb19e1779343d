"""The vision transformer against formulas written out, its published size and its own blocks."""

import math

import pytest
import torch
from torch.nn import functional as F

from septum.contract import BadInput
from septum.nn.acdt import AcdtBlock, taps
from septum.nn.attention import Attention, DropPath, attend
from septum.nn.vit import Block, Vit, VitConfig, sincos


def vit(*, deforms=False, depth=3, organs=3):
    torch.manual_seed(0)
    return Vit(
        VitConfig(
            patch_px=4, width=16, depth=depth, heads=2, organs=organs, deforms=deforms, reach=2.0
        )
    )


def bent(depth=3):
    found = vit(deforms=True, depth=depth)
    for block in found.blocks:
        torch.nn.init.normal_(block.displace[-1].weight, std=0.5)
    return found


def images(count=2):
    return torch.rand(count, 1, 12, 20, generator=torch.Generator().manual_seed(1))


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_positions_are_sines_and_cosines_of_row_and_column():
    found = sincos(12, 3, 5)
    for i in range(3):
        for j in range(5):
            for k in range(3):
                rate = 10_000 ** (-k / 3)
                wanted = [
                    math.sin(i * rate),
                    math.cos(i * rate),
                    math.sin(j * rate),
                    math.cos(j * rate),
                ]
                assert found[0, [k, 3 + k, 6 + k, 9 + k], i, j].tolist() == pytest.approx(wanted)


def test_attention_is_that_of_torch_and_keys_may_come_from_elsewhere():
    torch.manual_seed(0)
    attention, x, y = Attention(width=8, heads=2), torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    genuine = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    genuine.in_proj_weight, genuine.in_proj_bias = attention.qkv.weight, attention.qkv.bias
    genuine.out_proj.weight, genuine.out_proj.bias = attention.proj.weight, attention.proj.bias
    torch.testing.assert_close(attention(x), genuine(x, x, x)[0])
    torch.testing.assert_close(attention(x, y), genuine(x, y, y)[0])
    q, k, v = torch.randn(3, 2, 2, 4, 6)
    torch.testing.assert_close(attend(q, k, v), F.scaled_dot_product_attention(q, k, v))


def test_a_block_is_an_encoder_layer_of_torch_that_norms_first():
    torch.manual_seed(0)
    block, x = Block(width=8, heads=2), torch.randn(2, 5, 8)
    layer = torch.nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True,
        norm_first=True,
    )  # fmt: skip
    layer.load_state_dict(
        {
            "self_attn.in_proj_weight": block.attn.qkv.weight,
            "self_attn.in_proj_bias": block.attn.qkv.bias,
            "self_attn.out_proj.weight": block.attn.proj.weight,
            "self_attn.out_proj.bias": block.attn.proj.bias,
            "linear1.weight": block.mlp.fc1.weight,
            "linear1.bias": block.mlp.fc1.bias,
            "linear2.weight": block.mlp.fc2.weight,
            "linear2.bias": block.mlp.fc2.bias,
        },
        strict=False,
    )
    torch.testing.assert_close(block(x), layer(x))


def test_dropped_paths_keep_the_mean():
    torch.manual_seed(0)
    path, x = DropPath(0.25), torch.ones(4000, 2, 3)
    y = path(x)
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (y == y[:, :1, :1]).all()  # an image drops all or nothing
    assert y.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(path.eval()(x), x)


def test_later_blocks_drop_more():
    deep = Vit(VitConfig(patch_px=4, width=8, depth=5, heads=2, drop_path=0.2, deforms=True))
    shares = [block.drop_path.share for block in deep.blocks]
    assert shares == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


@pytest.mark.parametrize("deforms", [False, True])
def test_the_paper_size_has_about_86_million_parameters(deforms):
    with torch.device("meta"):
        paper = Vit(VitConfig(organs=16, deforms=deforms))
    assert 85.2e6 < count(paper) < 85.9e6
    # patches of one channel, [CLS], [MASK], twelve blocks, norm
    plain = 256 * 768 + 768 + 2 * 768 + 12 * (12 * 768**2 + 13 * 768) + 2 * 768
    # E, depth-wise 3 x 3, its norm, 18 numbers, w
    added = 12 * (16 * 768 + 10 * 768 + 2 * 768 + 18 * 769 + 9 * 768)
    assert count(paper) == plain + added * deforms


def test_every_parameter_of_a_plain_vit_fits_one_that_deforms():
    plain, deforming = vit(), vit(deforms=True)
    shapes = {name: p.shape for name, p in deforming.named_parameters()}
    assert all(shapes[name] == p.shape for name, p in plain.named_parameters())
    deforming.load_state_dict(plain.state_dict(), strict=False)
    organ = torch.eye(3)[:2]
    for one, other in zip(deforming(images(), organ=organ), plain(images()), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_embedding_is_patches_and_places_and_hides_what_is_hidden():
    model, image = vit(), images()
    places, patches = sincos(16, 3, 5), model.patches(image)
    torch.testing.assert_close(model.embed(image), patches + places)
    hidden = torch.rand(2, 3, 5) < 0.5
    found = model.embed(image, hidden).permute(0, 2, 3, 1)
    mask_token = (model.mask_token + places).permute(0, 2, 3, 1).expand_as(found)
    torch.testing.assert_close(found[hidden], mask_token[hidden])
    assert torch.equal(found[~hidden], model.embed(image).permute(0, 2, 3, 1)[~hidden])


def test_what_is_hidden_changes_nothing():
    model, image = bent(), images()
    hidden = torch.rand(2, 3, 5) < 0.5
    covered = hidden.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    one = model(image, hidden=hidden)
    other = model(image.masked_fill(covered, 0.3), hidden=hidden)
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("deforms", [False, True])
def test_levels_are_maps_after_blocks_and_the_last_normed_is_the_output(deforms):
    model, image = vit(deforms=deforms), images()
    first, last = model.levels(image, at=(0, 2))
    cls, cells = model(image)
    assert cls.shape == (2, 16)
    assert first.shape == last.shape == cells.shape == (2, 16, 3, 5)
    torch.testing.assert_close(model.norm(last.movedim(1, 3)).movedim(3, 1), cells)
    short = vit(deforms=deforms)
    short.blocks = short.blocks[:1]
    torch.testing.assert_close(short.levels(image, at=(0,))[0], first)


def test_cells_are_in_the_order_of_the_image():
    """Without attention every token stays what its own patch makes it."""
    model, image = vit(depth=1), images()
    torch.nn.init.zeros_(model.blocks[0].attn.proj.weight)
    other = image.clone()
    other[:, :, 4:8, 8:12] += 0.5
    changed = (model(image)[1] != model(other)[1]).any(1)
    assert changed.nonzero()[:, 1:].unique(dim=0).tolist() == [[1, 2]]


def test_tokens_pass_without_a_grid():
    model, image = vit(), images()
    tokens = model.embed(image).flatten(2).mT
    cls, cells = model(image)
    found = model.through(tokens)
    torch.testing.assert_close(found, torch.cat([cls[:, None], cells.flatten(2).mT], dim=1))
    order = torch.randperm(15)
    torch.testing.assert_close(model.through(tokens[:, order])[:, 1:], found[:, 1:][:, order])


def test_features_are_cells_and_their_mean_beside_the_class_token():
    model, image, organ = bent(), images(), torch.eye(3)[:2]
    features = model.features(image, organ=organ)
    cls, cells = model(image, organ=organ)
    assert torch.equal(features.content, cells)
    assert features.style is None
    assert torch.equal(features.pooled, torch.cat([cls, cells.mean((2, 3))], 1))
    assert not features.pooled.requires_grad


def test_an_organ_matters_only_where_blocks_deform_and_none_is_the_zero_vector():
    image, organ = images(), torch.eye(3)[:2]
    assert torch.equal(vit()(image, organ=organ)[1], vit()(image)[1])
    model = bent()
    assert not torch.allclose(model(image, organ=organ)[1], model(image)[1])
    assert torch.equal(model(image, organ=torch.zeros(2, 3))[1], model(image)[1])


def test_offsets_are_those_of_the_blocks_as_they_run(monkeypatch):
    model, image, organ, seen = bent(), images(), torch.eye(3)[:2], []
    genuine = AcdtBlock.offsets
    monkeypatch.setattr(
        AcdtBlock, "offsets", lambda *given: seen.append(genuine(*given)) or seen[-1]
    )
    model(image, organ=organ)
    monkeypatch.undo()
    found = model.offsets(image, organ)
    assert found.shape == (2, 3, 9, 2, 3, 5)
    torch.testing.assert_close(found, torch.stack(seen, dim=1))
    moved = found - taps()[:, :, None, None]
    assert 0.1 < moved.abs().max() <= 2.0


@pytest.mark.parametrize("sides", [(12, 18), (10, 20), (3, 8)])
def test_sides_that_are_no_multiples_of_the_patch_are_refused(sides):
    with pytest.raises(BadInput, match=f"{sides[0]} x {sides[1]} pixels.*multiples of 4"):
        vit()(torch.zeros(1, 1, *sides))


def test_every_parameter_gets_a_gradient_under_autocast():
    model, image, organ = bent(), images(3), torch.eye(3)
    hidden = torch.rand(3, 3, 5) < 0.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cls, cells = model(image, organ=organ, hidden=hidden)
    (cls.square().sum() + cells[:, :, 0].float().pow(3).sum()).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []

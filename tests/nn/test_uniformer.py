"""UniFormer against its published size, names and shapes."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from septum.contract import BadInput
from septum.nn import uniformer
from septum.nn.uniformer import UniFormer, load_published

TINY = {"widths": (8, 8, 16, 16), "depths": (1, 2, 1, 1), "head_dim": 8, "dropout": 0.0}
STAGES = ("patch_embed1", "patch_embed2", "patch_embed3", "patch_embed4", "norm")


def count(module):
    return sum(p.numel() for p in module.parameters())


def tiny():
    torch.manual_seed(0)
    return UniFormer(**TINY)


@pytest.fixture(scope="module")
def published():
    return UniFormer().eval()


def test_the_published_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        encoder = UniFormer()
    assert count(encoder) + 512 + 1 == 21_195_713
    assert count(encoder) + 400 * (512 + 1) == 21_400_400  # the classifier of K400


@pytest.mark.parametrize(
    ("frames", "side", "shapes"),
    [
        (36, 112, [(64, 18, 28), (128, 18, 14), (320, 18, 7), (512, 18, 3), (512, 18, 3)]),
        (16, 112, [(64, 8, 28), (128, 8, 14), (320, 8, 7), (512, 8, 3), (512, 8, 3)]),
        (12, 224, [(64, 6, 56), (128, 6, 28), (320, 6, 14), (512, 6, 7), (512, 6, 7)]),
    ],
)
def test_the_shape_of_every_stage(published, frames, side, shapes):
    found = {}
    for name in STAGES:
        getattr(published, name).register_forward_hook(
            lambda _module, _given, out, name=name: found.update({name: out.shape})
        )
    with torch.no_grad():
        published(torch.zeros(1, 3, frames, side, side))
    assert [found[name] for name in STAGES] == [(1, c, t, s, s) for c, t, s in shapes]


def test_heads_have_64_channels():
    with torch.device("meta"):
        encoder = UniFormer()
    heads = [stage[0].attn.heads for stage in (encoder.blocks3, encoder.blocks4)]
    assert heads == [5, 8]


def test_an_odd_map_loses_its_last_row_and_column():
    """As 7 x 7 does on the way to 3 x 3, for pictures of 112 pixels."""
    patches, x = uniformer.Patches(4, 8), torch.randn(1, 4, 2, 7, 7)
    other = x.clone()
    other[..., 6, :] = other[..., :, 6] = 9.0
    assert patches(x).shape == (1, 8, 2, 3, 3)
    torch.testing.assert_close(patches(other), patches(x))


def test_a_block_whose_branches_are_silent_is_the_identity():
    for block in (
        uniformer.LocalBlock(8, dropout=0.0),
        uniformer.GlobalBlock(8, heads=2, dropout=0.0),
    ):
        x = torch.randn(2, 8, 2, 3, 4)
        last = block.conv2 if hasattr(block, "conv2") else block.attn.proj
        for layer in (block.pos_embed, last, block.mlp.fc2):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        torch.testing.assert_close(block(x), x)


def test_attention_is_the_printed_formula():
    attention, x = uniformer.Attention(8, heads=2, dropout=0.0), torch.randn(3, 5, 8)
    q, k, v = F.linear(x, attention.qkv.weight, attention.qkv.bias).split(8, dim=2)
    of_heads = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = (q[..., head] @ k[..., head].transpose(1, 2) / 4**0.5).softmax(2)
        of_heads.append(weights @ v[..., head])
    torch.testing.assert_close(attention(x), attention.proj(torch.cat(of_heads, 2)))


def test_tokens_see_all_frames_only_through_attention():
    local, whole = (
        uniformer.LocalBlock(8, dropout=0.0).eval(),
        uniformer.GlobalBlock(8, heads=2, dropout=0.0).eval(),
    )
    x = torch.randn(1, 8, 9, 2, 2)
    other = x.clone()
    other[:, :, 8] += torch.randn(1, 8, 2, 2)
    torch.testing.assert_close(local(other)[:, :, 0], local(x)[:, :, 0])
    assert not torch.equal(whole(other)[:, :, 0], whole(x)[:, :, 0])


def test_the_order_of_frames_matters():
    encoder, x = tiny().eval(), torch.rand(1, 3, 8, 32, 32)
    assert not torch.allclose(encoder(x).mean(2), encoder(x.flip(2)).mean(2), atol=1e-4)


def test_linear_layers_begin_small():
    encoder = tiny()
    weight, bias = encoder.blocks3[0].mlp.fc1.weight, encoder.blocks3[0].mlp.fc1.bias
    assert weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not bias.any()


def test_every_parameter_has_a_gradient_in_bf16_too():
    encoder, x = tiny(), torch.rand(2, 3, 4, 32, 32)
    for on in (False, True):
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            maps = encoder(x)
        (maps.float() * torch.randn_like(maps.float())).sum().backward()
        lacking = [n for n, p in encoder.named_parameters() if p.grad is None]
        assert lacking == []
        assert all(p.grad.isfinite().all() for p in encoder.parameters())


PUBLISHED = {
    "patch_embed1.proj.weight": (64, 3, 3, 4, 4),
    "patch_embed1.norm.bias": (64,),
    "patch_embed3.proj.weight": (320, 128, 1, 2, 2),
    "blocks1.0.pos_embed.weight": (64, 1, 3, 3, 3),
    "blocks1.2.attn.weight": (64, 1, 5, 5, 5),
    "blocks2.3.norm1.running_var": (128,),
    "blocks2.3.conv1.weight": (128, 128, 1, 1, 1),
    "blocks2.0.mlp.fc1.weight": (512, 128, 1, 1, 1),
    "blocks3.7.attn.qkv.weight": (960, 320),
    "blocks3.7.norm2.weight": (320,),
    "blocks4.2.attn.proj.bias": (512,),
    "blocks4.2.mlp.fc2.weight": (512, 2048),
    "norm.num_batches_tracked": (),
}
"""Some tensors of uniformer_small_k400_16x8.pth."""


def test_names_and_shapes_are_those_of_the_published_weights():
    with torch.device("meta"):
        state = UniFormer().state_dict()
    assert {name: tuple(state[name].shape) for name in PUBLISHED} == PUBLISHED
    # weights and statistics of norms; 22 a local block, 14 a global, 4 a patch, 5 the last
    assert len(state) == 7 * 22 + 11 * 14 + 4 * 4 + 5


def saved(tensors, folder):
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "w")
    return folder / "w"


def test_published_weights_are_read_without_their_classifier(tmp_path):
    theirs, ours = tiny(), UniFormer(**TINY)
    theirs(torch.rand(2, 3, 4, 32, 32))  # moves the statistics
    classifier = {"head.weight": torch.zeros(400, 16), "head.bias": torch.zeros(400)}
    load_published(ours, saved(theirs.state_dict() | classifier, tmp_path))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_weights_of_another_network_are_refused_and_nothing_is_filled(tmp_path):
    encoder = tiny()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    lacking = {k: v + 1 for k, v in before.items() if k != "blocks1.0.conv1.bias"}
    with pytest.raises(BadInput, match=r"differs from this encoder in blocks1\.0\.conv1\.bias"):
        load_published(encoder, saved(lacking, tmp_path))
    wide = UniFormer(**{**TINY, "widths": (8, 8, 16, 32)}).state_dict()
    with pytest.raises(BadInput, match="differs from this encoder in blocks4"):
        load_published(encoder, saved(wide, tmp_path))
    assert all(torch.equal(before[name], now) for name, now in encoder.state_dict().items())


def test_a_pickle_is_not_opened(tmp_path):
    torch.save(tiny().state_dict(), tmp_path / "k400.pth")
    for name in ("k400.pth", "missing"):
        with pytest.raises(BadInput, match=f"{name} holds no weights as safetensors"):
            load_published(tiny(), tmp_path / name)

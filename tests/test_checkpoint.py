import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from septum import __version__, checkpoint
from septum.contract import BadInput

HEADER = {"septum": __version__, "model": "toy", "config": {"width": 4}, "seed": 0}
FULL = Path("/dev/full")

needs_dev_full = pytest.mark.skipif(not FULL.exists(), reason="skipped: no /dev/full")


def net(width: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 1, 1))


def adam(model: nn.Module) -> dict[str, torch.optim.Optimizer]:
    first, _, last = model.children()
    return {
        "body": torch.optim.AdamW(first.parameters(), lr=0.1, fused=True),
        "head": torch.optim.AdamW(last.parameters(), lr=0.1, fused=True),
    }


def update(model: nn.Module, optimisers: dict[str, torch.optim.Optimizer], seed: int) -> None:
    image = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(seed))
    for optimiser in optimisers.values():
        optimiser.zero_grad()
    model(image).square().mean().backward()
    for optimiser in optimisers.values():
        optimiser.step()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of `net`, whose checkpoint is at step 3."""
    model = net()
    optimisers = adam(model)
    checkpoint.write_json(tmp_path / "config.json", HEADER)
    update(model, optimisers, 1)
    checkpoint.save_training(tmp_path, 3, model, optimisers)
    checkpoint.save_weights(tmp_path, model)
    return tmp_path


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], None], **header) -> None:
    """Change the tensors or the header of a file of a run."""
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"header": json.dumps(HEADER | header)})


def nothing(tensors: dict[str, Tensor]) -> None:
    del tensors


def test_training_continues_as_if_it_had_not_stopped(run: Path) -> None:
    straight = net()
    optimisers = adam(straight)
    update(straight, optimisers, 1)
    update(straight, optimisers, 2)

    resumed = net().apply(lambda m: [p.data.fill_(7) for p in m.parameters(recurse=False)])
    optimisers = adam(resumed)
    assert checkpoint.load_training(run, resumed, optimisers) == 3
    update(resumed, optimisers, 2)
    assert same(state(straight), state(resumed))


def test_the_layout_in_memory_survives(run: Path) -> None:
    model = net()
    model[0].weight.data = model[0].weight.data.contiguous(memory_format=torch.channels_last)
    optimisers = adam(model)
    checkpoint.load_training(run, model, optimisers)
    moments = optimisers["body"].state[model[0].weight]
    assert model[0].weight.stride() == moments["exp_avg"].stride() == (18, 1, 6, 2)
    assert moments["step"] == 1
    assert moments["exp_avg_sq"].min() > 0


def test_weights_come_back(run: Path) -> None:
    trained, fresh = net(), net()
    checkpoint.load_training(run, trained, adam(trained))
    assert not same(state(fresh), state(trained))
    checkpoint.load_weights(run, fresh)
    assert same(state(fresh), state(trained))


def test_a_run_without_checkpoint_stands_at_its_beginning(tmp_path: Path) -> None:
    checkpoint.write_json(tmp_path / "config.json", HEADER)
    model = net()
    before = state(model)
    assert checkpoint.load_training(tmp_path, model, adam(model)) == 0
    assert same(before, state(model))


def test_weights_of_an_unfinished_run_are_refused(run: Path) -> None:
    (run / "model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"holds no finished training.*--resume"):
        checkpoint.load_weights(run, net())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("model/2.bias"), "lacks tensor model/2.bias"),
        (lambda t: t.update({"model/9.bias": torch.ones(1)}), "has an unknown tensor model/9.bias"),
        (lambda t: t.update({"model/2.bias": torch.ones(2)}), r"holds model/2.bias as .*\[2\]"),
        (lambda t: t.update({"model/2.bias": torch.ones(1).half()}), "as torch.float16"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_and_change_nothing(run, change, message) -> None:
    model = net()
    before = state(model)
    for name, load in {
        "model.safetensors": lambda: checkpoint.load_weights(run, model),
        "checkpoints/last.safetensors": lambda: checkpoint.load_training(run, model, adam(model)),
    }.items():
        rewrite(run / name, change, step=3)
        with pytest.raises(BadInput, match=message):
            load()
    assert same(before, state(model))


def test_weights_of_another_width_are_refused(run: Path) -> None:
    with pytest.raises(BadInput, match="belongs to another model"):
        checkpoint.load_weights(run, net(width=5))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"config": {"width": 5}}, "config.width = 5, not 4"),
        ({"model": "other"}, "model = 'other', not 'toy'"),
        ({"seed": 1}, "seed = 1, not 0"),
        ({"septum": "99.0.0"}, "written by septum 99.0.0"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(run: Path, header, message: str) -> None:
    rewrite(run / "checkpoints/last.safetensors", nothing, **header, step=3)
    model = net()
    with pytest.raises(BadInput, match=message):
        checkpoint.load_training(run, model, adam(model))


def test_a_checkpoint_without_step_is_refused(run: Path) -> None:
    rewrite(run / "checkpoints/last.safetensors", nothing)
    model = net()
    with pytest.raises(BadInput, match="does not say its step"):
        checkpoint.load_training(run, model, adam(model))


def test_a_later_patch_of_septum_reads_the_run(run: Path) -> None:
    major, minor, *_ = __version__.split(".")
    checkpoint.write_json(run / "config.json", HEADER | {"septum": f"{major}.{minor}.99"})
    checkpoint.load_weights(run, net())


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_is_refused(run: Path, keep: int) -> None:
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match="damaged"):
        checkpoint.load_weights(run, net())


def test_a_pickle_is_never_opened(run: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    (run / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadInput, match="damaged"):
        checkpoint.load_weights(run, net())
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"septum": 1}', "[" * 100_000, "\x00", '{"a": 1}' + " " * (1 << 20)],
)
def test_a_header_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadInput, match=r"config\.json (has no|was written|is too)"):
        checkpoint.read_header(tmp_path)


def test_a_folder_without_run_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BadInput, match="holds no run"):
            checkpoint.read_header(folder)


def test_a_taken_folder_is_refused(run: Path) -> None:
    with pytest.raises(BadInput, match=r"already holds a run.*--resume"):
        checkpoint.refuse_taken(run, HEADER, resume=False)
    with pytest.raises(BadInput, match="seed = 0, not 1"):
        checkpoint.refuse_taken(run, HEADER | {"seed": 1}, resume=True)
    checkpoint.refuse_taken(run, HEADER, resume=True)


def test_files_without_a_header_are_no_run_to_resume(run: Path) -> None:
    (run / "config.json").unlink()
    with pytest.raises(BadInput, match="holds no run"):
        checkpoint.refuse_taken(run, HEADER, resume=True)


@needs_dev_full
def test_a_full_disk_leaves_the_last_checkpoint(run: Path) -> None:
    path = run / "checkpoints/last.safetensors"
    before = path.read_bytes()
    (path.parent / ".last.safetensors.tmp").symlink_to(FULL)
    model = net()
    with pytest.raises(BadInput, match=r"cannot be written .No space left on device"):
        checkpoint.save_training(run, 4, model, adam(model))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["last.safetensors"]


@needs_dev_full
def test_a_full_disk_ends_the_log_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to(FULL)
    with pytest.raises(BadInput, match=r"metrics\.jsonl cannot be written .No space left"):
        checkpoint.append_metrics(tmp_path, {"step": 1})


def test_a_run_inside_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        checkpoint.write_json(tmp_path / "file" / "config.json", HEADER)


def test_metrics_are_cut_at_a_step(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        checkpoint.append_metrics(tmp_path, {"step": step, "main/kl": 0.5})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('3\n{"no": 1}\n{"step": 1, "main/')
    checkpoint.cut_metrics(tmp_path, 4)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 2, "main/kl": 0.5},
        {"step": 4, "main/kl": 0.5},
    ]

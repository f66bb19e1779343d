import importlib.util
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from septum import train
from septum.contract import BadInput, Batch, Features, Phase, Recipe, Terms

WORKER = Path(__file__).with_name("train_worker.py")
_SPEC = importlib.util.spec_from_file_location("train_worker", WORKER)
assert _SPEC is not None
assert _SPEC.loader is not None
worker = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(worker)

RECIPE: Recipe = worker.RECIPE
TIMES = ("images_per_s", "waiting_share")


@pytest.fixture(scope="module", autouse=True)
def cpu() -> Iterator[None]:
    """Bytes are promised on CPUs alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_ACCELERATOR", "cpu")
        yield


class Stop(Exception):  # noqa: N818
    """The power fails."""


def until(step: int):
    """A loader whose batches end in a power failure before `step`."""

    def load(start: int) -> Iterator[Batch]:
        yield from islice(worker.batches(start), step - start)
        raise Stop

    return load


def at_step(step: int, happens):
    """A loader that lets something happen before the batch of `step`."""

    def load(start: int) -> Iterator[Batch]:
        for i, batch in enumerate(worker.batches(start), start):
            yield (happens(batch) or batch) if i == step else batch

    return load


def lines(run: Path) -> list[dict[str, float]]:
    """The log, without what depends on the clock."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: line[name] for name in line if name not in TIMES} for line in found]


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of the toy."""
    run = tmp_path_factory.mktemp("whole") / "run"
    worker.fit(run)
    return run


def by_hand(steps: int) -> nn.Module:
    """The toy, trained with plain torch: no Fabric, fused or channels-last anything."""
    model = worker.toy()
    batches = worker.batches(0)
    optimisers = [
        torch.optim.AdamW(p.parameters, betas=p.betas, weight_decay=0.01, foreach=False)
        for p in model.phases()
    ]
    for step in range(steps):
        batch = next(batches)
        torch.manual_seed(train._noise_seed(0, step))
        for phase, optimiser in zip(model.phases(), optimisers, strict=True):
            optimiser.param_groups[0]["lr"] = 3e-2 * (step + 1) / 5
            model.zero_grad()
            sum(phase.loss(batch, step / 40).values()).backward()
            nn.utils.clip_grad_norm_(phase.parameters, 1.0)
            optimiser.step()
        model.after_step(step / 40)
    return model


def test_steps_are_those_of_plain_torch() -> None:
    model = worker.toy()
    updates = train.Updates(model, RECIPE, seed=0)
    for step, batch in enumerate(islice(worker.batches(0), 5)):
        updates(step, batch)
    expected = by_hand(5).state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


def test_the_folder_of_a_run(whole: Path) -> None:
    files = sorted(str(p.relative_to(whole)) for p in whole.rglob("*") if p.is_file())
    assert files == [
        "checkpoints/last.safetensors",
        "config.json",
        "environment.json",
        "metrics.jsonl",
        "model.safetensors",
    ]
    header = json.loads((whole / "config.json").read_text())
    assert header["model"] == "toy"
    assert header["seed"] == 0
    assert header["recipe"]["warmup_steps"] == 5
    environment = json.loads((whole / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert environment["precision"] == "32-true"


def test_the_log_has_every_window_once(whole: Path) -> None:
    log = lines(whole)
    assert [line["step"] for line in log] == list(range(2, 41, 2))
    always = {
        *("step", "lr", "encoder/whiten", "encoder/mirror", "encoder/fool"),
        *("critic/real", "grad_norm/encoder", "grad_norm/critic"),
    }
    monitors = {"monitor/spread", "monitor/nothing"}
    for line in log:
        assert set(line) == (always | monitors if line["step"] % 4 == 0 else always)
    assert log[1]["monitor/nothing"] is None
    assert log[-1]["lr"] == pytest.approx(0.1 * RECIPE.lr)


def test_a_line_is_the_mean_of_its_steps(whole: Path, tmp_path: Path) -> None:
    worker.fit(tmp_path / "run", every=train.Every(log=1, monitor=50, save=50))
    single = lines(tmp_path / "run")
    for first, second, both in zip(single[::2], single[1::2], lines(whole), strict=True):
        for name in ("encoder/mirror", "critic/real", "grad_norm/encoder"):
            assert both[name] == pytest.approx((first[name] + second[name]) / 2, rel=1e-12)


def test_neither_log_nor_checkpoints_nor_monitors_matter(whole: Path, tmp_path: Path) -> None:
    worker.fit(tmp_path / "run", every=train.Every(log=7, monitor=7, save=21))
    assert weights(tmp_path / "run") == weights(whole)


@pytest.mark.parametrize("stop", [0, 3, 17, 39])
def test_an_interrupted_run_ends_with_the_same_bytes(whole: Path, tmp_path: Path, stop) -> None:
    run = tmp_path / "run"
    with pytest.raises(Stop):
        worker.fit(run, load=until(stop))
    worker.fit(run, resume=True)
    assert weights(run) == weights(whole)
    assert lines(run) == lines(whole)


def test_resuming_a_finished_run_changes_nothing(whole: Path) -> None:
    before, log = weights(whole), lines(whole)
    worker.fit(whole, resume=True)
    assert weights(whole) == before
    assert lines(whole) == log


def test_another_seed_is_other_noise(whole: Path, tmp_path: Path) -> None:
    worker.fit(tmp_path / "run", seed=1)
    other, same = (
        load_file(tmp_path / "run/model.safetensors"),
        load_file(whole / "model.safetensors"),
    )
    assert not torch.equal(other["model/encoder.weight"], same["model/encoder.weight"])


def test_every_step_has_its_own_noise() -> None:
    seeds = {train._noise_seed(seed, step) for seed in range(20) for step in range(100)}
    assert len(seeds) == 2000
    assert max(seeds) < 2**32


def test_a_run_is_not_overwritten(whole: Path) -> None:
    before = {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()}
    with pytest.raises(BadInput, match=r"already holds a run.*--resume"):
        worker.fit(whole)
    assert before == {p: p.read_bytes() for p in whole.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1}, "seed = 0, not 1"),
        ({"recipe": replace(RECIPE, lr=1.0)}, "recipe.lr = 0.03, not 1.0"),
        ({"header": worker.HEADER | {"config": {"width": 9, "shape": [8, 8]}}}, "config.width = 4"),
        ({"header": worker.HEADER | {"model": "sdnet"}}, "model = 'toy', not 'sdnet'"),
    ],
)
def test_a_run_is_resumed_with_its_own_settings_alone(whole: Path, other, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        worker.fit(whole, resume=True, **other)


def after(steps: int) -> Mapping[str, Tensor]:
    """State of the toy after some steps."""
    model = worker.toy()
    updates = train.Updates(model, RECIPE, seed=0)
    for step, batch in enumerate(islice(worker.batches(0), steps)):
        updates(step, batch)
    return model.state_dict()


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_loss_that_is_not_finite_stops_before_the_update(whole: Path, tmp_path: Path) -> None:
    def spoil(batch: Batch) -> Batch:
        return replace(batch, image=batch.image.where(batch.image < 0.9, math.nan))

    run, model = tmp_path / "run", worker.toy()
    with pytest.raises(
        BadInput, match=r"encoder/whiten became nan in step 7 on images image-6-0, "
    ):
        worker.fit(run, model=model, load=at_step(6, spoil))
    assert same(model.state_dict(), after(6))
    worker.fit(run, resume=True)
    assert weights(run) == weights(whole)


def test_a_gradient_that_is_not_finite_stops_before_the_update(tmp_path: Path) -> None:
    model = worker.toy()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    finite = model.encoder_loss

    def steep(batch: Batch, progress: float) -> Terms:
        root = (model.encoder.weight * 0).sum().sqrt()  # 0, with the slope inf * 0
        return finite(batch, progress) | {"root": root}

    model.encoder_loss = steep
    with pytest.raises(BadInput, match="grad_norm/encoder became nan in step 1"):
        worker.fit(tmp_path / "run", model=model)
    assert same(model.state_dict(), before)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="skipped: no /dev/full")
def test_a_full_disk_costs_no_checkpoint(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    temporary = run / "checkpoints/.last.safetensors.tmp"

    def fill_the_disk(batch: Batch) -> None:
        del batch
        temporary.symlink_to("/dev/full")

    with pytest.raises(BadInput, match=r"last\.safetensors cannot be written .No space left"):
        worker.fit(run, load=at_step(10, fill_the_disk))
    assert not temporary.is_symlink()
    worker.fit(run, resume=True, load=at_step(7, pytest.fail))  # step 8 was saved
    assert weights(run) == weights(whole)
    assert lines(run) == lines(whole)


def test_a_phase_spares_the_parameters_of_the_others(tmp_path: Path) -> None:
    model = worker.toy()
    loss, seen = model.encoder_loss, []

    def look(batch: Batch, progress: float) -> Terms:
        seen.append((model.encoder.weight.requires_grad, model.critic.weight.requires_grad))
        return loss(batch, progress)

    model.encoder_loss = look
    worker.fit(tmp_path / "run", model=model, recipe=replace(RECIPE, steps=2))
    assert seen == [(True, False)] * 2
    assert model.critic.weight.requires_grad
    assert not model.teacher.weight.requires_grad


def test_bf16_multiplies_in_bf16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = worker.toy()
    loss, seen = model.critic_loss, []

    def look(batch: Batch, progress: float) -> Terms:
        seen.append(model.encoder(batch.image).dtype)
        return loss(batch, progress)

    model.critic_loss = look
    recipe = replace(RECIPE, steps=1, precision="bf16")
    for number, capable in enumerate((True, False)):
        monkeypatch.setattr(train, "_has_bf16", lambda capable=capable: capable)
        worker.fit(tmp_path / str(number), model=model, recipe=recipe)
    assert seen == [torch.bfloat16, torch.float32]
    assert model.encoder.weight.dtype == torch.float32


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="precision fp8; use bf16 or fp32"):
        worker.fit(tmp_path / "run", recipe=replace(RECIPE, precision="fp8"))


@pytest.mark.parametrize("odd", [{"log": 0}, {"log": 3, "save": 10}, {"log": 3, "monitor": 10}])
def test_checkpoints_between_lines_are_refused(odd: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="multiples of log"):
        train.Every(**odd)


def test_kernels_and_images_are_channels_last() -> None:
    model = worker.toy()
    updates = train.Updates(model, RECIPE, seed=0)
    batch = next(worker.batches(0))
    updates(0, replace(batch, image=batch.image.expand(-1, 1, -1, -1)))
    assert model.encoder.weight.is_contiguous(memory_format=torch.channels_last)


class Clips(nn.Module):
    """A model of clips: its kernels have five axes, and it has no monitors."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv3d(1, 2, 3)

    def phases(self) -> list[Phase]:
        return [Phase(name="main", parameters=[*self.net.parameters()], loss=self.loss)]

    def loss(self, batch: Batch, progress: float) -> Terms:
        return {"size": (1 - progress) * self.net(batch.image).square().mean()}

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image: Tensor) -> Features:
        content = self.net(image)
        return Features(content=content, style=None, pooled=content.mean((2, 3, 4)))


def clips(start: int) -> Iterator[Batch]:
    while True:
        labels = {"ef_percent": torch.tensor([50.0, math.nan])}
        image = torch.full((2, 1, 4, 6, 6), 1.0 + start)
        yield Batch(
            image=image, sector=image[:, :, 0] > 0, mask=image[:, 0, 0].int(), labels=labels
        )


def test_clips_are_trained_too(tmp_path: Path) -> None:
    worker.fit(tmp_path / "run", model=Clips(), load=clips, recipe=replace(RECIPE, steps=4))
    first, last = lines(tmp_path / "run")
    assert set(first) == {"step", "lr", "main/size", "grad_norm/main"}
    assert last["main/size"] < first["main/size"]


def test_waiting_for_data_is_measured(tmp_path: Path) -> None:
    def slow(start: int) -> Iterator[Batch]:
        for batch in worker.batches(start):
            time.sleep(0.4)
            yield batch

    worker.fit(tmp_path / "run", load=slow, recipe=replace(RECIPE, steps=4))
    line = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[-1])
    assert 0.5 < line["waiting_share"] < 1
    assert line["images_per_s"] <= 8 * line["waiting_share"] / 0.1


def test_progress_is_shown(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, steps=4)
    worker.fit(tmp_path / "text", recipe=recipe)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("step 2/4  loss ")
    assert len(shown.err.splitlines()) == 2

    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    worker.fit(tmp_path / "bar", recipe=recipe)
    assert "4/4" in capsys.readouterr().err

"""What is worked out once for a run."""

from time import monotonic, sleep

import pytest

from septum.contract import BadInput
from septum.explore.once import once
from septum.explore.shown import shown


@pytest.fixture(scope="module")
def one(made, explored_root):
    return shown([made("unet")], cache=explored_root / "cache")[0]


def ended(work):
    until = monotonic() + 10
    while work.found is None and not work.failure and monotonic() < until:
        sleep(0.01)
    return work


def test_it_is_worked_out_once(one):
    asked: list[int] = []

    def ask(progress):
        asked.append(1)
        progress(0.5)
        return 7

    first = once(one, "seven", ask)
    assert ended(first).found == 7
    assert first.progress == 0.5
    assert once(one, "seven", ask) is first
    assert asked == [1]


def test_a_failure_is_a_sentence(one, caplog):
    def refuse(_):
        raise BadInput("There are no images.")

    def fall(_):
        raise ZeroDivisionError

    assert ended(once(one, "refused", refuse)).failure == "There are no images."
    assert "log" in ended(once(one, "fallen", fall)).failure
    assert "ZeroDivisionError" in caplog.text

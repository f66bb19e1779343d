from itertools import product

import pytest
import torch
from torchmetrics.retrieval import RetrievalMAP

from septum.metrics.retrieval import map5, map5_strict

EVERY_OUTCOME = torch.tensor(list(product([False, True], repeat=5)))


@pytest.mark.parametrize("missed", [0, 1, 7])
def test_map5_equals_torchmetrics_for_every_outcome(missed: int):
    queries, results = 32, 5 + missed + 3
    match = torch.zeros(queries, results, dtype=torch.bool)
    match[:, :5] = EVERY_OUTCOME
    match[:, 5 : 5 + missed] = True  # in the pool, below the fifth rank
    # torchmetrics takes scores <= 0 for "not retrieved"
    nearness = 1 / (1 + torch.arange(results)).expand(queries, -1)
    indexes = torch.arange(queries)[:, None].expand(-1, results)

    theirs = RetrievalMAP(top_k=5, empty_target_action="neg")(nearness, match, indexes=indexes)
    each = [
        RetrievalMAP(top_k=5)(n, m, indexes=i)
        for n, m, i in zip(nearness, match, indexes, strict=True)
    ]

    assert torch.allclose(map5(EVERY_OUTCOME), torch.stack(each))
    assert map5(EVERY_OUTCOME).mean().item() == pytest.approx(theirs.item())


@pytest.mark.parametrize("relevant", [5, 6, 9])
def test_strict_by_brute_force_for_every_outcome(relevant: int):
    expected = [
        sum(sum(row[: k + 1]) / (k + 1) for k in range(5) if row[k]) / min(5, relevant)
        for row in EVERY_OUTCOME.tolist()
    ]

    strict = map5_strict(EVERY_OUTCOME, torch.full((32,), relevant))

    assert strict.tolist() == pytest.approx(expected)


def test_strict_counts_what_was_missed_and_map5_does_not():
    match = torch.tensor([[True, False, False, False, False]])

    assert map5(match).item() == 1
    assert map5_strict(match, torch.tensor([4])).item() == pytest.approx(1 / 4)


def test_all_that_there_is_found_first_is_one():
    match = torch.tensor([[True, True, False, False, False]])

    assert map5(match).item() == map5_strict(match, torch.tensor([2])).item() == 1

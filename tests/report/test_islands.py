import numpy as np
import torch

from septum.report import islands
from septum.report.islands import Habit


def count_islands(where):
    """Flood fill, by hand."""
    todo, islands_found = {tuple(at) for at in np.argwhere(where)}, 0
    while todo:
        islands_found += 1
        edge = [todo.pop()]
        while edge:
            n, row, column = edge.pop()
            for near in (
                (n, row + 1, column),
                (n, row - 1, column),
                (n, row, column + 1),
                (n, row, column - 1),
            ):
                if near in todo:
                    todo.remove(near)
                    edge.append(near)
    return islands_found


def test_habits_of_a_map_counted_by_eye():
    maps = np.array([[[0, 1, 1], [2, 1, 0], [0, 2, 2]]])

    assert islands.habits(maps) == [
        Habit(concept=1, cells=3, islands=1),
        Habit(concept=2, cells=3, islands=2),
    ]


def test_islands_equal_a_flood_fill_that_never_leaves_a_map():
    maps = np.random.default_rng(0).integers(0, 4, (5, 9, 11))

    for habit in islands.habits(maps):
        assert habit.islands == count_islands(maps == habit.concept)
        assert habit.cells == (maps == habit.concept).sum()


def test_frequent_concepts_are_anatomy_and_the_most_isolated_others_modifiers():
    found = [
        Habit(concept=7, cells=40, islands=2),
        Habit(concept=3, cells=30, islands=30),
        Habit(concept=5, cells=12, islands=2),
        Habit(concept=9, cells=8, islands=8),
        Habit(concept=2, cells=6, islands=6),
        Habit(concept=4, cells=4, islands=1),
    ]

    assert islands.anatomical(found) == (7, 3)
    assert islands.modifiers(found) == (9, 2)


def test_swapping_exchanges_two_channels_and_twice_is_nothing():
    content = torch.rand(2, 5, 3, 4)
    once = islands.swapped(content, (1, 3))

    torch.testing.assert_close(once, content[:, [0, 3, 2, 1, 4]])
    torch.testing.assert_close(islands.swapped(once, (1, 3)), content)

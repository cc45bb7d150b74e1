import numpy as np
import pytest

from traindoctor.analyzer.search.design import even_start, grid
from traindoctor.errors import UsageError
from traindoctor.search import Parameter

LR = Parameter("lr", "log", 1e-4, 1.0)
OPT = Parameter("opt", "choice", choices=("a", "b"))
BATCH = Parameter("bs", "int", 16, 64, 16)


def test_a_grid_uses_what_it_is_given():
    points = grid([LR, OPT], 10, seed=0)
    assert sorted((point["lr"], point["opt"]) for point in points) == [
        (lr, opt) for lr in (1e-4, 1e-3, 1e-2, 1e-1, 1.0) for opt in ("a", "b")
    ]
    assert points != sorted(points, key=lambda point: point["lr"])
    assert grid([LR, OPT], 10, seed=0) == points
    assert sorted({point["bs"] for point in grid([BATCH], 20, seed=0)}) == [16, 32, 48, 64]


def test_a_grid_needs_two_values_of_each_range():
    with pytest.raises(
        UsageError, match=r"at least 8 trials \(2 combinations of choices x 2 values .* of 2 ranges"
    ):
        grid([LR, OPT, BATCH], 7, seed=0)


def test_the_start_hits_every_part_of_every_range_once():
    points = even_start([LR, OPT], 8, seed=3)
    parts = np.floor((np.log10([point["lr"] for point in points]) + 4) / 4 * 8)
    assert sorted(parts) == list(range(8))
    assert [point["opt"] for point in points].count("a") == 4
    assert {point["bs"] for point in even_start([BATCH], 4, seed=0)} == {16, 32, 48, 64}

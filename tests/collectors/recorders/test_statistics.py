"""Parameter statistics: each fast one against a slow obvious twin, and what exists when."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, mlp, read, recording
from traindoctor.collectors.recorders.statistics import (
    DEAD_SAMPLES,
    QUANTITIES,
    ParameterStatistics,
    Table,
    zero_rows,
)


def slow(before, after, gradient):
    """Every quantity in float64 numpy, as names.py words it."""
    with np.errstate(invalid="ignore"):
        return _slow(before, after, gradient)


def _slow(before, after, gradient):
    w = after.detach().double().numpy()
    found = {
        "weight_norm": np.sqrt((w**2).sum()),
        "weight_rms": np.sqrt((w**2).mean()),
        "weight_max": np.abs(w).max(),
        "weight_mean": w.mean(),
        "weight_std": w.std(),
        "weight_zeros": (w == 0).mean(),
        "update_norm": np.sqrt(((w - before.detach().double().numpy()) ** 2).sum()),
    }
    norm_before = np.sqrt((before.detach().double().numpy() ** 2).sum())
    if norm_before:
        found["update_ratio"] = found["update_norm"] / norm_before
    if gradient is not None:
        g = gradient.double().numpy()
        found["grad_norm"] = np.sqrt((g**2).sum())
        if g.ndim >= 2:
            found["grad_zero_rows"] = (g.reshape(len(g), -1) == 0).all(axis=1).mean()
    return found


def described(parameters, snapshot_bytes):
    statistics = ParameterStatistics(parameters, snapshot_bytes)
    statistics.names = tuple(f"p{i}" for i in range(len(parameters)))
    statistics.has_rows = tuple(p.ndim >= 2 for p in parameters)
    return statistics


def measured(parameters, change):
    """Statistics of a step that `change` makes, and the twin's."""
    statistics = described(parameters, 1 << 30)
    before = [p.detach().clone() for p in parameters]
    statistics.snapshot(parameters)
    with torch.no_grad():
        for p in parameters:
            change(p)
    norms = [None if p.grad is None else torch.linalg.vector_norm(p.grad) for p in parameters]
    names = [str(i) for i in range(len(parameters))]
    table, present = Table(0, names, statistics.measure(parameters, norms)).read()
    fast = [
        {q: table[row, column] for row, q in enumerate(QUANTITIES) if present[row, column]}
        for column in range(len(parameters))
    ]
    return fast, [slow(b, p, p.grad) for b, p in zip(before, parameters, strict=True)]


SHAPES = [(7, 5), (4, 3, 3, 3), (9,), (1, 1), (), (300, 200)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["normal", "tiny", "some zeros", "near one", "not contiguous"])
def test_every_statistic_equals_its_slow_twin(kind, dtype):
    torch.manual_seed(0)
    parameters = []
    for shape in SHAPES:
        data = torch.randn(shape, dtype=dtype)
        if kind == "tiny":
            data *= 1e-12
        elif kind == "some zeros":
            data = F.relu(data)
        elif kind == "near one":
            data = 1 + 1e-4 * data
        elif kind == "not contiguous" and data.ndim == 2:
            data = torch.randn(shape[::-1], dtype=dtype).t()
        p = nn.Parameter(data)
        p.grad = F.relu(torch.randn(shape, dtype=dtype)) * 1e-3
        if p.ndim >= 2:
            p.grad[0] = 0
        parameters.append(p)
    fast, twin = measured(parameters, lambda p: p.sub_(p.grad))
    for found, expected in zip(fast, twin, strict=True):
        assert found.keys() == expected.keys()
        scale = max(abs(expected["weight_mean"]), expected["weight_std"], 1e-30)
        for name, value in expected.items():
            tolerance = 1e-6 * scale if name == "weight_mean" else 0.0
            relative = (
                1e-2
                if name == "weight_std" and dtype == torch.float32
                else 2e-3
                if "update" in name
                else 2e-6
            )
            assert found[name] == pytest.approx(value, rel=relative, abs=tolerance), name


def test_standard_deviation_of_weights_near_one():
    torch.manual_seed(0)
    weight = nn.Parameter(1 + 1e-4 * torch.randn(5000))
    (fast,), (twin,) = measured([weight], lambda p: None)
    assert fast["weight_std"] == pytest.approx(twin["weight_std"], rel=1e-4)


def test_constant_weights_have_no_deviation():
    (fast,), _ = measured([nn.Parameter(torch.full((50,), 0.1))], lambda p: None)
    assert fast["weight_std"] == pytest.approx(0.0, abs=1e-8)


def test_non_finite_weights_are_recorded_as_such():
    weight = nn.Parameter(torch.tensor([1.0, torch.inf, torch.nan]))
    weight.grad = torch.tensor([1.0, torch.nan, 0.0])
    (fast,), _ = measured([weight], lambda p: None)
    assert np.isnan(fast["weight_norm"])
    assert np.isnan(fast["weight_std"])
    assert np.isnan(fast["grad_norm"])
    assert fast["weight_zeros"] == 0.0


def test_half_precision_is_measured_in_float32():
    weight = nn.Parameter(torch.full((4096,), 300.0, dtype=torch.float16))
    (fast,), (twin,) = measured([weight], lambda p: p.add_(1))
    assert fast["weight_norm"] == pytest.approx(twin["weight_norm"], rel=1e-5)
    assert fast["update_norm"] == pytest.approx(64.0, rel=1e-6)


def test_a_weight_of_norm_zero_has_no_update_ratio():
    (fast,), _ = measured([nn.Parameter(torch.zeros(3))], lambda p: p.add_(1))
    assert "update_ratio" not in fast
    assert fast["update_norm"] == pytest.approx(3**0.5)


@pytest.mark.parametrize("tiny", [1e-30, 1e-40, -1e-45])
def test_rows_of_tiny_numbers_are_not_zero(tiny):
    rows = torch.zeros(4, 6)
    rows[1, 3] = tiny
    rows[2, 0] = torch.nan
    assert zero_rows(rows).tolist() == [True, False, False, True]


def test_dead_rows_are_zero_in_each_of_the_last_samples():
    weight = nn.Parameter(torch.ones(4, 2))
    statistics = described([weight], 0)
    seen = []
    for sample in range(DEAD_SAMPLES + 3):
        weight.grad = torch.zeros(4, 2)
        weight.grad[0] = 1  # always alive
        weight.grad[1, 0] = 1.0 if sample == DEAD_SAMPLES else 0.0  # alive once
        values = statistics.measure([weight], [torch.tensor(1.0)])[0]
        seen.append(float(values["grad_dead_rows"]) if "grad_dead_rows" in values else None)
    assert seen == [None] * (DEAD_SAMPLES - 1) + [0.75, 0.5, 0.5, 0.5]


def test_above_the_limit_no_copy_is_made():
    weight = nn.Parameter(torch.ones(100))
    statistics = described([weight], 399)
    statistics.snapshot([weight])
    assert "update_norm" not in statistics.measure([weight], [None])[0]
    assert "weight_norm" in statistics.measure([weight], [None])[0]


def test_steps_that_are_measured(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path, every=8):
        for x, y in batches(30):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    run = read(tmp_path)
    for quantity in ("weight_norm", "update_ratio", "grad_norm", "grad_zero_rows"):
        assert run.parameter(quantity)["0.weight"].steps.tolist() == [*range(10), 16, 24]
    assert "0.bias" not in run.parameter("grad_zero_rows")
    assert run.parameter("grad_dead_rows")["0.weight"].steps.tolist() == [*range(4, 10), 16, 24]


def test_recorded_statistics_equal_what_the_script_sees(tmp_path):
    net = mlp()
    optimizer = torch.optim.AdamW(net.parameters(), 0.01)
    expected = []
    with recording(tmp_path):
        for x, y in batches(10):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            before = [p.detach().clone() for p in net.parameters()]
            optimizer.step()
            expected.append([slow(b, p, p.grad) for b, p in zip(before, net.parameters(), strict=True)])
    run = read(tmp_path)
    for column, (name, _) in enumerate(net.named_parameters()):
        for quantity in (
            "weight_norm",
            "weight_max",
            "update_norm",
            "update_ratio",
            "grad_norm",
            "weight_std",
        ):
            found = run.parameter(quantity)[name].values.tolist()
            assert found == pytest.approx([e[column][quantity] for e in expected], rel=1e-3, abs=1e-9)


def test_parameters_can_be_left_out(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path, parameters=False):
        for x, y in batches(3):
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    run = read(tmp_path)
    assert not run.parameters
    assert run.n_steps == 3

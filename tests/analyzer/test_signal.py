"""Every statistic against a slow, obvious twin."""

import itertools
import math
import statistics

import numpy as np
import pytest

from tests.runs import noise
from traindoctor.analyzer import signal

LENGTHS = (1, 2, 3, 7, 20, 21, 99, 500)


@pytest.fixture(params=LENGTHS)
def x(request):
    return np.random.default_rng(request.param).normal(1.0, 2.0, request.param)


def split(x, n):
    edges = signal.block_edges(len(x), n)
    return [list(x[lo:hi]) for lo, hi in itertools.pairwise(edges)]


def test_blocks_cover_everything_evenly(x):
    blocks = split(x, 20)
    assert len(blocks) == min(20, len(x))
    assert [value for block in blocks for value in block] == list(x)
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


def test_block_means_and_medians(x):
    np.testing.assert_allclose(signal.block_means(x), [statistics.fmean(b) for b in split(x, 20)])
    np.testing.assert_allclose(signal.block_medians(x), [statistics.median(b) for b in split(x, 20)])


def test_blocks_of_nothing_are_nothing():
    assert signal.block_means(np.empty(0)).size == 0
    assert signal.block_medians(np.empty(0)).size == 0


def test_noise_sd_against_its_definition(x):
    if len(x) < 3:
        assert math.isnan(signal.noise_sd(x))
        return
    steps = [b - a for a, b in itertools.pairwise(x)]
    middle = statistics.median(steps)
    slow = 1.4826 * statistics.median([abs(s - middle) for s in steps]) / math.sqrt(2.0)
    assert signal.noise_sd(x) == pytest.approx(slow)


def test_noise_sd_recovers_the_noise_under_a_trend():
    x = np.linspace(5.0, 0.0, 5000) + noise(5000, 0.3, seed=1)
    assert signal.noise_sd(x) == pytest.approx(0.3, rel=0.05)


def test_long_run_variance_against_a_double_sum(x):
    n = len(x)
    if n < 2:
        assert math.isnan(signal.long_run_variance(x))
        return
    lags = min(50, n // 5)
    centred = x - x.mean()
    slow = (
        sum(
            centred[i] * centred[j] * (1.0 - abs(i - j) / (lags + 1.0))
            for i in range(n)
            for j in range(n)
            if abs(i - j) <= lags
        )
        / n
    )
    assert signal.long_run_variance(x) == pytest.approx(max(slow, 0.0), abs=1e-12)


@pytest.mark.parametrize(("phi", "expected"), [(0.0, 1.0), (0.5, 3.0)])
def test_effective_sample_size_of_autocorrelated_noise(phi, expected):
    sizes = [signal.effective_sample_size(noise(2000, 1.0, phi, seed)) for seed in range(20)]
    assert 2000 / np.mean(sizes) == pytest.approx(expected, rel=0.2)


def test_effective_sample_size_at_the_edges():
    assert signal.effective_sample_size(np.ones(50)) == 50.0
    assert signal.effective_sample_size(np.array([3.0])) == 1.0


def test_standard_error_covers_the_mean():
    errors = [signal.standard_error(noise(1000, 1.0, 0.5, seed)) for seed in range(50)]
    means = [noise(1000, 1.0, 0.5, seed).mean() for seed in range(50)]
    assert np.std(means) == pytest.approx(np.mean(errors), rel=0.35)


def test_mann_kendall_against_all_pairs(x):
    score = sum(np.sign(b - a) for a, b in itertools.combinations(x, 2))
    n = len(x)
    slow = 0.0
    if n > 2 and score:
        slow = (score - np.sign(score)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    assert signal.mann_kendall_z(x) == pytest.approx(slow)


def test_mann_kendall_with_ties_equals_the_textbook_example():
    assert signal.mann_kendall_z(np.array([1.0, 1.0, 1.0])) == 0.0
    y = np.array([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0])
    variance = (7 * 6 * 19 - 2 * 1 * 9 - 3 * 2 * 11) / 18.0
    assert signal.mann_kendall_z(y) == pytest.approx((17 - 1) / math.sqrt(variance))


def test_mann_kendall_rarely_calls_noise_a_fall():
    falls = [
        signal.mann_kendall_z(signal.block_means(noise(400, 1.0, 0.5, seed))) < -2.33 for seed in range(400)
    ]
    assert np.mean(falls) < 0.05


def test_theil_sen_against_all_pairs(x):
    if len(x) < 2:
        assert math.isnan(signal.theil_sen_slope(x).value)
        return
    at = np.cumsum(np.random.default_rng(0).uniform(1.0, 3.0, len(x)))
    slow = statistics.median(
        (x[j] - x[i]) / (at[j] - at[i]) for i, j in itertools.combinations(range(len(x)), 2)
    )
    slope = signal.theil_sen_slope(x, at)
    assert slope.value == pytest.approx(slow)
    assert slope.low <= slope.value <= slope.high


def test_theil_sen_bounds_hold_the_true_slope_as_often_as_they_say():
    at = np.arange(20.0)
    hits = []
    for seed in range(400):
        slope = signal.theil_sen_slope(0.1 * at + noise(20, 1.0, 0.0, seed), at)
        hits.append(slope.low <= 0.1 <= slope.high)
    assert np.mean(hits) == pytest.approx(0.9, abs=0.05)


def test_rolling_median_against_slices(x):
    slow = [statistics.median(x[max(0, i - 6) : i + 1]) for i in range(len(x))]
    np.testing.assert_allclose(signal.rolling_median(x, 7), slow)


def test_median3_against_slices(x):
    slow = [x[i] if i in (0, len(x) - 1) else statistics.median(x[i - 1 : i + 2]) for i in range(len(x))]
    np.testing.assert_allclose(signal.median3(x), slow)


def test_spans_of_finds_each_stretch():
    assert signal.spans_of(np.array([True, True, False, False, True])) == [(0, 1), (4, 4)]
    assert signal.spans_of(np.zeros(3, dtype=bool)) == []
    assert signal.spans_of(np.empty(0, dtype=bool)) == []

"""Data sets of the split `report`."""

from __future__ import annotations

import numpy as np

from .more_tasks import Sample


def triage(rng: np.random.Generator) -> Sample:
    """Rare positives told by measurements, counts and yes-no answers together; some are missed."""
    measured, counts = rng.normal(size=(2000, 5)), rng.poisson(2.0, size=(2000, 3))
    answers = (rng.random((2000, 4)) < np.array([0.5, 0.3, 0.2, 0.1])).astype(float)
    score = measured[:, 0] + 0.8 * counts[:, 0] + 1.5 * answers[:, 2] + measured[:, 1] * answers[:, 0]
    score = score + rng.normal(scale=0.3, size=2000)
    rare = score > np.quantile(score, 1 - float(rng.uniform(0.08, 0.2)))
    return np.hstack([measured, counts, answers]), rare.astype(np.float64).reshape(-1, 1), 1, 0


def topics(rng: np.random.Generator) -> Sample:
    """Subject of a short text from how often each of thirty words occurs; subjects of unequal size."""
    shares = np.array([0.35, 0.25, 0.15, 0.12, 0.08, 0.05])
    words = rng.dirichlet(np.full(30, 0.4), size=6)
    y = rng.choice(6, size=1600, p=shares)
    lengths = rng.integers(5, 16, size=1600)
    x = np.stack([rng.multinomial(n, words[subject]) for n, subject in zip(lengths, y, strict=True)])
    return x.astype(np.float64), y, 6, 0


def triangles(rng: np.random.Generator) -> Sample:
    """Whether three measured lengths make no triangle, one with an obtuse angle, or one without."""
    sides = rng.uniform(1, 5, size=(2000, 3))
    ordered = np.sort(sides, axis=1)
    closes = ordered[:, 0] + ordered[:, 1] > ordered[:, 2]
    obtuse = ordered[:, 0] ** 2 + ordered[:, 1] ** 2 < ordered[:, 2] ** 2
    y = np.where(closes, np.where(obtuse, 1, 2), 0)
    return sides + rng.normal(scale=0.1, size=sides.shape), y, 3, 0


def loudest(rng: np.random.Generator) -> Sample:
    """Which of five signals is farthest from zero, either way, among three that never count."""
    x = rng.laplace(size=(2000, 8))
    heard = np.abs(x[:, :5]) + rng.normal(scale=0.1, size=(2000, 5))
    return x, heard.argmax(axis=1), 5, 0


def rents(rng: np.random.Generator) -> Sample:
    """Logarithm of a rent from area, age, floor and one of six districts."""
    area, age = rng.lognormal(4.2, 0.4, size=1500), rng.uniform(0, 100, size=1500)
    floor, district = rng.integers(0, 9, size=1500), rng.integers(6, size=1500)
    price = 1.0 + 0.5 * rng.random(6)
    spoiled = np.where((age > 30) & (age < 70), 0.75, 1.0)
    rent = area**0.8 * price[district] * spoiled * (1 + 0.03 * floor)
    y = np.log(rent) + rng.normal(scale=0.1, size=1500)
    return np.column_stack([area, age, floor, np.eye(6)[district]]), y.reshape(-1, 1), 1, 0


def doses(rng: np.random.Generator) -> Sample:
    """Concentration some time after a dose that is taken up and broken down at rates of its own."""
    dose, time = rng.uniform(1, 10, size=1800), rng.uniform(0.2, 12, size=1800)
    uptake, loss = rng.uniform(0.8, 3, size=1800), rng.uniform(0.1, 0.6, size=1800)
    level = dose * uptake / (uptake - loss) * (np.exp(-loss * time) - np.exp(-uptake * time))
    y = level * rng.lognormal(0.0, 0.1, size=1800)
    return np.column_stack([dose, time, uptake, loss]), y.reshape(-1, 1), 1, 0


def robot_arm(rng: np.random.Generator) -> Sample:
    """Where the hand of an arm of three joints is."""
    angles = rng.uniform(-1.2, 1.2, size=(1800, 3))
    turned = angles.cumsum(axis=1)
    lengths = np.array([1.0, 0.8, 0.5])
    hand = np.stack([(lengths * np.cos(turned)).sum(axis=1), (lengths * np.sin(turned)).sum(axis=1)], axis=1)
    return angles, hand + rng.normal(scale=0.05, size=hand.shape), 2, 0


def tariffs(rng: np.random.Generator) -> Sample:
    """A bill of three price steps and two surcharges, with errors of Laplace's kind."""
    use, hour = rng.gamma(2.0, 2.0, size=1600), rng.uniform(0, 24, size=1600)
    flags = (rng.random((1600, 2)) < 0.4).astype(float)
    bill = use + 1.5 * np.maximum(0, use - 3) + 2.0 * np.maximum(0, use - 6)
    bill = bill * np.where((hour > 8) & (hour < 20), 1.3, 1.0) + 2.0 * flags[:, 0] * flags[:, 1]
    y = bill + rng.laplace(scale=0.3, size=1600)
    return np.column_stack([use, hour, flags]), y.reshape(-1, 1), 1, 0


def alarms(rng: np.random.Generator) -> Sample:
    """Five alarms, each by a rule of two or three of ten switches, some of which are misread."""
    x = (rng.random((1800, 10)) < 0.5).astype(float)
    a, b, c, d, e = (x[:, i] > 0.5 for i in range(5))
    y = np.stack([a & b, c | d, a ^ e, b & c & d, (d & e) | a], axis=1).astype(np.float64)
    misread = rng.random(x.shape) < 0.03
    return np.where(misread, 1 - x, x) + rng.normal(scale=0.1, size=x.shape), y, 5, 0


def bumps(rng: np.random.Generator) -> Sample:
    """Curves of one bump of random place, width and height, to be told again."""
    place, width = rng.uniform(4, 24, size=(1500, 1)), rng.uniform(1.5, 5, size=(1500, 1))
    height = rng.uniform(0.5, 2, size=(1500, 1))
    x = height * np.exp(-(((np.arange(28) - place) / width) ** 2)) + rng.normal(scale=0.1, size=(1500, 28))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, x, 28, 0


def spots(rng: np.random.Generator) -> Sample:
    """How many bright spots, none to three, a noisy picture holds."""
    y = rng.integers(4, size=1500)
    images = rng.normal(scale=0.4, size=(1500, 1, 10, 10))
    row, column = np.mgrid[0:10, 0:10]
    for image, n in zip(images, y, strict=True):
        for at_row, at_column in rng.integers(1, 9, size=(int(n), 2)):
            image[0] += 2.0 * np.exp(-0.7 * ((row - at_row) ** 2 + (column - at_column) ** 2))
    return images, y, 4, 0


def clocks(rng: np.random.Generator) -> Sample:
    """Which eighth of the dial a hand of random length points to."""
    angle, length = rng.uniform(0, 2 * np.pi, size=1500), rng.uniform(3, 5, size=1500)
    images = rng.normal(scale=0.5, size=(1500, 1, 12, 12))
    for image, at, reach in zip(images, angle, length, strict=True):
        along = np.linspace(0, reach, 12)
        row, column = np.round(5.5 + along * np.sin(at)), np.round(5.5 + along * np.cos(at))
        image[0, row.astype(int), column.astype(int)] += 1.5
    return images, (angle / (2 * np.pi) * 8).astype(int), 8, 0


def ladders(rng: np.random.Generator) -> Sample:
    """Next token of a count upwards in strides of one to three, modulo nine, that begins anew at times."""
    stream: list[int] = []
    while len(stream) < 800 * 15:
        stride, at, length = int(rng.integers(1, 4)), int(rng.integers(9)), int(rng.integers(4, 9))
        stream += [(at + stride * k) % 9 for k in range(length)]
        stream.append(9)
    windows = np.array(stream[: 800 * 15]).reshape(800, 15)
    return windows[:, :-1], windows[:, 1:], 10, 10


def marked(rng: np.random.Generator) -> Sample:
    """Which of four letters stands right before the end mark, behind which letters mean nothing."""
    x = rng.integers(4, size=(1600, 10))
    end = rng.integers(5, 10, size=1600)
    x[np.arange(1600), end] = 4
    return x, x[np.arange(1600), end - 1], 4, 5

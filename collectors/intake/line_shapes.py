"""What a line of an unknown text log says: epoch and step counters, named numbers, the split it is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """A named number of a line.

    Attributes:
        name: the name in the log's own words, its section before it; `{}` where numbers stand inside it.
        value: index of the number among the numbers of the line.
        average: index of the running average in brackets behind it, -1 without one.
        slots: indices of the numbers inside the name.
        is_metric: the name says loss, metric or learning rate.
        is_split: the name is nothing but a split (`val 2.31`).
        is_bare: neither the name nor the line tells the split.
        divisor: index of the number that it is a share of (`Accuracy: 9843/10000`), -1 without one.
    """

    name: str
    value: int
    average: int = -1
    slots: tuple[int, ...] = ()
    is_metric: bool = False
    is_split: bool = False
    is_bare: bool = False
    divisor: int = -1


@dataclass(frozen=True)
class Shape:
    """What all lines with the same words mean; numbers are given by their index in the line, -1 = absent.

    Attributes:
        epoch: the epoch.
        step: the step, iteration or batch.
        total: how many steps there are.
        counts_batches: the step counts within an epoch, by its word or its brackets.
        counts_samples: the step counts samples.
        counts_episodes: the epoch is an episode of reinforcement learning.
        is_bar: a progress bar.
        pairs: the named numbers.
        section: split that the line is about, in its own words.
        is_heading: the line is nothing but a marker or a section.
    """

    epoch: int = -1
    step: int = -1
    total: int = -1
    counts_batches: bool = False
    counts_samples: bool = False
    counts_episodes: bool = False
    is_bar: bool = False
    pairs: tuple[Pair, ...] = ()
    section: str = ""
    is_heading: bool = False

    @property
    def is_marked(self) -> bool:
        """Whether the line itself says where in the run it is."""
        return self.epoch >= 0 or self.step >= 0


def value_of(text: str) -> float:
    """The number of a token."""
    try:
        return float(text)
    except ValueError:
        return float(text.replace(",", ""))

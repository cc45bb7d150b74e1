"""Takes a line of an unknown text log apart, once for all lines with the same words."""

from __future__ import annotations

import re
from dataclasses import replace

from .line_markers import Walk, is_delimited, is_whole
from .line_shapes import Pair, Shape
from .line_words import (
    AVERAGE,
    BEST,
    CLOCK,
    CLOCK_SIGN,
    COCO,
    COUNT_WORD,
    DELIMITER,
    GLUED,
    LEVEL,
    MEASURE,
    NOT_METRICS,
    NUMBER,
    OPENERS,
    PLAN_WORDS,
    SEPARATOR,
    STAMP,
)
from .series_names import FILLERS, SPLITS, classify, words

MAX_LINE = 4096
MAX_NUMBERS = 400
MAX_SHAPES = 20_000


class ShapeBook:
    """Shapes by the words of the line and by which numbers have a fraction; each is worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Shape] = {}

    def shape(self, line: str) -> tuple[Shape, list[str]]:
        """The shape of a line, and its numbers as texts."""
        if ":" in line:
            stamp = STAMP.match(line)
            line = line[stamp.end() :] if stamp else line
            if CLOCK_SIGN.search(line):
                line = CLOCK.sub("", line)
        if "@[" in line:
            line = COCO.sub(_coco_name, line)
        parts = NUMBER.split(line, MAX_NUMBERS)
        literals, numbers = tuple(parts[::2]), parts[1::2]
        key = (*literals, "".join(["0" if is_whole(number) else "." for number in numbers]))
        shape = self._known.get(key)
        if shape is None:
            shape = _Parser(literals, numbers).shape()
            if len(self._known) < MAX_SHAPES:
                self._known[key] = shape
        return shape, numbers

    def knows(self, line: str) -> bool:
        """Whether all lines with the words of this one are given the same shape."""
        return self.shape(line)[0] is self.shape(line)[0]


def _coco_name(found: re.Match[str]) -> str:
    what, iou, area, most = found.groups()
    return f"{what}_iou{iou.replace(':', '_')}_{area}_{most}"


class _Parser(Walk):
    """Walks the numbers of one line and says what each is."""

    def shape(self) -> Shape:
        first = LEVEL.sub("", self.literals[0], count=1)
        self.literals = [first, *self.literals[1:]]
        if BEST.search(first):
            return Shape()
        is_bar = any("%|" in text or "it/s" in text for text in self.literals)
        for index in range(len(self.numbers)):
            self.last = self._number(index, self.literals[index], self.literals[index + 1])
        if not self.numbers:
            self._see_section(first)
        self._settle_pairs()
        section = self.topic if self.pairs else self.section
        heading = (
            not self.pairs and (self._is_marked() or bool(section and not self.numbers)) and self._is_short()
        )
        return Shape(
            epoch=self.epoch,
            step=self.step,
            total=self.total,
            counts_batches=self.by_batch,
            counts_samples=self.samples,
            counts_episodes=self.episodes,
            is_bar=is_bar and self.total >= 0,
            pairs=tuple(self.pairs),
            section=section,
            is_heading=heading,
        )

    def _settle_pairs(self) -> None:
        """Drop what stands before the marker (`train.py:123 - Epoch 5`); share the line's only split."""
        if self._is_marked():
            first = min(index for index in (self.epoch, self.step) if index >= 0)
            self.pairs = [pair for pair in self.pairs if pair.is_metric or pair.value > first]
        told = [
            next((w for w in words(p.name) if w in SPLITS), "")
            for p in self.pairs
            if p.is_metric and not p.is_bare
        ]
        if len({SPLITS[word] for word in told if word}) != 1:
            return
        word = ""
        for at, pair in enumerate(self.pairs):
            own = next((w for w in words(pair.name) if w in SPLITS), "")
            if pair.is_bare and word:
                self.pairs[at] = replace(pair, name=f"{word} {pair.name}", is_bare=False)
            word = own if own and not pair.is_split else word

    def _is_short(self) -> bool:
        found = [word for text in self.literals for word in re.findall(r"[A-Za-z]+", text)]
        return len(found) <= 5

    def _number(self, index: int, before: str, after: str) -> str:
        """Take one number; says what it was."""
        if after.startswith("%|"):  # how far a progress bar is
            self._see_section(before)
            return ""
        counter = self._counter(index, before, after)
        if counter:
            self.loose = []
            return counter
        if self.last == "value" and AVERAGE.fullmatch(before) and after[:1] in (")", "]"):
            self.pairs[-1] = replace(self.pairs[-1], average=index)
            return "average"
        marker = self._marker(index, before, after)
        if marker:
            self.loose = []
            return marker
        if self._pair(index, before, after):
            self.loose = []
            return "value"
        self._see_section(before)
        self.loose = [*self.loose, index] if not is_delimited(before) else [index]
        return ""

    def _pair(self, index: int, before: str, after: str) -> bool:
        text = before[: OPENERS.search(before).start()]  # type: ignore[union-attr]
        separator = SEPARATOR.search(text)
        named = text[: separator.start()] if separator else text
        fragments = DELIMITER.split(named)
        if self.last in ("epoch", "step") and COUNT_WORD.fullmatch(fragments[-1]):
            fragments[-1] = ""
        name, slots = self._name(fragments[-1], bool(separator), len(fragments) == 1, index)
        for part in fragments[:-1]:
            self._see_section(part)
        if not self.pairs:
            self.topic = self.section
        if not name or _is_measure(after) or len(name) > 80 or len(name.split()) > 9:
            return False
        known = classify(name)
        bare_split = name.lower() in SPLITS
        if not separator and not self._stands_alone(name, known.name, bare_split, named, index, after):
            return False
        if name.lower() in NOT_METRICS or name.endswith((".py", "_id")) or PLAN_WORDS.match(name):
            return False
        keeps = known.name.startswith(("lr/", "epoch")) or not known.name
        own = bare_split or any(word in SPLITS for word in words(name))
        full = name if own or not self.section or keeps else f"{self.section} {name}"
        metric = bool(known.name) and known.name != "epoch"
        bare = metric and full == name and not own and not keeps
        self.pairs.append(Pair(full, index, -1, slots, metric, bare_split, bare))
        return True

    def _stands_alone(self, name: str, ours: str, is_split: bool, named: str, index: int, after: str) -> bool:
        """Whether `name number` without a sign between is a pair: a metric's word, or a cell of its own."""
        last = words(name)[-1]
        if is_split or (ours and (last in FILLERS or classify(last).name)):
            return not is_whole(self.numbers[index]) or (self._is_marked() and not is_split)
        cell = re.search(r"[|,\t]\s*[\w./@-]+\s*$", named) is not None
        return cell and self._is_marked() and (not after.strip() or after.lstrip()[:1] in ("|", ",", "\t"))

    def _name(self, fragment: str, has_sign: bool, whole: bool, index: int) -> tuple[str, tuple[int, ...]]:
        name = _tidy(fragment)
        if whole and self.loose and (name or has_sign):  # "Accuracy on 10,000 test images: 23.5"
            first = self.loose[0]
            pieces = [DELIMITER.split(self.literals[first])[-1].replace("{", "(").replace("}", ")")]
            pieces += [text for i in self.loose[1:] for text in ("{}", self.literals[i])]
            joined = "".join((*pieces, "{}", fragment.replace("{", "(").replace("}", ")")))
            if re.search(r"[A-Za-z]", pieces[0]):
                return " ".join(joined.split()).strip(" -:#*"), tuple(self.loose)
        if not name and has_sign and self.last in ("epoch", "step", "epoch total", "step total"):
            at = self.epoch if self.last.startswith("epoch") else self.step
            ahead = re.sub(
                r"\b(?:at|after|for|in|on|of)\s+(?:\w+\W*)?$", "", self.literals[at], flags=re.IGNORECASE
            )
            name = _tidy(DELIMITER.split(ahead)[-1]) if ahead != self.literals[at] else ""
        return name, ()


def _tidy(fragment: str) -> str:
    """A name without ornaments, and without a bracket that is not closed in it."""
    text = " ".join(fragment.split())
    while text.count("(") > text.count(")"):
        text = text[text.index("(") + 1 :]
    while text.count(")") > text.count("("):
        text = text[text.index(")") + 1 :]
    text = re.sub(r"^[^\w(]+|[\s.\-–*#!]+$", "", text)
    return text if re.search(r"[^\W\d_]", text) else ""


def _is_measure(after: str) -> bool:
    """Whether a unit of time, memory or speed follows, or letters are glued to the number."""
    return bool(MEASURE.match(after)) or bool(GLUED.match(after))

"""Which numbers of a log line say where in the run it stands: epochs, steps, batches and their totals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .line_shapes import Pair, value_of
from .line_words import DELIMITER, MARKER, PLAN_WORDS, POSTFIX, SECTION


@dataclass
class Walk:
    """What is known while the numbers of one line go by."""

    literals: Sequence[str]
    numbers: Sequence[str]
    epoch: int = -1
    step: int = -1
    total: int = -1
    by_batch: bool = False
    samples: bool = False
    episodes: bool = False
    section: str = ""
    topic: str = ""
    last: str = ""
    pairs: list[Pair] = field(default_factory=list[Pair])
    loose: list[int] = field(default_factory=list[int])
    """Numbers without a meaning of their own just before: they may belong to the next name."""

    def _is_marked(self) -> bool:
        return self.epoch >= 0 or self.step >= 0

    def _counter(self, index: int, before: str, after: str) -> str:
        """`/total`, `[batch/total`, `(percent%)`, and counters in brackets at the beginning of the line."""
        text = before.strip()
        if text in ("/", "of", "out of") and self.last in ("epoch", "step"):
            if self.last == "step":
                self.total = index
            return f"{self.last} total"
        if self.last == "value" and text == "/" and self._is_share(index):
            self.pairs[-1] = replace(self.pairs[-1], divisor=index)
            return "divisor"
        if self.last == "divisor" and text in ("(", "[", ",", "") and after.lstrip().startswith("%"):
            self.pairs[-1] = replace(self.pairs[-1], value=index, divisor=-1)
            return "percent"
        if self.last in ("step total", "step") and text in ("(", "[") and after.startswith("%"):
            self.samples = self.samples or self._says_samples()
            return "percent"
        is_open = re.fullmatch(r"[\])]?\s*[,:-]?\s*[\[(]", text) and after[:1] in ("/", "]", " ")
        is_pair = (
            text == "," and after.startswith("]") and self.epoch == 0 and self.literals[0].strip() == "["
        )
        is_cell = not re.search(r"\w", text) and after.strip() == "/" and is_whole(self.numbers[index])
        if (is_open or is_cell or is_pair) and self.last in ("epoch", "epoch total") and self.step < 0:
            self.step, self.by_batch = index, True
            return "step"
        if text.endswith("|") and "%|" in before and after.startswith("/") and self.step < 0:
            self._see_section(before)
            self.step, self.by_batch = index, True
            return "step"
        return self._leading(index, before, after)

    def _leading(self, index: int, before: str, after: str) -> str:
        if index or not is_whole(self.numbers[0]):
            return ""
        has_total = after.lstrip().startswith("/")
        section = re.fullmatch(r"\W*([A-Za-z]+)\s*:?\s*([\[(]?)\s*", before)
        if section and not after.startswith("%") and SECTION.fullmatch(section.group(1)):
            self.section = section.group(1)
            if section.group(2) and has_total:
                self.step, self.by_batch = 0, True
                return "step"
            self.epoch = 0
            return "epoch"
        if not re.search(r"\w", before) and has_total:
            self.epoch = 0
            return "epoch"
        if re.fullmatch(r"\s*\[\s*", before) and after.startswith("]"):
            self.step = 0
            return "step"
        if (
            before.strip() == "["
            and after.strip() == ","
            and self.literals[2:3]
            and self.literals[2][:1] == "]"
        ):
            self.epoch = 0
            return "epoch"
        return ""

    def _is_share(self, index: int) -> bool:
        """`9843/10000` behind a metric's name: so many of so many."""
        pair = self.pairs[-1]
        both = self.numbers[pair.value], self.numbers[index]
        return pair.is_metric and all(map(is_whole, both)) and value_of(both[0]) <= value_of(both[1]) > 0

    def _says_samples(self) -> bool:
        """`Train Epoch: 1 [640/60000 (1%)]` counts samples, `Train: 1 [50/1251 (4%)]` batches."""
        first = self.literals[0].lower()
        return "epoch" in first and value_of(self.numbers[self.total]) >= 1000 if self.total >= 0 else False

    def _marker(self, index: int, before: str, after: str) -> str:
        found = MARKER.search(before)
        if found is None:
            return self._postfix(index, before, after)
        kind = "epoch" if found["epoch"] else "step"
        where = self.epoch if kind == "epoch" else self.step
        ahead = before[: found.start()]
        word = found[0].strip(" :=[(#<'\"|,;-").lower()
        configured = bool(found["sep"]) and (word.startswith(("num", "n_")) and word != "num_updates")
        if where >= 0 or configured or PLAN_WORDS.search(_last_fragment(ahead)):
            return ""
        if word in ("epochs", "steps", "updates", "iterations", "iters", "batches") and (
            index or found["sep"] == "="
        ):
            return ""
        if word in ("it", "i", "ep", "round") and not (
            found["sep"] or is_delimited(before) or not ahead.strip()
        ):
            return ""
        if _is_fraction(self.numbers[index]) and kind == "step":
            return ""
        self._see_section(before)
        self.loose = []
        if kind == "epoch":
            self.epoch, self.episodes = index, word == "episode"
        else:
            self.step, self.by_batch = index, bool(found["batch"])
        return kind

    def _postfix(self, index: int, before: str, after: str) -> str:
        """`10 epoch: …`, `1epoch results: …`, `Loss after 100 iterations: …`."""
        found = POSTFIX.match(after)
        if found is None or not is_whole(self.numbers[index]):
            return ""
        alone = index == 0 and not re.search(r"[A-Za-z]", before)
        prose = re.search(r"\b(?:after|at|iteration|step)\s*$", before, re.IGNORECASE)
        if not (alone and re.search(r"[A-Za-z]", found["rest"])) and not prose:
            return ""
        if found["epoch"] and self.epoch < 0:
            self.epoch = index
            return "epoch"
        if found["step"] and self.step < 0:
            self.step = index
            return "step"
        return ""

    def _see_section(self, text: str) -> None:
        found = SECTION.findall(text)
        if found:
            self.section = found[-1]


def _last_fragment(text: str) -> str:
    return DELIMITER.split(text)[-1]


def is_delimited(text: str) -> bool:
    """Whether a sign that parts names and numbers is in a text."""
    return DELIMITER.search(text.strip(" ")) is not None


def is_whole(number: str) -> bool:
    """Whether a number is written without a fraction."""
    return number.replace(",", "").isdigit()


def _is_fraction(number: str) -> bool:
    return not is_whole(number) and value_of(number) % 1.0 != 0.0

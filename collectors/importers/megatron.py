"""Console logs of Megatron-LM and Megatron-DeepSpeed."""

from __future__ import annotations

import re

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pour

_ITERATION = re.compile(r"\biteration\s+(\d+)\s*/\s*\d+\s*\|(.*)$")
_VALIDATION = re.compile(
    r"\b(validation|test) loss at (?:iteration\s+(\d+)|the end of training[^|]*?)"
    r"(?: on ([\w ]+? set))?[^|]*\|(.*)$"
)
_SIGNATURE = re.compile(r"\biteration\s+\d+\s*/\s*\d+\s*\|.{0,200}elapsed time per iteration")
_ARGUMENT = re.compile(r"(?:^|\s)(\w+) \.{3,} ?(\S+)\s*$")
_ARGUMENTS_KEPT = """
lr min_lr lr_decay_style lr_warmup_iters lr_warmup_samples lr_decay_iters global_batch_size micro_batch_size
seq_length hidden_size num_layers num_attention_heads clip_grad weight_decay train_iters fp16 bf16 seed
optimizer adam_beta1 adam_beta2 adam_eps loss_scale initial_loss_scale padded_vocab_size
"""
_SETTINGS = frozenset(_ARGUMENTS_KEPT.split())


class Megatron:
    """Megatron-LM and Megatron-DeepSpeed."""

    slug = "megatron"
    name = "Megatron-LM text log"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """An iteration line with its elapsed time."""
        return CERTAIN if matches(source, _SIGNATURE, 1) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        reader = _Reader(log)
        pour(source, log, reader.row, "lines such as `iteration 10/ 1000 | ... lm loss: 1.2E+01 | ...`")
        if reader.config:
            log.fact(config=reader.config)
            batch = number(reader.config.get("global_batch_size"))
            if batch and batch > 0:
                log.fact(batch_size=int(batch))
        for name in log.series:
            if name.startswith(("validation", "test")) and name.endswith(" PPL"):
                split = name.partition(" ")[0]
                log.declare(name, Meaning(f"ppl/{split}", split, "lower", rank=" on " in name))
            if name.startswith(("validation", "test")) and name.endswith("value"):
                split = name.partition(" ")[0]
                loss = (
                    "loss" if name.endswith("lm loss value") else name.split()[-3].replace(" ", "_") + "_loss"
                )
                log.declare(
                    name, Meaning(f"{loss}/{split}", split, "lower", "loss units", rank=" on " in name)
                )
        log.declare("grad norm", Meaning("grad_norm/preclip", "", "", note="before clipping"))
        log.declare("loss scale", Meaning("amp/scale"))


class _Reader:
    """Turns skipped iterations into events as the lines go by."""

    def __init__(self, log: Logbook) -> None:
        self.log = log
        self.config: dict[str, str] = {}
        self._last = 0.0

    def row(self, line_number: int, line: str) -> Row | None:
        """The row of a line, None when it holds none."""
        del line_number
        if " iteration" not in line and "iteration " not in line:
            self._argument(line)
            return None
        if " loss at " in line:
            return self._validation(line)
        found = _ITERATION.search(line) if "|" in line else None
        if found is None:
            return None
        values = _cells(found.group(2))
        self._last = float(found.group(1))
        skipped = values.pop("number of skipped iterations", 0.0)
        if skipped:
            self.log.event(self._last, "amp-skip", count=skipped)
        if not values.get("number of nan iterations"):
            values.pop("number of nan iterations", None)
        return self._last, values

    def _validation(self, line: str) -> Row | None:
        found = _VALIDATION.search(line)
        if found is None:
            return None
        split, iteration, subset, cells = found.groups()
        where = f" on {subset}" if subset and subset not in ("validation set", "test set") else ""
        prefix = subset.split()[0] if subset and subset.split()[0] in ("validation", "test") else split
        x = float(iteration) if iteration else self._last
        return x, {f"{prefix}{where} {name}": value for name, value in _cells(cells).items()}

    def _argument(self, line: str) -> None:
        found = _ARGUMENT.search(line) if " ..." in line and len(line) < 300 else None
        if found and found.group(1) in _SETTINGS:
            self.config.setdefault(found.group(1), found.group(2))


def _cells(text: str) -> dict[str, float]:
    """`name: value` between bars; the value stands behind the last colon."""
    out: dict[str, float] = {}
    for cell in text.split("|"):
        name, _, value = cell.rpartition(":")
        found = number(value)
        if name.strip() and found is not None:
            out[name.strip()] = found
    return out

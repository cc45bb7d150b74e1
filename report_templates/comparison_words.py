"""The words of a comparison: values, changes, effects of seeds, and the conclusion."""

from __future__ import annotations

import math

from traindoctor.comparison import ComparedRun, Comparison, Effect, Number
from traindoctor.text import Text

from . import number_format as fmt
from .language import _, number_of, tr
from .page_model import Tone

_ARROWS = {"better": "▲", "worse": "▼", "higher": "↑", "lower": "↓", "same": "=", "unknown": ""}
STATE_WORDS = {"better": Text("Better"), "worse": Text("Worse"), "seed-noise": Text("Within seed noise")}
_TONES: dict[str, Tone] = {"better": "good", "worse": "warning", "seed-noise": "neutral"}
BASIS_WORDS = {
    "paired": Text("pairs of equal seeds"),
    "unpaired": Text("runs of different seeds"),
    "one-run": Text("several seeds against one run"),
}
EFFECT_WORDS = {"better": Text("better"), "worse": Text("worse"), "seed-noise": Text("within seed noise")}
CHANGE_WORDS = {**EFFECT_WORDS, "higher": Text("higher"), "lower": Text("lower")}
ONE_SEED = Text("One seed each: seed noise cannot be told from an effect.")


def conclusion(comparison: Comparison) -> tuple[Tone, str, str]:
    """Tone, one or two words, and the sentence: what happened to the number the runs are judged by."""
    number = comparison.primary
    if number is None:
        return "neutral", _("Cannot tell"), _("The runs share no loss or metric that all of them ended with.")
    if comparison.n_arms == 1:
        return "neutral", _("Same recipe"), _same_recipe(comparison, number)
    arm = next(one.arm for one in comparison.runs if one.arm)
    effect = comparison.effect(number.name, arm)
    if effect is not None:
        words = _effect_words(effect, number, comparison)
        return _TONES[effect.conclusion], tr(STATE_WORDS[effect.conclusion]), words
    index = next(i for i, one in enumerate(comparison.runs) if one.arm == arm)
    change = _(
        "{capital} goes from {shown} to {shown_2}",
        capital=_capital(number.name),
        shown=shown(number, 0),
        shown_2=shown(number, index),
    )
    return (
        "neutral",
        _("One seed each"),
        _("{change} ({size}). {one_seed}", change=change, size=change_text(number, index), one_seed=ONE_SEED),
    )


def shown(number: Number, index: int) -> str:
    """A value as it stands in every format."""
    return amount(number, number.values[index])


def change_text(number: Number, index: int) -> str:
    """`▼ +12.3 %, worse`: arrow, size and word; the arrow points up where it is better."""
    word = number.word(index)
    if word in ("unknown", "same"):
        return _("= same") if word == "same" else fmt.MISSING
    size = _size(number, number.difference(index), number.relative(index))
    return _("{arrow} {size}, {word}", arrow=_ARROWS[word], size=size, word=CHANGE_WORDS[word])


def _points(fraction: float) -> str:
    """Percentage points, without sign."""
    text = fmt.number(abs(fraction) * 100, 3)
    return number_of("{n} point", "{n} points", 1 if text == "1" else 2, n=text)


def _size(number: Number, difference: float, relative: float) -> str:
    sign = "+" if difference > 0 else "−"
    if number.unit == "fraction":
        return f"{sign}{_points(difference)}"
    if math.isfinite(relative) and abs(relative) < 10:
        return f"{sign}{fmt.percent(abs(relative))}"
    return f"{sign}{amount(number, abs(difference))}"


def _same_recipe(comparison: Comparison, number: Number) -> str:
    spread = next((s for s in comparison.spreads if s.number == number.name), None)
    seeds = {one.seed for one in comparison.runs}
    what = (
        _("differ only in their seed") if len(seeds) == len(comparison.runs) else _("have the same settings")
    )
    if spread is None:
        return _("The runs {what}.", what=what)
    mean, sd = amount(number, spread.mean), spread_size(number, spread.sd)
    return _(
        "The runs {what}: whatever differs is seed noise. {capital}: mean {mean}, standard "
        "deviation {sd} over {n} runs.",
        what=what,
        capital=_capital(number.name),
        mean=mean,
        sd=sd,
        n=spread.n,
    )


def _effect_words(effect: Effect, number: Number, comparison: Comparison) -> str:
    arm = "".join(one.label for one in comparison.runs if one.arm == effect.arm)
    low, high = signed(number, effect.low), signed(number, effect.high)
    n = basis_text(effect)
    words = tr(EFFECT_WORDS[effect.conclusion])
    base = "".join(one.label for one in comparison.runs if one.arm == 0)
    return _(
        "{capital} of {arm} against {base}: {signed} on average (95 % interval {low} to "
        "{high}, {n}): {words}.",
        capital=_capital(number.name),
        arm=arm,
        base=base,
        signed=signed(number, effect.mean),
        low=low,
        high=high,
        n=n,
        words=words,
    )


def amount(number: Number, value: float) -> str:
    """A value in the number's unit; losses stay bare, a length is told in its own words."""
    if number.name == "length":
        return fmt.length(number.unit, round(value)) if math.isfinite(value) else fmt.MISSING
    return fmt.quantity(value, "" if number.unit == "loss units" else number.unit)


def signed(number: Number, value: float) -> str:
    """A difference with its sign; fractions in percentage points."""
    sign = "−" if value < 0 else "+"
    if number.unit == "fraction":
        return f"{sign}{_points(value)}"
    return f"{sign}{amount(number, abs(value))}"


def basis_text(effect: Effect) -> str:
    """What an effect was estimated from."""
    words = BASIS_WORDS[effect.basis]
    return tr(words) if effect.basis == "one-run" else _("{n} {pairs}", n=effect.n, pairs=words)


def _capital(text: str) -> str:
    text = tr(text)
    return text[:1].upper() + text[1:]


def run_label(one: ComparedRun, limit: int = 60) -> str:
    """`B lr-too-high`."""
    return f"{one.label} {fmt.name(one.run.name or one.run.id, limit)}"


def spread_size(number: Number, sd: float) -> str:
    """A standard deviation; fractions in percentage points."""
    return _points(sd) if number.unit == "fraction" else amount(number, sd)

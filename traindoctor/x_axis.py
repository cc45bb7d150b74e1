"""Words for places and lengths on a run's x axis: what it counts is told by `RunInfo.x_unit`."""

from __future__ import annotations

from .text import Text

NOUNS = {
    "optimizer steps": (Text("step"), Text("steps")),
    "steps": (Text("step"), Text("steps")),
    "log rows": (Text("log row"), Text("log rows")),
    "epochs": (Text("epoch"), Text("epochs")),
    "iterations": (Text("iteration"), Text("iterations")),
    "samples": (Text("sample"), Text("samples")),
    "evaluations": (Text("evaluation"), Text("evaluations")),
}


def nouns(unit: str) -> tuple[str, str]:
    """Singular and plural of what an x axis counts; a unit we don't know stands for both.

    Example:
        >>> nouns("optimizer steps"), nouns("kimg"), nouns("tokens")
        (('step', 'steps'), ('kimg', 'kimg'), ('token', 'tokens'))
    """
    if unit in NOUNS:
        return NOUNS[unit]
    one = unit[:-1] if len(unit) > 3 and unit.endswith("s") and not unit.endswith("ss") else unit
    return (one, unit) if unit else ("x", "x")


def place(unit: str, x: str) -> str:
    """A point on the axis; `x` is already formatted.

    Example:
        >>> place("optimizer steps", "1,200"), place("epochs", "12"), place("", "7")
        ('step 1,200', 'epoch 12', 'x 7')
    """
    return Text("{noun} {x}", noun=nouns(unit)[0], x=x)


def span(unit: str, first: str, last: str) -> str:
    """A stretch of the axis, both ends inclusive.

    Example:
        >>> span("epochs", "3", "50"), span("epochs", "3", "3")
        ('epochs 3 to 50', 'epoch 3')
    """
    if first == last:
        return place(unit, first)
    return Text("{nouns} {first} to {last}", nouns=nouns(unit)[1], first=first, last=last)


def length(unit: str, n: int, text: str) -> str:
    """A number of units; `text` is the formatted `n`.

    Example:
        >>> length("epochs", 1, "1"), length("optimizer steps", 2000, "2,000")
        ('1 epoch', '2,000 steps')
    """
    return Text("{length} {nouns}", length=text, nouns=nouns(unit)[0 if n == 1 else 1])

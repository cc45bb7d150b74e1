"""Recognise the learning-rate schedule of a run, and prescribe the next one."""

from __future__ import annotations

from .prescription import prescribe
from .recognition import recognise, recognise_trace
from .staircases import Metric

__all__ = ["Metric", "prescribe", "recognise", "recognise_trace"]

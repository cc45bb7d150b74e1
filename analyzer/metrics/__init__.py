"""Metrics of predictions."""

from .classification import metrics_of

__all__ = ["metrics_of"]

"""Fixtures of synthetic predictions."""

from synthetic_fixtures import crowded, history, predictions, results

__all__ = ["crowded", "history", "predictions", "results"]

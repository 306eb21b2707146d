"""What a screen shows of predictions."""

from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from dagnn.records import ClassPredictions, Predictions
from dagnn.run.show import SHOWN, show_predictions, tell_unknown


def parameters(items: int) -> Predictions:
    ids = tuple(f"box {n}" for n in range(items))
    some, latent = np.full((items, 1), 0.25), np.zeros((items, 0))
    return Predictions("tng", "other", "all", ids, ("Omega_m",), some, some, some / 10, latent)


def classes(items: int, novelty: np.ndarray | None = None) -> ClassPredictions:
    ids = tuple(f"box {n}" for n in range(items))
    shares = np.tile([0.8, 0.2], (items, 1))
    truth, latent = np.full(items, -1), np.zeros((items, 0))
    where = ("sdss", "other", "all", ids, ("disc", "merger"))
    return ClassPredictions(*where, truth, shares, latent, novelty=novelty)


def shown(show: Any, predictions: Any) -> str:
    stream = StringIO()
    show(predictions, Console(file=stream, width=100))
    return stream.getvalue()


@pytest.mark.parametrize("made", [parameters, classes])
def test_a_screen_is_not_flooded(made: Any) -> None:
    few, many = (shown(show_predictions, made(count)) for count in (SHOWN, SHOWN + 7))
    assert few.count("box") == many.count("box") == SHOWN
    assert "more" not in few
    assert f"and 7 more: --out FILE.csv writes all {SHOWN + 7}." in many


def test_novelty_is_shown_and_what_is_above_1_counted_among_all() -> None:
    novelty = np.full(SHOWN + 10, 0.5)
    assert "novelty" not in shown(show_predictions, classes(SHOWN + 10))
    assert shown(show_predictions, classes(SHOWN + 10, novelty)).count("0.50") == SHOWN
    for nothing in (parameters(3), classes(3), classes(SHOWN + 10, novelty)):
        assert shown(tell_unknown, nothing) == ""
    novelty[[3, -1]] = 1.25
    told = shown(tell_unknown, classes(SHOWN + 10, novelty))
    assert f"2 of {SHOWN + 10} (3%) have a novelty above 1" in told

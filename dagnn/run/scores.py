"""How good a trained network is: scores that need no target label, and sealed ones that do.

The first may choose between configurations. The second are what a choice is
judged by afterwards; they have no road back into one.
"""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dagnn.evaluation.alignment import domain_auc
from dagnn.evaluation.metrics import r2, relative_error
from dagnn.evaluation.predict import evaluating
from dagnn.models import Network
from dagnn.nn import mixture
from dagnn.parameters import Scaling
from dagnn.records import Logits, Moments, Output
from dagnn.run.prepared import Prepared, SuiteData
from dagnn.training.forward import join
from dagnn.training.validation import prediction_error

ITEMS_AT_ONCE = 256
SCORES = {
    "source_error": "root mean square error (classes: wrong fraction) on source validation items",
    "source_nll": "negative log-likelihood of source validation items",
    "domain_auc": "excess over 1/2 of the AUC of a classifier that tells the suites' latents apart",
    "reverse_error": "source validation error of a network trained on pseudo-labels of the target",
}
"""Label-free scores of a trained network; lower is better for all of them."""


def label_free_scores(network: Network, prepared: Prepared) -> dict[str, float]:
    """Measure a network on validation items, reading the truth of sources only.

    Args:
        network: trained.
        prepared: its data.

    Returns:
        ``source_error``, ``source_nll`` and, where there is a target, ``domain_auc``:
        0 where latents cannot be told apart, ½ where they lie apart, NaN where there
        are too few items to tell.
    """
    sources = [(suite, outputs(network, suite, "valid")) for suite in prepared.of_role("source")]
    targets = [(suite, outputs(network, suite, "valid")) for suite in prepared.of_role("target")]
    scores = {
        "source_error": _mean(sources, prediction_error),
        "source_nll": _mean(sources, negative_log_likelihood),
    }
    if targets:
        scores["domain_auc"] = _excess_auc(sources, targets)
    return scores


def target_scores(network: Network, prepared: Prepared) -> dict[str, float]:
    """Measure a network on labelled **test** items of the targets: for a report, never a choice.

    Returns:
        For parameters ``error`` in the unit of ``source_error``, ``r2`` and
        ``relative_error``; for classes ``error``, one minus the balanced accuracy, as
        classes are rarely equally frequent in two surveys. Averaged over targets and
        parameters; nothing where no truth is known.
    """
    found = [
        _against_truth(network, suite, prepared.scaling) for suite in prepared.of_role("target")
    ]
    known = [scores for scores in found if scores]
    return {name: float(np.mean([one[name] for one in known])) for name in (known or [{}])[0]}


def target_items(network: Network, prepared: Prepared) -> dict[str, dict[str, list[Any]]]:
    """Return what each labelled **test** item of the targets contributes to their error.

    Returns:
        Target → ``groups`` of its items with, for parameters, their squared error
        (``squared``, in prior units, mean over parameters), for classes ``truth`` and
        ``guess``; only targets with a known truth.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    for suite in prepared.of_role("target"):
        output, y = outputs(network, suite, "test")
        prediction = output.prediction
        kept: dict[str, Tensor]
        if isinstance(prediction, Logits):
            known = (y >= 0) & (y < prediction.logits.shape[-1])
            kept = {"truth": y[known], "guess": prediction.logits.argmax(-1)[known]}
        else:
            known = y.isfinite().all(-1)
            kept = {"squared": (prediction.mean - y)[known].double().square().mean(-1)}
        groups = suite.loaded.dataset.groups
        rows = suite.parts()["test"][known.cpu()].tolist()
        if rows:
            lists = {name: values.tolist() for name, values in kept.items()}
            found[suite.name] = {"groups": [str(groups[row]) for row in rows], **lists}
    return found


def outputs(network: Network, suite: SuiteData, part: str) -> tuple[Output, Tensor]:
    """Return what a network says about one part of a suite, and the truth in its own units."""
    where = next(network.parameters()).device
    dataset = suite.loaded.dataset.to(where)
    said, truth = [], []
    with evaluating(network):
        for items in torch.split(suite.parts()[part].to(where), ITEMS_AT_ONCE):
            batch = dataset.batch(items)
            said.append(mixture(network(batch)))
            truth.append(batch.y)
    return join(said), torch.cat(truth)


def negative_log_likelihood(prediction: Moments | Logits, y: Tensor) -> Tensor:
    """Return the mean negative log-likelihood per item, whatever the network was trained with.

    Args:
        prediction: moments ``[B, P]`` or class scores ``[B, K]``.
        y: truth in prior units ``[B, P]``, or classes ``[B]``.
    """
    if isinstance(prediction, Logits):
        return functional.cross_entropy(prediction.logits, y)
    std = prediction.std.abs().clamp_min(1e-6)
    z = (y - prediction.mean) / std
    return (0.5 * z.square() + std.log() + 0.5 * math.log(2 * math.pi)).sum(-1).mean()


Measured = Sequence[tuple[SuiteData, tuple[Output, Tensor]]]


def _mean(measured: Measured, score: Callable[..., Tensor]) -> float:
    return float(np.mean([float(score(output.prediction, y)) for _, (output, y) in measured]))


def _excess_auc(sources: Measured, targets: Measured) -> float:
    """Return the mean over the pairs of a source and a target; NaN where one is too small."""
    return float(np.mean([_excess_auc_of(*pair) for pair in product(sources, targets)]))


def _excess_auc_of(*pair: tuple[SuiteData, tuple[Output, Tensor]]) -> float:
    source, target = (output.latent.double().cpu().numpy() for _, (output, _) in pair)
    groups = _groups(pair[0][0]), _groups(pair[1][0])
    try:
        value, _, _ = domain_auc(source, target, n_bootstrap=2, groups=groups)
    except ValueError:  # fewer groups than folds
        return math.nan
    return max(0.0, value - 0.5)


def _groups(suite: SuiteData) -> list[str]:
    names = suite.loaded.dataset.groups
    return [f"{suite.name}/{names[item]}" for item in suite.parts()["valid"].tolist()]


def _of_classes(guessed: Tensor, y: Tensor) -> dict[str, float]:
    present = [kind for kind in torch.unique(y).tolist() if kind >= 0]
    recalls = [float((guessed[y == kind] == kind).float().mean()) for kind in present]
    return {"error": 1 - float(np.mean(recalls))} if recalls else {}


def _against_truth(network: Network, suite: SuiteData, scaling: Scaling) -> dict[str, float]:
    output, y = outputs(network, suite, "test")
    prediction = output.prediction
    if isinstance(prediction, Logits):
        known = y < prediction.logits.shape[-1]  # the rest is a class that no source has
        return _of_classes(prediction.logits.argmax(-1)[known], y[known])
    known = y.isfinite().all(-1)
    if int(known.sum()) < 2:
        return {}
    moments = Moments(prediction.mean[known], prediction.std[known].abs())
    truth, mean = (
        scaling.mean_to_physical(part.double().cpu().numpy()) for part in (y[known], moments.mean)
    )
    std = scaling.std_to_physical(moments.std.double().cpu().numpy())
    columns = range(truth.shape[1])
    return {
        "error": float(prediction_error(moments, y[known])),
        "r2": float(np.mean([r2(truth[:, k], mean[:, k], std[:, k]) for k in columns])),
        "relative_error": float(
            np.mean([relative_error(truth[:, k], mean[:, k], std[:, k]) for k in columns])
        ),
    }

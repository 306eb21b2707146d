"""How good a trained network is: scores that need no target label, and sealed ones that do.

The first may choose between configurations. The second measure a choice afterwards; none of
them can influence it. Below, one trial of a study: train on data in memory, and score.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, device
from torch.nn import functional

from dagnn.config import Experiment
from dagnn.evaluation.alignment import domain_auc
from dagnn.evaluation.predict import evaluating
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.nn import mixture
from dagnn.parameters import Scaling
from dagnn.records import Dataset, Logits, Moments, Output
from dagnn.run.assemble import assemble
from dagnn.run.data import read_data
from dagnn.run.fitting import ADJUSTABLE, fit_network, load_initial
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared, SuiteData
from dagnn.run.ranges import guarded
from dagnn.tasks.regression_metrics import r2, relative_error
from dagnn.training import Callback, fit
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
        0 where latents are indistinguishable, ½ where they are separated, NaN where
        there are too few items.
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
    """Return the output of a network on one part of a suite, and the truth in its own units."""
    where = next(network.parameters()).device
    dataset = suite.loaded.dataset.to(where)
    found, truth = [], []
    with evaluating(network):
        for items in torch.split(suite.parts()[part].to(where), ITEMS_AT_ONCE):
            batch = dataset.batch(items)
            found.append(mixture(network(batch)))
            truth.append(batch.y)
    return join(found), torch.cat(truth)


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


Measured = tuple[SuiteData, tuple[Output, Tensor]]


def _mean(measured: Sequence[Measured], score: Callable[..., Tensor]) -> float:
    return float(np.mean([float(score(output.prediction, y)) for _, (output, y) in measured]))


def _excess_auc(sources: Sequence[Measured], targets: Sequence[Measured]) -> float:
    """Return the mean over the pairs of a source and a target; NaN where one is too small."""
    found = []
    for pair in product(sources, targets):
        source, target = (output.latent.double().cpu().numpy() for _, (output, _) in pair)
        groups = _groups(pair[0][0]), _groups(pair[1][0])
        try:
            value, _, _ = domain_auc(source, target, n_bootstrap=2, groups=groups)
            found.append(max(0.0, value - 0.5))
        except ValueError:  # fewer groups than folds
            found.append(math.nan)
    return float(np.mean(found))


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


PARTS = ("train", "valid")
"""Parts of the target that get pseudo-labels; the test part is never used."""


class Relabelled:
    """A dataset whose truth is replaced.

    Args:
        dataset: where the inputs come from.
        labels: truth as batches carry it (prior units or classes), ``[n, ...]``.
    """

    def __init__(self, dataset: Dataset, labels: Tensor) -> None:
        self.dataset = dataset
        self.labels = labels

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        """Give everything but the truth from the dataset itself."""
        return getattr(self.__dict__["dataset"], name)

    @property
    def y(self) -> Tensor:
        """The replaced truth."""
        return self.labels

    def to(self, where: device | str) -> "Relabelled":
        """Return the dataset with its tensors on a device."""
        return Relabelled(self.dataset.to(where), self.labels.to(where))

    def in_domain(self, domain: int | None) -> "Relabelled":
        """Return the same items as those of a domain."""
        return Relabelled(self.dataset.in_domain(domain), self.labels)

    def batch(self, index: Tensor) -> Any:
        """Gather items with their replaced truth."""
        batch = self.dataset.batch(index)
        y = self.labels[index.to(self.labels.device)]
        if is_dataclass(batch) and not isinstance(batch, type):
            return replace(batch, y=y)
        changed = copy.copy(batch)
        changed.y = y
        return changed


def reverse_error(
    network: Network,
    experiment: Experiment,
    prepared: Prepared,
    callbacks: Sequence[Callback] = (),
) -> float:
    """Train with swapped roles on pseudo-labels and return the error on the true source.

    The target's training items carry the labels that the network gave them, the source is
    unlabelled. The error of a second network on the source's validation items, whose truth is
    known, is small only if the pseudo-labels were good. No target label is read.

    Args:
        network: trained on ``experiment``.
        experiment: its recipe, used again.
        prepared: its data, with one target or more.
        callbacks: of the second training.

    References:
        Ganin et al. 2016, arXiv:1505.07818, section 5.1.2; Zhong et al. 2010, ECML PKDD.
        There the second network starts from the weights of the first; here it starts
        afresh, so that it cannot remember source labels.
    """
    swapped = swap(network, prepared)
    made = assemble(experiment, swapped)
    settings = replace(made.settings, patience=None, select_on="last")
    fit(made.network, made.objective, made.domains, settings=settings, callbacks=callbacks)
    errors = []
    for suite in swapped.of_role("target"):
        output, y = outputs(made.network, suite, "valid")
        errors.append(float(prediction_error(output.prediction, y)))
    return float(np.mean(errors))


def swap(network: Network, prepared: Prepared) -> Prepared:
    """Return the data with targets as sources, labelled by a network, and sources as targets."""
    sources = [
        replace(suite, loaded=replace(suite.loaded, dataset=_pseudo_labelled(network, suite)))
        for suite in prepared.of_role("target")
    ]
    suites = [*sources, *prepared.of_role("source")]
    renumbered = tuple(
        suite.numbered("source" if domain < len(sources) else "target", domain)
        for domain, suite in enumerate(suites)
    )
    return replace(prepared, suites=renumbered, intervals=())


def _pseudo_labelled(network: Network, suite: SuiteData) -> Relabelled:
    """Label the training and validation items of a suite by a network; hide all other truth."""
    dataset = suite.loaded.dataset
    found = [outputs(network, suite, part)[0].prediction for part in PARTS]
    moments = [each.mean for each in found if isinstance(each, Moments)]
    classes = [each.logits.argmax(-1) for each in found if isinstance(each, Logits)]
    guessed = torch.cat(moments or classes).cpu()
    labels = torch.full(
        (len(dataset), *guessed.shape[1:]), float("nan") if moments else -1, dtype=guessed.dtype
    )
    labels[torch.cat([suite.parts()[part] for part in PARTS])] = guessed
    return Relabelled(dataset, labels)


@dataclass(frozen=True)
class Trained:
    """A network and what it is worth without target labels.

    Attributes:
        network: with the weights of the selected epoch.
        scores: name in :data:`~dagnn.run.selection.SCORES` → score, lower is better.
    """

    network: Network
    scores: dict[str, float]


def prepare_once(experiment: Experiment, place: Path, console: Console) -> Prepared:
    """Read and split the suites of an experiment, as training it alone would.

    Args:
        experiment: what to read.
        place: data folder.
        console: where progress is shown.
    """
    initial = load_initial(experiment)
    experiment, prepared = read_data(
        experiment,
        place,
        console,
        initial.meta if initial else None,
        f"the run {experiment.init_from}",
        adjustable=ADJUSTABLE,
    )
    return guarded(experiment, prepared, console)


def train_prepared(
    experiment: Experiment,
    prepared: Prepared,
    path: Path,
    *,
    callbacks: Sequence[Callback] = (),
    reverse: bool = False,
    console: Console | None = None,
) -> Trained:
    """Train on data that are in memory already, and score without target labels.

    Configuration, epoch records and checkpoints go into a folder; where one of an
    interrupted training lies there, it goes on.

    Args:
        experiment: what to train.
        prepared: its data.
        path: folder of the trial.
        callbacks: called at every step and epoch; one that raises stops the training.
        reverse: whether to add ``reverse_error``, which costs a second training.
        console: where progress goes; nowhere if None.
    """
    folder = RunFolder(path)
    write_text(folder.config, experiment.to_yaml())
    network = fit_network(
        experiment,
        prepared,
        folder,
        console or Console(quiet=True),
        initial=load_initial(experiment),
        label=experiment.name,
        root=path,
        callbacks=callbacks,
    )
    scores = label_free_scores(network, prepared)
    if reverse:
        scores["reverse_error"] = reverse_error(network, experiment, prepared)
    return Trained(network, scores)


def require_buildable(experiment: Experiment, prepared: Prepared) -> None:
    """Build everything that training needs and throw it away, so that what is wrong shows now.

    Raises:
        DagnnError: a part cannot be made of these values.
    """
    load_initial(experiment)
    assemble(experiment, prepared)

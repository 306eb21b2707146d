"""Finished runs made of synthetic predictions."""

from dataclasses import replace

from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.measure import evaluate
from dagnn.report.comparison.runs import FinishedRun


def finished(
    name="mmd/seed-0",
    *,
    source=("tng",),
    target=("simba",),
    seed=0,
    scale=0.02,
    source_only=None,
    rivals=None,
    settings=None,
    **changes,
):
    """Make a run whose error on the target is ``scale``; its items depend on the seed alone."""
    predictions = []
    models = {**(rivals or {}), "source-only": source_only, "model": scale}
    for model, size in models.items():
        if size is None:
            continue
        roles = [(s, "source", 0.015) for s in source] + [(t, "target", size) for t in target]
        predictions += [
            _of_seed(synthetic(suite, role, scale=width, seed=seed, model=model), seed)
            for suite, role, width in roles
        ]
    config = {
        "name": "spectra_mmd",
        "seed": seed,
        "source": list(source),
        "target": list(target),
        "data": {"path": f"/somewhere/{name}", "workers": 2},
        "loss": {"terms": {"mmd": {"weight": 0.3}}},
        "training": {"select_on": "last", "device": "auto"},
    }
    options = {
        "name": name,
        "source": source,
        "target": target,
        "seed": seed,
        "results": evaluate(predictions, PRIORS, n_bootstrap=100),
        "predictions": predictions,
        "config": config | (settings or {}),
        "data": dict.fromkeys((*source, *target), "abc"),
    }
    return FinishedRun(**(options | changes))


def _of_seed(predictions, seed):
    """Name items so that no two seeds share one."""
    ids = tuple(f"LH_{100 * seed + number}" for number in range(len(predictions.ids)))
    return replace(predictions, ids=ids)


def seeds(name, numbers=(0, 1, 2), **options):
    """Make runs of one kind, one per seed."""
    return [finished(f"{name}/seed-{seed}", seed=seed, **options) for seed in numbers]

"""What a run tells about itself: in its checkpoints and in ``environment.json``."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dagnn.config import Experiment
from dagnn.environment import collect_environment
from dagnn.errors import CheckpointError
from dagnn.run.assemble import choose_device
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared, SuiteData, summaries_of
from dagnn.run.ranges import alarm_text, training_spread


def checkpoint_meta(
    experiment: Experiment, prepared: Prepared, rows: int, inherited: Sequence[str] = ()
) -> dict[str, Any]:
    """Collect what a checkpoint must tell to be used without its run directory.

    Args:
        experiment: that is carried out.
        prepared: its data.
        rows: number of suites that keep statistics of their own.
        inherited: what the weights that training starts from have seen.
    """
    suites = [suite for suite in prepared.suites if suite.split is not None]
    return {
        "experiment": experiment.model_dump(mode="json"),
        "sizes": dict(suites[0].loaded.dataset.sizes),
        "inputs": suites[0].loaded.inputs.to_dict(),
        "domains": [suite.name for suite in suites],
        "statistics": rows,
        "scaling": asdict(prepared.scaling),
        "classes": list(prepared.truth.classes),
        "splits": {s.name: s.split.to_ids(s.loaded.dataset.ids) for s in suites if s.split},
        "training_range": training_range(prepared),
        "training_spread": _spread(suites),
        "mock": prepared.mock,
        "inherited": list(inherited),
    }


def training_range(prepared: Prepared) -> dict[str, list[float]]:
    """Return the smallest and largest of every summary over all training items."""
    seen: dict[str, list[float]] = {}
    for suite in prepared.suites:
        if suite.split is None:
            continue
        for name, values in suite.loaded.dataset.summaries().items():
            chosen = values[suite.parts()["train"]]
            low, high = seen.get(name, [float("inf"), float("-inf")])
            seen[name] = [min(low, float(chosen.min())), max(high, float(chosen.max()))]
    return seen


def _spread(suites: Sequence[SuiteData]) -> dict[str, Any]:
    """Return how the summaries of the training items of all suites scatter."""
    training, held = (
        np.concatenate([summaries_of(suite, (part,)) for suite in suites])
        for part in ("train", "valid")
    )
    return training_spread(training, held)


def run_facts(
    experiment: Experiment, prepared: Prepared, inherited: Sequence[str] = ()
) -> dict[str, Any]:
    """Collect what the report must tell of versions, command and data.

    Args:
        experiment: what is run.
        prepared: its data.
        inherited: what the weights that training starts from have seen.
    """
    data = {suite.name: suite.loaded.fingerprint for suite in prepared.suites}
    environment = collect_environment(
        seed=experiment.seed, device=str(choose_device(experiment.training.device)), data=data
    )
    items = {f"{suite.role} {suite.name}": _items_of(suite) for suite in prepared.suites}
    encoder, scaling = experiment.model.encoder.name, prepared.scaling
    members = experiment.model.members
    article = "an" if encoder[0] in "aeiou" else "a"
    what = article if members == 1 else f"a deep ensemble of {members} networks, each {article}"
    terms = ", ".join(f"{key} (weight {t.weight:g})" for key, t in experiment.loss.terms.items())
    return environment | {
        "mock": prepared.mock or any(note.startswith("MOCK") for note in inherited),
        "evaluation": {"mock": False, "notes": []},
        "notes": [*inherited, *_notes(experiment, prepared)],
        "prior_intervals": {
            f"{each.suite}, {each.parameter}": [each.low, each.high, each.limit]
            for each in prepared.intervals
        },
        "training_items": items,
        "coverage": coverage_of(prepared),
        "priors": {name: list(ends) for name, ends in scaling.limits.items()},
        "inputs": prepared.suites[0].loaded.dataset.describe(),
        "classes": list(prepared.truth.classes),
        "members": members,
        "description": f"{what.capitalize()} {encoder} encoder with "
        f"{experiment.loss.task.name} loss; domain terms: {terms or 'none'}.",
    }


def coverage_of(prepared: Prepared) -> dict[str, Any]:
    """Return by suite how many of its items were found and used, and why others were not."""
    found = {suite.name: suite.loaded.coverage for suite in prepared.suites}
    return {name: coverage.to_dict() for name, coverage in found.items() if coverage is not None}


def _items_of(suite: SuiteData) -> str:
    """Say how many items each part of a suite has, and how many there are."""
    parts = ", ".join(f"{len(rows)} {part}" for part, rows in suite.parts().items())
    coverage = suite.loaded.coverage
    return parts if coverage is None else f"{parts}; {coverage}"


def require_same_data(folder: RunFolder, prepared: Prepared) -> None:
    """Refuse to continue on other data than the run began with."""
    before = folder.read_environment()["data"]
    for suite in prepared.suites:
        if suite.split is not None and before.get(suite.name) != suite.loaded.fingerprint:
            raise CheckpointError(
                f"The data of {suite.name} in {prepared.folder} are not those that {folder.path} "
                "was trained with. Restore them, or start a new run."
            )


def _notes(experiment: Experiment, prepared: Prepared) -> list[str]:
    """Collect what a reader of the results must know."""
    notes = [f"{s.name}: {note}" for s in prepared.suites for note in s.loaded.notes]
    for name, (low, high) in experiment.data.target_prior.items():
        notes.append(
            f"STRESS TEST: targets were restricted to {name} between {low:g} and {high:g}, by "
            "their labels."
        )
    if experiment.evaluation.transductive and experiment.target:
        notes.append(
            "Targets are measured on all of their items (split all), also on those that training "
            "has seen, without labels."
        )
    if experiment.loss.task.options.get("weights") == "balanced":
        notes.append(
            "The loss was balanced: probabilities are those of equally frequent classes, whatever "
            "their frequencies in the source."
        )
    return notes + [f"ALARM: {alarm_text(each)}" for each in prepared.intervals if each.alarm]

"""What a run's numbers are stamped with, read back from what it has stored."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagnn.config import Experiment
from dagnn.report.comparison.runs import ALARM, STRESS_TEST, Stamp
from dagnn.run.ranges import alarm_text, stored_intervals
from dagnn.tasks import AnyPredictions
from dagnn.trust.class_alarms import class_alarms

_CAPITALS = re.compile(r"([A-Z][A-Z ]+): (.*)", re.DOTALL)


def stamps_of(
    experiment: Experiment, facts: Mapping[str, Any], predictions: Sequence[AnyPredictions]
) -> tuple[Stamp, ...]:
    """Collect stress tests, alarms, and whatever else a run's notes say in capitals.

    Args:
        experiment: what was run.
        facts: its ``environment.json``.
        predictions: of held-out items.
    """
    targets = tuple(dict.fromkeys(p.suite for p in predictions if p.role == "target"))
    return (*_stress(experiment, targets), *_alarms(facts, predictions), *_others(facts))


def _stress(experiment: Experiment, targets: tuple[str, ...]) -> Iterator[Stamp]:
    for name, (low, high) in experiment.data.target_prior.items():
        text = f"targets are restricted to {name} from {low:g} to {high:g}, by their labels."
        yield Stamp(STRESS_TEST, name, text, targets)


def _alarms(facts: Mapping[str, Any], predictions: Sequence[AnyPredictions]) -> Iterator[Stamp]:
    for each in stored_intervals(facts):
        if each.alarm:
            yield Stamp(ALARM, f"{each.suite}, {each.parameter}", alarm_text(each), (each.suite,))
    for found in class_alarms(predictions):
        subject = f"{found.target}, {found.subject}"
        yield Stamp(ALARM, subject, found.sentence(), (found.target,))


def _others(facts: Mapping[str, Any]) -> Iterator[Stamp]:
    """Give what the weights that training started from have seen, and the like."""
    for note in facts["notes"]:
        found = _CAPITALS.fullmatch(note)
        if found and found[1] not in (ALARM, STRESS_TEST):
            yield Stamp(found[1], note, found[2])

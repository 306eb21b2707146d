"""What must not be overlooked of a group's numbers: alarms, stress tests and the like."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dagnn.evaluation.measure import MODEL
from dagnn.report.comparison.runs import ALARM, Group, Stamp
from dagnn.tasks.task import BASELINES

NAMED = 4
"""Groups that one sentence names; of more it says how many there are."""


class Told(NamedTuple):
    """A sentence with the word that it begins with."""

    word: str
    rest: str

    def __str__(self) -> str:
        """Write both."""
        return f"{self.word} {self.rest}"


def marks(group: Group, suite: str, model: str) -> list[str]:
    """Return the words that belong to the numbers of one predictor on one suite.

    An alarm is about alignment, so it marks the model only; what was done to the
    suite itself marks everybody. A stamp that names no suite is about the weights that every
    network of a run started from, so it marks the networks wherever they were measured.

    Example: ``["STRESS TEST", "ALARM in 2 of 3 seeds"]``
    """
    found: dict[str, list[int]] = {}
    for run in group.runs:
        words = {stamp.word: None for stamp in run.stamps if _concerns(stamp, suite, model)}
        for word in words:
            found.setdefault(word, []).append(run.seed)
    return [_counted(word, seeds, group) for word, seeds in found.items()]


def _concerns(stamp: Stamp, suite: str, model: str) -> bool:
    if not stamp.suites:
        return model not in BASELINES
    return suite in stamp.suites and (stamp.word != ALARM or model == MODEL)


def group_marks(group: Group) -> list[str]:
    """Return every word that belongs to some number of a group."""
    found: dict[str, list[int]] = {}
    for run in group.runs:
        for word in {stamp.word: None for stamp in run.stamps}:
            found.setdefault(word, []).append(run.seed)
    mock = ["MOCK"] if group.first.mock and "MOCK" not in found else []
    return mock + [_counted(word, seeds, group) for word, seeds in found.items()]


def _counted(word: str, seeds: Sequence[int], group: Group) -> str:
    if len(seeds) == len(group.runs):
        return word
    return f"{word} in {len(seeds)} of {len(group.runs)} seeds"


def warnings(groups: Sequence[Group]) -> list[Told]:
    """Repeat what the reports of single runs say, each sentence once with whom it concerns."""
    found: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        for word, who, text in _of_group(group):
            found.setdefault((word, text), []).append(who)
    return [Told(word, f"({_listed(who)}): {text}") for (word, text), who in found.items()]


def _of_group(group: Group) -> Iterator[tuple[str, str, str]]:
    """Give word, whom it concerns, and the sentence; numbers are those of the first seed."""
    by_subject: dict[tuple[str, str], dict[int, str]] = {}
    for run in group.runs:
        for stamp in run.stamps:
            by_subject.setdefault((stamp.word, stamp.subject), {})[run.seed] = stamp.text
    for (word, _), texts in by_subject.items():
        first, text = next(iter(texts.items()))
        if len(set(texts.values())) > 1:
            text += f" (Numbers of seed {first}; those of other seeds differ.)"
        some = len(texts) < len(group.runs)
        seeds = f", {'seeds' if len(texts) > 1 else 'seed'} {', '.join(map(str, texts))}"
        yield word, group.label + (seeds if some else ""), text


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED:
        return f"{'; '.join(names[: NAMED - 1])} and {len(names) - NAMED + 1} more"
    return "; ".join(names)

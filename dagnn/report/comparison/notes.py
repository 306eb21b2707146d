"""What a reader must know before comparing: what is not the same, and what was left out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from dagnn.evaluation.beyond import BeyondPrior, beyond_prior
from dagnn.evaluation.measure import HELD_OUT, MODEL
from dagnn.evaluation.paired import common_items
from dagnn.evaluation.wording import plain
from dagnn.report.comparison.runs import FinishedRun, Group
from dagnn.tasks import AnyPredictions, task_of

NAMED = 4
"""Groups that one sentence names; of more it gives the number."""


def comparability(groups: Sequence[Group]) -> list[str]:
    """Return what limits a fair comparison of these groups, as sentences."""
    found = [
        *_single_seeds(groups),
        *shared_splits(groups),
        *_parameters(groups),
        *_data(groups),
        *_seeds(groups),
        *_items(groups),
        *beyond_priors(groups),
        *_marks(groups),
        *_revisions(groups),
        *_repeats(groups),
        *_notes(groups),
    ]
    return list(dict.fromkeys(found))


def _names(groups: Sequence[Group]) -> str:
    """List groups, the many of a matrix by their number."""
    if len(groups) > 4:
        return f"{', '.join(group.name for group in groups[:3])} and {len(groups) - 3} more"
    return ", ".join(group.name for group in groups)


def _single_seeds(groups: Sequence[Group]) -> Iterator[str]:
    single = [group for group in groups if len(group.runs) == 1]
    if single:
        whose = "Every number" if len(single) == len(groups) else f"The numbers of {_names(single)}"
        verb = "comes" if len(single) == len(groups) else "come"
        yield (
            f"{whose} {verb} from a single seed: another seed or split may move it by more than "
            "the interval over the items says."
        )


def shared_split(start: object) -> str:
    """Return what the spread over seeds lacks where all of them start from one run.

    Args:
        start: that run.
    """
    return (
        f"All seeds start from the weights of {start} and keep its split of the suites that it "
        "knows: the sd over seeds does not include the split, nor the initial weights, and is "
        "smaller than it would be with both drawn anew."
    )


def shared_splits(groups: Sequence[Group]) -> Iterator[str]:
    """Return what the spread lacks of each group whose seeds start from one run."""
    for group in groups:
        if group.inherited is not None and len(group.runs) > 1:
            yield f"{group.label}: {shared_split(group.inherited)}"


def _parameters(groups: Sequence[Group]) -> Iterator[str]:
    inferred: dict[tuple[str, ...], list[Group]] = {}
    what = ""
    for group in groups:
        first = next(iter(group.first.predictions), None)
        names = () if first is None else task_of(first).names(first)
        what = what if first is None else task_of(first).what
        inferred.setdefault(tuple(sorted(names)), []).append(group)
    if len(inferred) > 1:
        parts = (
            f"{_names(members)}: {', '.join(map(plain, names)) or 'nothing'}"
            for names, members in inferred.items()
        )
        yield (
            f"Not the same {what} ({'; '.join(parts)}). Differences are taken "
            "only for those in common."
        )


def _data(groups: Sequence[Group]) -> Iterator[str]:
    for suite in dict.fromkeys(suite for group in groups for suite in group.first.data):
        versions: dict[str, list[Group]] = {}
        for group in groups:
            if suite in group.first.data:
                versions.setdefault(group.first.data[suite], []).append(group)
        if len(versions) > 1:
            parts = " | ".join(_names(members) for members in versions.values())
            yield (
                f"The data of {suite} are not the same files or selection in: {parts}. Items are "
                "paired where name and truth agree; whatever else differs in the data is part "
                "of the difference."
            )


def _seeds(groups: Sequence[Group]) -> Iterator[str]:
    first = groups[0]
    lone = [g for g in groups[1:] if not set(g.seeds) & set(first.seeds)]
    if lone:
        yield (
            f"No seed in common with {first.name}: {_names(lone)}. Single runs are paired by the "
            "test items that both happen to have, several seeds are compared by their means."
        )
    mine = set(first.seeds)
    partly = [g for g in groups[1:] if set(g.seeds) & mine and set(g.seeds) != mine]
    if partly:
        yield (
            f"Not all seeds in common with {first.name}: {_names(partly)}. Differences are taken "
            "over the shared seeds, means over all."
        )


def _items(groups: Sequence[Group]) -> Iterator[str]:
    """Compare the test items of the first group with those of the others, suite by suite."""
    first = groups[0]
    for group in groups[1:]:
        shared = [seed for seed in group.seeds if seed in first.seeds]
        pair = (
            (first.seeds[shared[0]], group.seeds[shared[0]]) if shared
            else (first.first, group.first)
        )  # fmt: skip
        for suite, one, two in _same_suite(*pair):
            common = len(common_items(one, two))
            if common < max(len(one.ids), len(two.ids)):
                yield (
                    f"{first.name} and {group.name} were not measured on the same items of "
                    f"{suite}: {len(one.ids)} and {len(two.ids)}, {common} of them in common. "
                    "Differences are taken on the common ones."
                )


def beyond_priors(groups: Sequence[Group]) -> Iterator[str]:
    """Count the predictions of each group's model beyond the prior, over all seeds."""
    for group in groups:
        counts: dict[tuple[str, str], list[BeyondPrior]] = {}
        for run in group.runs:
            held_out = [p for p in run.predictions if p.split in HELD_OUT and p.model == MODEL]
            for found in beyond_prior(held_out, run.priors):
                counts.setdefault((found.suite, found.parameter), []).append(found)
        for members in counts.values():
            seeds = f", {len(members)} of {len(group.runs)} seeds" if len(group.runs) > 1 else ""
            total = {
                name: sum(getattr(each, name) for each in members)
                for name in ("items", "means", "bars")
            }
            yield f"{group.label}{seeds}: {replace(members[0], **total).sentence()}"


def _same_suite(
    one: FinishedRun, two: FinishedRun
) -> Iterator[tuple[str, AnyPredictions, AnyPredictions]]:
    for first in one.predictions:
        for second in two.predictions:
            held_out = first.split in HELD_OUT and second.split in HELD_OUT
            if held_out and first.model == second.model == MODEL and first.suite == second.suite:
                yield first.suite, first, second


def _marks(groups: Sequence[Group]) -> Iterator[str]:
    mocks = [group for group in groups if group.first.mock]
    if mocks and len(mocks) < len(groups):
        yield f"Mocks and other data stand side by side: MOCK are {_names(mocks)}."
    oracles = [group for group in groups if group.oracle]
    if oracles:
        yield f"Target labels chose the checkpoints of {_names(oracles)} (ORACLE)."


def _revisions(groups: Sequence[Group]) -> Iterator[str]:
    revisions = {run.revision for group in groups for run in group.runs if run.revision}
    if len(revisions) > 1:
        pairs = (revision.partition("-") for revision in sorted(revisions))
        short = ", ".join(f"{commit[:9]}{dash}{state}" for commit, dash, state in pairs)
        yield f"The runs were made by different versions of the code: {short}."


def _repeats(groups: Sequence[Group]) -> Iterator[str]:
    for one, two in combinations(groups, 2):
        if one.settings() == two.settings() and set(one.seeds) & set(two.seeds):
            yield (
                f"{two.name} repeats settings and seeds of {one.name}; they are kept apart, so "
                "that no seed counts twice."
            )


def _notes(groups: Sequence[Group]) -> Iterator[str]:
    """Repeat the notes of single runs, each once."""
    found: dict[str, list[str]] = {}
    for group in groups:
        for run in group.runs:
            for note in run.notes:
                found.setdefault(note, []).append(run.name)
    for note, names in found.items():
        more = f" and {len(names) - 3} more" if len(names) > 4 else ""
        yield f"{', '.join(names[:3] if more else names)}{more}: {note}"


def warnings(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """Return the warnings of single runs: a word in capitals and the sentence after it.

    Each sentence comes once, with the groups that it concerns.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        for word, who, text in _of_group(group):
            found.setdefault((word, text), []).append(who)
    return [(word, f"({_listed(who)}): {text}") for (word, text), who in found.items()]


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

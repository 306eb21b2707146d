"""What is printed when a run is measured: its table, and whatever qualifies the numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from dagnn.config import Experiment
from dagnn.evaluation.table import MODEL
from dagnn.records import Result
from dagnn.report.class_lines import unknown_sentences
from dagnn.run.answers import AnyPredictions, answers_of
from dagnn.run.folder import RunFolder
from dagnn.run.guard import alarm_text, stored_intervals
from dagnn.run.outputs import reaching_beyond, show_table, stamped, summary


def tell_results(
    folder: RunFolder,
    experiment: Experiment,
    predictions: Sequence[AnyPredictions],
    results: Sequence[Result],
    report: Path,
    console: Console,
) -> None:
    """Print the table of a run to standard output, and to the console what qualifies it.

    Args:
        folder: of the run; its stored facts tell mocks, classes and alarms.
        experiment: that was run.
        predictions: with their groups.
        results: what they were measured to be.
        report: where to read more.
        console: where remarks go.
    """
    facts = folder.read_environment()
    show_table(experiment, results, stamped(facts))
    _tell(console, "[bold]Summary:[/]", summary(experiment, predictions, results))
    for text in unknown_sentences(results):
        _tell(console, "[yellow]Note:[/]", text)
    for each in reaching_beyond(predictions, facts):
        if each.model == MODEL:
            _tell(console, "[yellow]Note:[/]", each.sentence())
    for text in _restrictions(experiment):
        _tell(console, "[bold yellow]STRESS TEST:[/]", text)
    narrow = [alarm_text(each) for each in stored_intervals(facts) if each.alarm]
    for text in (*narrow, *answers_of(facts.get("classes", ())).alarms(predictions)):
        _tell(console, "[bold yellow]Alarm:[/]", text)
    console.print(f"Report: {report}", markup=False, highlight=False, soft_wrap=True)


def _restrictions(experiment: Experiment) -> Iterator[str]:
    for name, (low, high) in experiment.data.target_prior.items():
        yield f"targets are restricted to {name} from {low:g} to {high:g}, by their labels."


def _tell(console: Console, mark: str, text: str) -> None:
    console.print(f"{mark} {escape(text)}", highlight=False, soft_wrap=True)

"""Whether a run needs anything more, and what to tell someone who resumes one that does not."""

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import log
from dagnn.evaluation.storage import read_results
from dagnn.report.history import read_epochs
from dagnn.run.answers import answers_of
from dagnn.run.fitting import has_ended
from dagnn.run.folder import RunFolder
from dagnn.run.outputs import stamped, with_latents
from dagnn.run.train import RunResult
from dagnn.run.train import resume as train_on


def resume(path: Path, *, console: Console | None = None) -> RunResult:
    """Continue a run from its last checkpoint, as if it had never stopped.

    A run that is finished is left as it is: nothing is read but its results.

    Args:
        path: run directory.
        console: where progress goes; standard error if None.

    Raises:
        DagnnError: there is no such run, or its data have changed.
    """
    console = console or log()
    folder = RunFolder.open(path)
    if not is_complete(folder):
        _forget_evaluation(folder)
        return train_on(path, console=console)
    console.print(_nothing_to_do(folder), markup=False, highlight=False, soft_wrap=True)
    facts = folder.read_environment()
    answers = answers_of(facts.get("classes", ()))
    predictions = with_latents(folder, answers.read(folder.predictions))
    return RunResult(path, read_results(folder.results), predictions, stamped(facts))


def _forget_evaluation(folder: RunFolder) -> None:
    """Drop what an evaluation half way said of the state that it saw."""
    if folder.environment.is_file():
        facts = folder.read_environment()
        folder.write_environment(facts | {"evaluation": {"mock": False, "notes": []}})


def is_complete(folder: RunFolder) -> bool:
    """Whether every network of a run is trained, calibrated, and was measured after that.

    That results exist does not tell: an interrupted run can be evaluated as far as it is. Nor
    do new results: the report is drawn minutes after them, and until then an old one may lie there.
    """
    if not folder.is_finished():
        return False
    trainings = list(_trainings(folder, folder.read_experiment()))
    if not all(_is_trained(part, asked) for part, asked in trainings):
        return False
    made = [part.checkpoints / "last.pt" for part, _ in trainings]
    fitted = (file for part, _ in trainings for file in (part.calibration, part.novelty))
    made += [file for file in fitted if file.is_file()]
    told = (folder.results, folder.predictions, folder.report, folder.model_card)
    return max(map(_written_at, made)) <= min(map(_written_at, told))


def _written_at(file: Path) -> int:
    return file.stat().st_mtime_ns


def _trainings(folder: RunFolder, experiment: Experiment) -> Iterator[tuple[RunFolder, Experiment]]:
    """Give every network that a run was asked for, with what it was to be."""
    yield folder, experiment
    if experiment.evaluation.compare_source_only:
        yield folder.source_only, experiment.without_adaptation()
    if experiment.evaluation.compare_oracle and experiment.target:
        yield folder.oracle, experiment.on_target_labels()


def _is_trained(folder: RunFolder, experiment: Experiment) -> bool:
    """Whether a training has come to its end, and its answers were calibrated if they should be."""
    calibrated = experiment.calibration.variance == "none" or folder.calibration.is_file()
    return calibrated and has_ended(folder, experiment)


def _nothing_to_do(folder: RunFolder) -> str:
    epochs, path = len(read_epochs(folder.metrics)), folder.path
    quoted = quote(str(path))
    return (
        f"{path} is finished: trained for {epochs} epochs and measured. Nothing is left to "
        "resume.\n"
        f"Measure it again, also on other suites: dagnn evaluate {quoted}\n"
        f"Draw its report again:                  dagnn report {quoted}\n"
        f"Train on, as a new run:                 dagnn train --config {quote(str(folder.config))} "
        f"--init-from {quoted}\n"
        f"Report: {folder.report}"
    )

"""Draw the report of a finished run again."""

from pathlib import Path

from rich.console import Console

from dagnn.console import log
from dagnn.evaluation.storage import read_results
from dagnn.run.answers import answers_of
from dagnn.run.closing import tell_results
from dagnn.run.folder import RunFolder
from dagnn.run.outputs import with_latents, write_pages


def report(path: Path, *, console: Console | None = None) -> Path:
    """Write the report of a run again from its stored results."""
    console = console or log()
    folder = RunFolder.open(path)
    experiment = folder.read_experiment()
    results = read_results(folder.results)
    answers = answers_of(folder.read_environment().get("classes", ()))
    predictions = with_latents(folder, answers.read(folder.predictions))
    page = write_pages(folder, experiment, predictions, results)
    tell_results(folder, experiment, predictions, results, page, console)
    return page

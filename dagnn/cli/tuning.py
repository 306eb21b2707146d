"""The verb that searches, and those that show its results."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from dagnn.cli.common import DataFolder, Mock, Override, guarded, require_one_place
from dagnn.errors import nearest

HELP = (
    "Search for hyper-parameters, without target labels: dagnn tune FILE. "
    "Then: dagnn tune show STUDY, dagnn tune best STUDY."
)
DEFAULT = "run"


class Searching(TyperGroup):
    """A group whose first word may be left out: ``dagnn tune FILE`` is ``dagnn tune run FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default verb before anything that is neither a verb nor --help."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not named and len(args) > 1 and not any(word.startswith("-") for word in args[:2]):
            # FILE has no word after it, so the first of two words was meant to be a verb.
            ctx.fail(f"No such command {args[0]!r}. {nearest(args[0], self.commands)}")
        words: list[str] = super().parse_args(ctx, args if named or not args else [DEFAULT, *args])
        return words


tune_app = typer.Typer(cls=Searching, no_args_is_help=True, help=HELP)

StudyDir = Annotated[Path, Argument(help="Folder of a study.", show_default=False)]
Storage = Annotated[
    str | None,
    Option(
        help="Database to share, such as sqlite:///study.db or postgresql://host/name; else an "
        "SQLite file in the study's folder."
    ),
]


@tune_app.command(DEFAULT)
@guarded
def run(
    file: Annotated[
        str, Argument(help="Study file, or a shipped name such as spectra.", metavar="FILE")
    ],
    trials: Annotated[
        int | None, Option(min=1, help="Trials after which the study is done; all workers.")
    ] = None,
    hours: Annotated[
        float | None, Option(min=0.001, help="Start no further trial after this long.")
    ] = None,
    out: Annotated[
        Path | None, Option(help="Folder of the study; studies/NAME by default.")
    ] = None,
    storage: Storage = None,
    jobs: Annotated[int, Option(min=1, help="Worker processes on this machine.")] = 1,
    override: Override = None,
    data: DataFolder = None,
    mock: Mock = False,
    heartbeat: Annotated[
        int,
        Option(
            min=1,
            help="Seconds between signs of life; a worker silent for four of them is given up.",
        ),
    ] = 15,
) -> None:
    """Search, or join a running search; the same command line continues after Ctrl-C.

    Trials are compared on source labels and unlabelled targets only. A worker
    that is killed loses nothing but the epoch that it was in.
    """
    from dagnn import tune

    require_one_place(data, mock)
    result = tune.tune(
        file,
        out=out,
        trials=trials,
        hours=hours,
        storage=storage,
        data=data,
        mock=mock,
        jobs=jobs,
        overrides=override or [],
        heartbeat=heartbeat,
    )
    if result.report is not None:
        tune.show(result.folder, storage=storage, draw=False)


@tune_app.command()
@guarded
def best(
    study: StudyDir,
    out: Annotated[Path, Option(help="Configuration to write.")] = Path("best.yaml"),
    by: Annotated[
        str,
        Option(
            help="objective: lowest of what the study minimises (of several, lowest sum of their "
            "ranks). rank_sum: lowest sum of ranks over every recorded score that needs no target "
            "label; docs/tuning.md measures both."
        ),
    ] = "objective",
    trial: Annotated[int | None, Option(min=0, help="Take this trial instead.")] = None,
    storage: Storage = None,
) -> None:
    """Write the best trial as a configuration for dagnn train --config."""
    from dagnn import tune

    tune.best(study, out=out, by=by, trial=trial, storage=storage)


@tune_app.command()
@guarded
def show(study: StudyDir, storage: Storage = None) -> None:
    """Print trials, importances and what to take; draw the report again."""
    from dagnn import tune

    tune.show(study, storage=storage)

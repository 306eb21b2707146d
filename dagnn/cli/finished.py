"""Verbs for existing runs, files and folders."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from dagnn.cli.common import DataFolder, Names, guarded, split_names
from dagnn.errors import UsageError

Run = Annotated[Path, Argument(help="Folder of a finished run.", show_default=False)]
AdaptStatistics = Annotated[
    bool,
    Option(
        "--adapt-statistics",
        help="Estimate an unseen suite's statistics from its unlabelled inputs.",
    ),
]


@guarded
def evaluate(
    folder: Run,
    suite: Annotated[
        Names, Option(help="Further suite, also one not in training; repeatable.")
    ] = None,
    data: DataFolder = None,
    adapt_statistics: AdaptStatistics = False,
) -> None:
    """Evaluate a finished run again, also on suites that it was not trained on."""
    from dagnn import run

    run.evaluate(
        folder, suites=split_names(suite) or [], data=data, adapt_statistics=adapt_statistics
    )


@guarded
def predict(
    paths: Annotated[
        list[Path], Argument(help="RUN FILE..., or only files with --weights.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        Option(
            help="CSV file, with a column for what is outside the training range; the "
            "screen, with the first 50 of them, by default."
        ),
    ] = None,
    suite: Annotated[
        str | None,
        Option(
            help="Trained suite whose statistics to use, and whose images of several in one file; "
            "the first source."
        ),
    ] = None,
    adapt_statistics: AdaptStatistics = False,
    weights: Annotated[
        Path | None, Option(help="A published GNN_DomainAdapt or CosmoGraphNet weight file.")
    ] = None,
    convention: Annotated[
        str, Option(help="Graph convention with --weights: published or periodic.")
    ] = "published",
    linking_radius: Annotated[
        float | None, Option(help="In box units, with --weights; read from the file name.")
    ] = None,
    parameters: Annotated[
        str, Option(help="With --weights: what the file predicts, separated by commas.")
    ] = "Omega_m",
    features: Annotated[
        str | None, Option(help="With --weights: node features, where four are not all.")
    ] = None,
) -> None:
    """Predict parameters with error bars, or class probabilities, for new files."""
    from dagnn import run

    if weights is not None:
        run.predict_published(
            weights,
            paths,
            convention=convention,
            linking_radius=linking_radius,
            parameters=parameters.split(","),
            features=features,
            out=out,
        )
        return
    if len(paths) < 2:
        raise UsageError("dagnn predict RUN FILE...: name the run first, then at least one file.")
    run.predict(paths[0], paths[1:], suite=suite, adapt_statistics=adapt_statistics, out=out)


@guarded
def report(
    folders: Annotated[
        list[Path], Argument(help="Finished runs, or folders of runs.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        Option(help="Folder of the comparison; by default comparison beside the first run."),
    ] = None,
) -> None:
    """Draw the report of one run again, or compare many runs on one page.

    Runs that differ by seed only are one line with mean ± sd. Differences are
    taken to the first, paired where the items are the same. A folder of runs,
    such as those of --seeds and matrix, means the runs inside.
    """
    from dagnn import run

    if len(folders) > 1 or run.holds_runs(folders[0]):
        run.compare(folders, out=out)
    elif out is not None:
        raise UsageError("--out is for a comparison; the report of one run is in its folder.")
    else:
        run.report(folders[0])


@guarded
def inspect(
    path: Annotated[Path, Argument(help="Catalogue, table, images, data folder or run.")],
) -> None:
    """Show the content of a file or folder, and its problems."""
    from dagnn.inspect import show

    if show(path):
        raise typer.Exit(3)

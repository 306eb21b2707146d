"""Verbs that make data or read them ahead, and the one that looks at the machine."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from dagnn.cli.common import Config, DataFolder, Names, Override, guarded, split_names
from dagnn.console import log, print_line, screen


@guarded
def doctor() -> None:
    """Show versions, devices, and which optional accelerators are active."""
    from dagnn.environment import doctor_lines

    console = screen()
    for line in doctor_lines():
        print_line(console, line)


@guarded
def universe(
    suite: Annotated[
        Names, Option(help="tng, simba or astrid; repeatable; all by default.")
    ] = None,
    out: Annotated[Path, Option(help="Data folder to fill.")] = Path("catalogs/mock"),
    count: Annotated[int, Option(min=1, help="Boxes per suite.")] = 100,
    table: Annotated[
        Path | None, Option(help="Real LH table to draw the boxes at; else fresh rows.")
    ] = None,
    seed: Annotated[int, Option(min=0, help="Seed of rows and boxes.")] = 0,
    workers: Annotated[int, Option(min=1, help="Processes.")] = 2,
) -> None:
    """Make mock suites in the real HDF5 layout. They are not CAMELS and are marked so."""
    from dagnn import run

    run.make_mocks(
        split_names(suite) or ["tng", "simba", "astrid"],
        out,
        count=count,
        table=table,
        seed=seed,
        workers=workers,
    )


@guarded
def sky(
    kind: Annotated[
        str, Option(help="mergers, depth or universal: which surveys and classes.")
    ] = "mergers",
    out: Annotated[
        Path | None, Option(help="Data folder to fill; a folder of the cache by default.")
    ] = None,
    count: Annotated[int, Option(min=1, help="Images per survey.")] = 3000,
    seed: Annotated[int, Option(min=0, help="Seed of galaxies, views and noise.")] = 0,
    workers: Annotated[int, Option(min=1, help="Processes.")] = 2,
    contact_sheet: Annotated[
        Path | None, Option(help="PNG to write with images of every class and survey.")
    ] = None,
) -> None:
    """Make mock surveys of galaxy images. They are not observations and are marked so."""
    from dagnn.console import progress_bar
    from dagnn.mocks import sky as skies

    name = skies.sky_kind(kind).name
    with progress_bar(log(), f"Making MOCK images of {name}") as advance:
        folder = skies.make_sky(
            name, out, count=count, seed=seed, workers=workers, on_progress=advance
        )
    typer.echo(str(folder))
    if contact_sheet is not None:
        typer.echo(str(skies.contact_sheet(folder, name, contact_sheet)))


@guarded
def prepare(
    source: Annotated[Names, Option(help="Suite to read; repeat or separate by commas.")] = None,
    target: Annotated[Names, Option(help="The same; repeatable.")] = None,
    config: Config = None,
    override: Override = None,
    data: DataFolder = None,
    shard: Annotated[
        str, Option(help="Share of a batch job, i/n from 1/n to n/n; all by default.")
    ] = "1/1",
    workers: Annotated[int | None, Option(min=1, help="Processes that read.")] = None,
) -> None:
    """Read catalogues into the cache, so that training opens none of them.

    Takes suites and settings as train does. Shares may be read at the same
    time, on machines that see data and cache ($DAGNN_CACHE) under the same
    paths; the last one to be ready joins them.
    """
    from dagnn import run
    from dagnn.catalogs.cache import Shard

    share = Shard.parse(shard)
    settings = [*(override or []), *([f"data.workers={workers}"] if workers else [])]
    experiment = run.load(
        config, settings, source=split_names(source), target=split_names(target), data=data
    )
    run.prepare(experiment, shard=share)

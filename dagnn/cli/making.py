"""Verbs that make data, and the one that looks at the machine."""

from pathlib import Path
from typing import Annotated

import typer

from dagnn.cli.common import guarded, split_names


@guarded
def doctor() -> None:
    """Show versions, devices, and which optional accelerators are active."""
    from dagnn.environment import doctor_lines

    for line in doctor_lines():
        typer.echo(line)


@guarded
def universe(
    suite: Annotated[
        list[str] | None, typer.Option(help="tng, simba or astrid; repeatable; all by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Data folder to fill.")] = Path("catalogs/mock"),
    count: Annotated[int, typer.Option(min=1, help="Boxes per suite.")] = 100,
    table: Annotated[
        Path | None, typer.Option(help="Real LH table to draw the boxes at; else fresh rows.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of rows and boxes.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Make mock suites in the real HDF5 layout. They are not CAMELS and say so."""
    from dagnn import run

    run.make_mocks(
        split_names(suite) or ["tng", "simba", "astrid"],
        out,
        count=count,
        table=table,
        seed=seed,
        workers=workers,
    )

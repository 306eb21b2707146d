"""The verb that reads data ahead of training."""

from typing import Annotated

import typer

from dagnn.cli.common import DataFolder, guarded, split_names
from dagnn.cli.training import Config, Override


@guarded
def prepare(
    source: Annotated[
        list[str] | None, typer.Option(help="Suite to read; repeat or separate by commas.")
    ] = None,
    target: Annotated[list[str] | None, typer.Option(help="The same; repeatable.")] = None,
    config: Config = None,
    override: Override = None,
    data: DataFolder = None,
    shard: Annotated[
        str, typer.Option(help="Share of a batch job, i/n from 1/n to n/n; all by default.")
    ] = "1/1",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that read.")] = None,
) -> None:
    """Read catalogues into the cache, so that training opens none of them.

    Takes suites and settings as train does. Shares may be read at the same
    time, on machines that see data and cache ($DAGNN_CACHE) under the same
    paths; the last one to be ready joins them.
    """
    from dagnn import run
    from dagnn.catalogs.shards import Shard

    share = Shard.parse(shard)
    experiment = run.load(
        config,
        [*(override or []), *([f"data.workers={workers}"] if workers else [])],
        source=split_names(source),
        target=split_names(target),
        data=data,
    )
    run.prepare(experiment, shard=share)

"""Reading a suite into the column cache before anybody needs it."""

from itertools import islice
from pathlib import Path

from dagnn.catalogs.boxes import Progress, Request, read_boxes, require_plausible
from dagnn.catalogs.cache import cache_key, load_cached, save_cached
from dagnn.catalogs.catalog import Selection
from dagnn.catalogs.collection import find_boxes
from dagnn.catalogs.columns import GALAXY_COLUMNS
from dagnn.catalogs.shards import Shard, recall
from dagnn.catalogs.suite import Suite
from dagnn.catalogs.suites import find_suite
from dagnn.errors import UsageError


def prepare_suite(
    suite: str | Suite,
    data: str | Path,
    cache: Path,
    *,
    shard: Shard,
    set: str = "LH",  # noqa: A002 - what CAMELS calls it
    redshift: float = 0.0,
    volume: str = "L25n256",
    selection: Selection | None = None,
    limit: int | None = None,
    template: str | None = None,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> int:
    """Read a share of the boxes of a suite, set and redshift into the cache.

    With all shares there, :func:`~dagnn.catalogs.load_suite`, asked for the same, opens no
    catalogue. Jobs on several machines must see data and cache under the same paths.

    Args:
        suite: name, path of a suite's YAML, or the suite itself.
        data: data root.
        cache: folder of the cache, see :func:`~dagnn.catalogs.default_cache`.
        shard: which share.
        set: such as ``LH``.
        redshift: wanted redshift; headers must agree.
        volume: such as ``L25n256``; headers must agree.
        selection: which subhaloes are galaxies; None is the standard selection.
        limit: as if only the first so many simulations were there.
        template: a path pattern of the user's own, see :func:`find_layouts`.
        workers: processes that read.
        on_progress: called with boxes done and boxes of this share.

    Returns:
        The number of boxes that were read; zero where all were cached.

    Raises:
        UsageError: the cache cannot be written.
        ImplausibleError: all shares are there, and most boxes hold values that cannot be.
        DataError: a catalogue is missing or broken.
    """
    known = find_suite(suite)
    request = Request(known, set, redshift, volume, selection or Selection(), GALAXY_COLUMNS)
    files = dict(islice(find_boxes(request, data, template, cache).files.items(), limit))
    key = cache_key(request, files)
    whole = recall(cache, key, files)
    if whole is None and load_cached(cache, shard.key(key)) is not None:
        return 0
    own = {} if whole is not None else shard.own(files)
    if whole is None:
        save_cached(cache, shard.key(key), read_boxes(request, own, workers, on_progress))
        # The last share to arrive makes the whole, which takes the shares' place.
        whole = recall(cache, key, files)
    if whole is not None:
        require_plausible(request, whole)
    elif not _is_stored(cache, shard.key(key)):
        raise UsageError(
            f"The cache {cache} cannot be written. Let $DAGNN_CACHE name a folder that can."
        )
    return len(own)


def _is_stored(cache: Path, key: str) -> bool:
    return (cache / f"{key}.npz").is_file()

"""Shares of a suite that several jobs read, and what becomes of them."""

import numpy as np
import pytest
from test_collection import FILE, no_hdf5, root, same  # noqa: F401 - fixtures
from tiny_catalogs import subhalos, write_catalog

from dagnn.catalogs import cache as cached
from dagnn.catalogs.cache import BoxRequest, Shard, load_cached, read_boxes
from dagnn.catalogs.catalog import Selection
from dagnn.catalogs.collection import load_suite, prepare_boxes
from dagnn.catalogs.suites import find_suite
from dagnn.errors import UsageError


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def prepare(root, cache, text, **options):  # noqa: F811
    request = BoxRequest(find_suite("tng"), root, cache=cache, **options)
    return prepare_boxes(request, Shard.parse(text))


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_shares_are_disjoint_and_together_the_whole(root, cache, no_hdf5, order, monkeypatch):  # noqa: F811
    write_catalog(root / FILE.format(1), subhalos(n_galaxies=0))  # is skipped
    read = []

    def remember(request, files):
        read.append(list(files))
        return read_boxes(request, files)

    monkeypatch.setattr("dagnn.catalogs.collection.read_boxes", remember)
    counts = [prepare(root, cache, f"{number}/2") for number in order]
    shares = {1: ["LH_0", "LH_2"], 2: ["LH_1"]}
    assert read == [shares[number] for number in order]
    assert counts == [len(shares[number]) for number in order]
    alone = load_suite("tng", root)
    no_hdf5()
    assert same(alone, load_suite("tng", root, cache=cache))
    assert prepare(root, cache, "1/2") == 0


def test_the_cache_is_that_of_a_full_reading(root, tmp_path):  # noqa: F811
    for number in (1, 2):
        prepare(root, tmp_path / "shards", f"{number}/2")
    load_suite("tng", root, cache=tmp_path / "whole")
    (ours,), (theirs,) = ((tmp_path / name).iterdir() for name in ("shards", "whole"))
    assert ours.name == theirs.name
    with np.load(ours) as one, np.load(theirs) as other:
        assert one.files == other.files
        assert all(np.array_equal(one[name], other[name]) for name in one.files)


def test_some_shares_are_not_the_whole(root, cache, no_hdf5):  # noqa: F811
    assert prepare(root, cache, "1/3") == 1
    assert prepare(root, cache, "3/3") == 1
    before = sorted(path.name for path in cache.iterdir())
    assert len(before) == 2
    no_hdf5()
    assert prepare(root, cache, "3/3") == 0
    with pytest.raises(AssertionError, match="HDF5 was opened"):
        load_suite("tng", root, cache=cache)
    assert sorted(path.name for path in cache.iterdir()) == before


def test_shares_of_different_counts_do_not_mix(root, cache):  # noqa: F811
    prepare(root, cache, "1/2")
    prepare(root, cache, "2/3")
    assert len(list(cache.iterdir())) == 2
    prepare(root, cache, "2/2")
    assert [path.stem.rpartition("-")[2] for path in cache.iterdir()] != ["3"]
    assert len(list(cache.iterdir())) == 1


def test_more_shares_than_boxes(root, cache, no_hdf5):  # noqa: F811
    counts = [prepare(root, cache, f"{number}/5") for number in range(1, 6)]
    assert counts == [1, 1, 1, 0, 0]
    no_hdf5()
    assert len(load_suite("tng", root, cache=cache)) == 3


def test_a_share_of_another_question_is_not_taken(root, cache, no_hdf5):  # noqa: F811
    prepare(root, cache, "1/2")
    prepare(root, cache, "2/2", selection=Selection(min_star_particles=21))
    no_hdf5()
    with pytest.raises(AssertionError, match="HDF5 was opened"):
        load_suite("tng", root, cache=cache)


def test_a_damaged_share_is_read_again(root, cache):  # noqa: F811
    prepare(root, cache, "1/2")
    (file,) = cache.iterdir()
    file.write_bytes(b"not an archive")
    with pytest.warns(UserWarning, match="damaged"):
        assert prepare(root, cache, "1/2") == 2
    prepare(root, cache, "2/2")
    assert same(load_suite("tng", root), load_suite("tng", root, cache=cache))


def test_a_share_that_another_job_has_joined_meanwhile(root, cache, monkeypatch):  # noqa: F811
    load_suite("tng", root, cache=cache)
    (file,) = cache.iterdir()
    left = cache / f"{file.stem}.1-of-2.npz"
    left.touch()
    asked = []

    def load(folder, key):
        # The whole is not there yet, and when it is, the shares are gone.
        asked.append(key)
        return load_cached(folder, key) if len(asked) == 4 else None

    monkeypatch.setattr(cached, "load_cached", load)
    found = cached.recall(cache, file.stem, {})
    assert [key.removeprefix(file.stem) for key in asked] == ["", ".1-of-2", ".2-of-2", ""]
    assert found is not None and len(found) == 3


def test_a_cache_that_cannot_be_written_is_an_error(root, tmp_path):  # noqa: F811
    (tmp_path / "cache").write_text("a file where a folder should be")
    with (
        pytest.warns(UserWarning, match="cannot be written"),
        pytest.raises(UsageError, match="DAGNN_CACHE"),
    ):
        prepare(root, tmp_path / "cache", "1/2")


@pytest.mark.parametrize("text", ["", "1", "a/b", "1/2/3", "-1/2", "1.5/2", "0/2", "3/2", "1/0"])
def test_wrong_shares_are_refused(text):
    with pytest.raises(UsageError, match="shard"):
        Shard.parse(text)

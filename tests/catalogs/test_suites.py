from pathlib import Path

import pytest

from dagnn.catalogs.suites import (
    find_suite,
    generic_suite,
    guess_suite,
    known_suites,
    load_suite_file,
)
from dagnn.errors import ConfigError, MissingDataError, UsageError
from dagnn.yaml_files import to_yaml


def test_four_suites_are_known():
    assert set(known_suites()) == {"tng", "simba", "astrid", "eagle"}


@pytest.mark.parametrize("short", ["tng", "simba", "astrid", "eagle"])
def test_every_name_finds_its_suite_however_it_is_written(short):
    suite = known_suites()[short]
    for name in suite.names:
        for spelling in (name, name.upper(), name.replace("-", "_"), name.replace("-", "")):
            assert find_suite(spelling) is suite


def test_unknown_suite_names_the_nearest():
    with pytest.raises(UsageError, match=r"Did you mean 'simba'\? Known: astrid, eagle"):
        find_suite("simbaa")


def test_facts_that_were_published():
    assert find_suite("astrid").prior("A_AGN2") == (0.25, 4.0)
    assert find_suite("tng").prior("A_AGN2") == (0.5, 2.0)
    assert find_suite("tng").box_size("L50n512") == 50000.0


@pytest.mark.parametrize(
    ("redshift", "numbers"),
    [(0.0, (90, 33)), (0.54, (72, 24)), (1.05, (60, 18)), (1.48, (52, 14)), (2.0, (44, 10))],
)
def test_snapshot_numbers_in_both_numberings(redshift, numbers):
    assert find_suite("tng").snapshot_numbers(redshift) == numbers


def test_old_numbering_follows_its_rule():
    old = find_suite("tng").snapshots.old
    assert old[:4] == (14, 18, 24, 28)
    assert list(old[4:]) == [2 * k + 24 for k in range(4, 34)]


def test_every_redshift_means_one_current_snapshot():
    snapshots = find_suite("tng").snapshots
    for number, redshift in enumerate(snapshots.redshifts):
        assert [n for n in snapshots.numbers(redshift) if n == number] == [number]
        assert len(snapshots.numbers(redshift)) <= 2


def test_a_redshift_between_snapshots_names_the_nearest():
    with pytest.raises(UsageError, match="nearest are"):
        find_suite("tng").snapshot_numbers(4.7)


def test_a_volume_that_does_not_exist():
    with pytest.raises(UsageError, match="L25n256"):
        find_suite("tng").box_size("L25n25")


def test_repr_tells():
    assert repr(find_suite("simba")).startswith("Suite(simba: SIMBA; LH, CV, 1P, EX, BE; L25n256")


def test_suite_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        find_suite("tng").name = "other"


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("/data/FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5", "simba"),
        ("IllustrisTNG_LH_0_fof_subhalo_tab_033.hdf5", "tng"),
        ("/tng/EAGLE/LH_0/groups_090.hdf5", "eagle"),
        ("/data/Swift-EAGLE/x.hdf5", "eagle"),
        ("/data/eagles/x.hdf5", None),
    ],
)
def test_guess_from_path(path, short):
    suite = guess_suite(path)
    assert (suite.short_name if suite else None) == short


def test_generic_suite_reads_standard_fields():
    assert generic_suite().fields["vmax"].dataset == "Subhalo/SubhaloVmax"


def own(tmp_path: Path, **changes) -> Path:
    content = {"inherits": "_camels", "name": "Mine", "short_name": "mine", "spellings": ["Mine"]}
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml({**content, **changes}))
    return path


def test_a_users_own_suite(tmp_path):
    suite = find_suite(str(own(tmp_path, default_volume="L50n512")))
    assert (suite.short_name, suite.default_volume) == ("mine", "L50n512")
    assert suite.snapshot_numbers(0.0) == (90, 33)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"defualt_volume": 1}, r"unknown key 'defualt_volume'. Did you mean 'default_volume'"),
        ({"default_volume": "L9"}, "default_volume 'L9' is not among"),
        ({"priors": {"A_SN9": {"low": 0, "high": 1}}}, "unknown parameter 'A_SN9'"),
        ({"fields": {"vmx": {"dataset": "x"}}}, "unknown column 'vmx'. Did you mean 'vmax'"),
        ({"fields": {"vmax": {"dataset": "x"}}}, "no HDF5 field is given for position"),
        ({"volumes": {"L25n256": "wide"}}, "volumes.L25n256"),
        ({"inherits": "_nothing"}, None),
    ],
)
def test_a_wrong_suite_file_says_what_is_wrong(tmp_path, changes, message):
    with pytest.raises((ConfigError, MissingDataError), match=message):
        load_suite_file(own(tmp_path, **changes))


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n"])
def test_not_a_mapping(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_suite_file(path)


def test_missing_suite_file(tmp_path):
    with pytest.raises(MissingDataError, match=r"none\.yaml"):
        find_suite(tmp_path / "none.yaml")

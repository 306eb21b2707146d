import pytest
from tiny_catalogs import subhalos, write_catalog, write_table

from dagnn.catalogs import find_layouts, find_suite, find_table, load_suite
from dagnn.catalogs.layouts import natural_order
from dagnn.errors import MismatchError, MissingChunkError, MissingDataError, UsageError

TNG, EAGLE = find_suite("tng"), find_suite("eagle")
SIMS = ("LH_2", "LH_10")

LAYOUTS = {
    "current": "FOF_Subfind/IllustrisTNG/L25n256/LH/{sim}/groups_090.hdf5",
    "current without the top folder": "IllustrisTNG/L25n256/LH/{sim}/groups_090.hdf5",
    "current, old file names": "IllustrisTNG/L25n256/LH/{sim}/fof_subhalo_tab_033.hdf5",
    "no volume": "FOF_Subfind/IllustrisTNG/LH/{sim}/groups_090.hdf5",
    "old": "FOF_Subfind/IllustrisTNG/LH/{sim}/fof_subhalo_tab_033.hdf5",
    "older": "FOF_Subfind/IllustrisTNG/{sim}/fof_subhalo_tab_033.hdf5",
    "oldest": "Sims/IllustrisTNG/{sim}/fof_subhalo_tab_033.hdf5",
    "flat": "IllustrisTNG_{sim}_fof_subhalo_tab_033.hdf5",
    "flat, current names": "IllustrisTNG_{sim}_groups_090.hdf5",
}
CHUNKED = {
    "current": "IllustrisTNG/L25n256/LH/{sim}/groups_090/fof_subhalo_tab_090.{chunk}.hdf5",
    "old": "FOF_Subfind/IllustrisTNG/LH/{sim}/groups_033/fof_subhalo_tab_033.{chunk}.hdf5",
    "older": "IllustrisTNG/{sim}/groups_033/fof_subhalo_tab_033.{chunk}.hdf5",
}


@pytest.mark.parametrize("pattern", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_is_found_and_read(tmp_path, pattern):
    for sim in (*SIMS, "LH_old.bak"):
        write_catalog(tmp_path / pattern.format(sim=sim))
    write_catalog(tmp_path / pattern.format(sim="LH_2").replace("LH", "CV"))
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", list(SIMS))
    (layout,) = find_layouts(TNG, tmp_path, "LH", 0.0)
    assert list(layout.files) == list(SIMS)
    suite = load_suite("tng", tmp_path)
    assert suite.ids == SIMS
    assert suite.truth[:, 0].tolist() == [0.3, 0.30001]
    assert [catalog.simulation for catalog in suite.catalogs] == list(SIMS)


@pytest.mark.parametrize("pattern", CHUNKED.values(), ids=CHUNKED)
def test_chunked_layouts(tmp_path, pattern):
    for sim in SIMS:
        for k in range(11):
            path = tmp_path / pattern.format(sim=sim, chunk=k)
            write_catalog(path, subhalos(4, 3, seed=k), total=44, NumFiles=11)
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", list(SIMS))
    suite = load_suite("tng", tmp_path)
    assert suite.ids == SIMS
    assert [len(catalog) for catalog in suite.catalogs] == [33, 33]
    first = subhalos(4, 3, seed=2)["SubhaloPos"][0]
    assert suite.catalogs[0].columns["position"][6].tolist() == first.tolist()
    (tmp_path / pattern.format(sim="LH_10", chunk=4)).unlink()
    with pytest.raises(MissingChunkError, match=r"LH_10.*Missing: chunk 4"):
        load_suite("tng", tmp_path)


def test_spellings_of_a_suite(tmp_path):
    for folder in EAGLE.spellings:
        root = tmp_path / folder / "data"
        write_catalog(root / folder / "L25n256/LH/LH_0/groups_090.hdf5")
        assert list(find_layouts(EAGLE, root, "LH", 0.0)[0].files) == ["LH_0"]


def test_other_volume_needs_its_folder(tmp_path):
    write_catalog(tmp_path / "IllustrisTNG/L50n512/SB35/SB35_0/groups_090.hdf5", BoxSize=50000.0)
    write_catalog(tmp_path / "IllustrisTNG/SB35/SB35_1/groups_090.hdf5")
    (layout,) = find_layouts(TNG, tmp_path, "SB35", 0.0, volume="L50n512")
    assert list(layout.files) == ["SB35_0"]
    (layout,) = find_layouts(TNG, tmp_path, "SB35", 0.0)
    assert list(layout.files) == ["SB35_1"]


@pytest.mark.parametrize("template", ["my/{suite}-{set}/box{i}.h5", "{volume}/{sim}/cat.hdf5"])
def test_templates_of_the_user(tmp_path, template):
    for k in (3, 12):
        known = {"suite": "IllustrisTNG", "set": "LH", "volume": "L25n256"}
        write_catalog(tmp_path / template.format(**known, i=k, sim=f"LH_{k}"))
    (layout,) = find_layouts(TNG, tmp_path, "LH", 0.0, template=template)
    assert list(layout.files) == ["LH_3", "LH_12"]
    (layout,) = find_layouts(TNG, tmp_path, "LH", 0.0, template=str(tmp_path / template))
    assert list(layout.files) == ["LH_3", "LH_12"]
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", ["LH_3", "LH_12"])
    assert load_suite("tng", tmp_path, template=template).ids == ("LH_3", "LH_12")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{suit}/{sim}.hdf5", r"Unknown placeholder {suit}.*Did you mean 'suite'"),
        ("{suite}.hdf5", "needs either {sim} or {i}"),
        ("{sim}/{i}.hdf5", "needs either {sim} or {i}"),
        ("{suite}/{sim.hdf5", "not well formed"),
    ],
)
def test_templates_that_cannot_be_meant(tmp_path, template, message):
    with pytest.raises(UsageError, match=message):
        find_layouts(TNG, tmp_path, "LH", 0.0, template=template)


def test_the_header_decides_what_a_snapshot_number_means(tmp_path):
    # Number 10 is z = 2 in the old numbering and z = 7.2 in the current one.
    write_catalog(tmp_path / "IllustrisTNG/L25n256/LH/LH_0/groups_010.hdf5", Redshift=7.24)
    write_catalog(tmp_path / "IllustrisTNG/LH/LH_0/fof_subhalo_tab_010.hdf5", Redshift=2.0)
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", ["LH_0"])
    assert len(find_layouts(TNG, tmp_path, "LH", 2.0)) == 2
    suite = load_suite("tng", tmp_path, redshift=2.0)
    assert suite.redshift == 2.0
    assert suite.catalogs[0].path.name == "fof_subhalo_tab_010.hdf5"
    (tmp_path / "IllustrisTNG/LH/LH_0/fof_subhalo_tab_010.hdf5").unlink()
    with pytest.raises(MismatchError, match=r"7.240 where 2.000"):
        load_suite("tng", tmp_path, redshift=2.0)
    write_catalog(tmp_path / "IllustrisTNG/LH/LH_0/groups_010.hdf5", Redshift=7.24)
    with pytest.raises(MismatchError, match=r"No file is at redshift 2: .* z = 7.24"):
        load_suite("tng", tmp_path, redshift=2.0)


def test_nothing_found_lists_what_was_tried_and_what_exists(tmp_path):
    write_catalog(tmp_path / "SIMBA" / "LH" / "LH_0" / "groups_090.hdf5")
    with pytest.raises(MissingDataError) as raised:
        find_layouts(TNG, tmp_path, "LH", 0.0)
    text = str(raised.value)
    assert "snapshot 090 or 033" in text
    assert "{suite}/{volume}/{set}/{sim}/groups_{snap:03d}.hdf5" in text
    assert "SIMBA/, SIMBA/LH/" in text


def test_missing_root_and_unknown_set(tmp_path):
    with pytest.raises(MissingDataError, match="does not exist"):
        find_layouts(TNG, tmp_path / "none", "LH", 0.0)
    with pytest.raises(UsageError, match="Did you mean 'LH'"):
        find_layouts(TNG, tmp_path, "LHC", 0.0)


TABLES = [
    "Parameters/EAGLE/CosmoAstroSeed_SwiftEAGLE_L25n256_LH.txt",
    "params/EAGLE/CosmoAstroSeed_SwiftEAGLE_L25n256_LH.txt",
    "CosmoAstroSeed_SwiftEAGLE_L25n256_LH.txt",
    "EAGLE/CosmoAstroSeed_EAGLE_LH.txt",
    "CosmoAstroSeed_EAGLE.txt",
    "FOF_Subfind/EAGLE/CosmoAstroSeed_params.txt",
    "CosmoAstroSeed_params_EAGLE.txt",
]


@pytest.mark.parametrize("place", TABLES)
def test_every_place_of_a_table(tmp_path, place):
    path = write_table(tmp_path / place, ["LH_0"])
    assert find_table(EAGLE, tmp_path, "LH") == path


def test_the_most_specific_table_wins(tmp_path):
    write_table(tmp_path / "CosmoAstroSeed_params_EAGLE.txt", ["LH_0"])
    best = write_table(tmp_path / TABLES[0], ["LH_0"])
    assert find_table(EAGLE, tmp_path, "LH") == best


def test_table_beside_the_catalogue_folder(tmp_path):
    write_table(tmp_path / TABLES[0], ["LH_0"])
    (tmp_path / "FOF_Subfind").mkdir()
    assert find_table(EAGLE, tmp_path / "FOF_Subfind", "LH").is_file()


def test_no_table(tmp_path):
    with pytest.raises(MissingDataError, match=r"(?s)Swift-EAGLE LH.*params_{suite}.txt"):
        find_table(EAGLE, tmp_path, "LH", "L25n256")


def test_a_table_of_another_volume_is_not_taken(tmp_path):
    write_table(tmp_path / "CosmoAstroSeed_params_EAGLE.txt", ["LH_0"])
    with pytest.raises(MissingDataError):
        find_table(EAGLE, tmp_path, "LH", "L50n512")


def test_names_are_ordered_by_number():
    names = ["LH_10", "LH_9", "LH_100", "LH_0"]
    assert sorted(names, key=natural_order) == ["LH_0", "LH_9", "LH_10", "LH_100"]
    names = ["1P_p10_0", "1P_p2_1", "1P_p2_n1", "1P_p2_0"]
    assert sorted(names, key=natural_order) == ["1P_p2_n1", "1P_p2_0", "1P_p2_1", "1P_p10_0"]

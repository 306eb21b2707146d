"""Galaxy graphs of several snapshots of the same boxes, from files to batches."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from dagnn.catalogs.collection import load_suite
from dagnn.data.catalogues import Galaxies
from dagnn.data.requests import Loaded, Request
from dagnn.errors import ConfigError, MismatchError, MissingDataError, UsageError
from dagnn.models import ENCODERS
from dagnn.parameters import Scaling

BOX = 25000.0
SNAPSHOTS = {90: 0.0, 73: 0.503}
BOTH = (0.0, 0.5)
SCALING = Scaling.of(["Omega_m"])
LOOSE = Request(scaling=SCALING, redshifts=BOTH)


def write_box(path: Path, redshift: float, galaxies: int, stars: int = 100) -> None:
    """Write a catalogue of galaxies with so many star particles each."""
    rng = np.random.default_rng(galaxies)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        header = file.create_group("Header").attrs
        header.update(BoxSize=BOX, Redshift=redshift, NumFiles=1)
        header.update(Nsubgroups_ThisFile=galaxies, Nsubgroups_Total=galaxies)
        group = file.create_group("Subhalo")
        group["SubhaloPos"] = rng.uniform(0, BOX, (galaxies, 3)).astype(np.float32)
        group["SubhaloLenType"] = np.full((galaxies, 6), stars, np.int32)
        for name, unit in (("SubhaloMassType", 1), ("SubhaloHalfmassRadType", 3)):
            group[name] = (rng.uniform(0.1, 2, (galaxies, 6)) * unit).astype(np.float32)
        for name, unit in (("SubhaloVmax", 100), ("SubhaloStarMetallicity", 0.01)):
            group[name] = (rng.uniform(0.1, 2, galaxies) * unit).astype(np.float32)


def box_path(root: Path, number: int, snapshot: int) -> Path:
    return root / f"FOF_Subfind/SIMBA/L25n256/LH/LH_{number}/groups_{snapshot:03d}.hdf5"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five boxes at two redshifts, with fewer galaxies at the earlier time."""
    for number in range(5):
        for snapshot, redshift in SNAPSHOTS.items():
            galaxies = 30 + number + (snapshot == 90) * 20
            write_box(box_path(tmp_path, number, snapshot), redshift, galaxies)
    rows = [f"LH_{n} {0.1 + n / 20} 0.8 1 1 1 1 {n}" for n in range(5)]
    header = "#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed"
    table = tmp_path / "CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    table.write_text("\n".join([header, *rows]) + "\n")
    return tmp_path


def load(data: Path, redshifts: tuple[float, ...] = BOTH, **options: object) -> Loaded:
    modality = Galaxies(**{"linking_radius": 0.1, **options})
    return modality.load(Request("simba", data, SCALING, redshifts=redshifts))


def test_an_item_holds_every_snapshot_of_its_box(data):
    joint, now, before = (load(data, z).dataset for z in (BOTH, (0.0,), (0.5,)))
    assert joint.ids == now.ids and torch.equal(joint.y, now.y)
    assert joint.sizes == {"node": 6, "edge": 3, "global": 2}
    for number in range(5):
        of_now, of_before = now[number], before[number]
        split = len(of_now.x)
        x, edge_index = joint[number].x, joint[number].edge_index
        torch.testing.assert_close(x[:split, :4], of_now.x, rtol=0, atol=0)
        torch.testing.assert_close(x[split:, :4], of_before.x, rtol=0, atol=0)
        assert x[:split, 4:].unique(dim=0).tolist() == [[1, 0]]
        assert x[split:, 4:].unique(dim=0).tolist() == [[0, 1]]
        both = [of_now.edge_index, of_before.edge_index + split]
        assert torch.equal(edge_index, torch.cat(both, 1))
        assert joint[number].u.tolist() == [[of_now.u.item(), of_before.u.item()]]


def test_batches_are_sorted_by_receiver_and_encoded(data):
    joint = load(data).dataset
    batch = joint.batch(torch.tensor([3, 0, 4]))
    assert (batch.edge_index[1].diff() >= 0).all()
    encoder = ENCODERS["graph"](joint.sizes, hidden=8)
    encoder.fit_inputs(batch)
    latent = encoder.eval()(batch)
    assert latent.shape == (3, 3 * 8 + 2) and latent.isfinite().all()
    alone = encoder(joint.batch(torch.tensor([0])))
    torch.testing.assert_close(latent[1:2], alone, rtol=1e-4, atol=1e-5)


def test_summaries_are_those_of_each_snapshot(data):
    found, now, before = (load(data, z).dataset.summaries() for z in (BOTH, (0.0,), (0.5,)))
    galaxies = 10 ** now.pop("log10 galaxies"), 10 ** before.pop("log10 galaxies")
    torch.testing.assert_close(found.pop("log10 galaxies"), sum(galaxies).log10())
    torch.testing.assert_close(10 ** found.pop("log10 galaxies, z=0"), galaxies[0])
    torch.testing.assert_close(10 ** found.pop("log10 galaxies, z=0.5"), galaxies[1])
    for where, alone in ((", z=0", now), (", z=0.5", before)):
        for name, values in alone.items():
            torch.testing.assert_close(found.pop(name + where), values, rtol=0, atol=1e-6)
    assert not found


def test_one_redshift_is_as_it_was(data):
    loaded = load(data, (0.0,))
    assert loaded.fingerprint == load_suite("simba", data).fingerprint
    assert list(loaded.dataset.summaries())[:2] == ["log10 galaxies", "mean degree"]
    item, found = loaded.dataset[2], loaded.dataset.summaries()
    degree = torch.tensor(item.edge_index.shape[1]) / len(item.x)
    assert found["mean degree"][2] == degree
    assert found["log10 galaxies"][2] == item.u[0, 0]
    assert loaded.dataset.describe()["global"] == "log10 of the number of galaxies"
    assert "snapshot" not in loaded.dataset.describe()


def test_it_says_what_nodes_and_graph_carry(data):
    described = load(data).dataset.describe()
    assert "z = 0, 0.5" in described["global"] and "z = 0, 0.5" in described["snapshot"]


def test_fingerprints_tell_snapshots_and_their_order_apart(data):
    prints = [load(data, z).fingerprint for z in (BOTH, BOTH[::-1], (0.0,), (0.5,))]
    assert len(set(prints)) == 4


def test_boxes_missing_at_any_redshift_are_left_out_and_named(data):
    box_path(data, 1, 90).unlink()
    box_path(data, 2, 73).unlink()
    write_box(box_path(data, 3, 73), 0.503, galaxies=8, stars=3)
    loaded = load(data)
    assert loaded.dataset.ids == ("LH_0", "LH_4")
    assert loaded.dataset.y[:, 0].tolist() == pytest.approx([0.1, 0.3])
    notes = "\n".join(loaded.notes)
    assert "left out LH_1: there is no catalogue at z=0\n" in notes + "\n"
    assert "left out LH_2: there is no catalogue at z=0.5" in notes
    assert "left out LH_3: None of the 8 subhaloes" in notes
    assert len(loaded.notes) == 3
    told = "5 boxes found, 2 used; left out: 1 (no galaxies: LH_3); left out: 2 (not at every "
    assert str(loaded.coverage).startswith(f"{told}redshift: LH_1, LH_2); z=0: 1 rows of")


def test_no_box_at_every_redshift_is_an_error(data):
    for number in range(5):
        box_path(data, number, 90 if number < 2 else 73).unlink()
    with pytest.raises(MissingDataError, match=r"every redshift \(0, 0.5\).*data.redshifts"):
        load(data)


def test_progress_goes_through_once(data):
    seen: list[tuple[int, int]] = []
    request = Request("simba", data, SCALING, redshifts=BOTH)
    Galaxies(0.1).load(Request(**{**vars(request), "on_progress": lambda *now: seen.append(now)}))
    assert seen == [(done, 10) for done in range(1, 11)]


@pytest.mark.parametrize("convention", ["published", "cosmographnet"])
def test_published_conventions_have_one_snapshot(data, convention):
    load(data, (0.0,), convention=convention)
    with pytest.raises(ConfigError, match=rf"{convention}.*data.redshifts names 2"):
        load(data, convention=convention)
    files = [box_path(data, 0, snapshot) for snapshot in SNAPSHOTS]
    with pytest.raises(ConfigError, match=convention):
        Galaxies(0.1, convention=convention).read(files, LOOSE)


def test_one_snapshot_named_twice_is_refused(data):
    with pytest.raises(ConfigError, match=r"0\.5 and 0\.503 mean the same snapshot"):
        load(data, (0.5, 0.0, 0.503))


def test_loose_files_come_in_inputs(data):
    files = [box_path(data, number, snapshot) for number in (0, 3) for snapshot in SNAPSHOTS]
    read = Galaxies(0.1).read(files, LOOSE)
    assert read.dataset.ids == (str(files[0]), str(files[2])) and read.suite == "simba"
    expected = load(data).dataset.batch(torch.tensor([0, 3]))
    assert torch.equal(read.dataset.batch(torch.arange(2)).x, expected.x)


def test_loose_files_in_another_order_are_refused(data):
    def path(number, snapshot):
        return box_path(data, number, snapshot)

    modality = Galaxies(0.1)
    with pytest.raises(UsageError, match="made of 2 files, one per redshift; got 3"):
        modality.read([path(0, 90), path(0, 73), path(1, 90)], LOOSE)
    with pytest.raises(MismatchError, match=r"Redshift of .*_073.*0\.503 where 0\.000"):
        modality.read([path(0, 73), path(0, 90)], LOOSE)
    with pytest.raises(MismatchError, match="LH_0 and LH_1"):
        modality.read([path(0, 90), path(1, 73)], LOOSE)


def test_redshifts_that_are_there(data):
    assert Galaxies().redshifts(Request("simba", data)) == (0.0, 0.503)
    assert Galaxies().redshifts(Request("simba", data, volume="L50n512")) == ()

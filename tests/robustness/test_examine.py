"""Networks are examined, single or several, and what was found is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from tiny_networks import Linear, Tiny, tiny_ensemble

from dagnn.robustness.changes import PAIRED, Evolution, one_pixel_attack
from dagnn.robustness.examine import (
    PICTURES,
    SHOWN_PER_NETWORK,
    Sample,
    collect_flips,
    examine,
    read_examination,
    write_examination,
)
from dagnn.robustness.figures import examination_figures
from dagnn.robustness.images import look_at, looking

CLASSES = ("spiral", "elliptical", "merger")
EFFORT = {"levels": (0.0, 0.5), "evolution": Evolution(population=6, generations=2)}


def sample(suite="y1", domain=0, count=6):
    labels = torch.arange(count) % 3
    return Sample(suite, torch.rand(count, 1, 8, 8), labels, domain)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.fixture(scope="module")
def networks():
    return {"source-only": tiny_ensemble(1, 2), "model": tiny_ensemble(3, 4)}


@pytest.fixture(scope="module")
def found(networks):
    torch.manual_seed(0)
    first, second = sample("y10"), sample("y1", domain=1)
    pairs = (sample("y10", count=9), sample("y1", domain=1, count=9))
    return examine(networks, [first, second], CLASSES, [pairs], **EFFORT)


def test_ensembles_lack_nothing_that_single_networks_have(found):
    for name in ("source-only", "model"):
        mine = {(row.suite, row.change) for row in found.rows if row.model == name}
        assert mine == {
            ("y10 → y1", PAIRED),
            *((suite, change) for suite in ("y10", "y1") for change in ("poisson", "one-pixel")),
        }
    assert set(found.windows) == {"source-only", "model"}
    assert [example.title for example in found.examples] == [
        f"{suite}: {name}" for suite in ("y10", "y1") for name in CLASSES
    ]
    assert all(set(example.maps) == {"source-only", "model"} for example in found.examples)
    assert found.members == 2


def test_what_was_found_is_read_back_and_says_that_it_is_of_ensembles(found, tmp_path):
    write_examination(tmp_path, found)
    again = read_examination(tmp_path)
    assert again is not None
    assert (again.rows[1:3], again.members) == (found.rows[1:3], 2)
    figures = examination_figures(again, CLASSES)
    assert {"noise", "church", "gradcam"} <= set(figures)
    for figure in figures.values():
        assert any(text.endswith("· ensembles of 2") for text in texts(figure))
    single = examination_figures(replace(found, members=1), CLASSES)
    assert not any("ensemble" in text for figure in single.values() for text in texts(figure))


def test_what_an_older_version_kept_is_of_single_networks(found, tmp_path):
    write_examination(tmp_path, found)
    with np.load(tmp_path / PICTURES) as stored:
        arrays = {key: stored[key] for key in stored.files}
    words = json.loads(str(arrays["words"]))
    del words["members"]
    arrays["words"] = np.array(json.dumps(words))
    np.savez(tmp_path / PICTURES, **arrays)
    assert read_examination(tmp_path).members == 1


def test_pairs_are_looked_at_each_with_the_statistics_of_its_survey(networks, found):
    torch.manual_seed(0)
    sample("y10"), sample("y1")
    before, after = torch.rand(9, 1, 8, 8), torch.rand(9, 1, 8, 8)
    for row in (row for row in found.rows if row.change == PAIRED):
        network = networks[row.model]
        first, said = look_at(looking(network, 0), before)
        second, later = look_at(looking(network, 1), after)
        assert row.items == 9
        assert row.distance == pytest.approx((second - first).norm(dim=1).mean().item())
        flips = (said.argmax(1) != later.argmax(1)).float().mean().item()
        assert row.flip_rate == pytest.approx(flips)


def test_flipped_images_are_told_with_the_network_that_gives_way():
    given = Sample("y1", torch.full((5, 1, 3, 3), 0.1), torch.zeros(5).long(), 0)
    # Nine pixels of 0.1; one of 1 passes the first bound, and none the second.
    networks = {"source-only": Linear(1.2), "model": Linear(3.0)}
    classes = given.labels
    bounds = torch.zeros(1), torch.ones(1)
    attacks = {
        name: one_pixel_attack(
            looking(network, 0), given.images, classes, bounds=bounds, evolution=EFFORT["evolution"]
        )
        for name, network in networks.items()
    }
    found = collect_flips(networks, given, attacks, CLASSES)
    assert len(found) == SHOWN_PER_NETWORK
    for flip in found:
        assert flip.before.startswith("source-only: spiral")
        assert flip.after.startswith("elliptical")
        assert (flip.image != flip.attacked).sum() == 1


def test_church_windows_are_of_one_image_for_all_networks():
    """Each network sees the image in its own latent; its decision there is at the centre."""
    torch.manual_seed(0)
    networks = {"source-only": Tiny(), "model": Tiny()}
    given = sample(count=6)
    found = examine(networks, [given], CLASSES, **EFFORT)
    centres = [int(w.classes[len(w.up) // 2, len(w.across) // 2]) for w in found.windows.values()]
    said = [look_at(looking(n, 0), given.images)[1].argmax(1).tolist() for n in networks.values()]
    assert tuple(centres) in set(zip(*said, strict=True))


def test_a_map_that_is_zero_everywhere_says_so(found):
    quiet = [
        replace(example, maps={name: 0 * heat for name, heat in example.maps.items()})
        for example in found.examples[:1]
    ]
    figure = examination_figures(replace(found, examples=quiet), CLASSES)["gradcam"]
    assert texts(figure).count("nothing speaks for it") == 2


def test_networks_without_feature_maps_are_examined_for_all_the_rest():
    network = Tiny()
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    network.encoder = type("Flat", (torch.nn.Module,), {})()
    network.encoder.flat = flat
    network.encoder.forward = lambda batch: flat(batch.x)
    found = examine({"model": network}, [sample()], CLASSES, **EFFORT)
    assert not found.examples
    assert set(found.windows) == {"model"}
    assert set(examination_figures(found, CLASSES)) >= {"noise", "church"}

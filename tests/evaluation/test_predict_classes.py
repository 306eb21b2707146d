"""Class predictions: from a network, and to a table and back."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from in_domain import InDomain
from synthetic_classes import CLASSES, synthetic_classes
from torch import nn

from dagnn.errors import MissingDataError, MissingFieldError, TableError
from dagnn.evaluation.predict import predict
from dagnn.evaluation.storage import read_predictions, write_predictions
from dagnn.records import Logits, Moments, Output
from dagnn.tasks import CLASSIFICATION, REGRESSION, task_of


@dataclass(frozen=True)
class Points(InDomain):
    x: torch.Tensor
    y: torch.Tensor
    ids: tuple[str, ...]
    groups: tuple[str, ...]

    def to(self, where):
        return replace(self, x=self.x.to(where), y=self.y.to(where)).in_domain(self.domain)

    def batch(self, index):
        return SimpleNamespace(x=self.x[index], y=self.y[index], domain=self.domain)


class Scores(nn.Module):
    """Class scores are the first features; an ensemble gives each member's own."""

    def __init__(self, members=0):
        super().__init__()
        self.factors = nn.Parameter(torch.arange(1.0, max(members, 1) + 1))
        self.members = members

    def forward(self, batch):
        each = [Output(batch.x, Logits(f * batch.x[:, :3])) for f in self.factors]
        if not self.members:
            return each[0]
        latents, scores = (
            torch.stack(column)
            for column in zip(*((e.latent, e.prediction.logits) for e in each), strict=True)
        )
        return Output(latents, Logits(scores))


@pytest.fixture
def points():
    labels = torch.tensor([0, 2, -1, 3, 1, 0])
    return Points(torch.randn(6, 4), labels, tuple("abcdef"), tuple("AABBCC"))


WHERE = {"suite": "decals", "role": "target", "split": "test"}


def test_numbers_are_those_of_the_network(points):
    found = predict(
        Scores(), points, torch.tensor([4, 2, 3]), CLASSES, **WHERE, model="source-only"
    )
    np.testing.assert_allclose(
        found.probability, points.x[[4, 2, 3], :3].double().softmax(1).numpy(), rtol=1e-6
    )
    assert found.truth.tolist() == [1, -1, 3]
    assert found.ids == ("e", "c", "d") and found.groups == ("C", "B", "B")
    assert (found.suite, found.model, found.classes) == ("decals", "source-only", CLASSES)
    assert found.latent.shape == (3, 4)


def test_an_ensemble_predicts_as_the_mixture_of_its_members(points):
    found = predict(Scores(2), points, torch.arange(6), CLASSES, **WHERE, batch_size=4)
    scores = points.x[:, :3].double()
    expected = (scores.softmax(1) + (2 * scores).softmax(1)) / 2
    np.testing.assert_allclose(found.probability, expected.numpy(), rtol=1e-5)
    assert found.latent.shape == (6, 8)


def test_wrong_networks_are_refused(points):
    class Regression(nn.Module):
        def forward(self, batch):
            return Output(batch.x, Moments(batch.x, batch.x))

    with pytest.raises(TypeError, match="class scores"):
        predict(Regression(), points, torch.arange(2), CLASSES, **WHERE)
    with pytest.raises(ValueError, match="3 classes, the data have 2"):
        predict(Scores(), points, torch.arange(2), CLASSES[:2], **WHERE)
    with pytest.raises(ValueError, match="test split of decals is empty"):
        predict(Scores(), points, torch.arange(0), CLASSES, **WHERE)


def test_round_trip(tmp_path):
    given = [
        synthetic_classes(unknown=3, unlabelled=4),
        synthetic_classes("decals", "target", items=7, model="source-only"),
    ]
    path = write_predictions(tmp_path / "predictions.csv", given)
    header, first, *_ = path.read_text().splitlines()
    shares = "p(spiral),p(elliptical),p(merger)"
    assert header == f"suite,role,split,id,truth,label,{shares},novelty,model"
    assert first.split(",")[4] == "", "no label, no cell"
    assert sum("(unknown)" in line for line in path.read_text().splitlines()) == 3
    for before, after in zip(given, read_predictions(path), strict=True):
        for name in ("suite", "role", "split", "ids", "classes", "model"):
            assert getattr(before, name) == getattr(after, name)
        np.testing.assert_array_equal(before.truth, after.truth)
        np.testing.assert_array_equal(before.probability, after.probability)
        np.testing.assert_array_equal(before.novelty, after.novelty)
        assert after.latent.shape == (len(after.ids), 0)


def test_novelty_may_be_unknown(tmp_path):
    given = replace(synthetic_classes(items=3), novelty=None)
    path = write_predictions(tmp_path / "p.csv", [given])
    assert read_predictions(path)[0].novelty is None
    path.write_text(path.read_text().replace(",novelty", "").replace(",,model", ",model"))
    assert read_predictions(path)[0].novelty is None, "as written by an older dagnn"


def test_remarks_are_further_columns(tmp_path):
    given = synthetic_classes(items=3)
    remarks = {"outside": {given.ids[1]: "contrast is 3"}}
    path = write_predictions(tmp_path / "p.csv", [given], remarks)
    header, *lines = path.read_text().splitlines()
    assert header.endswith(",model,outside")
    assert [line.split(",")[-1] for line in lines] == ["", "contrast is 3", ""]
    (back,) = read_predictions(path)
    np.testing.assert_array_equal(back.probability, given.probability)


def test_a_table_tells_its_task(tmp_path, predictions):
    path = write_predictions(tmp_path / "predictions.csv", predictions[:1])
    assert task_of(read_predictions(path)[0]) is REGRESSION
    path = write_predictions(tmp_path / "classes.csv", [synthetic_classes(items=3)])
    assert task_of(read_predictions(path)[0]) is CLASSIFICATION
    path.write_text(path.read_text().replace(",label,", ",named,"))
    with pytest.raises(MissingFieldError, match="label"):
        read_predictions(path)
    with pytest.raises(MissingDataError):
        read_predictions(tmp_path / "absent.csv")


def test_broken_cells_are_named(tmp_path):
    path = write_predictions(tmp_path / "p.csv", [synthetic_classes(items=3)])
    whole = path.read_text()
    truth = whole.splitlines()[1].split(",")[4]
    path.write_text(whole.replace(f"galaxy 0,{truth}", "galaxy 0,banana"))
    with pytest.raises(TableError, match=r"line 2, column truth: 'banana'"):
        read_predictions(path)
    with pytest.raises(ValueError, match="same classes"):
        other = replace(synthetic_classes(items=3), classes=("a", "b", "c"))
        write_predictions(path, [synthetic_classes(items=3), other])

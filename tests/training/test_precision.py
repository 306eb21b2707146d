"""Mixed precision: what is in bfloat16, what never is, and how near the results are."""

from dataclasses import replace

import pytest
import torch
from test_trainer import Watcher, fit_toy, weights
from toy import FEATURES, SETTINGS, toy_domains, toy_network, toy_objective, toy_validation, train

from dagnn.errors import CheckpointError, Interrupted
from dagnn.losses import GaussianNLL, Objective, PerMember
from dagnn.models import Ensemble, MomentsHead, Network, SpectrumEncoder
from dagnn.training import Callback, Checkpoints, TrainSettings, load_checkpoint
from dagnn.training.forward import make_pair

BF16 = replace(SETTINGS, precision="bf16")


def normed_network(seed: int = 0) -> Network:
    """A network with statistics per domain and a head of its own."""
    torch.manual_seed(seed)
    encoder = SpectrumEncoder({"features": FEATURES}, [16], 8, batch_norm=True, domains=4)
    return Network(encoder, MomentsHead(8, 1, hidden=[8]))


def test_single_precision_gives_the_bits_of_a_plain_loop():
    settings = TrainSettings(
        epochs=2, learning_rate=0.02, weight_decay=0.0, clip_norm=None, schedule="constant"
    )
    trained, _ = fit_toy(settings=settings)
    network, objective, domains = toy_network(), toy_objective(), toy_domains()
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02, weight_decay=0.0)
    for step in range(2 * domains.steps):
        optimizer.zero_grad()
        pair = make_pair(network, *domains.draw(), step / (2 * domains.steps))
        objective(pair).total.backward()
        optimizer.step()
    assert torch.equal(weights(trained), weights(network))


def test_the_objective_statistics_weights_and_optimizer_stay_in_single_precision(tmp_path):
    watcher, products = Watcher(), []
    network = normed_network()
    network.encoder.layers[0].register_forward_hook(lambda *call: products.append(call[2].dtype))
    fit_toy(
        Objective(GaussianNLL(), {"watcher": (watcher, 1.0, "constant")}),
        network=network,
        settings=TrainSettings(epochs=1, precision="bf16"),
        checkpoints=Checkpoints(tmp_path),
    )
    assert set(products) == {torch.bfloat16}
    for pair in watcher.pairs:
        for side in (pair.source, pair.target):
            assert {column.dtype for column in (side.latent, *side.prediction)} == {torch.float32}
    stored = load_checkpoint(tmp_path / "last.pt")
    kept = [*stored.network.values(), *stored.objective.values()]
    kept += [value for state in stored.optimizer["state"].values() for value in state.values()]
    assert {value.dtype for value in kept} <= {torch.float32, torch.int64}


def test_statistics_are_those_of_single_precision_inputs():
    # A mean far from zero: in bfloat16 it would be off by up to a per cent.
    network = normed_network().train()
    norm = network.encoder.norm
    values = (torch.randn(64, 8) + 100).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        norm(values, 0)
    torch.testing.assert_close(norm.mean[0], values.float().mean(0))
    torch.testing.assert_close(norm.variance[0], values.float().var(0))


def test_predictions_are_made_in_single_precision():
    network = normed_network().eval()
    latents = []
    network.head.layers[0].register_forward_hook(lambda *call: latents.append(call[1][0]))
    batch = toy_domains().draw().sources[0]
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        mean, std = network(batch).prediction
    expected = network.head(latents[0])
    assert torch.equal(mean, expected.mean) and torch.equal(std, expected.std)


@pytest.mark.parametrize("make", [lambda: toy_network(dropout=0.0), normed_network])
def test_both_precisions_learn_the_same(make):
    results = [
        fit_toy(
            network=make(),
            validate=toy_validation,
            settings=TrainSettings(
                epochs=12, learning_rate=0.01, schedule="cosine", precision=precision
            ),
        )
        for precision in ("float32", "bf16")
    ]
    (one, single), (two, mixed) = results
    assert not torch.equal(weights(one), weights(two))
    for ours, theirs in zip(mixed.history, single.history, strict=True):
        assert ours.train["total"] == pytest.approx(theirs.train["total"], rel=0.1)
    errors = [result.history[-1].valid["source_error"] for result in (mixed, single)]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)


def test_members_one_by_one_are_trained_in_mixed_precision():
    ensemble = Ensemble([normed_network(seed) for seed in range(2)], together=False)
    objective = PerMember([toy_objective() for _ in range(2)])
    products = []
    ensemble.encoder.layers[0].register_forward_hook(lambda *call: products.append(call[2].dtype))
    fit_toy(objective, network=ensemble, settings=TrainSettings(epochs=1, precision="bf16"))
    assert set(products) == {torch.bfloat16}


def shapes(state):
    """Names, shapes and types of a nested state."""
    if isinstance(state, torch.Tensor):
        return state.dtype, tuple(state.shape)
    if isinstance(state, dict):
        return {key: shapes(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [shapes(value) for value in state]
    return type(state)


def test_checkpoints_have_one_layout_in_both_precisions(tmp_path):
    for settings in (SETTINGS, BF16):
        train(tmp_path / settings.precision, settings=settings)
    one, two = (
        torch.load(tmp_path / name / "checkpoints" / "last.pt", weights_only=True)
        for name in ("float32", "bf16")
    )
    for part in one.keys() - {"history", "best_network"}:
        assert shapes(one[part]) == shapes(two[part]), part


class Stop(Callback):
    def on_epoch(self, record) -> None:
        if record.epoch == 2:
            raise KeyboardInterrupt


def test_a_run_in_mixed_precision_resumes_exactly_and_in_no_other_precision(tmp_path):
    whole, _ = train(tmp_path / "whole", settings=BF16)
    with pytest.raises(Interrupted):
        train(tmp_path / "broken", settings=BF16, callbacks=[Stop()])
    with pytest.raises(CheckpointError, match="precision was bf16 and is now float32"):
        train(tmp_path / "broken", settings=SETTINGS, resume=True)
    resumed, _ = train(tmp_path / "broken", settings=BF16, resume=True, seed=5)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_checkpoint_from_before_there_was_a_choice_resumes(tmp_path):
    whole, _ = train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "old", callbacks=[Stop()])
    path = tmp_path / "old" / "checkpoints" / "last.pt"
    stored = torch.load(path, weights_only=True)
    del stored["settings"]["precision"]
    torch.save(stored, path)
    resumed, _ = train(tmp_path / "old", resume=True)
    assert torch.equal(weights(whole), weights(resumed))

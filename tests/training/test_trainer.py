"""The training loop on a linear toy: what it learns, draws, refuses and reports."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from toy import (
    NUISANCE,
    SETTINGS,
    Forbidden,
    Points,
    Secret,
    toy_domains,
    toy_network,
    toy_objective,
    toy_validation,
    train,
)

from dagnn.data.streams import Domains, Stream
from dagnn.errors import ConfigError, NonFiniteLossError
from dagnn.losses import DANN, MMD, DomainTerm, GaussianNLL, NoAdaptation, Objective
from dagnn.training import Callback, Checkpoints, TrainSettings, fit, load_checkpoint
from dagnn.training.optimizers import parameter_groups
from dagnn.training.validation import latent_distance


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def fit_toy(objective=None, domains=None, network=None, **options):
    network = network or toy_network()
    settings = options.pop("settings", TrainSettings(epochs=4, learning_rate=0.02))
    result = fit(
        network,
        objective or toy_objective(),
        domains or toy_domains(),
        settings=settings,
        **options,
    )
    return network, result


def test_the_toy_is_learned():
    network = toy_network(dropout=0.0)
    before = toy_validation(network.eval())["source_error"]
    domains = Domains([Stream(Points(200, 1), range(200), 32)])
    settings = TrainSettings(epochs=40, learning_rate=0.05)
    fit_toy(Objective(GaussianNLL()), domains, network, settings=settings)
    assert before > 1.5
    assert toy_validation(network)["source_error"] < 0.15


def test_one_seed_gives_one_result_and_another_seed_another():
    (first, _), (second, _), (other, _) = train(), train(), train(seed=1)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def distance_after_training(weight: float) -> float:
    """How far apart the latents of shifted domains are, after training with a weight."""
    network = toy_network(dropout=0.0)
    domains = Domains(
        [Stream(Points(200, 1), range(200), 32)],
        [Stream(Secret(200, 2, NUISANCE).in_domain(1), range(200), 32)],
    )
    objective = Objective(GaussianNLL(), {"mmd": (MMD(), weight, "constant")})
    settings = TrainSettings(epochs=30, learning_rate=0.03)
    fit_toy(objective, domains, network, settings=settings)
    source, target = Points(300, 3), Points(300, 4, NUISANCE)
    with torch.no_grad():
        latents = [network.encoder(points.x) for points in (source, target)]
    return float(latent_distance(*latents))


def test_mmd_aligns_shifted_domains_and_its_weight_has_an_effect():
    without, little, much = (distance_after_training(weight) for weight in (0.0, 0.1, 10.0))
    assert much < 0.3 * without
    assert much < little < without


def test_source_only_never_touches_the_target_and_equals_training_without_one():
    alone = Domains(toy_domains().sources)
    results = []
    for terms in ({"none": (NoAdaptation(), 1.0, "constant")}, {"mmd": (MMD(), 0.0, "constant")}):
        objective = Objective(GaussianNLL(), terms)
        results.append(fit_toy(objective, toy_domains(target=Forbidden))[0])
    results.append(fit_toy(Objective(GaussianNLL()), alone)[0])
    assert torch.equal(weights(results[0]), weights(results[2]))
    assert torch.equal(weights(results[1]), weights(results[2]))


def test_target_labels_are_never_read():
    # Targets of the toy raise when their truth is read; adaptation must not notice.
    _, result = fit_toy(validate=toy_validation)
    assert result.history[-1].train["mmd"] != 0


class Watcher(DomainTerm):
    """Remembers what it was shown."""

    pairwise = False

    def __init__(self) -> None:
        super().__init__()
        self.pairs = []

    def forward(self, pair):
        self.pairs.append(pair)
        return pair.source.latent.sum() * 0


def test_terms_see_joined_domains_their_numbers_and_the_progress():
    watcher = Watcher()
    fit_toy(
        Objective(GaussianNLL(), {"watcher": (watcher, 1.0, "constant")}),
        settings=TrainSettings(epochs=2),
    )
    pair = watcher.pairs[0]
    assert pair.source.latent.shape == (32, 4)
    assert pair.target.prediction.mean.shape == (32, 1)
    assert pair.labels.shape == (32, 1)
    assert pair.source_domain.tolist() == 16 * [0] + 16 * [1]
    assert pair.target_domain.tolist() == 16 * [2] + 16 * [3]
    assert pair.target_index[:16].max() < 50 <= pair.target_index[16:].min()
    progress = [pair.progress for pair in watcher.pairs]
    assert progress == [step / 8 for step in range(8)]


class Critic(DomainTerm):
    """A term with parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(4, 1)

    def forward(self, pair):
        scores = [self.score(output.latent) for output in (pair.source, pair.target)]
        return -((scores[0].mean() - scores[1].mean()) ** 2)


# That parameters of every term in the table move is tested with the objective.
@pytest.mark.parametrize("make", [Critic, DANN])
def test_every_parameter_of_every_term_moves(make):
    sized = {"width": 4} if make is DANN else {}
    objective = Objective(GaussianNLL(), {"term": (make(**sized), 1.0, "constant")})
    before = [parameter.detach().clone() for parameter in objective.parameters()]
    fit_toy(objective, settings=TrainSettings(epochs=1))
    for old, new in zip(before, objective.parameters(), strict=True):
        # A bias common to both domains cancels from a difference of means.
        assert not torch.equal(old, new) or old.ndim < 2


def test_weight_decay_leaves_biases_norms_and_scalars_alone():
    network = toy_network()
    decayed, plain = parameter_groups([network, network], 0.1)
    assert {id(p) for p in decayed["params"]} == {
        id(network.encoder.weight),
        id(network.head.weight),
    }
    assert len(plain["params"]) == 4
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)


def test_history_has_every_number_of_every_epoch():
    _, result = fit_toy(validate=toy_validation)
    assert [record.epoch for record in result.history] == [1, 2, 3, 4]
    assert [record.step for record in result.history] == [4, 8, 12, 16]
    assert set(result.history[0].train) == {"total", "task", "mmd"}
    assert set(result.history[0].valid) == {
        "source_loss",
        "source_error",
        "latent_distance",
        "mmd",
    }
    assert all(record.seconds > 0 for record in result.history)
    assert result.history[-1].learning_rate < result.history[1].learning_rate
    assert result.best_epoch == 4
    assert not result.stopped_early


def scripted(values):
    """A validation that gives one number after the other."""
    numbers = iter(values)
    return lambda network: {"source_loss": next(numbers)}


def test_the_network_ends_with_the_weights_of_the_best_epoch(tmp_path):
    settings = TrainSettings(epochs=4, select_on="source_loss")
    checkpoints = Checkpoints(tmp_path)
    seen = {}

    class Keep(Callback):
        def on_epoch(self, record):
            seen[record.epoch] = weights(network).clone()

    network = toy_network()
    _, result = fit_toy(
        network=network,
        settings=settings,
        validate=scripted([3.0, 1.0, 2.0, 1.5]),
        checkpoints=checkpoints,
        callbacks=[Keep()],
    )
    assert result.best_epoch == 2
    assert [record.best for record in result.history] == [True, True, False, False]
    assert torch.equal(weights(network), seen[2])
    assert not torch.equal(seen[2], seen[4])
    assert load_checkpoint(checkpoints.best).epoch == 2
    assert load_checkpoint(checkpoints.last).epoch == 4
    fresh = toy_network(5)
    fresh.load_state_dict(load_checkpoint(checkpoints.best).network)
    assert torch.equal(weights(fresh), seen[2])


def test_training_stops_when_patience_runs_out():
    settings = TrainSettings(epochs=9, select_on="source_loss", patience=2)
    losses = [3.0, 1.0, 2.0, 1.5, 0.1]
    _, result = fit_toy(settings=settings, validate=scripted(losses))
    assert len(result.history) == 4
    assert result.stopped_early
    patient = replace(settings, epochs=5, minimum_epochs=5)
    _, result = fit_toy(settings=patient, validate=scripted(losses))
    assert result.best_epoch == 5


def test_selection_needs_its_validation_number():
    settings = TrainSettings(epochs=1, select_on="source_error")
    with pytest.raises(ConfigError, match="no validation was given"):
        fit_toy(settings=settings)
    with pytest.raises(ConfigError, match="gave no 'source_error'"):
        fit_toy(settings=settings, validate=lambda network: {"source_loss": 1.0})


class Diary(Callback):
    def __init__(self, folder=None) -> None:
        self.told = []
        self.folder = folder

    def on_start(self, plan, history):
        self.told.append(("start", plan.epochs, plan.steps, len(history)))

    def on_step(self, step):
        self.told.append(step)

    def on_epoch(self, record):
        saved = load_checkpoint(self.folder / "last.pt").epoch if self.folder else None
        self.told.append(("epoch", record.epoch, saved))

    def on_close(self):
        self.told.append("close")


def test_callbacks_are_told_in_order_and_after_the_checkpoint(tmp_path):
    diary = Diary(tmp_path)
    settings = TrainSettings(epochs=2)
    fit_toy(settings=settings, callbacks=[diary], checkpoints=Checkpoints(tmp_path))
    assert diary.told == [
        ("start", 2, 4, 0), 1, 2, 3, 4, ("epoch", 1, 1), 5, 6, 7, 8, ("epoch", 2, 2), "close"
    ]  # fmt: skip


def test_callbacks_are_closed_also_after_an_error():
    class Broken(Diary):
        def on_step(self, step):
            raise RuntimeError("broken callback")

    diary = Broken()
    with pytest.raises(RuntimeError, match="broken callback"):
        fit_toy(callbacks=[diary])
    assert diary.told[-1] == "close"


class Poisoned(GaussianNLL):
    """Gives NaN from a certain step on."""

    calls = 0

    def forward(self, prediction, y):
        self.calls += 1
        return super().forward(prediction, y) * (math.nan if self.calls > 6 else 1.0)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    network = toy_network()
    checkpoints = Checkpoints(tmp_path)
    objective = Objective(Poisoned(), {"mmd": (MMD(), 0.5, "constant")})
    with pytest.raises(NonFiniteLossError) as caught:
        fit_toy(objective, network=network, checkpoints=checkpoints)
    message = str(caught.value)
    for part in ("epoch 2, step 7 of 16", "task nan", "mmd 0.", "learning_rate (now 0.02)"):
        assert part in message
    assert f"after epoch 1 is kept in {checkpoints.last}" in message
    kept = load_checkpoint(checkpoints.last)
    assert kept.epoch == 1
    assert all(torch.isfinite(value).all() for value in kept.network.values())
    assert torch.isfinite(weights(network)).all()


class Infinite(DomainTerm):
    """A finite value whose gradient is not."""

    def forward(self, pair):
        return (pair.source.latent - pair.source.latent.detach()).abs().sum().sqrt()


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change():
    network = toy_network()
    with pytest.raises(NonFiniteLossError, match="gradient norm nan"):
        fit_toy(Objective(GaussianNLL(), {"bad": (Infinite(), 1.0, "constant")}), network=network)
    assert torch.isfinite(weights(network)).all()


def test_validation_that_is_not_finite_stops():
    settings = TrainSettings(epochs=3, select_on="source_loss")
    with pytest.raises(NonFiniteLossError, match="Validation after epoch 2"):
        fit_toy(settings=settings, validate=scripted([1.0, math.nan]))


def test_gradients_are_clipped_to_the_norm():
    def step_length(clip_norm):
        network = toy_network()
        before = weights(network.encoder)
        settings = TrainSettings(
            epochs=1, optimizer="adam", schedule="constant", clip_norm=clip_norm
        )
        domains = Domains(toy_domains().sources, steps=1)
        fit_toy(Objective(GaussianNLL()), domains, network, settings=settings)
        gradients = [p.grad.flatten() for p in network.parameters()]
        assert not torch.equal(before, weights(network.encoder))
        return float(torch.cat(gradients).norm())

    free = step_length(None)
    assert step_length(free / 10) == pytest.approx(free / 10, rel=1e-3)
    assert step_length(free * 10) == pytest.approx(free, rel=1e-5)


def test_labels_of_another_shape_are_refused_instead_of_broadcast():
    class Flat(Points):
        def batch(self, index):
            batch = super().batch(index)
            batch.y = batch.y[:, 0]
            return batch

    domains = Domains([Stream(Flat(40, 1), range(40), 16)])
    with pytest.raises(ValueError, match=r"shape \[16\].*\[16, 1\]"):
        fit_toy(Objective(GaussianNLL()), domains)


def test_domains_keep_their_own_batch_statistics():
    sizes = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = toy_network()

        def forward(self, batch):
            sizes.append((batch.domain, len(batch.x)))
            return self.inner(batch)

    fit_toy(network=Counting(), settings=TrainSettings(epochs=1))
    assert sizes[:4] == [(0, 16), (1, 16), (2, 16), (3, 16)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "training.epochs: must be at least 1"),
        ({"optimizer": "adamm"}, "training.optimizer: unknown 'adamm'. Did you mean 'adam"),
        ({"schedule": "onecycle"}, "Did you mean 'one_cycle'"),
        ({"select_on": "target_loss"}, "training.select_on: unknown"),
        ({"learning_rate": -1.0}, "training.learning_rate"),
        ({"learning_rate": math.nan}, "training.learning_rate"),
        ({"weight_decay": -1.0}, "training.weight_decay"),
        ({"clip_norm": 0.0}, "training.clip_norm"),
        ({"patience": 0, "select_on": "source_loss"}, "training.patience"),
        ({"patience": 3}, "never stop early"),
        ({"minimum_epochs": -1}, "training.minimum_epochs"),
        ({"precision": "float16"}, "training.precision: .* Did you mean 'float32'"),
    ],
)
def test_settings_are_validated_at_birth(options, message):
    with pytest.raises(ConfigError, match=message):
        TrainSettings(**options)


def test_default_settings_of_the_toy_are_valid():
    assert SETTINGS.patience == 4

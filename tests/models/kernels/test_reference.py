"""The plain reference under the transforms of PyTorch, which the fused kernels do not take."""

from types import SimpleNamespace

import pytest
import torch
from tiny_batches import graph_batch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, vmap

from dagnn.models import ENCODERS, GraphEncoder
from dagnn.models.kernels import message_passing, reference

SIZES = {"node": 4, "edge": 3, "global": 1}
NAMES = ("x", "edge_index", "edge_attr", "u", "batch")


class OfTensors(nn.Module):
    """An encoder that takes the tensors of a batch, as exported programs do."""

    def __init__(self, encoder: GraphEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, u: Tensor, batch: Tensor
    ) -> Tensor:
        values = (x, edge_index, edge_attr, u, batch)
        latent: Tensor = self.encoder(SimpleNamespace(**dict(zip(NAMES, values, strict=True))))
        return latent


def tensors(items: list[int]) -> tuple[Tensor, ...]:
    batch = graph_batch(items)
    return tuple(batch[name] for name in NAMES)


@pytest.fixture
def encoder() -> GraphEncoder:
    encoder = GraphEncoder(SIZES, 6)
    encoder.fit_inputs(graph_batch([0, 1, 2, 3, 4]))
    return encoder.double().eval()


def double(items: list[int]) -> tuple[Tensor, ...]:
    return tuple(v.double() if v.is_floating_point() else v for v in tensors(items))


def test_an_exported_encoder_gives_the_same_latent_for_batches_of_any_size():
    network = OfTensors(GraphEncoder(SIZES, 6).eval())
    galaxies, edges, graphs = (torch.export.Dim(name) for name in ("galaxies", "edges", "graphs"))
    shapes = ({0: galaxies}, {1: edges}, {0: edges}, {0: graphs}, {0: galaxies})
    exported = torch.export.export(network, tensors([0, 2]), dynamic_shapes=shapes).module()
    for items in ([0, 2], [1, 3, 4]):
        latent = network(*tensors(items))
        torch.testing.assert_close(exported(*tensors(items)), latent, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_traced_encoder_gives_the_same_latent_for_other_batches():
    network = OfTensors(GraphEncoder(SIZES, 6).eval())
    traced = torch.jit.trace(network, tensors([0, 2]), check_trace=False)
    latent = network(*tensors([1, 3, 4]))
    torch.testing.assert_close(traced(*tensors([1, 3, 4])), latent, rtol=1e-5, atol=1e-5)


def test_a_compiled_encoder_is_one_graph_and_gives_the_same_latent():
    encoder, batch = GraphEncoder(SIZES, 6).eval(), SimpleNamespace()
    for name, value in zip(NAMES, tensors([0, 2]), strict=True):
        setattr(batch, name, value)
    found = torch.compile(encoder, backend="eager", fullgraph=True)(batch)
    torch.testing.assert_close(found, encoder(batch), rtol=1e-5, atol=1e-5)


def test_gradients_of_several_inputs_at_once_equal_those_of_one_after_the_other(encoder):
    x, *rest = double([0, 2])
    several = torch.stack([x, 2 * x, x.flip(0)])

    def value(x: Tensor) -> Tensor:
        return OfTensors(encoder)(x, *rest).square().sum()

    found = vmap(grad(value))(several)
    for one, gradient in zip(several, found, strict=True):
        one = one.clone().requires_grad_()
        (expected,) = torch.autograd.grad(value(one), one)  # by the fused kernel
        torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)


def test_gradients_of_several_networks_at_once_equal_those_of_one_after_the_other(encoder):
    values, batch = double([0, 2]), dict(encoder.named_parameters())
    several = {name: torch.stack([value, 1.1 * value]).detach() for name, value in batch.items()}

    def value(weights: dict[str, Tensor]) -> Tensor:
        named = {f"encoder.{name}": weight for name, weight in weights.items()}
        latent: Tensor = functional_call(OfTensors(encoder), named, values)
        return latent.square().sum()

    found = vmap(grad(value))(several)
    for number in (0, 1):
        weights = {name: several[name][number].requires_grad_() for name in several}
        expected = torch.autograd.grad(value(weights), list(weights.values()))
        for name, gradient in zip(weights, expected, strict=True):
            torch.testing.assert_close(found[name][number], gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("differentiate", [jacrev, jacfwd])
def test_a_jacobian_equals_the_gradients_of_every_output(encoder, differentiate):
    x, *rest = double([2])
    jacobian = differentiate(lambda x: OfTensors(encoder)(x, *rest)[0])(x)
    x.requires_grad_()
    latent = OfTensors(encoder)(x, *rest)[0]  # by the fused kernel
    for row, output in zip(jacobian, latent, strict=True):
        (expected,) = torch.autograd.grad(output, x, retain_graph=True)
        torch.testing.assert_close(row, expected, rtol=1e-10, atol=1e-10)


def test_second_derivatives_are_symmetric_and_equal_finite_differences(encoder):
    _, *rest = double([2])
    x = double([2])[0]

    def value(x: Tensor) -> Tensor:
        return OfTensors(encoder)(x, *rest).square().sum()

    second = hessian(value)(x).flatten(2).flatten(0, 1)
    torch.testing.assert_close(second, second.T)
    step = torch.zeros_like(x)
    step[3, 1] = 1e-6
    expected = (grad(value)(x + step) - grad(value)(x - step)).flatten() / 2e-6
    torch.testing.assert_close(second[3 * 4 + 1], expected, rtol=1e-5, atol=1e-6)


def test_forward_mode_gives_the_derivative_along_a_direction(encoder):
    x, *rest = double([0, 2])
    along = torch.randn_like(x)
    with forward_ad.dual_level():
        latent = OfTensors(encoder)(forward_ad.make_dual(x, along), *rest)
        found = forward_ad.unpack_dual(latent).tangent
    step = 1e-6 * along
    expected = (OfTensors(encoder)(x + step, *rest) - OfTensors(encoder)(x - step, *rest)) / 2e-6
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_second_derivatives_of_autograd_need_the_reference_by_request(encoder):
    x, *rest = double([2])
    x.requires_grad_()

    def gradient_penalty() -> Tensor:
        value = OfTensors(encoder)(x, *rest).square().sum()
        (once,) = torch.autograd.grad(value, x, create_graph=True)
        return once.square().sum()

    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient_penalty().backward()
    encoder.kernel = "reference"
    gradient_penalty().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("kernel", ["auto", "fused", "reference"])
def test_the_kernel_is_the_one_that_was_chosen(kernel, monkeypatch):
    called = []
    for module, name in ((message_passing, "fused"), (reference, "reference")):
        original = module.pass_messages

        def listed(*options, name=name, original=original):
            called.append(name)
            return original(*options)

        monkeypatch.setattr(module, "pass_messages", listed)
    encoder = ENCODERS["graph"](SIZES, hidden=6, kernel=kernel).eval()
    x, *rest = tensors([0, 2])
    OfTensors(encoder)(x, *rest)
    vmap(lambda x: OfTensors(encoder)(x, *rest))(x[None])  # which the fused kernel knows
    assert called == 4 * ["reference" if kernel == "reference" else "fused"]
    called.clear()
    grad(lambda x: OfTensors(encoder)(x, *rest).sum())(x)
    assert called == 2 * ["fused" if kernel == "fused" else "reference"]


def test_a_kernel_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"no kernel 'fusd'.*fused"):
        GraphEncoder(SIZES, kernel="fusd")


def test_the_reference_calls_perceptrons_that_the_fused_kernel_refuses():
    encoder = GraphEncoder(SIZES, 6, kernel="reference")
    encoder.blocks[1].edge_mlp[1] = nn.SiLU()
    assert torch.isfinite(encoder(graph_batch([0, 2]))).all()

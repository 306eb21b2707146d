"""Several networks as one: the same batches, other initial weights and other dropout."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from dagnn.models.network import Network
from dagnn.models.normalize import RunningNorm
from dagnn.records import Output

State = dict[str, Tensor]


class Ensemble(Network):
    """Hold ``M`` networks of one shape, and run them on the same batch.

    It *is* a network whose parameters, and running statistics, have a leading
    member axis: the optimiser sees as few tensors as of one network, and a
    checkpoint the same names. Input statistics are shared. The output has a
    member axis as well; :func:`dagnn.nn.mixture` makes one prediction of it.

    Members run side by side by ``torch.func.vmap``, or one after the other. The
    encoder declares which is faster (``vectorises``); both give the same numbers
    except for the draws of dropout. A training step in milliseconds, with MMD, on
    one CPU core (``benchmarks/ensembles.py``; the default is in bold):

    ==============================  =====  ========  ========  ========  ========
    step of source and target       alone  4, side   4, one    8, side   8, one
                                           by side   by one    by side   by one
    ==============================  =====  ========  ========  ========  ========
    spectra, 64-64-16, 32 + 32      2.5    **6.2**   7.5       **9.0**   12.2
    graphs, hidden 32, 16 + 16      414    3480      **1840**  6520      **3270**
    boxes of 1000 galaxies
    ==============================  =====  ========  ========  ========  ========

    Spectra spend their time in calls, which members share; graphs spend it in
    arithmetic, which they do not. On a GPU this has not been measured.

    Args:
        members: at least one; of equal structure and sizes. They are copied.
        together: run members side by side; None follows the encoder.

    Attributes:
        member_count: number of members ``M``; training reads from it that
            parameters have a member axis.

    Raises:
        ValueError: no member, or members of different shape.

    References:
        Lakshminarayanan, Pritzel & Blundell 2017, arXiv:1612.01474.
    """

    def __init__(self, members: Sequence[Network], together: bool | None = None) -> None:
        _require_alike(members)
        first = copy.deepcopy(members[0])
        super().__init__(first.encoder, first.head)
        self.train(first.training)
        self.member_count = len(members)
        chosen = getattr(self.encoder, "vectorises", False) if together is None else together
        self.together = bool(chosen)
        self._shared = _input_statistics(first)
        states = [_tensors(member) for member in members]
        stacked = {
            name: torch.stack([state[name].detach() for state in states])
            for name in states[0]
            if name not in self._shared
        }
        _replace(self, stacked)

    def forward(self, batch: Any) -> Output:
        """Return latents ``[M, B, W]`` and predictions of every member."""
        return self._side_by_side(batch) if self.together else self._one_by_one(batch)

    def _side_by_side(self, batch: Any) -> Output:
        network = self._structure()
        tensors = _tensors(self)
        axes = {name: None if name in self._shared else 0 for name in tensors}

        def run(state: State) -> Output:
            output: Output = functional_call(network, state, (batch,))
            return output

        # Running statistics are updated in place, which reaches the stacked buffers.
        outputs: Output = vmap(run, in_dims=(axes,), randomness="different")(tensors)
        return outputs

    def _one_by_one(self, batch: Any) -> Output:
        network = self._structure()
        outputs = [functional_call(network, state, (batch,)) for state in self._states()]
        columns = zip(*(output.prediction for output in outputs), strict=True)
        prediction = type(outputs[0].prediction)(*map(torch.stack, columns))
        return Output(torch.stack([output.latent for output in outputs]), prediction)

    def _states(self) -> list[State]:
        """Return the tensors of every member: views, so that gradients and updates arrive."""
        # One unbind makes one gradient; an index per member would fill M tensors with zeros.
        parts = {name: value.unbind(0) for name, value in self.named_parameters()}
        buffers = dict(self.named_buffers())
        return [
            {name: part[member] for name, part in parts.items()}
            | {
                name: value if name in self._shared else value[member]
                for name, value in buffers.items()
            }
            for member in range(self.member_count)
        ]

    def _structure(self) -> Network:
        """Return the network of one member, around the stacked modules."""
        return Network(self.encoder, self.head)

    def member(self, number: int) -> Network:
        """Return a copy of one member, as a network of its own."""
        network = copy.deepcopy(self._structure()).train(self.training)
        state = {name: value.detach().clone() for name, value in self._states()[number].items()}
        _replace(network, state)
        for module, original in zip(network.modules(), self.modules(), strict=True):
            module.training = original.training
        return network

    def fit_inputs(self, *batches: Any) -> None:
        """Set the input statistics of a domain in every member, see :meth:`Network.fit_inputs`."""
        self._change_buffers(lambda member: member.fit_inputs(*batches))

    def refer_inputs(self, domain: int, *batches: Any) -> None:
        """Refer the inputs of a domain in every member, see :meth:`Network.refer_inputs`."""
        member = self.member(0)
        member.refer_inputs(domain, *batches)
        # Input statistics are shared, so one member's are all members'.
        self._take_buffers(0, member)
        for own, referred in zip(self.modules(), member.modules(), strict=False):
            if isinstance(own, RunningNorm) and isinstance(referred, RunningNorm):
                own.rows = list(referred.rows)

    def settle(self, batches: Iterable[Any]) -> None:
        """Set the statistics of inner layers in every member, see :meth:`Network.settle`."""
        self._change_buffers(lambda member: member.settle(batches))

    def _change_buffers(self, change: Callable[[Network], None]) -> None:
        for number in range(self.member_count):
            member = self.member(number)
            change(member)
            self._take_buffers(number, member)

    def _take_buffers(self, number: int, member: Network) -> None:
        own, fitted = self._states()[number], _tensors(member)
        for name, _ in self.named_buffers():
            own[name].copy_(fitted[name])

    def adapted(self, *batches: Any) -> "Ensemble":
        """Return a copy whose members have adapted, see :meth:`Network.adapted`."""
        members = [self.member(number).adapted(*batches) for number in range(self.member_count)]
        return Ensemble(members, self.together).eval()

    def extra_repr(self) -> str:
        """Return the number of members and how they run as text."""
        return f"members={self.member_count}, together={self.together}"


def _require_alike(members: Sequence[Network]) -> None:
    if not members:
        raise ValueError("An ensemble needs at least one member.")
    shapes = [{name: t.shape for name, t in _tensors(member).items()} for member in members]
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ValueError(f"Member {number} of the ensemble has another shape than member 0.")


def _tensors(module: nn.Module) -> State:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _input_statistics(network: nn.Module) -> frozenset[str]:
    """Return the full names of the buffers that follow from the training inputs alone."""
    return frozenset(
        f"{path}.{name}"
        for path, module in network.named_modules()
        for name in getattr(module, "input_statistics", ())
    )


def _replace(root: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Put tensors, also of other shapes, in the place of parameters and buffers."""
    for path, value in values.items():
        owner, _, name = path.rpartition(".")
        module = root.get_submodule(owner)
        old = getattr(module, name)
        is_parameter = isinstance(old, nn.Parameter)
        setattr(module, name, nn.Parameter(value, old.requires_grad) if is_parameter else value)

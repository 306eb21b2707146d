"""A device that is not the CPU, for machines that have none.

Its tensors say that they are on torch's ``meta`` device, and hold their numbers on the CPU. As
on a GPU, an operation takes tensors of one device, apart from scalars and from the indices of
a row; numpy cannot read them; and no generator of the CPU draws there. The kernels of a GPU,
their order of summation and its autocast are not imitated.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

AWAY, HOME = torch.device("meta"), torch.device("cpu")
aten = torch.ops.aten
COPY, TRANSFER = aten.copy_.default, aten._to_copy.default
INDEXING = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}


# A GPU that is asked for these has to finish all that it was given before.
TELLING = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
}


class Away(torch.Tensor):
    """A tensor on the other device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Away":
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=AWAY,
        )
        made.held = held
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.detach().held.__reduce_ex__(protocol)

    def __repr__(self) -> str:
        return f"Away({self.held!r})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def new_tensor(self, data: Any, dtype: Any = None, **kwargs: Any) -> torch.Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype, device=self.device, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func}: the other device is there within elsewhere() only.")


class _Elsewhere(TorchDispatchMode):
    """Compute on the CPU what belongs to the other device; count the questions it answers."""

    questions = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        involved = any(isinstance(leaf, Away) for leaf in leaves)
        device = kwargs.get("device")
        goes_away = involved if device is None else device.type == AWAY.type
        if not involved and not goes_away:
            return func(*args, **kwargs)
        if any(isinstance(leaf, torch.Generator) for leaf in leaves):
            raise RuntimeError(f"{func}: a generator of the CPU does not draw elsewhere.")
        if func not in (COPY, TRANSFER):
            _require_one_place(func, args, kwargs)
        _Elsewhere.questions += _tells(func, args, kwargs)
        here = tree_map_only(Away, lambda away: away.held, (args, kwargs))
        found = func(*here[0], **(here[1] if device is None else here[1] | {"device": HOME}))
        if func is COPY:
            return args[0]
        if not goes_away:
            return found
        found = tree_map_only(torch.Tensor, Away, found)
        return return_and_correct_aliasing(func, args, kwargs, found) if involved else found


def _tells(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether the CPU has to know a number, or several, that the other device computes."""
    if func is COPY:
        return isinstance(args[1], Away) and not isinstance(args[0], Away)
    if func is TRANSFER:
        return isinstance(args[0], Away) and kwargs.get("device") == HOME
    if func is aten.repeat_interleave.Tensor:
        return kwargs.get("output_size") is None
    if func in INDEXING:
        return any(where is not None and where.dtype == torch.bool for where in args[1])
    return func in TELLING


def questions() -> int:
    """Return how often the CPU has waited so far to be told a number by the other device."""
    return _Elsewhere.questions


def _require_one_place(func: Any, args: Any, kwargs: Any) -> None:
    if func in INDEXING and isinstance(args[0], Away):
        args = (args[0], *args[2:])
    for leaf in tree_leaves((args, kwargs)):
        if isinstance(leaf, torch.Tensor) and not isinstance(leaf, Away) and leaf.dim() > 0:
            raise RuntimeError(f"{func}: expected all tensors to be on the same device.")


@contextlib.contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Give a device that is not the CPU."""
    with contextlib.ExitStack() as stack:
        for name in ("autocast", "is_autocast_enabled", "get_autocast_dtype"):
            stack.enter_context(mock.patch.object(torch, name, _at_home(getattr(torch, name))))
        for name in ("tensor", "as_tensor"):
            stack.enter_context(mock.patch.object(torch, name, _sent(getattr(torch, name))))
        stack.enter_context(_Elsewhere())
        yield AWAY


def _at_home(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function that knows no such device answer for the CPU."""

    def answer(device: str, *args: Any, **kwargs: Any) -> Any:
        return function(HOME.type if device == AWAY.type else device, *args, **kwargs)

    return answer


def _sent(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Let a function that makes tensors of data send them to the other device."""

    def make(data: Any, *, device: Any = None, **kwargs: Any) -> torch.Tensor:
        if device is None or torch.device(device).type != AWAY.type:
            return function(data, device=device, **kwargs)
        return (data if isinstance(data, Away) else function(data, **kwargs)).to(AWAY)

    return make


def moved(value: Any, device: torch.device) -> Any:
    """Return a record, or what else holds tensors, with copies of these on another device."""
    if isinstance(value, torch.Tensor):
        return value.detach().to(device, copy=True).requires_grad_(value.requires_grad)
    if isinstance(value, tuple):
        return type(value)(*(moved(part, device) for part in value))
    if hasattr(value, "to"):
        return value.to(device)
    if hasattr(value, "__dict__"):
        return type(value)(**{name: moved(part, device) for name, part in vars(value).items()})
    return value

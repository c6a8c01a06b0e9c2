"""A second device for machines that have none: torch's `meta`, whose tensors hold numbers here.

Within `second_device()` whatever is put on "meta" is computed on the CPU, but what is an error on a GPU is one here: an
operation on tensors of both devices, and numbers that go to numpy without being brought to the CPU first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = "meta"
aten = torch.ops.aten
MAY_MIX = {aten.copy_.default, aten.index.Tensor, aten.index_put_.default, aten.index_put.default}  # as CUDA allows
NOT_LATER = {aten._conj.default: aten.conj_physical.default, aten._neg_view.default: aten.neg.default}
"""What torch only notes, to do it when a tensor is read: there it would be forgotten."""
FROM_NUMBERS = {torch.tensor, torch.as_tensor, torch.Tensor.new_tensor}


class There(torch.Tensor):
    """A tensor on the second device; `here`: the same on the CPU."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> There:
        there = torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=DEVICE,
        )
        there.here = here
        return there

    def __repr__(self, **_: Any) -> str:
        return f"There({self.here!r})"

    def tolist(self) -> Any:
        return self.here.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _done(func, args, dict(kwargs or {}))


class _Operations(TorchDispatchMode):
    """Those that have no tensor yet, too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _done(func, args, dict(kwargs or {}))


class _Functions(TorchFunctionMode):
    """Numbers that torch would put on the device by itself, below what `_Operations` sees."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in FROM_NUMBERS and _is_there(kwargs.get("device", args[0])):
            made = torch.tensor(args[-1], dtype=kwargs.get("dtype"), device="cpu")
            return made.to(DEVICE)
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            index = tuple(torch.tensor(part) if isinstance(part, list) else part for part in index)
            args = (args[0], index, *args[2:])
        return func(*args, **kwargs)


def _is_there(what: Any) -> bool:
    if isinstance(what, torch.Tensor):
        return isinstance(what, There)
    return isinstance(what, str | torch.device) and torch.device(what).type == DEVICE


def _done(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = any(map(_is_there, tensors))
    others = [tensor for tensor in tensors if not _is_there(tensor)]
    if any(tensor.device.type == DEVICE for tensor in others):
        raise NotImplementedError(f"{func}: a tensor was made on the second device behind its back")
    if there and any(tensor.ndim for tensor in others) and func not in MAY_MIX:
        raise RuntimeError(f"{func}: tensors on two devices")
    asked = kwargs.get("device")
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    out = NOT_LATER.get(func, func)(*tree_map(_here, args), **tree_map(_here, kwargs))
    if not (there if asked is None else _is_there(asked)):
        return out
    out = tree_map(lambda leaf: There(leaf) if isinstance(leaf, torch.Tensor) else leaf, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if there else out


def _here(leaf: Any) -> Any:
    return leaf.here if isinstance(leaf, There) else leaf


@contextmanager
def second_device() -> Iterator[str]:
    """Its name, for what takes that of a device."""
    with _Operations(), _Functions():
        yield DEVICE

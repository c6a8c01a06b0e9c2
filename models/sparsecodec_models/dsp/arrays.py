"""One set of names for what numpy and torch call differently, so that a synthesis is written once for both.

numpy decodes on the CPU; torch gives gradients to fits and training, and decodes on other devices. Importing this
module imports no torch: only who has torch already can hand over a tensor.

    xp = library_of(vector)
    level = xp.where(xp.exp2(vector) > 1, vector, xp.zeros(3, "float32", like=vector))

Operators, slices, `.shape`, `len` and `@` are the same in both, and so are the functions of `SAME`. Python numbers take
the type of the array that they meet; float32 stays float32, in Fourier transforms, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import torch

Array: TypeAlias = Any
"""A numpy array or a torch tensor; all arrays of a call are of one library."""

SAME = frozenset(
    {
        *("abs", "exp", "exp2", "log", "log2", "log10", "sqrt", "square", "sin", "cos", "arctan2", "conj"),
        *("floor", "ceil", "round", "sign", "isfinite", "logical_and", "logical_or", "logical_not"),
        *("where", "maximum", "minimum", "remainder", "floor_divide", "einsum", "outer"),
        *("stack", "concatenate", "cumsum", "sum", "any", "all", "argsort", "searchsorted", "zeros_like", "ones_like"),
    }
)
"""Functions with the same name, meaning and arguments in both libraries: give an axis by its place."""


class Library:
    """The functions of numpy; those of `SAME`, and one method for each that differs in torch.

    Attribute word: the name of the smallest integer type in which sums and products modulo 2^32 are exact.
    """

    word = "uint32"

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name not in SAME:
            raise AttributeError(f"{name} is none of the functions that both libraries share")
        return getattr(self._module, name)

    # new arrays, on the device of `like`; dtype by its name: "float32", "float64", "int64", "bool", "complex64"

    def asarray(self, values: ArrayLike, like: Array, dtype: str | None = None) -> Array:
        """Numbers or a numpy array as an array beside `like`, without a copy where there need be none."""
        return np.asarray(values, dtype)

    def zeros(self, shape: int | tuple[int, ...], dtype: str, like: Array) -> Array:
        return np.zeros(shape, dtype)

    def full(self, shape: int | tuple[int, ...], value: float, dtype: str, like: Array) -> Array:
        return np.full(shape, value, dtype)

    def arange(self, start: int, stop: int, like: Array) -> Array:
        """int64 [stop - start]."""
        return np.arange(start, stop, dtype=np.int64)

    # out of the library

    def numpy(self, x: Array) -> NDArray[Any]:
        """As a numpy array, without its gradient."""
        return np.asarray(x)

    def detach(self, x: Array) -> Array:
        """The same numbers, through which no gradient flows."""
        return x

    def astype(self, x: Array, dtype: str) -> Array:
        return x.astype(dtype, copy=False)

    # element by element

    def clip(self, x: Array, low: Array | float | None, high: Array | float | None) -> Array:
        """Within low … high, None for no bound."""
        return np.clip(x, low, high)

    def sigmoid(self, x: Array) -> Array:
        return 0.5 + 0.5 * np.tanh(0.5 * x)

    def complex(self, real: Array, imaginary: Array) -> Array:
        """complex64 of float32, complex128 of float64."""
        out = np.empty(real.shape, np.result_type(real, np.complex64))
        out.real, out.imag = real, imaginary
        return out

    # along an axis

    def max(self, x: Array, axis: int) -> Array:
        return x.max(axis)

    def min(self, x: Array, axis: int) -> Array:
        return x.min(axis)

    def cummax(self, x: Array) -> Array:
        """Largest so far, along axis 0."""
        return np.maximum.accumulate(x)

    def cummin(self, x: Array) -> Array:
        """Smallest so far, along axis 0."""
        return np.minimum.accumulate(x)

    def flip(self, x: Array, axis: int = 0) -> Array:
        return np.flip(x, axis)

    def repeat(self, x: Array, counts: Array) -> Array:
        """Row i of x counts[i] times (int64 [n])."""
        return np.repeat(x, counts, 0)

    def frames(self, x: Array, size: int, hop: int) -> Array:
        """All windows of `size` that lie whole in x [n], every `hop`, as a view: [k, size]."""
        return np.lib.stride_tricks.sliding_window_view(x, size)[::hop]

    # places

    def nonzero(self, x: Array) -> tuple[Array, ...]:
        """Of each axis the places of what is not zero, int64 [k] each."""
        return np.nonzero(x)

    def unique(self, x: Array) -> Array:
        """Its values, ascending, each once."""
        ordered = np.sort(x)  # np.unique would import numpy.ma, which takes as long as the rest of a short decoding
        return ordered[_firsts(ordered)]

    def take_along(self, x: Array, index: Array, axis: int) -> Array:
        """x at places along an axis, as `numpy.take_along_axis`."""
        return np.take_along_axis(x, index, axis)

    def added_at(self, index: Array, values: Array, count: int) -> Array:
        """Values [k] summed by their places (int64 [k], 0 … count - 1, any of them several times): [count]."""
        out = np.zeros(count, values.dtype)
        np.add.at(out, index, values)
        return out

    def rows_added_at(self, index: Array, rows: Array, count: int) -> Array:
        """Rows [k, m] summed by their places, likewise: [count, m]."""
        out = np.zeros((count, rows.shape[1]), rows.dtype)
        while len(index):  # numpy adds whole rows fast where no place comes twice
            order = np.argsort(index, kind="stable")
            once = order[_firsts(index[order])]
            out[index[once]] += rows[once]
            index, rows = np.delete(index, once), np.delete(rows, once, 0)
        return out

    def replaced(self, x: Array, rows: Array, values: Array) -> Array:
        """x, but `values` at these rows (int64 [k], each once)."""
        out = x.copy()
        out[rows] = values
        return out

    def taken(self, x: Array, rows: Array) -> Array:
        """x[rows], rows int64 [k], in any order and any number of times."""
        return x[rows]

    def as_real(self, x: Array) -> Array:
        """complex64 [..., k] as float32 [..., 2 k]: the parts of each number beside each other."""
        return np.ascontiguousarray(x).view(np.float32)

    def split(self, x: Array, sizes: Sequence[int], axis: int = 0) -> list[Array]:
        """As the function of this name."""
        ends = np.cumsum(sizes).tolist()
        before = (slice(None),) * axis
        return [x[(*before, slice(end - size, end))] for end, size in zip(ends, sizes, strict=True)]

    # parts of a sound; numpy writes into the array that is given

    def scaled(self, x: Array, start: int, factor: Array) -> Array:
        """x [n] with its values from `start` on, as many as there are factors, times these."""
        x[start : start + len(factor)] *= factor
        return x

    def added(self, x: Array, start: int, part: Array) -> Array:
        """x [n] plus a part, from `start` on."""
        x[start : start + len(part)] += part
        return x

    def with_parts(self, x: Array, places: Sequence[int], parts: Sequence[Array]) -> Array:
        """x [n] plus parts, each from its place on."""
        for place, part in zip(places, parts, strict=True):
            x[place : place + len(part)] += part
        return x

    # Fourier

    def rfft(self, x: Array, n: int | None = None) -> Array:
        """Of the last axis, padded or cut to n."""
        return np.fft.rfft(x, n)

    def irfft(self, x: Array, n: int) -> Array:
        return np.fft.irfft(x, n)


class _Torch(Library):
    """The same of torch."""

    word = "int64"

    def asarray(self, values: ArrayLike, like: Array, dtype: str | None = None) -> Array:
        return self._module.as_tensor(values, dtype=self._dtype(dtype), device=like.device)

    def zeros(self, shape: int | tuple[int, ...], dtype: str, like: Array) -> Array:
        return self._module.zeros(shape, dtype=self._dtype(dtype), device=like.device)

    def full(self, shape: int | tuple[int, ...], value: float, dtype: str, like: Array) -> Array:
        shape = (shape,) if isinstance(shape, int) else shape
        return self._module.full(shape, value, dtype=self._dtype(dtype), device=like.device)

    def arange(self, start: int, stop: int, like: Array) -> Array:
        return self._module.arange(start, stop, dtype=self._module.int64, device=like.device)

    def numpy(self, x: Array) -> NDArray[Any]:
        array: NDArray[Any] = x.detach().resolve_conj().cpu().numpy()
        return array

    def detach(self, x: Array) -> Array:
        return x.detach()

    def astype(self, x: Array, dtype: str) -> Array:
        return x.to(self._dtype(dtype))

    def clip(self, x: Array, low: Array | float | None, high: Array | float | None) -> Array:
        return self._module.clamp(x, low, high)

    def sigmoid(self, x: Array) -> Array:
        return self._module.sigmoid(x)

    def complex(self, real: Array, imaginary: Array) -> Array:
        return self._module.complex(real, imaginary)

    def max(self, x: Array, axis: int) -> Array:
        return x.amax(axis)

    def min(self, x: Array, axis: int) -> Array:
        return x.amin(axis)

    def cummax(self, x: Array) -> Array:
        return x.cummax(0).values

    def cummin(self, x: Array) -> Array:
        return x.cummin(0).values

    def flip(self, x: Array, axis: int = 0) -> Array:
        return x.flip(axis)

    def repeat(self, x: Array, counts: Array) -> Array:
        return x.repeat_interleave(counts, 0)

    def frames(self, x: Array, size: int, hop: int) -> Array:
        return x.unfold(-1, size, hop)

    def nonzero(self, x: Array) -> tuple[Array, ...]:
        places: tuple[torch.Tensor, ...] = x.nonzero(as_tuple=True)
        return places

    def unique(self, x: Array) -> Array:
        return x.unique()

    def take_along(self, x: Array, index: Array, axis: int) -> Array:
        return x.gather(axis, index)

    def added_at(self, index: Array, values: Array, count: int) -> Array:
        return values.new_zeros(count).index_add(0, index, values)

    def rows_added_at(self, index: Array, rows: Array, count: int) -> Array:
        return rows.new_zeros(count, rows.shape[1]).index_add(0, index, rows)

    def replaced(self, x: Array, rows: Array, values: Array) -> Array:
        return x.index_copy(0, rows, values)

    def taken(self, x: Array, rows: Array) -> Array:
        return x.index_select(0, self._module.as_tensor(rows, device=x.device))

    def as_real(self, x: Array) -> Array:
        return self._module.view_as_real(x).flatten(-2)

    def split(self, x: Array, sizes: Sequence[int], axis: int = 0) -> list[Array]:
        return list(x.split(list(sizes), axis))  # whose gradients are put together once

    def scaled(self, x: Array, start: int, factor: Array) -> Array:
        end = start + len(factor)
        before, part, after = x.split([start, len(factor), len(x) - end])
        return self._module.cat([before, part * factor, after])

    def added(self, x: Array, start: int, part: Array) -> Array:
        end = start + len(part)
        before, plain, after = x.split([start, len(part), len(x) - end])
        return self._module.cat([before, plain + part, after])

    def with_parts(self, x: Array, places: Sequence[int], parts: Sequence[Array]) -> Array:
        from ._torch_parts import WithParts

        return WithParts.apply(x, tuple(places), *parts)

    def rfft(self, x: Array, n: int | None = None) -> Array:
        return self._module.fft.rfft(x, n)

    def irfft(self, x: Array, n: int) -> Array:
        return self._module.fft.irfft(x, n)

    def _dtype(self, name: str | None) -> Any:
        return None if name is None else getattr(self._module, name)


NUMPY = Library(np)


def library_of(x: Array) -> Library:
    """The library of an array."""
    return NUMPY if isinstance(x, np.ndarray) else _torch()


@cache
def _torch() -> Library:
    import torch

    return _Torch(torch)


def _firsts(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a value of an array in order comes first: bool [n]."""
    firsts = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=firsts[1:])
    return firsts


def split(x: Array, sizes: Sequence[int], axis: int = 0) -> list[Array]:
    """x cut along an axis in parts of these sizes, which add up to its length."""
    return library_of(x).split(x, sizes, axis)

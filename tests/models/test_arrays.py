"""The seam over numpy and torch: every function gives the same known answer in both."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from sparsecodec_models.dsp.arrays import NUMPY, SAME, Library, library_of, split
from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.dsp.room import convolve, room_gain, room_response

LIKE = {"numpy": np.zeros(1, np.float32), "torch": torch.zeros(1)}


@pytest.fixture(params=["numpy", "torch"])
def like(request: pytest.FixtureRequest) -> Any:
    return LIKE[request.param]


@pytest.fixture
def xp(like: Any) -> Library:
    return library_of(like)


def check(xp: Library, found: Any, expected: Any, dtype: str | None = None) -> None:
    """Values, shape, library, and type: that of `expected` where it is an array."""
    dtype = dtype or str(np.asarray(expected).dtype)
    assert isinstance(found, np.ndarray | np.generic) == (xp is NUMPY)
    assert str(found.dtype).removeprefix("torch.") == dtype
    found = xp.numpy(found)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


F = np.array([0.25, 1.0, 2.0, 4.0], np.float32)
G = np.array([[1.0, 5.0], [3.0, -2.0], [2.0, 4.0]], np.float32)
W = np.array([3, -7, 8], np.int64)
B = np.array([True, False, True])
ELEMENTWISE = {
    "exp": (F, [1.2840254, 2.7182818, 7.389056, 54.59815]),
    "exp2": (F, [1.1892071, 2.0, 4.0, 16.0]),
    "log": (F, [-1.3862944, 0.0, 0.6931472, 1.3862944]),
    "log2": (F, [-2.0, 0.0, 1.0, 2.0]),
    "log10": (F, [-0.60206, 0.0, 0.30103, 0.60206]),
    "sqrt": (F, [0.5, 1.0, 1.4142135, 2.0]),
    "square": (F, [0.0625, 1.0, 4.0, 16.0]),
    "sin": (F, [0.24740396, 0.84147098, 0.90929743, -0.7568025]),
    "cos": (F, [0.96891242, 0.54030231, -0.41614684, -0.65364362]),
    "abs": (G, [[1, 5], [3, 2], [2, 4]]),
    "sign": (G, [[1, 1], [1, -1], [1, 1]]),
    "floor": (F - 1, [-1, 0, 1, 3]),
    "ceil": (F, [1, 1, 2, 4]),
    "round": (F + 0.25, [0, 1, 2, 4]),  # halves to even: 0.5, 1.25, 2.25, 4.25
    "zeros_like": (F, [0, 0, 0, 0]),
    "ones_like": (F, [1, 1, 1, 1]),
}


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_elementwise(xp: Library, like: Any, name: str) -> None:
    given, expected = ELEMENTWISE[name]
    check(xp, getattr(xp, name)(xp.asarray(given, like)), np.array(expected, np.float32))


def shared(xp: Library, like: Any) -> dict[str, tuple[Any, Any]]:
    """Of the other functions of `SAME`, what they give and should give."""
    f, g, i, b = (xp.asarray(x, like) for x in (F, G, W, B))
    z = xp.complex(f, -f)
    return {
        "arctan2": (xp.arctan2(f, -f), np.full(4, 2.3561945, np.float32)),
        "conj": (xp.conj(z), F + 1j * F),
        "isfinite": (xp.isfinite(xp.where(f > 3, np.inf, f)), [True, True, True, False]),
        "logical_and": (xp.logical_and(b, xp.asarray([True, True, False], like)), [True, False, False]),
        "logical_or": (xp.logical_or(b, xp.asarray([True, False, False], like)), [True, False, True]),
        "logical_not": (xp.logical_not(b), [False, True, False]),
        "where": (xp.where(f > 1, f, 0.0), np.array([0, 0, 2, 4], np.float32)),
        "maximum": (xp.maximum(f, xp.flip(f)), np.array([4, 2, 2, 4], np.float32)),
        "minimum": (xp.minimum(f, xp.flip(f)), np.array([0.25, 1, 1, 0.25], np.float32)),
        "remainder": (xp.remainder(i, 5), np.array([3, 3, 3])),
        "floor_divide": (xp.floor_divide(i, 2), np.array([1, -4, 4])),
        "einsum": (xp.einsum("nb,nb->n", g, g), np.array([26, 13, 20], np.float32)),
        "outer": (xp.outer(f[:2], f[2:]), np.array([[0.5, 1], [2, 4]], np.float32)),
        "stack": (xp.stack([f[:2], f[2:]], 1), np.array([[0.25, 2], [1, 4]], np.float32)),
        "concatenate": (xp.concatenate([g, g[:, :1]], 1), np.array([[1, 5, 1], [3, -2, 3], [2, 4, 2]], np.float32)),
        "cumsum": (xp.cumsum(g, 0), np.array([[1, 5], [4, 3], [6, 7]], np.float32)),
        "sum": (xp.sum(g, 1), np.array([6, 1, 6], np.float32)),
        "any": (xp.any(g < 0, 1), [False, True, False]),
        "all": (xp.all(g > 0, 0), [True, False]),
        "argsort": (xp.argsort(i), [1, 0, 2]),
        "searchsorted": (xp.searchsorted(f, xp.asarray(np.float32([1, 3]), like)), [1, 3]),
    }


def test_shared_functions(xp: Library, like: Any) -> None:
    for name, (found, expected) in shared(xp, like).items():
        print(name)
        check(xp, found, np.asarray(expected))


def test_every_shared_function_is_tried(xp: Library, like: Any) -> None:
    assert ELEMENTWISE.keys() | shared(xp, like).keys() == SAME
    with pytest.raises(AttributeError):
        _ = xp.ptp


def test_new_arrays(xp: Library, like: Any) -> None:
    for dtype in ("float32", "float64", "int64", "bool", "complex64"):
        check(xp, xp.zeros((2, 3), dtype, like), np.zeros((2, 3)), dtype)
        check(xp, xp.full(3, 1, dtype, like), np.ones(3), dtype)
        check(xp, xp.asarray([0, 1], like, dtype), np.array([0, 1]), dtype)
        check(xp, xp.astype(xp.asarray([1.0, 0.0], like), dtype), np.array([1, 0]), dtype)
    check(xp, xp.zeros(2, "float32", like), np.zeros(2), "float32")
    check(xp, xp.arange(-2, 3, like), np.arange(-2, 3))
    check(xp, xp.astype(xp.asarray(np.float64([-1.5, 2.7]), like), "int64"), np.array([-1, 2]))
    assert xp.numpy(xp.asarray(F, like)) is F or np.shares_memory(xp.numpy(xp.asarray(F, like)), F)


def test_python_numbers_leave_the_type_alone(xp: Library, like: Any) -> None:
    f, d = xp.asarray(F, like), xp.asarray(F.astype(np.float64), like)
    check(xp, 10.0 ** (f / 2.0) * 3, np.float32([4.0005643, 9.486833, 30, 300]))
    check(xp, f + d, 2 * F.astype(np.float64))
    check(xp, xp.asarray(W, like) * d[:3], W * F[:3].astype(np.float64))


def test_bounds(xp: Library, like: Any) -> None:
    f = xp.asarray(F, like)
    check(xp, xp.clip(f, 1.0, 3.0), np.float32([1, 1, 2, 3]))
    check(xp, xp.clip(f, None, 1.5), np.float32([0.25, 1, 1.5, 1.5]))
    check(xp, xp.clip(f, xp.flip(f), None), np.float32([4, 2, 2, 4]))
    check(xp, xp.clip(xp.asarray(W, like), 0, None), np.array([3, 0, 8]))
    check(xp, xp.sigmoid(f - 1), np.float32([0.32082131, 0.5, 0.73105858, 0.95257413]))
    check(xp, xp.sigmoid(f * 1000 - 2000), np.float32([0, 0, 0.5, 1]))


def test_along_an_axis(xp: Library, like: Any) -> None:
    g, i = xp.asarray(G, like), xp.asarray(W, like)
    check(xp, xp.max(g, 1), np.float32([5, 3, 4]))
    check(xp, xp.min(g, 0), np.float32([1, -2]))
    check(xp, xp.cummax(i), np.array([3, 3, 8]))
    check(xp, xp.cummin(i), np.array([3, -7, -7]))
    check(xp, xp.flip(i), np.array([8, -7, 3]))
    check(xp, xp.flip(g, 1), G[:, ::-1])
    check(xp, xp.repeat(i, xp.asarray([2, 0, 1], like)), np.array([3, 3, 8]))
    check(xp, xp.repeat(g, xp.asarray([0, 1, 2], like)), np.float32([[3, -2], [2, 4], [2, 4]]))
    check(xp, xp.frames(xp.arange(0, 8, like), 4, 2), np.array([[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]))
    first, second = split(g, [1, 2])
    check(xp, first, G[:1])
    check(xp, second, G[1:])


def test_places(xp: Library, like: Any) -> None:
    g, i = xp.asarray(G, like), xp.asarray(W, like)
    row, column = xp.nonzero(g > 2)
    check(xp, row, np.array([0, 1, 2]))
    check(xp, column, np.array([1, 0, 1]))
    check(xp, xp.unique(xp.asarray([5, 2, 5, -1], like)), np.array([-1, 2, 5]))
    check(xp, xp.take_along(g, xp.asarray([[1], [1], [0]], like), 1), np.float32([[5], [-2], [2]]))
    check(xp, xp.added_at(xp.asarray([3, 0, 3], like), g[:, 0], 5), np.float32([3, 0, 0, 3, 0]))
    check(xp, xp.added_at(xp.asarray([1, 1, 0], like), i, 2), np.array([8, -4]))
    check(xp, xp.added_at(i[:0], g[:0, 0], 2), np.float32([0, 0]))
    check(xp, xp.added_at(xp.asarray([1, 1], like), xp.complex(g[:2, 0], g[:2, 1]), 2), np.complex64([0, 4 + 3j]))
    added = xp.rows_added_at(xp.asarray([3, 0, 3], like), g, 4)
    check(xp, added, np.float32([[3, -2], [0, 0], [0, 0], [3, 9]]))
    check(xp, xp.rows_added_at(i[:0], g[:0], 2), np.float32([[0, 0], [0, 0]]))
    check(xp, xp.replaced(g, xp.asarray([2, 0], like), g[:2] * 10), np.float32([[30, -20], [3, -2], [10, 50]]))
    check(xp, g, G)  # not in place


def test_parts(xp: Library, like: Any) -> None:
    g, f = (xp.asarray(x, like) for x in (G, F))
    check(xp, xp.taken(g, xp.asarray([2, 0, 2], like)), G[[2, 0, 2]])
    left, right = split(g, [1, 1], 1)
    check(xp, left, G[:, :1])
    check(xp, right, G[:, 1:])
    pairs = xp.complex(xp.asarray(G, like), xp.asarray(-G, like))
    check(xp, xp.as_real(pairs), np.float32([[1, -1, 5, -5], [3, -3, -2, 2], [2, -2, 4, -4]]))
    check(xp, xp.as_real(pairs.T), np.float32([[1, -1, 3, -3, 2, -2], [5, -5, -2, 2, 4, -4]]))
    check(xp, xp.scaled(f + 0, 1, xp.asarray(np.float32([2, 3]), like)), np.float32([0.25, 2, 6, 4]))
    check(xp, xp.scaled(f + 0, 4, f[:0]), F)
    check(xp, xp.added(f + 0, 1, f[:2]), np.float32([0.25, 1.25, 3, 4]))
    check(xp, xp.with_parts(f + 0, [2, 0], [f[:2], f[1:]]), np.float32([1.25, 3, 6.25, 5]))
    check(xp, xp.with_parts(f + 0, [], []), F)


def test_gradients_go_through_parts() -> None:
    x, y = (torch.tensor(F, requires_grad=True) for _ in range(2))
    out = library_of(x).with_parts(x, [1, 0], [y[:2], y])
    weight = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    (library_of(x).scaled(out, 2, torch.tensor([2.0])) * weight).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 10, 200, 1000]
    assert y.grad is not None and y.grad.tolist() == [1 + 10, 10 + 200, 200, 1000]


def test_fourier_transforms_keep_single_precision(xp: Library, like: Any) -> None:
    x = xp.asarray(np.float32([1, 2, 0, -1]), like)
    check(xp, xp.rfft(x), np.complex64([2, 1 - 3j, 0]))
    check(xp, xp.rfft(x[:3], 4), np.complex64([3, 1 - 2j, -1]))
    check(xp, xp.irfft(xp.rfft(x), 4), np.float32([1, 2, 0, -1]))
    check(xp, xp.rfft(xp.asarray(np.float64([[1, 1], [1, -1]]), like)), np.complex128([[2, 0], [0, 2]]))
    check(xp, xp.complex(x, -x), np.complex64([1 - 1j, 2 - 2j, 0, -1 + 1j]))


def test_no_gradient_flows_through_what_is_detached() -> None:
    xp = library_of(torch.zeros(1))
    x = torch.ones(3, requires_grad=True)
    assert not xp.detach(x).requires_grad
    xp.added_at(torch.tensor([0, 0, 1]), 2.0 * x, 2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2, 2, 2]
    assert NUMPY.detach(F) is F


def test_noise_and_room_are_the_same_in_both_libraries(xp: Library, like: Any) -> None:
    for start in (-5, 2**32 - 3):  # beyond 2^32, another hash
        check(xp, white_noise(7, 1, start, 40, like), white_noise(7, 1, start, 40))
    check(xp, white_noise(7, 1, 2**32, 3, like), np.float32([-0.2381001, 0.84736776, 1.0742072]))
    check(xp, room_gain(xp.asarray(np.float64([-60, -54, 0]), like)), np.float32([0, 0, 1 - 10 ** (-54 / 20)]))
    response = room_response(22050, 0.25)
    assert response.dtype == np.float32 and np.linalg.norm(response) == pytest.approx(1, abs=1e-6)
    signal = white_noise(1, 0, 0, 9000)
    check(xp, convolve(xp.asarray(signal, like), response), np.convolve(signal, response)[:9000].astype(np.float32))


def test_numpy_alone_imports_no_torch() -> None:
    code = "import sys; from sparsecodec_models.dsp import arrays, noise, room; noise.white_noise(0, 0, 0, 9)"
    subprocess.run([sys.executable, "-c", f"{code}; room.room_response(22050, .25); assert 'torch' not in sys.modules"],
                   check=True, timeout=60)  # fmt: skip

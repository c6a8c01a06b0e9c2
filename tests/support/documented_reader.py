"""A reader of headers and of codec 1 written from docs/format.md alone, to check the page; slow, and shares nothing."""

from __future__ import annotations

import json
import zlib
from itertools import pairwise
from pathlib import Path
from struct import pack, unpack
from typing import Any

STATISTICS = Path(__file__).parents[2] / "formats/sparsecodec_formats/blocks/statistics"
M = (16384, 17867, 19484, 21247, 23170, 25268, 27554, 30048)
N = (16384, 15024, 13777, 12634, 11585, 10624, 9742, 8933)
ALL = 2**24
MOST = 2**20

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
PRESETS = {1: "speech", 2: "reference", 3: "music"}


def gain(number: int) -> float:
    """What a zigzag stands for."""
    if number == 0:
        return 0.0
    code = number // 2 if number % 2 == 0 else -(number + 1) // 2
    (single,) = unpack("<f", pack("<f", 10 ** (-(abs(code) - 1) / 2000)))
    return single if code > 0 else -single


def length_at_end(data: bytes) -> int:
    """Of a whole file whose header tells none."""
    end = data[-13:]
    assert end[0] == 0xED and zlib.crc32(end[:7]).to_bytes(4, "little")[:2] == end[7:9]
    return int.from_bytes(end[1:7], "little")


def header(data: bytes) -> tuple[dict[str, Any], int]:
    """The fields of the header at the front of a file, and how many bytes it takes."""
    at = 5

    def take(n: int) -> bytes:
        nonlocal at
        at += n
        return data[at - n : at]

    def varint() -> int:
        out = shift = 0
        while True:
            byte = take(1)[0]
            out |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return out

    def text() -> str:
        return take(varint()).decode()

    assert data[:4] == bytes([0x89, 0x53, 0x49, 0x43]) and data[4] >> 4 == 1
    minor = data[4] & 15
    length = varint()
    start = at
    flags = take(1)[0]
    rate = take(1)[0]
    found: dict[str, Any] = {"sample_rate": RATES[rate - 1] if rate else varint()}
    found["channels"] = take(1)[0] if flags & 1 else 1
    streams = take(1)[0] if flags & 32 else 0
    codes_of = [[varint() for _ in range(streams)] for _ in range(found["channels"] if streams else 0)]
    found["gains"] = tuple(tuple(gain(code) for code in row) for row in codes_of)
    found["n_samples"] = length_at_end(data) if flags & 64 else varint()
    preset = take(1)[0]
    found["model"] = PRESETS[preset] if preset else text()
    found["weights_hash"] = take(4)
    found["statistics"] = take(1)[0]
    found["time_unit"] = (varint(), varint()) if flags & 2 else (32, 11025)
    codes = take(32) if flags & 4 else take(1) * 32
    eighths = [2.0 ** (i / 8) for i in range(8)]
    found["step"] = [eighths[(code - 128) % 8] * 2.0 ** ((code - 128) // 8) for code in codes]
    found["seed"] = varint() if flags & 8 else 0
    found["noise"] = tuple(varint() for _ in range(streams or found["channels"])) if flags & 128 else ()
    found["tags"] = {text(): text() for _ in range(varint())} if flags & 16 else {}
    if minor > 0:
        at = max(at, start + length)  # fields that this page does not know
    assert at - start == length
    assert zlib.crc32(data[:at]).to_bytes(4, "little")[:2] == take(2)
    return found, at


E = [2**60]
for _ in range(1536):
    E.append(E[-1] * 1135047113432355401 >> 60)
T = [ALL * e // (2**60 + e) for e in E]


def logistic(x: int) -> int:
    a = min(abs(x), 24 * 1024)
    i = a >> 4
    t = T[i] - ((T[i] - T[min(i + 1, 1536)]) * (a & 15) >> 4)
    return t if x < 0 else ALL - t


def table(shares: list[int]) -> list[int]:
    f = [256 + w * (ALL - 256 * len(shares)) // sum(shares) for w in shares]
    f[shares.index(max(shares))] += ALL - sum(f)
    return f


class Numbers:
    """The kinds of numbers that range-coded data hold."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.span, self.ahead = 2**64 - 1, self.take(8)

    def take(self, n: int) -> int:
        self.at += n
        return int.from_bytes(self.data[self.at - n : self.at].ljust(n, b"\0"), "big")

    def symbol(self, f: list[int]) -> int:
        unit = self.span >> 24
        place = self.ahead // unit
        assert place < ALL, "damaged"
        s = begin = 0
        while begin + f[s] <= place:
            begin += f[s]
            s += 1
        self.ahead -= unit * begin
        self.span = unit * f[s]
        if self.span < 2**32:
            self.span <<= 32
            self.ahead = self.ahead << 32 | self.take(4)
        return s

    def uniform(self, k: int) -> int:
        out = 0
        for at in range(0, k, 8):
            bits = min(8, k - at)
            out |= self.symbol([ALL >> bits] * 2**bits) << at
        return out

    def golomb(self) -> int:
        length = self.symbol(table([2 ** max(0, 16 - i) for i in range(48)]))
        return 2**length + self.uniform(length) - 1

    def bit(self, weight: int) -> int:
        p = logistic(256 * weight)
        return self.symbol(table([ALL - p, p]))

    def number(self, scale: int, mean: int, spike: tuple[int, int] | None = None) -> int:
        if scale > 23:
            if spike and self.bit(spike[1]):
                return spike[0]
            k = (scale - 16) >> 3
            low = self.uniform(k)
            return self.number(scale - 8 * k, (mean - 8 * (2**k - 1)) >> k) * 2**k + low
        scale = max(scale, -32)
        reach = 2 + (M[scale % 8] << 4 >> (15 - (scale >> 3)))
        middle = (mean + 8) >> 4
        part = mean - 16 * middle
        steps = range(-reach, reach + 2)
        c = [logistic(((2 * j - 1) * 8 - part) * 64 * N[scale % 8] >> (14 + (scale >> 3))) for j in steps]
        shares = [after - before for before, after in pairwise(c)] + [ALL - c[-1], c[0]]
        if spike:
            p = logistic(256 * spike[1])
            shares = [share * (ALL - p) >> 24 for share in shares]
            if abs(spike[0] - middle) <= reach:
                shares[spike[0] - middle + reach] += p
            else:
                shares.append(p)
        s = self.symbol(table(shares))
        if s <= 2 * reach:
            return middle + s - reach
        if s == 2 * reach + 1:
            return middle + reach + 1 + self.golomb()
        if s == 2 * reach + 2:
            return middle - reach - 1 - self.golomb()
        assert spike
        return spike[0]


class Grid:
    def __init__(self, step_code: int) -> None:
        self.eighths = step_code - 128
        self.o, self.i = self.eighths >> 3, self.eighths % 8

    def value(self, code: int) -> int:
        scaled, shift = code * M[self.i], self.o - 6
        out = scaled << shift if shift >= 0 else (scaled + (1 << -shift >> 1)) >> -shift
        return max(-MOST, min(MOST, out))

    def sixteenths(self, value: int) -> int:
        return value * N[self.i] >> (18 + self.o)

    def filling(self, gap: int, unit: tuple[int, int], of: dict[str, Any]) -> int:
        (a, b), (c, d) = of["seconds"], of["octaves"]
        r, octaves = (b * gap * unit[0] << 62) // (a * unit[1]), 0
        if r < 1 << 62:
            return 0
        while r >= 1 << 63:
            r >>= 1
            octaves += 1
        log2 = octaves
        for _ in range(16):
            r = r * r >> 62
            log2 = 2 * log2 + (r >= 1 << 63)
            r >>= r >= 1 << 63
        w = (log2 * d // c) * N[self.i]
        w = w >> (14 + self.o) if 14 + self.o >= 0 else w << -(14 + self.o)
        return min(max(0, -((66 - w) >> 16)), MOST)


def decode(
    data: bytes, n: int, first_time: int, step_codes: list[int], unit: tuple[int, int], number: int
) -> dict[str, Any]:
    """Columns of a block from what follows its check; number: of the statistics."""
    known = json.loads((STATISTICS / f"{number}.json").read_text(encoding="utf-8"))
    names, limits = known["names"], known["gap_limits"]
    coded = Numbers(data)
    grids = [Grid(code) for code in step_codes]
    loud = coded.bit(-12)
    flag = known["begins"]["dim"]
    codes: dict[str, list[int]] = {flag: []}
    grid, begins, context = grids[names.index(flag)], [], 2
    for i in range(n):
        s = coded.symbol(table(known["begins"]["shares"][context]))
        if s == 2:
            code = coded.number(16 - grid.eighths, 0)
        else:
            code = 0
            step = M[grid.i] * 2 ** (16 + grid.o)
            if s == 1:
                code = -(-(51 * 2**30) // (100 * step))
        codes[flag].append(code)
        context = int(grid.value(code) > 128)
        begins.append(context == 1 or i == 0)
    low, group = min(coded.uniform(2), 2), coded.uniform(2)
    gaps = [0]
    for i in range(1, n):
        context = 0 if begins[i] else 1 + (gaps[-1] > limits[0]) + (gaps[-1] > limits[1])
        f = table(known["gaps"][group][context])
        q = coded.symbol(f)
        if q == len(f) - 1:
            q += coded.golomb()
        gaps.append(4 * q + (coded.uniform(2 - low) << low))
    kinds = [0 if begins[i] else 1 + sum(gaps[i] > limit for limit in limits) for i in range(n)]
    values: dict[str, list[int]] = {}
    first: list[int | None] = [None, *range(n - 1)]
    second = [None, *first[:-1]]
    side = [0] * n
    near = known.get("nearest")
    changes = [kind > 0 for kind in kinds]
    for name in known["order"]:
        if near and near["alike"] in values and near["near"] in values:
            side = [1 if value > 128 else 2 if value < -128 else 0 for value in values[near["alike"]]]
            pitch = values[near["near"]]
            for i in range(n):
                alike = [j for j in range(i) if side[j] == side[i]][-64:]
                first[i] = min(alike, key=lambda j: (abs(pitch[j] - pitch[i]), -j), default=None)
                second[i] = alike[-1] if alike else None
                kinds[i] = 4 * side[i]
                if alike:
                    kinds[i] += 1 + sum(abs(pitch[first[i]] - pitch[i]) > limit for limit in near["limits"])
                changes[i] = True
            near = None
        of, grid = known["dims"][name], grids[names.index(name)]
        codes[name], values[name] = [], []
        m, count = [of["start"]] * 3, [0, 0, 0]
        was_spike: list[bool] = []
        for i in range(n):
            a, b = first[i], second[i]
            changed = 0
            if changes[i]:
                for d, w in of.get("change", {}).items():
                    changed += w * (values[d][i] - (known["dims"][d]["start"] if a is None else values[d][a]))
                changed >>= 8
            at_spike = a is not None and was_spike[a]
            kind = of["kinds"][at_spike][kinds[i]] if "kinds" in of else kinds[i]
            x1 = of["start"] if a is None else values[name][a]
            x2 = of["start"] if b is None else values[name][b]
            mean = (of["last"][kind] * x1 + of["before"][kind] * x2 + of["average"][kind] * m[side[i]]) >> 8
            mean = max(-MOST, min(MOST, of["mean"][kind] + changed + mean))
            spike = None
            if "spike" in of:
                rule = of["spike"]
                code = 0
                if rule["code"] == "gap":
                    code = grid.filling(gaps[i], unit, rule)
                elif rule["code"] == "before" and a is not None:
                    code = codes[name][a]
                ends = i == n - 1 or begins[i + 1]
                context = {"begins": int(begins[i]), "ends": int(ends), "kind": kinds[i]}[rule["context"]]
                weight = rule["logits"][at_spike][context]
                weight += sum(w * values[d][i] for d, w in rule.get("telling", {}).items()) >> 16
                spike = code, max(-40, min(40, weight))
            scale = of["scale"][kind] + (of["coarser"] * grid.eighths >> 8)
            code = coded.number(scale - grid.eighths, grid.sixteenths(mean), spike)
            was_spike.append(spike is not None and code == spike[0])
            codes[name].append(code)
            value = grid.value(code)
            values[name].append(value)
            m[side[i]] += (value - m[side[i]]) * (256 // (min(count[side[i]], 32) + 2)) >> 8
            count[side[i]] += 1
    amplitude = [0] * n
    last = 0
    scale, weight = known["amplitude"]
    for i in range(n if loud else 0):
        last = amplitude[i] = coded.number(scale, 16 * last, (last, weight))
    times = [first_time + sum(gaps[: i + 1]) for i in range(n)]
    return {"time": times, "vector": [[codes[d][i] for d in names] for i in range(n)], "amplitude": amplitude}

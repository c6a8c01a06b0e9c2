"""Hostile files: how they are made from sound ones, and what must hold of whatever a reader makes of them.

A maker is a generator of (kind, bytes). A judge takes such bytes, returns "refused" or "harmless", and raises
`Finding` for anything else; an exception that is no SicError is a finding as well, and passes through.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgpack
import numpy as np
import zstandard

from sparsecodec_formats import EventTable, FormatError, Reader, SicError, dumps, loads, salvage, verify
from sparsecodec_formats.container.framing import BLOCK_MARK, Head, pack_end
from sparsecodec_formats.container.header_bytes import pack_header
from sparsecodec_formats.crc import check_of
from sparsecodec_formats.varint import encode_varint

Made = tuple[str, bytes]
EDGES = (0, 1, 2, 127, 128, 255, 2**16, 2**16 + 1, 2**20, 2**31, 2**32 - 1, 2**32, 2**47, 2**48 - 1)
SHORTEST_ROUND_TRIP_S = 1.0  # of sound that is rendered at each end of a forged file


class Finding(Exception):
    """Something that a hostile file must not be able to do."""


# Damage: nothing is mended, so that checks must notice


def every_flip(data: bytes) -> Iterator[Made]:
    """Each bit flipped."""
    for at in range(8 * len(data)):
        yield "flip", _flipped(data, at)


def every_cut(data: bytes) -> Iterator[Made]:
    """The first n bytes, for every n below all."""
    for n in range(len(data)):
        yield "cut", data[:n]


def every_block_moved(data: bytes) -> Iterator[Made]:
    """Blocks dropped, doubled and swapped with their neighbours; bytes after the end; the file twice."""
    head, *blocks, end = pieces(data)
    for i, block in enumerate(blocks):
        rest = blocks[:i], blocks[i + 1 :]
        yield "dropped", b"".join([head, *rest[0], *rest[1], end])
        yield "doubled", b"".join([head, *rest[0], block, block, *rest[1], end])
        for j in range(i + 1, len(blocks)):
            order = list(blocks)
            order[i], order[j] = order[j], order[i]
            yield "swapped", b"".join([head, *order, end])
    for tail in (b"\0", end, head, data, bytes(1000)):
        yield "joined", data + tail
        yield "joined", data[: len(data) - len(end)] + tail


def damage(data: bytes, rng: np.random.Generator) -> Iterator[Made]:
    """Without end: bits flipped, bytes overwritten, put in and taken out, at random places."""
    while True:
        kind = str(rng.choice(["flip", "burst", "insert", "delete", "splice"]))
        at, n = int(rng.integers(len(data))), int(rng.integers(1, 40))
        match kind:
            case "flip":
                bad = data
                for bit in rng.integers(0, 8 * len(data), rng.integers(1, 5)):
                    bad = _flipped(bad, int(bit))
            case "burst":
                bad = data[:at] + rng.bytes(n) + data[at + n :]
            case "insert":
                bad = data[:at] + rng.bytes(n) + data[at:]
            case "delete":
                bad = data[:at] + data[at + n :]
            case _:
                other = int(rng.integers(len(data)))
                bad = data[:at] + data[other : other + n] + data[at + n :]
        if bad != data:
            yield kind, bad


def _flipped(data: bytes, at: int) -> bytes:
    bad = bytearray(data)
    bad[at >> 3] ^= 1 << (at & 7)
    return bytes(bad)


def pieces(data: bytes) -> list[bytes]:
    """Header, blocks and end of a sound file."""
    reader = Reader(io.BytesIO(data))
    cuts = [0, reader.header_bytes]
    for raw in reader.raw_blocks():
        cuts.append(cuts[-1] + raw.head_bytes + len(raw.payload))
    return [data[a:b] for a, b in zip(cuts, [*cuts[1:], len(data)], strict=True)]


# Forgery: all checks are made to match, so that nothing but the reader's own limits is between bytes and their use


def forge(data: bytes, rng: np.random.Generator) -> Iterator[Made]:
    """Without end: a sound file with some of its fields changed, and checks to match."""
    reader = Reader(io.BytesIO(data))
    header, raws = reader.header, list(reader.raw_blocks())
    body = pack_header(header)
    while True:
        kind = str(rng.choice(["header", "head", "payload", "bomb", "deep"] if raws else ["header"]))
        head_bytes, blocks = body, [(raw.head, raw.payload) for raw in raws]
        i = int(rng.integers(len(blocks))) if blocks else 0
        match kind:
            case "header":
                n = int(rng.integers(1, 4))
                inner = body[6:-2] if len(body) < 136 else body[7:-2]
                for _ in range(n):
                    inner = _edited(inner, rng)
                head_bytes = body[:5] + encode_varint(len(inner)) + inner
                head_bytes += check_of(head_bytes)
            case "head":
                name = str(rng.choice(["codec", "channel", "n_events", "first_index", "first_time", "payload_bytes"]))
                limit = {"codec": 15, "channel": 255}.get(name, 2**48 - 1)
                value = int(rng.choice(EDGES)) if rng.integers(2) else getattr(blocks[i][0], name) + rng.integers(-2, 3)
                blocks[i] = blocks[i][0]._replace(**{name: int(np.clip(value, 0, limit))}), blocks[i][1]
            case "payload":
                blocks[i] = _with_payload(blocks[i][0], _edited_payload(*blocks[i], rng))
            case "bomb":
                blocks[i] = _bomb(header.streams, rng)
            case _:
                blocks[i] = _with_payload(blocks[i][0]._replace(codec=0), _deep(rng))
        # what follows an altered header must be framed as the header now says; where it says nothing, as it was
        yield f"forged {kind}", join(head_bytes, blocks, header.streams)


def join(head_bytes: bytes, blocks: Iterable[tuple[Head, bytes]], streams: int) -> bytes:
    """A file of these parts, its checks and its CRC right, whatever the numbers in it."""
    data = bytearray(head_bytes)
    for head, payload in blocks:
        packed = bytes([BLOCK_MARK | head.codec]) + (bytes([head.channel]) if streams > 1 else b"")
        for number in (head.n_events, head.first_index, head.first_time, head.payload_bytes):
            packed += encode_varint(number)
        data += packed + check_of(packed) + payload
    return bytes(data) + pack_end(zlib.crc32(data))


def _with_payload(head: Head, payload: bytes) -> tuple[Head, bytes]:
    return head._replace(payload_bytes=len(payload)), payload


def _edited(data: bytes, rng: np.random.Generator) -> bytes:
    """One place of some bytes changed, in a way that numbers like to be changed in."""
    at = int(rng.integers(len(data) + 1))
    match int(rng.integers(4)):
        case 0:
            return data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]
        case 1:
            return data[:at] + encode_varint(int(rng.choice(EDGES))) + data[at + 1 :]
        case 2:
            return data[:at] + rng.bytes(int(rng.integers(1, 9))) + data[at:]
        case _:
            return data[:at] + data[at + int(rng.integers(1, 9)) :]


def _edited_payload(head: Head, payload: bytes, rng: np.random.Generator) -> bytes:
    if head.codec == 1:
        inner = _edited(payload[2:], rng)
        return check_of(inner) + inner
    raw = zstandard.ZstdDecompressor().decompress(payload)
    if rng.integers(2):
        return framed(_edited(raw, rng))
    columns = msgpack.unpackb(raw)
    k = int(rng.integers(len(columns)))
    columns[k] = _edited(columns[k], rng)
    return framed(msgpack.packb(columns))


def _bomb(streams: int, rng: np.random.Generator) -> tuple[Head, bytes]:
    """Few bytes that say they are many events, or unpack to many bytes."""
    n = int(rng.choice([1, 64, 4096, 2**16]))
    match int(rng.integers(4)):
        case 0:
            payload = framed(msgpack.packb([bytes(n - 1), bytes(32 * n)]))
        case 1:
            payload = framed(bytes(int(rng.choice([10**4, 10**6, 10**7]))))
        case 2:
            inner = rng.bytes(int(rng.integers(1, 40)))
            n = min(n, 256, 64 * (len(inner) + 2))  # each takes a millisecond to decode
            return _with_payload(Head(1, 0, n, 0, 0, 0), check_of(inner) + inner)
        case _:
            payload = framed(msgpack.packb([bytes(n - 1), bytes(32 * n)]), write_content_size=False)
    return _with_payload(Head(0, int(rng.integers(streams)), n, 0, 0, 0), payload)


def _deep(rng: np.random.Generator) -> bytes:
    """Msgpack in which arrays or maps are nested, or claim more than there is."""
    n = int(rng.choice([10, 100, 1000]))
    return framed(
        [b"\x91" * n, b"\x81\xc0" * n, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x92\xc6\xff\xff\xff\xff"][
            int(rng.integers(5))
        ]
    )


def framed(raw: bytes, **options: Any) -> bytes:
    """A zstd frame with all that the format asks for, but `options`."""
    return zstandard.ZstdCompressor(**{"write_checksum": True, **options}).compress(raw)


# Judges of .sic files


@dataclass(frozen=True)
class SicJudge:
    """What must hold of the bytes of a .sic file.

    original: the sound file that was damaged; None where checks were made to match, so that all may differ.
    render: of a forged file that is legal, takes its table and renders it, or refuses.
    """

    original: EventTable | None
    render: Callable[[EventTable], None] | None = None

    def __call__(self, data: bytes) -> str:
        problems = verify(io.BytesIO(data))
        try:
            table = loads(data)
        except FormatError as error:
            self._refused(data, error, problems)
            return "refused"
        if problems:
            raise Finding(f"is read, but verify says: {problems}")
        if self.original is not None:
            if table != self.original:
                raise Finding("a change is not noticed")
            return "harmless"
        if len(table) < 500 and loads(dumps(table)) != table:
            raise Finding("does not survive being written")
        if salvage(io.BytesIO(data)).missing:
            raise Finding("is whole, but salvage misses something")
        if self.render is not None:
            self.render(table)
        return "harmless"

    def _refused(self, data: bytes, error: FormatError, problems: list[str]) -> None:
        message = str(error)
        if not message or "\n" in message or not problems:
            raise Finding(f"is refused with {message!r}, verify says: {problems}")
        try:
            found = salvage(io.BytesIO(data))
        except FormatError:
            return  # without a header nothing can be had
        if not found.missing:
            raise Finding(f"is refused ({message}), but salvage misses nothing")
        if self.original is None:
            return
        part = found.table
        if Reader(io.BytesIO(data)).length_at_end:  # which may be lost
            part = part.replace(header=replace(part.header, n_samples=self.original.header.n_samples))
        if not is_part(part, self.original):
            raise Finding("salvage invents events")


def is_part(part: EventTable, whole: EventTable) -> bool:
    """Whether every event of `part` is one of `whole`, as often."""
    if part.header != whole.header:
        return False

    def rows(table: EventTable) -> np.ndarray[Any, Any]:
        columns = (table.time[:, None], table.channel[:, None], table.amplitude[:, None], table.vector)
        return np.concatenate(columns, axis=1, dtype=np.float64)

    theirs, counts = np.unique(rows(whole), axis=0, return_counts=True)
    mine, mine_counts = np.unique(rows(part), axis=0, return_counts=True)
    have = {row.tobytes(): n for row, n in zip(theirs, counts, strict=True)}
    return all(have.get(row.tobytes(), 0) >= n for row, n in zip(mine, mine_counts, strict=True))


# Weights files


def damage_weights(data: bytes, rng: np.random.Generator) -> Iterator[Made]:
    """Without end: a safetensors file cut, with its header changed, with other sizes, with numbers that are none."""
    size = int.from_bytes(data[:8], "little")
    head, body = data[8 : 8 + size], data[8 + size :]
    tensors = json.loads(head)
    names = [name for name in tensors if name != "__metadata__"]
    while True:
        kind = str(rng.choice(["cut", "flip", "shape", "config", "nan", "dtype", "length"]))
        match kind:
            case "cut":
                bad = data[: int(rng.integers(len(data)))]
            case "flip":
                bad = _flipped(data, int(rng.integers(8 * (8 + size))))
            case "length":
                bad = int(rng.choice(EDGES)).to_bytes(8, "little") + data[8:]
            case "nan":
                at = int(rng.integers(len(body) // 2)) * 2
                value = np.array(rng.choice([np.nan, np.inf, -np.inf]), np.float16).tobytes()
                bad = data[: 8 + size + at] + value + data[8 + size + at + 2 :]
            case "config":
                about = json.loads(tensors["__metadata__"]["sparsecodec"])
                _change_a_leaf(about["config"], rng)
                bad = _with_head(tensors | {"__metadata__": {"sparsecodec": json.dumps(about)}}, body)
            case _:
                name = str(rng.choice(names))
                entry = dict(tensors[name])
                if kind == "dtype":
                    entry["dtype"] = str(rng.choice(["F64", "F32", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "X"]))
                else:
                    huge = [2**62], [0], [], [-1], [2**32, 2**32], [1] * 64, [1.5], "x", [2**64]
                    entry["shape"] = list(huge)[int(rng.integers(len(huge)))]
                bad = _with_head(tensors | {name: entry}, body)
        if bad != data:
            yield f"weights {kind}", bad


def _change_a_leaf(config: Any, rng: np.random.Generator) -> None:
    keys = list(config) if isinstance(config, dict) else list(range(len(config)))
    key = keys[int(rng.integers(len(keys)))]
    if isinstance(config[key], (dict, list)) and config[key] and rng.integers(4):
        _change_a_leaf(config[key], rng)
        return
    others = 0, -1, 1, 2, 3, 7, 2**20, 2**31, 2**40, 2**63, 1.5, float("nan"), "x", None, [], [0], [10**9], True, {}
    config[key] = others[int(rng.integers(len(others)))]


def _with_head(tensors: dict[str, Any], body: bytes) -> bytes:
    head = json.dumps(tensors).encode()
    return len(head).to_bytes(8, "little") + head + body


def judge_weights(data: bytes, load: Callable[[bytes], Any], render: Callable[[Any], None]) -> str:
    """load: bytes → a codec; render: uses it, and raises Finding where that fails."""
    try:
        codec = load(data)
    except SicError as error:
        if "\n" in str(error) or not str(error):
            raise Finding(f"is refused with {str(error)!r}") from error
        return "refused"
    render(codec)
    return "harmless"

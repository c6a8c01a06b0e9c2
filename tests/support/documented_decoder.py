"""A decoder of preset `speech` written from docs/sound.md alone, to check the page; it shares nothing with ours.

    python tests/support/documented_decoder.py          how far it is from each golden sound

It works in double precision.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RATE, HOP, SIZE, BINS = 22050, 128, 512, 257
BIN_HZ = RATE / SIZE
TOP_HZ = RATE / 2 - 4 * BIN_HZ
TURN = 2**32
SCALE = np.array([1.5, 0.75, 0.75, 0.25, 0.5, 1 / 12, 1.0, 6.0])
OFFSET = np.array([-30.0, np.log2(0.06), np.log2(0.06), 0.0, 0.0, 0.0, 0.0, -60.0])
HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)
LONGEST_LINK_S, VOICED_FROM = 10, 0.08
SPREAD = 2.5
MARK, LEAST_AGE, REACH_S = 1024, 512, 2
ROOM_OFF_DB, ROOM_SEED, ROOM_LENGTH, ROOM_GAP = -54, 0x726F6F6D, 5512, 66


@dataclass(frozen=True)
class Weights:
    shape_mean: Floats  # [38]
    shape_basis: Floats  # [24, 38]
    contrast: float


def read_weights(data: bytes) -> Weights:
    """Of a weights file's bytes."""
    size = int.from_bytes(data[:8], "little")
    about = json.loads(data[8 : 8 + size])
    metadata = json.loads(about["__metadata__"]["sparsecodec"])
    assert metadata["model"] == "speech"

    def tensor(name: str) -> Floats:
        assert about[name]["dtype"] == "F16"
        begin, end = about[name]["data_offsets"]
        numbers = np.frombuffer(data[8 + size + begin : 8 + size + end], "<f2")
        return numbers.reshape(about[name]["shape"]).astype(np.float64)

    return Weights(tensor("decoder.shape_mean"), tensor("decoder.shape_basis"), metadata["config"].get("contrast", 0.0))


def weights_by_hash() -> dict[bytes, bytes]:
    """Bytes of the files that hold decoders, by the hash that .sic files carry: the shipped one, and those kept."""
    folder = Path(__file__).parents[2] / "models" / "sparsecodec_models" / "weights"
    shipped = (folder / "speech.safetensors").read_bytes()
    kept = {bytes.fromhex(path.stem[-8:]): path.read_bytes() for path in folder.glob("speech-*.safetensors")}
    return kept | {hashlib.sha256(shipped).digest()[:4]: shipped}


def mix(x: NDArray[Any]) -> NDArray[Any]:
    """The hash, of whole numbers below 2^32."""
    x = (x ^ (x >> 16)) * 0x7FEB352D % TURN
    x = (x ^ (x >> 15)) * 0x846CA68B % TURN
    return x ^ (x >> 16)


def noise(seed: int, number: int, start: int, count: int) -> Floats:
    """Samples start … start + count - 1 of the noise of a stream's number."""
    place = np.arange(start, start + count)
    low, high = (place % TURN).astype(np.uint64), (place // TURN % TURN).astype(np.uint64)
    key = mix(np.full(count, seed ^ (number * 0x9E3779B1 % TURN), np.uint64))
    key = mix(key ^ mix(high))
    drawn = mix((key + low * 0x85EBCA77) % TURN) >> 8
    return (drawn / 2**23 - 1) * np.sqrt(3)


def harris(n: Floats) -> Floats:
    """The window, n samples from its centre."""
    return sum((a * np.cos(2 * np.pi * m * n / SIZE) for m, a in enumerate(HARRIS)), np.zeros_like(n))


def lobe(bins: Floats) -> Floats:
    """Its transform, so many bins from the middle."""
    out = HARRIS[0] * np.sinc(bins)
    for m in (1, 2, 3):
        out += HARRIS[m] / 2 * (np.sinc(bins - m) + np.sinc(bins + m))
    return SIZE * out


LOBE = lobe(np.arange(-2048, 2050) / 512)
ANALYSIS = harris(np.arange(-256.0, 256))
WINDOW = (1 - np.abs(np.arange(-128, 128)) / 128) / harris(np.arange(-128.0, 128))


def lobe_at(bins: Floats) -> Floats:
    place = (bins + 4) * 512
    i = np.clip(np.floor(place), 0, 4096).astype(int)
    return LOBE[i] + (place - i) * (LOBE[i + 1] - LOBE[i])


def mel(hz: NDArray[Any]) -> NDArray[Any]:
    return 2595 * np.log10(1 + hz / 700)


def on_bins(levels: Floats, low_hz: float, high_hz: float) -> Floats:
    """Numbers of bands → numbers of the 257 bins, [n, bands] → [n, 257]."""
    ends = mel(np.array([low_hz, high_hz]))
    centres = np.linspace(ends[0], ends[1], levels.shape[1])
    return np.array([np.interp(mel(np.arange(BINS) * BIN_HZ), centres, row) for row in levels])


@dataclass(frozen=True)
class Controls:
    """Of n events of one channel: each [n], except the amplitudes of bins, [n, 257]."""

    time: NDArray[np.int64]
    attack: Floats  # seconds
    decay: Floats
    octave: Floats  # log2 of f0 in Hz
    glide: Floats  # semitones
    phase: Floats  # cycles
    begins: NDArray[np.bool_]
    room: Floats  # gain
    voiced: NDArray[np.bool_]
    harmonic: Floats
    noise: Floats


def stand_out(levels: Floats, contrast: float) -> Floats:
    """Levels of bands [n, 32] with more contrast."""
    bands = np.arange(levels.shape[1])
    out = np.empty_like(levels)
    for b in bands:
        weight = np.exp(-(((bands - b) / SPREAD) ** 2) / 2)
        out[:, b] = levels[:, b] + contrast * (levels[:, b] - levels @ weight / weight.sum())
    return out


def controls(time_s: Floats, vector: Any, amplitude: Any, weights: Weights) -> Controls:
    """Columns of a table → controls."""
    named = OFFSET + SCALE * vector[:, :8].astype(np.float64)
    level, attack, decay, f0, glide, phase, begins, room = named.T
    shape = vector[:, 8:].astype(np.float64) @ weights.shape_basis + weights.shape_mean
    with np.errstate(over="ignore"):
        voicing = 1 / (1 + np.exp(-shape[:, 32:]))
    voiced = voicing.mean(1) >= VOICED_FROM
    levels = stand_out(np.clip(shape[:, :32], -120, 60), weights.contrast)
    power = 10 ** (on_bins(levels, 100, 10500) / 10)
    power *= (10 ** (np.clip(level, -120, 20) / 10) / power.sum(1))[:, None]
    share = np.where(voiced[:, None], on_bins(voicing, 300, 7000), 0)
    gain = amplitude.astype(np.float64)[:, None]
    return Controls(
        time=np.rint(np.minimum(time_s, 2.0**40) * RATE).astype(np.int64),
        attack=2 ** np.clip(attack, -10, 2),
        decay=2 ** np.clip(decay, -10, 2),
        octave=np.log2(110) + np.clip(f0, -17.5, 48) / 12,
        glide=np.clip(glide, -24, 24),
        phase=phase % 1,
        begins=begins > 0.5,
        room=np.maximum(0, 10 ** (np.minimum(room, 0) / 20) - 10 ** (ROOM_OFF_DB / 20)),
        voiced=voiced,
        harmonic=np.sqrt(power * share + 1e-20) * gain,
        noise=np.sqrt(power * (1 - share) + 1e-20) * gain,
    )


def voices(c: Controls) -> list[list[int]]:
    """Rows of each voice."""
    out: list[list[int]] = []
    for row in range(len(c.time)):
        if not row or c.begins[row] or c.time[row] - c.time[row - 1] > LONGEST_LINK_S * RATE:
            out.append([])
        out[-1].append(row)
    return out


@dataclass(frozen=True)
class Frame:
    """before, after: rows of events, None where there is none; f0 in Hz; turns: phase in 2^-32 cycles."""

    number: int
    before: int | None
    after: int | None
    weight_before: float
    weight_after: float
    f0: float
    turns: int


def frames(c: Controls, voice: list[int]) -> list[Frame]:
    """All frames of a voice."""
    head, tail = voice[0], voice[-1]
    first = min(int(np.ceil((c.time[head] - c.attack[head] * RATE) / HOP)), -(-int(c.time[head]) // HOP) - 1)
    last = max(int(np.floor((c.time[tail] + c.decay[tail] * RATE) / HOP)), -(-int(c.time[tail]) // HOP))
    out: list[Frame] = []
    turns = half_before = come = 0  # come: how many events' times have come
    for number in range(first, last + 1):
        at = number * HOP
        while come < len(voice) and c.time[voice[come]] <= at:
            come += 1
        before = voice[come - 1] if come else None
        after = voice[come] if come < len(voice) else None
        f0 = pitch(c, voice, come, at)
        half = round(f0 * HOP / RATE * 2**31)
        if number == first:
            turns = round((c.phase[head] - (c.time[head] - at) / RATE * f0) * TURN)
        else:
            turns += half_before + half
        half_before = half
        out.append(Frame(number, before, after, *weights_at(c, before, after, at), f0, turns % TURN))
    return through_marks(out)


def through_marks(frames: list[Frame]) -> list[Frame]:
    """A voice's frames with their phases moved to be 0 at the marks that it is old enough for."""
    out: list[Frame] = []
    start, at_start = frames[0].number, 0  # where the stretch begins, and the phase that is taken off there
    marks = [f for f in frames if f.number % MARK == 0 and f.number - frames[0].number >= LEAST_AGE]
    for mark in [*marks, None]:
        last = frames[-1].number if mark is None else mark.number
        missing = 0 if mark is None else (mark.turns - at_start + TURN // 2) % TURN - TURN // 2
        for frame in frames[len(out) : last - frames[0].number + 1]:
            moved = 0 if mark is None else missing * (frame.number - start) // (mark.number - start)
            out.append(replace(frame, turns=(frame.turns - at_start - moved) % TURN))
        if mark is not None:
            start, at_start = mark.number, mark.turns
    return out


def weights_at(c: Controls, before: int | None, after: int | None, at: int) -> tuple[float, float]:
    if after is None:
        assert before is not None
        since = (at - c.time[before]) / RATE
        return max(0.0, 1 - since / max(c.decay[before], HOP / RATE)) ** 2, 0.0
    fade = c.attack[after]
    if before is not None:
        fade = min(fade, (c.time[after] - c.time[before]) / RATE)
    come = max(0.0, 1 - (c.time[after] - at) / RATE / max(fade, HOP / RATE))
    return (0.0 if before is None else 1 - come), come


def pitch(c: Controls, voice: list[int], come: int, at: int) -> float:
    """f0 of a frame, Hz."""
    near = REACH_S * RATE
    low = [row for row in voice[:come] if c.voiced[row] and c.time[voice[come - 1]] - c.time[row] <= near][-1:]
    high = [row for row in voice[come:] if c.voiced[row] and c.time[row] - c.time[voice[come]] <= near][:1]
    here = voice[max(come - 1, 0)]
    i, j = (low or high or [here])[0], (high or low or [here])[0]
    share = np.clip((at - c.time[i]) / max(1, c.time[j] - c.time[i]), 0, 1)
    octave = c.octave[i] + (c.octave[j] - c.octave[i]) * share
    if come == len(voice):
        octave += c.glide[here] / 12 * min(1.0, (at - c.time[here]) / RATE / c.decay[here])
    return float(np.exp2(octave))


def harmonics(f0: float, turns: int, amplitude: Floats) -> NDArray[np.complex128]:
    """Spectrum [257] of a frame's harmonics."""
    out = np.zeros(BINS + 8, np.complex128)  # from bin -4 on
    if amplitude.max() <= 1e-7:
        return out[:BINS]
    order = np.arange(1, int(TOP_HZ / f0) + 2)
    order = order[order * f0 < TOP_HZ]
    place = order * f0 / BIN_HZ
    near = np.floor(place).astype(int)
    height = amplitude[near] + (place - near) * (amplitude[near + 1] - amplitude[near])
    phase = order * turns % TURN / TURN
    value = 0.5 * height * np.sqrt(2 * f0 / BIN_HZ) * np.exp(2j * np.pi * phase)
    for reach in range(-3, 5):
        np.add.at(out, near + reach + 4, value * lobe_at(near + reach - place))
    for b in range(4):
        out[4 + b] += np.conj(out[4 - b])
    return out[4 : 4 + BINS]


def room_response() -> Floats:
    response = noise(ROOM_SEED, 0, 0, ROOM_LENGTH) * 10 ** (-3 * np.arange(ROOM_LENGTH) / ROOM_LENGTH)
    response[:ROOM_GAP] = 0
    return response / np.sqrt((response**2).sum())


def frame_sound(c: Controls, gain: Floats, frame: Frame, drawn: Floats) -> Floats:
    """The 256 samples about a frame's centre; drawn: the noise of the 512 about it, gain: [n]."""
    harmonic, hiss = np.zeros(BINS), np.zeros(BINS)
    for row, weight in ((frame.before, frame.weight_before), (frame.after, frame.weight_after)):
        if row is not None:
            harmonic += weight * gain[row] * c.harmonic[row]
            hiss += weight * gain[row] * c.noise[row]
    spectrum = np.fft.rfft(np.fft.ifftshift(drawn * ANALYSIS)) * np.sqrt(SIZE / 2) * hiss
    block = np.fft.irfft(spectrum + harmonics(frame.f0, frame.turns, harmonic), SIZE)
    return np.concatenate([block[-HOP:], block[:HOP]]) * WINDOW


def stream_sound(c: Controls, seed: int, number: int, length: int) -> Floats:
    """Samples 0 … length - 1 of one stream."""
    dry, sent = np.zeros(length + 3 * HOP), np.zeros(length + 3 * HOP)  # from sample -128 on
    for frame in (frame for voice in voices(c) for frame in frames(c, voice)):
        begin = frame.number * HOP
        if not 0 <= begin < length + HOP:
            continue
        drawn = noise(seed, number, begin - SIZE // 2, SIZE)
        dry[begin : begin + 2 * HOP] += frame_sound(c, np.ones(len(c.room)), frame, drawn)
        sent[begin : begin + 2 * HOP] += frame_sound(c, c.room, frame, drawn)
    wet = np.convolve(sent, room_response())[: len(dry)] if c.room.any() else 0
    return (dry + wet)[HOP : HOP + length]


def decode(table: Any, weights: Weights) -> Floats:
    """The sound of a file whose source has the model's rate: [n_samples, channels].

    table: header (sample_rate, channels, gains, n_samples, seed, noise); time float64 [n], s; vector float32 [n, 32];
    channel [n]; amplitude float32 [n].
    """
    header = table.header
    assert header.sample_rate == RATE
    gains = np.array(header.gains) if header.gains else np.eye(header.channels)
    out = np.zeros((header.n_samples, gains.shape[1]))
    for stream, number in enumerate(header.noise or range(gains.shape[1])):
        mine = table.channel == stream
        if mine.any():
            c = controls(table.time[mine], table.vector[mine], table.amplitude[mine], weights)
            out[:, stream] = stream_sound(c, header.seed, number, header.n_samples)
    return out @ gains.T


def main() -> None:
    """Print the largest difference of each golden sound, full scale being 1."""
    import soundfile

    from sparsecodec_formats import loads

    weights = {name: read_weights(data) for name, data in weights_by_hash().items()}
    for path in sorted((Path(__file__).parents[2] / "models" / "golden").glob("*.sic")):
        table, (held, _) = loads(path.read_bytes()), soundfile.read(path.with_suffix(".flac"), always_2d=True)
        print(f"{path.stem:12} {np.abs(decode(table, weights[table.header.weights_hash]) - held).max():.1e}")


if __name__ == "__main__":
    main()

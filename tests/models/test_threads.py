"""Threads that work beside each other: what comes of it is what one alone makes of it, errors too."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from sparsecodec_formats import SicError, dumps
from sparsecodec_models import ArraySource, load_codec
from sparsecodec_models import threads as threads_module
from sparsecodec_models.codec import Codec
from sparsecodec_models.live_audio import LiveAudio
from sparsecodec_models.music.analysis import pipeline as music_pipeline
from sparsecodec_models.speech.analysis import pipeline as speech_pipeline
from sparsecodec_models.speech.analysis import stream_fit
from sparsecodec_models.threads import Threads, end_if_unwanted, one_torch_thread, usual_threads

DATA = Path(__file__).parents[1] / "data"
SOUNDS = {"speech": DATA / "only-person-en.flac", "music": DATA / "music" / "duet.flac"}
COUNTS = (1, 2, 3)
WAIT_S = 60  # for what must come; a test that waits so long fails


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@cache
def codec_of(preset: str) -> Codec:
    return load_codec(preset)


def stereo(preset: str, duration_s: float) -> tuple[NDArray[np.float32], int]:
    """The second channel is the first one backwards."""
    samples, rate = soundfile.read(SOUNDS[preset], dtype="float32")
    samples = np.resize(samples, round(duration_s * rate))
    return np.stack([samples, samples[::-1]], 1), rate


# The same bytes


@pytest.mark.parametrize(
    "preset, duration_s, options",
    [
        ("speech", 7.0, {}),
        ("speech", 16.5, {"effort": 1, "bitrate_kbps": 4.0}),
        ("speech", 16.5, {"effort": 0, "snr_stop_db": 6.0}),
        ("music", 3.0, {}),
        ("music", 16.5, {"effort": 0, "bitrate_kbps": 4.0}),
    ],
)
def test_bytes_do_not_depend_on_how_many(
    preset: str, duration_s: float, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_pipeline, "STRETCH_S", 10)
    monkeypatch.setattr(music_pipeline, "SECTION_S", 10)
    audio, rate = stereo(preset, duration_s)
    tables = [list(codec_of(preset).encode_parts(ArraySource(audio, rate), threads=n, **options)) for n in COUNTS]
    assert len(tables[0]) == (1 if duration_s < 10 else 2) and all(len(part) > 10 for part in tables[0])
    files = [[dumps(part) for part in parts] for parts in tables]
    assert files[1] == files[0] and files[2] == files[0]


def test_nor_do_those_of_reference() -> None:
    from sparsecodec_models.reference.codec import ReferenceCodec

    audio, rate = stereo("speech", 0.5)
    codec = ReferenceCodec()
    files = [dumps(codec.encode(ArraySource(audio, rate), events_per_second=20, threads=n)) for n in COUNTS]
    assert files[1] == files[0] and files[2] == files[0]


def test_nor_do_those_of_a_stream() -> None:
    audio, rate = stereo("speech", 7.0)

    def live(n: int) -> list[bytes]:
        blocks = (audio[i : i + 3000] for i in range(0, len(audio), 3000))
        return [dumps(part) for part in codec_of("speech").encode_live(LiveAudio(blocks, rate), effort=1, threads=n)]

    assert len(live(1)) == 3 and live(2) == live(1)


def test_half_windows_are_fitted_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two fits waits until the other has begun."""
    both, fit = threading.Barrier(2), stream_fit.fit

    def meeting(decoder: Any, prior: Any, parts: Any, **options: Any) -> list[torch.Tensor]:
        both.wait(WAIT_S)
        return fit(decoder, prior, parts, **options)

    monkeypatch.setattr(stream_fit, "fit", meeting)
    audio, rate = stereo("speech", 2.5)
    assert len(codec_of("speech").encode(ArraySource(audio, rate), effort=1, threads=2)) > 10


# Errors


class BadFit(Exception):
    pass


def test_an_error_in_a_thread_arrives_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **options: Any) -> None:
        assert threading.current_thread() is not threading.main_thread()
        raise BadFit("of a half window")

    monkeypatch.setattr(stream_fit, "fit", fails)
    audio, rate = stereo("speech", 4.0)
    with pytest.raises(BadFit, match="of a half window"):
        codec_of("speech").encode(ArraySource(audio, rate), effort=1, threads=2)


@pytest.mark.parametrize("preset", ["speech", "music"])
def test_an_interruption_ends_all(preset: str) -> None:
    def interrupted(done: float) -> None:
        raise KeyboardInterrupt

    audio, rate = stereo(preset, 7.0)
    with pytest.raises(KeyboardInterrupt):
        codec_of(preset).encode(ArraySource(audio, rate), effort=1, threads=2, progress=interrupted)


def test_work_that_nobody_waits_for_ends() -> None:
    begun = threading.Event()

    def endless(part: int) -> None:
        begun.set()
        while True:
            end_if_unwanted()

    with pytest.raises(BadFit), Threads(2) as threads:
        threads.begin(endless, 0)
        assert begun.wait(WAIT_S)
        raise BadFit


def test_work_in_the_main_thread_is_wanted() -> None:
    end_if_unwanted()


@pytest.mark.parametrize("bad", [0, -1, 1.5, 257, "two"])
@pytest.mark.parametrize("preset", ["speech", "music"])
def test_a_count_that_cannot_be_is_refused_at_once(bad: Any, preset: str) -> None:
    audio, rate = stereo(preset, 1.0)
    with pytest.raises(SicError, match="threads"):
        codec_of(preset).encode_parts(ArraySource(audio, rate), threads=bad)
    if preset == "speech":
        with pytest.raises(SicError, match="threads"):
            codec_of(preset).encode_live(LiveAudio(iter([audio]), rate), threads=bad)


# Parts and threads


@pytest.mark.parametrize("count", COUNTS)
def test_parts_are_done_in_their_order_and_not_taken_before_their_time(count: int) -> None:
    taken = []

    def parts() -> Iterator[int]:
        for i in range(20):
            taken.append(i)
            yield i

    with Threads(count) as threads:
        for n_done, (part, done) in enumerate(threads.each(parts(), lambda i: i * i)):
            assert (part, done) == (n_done, n_done**2)
            assert len(taken) <= n_done + threads.ahead
    assert len(taken) == 20


def test_one_thread_is_the_one_that_asks() -> None:
    with Threads(1) as threads:
        for _, thread in threads.each(range(3), lambda i: threading.current_thread()):
            assert thread is threading.current_thread()


@pytest.mark.parametrize(
    "processors, processes, expected", [(1, 1, 1), (2, 1, 2), (64, 1, 2), (8, 4, 2), (4, 3, 1), (2, 5, 1)]
)
def test_as_many_as_there_are_processors(
    processors: int, processes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(processors)), raising=False)
    monkeypatch.setattr(threads_module, "MOST_UNASKED", 2)
    assert usual_threads(processes) == expected
    if processes == 1:
        assert Threads(None).count == expected


def test_torch_takes_one_thread_inside_and_as_many_as_before_outside() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        audio, rate = stereo("speech", 1.0)
        seen = []
        encoded = codec_of("speech").encode_parts(
            ArraySource(audio, rate), effort=0, threads=2, progress=lambda done: seen.append(torch.get_num_threads())
        )
        next(encoded)
        assert seen and set(seen) == {1} and torch.get_num_threads() == 3
        encoded.close()  # type: ignore[attr-defined]
        with one_torch_thread():
            with pytest.raises(BadFit), one_torch_thread():
                raise BadFit
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)

"""The shipped `speech` preset on real recordings: refusals, lengths, determinism, and whether words are understood."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import soxr
from speech_support import CLIPS, decode, encode, encoded, estoi, recording

from sparsecodec_formats import EventTable, Header, SicError, container
from sparsecodec_models import codec_for, list_models, load_codec
from sparsecodec_models.speech.analysis.candidates import CandidateFinder, Candidates
from sparsecodec_models.speech.codec import SpeechCodec
from sparsecodec_models.threads import Threads

# refusals


def test_a_file_of_other_weights_is_refused(codec: SpeechCodec) -> None:
    table = encode(codec, np.zeros(100, np.float32), 8000)
    strange = table.replace(header=replace(table.header, weights_hash=b"1234"))
    for refuse in (lambda: codec.decode(strange), lambda: codec_for(strange.header)):
        with pytest.raises(SicError, match="31323334"):
            refuse()


def test_a_header_that_names_no_weights_is_played_with_any(codec: SpeechCodec) -> None:
    vector = np.zeros((1, 32))
    vector[0, :3], vector[0, 6] = (10, 4, 4), 1  # -15 dB, slow, begins by itself
    table = EventTable(Header(8000, 1, 4000), [0.2], vector)
    named = table.replace(header=replace(table.header, weights_hash=codec.weights_hash))
    assert codec_for(table.header).weights_hash == codec.weights_hash
    assert np.abs(decode(codec, table)).max() > 0.01
    np.testing.assert_array_equal(decode(codec, table), decode(codec, named))


def test_a_file_of_an_unknown_model_is_refused(codec: SpeechCodec) -> None:
    table = encode(codec, np.zeros(100, np.float32), 8000)
    with pytest.raises(SicError, match="brass"):
        codec_for(replace(table.header, model="brass"))


@pytest.mark.parametrize("name", ["brass", "no/such/file.safetensors", str(CLIPS[0])])
def test_what_is_no_model_is_refused(name: str) -> None:
    with pytest.raises(SicError, match=r"brass|no/such/file|\.flac"):
        load_codec(name)


@pytest.mark.parametrize(
    "options", [{"effort": 10}, {"effort": -1}, {"events_per_second": 0.0}, {"snr_stop_db": float("nan")}]
)
def test_options_out_of_range_are_refused(codec: SpeechCodec, options: dict[str, float]) -> None:
    with pytest.raises(SicError, match="must be"):
        encode(codec, np.zeros(100, np.float32), 8000, **options)


def test_nan_is_refused(codec: SpeechCodec) -> None:
    with pytest.raises(SicError, match="NaN"):
        encode(codec, np.full(100, np.nan, np.float32), 8000)


# lengths and rates


@pytest.mark.parametrize("n", [1, 2, 100, 5000])
@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_short_sounds_keep_rate_and_length(codec: SpeechCodec, n: int, rate: int) -> None:
    audio = 0.5 * np.sin(np.arange(n) * 0.1).astype(np.float32)
    table = container.loads(container.dumps(encode(codec, audio, rate)))
    assert table.header.sample_rate == rate and table.header.n_samples == n
    assert decode(codec, table).shape == (n, 1)


def test_silence_has_no_events(codec: SpeechCodec) -> None:
    table = encode(codec, np.zeros(70000, np.float32), 16000)
    assert len(table) == 0
    assert not decode(codec, table).any()


def test_events_are_where_the_sound_is(codec: SpeechCodec) -> None:
    audio, rate = recording()
    quiet = np.zeros(4 * rate, np.float32)
    table = encode(codec, np.concatenate([quiet, audio, quiet]), rate)
    assert len(table) > 20
    assert table.time.min() > 3.9 and table.time.max() < 4 + len(audio) / rate


# what is heard


@pytest.mark.parametrize("index", range(len(CLIPS)))
def test_words_are_understood(codec: SpeechCodec, index: int) -> None:
    audio, rate = recording(index)
    data = container.dumps(encoded(codec, index, codec.default_effort))
    assert 8 * len(data) / (len(audio) / rate) < 2800  # bits a second, the whole file; less than 2,400 on average
    heard = decode(codec, container.loads(data))
    assert heard.shape == (len(audio), 1)
    assert estoi(audio, heard[:, 0], rate) > 0.85  # measured .87 to .90; another processor may differ by .02


def test_effort_pays(codec: SpeechCodec) -> None:
    """In the mean: another processor adds up in another order, and one recording's score may move by .02."""

    def score(index: int, effort: int) -> float:
        audio, rate = recording(index)
        return estoi(audio, decode(codec, encoded(codec, index, effort))[:, 0], rate)

    gain = [score(i, codec.default_effort) - score(i, 0) for i in range(len(CLIPS))]
    assert np.mean(gain) > 0.008  # measured .015


def test_levels_follow_the_recording(codec: SpeechCodec) -> None:
    audio, rate = recording()
    loud, soft = (decode(codec, encode(codec, gain * audio, rate)) for gain in (1.0, 0.01))
    ratio_db = 20 * np.log10(np.linalg.norm(loud) / np.linalg.norm(soft))
    assert ratio_db == pytest.approx(40.0, abs=1.5)


# streams


def test_streamed_is_whole(codec: SpeechCodec) -> None:
    audio = np.concatenate([soxr.resample(*(recording(i)), 22050) for i in range(3)])

    def find(size: int) -> Candidates:
        finder = CandidateFinder(codec.model, Threads(1))
        for i in range(0, len(audio), size):
            finder.push(audio[i : i + size])
        finder.finish()
        return Candidates.joined(finder.take(), 32)

    whole = find(len(audio))
    assert len(whole) > 200
    for size in (997, 65536):
        parts = find(size)
        assert all(np.array_equal(getattr(parts, f.name), getattr(whole, f.name)) for f in fields(whole))


@pytest.mark.parametrize("rate", [16000, 22050])
def test_a_part_decodes_as_in_the_whole(codec: SpeechCodec, rate: int) -> None:
    audio = soxr.resample(np.concatenate([recording(i)[0] for i in range(3)]), 16000, rate)
    table = encode(codec, audio, rate)
    whole = decode(codec, table)
    part = decode(codec, table, start_s=3.5, end_s=6.25)
    assert np.allclose(part, whole[round(3.5 * rate) : round(6.25 * rate)], atol=1e-5)


def test_the_same_bytes_give_the_same_samples(codec: SpeechCodec) -> None:
    audio, rate = recording()
    first, second = (container.dumps(encode(codec, audio, rate, effort=1)) for _ in range(2))
    assert first == second
    assert container.loads(first) == encode(codec, audio, rate, effort=1)
    assert np.array_equal(decode(codec, container.loads(first)), decode(codec, container.loads(first)))


def test_the_seed_draws_other_noise(codec: SpeechCodec) -> None:
    audio, rate = recording()
    table = encode(codec, audio, rate, seed=1)
    assert not np.array_equal(decode(codec, table), decode(codec, table, seed=2))
    assert np.array_equal(decode(codec, table), decode(codec, table, seed=1))


def test_channels_are_coded_by_themselves(codec: SpeechCodec) -> None:
    audio, rate = recording()
    other = 0.5 * audio[::-1].copy()
    both = encode(codec, np.stack([audio, other], 1), rate)
    mine, mono = both.select(both.channel == 0), encode(codec, audio, rate)
    assert np.array_equal(mine.time, mono.time) and np.array_equal(mine.vector, mono.vector)
    # the softer one gets what it is worth beside the other
    mine, mono = both.select(both.channel == 1), encode(codec, other, rate)
    assert 0.9 * len(mono) < len(mine) <= len(mono)
    heard = decode(codec, container.loads(container.dumps(both)))
    assert np.allclose(heard[:, 0], decode(codec, encode(codec, audio, rate))[:, 0], atol=1e-6)
    alone = decode(codec, encode(codec, other, rate))[:, 0]  # the same with another draw of noise
    assert estoi(alone, heard[:, 1], rate) > 0.85
    assert np.linalg.norm(heard[:, 1]) == pytest.approx(np.linalg.norm(alone), rel=0.1)


# rules to stop by


def test_a_ceiling_on_events_is_kept(codec: SpeechCodec) -> None:
    audio, rate = recording(2)
    free = encode(codec, audio, rate)
    few = encode(codec, audio, rate, events_per_second=4.5)
    assert len(few) <= 4.5 * len(audio) / rate < len(free)
    assert len(few) > 0.7 * 4.5 * len(audio) / rate


def test_it_stops_when_the_residual_is_small_enough(codec: SpeechCodec) -> None:
    audio, rate = recording(2)
    counts = [len(encode(codec, audio, rate, snr_stop_db=db)) for db in (1.0, 3.0)]
    assert 0 < counts[0] < counts[1] < len(encode(codec, audio, rate))


def test_a_ceiling_does_not_join_what_a_pause_parts(codec: SpeechCodec) -> None:
    audio, rate = recording(1)
    pause = np.zeros(rate // 4, np.float32)
    audio = np.concatenate([audio[: 2 * rate], pause, audio[2 * rate :]])
    heard = decode(codec, encode(codec, audio, rate, events_per_second=8.0))[:, 0]
    inside = slice(2 * rate + rate // 10, 2 * rate + rate // 5)
    assert np.sqrt(np.mean(heard[inside] ** 2)) < 0.03 * np.sqrt(np.mean(heard**2))


# the list of models


def test_models_are_listed_with_true_figures(codec: SpeechCodec) -> None:
    shown = {model.name: model for model in list_models()}
    assert list(shown) == ["speech", "music", "reference"]
    speech, reference = shown["speech"], shown["reference"]
    assert (speech.name, speech.shipped, speech.weights_hash) == ("speech", True, codec.weights_hash.hex())
    assert speech.parameters == sum(p.numel() for p in codec.model.parameters())
    assert (reference.name, reference.shipped, reference.weights_hash) == ("reference", False, None)
    assert reference.parameters == reference.encoder_parameters + reference.decoder_parameters

"""The `reference` preset as a codec, with small weights: refusals, weights files, streams, lengths."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference_small import TINY, decoded, sound, sounding, table_of
from safetensors.torch import save

from sparsecodec_formats.errors import SicError
from sparsecodec_formats.presets import layout_of
from sparsecodec_models import ArraySource
from sparsecodec_models.reference.codec import ReferenceCodec
from sparsecodec_models.reference.model import ReferenceModel
from sparsecodec_models.weights import preset_of


@pytest.fixture(scope="module")
def codec() -> ReferenceCodec:
    return ReferenceCodec(sounding(0))


@pytest.mark.parametrize("data", [b"", b"RIFF" + bytes(60), bytes(8), bytes(100)])
def test_bytes_that_are_no_weights_are_refused(data: bytes) -> None:
    with pytest.raises(SicError, match="safetensors"):
        ReferenceCodec.from_bytes(data)


def test_weights_of_another_model_are_refused() -> None:
    def codec_of(about: object) -> ReferenceCodec:
        return ReferenceCodec.from_bytes(save({"x": torch.zeros(1)}, {"sparsecodec": json.dumps(about)}))

    with pytest.raises(SicError, match="speech"):
        codec_of({"model": "speech"})
    with pytest.raises(SicError, match="None"):
        codec_of([1])
    with pytest.raises(SicError, match="configuration"):
        codec_of({"model": "reference"})
    with pytest.raises(SicError, match="configuration"):
        codec_of({"model": "reference", "config": asdict(TINY) | {"hop": 0}})
    with pytest.raises(SicError, match="do not fit"):
        codec_of({"model": "reference", "config": asdict(TINY)})


def test_own_weights_are_known_by_their_bytes(codec: ReferenceCodec) -> None:
    assert preset_of(codec.model.to_bytes()) == "reference"
    assert preset_of(save({"x": torch.zeros(1)}, {"sparsecodec": json.dumps({"model": "speech"})})) == "speech"
    nested = b"[" * 100_000
    for header in (b"{}", b"[]", b"null", b'{"__metadata__": 1}', b'{"__metadata__": {"sparsecodec": 1}}', nested):
        assert preset_of(len(header).to_bytes(8, "little") + header) is None
    for data in (b"", bytes(8), bytes(100), b"RIFF" + bytes(60), b"\xff" * 20):
        assert preset_of(data) is None


def test_tables_of_other_weights_are_refused(codec: ReferenceCodec) -> None:
    table = table_of(ReferenceCodec.untrained(1, config=TINY), [0.0], 100)
    with pytest.raises(SicError, match=codec.weights_hash.hex()):
        codec.decode(table)


@pytest.mark.parametrize(
    "options", [{"start_s": -1}, {"end_s": float("nan")}, {"start_s": 2, "end_s": 1}, {"sample_rate": 0}]
)
def test_decode_refuses_wrong_options_at_once(codec: ReferenceCodec, options: dict[str, float]) -> None:
    with pytest.raises(SicError):
        codec.decode(table_of(codec, [], 100), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"effort": 10}, {"events_per_second": 0}, {"snr_stop_db": -3}])
def test_encode_refuses_wrong_options(codec: ReferenceCodec, options: dict[str, float]) -> None:
    with pytest.raises(SicError):
        codec.encode(ArraySource(sound(100), 22050), **options)  # type: ignore[arg-type]


def test_encode_refuses_wrong_audio(codec: ReferenceCodec) -> None:
    broken = sound(100)
    broken[50] = np.nan
    with pytest.raises(SicError, match="NaN"):
        codec.encode(ArraySource(broken, 22050))

    class Short(ArraySource):
        n_samples = 200

    with pytest.raises(SicError, match="100 of its 200"):
        codec.encode(Short(sound(100), 22050))


def test_drawn_weights_are_within_their_range_and_the_same_for_a_seed() -> None:
    model = ReferenceModel(TINY).draw_weights(0)
    weight = model.encoder.stack.blocks[0].conv.weight  # type: ignore[union-attr]
    assert isinstance(weight, torch.Tensor)
    assert 0.015 < weight.abs().max() <= 0.0201
    assert model.to_bytes() == ReferenceModel(TINY).draw_weights(0).to_bytes()
    assert model.to_bytes() != ReferenceModel(TINY).draw_weights(1).to_bytes()


def test_weights_survive_their_file(codec: ReferenceCodec) -> None:
    loaded = ReferenceCodec.from_bytes(codec.model.to_bytes())
    assert loaded.weights_hash == codec.weights_hash
    table = table_of(codec, [0.01], 3000)
    np.testing.assert_array_equal(decoded(loaded, table), decoded(codec, table))


def test_weights_in_half_precision_are_taken(codec: ReferenceCodec) -> None:
    half = {name: tensor.half() for name, tensor in codec.model.state_dict().items()}
    about = json.dumps({"model": "reference", "config": asdict(TINY)})
    loaded = ReferenceCodec.from_bytes(save(half, {"sparsecodec": about}))
    expected = codec.model.decoder.tables["decays"].half().float()
    assert torch.equal(loaded.model.decoder.tables["decays"], expected)
    assert loaded.weights_hash != codec.weights_hash


def test_event_is_silent_before_its_time(codec: ReferenceCodec) -> None:
    table = table_of(codec, [60 * 32 / 22050], 6000)
    sounds = decoded(codec, table)[:, 0]
    shift_s = float(codec.model.decoder.controls(torch.from_numpy(table.vector.copy())).fine_shift_s)
    start = int(60 * 32 + shift_s * 22050)
    peak = np.abs(sounds).max()
    # a shift of part of a sample rings a little on either side
    assert np.abs(sounds[: start - 32]).max() < 0.02 * peak
    assert np.abs(sounds[start : start + 256]).max() > 0.1 * peak


def test_same_table_gives_the_same_samples(codec: ReferenceCodec) -> None:
    table = table_of(codec, [0.0, 0.05, 0.05, 0.3], 12000)
    first = decoded(codec, table)
    np.testing.assert_array_equal(first, decoded(codec, table))
    assert not np.allclose(first, decoded(codec, table, seed=1))
    assert np.abs(first).max() > 1e-4


def test_events_add_up(codec: ReferenceCodec) -> None:
    table = table_of(codec, [0.0, 0.05, 0.05, 0.3, 0.31], 12000)
    whole = decoded(codec, table)
    louder = decoded(codec, table.replace(amplitude=3 * table.amplitude))
    np.testing.assert_allclose(louder, 3 * whole, atol=1e-5 * np.abs(louder).max())
    # the first events keep their rank, so their noise, when later ones are dropped
    early = decoded(codec, table.select(slice(0, 3)))
    before_s = int((0.3 - 32 / 22050) * 22050)
    np.testing.assert_allclose(early[:before_s], whole[:before_s], atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("rate", [22050, 16000, 44100, 48000, 44101])
def test_part_is_the_same_as_in_the_whole(codec: ReferenceCodec, rate: int) -> None:
    n_samples = 3 * rate
    table = table_of(codec, [0.0, 0.9, 1.2, 1.25, 2.2], n_samples, rate)
    whole = decoded(codec, table)
    assert whole.shape == (n_samples, 1)
    part = decoded(codec, table, start_s=1.1, end_s=2.3)
    first = round(1.1 * rate)
    np.testing.assert_allclose(part, whole[first : round(2.3 * rate)], atol=1e-5 * np.abs(whole).max(), strict=True)


@settings(deadline=None, max_examples=15)
@given(n=st.integers(0, 9000), rate=st.sampled_from([8000, 22050, 44100, 12345]), channels=st.integers(1, 2))
def test_any_length_and_rate_comes_back_whole(codec: ReferenceCodec, n: int, rate: int, channels: int) -> None:
    assume(n != 1 or channels == 1)  # [1, 2] is refused, as mono that lies on its side
    table = codec.encode(ArraySource(sound(n, channels), rate), events_per_second=20)
    out = decoded(codec, table)
    assert out.shape == (n, channels)
    assert np.isfinite(out).all()
    other = decoded(codec, table, sample_rate=16000)
    assert len(other) == round(Fraction(n * 16000, rate))


def test_absurd_rates_neither_fail_nor_fill_the_memory(codec: ReferenceCodec) -> None:
    assert decoded(codec, table_of(codec, [0.0], 300_000, 6 * 10**7)).shape == (300_000, 1)
    with pytest.raises(SicError, match="the most that are rendered"):
        decoded(codec, table_of(codec, [0.0], 300_000, 10**8))
    assert decoded(codec, table_of(codec, [0.0], 3, 1)).shape == (3, 1)
    table = codec.encode(ArraySource(sound(3), 1), events_per_second=1)
    assert table.header.n_samples == 3


@pytest.mark.parametrize("n", [1, 100, TINY.window + 1])
def test_edge_lengths_encode_and_decode(codec: ReferenceCodec, n: int) -> None:
    table = codec.encode(ArraySource(sound(n), 22050))
    assert (table.time * 22050 < n).all()
    assert len(table) <= max(1, -(-4 * n // 2048))
    assert n == 1 or len(table) >= 1
    assert decoded(codec, table).shape == (n, 1)


def test_amplitude_holds_the_level_of_the_window(codec: ReferenceCodec) -> None:
    samples = sound(9000)
    loud = codec.encode(ArraySource(samples, 22050))
    soft = codec.encode(ArraySource(samples / np.float32(8), 22050))
    np.testing.assert_array_equal(soft.time, loud.time)
    np.testing.assert_allclose(soft.amplitude, loud.amplitude / 8, rtol=1e-4)
    np.testing.assert_allclose(soft.vector, loud.vector, atol=1e-5)


def test_channels_are_coded_on_their_own(codec: ReferenceCodec) -> None:
    samples = sound(9000, 2)
    samples[:4000, 1] = 0
    both = codec.encode(ArraySource(samples, 22050), tags={"title": "x"}, seed=7)
    left = codec.encode(ArraySource(samples[:, :1], 22050), seed=7)
    mine = both.channel == 0
    np.testing.assert_array_equal(both.time[mine], left.time)
    np.testing.assert_array_equal(both.vector[mine], left.vector)
    assert (~mine).sum() >= 1
    assert both.header.tags == {"title": "x"}
    assert both.header.seed == 7
    np.testing.assert_allclose(decoded(codec, both)[:, :1], decoded(codec, left), atol=1e-6)


def test_number_of_events_follows_the_rate(codec: ReferenceCodec) -> None:
    full = codec.encode(ArraySource(sound(9000), 22050))
    assert len(full) == -(-4 * 9000 // 2048)
    assert len(codec.encode(ArraySource(sound(9000), 22050), events_per_second=5)) == 3


def test_header_agrees_with_the_layout_that_torch_free_commands_know() -> None:
    codec = ReferenceCodec(ReferenceModel().draw_weights(0), weights_hash=bytes(4))
    header = codec.header_for(ArraySource(sound(10), 8000))
    assert header.time_unit == layout_of(header).time_unit
    assert codec.model_rate == layout_of(header).sample_rate


def test_progress_rises_to_one(codec: ReferenceCodec) -> None:
    seen: list[float] = []
    table = codec.encode(ArraySource(sound(40000), 22050), events_per_second=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    heard: list[float] = []
    list(codec.decode(table, progress=heard.append))
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_silence_has_no_events(codec: ReferenceCodec) -> None:
    table = codec.encode(ArraySource(np.zeros((5000, 1), np.float32), 22050))
    assert len(table) == 0
    assert not decoded(codec, table).any()

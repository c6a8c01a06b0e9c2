"""The `speech` decoder by its sound: what the controls say is what is heard."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsecodec_formats.presets import LAYOUTS
from sparsecodec_models.dsp.mel import band_centres_hz, mel_filters
from sparsecodec_models.dsp.noise import white_noise
from sparsecodec_models.speech.analysis.fit import Events, settle
from sparsecodec_models.speech.analysis.proposals import BEGINS, F0, measure_pitch, tidy
from sparsecodec_models.speech.config import SpeechConfig
from sparsecodec_models.speech.network.decoder import SpeechDecoder
from sparsecodec_models.speech.synthesis.controls import SHAPE_HIGH_HZ, SHAPE_LOW_HZ
from sparsecodec_models.speech.synthesis.frames import noise_spectrum, render_frames, spectra
from sparsecodec_models.speech.synthesis.samples import ChannelSound, overlap_add, render
from sparsecodec_models.speech.synthesis.voices import follow, plan_frames

RATE = 22050
CONFIG = SpeechConfig()
DIMS = LAYOUTS["speech"].dims
SHAPE = CONFIG.named_dims  # in these tests dim 8 is a spectral tilt, dim 9 the voicing
FRAME = CONFIG.frame_hop
NOISE = -40.0  # of dim 9: all noise


def make_decoder(centre_hz: float = 440.0, slope_db: float = -30.0) -> SpeechDecoder:
    """A decoder whose events are voiced and whose spectrum falls off by 30 dB an octave around `centre_hz`."""
    decoder = SpeechDecoder(CONFIG).requires_grad_(False)
    centres = band_centres_hz(CONFIG.bands, SHAPE_LOW_HZ, SHAPE_HIGH_HZ)
    octaves = torch.tensor(np.log2(centres / centre_hz), dtype=torch.float32)
    decoder.shape_mean[: CONFIG.bands] = slope_db * octaves.abs()
    decoder.shape_mean[CONFIG.bands :] = 20.0
    decoder.shape_basis.zero_()
    decoder.shape_basis[0, : CONFIG.bands] = octaves
    decoder.shape_basis[1, CONFIG.bands :] = 1.0
    return decoder


def vector(voicing: float = 0.0, **physical: float) -> torch.Tensor:
    """One event, float32 [1, 32]; what is not given is a tone of 440 Hz at -20 dB that begins by itself, with fades of
    0.1 s."""
    values = {
        "level_db": -20.0,
        "attack_log2_s": np.log2(0.1),
        "decay_log2_s": np.log2(0.1),
        "f0_semitones": 24.0,
        "glide_semitones": 0.0,
        "phase_cycles": 0.0,
        "begins": 1.0,
        "room_db": -60.0,
    } | physical
    out = torch.zeros(1, 32)
    for name, value in values.items():
        out[0, DIMS[name].index] = (value - DIMS[name].offset) / DIMS[name].scale
    out[0, SHAPE + 1] = voicing
    return out


def linked(voicing: float = 0.0, **physical: float) -> torch.Tensor:
    """As `vector`, but linked to the event before it, and coming in all the way from there."""
    return vector(voicing, **({"begins": 0.0, "attack_log2_s": 2.0} | physical))


def sound(events: list[torch.Tensor] | torch.Tensor, times: list[int], length: int = RATE, seed: int = 0) -> np.ndarray:
    vectors = events if isinstance(events, torch.Tensor) else torch.cat(events)
    return render(make_decoder().tables, vectors, torch.tensor(times), seed, length).numpy().astype(np.float64)


def steady(voicing: float = 0.0, **physical: float) -> np.ndarray:
    """One second, level from sample 2000 to 20000."""
    return sound([vector(voicing, **physical), linked(voicing, **physical)], [2000, 20000])


def peak_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(spectrum.argmax()) * RATE / (8 * len(samples))


def amplitude(samples: np.ndarray, hz: float = 440.0, width: int = 401) -> np.ndarray:
    """Of the component at hz about each sample, complex, with the phase it has at sample 0."""
    down = samples * np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE)
    window = np.hanning(width + 2)[1:-1]
    return 2 * np.convolve(down, window / window.sum(), "same")


def off_harmonics(samples: np.ndarray, f0_hz: float = 440.0) -> float:
    """Share of power that lies further than 12 Hz from multiples of f0."""
    power = np.abs(np.fft.rfft(samples * np.blackman(len(samples)))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    near = np.abs(hz - f0_hz * np.round(hz / f0_hz)) < 12
    return float(power[~near].sum() / power.sum())


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples**2)))


# one event


@pytest.mark.parametrize("seed", range(3))
def test_any_vector_sounds_and_stays_finite(seed: int) -> None:
    wild = torch.tensor(np.random.default_rng(seed).normal(0, 10.0 ** (seed + 1), (8, 32)), dtype=torch.float32)
    samples = sound(wild, [500 * i for i in range(8)])
    assert np.isfinite(samples).all() and np.abs(samples).max() > 0


def test_no_events_are_silence() -> None:
    assert np.array_equal(sound(torch.zeros(0, 32), [], 100), np.zeros(100))


def test_an_event_of_440_hz_has_its_peak_at_440_hz() -> None:
    assert peak_hz(sound(vector(), [5000])) == pytest.approx(440.0, abs=1.0)


def test_energy_of_a_voiced_event_lies_at_multiples_of_f0() -> None:
    samples = sound(vector(attack_log2_s=-1.0, decay_log2_s=0.0), [9000])
    assert off_harmonics(samples[4000:14000]) < 1e-4


@pytest.mark.parametrize("voicing", [0.0, NOISE])
def test_level_is_the_rms_of_tone_and_noise(voicing: float) -> None:
    samples = steady(voicing, f0_semitones=-7.0)  # many harmonics under the envelope: it is sampled evenly
    assert level_db(samples[3000:19000]) == pytest.approx(-20.0, abs=2.0)


def test_an_attack_rises_linearly_before_the_time() -> None:
    time, attack = 8000, 0.25 * RATE
    envelope = np.abs(amplitude(sound([vector(attack_log2_s=-2.0), linked()], [time, 20000])))
    for share in (0.2, 0.4, 0.6, 0.8):
        place = int(time - (1 - share) * attack)
        assert envelope[place] / envelope[time + 1000] == pytest.approx(share, abs=0.02)


def test_a_decay_falls_as_a_square_after_the_time() -> None:
    time, decay = 4000, 0.5 * RATE
    envelope = np.abs(amplitude(sound([vector(), linked(decay_log2_s=-1.0)], [2000, time])))
    for share in (0.2, 0.5, 0.8):
        gone = envelope[int(time + share * decay)] / envelope[3000]
        assert gone == pytest.approx((1 - share) ** 2, abs=0.02)


@pytest.mark.parametrize("voicing", [0.0, NOISE])
@pytest.mark.parametrize("time", [3000, 3072, 3073, 12345])
def test_an_event_sounds_from_its_attack_to_its_decay(time: int, voicing: float) -> None:
    samples = sound(vector(voicing, decay_log2_s=-3.0), [time])
    start, end = time - RATE // 10, time + RATE // 8
    assert np.abs(samples[: start - FRAME]).max(initial=0.0) == 0.0
    assert np.abs(samples[end + FRAME :]).max(initial=0.0) == 0.0
    assert np.abs(samples[start : start + 1000]).max() > 0.01
    assert np.abs(samples[end - 1500 : end]).max() > 0.001


def test_an_event_at_the_very_start_sounds() -> None:
    samples = sound(vector(), [0])
    assert np.abs(samples[:200]).max() > 0.1


def test_a_glide_is_the_change_of_pitch_over_the_decay() -> None:
    samples = sound(vector(glide_semitones=12.0, decay_log2_s=0.0), [1000])
    for share in (0.1, 0.3, 0.5):
        place = 1000 + int(share * RATE)
        assert peak_hz(samples[place - 500 : place + 500]) == pytest.approx(440 * 2**share, rel=0.02)


@pytest.mark.parametrize("time", [5000, 5120])
def test_phase_is_that_of_the_fundamental_at_the_time(time: int) -> None:
    for turn in (0.0, 0.25, 0.6):
        samples = sound(vector(phase_cycles=turn, decay_log2_s=-3.5), [time])
        at_time = amplitude(samples)[time] * np.exp(2j * np.pi * 440.0 * time / RATE)
        difference = np.angle(at_time) / (2 * np.pi) - turn
        assert (difference + 0.5) % 1 - 0.5 == pytest.approx(0.0, abs=0.01)


def test_the_room_rings_on_after_the_end() -> None:
    dry, wet = (sound(vector(room_db=room, decay_log2_s=-4.0), [3000]) for room in (-60.0, 0.0))
    end = 3000 + RATE // 16 + FRAME
    assert np.abs(dry[end:]).max() == 0.0
    ringing = np.sqrt(np.mean(wet[end : end + 1000] ** 2))
    later = np.sqrt(np.mean(wet[end + 3000 : end + 4000] ** 2))
    assert ringing > 1e-3 and later < 0.2 * ringing


# linked events


TIMES = [2000, 3011, 4096, 9999, 15000]


def test_linked_events_of_one_pitch_are_one_steady_tone() -> None:
    samples = sound([vector(), linked(), linked(attack_log2_s=-7.0), linked(), linked()], TIMES)
    envelope = 20 * np.log10(np.abs(amplitude(samples))[2500:14500])
    assert np.ptp(envelope) < 0.5
    assert off_harmonics(samples[2000:15000]) < 1e-5
    turns = np.unwrap(np.angle(amplitude(samples)[2500:14500])) / (2 * np.pi)
    assert np.ptp(turns) < 0.01


def test_amplitude_goes_on_a_line_from_event_to_event() -> None:
    loud = 10 ** (12 / 20)
    envelope = np.abs(amplitude(sound([vector(), linked(level_db=-8.0)], [2000, 18000])))
    one = envelope[2500] / (1 + (loud - 1) * 500 / 16000)
    for share in (0.25, 0.5, 0.75):
        assert envelope[int(2000 + share * 16000)] / one == pytest.approx(1 + share * (loud - 1), rel=0.02)


def test_a_linked_event_comes_in_over_its_attack_at_the_end_of_the_gap() -> None:
    envelope = np.abs(amplitude(sound([vector(), linked(level_db=-8.0, attack_log2_s=-3.0)], [2000, 18000])))
    turn = 18000 - RATE // 8
    assert envelope[turn - 500] == pytest.approx(envelope[3000], rel=0.02)
    half = (envelope[3000] + envelope[17900]) / 2
    assert envelope[18000 - RATE // 16] == pytest.approx(half, rel=0.05)


def test_pitch_goes_on_a_line_in_octaves_between_events() -> None:
    samples = sound([vector(), linked(f0_semitones=36.0)], [3000, 17000])
    for share in (0.25, 0.5, 0.75):
        place = 3000 + int(share * 14000)
        assert peak_hz(samples[place - 500 : place + 500]) == pytest.approx(440 * 2**share, rel=0.02)


def test_an_unvoiced_event_takes_its_pitch_from_its_neighbours() -> None:
    decoder = make_decoder()
    odd = linked(NOISE, f0_semitones=0.0)  # what it says itself is not heard
    for events, times in (
        ([vector(), odd, linked()], [2000, 9000, 16000]),
        ([vector(NOISE, f0_semitones=0.0), linked(), odd], [2000, 9000, 16000]),
    ):
        vectors, place = torch.cat(events), torch.tensor(times)
        controls = decoder.controls(vectors)
        tracks = follow(controls, place, plan_frames(controls, place, CONFIG), CONFIG)
        assert tracks.f0_hz.numpy() == pytest.approx(440.0, rel=1e-5)
        samples = sound(events, times)
        for middle in (times[1] - 3500, times[1] + 3500):
            assert peak_hz(samples[middle - 1000 : middle + 1000]) == pytest.approx(440.0, abs=5.0)


def test_an_event_that_begins_leaves_the_one_before_alone() -> None:
    first = vector(decay_log2_s=-1.0)
    second = vector(f0_semitones=31.0, phase_cycles=0.3)  # a fifth above
    both = sound([first, second], [4000, 7000])
    assert np.allclose(both, sound(first, [4000]) + sound(second, [7000]), atol=1e-6)
    fading = np.abs(amplitude(both))
    assert fading[9000] / fading[4100] == pytest.approx((1 - 5000 / 11025) ** 2 / (1 - 100 / 11025) ** 2, abs=0.03)


def test_sounds_of_single_events_add_up_to_the_whole() -> None:
    decoder, length = make_decoder(), 12000
    vectors = torch.cat([vector(), linked(-20.0, f0_semitones=20.0), vector(f0_semitones=5.0), linked(NOISE)])
    time = torch.tensor([2500, 4100, 6000, 8000])
    controls = decoder.controls(vectors)
    plan = plan_frames(controls, time, CONFIG)
    tracks = follow(controls, time, plan, CONFIG)
    noise = noise_spectrum(0, 0, 0, int(plan.frame.max()) + 1, CONFIG, time)

    def with_gain(gain: torch.Tensor | None) -> torch.Tensor:
        frames = render_frames(CONFIG, spectra(decoder.tables, controls, gain), plan, tracks, noise, 0)
        return overlap_add(frames, plan.frame, 0, length, CONFIG)

    alone = [with_gain(one) for one in torch.eye(4)]
    assert all(one.abs().max() > 0.01 for one in alone)
    assert torch.allclose(sum(alone, torch.zeros(length)), with_gain(None), atol=1e-5)
    assert torch.allclose(with_gain(None), render(decoder.tables, vectors, time, 0, length), atol=1e-6)
    # an event is heard from the one before it to the one after it, no further
    assert alone[1][: 2500 - FRAME].abs().max() < 1e-6 < alone[1][2700:3300].abs().max()


# noise


def test_white_noise_is_the_same_on_every_machine() -> None:
    def steps(noise: np.ndarray) -> list[int]:
        """In units of 2^-23 of the range, whole numbers."""
        return np.round((noise.astype(np.float64) / 3**0.5 + 1) * 2**23).astype(np.int64).tolist()

    drawn = [steps(white_noise(7, 0, 0, 3)), steps(white_noise(7, 3, -2, 3)), steps(white_noise(0, 1, 2**33 + 5, 3))]
    golden = [[12522989, 12219282, 14661326], [7739561, 16087454, 29242], [10850371, 12686583, 10989857]]
    assert np.abs(np.array(drawn) - golden).max() <= 2, drawn  # what float32 keeps


def test_white_noise_is_white_uniform_and_of_unit_variance() -> None:
    drawn = white_noise(3, 1, 0, 200_000).astype(np.float64)
    assert drawn.mean() == pytest.approx(0.0, abs=0.01)
    assert drawn.var() == pytest.approx(1.0, abs=0.01)
    counts = np.histogram(drawn, bins=16, range=(-(3**0.5), 3**0.5))[0]
    assert counts.sum() == len(drawn) and np.abs(counts / counts.mean() - 1).max() < 0.05
    for lag in (1, 2, 3, 128, 256, 512):
        assert np.mean(drawn[lag:] * drawn[:-lag]) == pytest.approx(0.0, abs=0.01)


def test_white_noise_can_be_drawn_in_parts() -> None:
    whole = white_noise(5, 2, -100, 1000)
    assert np.array_equal(whole[300:700], white_noise(5, 2, 200, 400))


def test_noise_comes_from_seed_channel_and_place_alone() -> None:
    decoder, noisy = make_decoder(slope_db=-3.0), torch.cat([vector(NOISE), linked(NOISE)])

    def draw(seed: int, channel: int, start: int = 2000) -> torch.Tensor:
        time = torch.tensor([start, 16000])
        return render(decoder.tables, noisy, time, seed, 16000, channel=channel)[4000:]

    def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
        return abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1]))

    assert torch.equal(draw(1, 0), draw(1, 0))
    assert torch.allclose(draw(1, 0), draw(1, 0, 3000), atol=1e-6)  # not from the events
    for other in (draw(2, 0), draw(1, 1), draw(0, 1)):
        assert correlation(draw(1, 0), other) < 0.05


def test_noise_of_a_flat_spectrum_is_the_white_noise_itself() -> None:
    decoder = make_decoder(slope_db=0.0)
    samples = render(
        decoder.tables, torch.cat([vector(NOISE), linked(NOISE)]), torch.tensor([1000, 9000]), 5, 9000, channel=1
    )
    inner = slice(1500, 8500)
    assert torch.allclose(
        samples[inner], torch.from_numpy(0.1 * white_noise(5, 1, 0, 9000))[inner], rtol=0.01, atol=1e-4
    )


def test_steady_noise_has_no_modulation_at_the_frame_rate() -> None:
    length = 1000 * FRAME
    samples = render(
        make_decoder(1000.0, -12.0).tables,
        torch.cat([vector(NOISE), linked(NOISE)]),
        torch.tensor([0, length]),
        0,
        length,
    )
    power = samples.double().numpy()[4 * FRAME : -4 * FRAME] ** 2
    modulation = np.abs(np.fft.rfft(power / power.mean())) / len(power)
    at_frame_rate = len(power) // FRAME
    around = np.median(np.r_[modulation[at_frame_rate - 200 : at_frame_rate], modulation[at_frame_rate + 1 :][:200]])
    for order in (1, 2):
        assert modulation[order * at_frame_rate] < 4 * around  # no more than chance
    assert modulation[at_frame_rate] < 0.02


def test_a_window_from_the_middle_is_that_part_of_the_whole() -> None:
    decoder, first = make_decoder(), 37
    vectors = torch.cat([vector(NOISE), vector(-20.0), linked(NOISE), linked()])
    time, length = torch.tensor([2000, 9000, 12000, 15000]), 17000
    whole = render(decoder.tables, vectors, time, 3, length, channel=1)[first * FRAME :]
    later = time[1:] - first * FRAME  # the first event is over by then
    noise = noise_spectrum(3, 1, first, length // FRAME + 2 - first, CONFIG, time)
    part = render(decoder.tables, vectors[1:], later, 3, length - first * FRAME, channel=1, noise=noise)
    assert part.abs().max() > 0.1
    assert torch.allclose(part, whole[: len(part)], atol=1e-5)


@pytest.mark.parametrize("room_db", [-60.0, -6.0])
def test_any_span_is_that_part_of_the_whole(room_db: float) -> None:
    decoder, length = make_decoder(), 30000
    vectors = torch.cat([vector(NOISE, room_db=room_db), vector(-20.0), linked(NOISE, room_db=room_db), linked()])
    time = torch.tensor([4000, 9000, 12000, 15000])
    whole = render(decoder.tables, vectors, time, 3, length, channel=1)
    sound = ChannelSound(decoder.tables, vectors, time, seed=3, channel=1, frames_at_once=50)
    assert whole.abs().max() > 0.1
    for start, stop in ((0, 30000), (14000, 14001), (500, 12345), (25000, 30000)):
        assert torch.allclose(sound.samples(start, stop - start), whole[start:stop], atol=1e-5)
    silent = ChannelSound(decoder.tables, vectors, time, seed=3, amplitude=torch.zeros(4))
    assert not silent.samples(0, length).any()


def test_a_window_may_begin_within_a_voice() -> None:
    decoder, first, length = make_decoder(), 37, 17000
    vectors = torch.cat([vector(phase_cycles=0.2), linked(-20.0, f0_semitones=20.0), linked(), vector()])
    time = torch.tensor([1000, 2000, 9000, 12000])
    whole = render(decoder.tables, vectors, time, 3, length)[first * FRAME :]
    noise = noise_spectrum(3, 0, first, length // FRAME + 2 - first, CONFIG, time)
    part = render(decoder.tables, vectors, time - first * FRAME, 3, length - first * FRAME, noise=noise)
    assert torch.allclose(part, whole, atol=1e-4)


def test_a_voice_has_the_phase_of_its_first_event_even_where_that_has_no_time() -> None:
    first = vector(phase_cycles=0.25)
    assert np.allclose(sound([first, linked(), linked()], [0, 0, 9000]), sound([first, linked()], [0, 9000]), atol=1e-6)


@pytest.mark.parametrize("time", [5184, 5199])
def test_the_shortest_event_sounds_wherever_it_lies(time: int) -> None:
    assert np.abs(sound(vector(attack_log2_s=-9.0, decay_log2_s=-9.0), [time])).max() > 0.01


def test_high_harmonics_are_as_loud_in_a_fast_glide() -> None:
    decoder = make_decoder(3520.0, -20.0)
    events = torch.cat([vector(), linked(), linked(f0_semitones=36.0)])
    time, length = torch.tensor([2000, 8000, 8000 + RATE // 8]), 8000 + RATE // 8
    samples = render(decoder.tables, events, time, 0, length).double().numpy()
    assert level_db(samples[8000:]) == pytest.approx(level_db(samples[3000:7500]), abs=1.0)


# gradients


def test_every_dim_that_sounds_has_a_gradient_that_is_finite() -> None:
    decoder = make_decoder()
    decoder.shape_basis.add_(torch.randn(decoder.shape_basis.shape, generator=torch.Generator().manual_seed(0)) * 0.1)
    named = {"room_db": -20.0, "phase_cycles": 0.1, "glide_semitones": 1.0}
    events = torch.cat(
        [
            vector(-20.0, **named),
            linked(-20.0, **named),
            linked(-20.0, **named, attack_log2_s=-5.0, f0_semitones=20.0, level_db=-14.0),
            vector(-20.0, **named),
        ]
    ).requires_grad_(True)
    samples = render(decoder.tables, events, torch.tensor([3000, 6000, 9000, 14000]), 0, RATE)
    (samples * torch.sin(torch.arange(RATE) * 0.05)).sum().backward()
    assert events.grad is not None and torch.isfinite(events.grad).all()
    heard = torch.ones(4, 32, dtype=torch.bool)
    heard[:, BEGINS] = False  # a choice
    heard[1, DIMS["attack_log2_s"].index] = False  # all the way from the event before
    ends = torch.tensor([False, False, True, True])  # of voices
    heard[:, DIMS["decay_log2_s"].index] = heard[:, DIMS["glide_semitones"].index] = ends
    heard[:, DIMS["phase_cycles"].index] = torch.tensor([True, False, False, True])
    assert torch.equal(events.grad != 0, heard)


# beside the decoder


@pytest.mark.parametrize("off", [-0.02, 0.02])
@pytest.mark.parametrize("hz", [90.0, 131.0, 247.0, 440.0])
def test_pitch_is_measured_on_the_samples(hz: float, off: float) -> None:
    truth = float(12 * np.log2(hz / 110))
    events = [vector(f0_semitones=truth, phase_cycles=0.3), linked(f0_semitones=truth)]
    decoder = make_decoder(slope_db=-6.0)
    target = render(decoder.tables, torch.cat(events), torch.tensor([2000, 8000]), 0, 10000)
    guess = torch.cat([vector(f0_semitones=truth + 12 * np.log2(1 + off)), vector(NOISE, f0_semitones=3.0)])
    found = measure_pitch(decoder, guess, torch.tensor([5000, 5000]), target)
    assert DIMS["f0_semitones"].physical(found.numpy())[0] == pytest.approx(truth, abs=0.1)
    others = torch.arange(32) != F0
    assert torch.equal(found[:, others], guess[:, others])
    assert torch.equal(found[1], guess[1])  # no pitch to be measured


def voices() -> tuple[torch.Tensor, torch.Tensor]:
    """Two voices with something to say in every number: vectors, times."""
    said = {"glide_semitones": 2.0, "decay_log2_s": -3.3}
    vectors = torch.cat(
        [
            vector(**said, phase_cycles=0.2),
            linked(**said, phase_cycles=0.3, f0_semitones=26.0),
            linked(NOISE, **said, f0_semitones=3.0),
            linked(**said, attack_log2_s=-6.0),
            vector(NOISE, **said, f0_semitones=7.0),
            linked(-20.0, **said),
        ]
    )
    return vectors, torch.tensor([3000, 4500, 6000, 9000, 13000, 18000])


@pytest.mark.parametrize("step", [None, 0.25, 1.297])
def test_tidy_leaves_out_what_is_not_heard(step: float | None) -> None:
    decoder = make_decoder()
    vectors, time = voices()
    tidied = tidy(decoder, vectors, time, None if step is None else torch.full((32,), step))
    zero = tidied == 0
    goes_on = torch.tensor([True, True, True, False, True, False])
    unvoiced = torch.tensor([False, False, True, False, True, False])
    assert torch.equal(zero[:, DIMS["decay_log2_s"].index], goes_on)
    assert torch.equal(zero[:, DIMS["glide_semitones"].index], goes_on)
    assert torch.equal(zero[:, DIMS["phase_cycles"].index], torch.tensor([False, True, True, True, True, True]))
    assert torch.equal(tidied[unvoiced, F0], vectors[[1, 3], F0])  # the last that is heard
    assert torch.equal(tidied[:, BEGINS], vectors[:, BEGINS])
    assert torch.equal(tidied[:, SHAPE:], vectors[:, SHAPE:])
    # shorter is nearer to 0: as long as the gap is long enough
    attack = DIMS["attack_log2_s"].physical(tidied.numpy())
    assert (2.0 ** attack[[1, 2, 5]] >= np.array([1500, 1500, 5000]) / RATE * 0.99).all()
    assert attack[3] == pytest.approx(-6.0)
    before, after = (render(decoder.tables, v, time, 0, RATE) for v in (vectors, tidied))
    assert torch.allclose(before, after, atol=1e-6)


@pytest.mark.parametrize("step", [0.25, 1.297, 4.0])
def test_settling_keeps_what_begins(step: float) -> None:
    decoder = make_decoder()
    vectors, time = voices()
    steps = torch.full((32,), step)
    none = Events(vectors[:0], time[:0])
    settled = settle(decoder, none, Events(vectors, time), none, steps)
    assert torch.equal(decoder.controls(settled).begins, decoder.controls(vectors).begins)
    whole = settled / steps
    assert torch.allclose(whole, whole.round(), atol=1e-4)
    again = settle(decoder, none, Events(settled, time), none, steps)
    assert torch.allclose(again, settled, atol=1e-5)  # it stays so
    events = Events(vectors, time)
    parts = [
        settle(decoder, none, events[:3], events[3:], steps),
        settle(decoder, Events(settled[:3], time[:3]), events[3:], none, steps),
    ]
    assert torch.equal(torch.cat(parts), settled)  # a part is settled as it is in the whole


def test_mel_filters_average() -> None:
    filters = mel_filters(80, 2048, RATE)
    assert filters.shape == (80, 1025)
    assert np.allclose(filters.sum(1), 1.0)
    centres = (filters * np.linspace(0, RATE / 2, 1025)).sum(1)
    assert (np.diff(centres) > 0).all()

"""The public Python API: `import sparsecodec_cli`."""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import fake_codec
import numpy as np
import pytest
import soundfile
import torch
from cli_support import make_table, names_in, read_sic, write_sic, write_wav

import sparsecodec_cli as sic
from sparsecodec_cli import api
from sparsecodec_formats import FormatError, edit
from sparsecodec_models import ArraySource
from sparsecodec_models.errors import OtherWeights

pytestmark = pytest.mark.usefixtures("fake")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(sic.SicError, match="no tpu device"):
        api.resolve_device("tpu")
    assert api.resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(sic.SicError, match="64-bit"):
        api.resolve_device("mps")


@pytest.mark.parametrize("is_available", [False, True])
def test_torch_is_asked_where_there_is_a_driver(is_available: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_available)
    assert api.resolve_device("auto") == ("cuda" if is_available else "cpu")
    if not is_available:
        with pytest.raises(sic.SicError, match="no cuda device"):
            api.resolve_device("cuda")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        sic.nonesuch  # noqa: B018


def test_every_name_is_there() -> None:
    for name in sic.__all__:
        assert getattr(sic, name) is not None and name in dir(sic)


@pytest.mark.parametrize("shape", [(8000,), (8000, 1), (8000, 2)])
def test_encode_and_decode_arrays(shape: tuple[int, ...]) -> None:
    audio = 0.5 * np.sin(np.arange(np.prod(shape)) / 5).reshape(shape)
    table = sic.encode(audio, 8000, tags={"title": "tone"}, seed=3)
    header = table.header
    assert (header.sample_rate, header.n_samples, header.seed, header.tags) == (
        8000,
        8000,
        3,
        {"title": "tone"},
    )
    assert header.channels == (shape[1] if len(shape) > 1 else 1)
    file = io.BytesIO()
    sic.write(table, file)
    file.seek(0)
    read = sic.read(file)
    assert read.header == header and np.array_equal(read.vector, table.vector)
    decoded, rate = sic.decode(table)
    assert decoded.shape == (8000, header.channels) and decoded.dtype == np.float32 and rate == 8000
    part, rate = sic.decode(table, start_s=0.25, end_s=0.5, sample_rate=16000)
    assert part.shape == (4000, header.channels) and rate == 16000


def test_encode_takes_a_source_too(tmp_path: Path) -> None:
    audio = 0.5 * np.sin(np.arange(8000) / 5)
    source = ArraySource(audio, 8000)
    assert sic.encode(source) == sic.encode(audio, 8000)
    source.rewind()
    assert sic.encode(source, 8000).header.sample_rate == 8000
    with pytest.raises(sic.SicError, match="8000 Hz, not 16000"):
        sic.encode(source, 16000)
    with pytest.raises(sic.SicError, match="sample_rate"):
        sic.encode(audio)


def test_a_codec_may_stand_for_its_model(fake: fake_codec.FakeCodec) -> None:
    audio, other = 0.5 * np.sin(np.arange(8000) / 5), fake_codec.FakeCodec()
    table = sic.encode(audio, 8000, model=other, effort=7)
    assert other.asked["effort"] == 7 and fake.asked == {}
    sic.decode(table, model=other, seed=8)
    assert other.asked_to_decode["seed"] == 8 and fake.asked_to_decode == {}


def test_blocks_are_the_decoded_sound(fake: fake_codec.FakeCodec) -> None:
    table = make_table(channels=2)
    blocks = list(sic.decode_blocks(table, events=[1, 2], start_s=0.3, end_s=1.5, sample_rate=16000))
    audio, _ = sic.decode(table, events=[1, 2], start_s=0.3, end_s=1.5, sample_rate=16000)
    assert len(blocks) > 1 and np.array_equal(np.concatenate(blocks), audio)
    with pytest.raises(sic.SicError, match="no event 20"):
        sic.decode_blocks(table, events=[20])  # at once


def test_verify_tells_of_bytes_and_of_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(write_sic(tmp_path / "a.sic"), "rb") as file:
        assert sic.verify(file) == []
        file.seek(0)
        assert sic.verify(file, decode=True) == []
        monkeypatch.setattr(fake_codec.FakeCodec, "decode", lambda *args, **options: iter([np.full((5, 1), np.nan)]))
        file.seek(0)
        assert sic.verify(file, decode=True) == ["decodes to NaN or infinite samples"]
    (tmp_path / "b.sic").write_bytes((tmp_path / "a.sic").read_bytes()[:-1])
    with open(tmp_path / "b.sic", "rb") as file:
        assert len(sic.verify(file)) == 1


def test_transform_applies_edits_by_name() -> None:
    table = make_table()
    edits = [("crop", (0.5, 1.5)), ("gain", (-6.0,)), ("keep", (3,))]
    assert api.transform(table, edits) == edit.keep(edit.gain(edit.crop(table, 0.5, 1.5), -6.0), 3)
    with pytest.raises(ValueError, match="no edit 'solo'"):
        api.transform(table, [("solo", ([1],))])


def test_the_edits_of_a_table_are_those_of_the_command() -> None:
    table, methods = make_table(), {name: getattr(sic.EventTable, name) for name in api.EDITS}
    given = {"stretch": (2,), "crop": (0.5,), "keep": (3,), "keep_percent": (50,), "decay": (0.5,), "tilt": (3,)}
    given |= {"repeat": (2,), "echo": (0.1, -3, 2), "move_to": (1,), "quantise_times": (0.5,), "jitter": (0.2,)}
    given |= {"shorten_pauses": (0.1,)}
    for name, method in methods.items():
        values = given.get(
            name, () if name in ("reverse", "whisper", "unlink") else (-1,) if name != "attack" else (2,)
        )
        if name in ("take", "drop"):  # of what is selected alone
            edits: list[tuple[str, tuple[Any, ...]]] = [("select", ("time > 1",)), (name, ())]
            assert method(table, table.time > 1) == api.transform(table, edits)
        else:
            assert method(table, *values) == api.transform(table, [(name, values)]), name
        function = inspect.signature(getattr(edit, name)).parameters
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            assert parameter.default == function[parameter.name].default
            assert parameter.kind == function[parameter.name].kind
    defaults = inspect.signature(api.transform).parameters
    assert defaults["timbre"].default is inspect.signature(edit.transpose).parameters["timbre"].default
    for name, parameter in (("repeat", "every_s"), ("jitter", "seed")):
        assert defaults[parameter].default == inspect.signature(getattr(edit, name)).parameters[parameter].default
    assert defaults["gap"].default is inspect.signature(edit.take).parameters["gap"].default
    assert defaults["gap"].default is inspect.signature(edit.drop).parameters["gap"].default
    assert defaults["stretch_events"].default is inspect.signature(edit.stretch).parameters["events"].default


def test_what_takes_other_tables_is_a_method_too_with_the_defaults_of_the_command() -> None:
    table, other = make_table(n=12), edit.gain(edit.shift(make_table(n=12), 0.05), -3)
    assert table.morph(other, 0.25) == api.morph(table, other, 0.25)
    for options in ({}, {"keep_pitch": True, "keep_level": True}):
        assert table.mosaic(other, **options) == api.replace(table, other, **options)
    for options in ({}, {"by": "segment", "top": 2}):
        assert repr(table.similar(1, [other], **options)) == repr(api.similar([table, other], 1, **options))  # has nan
    pairs = ((sic.EventTable.mosaic, api.replace), (sic.EventTable.similar, api.similar))
    for pair in (*pairs, (edit.mosaic, api.replace), (edit.similar, api.similar)):
        method, function = (inspect.signature(one).parameters for one in pair)
        shared = {name for name in method if name in function and method[name].kind is inspect.Parameter.KEYWORD_ONLY}
        assert shared in ({"keep_pitch", "keep_level"}, {"by", "top"})
        assert all(method[name].default == function[name].default for name in shared)


def test_randomize_draws_what_is_asked() -> None:
    table = make_table()
    assert api.randomize(table) == table
    assert api.randomize(table, times=True, seed=3) == edit.randomize_times(table, 3)
    both = edit.randomize_vectors(edit.randomize_times(table, 3), 3)
    assert api.randomize(table, times=True, vectors=True, seed=3) == both
    in_order = edit.randomize_times(table, 3, keep_order=True)
    assert api.randomize(table, times=True, keep_order=True, seed=3) == in_order
    own = edit.randomize_vectors(in_order, 3, within="own")
    assert api.randomize(table, times=True, keep_order=True, vectors=True, within="own", seed=3) == own


def test_decode_some_events() -> None:
    table = make_table()
    with pytest.raises(sic.SicError, match="no event 20"):
        sic.decode(table, events=[3, 20])
    some, _ = sic.decode(table, events=[3, 5])
    expected, _ = sic.decode(edit.solo(table, [3, 5]))
    assert np.array_equal(some, expected) and some.any()
    assert np.abs(sic.decode(table, events=[])[0]).max() < 1e-9


def test_decode_nothing() -> None:
    audio, rate = sic.decode(make_table(0, seconds=0, channels=2))
    assert audio.shape == (0, 2) and rate == 8000


# What people have: paths, file objects, samples of any usual type


def as_path(path: Path) -> Path:
    return path


def as_text(path: Path) -> str:
    return str(path)


def as_open_file(path: Path) -> BinaryIO:
    return open(path, "rb")


def as_new_file(path: Path) -> BinaryIO:
    return open(path, "wb")


def as_bytes_io(path: Path) -> BinaryIO:
    return io.BytesIO(path.read_bytes())


def as_pipe(path: Path) -> BinaryIO:
    """A file that cannot seek."""
    ours, theirs = os.pipe()
    with open(theirs, "wb") as end:
        end.write(path.read_bytes())  # less than a pipe holds
    return open(ours, "rb")


def as_rest_of_file(path: Path) -> BinaryIO:
    file = io.BytesIO(b"what stands before" + path.read_bytes())
    file.seek(18)
    return file


ANY_FILE = pytest.mark.parametrize(
    "given", [as_path, as_text, as_open_file, as_bytes_io, as_pipe, as_rest_of_file], ids=lambda given: given.__name__
)


@ANY_FILE
def test_recordings_as_files(given: Callable[[Path], Any], tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav", 8000, channels=2)
    audio, rate = soundfile.read(wav, dtype="float32")
    assert sic.encode(given(wav)) == sic.encode(audio, rate)
    assert sic.encode(given(wav), rate).header.channels == 2
    with pytest.raises(sic.SicError, match="8000 Hz, not 16000"):
        sic.encode(given(wav), 16000)


@ANY_FILE
def test_events_as_files(given: Callable[[Path], Any], tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic")
    table = read_sic(path)
    assert sic.read(given(path)) == table
    assert sic.verify(given(path)) == [] == sic.verify(given(path), decode=True)
    assert api.inspect(given(path)).table == table
    expected, _ = sic.decode(table)
    np.testing.assert_array_equal(sic.decode(given(path))[0], expected)
    np.testing.assert_array_equal(np.concatenate(list(sic.decode_blocks(given(path)))), expected)


@pytest.mark.parametrize("as_given", [Path, str, as_new_file])
def test_outputs_as_files(as_given: Callable[[Any], Any], tmp_path: Path) -> None:
    table, midi = read_sic(write_sic(tmp_path / "talk.sic")), io.BytesIO()
    n_notes = sic.export(table, midi)
    for name, write in {
        "talk.sic": lambda file: sic.write(table, file),
        "talk.mid": lambda file: sic.export(table, file),
    }.items():
        (tmp_path / name).write_bytes(b"what was there")
        file = as_given(tmp_path / name)
        assert write(file) in (None, n_notes)
        if hasattr(file, "close"):
            file.close()
    assert sic.read(tmp_path / "talk.sic") == table
    assert (tmp_path / "talk.mid").read_bytes() == midi.getvalue()
    assert names_in(tmp_path) == ["talk.mid", "talk.sic"]
    assert sic.export(tmp_path / "talk.sic", io.BytesIO()) == n_notes


def test_a_failed_output_leaves_what_was_there(tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic")
    reference = make_table(0, model="reference")
    with pytest.raises(sic.SicError):
        sic.export(reference, path)
    assert len(sic.read(path)) == len(make_table()) and names_in(tmp_path) == ["talk.sic"]


def test_a_file_named_dash_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sic.write(make_table(), "-")
    assert names_in(tmp_path) == ["-"] and len(sic.read("-")) == len(make_table())


def test_two_recordings_are_compared_as_files_too(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "talk.wav", 16000)
    audio, rate = soundfile.read(wav, dtype="int16")
    found = sic.compare(wav, None, audio)
    assert found["mel"] == 0.0 == sic.compare(audio, rate, str(wav))["mel"]
    assert found["lag_ms"] == 0.0


def test_samples_of_16_bits_are_at_full_scale() -> None:
    tone = (8000 * np.sin(np.arange(8000) / 5)).astype(np.int16)
    given, codec = [], SourceReader()
    for samples in (
        tone,
        tone / 32768,
        tone[:, None],
        torch.tensor(tone),
        torch.tensor(tone / 32768, requires_grad=True),
    ):
        sic.encode(samples, 8000, model=codec)
        given.append(codec.samples)
    assert all(np.array_equal(samples, given[0]) for samples in given)
    assert given[0].dtype == np.float32 and np.abs(given[0]).max() == pytest.approx(8000 / 32768, rel=1e-3)


class SourceReader(fake_codec.FakeCodec):
    """Keeps the samples that it is to encode."""

    samples: np.ndarray

    def encode(self, audio: Any, **options: Any) -> sic.EventTable:
        self.samples = audio.read(audio.n_samples)
        return make_table()


class NoBytes(io.RawIOBase):
    """A file object of something else, as soundfile's."""

    def readable(self) -> bool:
        return True

    def read(self, n: int = -1) -> Any:
        return np.zeros(n)


def at_its_end(path: Path) -> BinaryIO:
    file = as_open_file(path)
    file.seek(0, os.SEEK_END)
    return file


def closed(path: Path) -> BinaryIO:
    file = as_open_file(path)
    file.close()
    return file


NO_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "gone": (lambda path: path.parent / "gone.wav", "gone.wav: no such file"),
    "words": (lambda path: "hello", "hello: no such file"),
    "empty name": (lambda path: "", "empty name"),
    "nul": (lambda path: "a\0b", "no file has such a name"),
    "folder": (lambda path: path.parent, "is a folder"),
    "text": (lambda path: io.StringIO("talk"), "open as text.*'rb'"),
    "text file": (lambda path: io.TextIOWrapper(as_open_file(path)), "talk.*open as text"),
    "closed": (closed, "talk.*is closed"),
    "at its end": (at_its_end, r"talk.*seek\(0\)"),
    "write only": (lambda path: as_new_file(path.parent / "new"), "new: is not a file open in mode 'rb'"),
    "no bytes": (lambda path: NoBytes(), "gives no bytes"),
    "no file": (lambda path: io.BytesIO(b"nothing of this kind"), "not audio|not a .sic file"),
    "empty": (lambda path: io.BytesIO(), "is empty|cut short|not a .sic file"),
    "bytes": (lambda path: b"RIFF", "bytes|RIFF"),
    "none": (lambda path: None, "None"),
    "number": (lambda path: 3, "3|int"),
}
READERS: dict[str, Callable[[Any], object]] = {
    "encode": lambda file: sic.encode(file, None if hasattr(file, "read") or isinstance(file, str | Path) else 8000),
    "read": sic.read,
    "verify": lambda file: no_problems(sic.verify(file)),
    "inspect": api.inspect,
    "decode": sic.decode,
    "decode_blocks": sic.decode_blocks,
    "render_stems": sic.render_stems,
    "export": lambda file: sic.export(file, io.BytesIO()),
    "render_report": lambda file: sic.render_report(io.BytesIO(), [file]),
}


def no_problems(found: list[str]) -> None:
    """What `verify` finds wrong with a file is its result, not an error."""
    if found:
        raise sic.SicError("; ".join(found))


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore:.*was never closed")
def test_what_is_no_file_is_refused_in_one_line(name: str, kind: str, tmp_path: Path) -> None:
    make, words = NO_FILES[kind]
    if name == "render_report":
        words = f"{words}|give the path"
    with pytest.raises(sic.SicError, match=words) as error:
        READERS[name](make(write_wav(tmp_path / "talk.wav") if name == "encode" else write_sic(tmp_path / "talk.sic")))
    assert "\n" not in str(error.value) and "internal" not in str(error.value)


@pytest.mark.parametrize(
    "file, words",
    [
        (io.StringIO(), "open as text.*'wb'"),
        (io.BufferedReader(io.BytesIO()), "not a file open in mode 'wb'"),
        ("no/such/folder/talk.sic", "folder does not exist"),
        (".", "is a folder"),
        (None, "None"),
    ],
    ids=["text", "read only", "no folder", "folder", "none"],
)
def test_what_cannot_be_written_is_refused_in_one_line(file: Any, words: str) -> None:
    for write in (sic.write, sic.export):
        with pytest.raises(sic.SicError, match=words) as error:
            write(make_table(), file)
        assert "\n" not in str(error.value)


def test_errors_keep_their_class_and_name_no_option_of_a_command(tmp_path: Path) -> None:
    bad = tmp_path / "bad.sic"
    bad.write_bytes(write_sic(tmp_path / "a.sic").read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"bad\.sic: "):
        sic.read(bad)
    other = write_sic(tmp_path / "other.sic", make_table(weights_hash=b"else"))
    with pytest.raises(OtherWeights) as error:
        sic.verify(other, decode=True)
    assert "--model" not in str(error.value)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(sic.SicError, match="EventTable"):
        sic.write(None, io.BytesIO())  # type: ignore[arg-type]


def test_sound_without_samples_is_refused(fake: fake_codec.FakeCodec) -> None:
    for empty in ([], np.zeros(0), np.zeros((0, 2)), torch.zeros(0)):
        with pytest.raises(sic.SicError, match="no samples"):
            sic.encode(empty, 8000)
    assert fake.asked == {}


@pytest.mark.parametrize(
    "options, words",
    [
        ({"model": 3}, "model is 3"),
        ({"model": None, "device": "gpu"}, "no gpu device"),
        ({"tags": {"take": 3}}, "tag 'take' is 3"),
    ],
)
def test_options_of_another_type_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(sic.SicError, match=words):
        sic.encode(np.zeros(800), 8000, **options)

"""Tags of recordings: into .sic files, and back into audio."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_support import make_table, names_in, ok, read_sic, sic, write_sic
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_cli.io import audio_tags
from sparsecodec_formats.header import MAX_TAG_BYTES, Header

pytestmark = pytest.mark.usefixtures("fake")

TAGS = {
    "title": "Öffentliche Rede über 你好 🎙",
    "artist": "Zoë",
    "album": "Stimmen",
    "date": "2026-11-28",
    "tracknumber": "7",
    "genre": "Speech",
    "comment": "two\nlines",
    "copyright": "© 2026 Zoë",
    "license": "CC BY 4.0",
    "software": "a recorder (libsndfile)",
}
HELD = {
    "wav": set(TAGS) - {"license"},
    "rf64": set(TAGS) - {"license"},
    "flac": set(TAGS),
    "ogg": set(TAGS),
    "opus": set(TAGS),
    "caf": set(TAGS),
    "mp3": set(TAGS) - {"license"},
    "aiff": {"title", "artist", "comment", "software"},  # its copyright takes ASCII alone
    "w64": set(),
    "au": set(),
}
RATE = 48000


def tagged(path: Path, tags: dict[str, str]) -> Path:
    subtype = "OPUS" if path.suffix == ".opus" else None
    name = "OGG" if subtype else None
    with soundfile.SoundFile(path, "w", RATE, 1, subtype=subtype, format=name) as file:
        for key, value in tags.items():
            setattr(file, key, value)
        file.write(0.1 * np.sin(np.arange(9600) / 10))
    return path


def tags_of(file: Path | bytes) -> dict[str, str]:
    with soundfile.SoundFile(io.BytesIO(file) if isinstance(file, bytes) else file) as sound:
        return {key: value for key, value in sound.copy_metadata().items() if value}


def table(tags: dict[str, str]) -> object:
    return make_table(5, seconds=0.2, rate=RATE, tags=tags)


# Into .sic files


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "opus", "caf", "rf64"])
def test_encode_keeps_the_tags_of_the_source(extension: str, tmp_path: Path) -> None:
    source = tagged(tmp_path / f"talk.{extension}", TAGS)
    ok("encode", source)
    expected = tags_of(source)
    assert {**TAGS, **expected} == TAGS and len(expected) >= 9
    assert read_sic(tmp_path / "talk.sic").header.tags == expected


def test_encode_keeps_the_tags_of_mp3_and_of_pipes(tmp_path: Path) -> None:
    source = tagged(tmp_path / "talk.mp3", {"title": "Talk", "artist": "Ann"})
    ok("encode", "-", tmp_path / "talk.sic", stdin=source.read_bytes())
    tags = read_sic(tmp_path / "talk.sic").header.tags
    assert (tags["title"], tags["artist"]) == ("Talk", "Ann")
    assert "" not in tags.values()


def test_tags_that_are_given_win_in_whatever_case(tmp_path: Path) -> None:
    source = tagged(tmp_path / "talk.flac", {"title": "old", "artist": "Ann"})
    ok("encode", source, "--tag", "TITLE=new", "--tag", "speaker=Bob")
    assert read_sic(tmp_path / "talk.sic").header.tags == {"artist": "Ann", "TITLE": "new", "speaker": "Bob"}


def test_no_tags_keeps_only_what_is_given(tmp_path: Path) -> None:
    source = tagged(tmp_path / "talk.flac", TAGS)
    ok("encode", source, "--no-tags")
    assert read_sic(tmp_path / "talk.sic").header.tags == {}
    ok("encode", source, "-f", "--no-tags", "--tag", "a=1")
    assert read_sic(tmp_path / "talk.sic").header.tags == {"a": "1"}


def test_a_text_that_is_too_long_is_cut_and_the_others_stay(tmp_path: Path) -> None:
    source = tagged(tmp_path / "talk.flac", {"comment": "ä" * 40000, "title": "Talk", "album": "b" * 1000})
    result = sic("encode", source)
    assert result.exit_code == 0
    assert "sic: warning:" in result.stderr and "the tag comment was too long and cut; use --no-tags" in result.stderr
    tags = read_sic(tmp_path / "talk.sic").header.tags
    assert tags["title"] == "Talk" and tags["album"] == "b" * 1000
    assert set(tags["comment"]) == {"ä"} and 63_900 < len(tags["comment"].encode()) < 64_000
    assert list(tags) == ["title", "comment", "album"]
    assert "too long" not in sic("encode", source, "-f", "--no-tags").stderr


TEXTS = st.dictionaries(
    st.sampled_from(audio_tags.NAMES), st.text(max_size=20) | st.text(max_size=5).map(lambda t: t * 9999)
)
GIVEN = st.dictionaries(st.sampled_from(["title", "Comment", "x"]), st.text(st.characters(codec="utf-8"), max_size=9))


@given(TEXTS, GIVEN)
def test_what_is_kept_always_fits_and_only_what_does_not_is_cut(
    source: dict[str, str], given_tags: dict[str, str]
) -> None:
    tags, cut = audio_tags.kept(source, given_tags)
    Header(8000, 1, 1, "speech", bytes(4), 1, (1.0,) * 32, tags=tags)  # refuses what does not fit
    for name, text in source.items():
        wanted = text.replace("\0", " ").strip()
        if name in cut:
            assert wanted.encode(errors="replace").startswith(tags.get(name, "").encode()) and len(wanted) > 1
        elif name not in {key.casefold() for key in given_tags}:
            assert tags.get(name, "") == wanted
    assert given_tags.items() <= tags.items()
    assert not cut or sum(len((key + text).encode()) for key, text in tags.items()) > MAX_TAG_BYTES - 100


# Back into audio


@pytest.mark.parametrize("extension", HELD)
@pytest.mark.parametrize("out", ["file", "-"])
def test_decode_writes_the_tags_that_the_format_has(extension: str, out: str, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "talk.sic", table(TAGS | {"speaker": "Zoë"}))  # type: ignore[arg-type]
    if out == "-":
        written: Path | bytes = ok("decode", path, "-", "--format", extension)
    else:
        written = tmp_path / f"out.{extension}"
        ok("decode", path, written)
    assert tags_of(written) == {key: value for key, value in TAGS.items() if key in HELD[extension]}
    with soundfile.SoundFile(io.BytesIO(written) if isinstance(written, bytes) else written) as sound:
        assert sound.frames == 9600


@pytest.mark.parametrize("extension", ["wav", "mp3", "flac"])
def test_no_tags_writes_none(extension: str, tmp_path: Path) -> None:
    with_tags = write_sic(tmp_path / "a.sic", table(TAGS))  # type: ignore[arg-type]
    without = write_sic(tmp_path / "b.sic", table({}))  # type: ignore[arg-type]
    expected = ok("decode", without, "-", "--format", extension)
    assert ok("decode", with_tags, "-", "--format", extension, "--no-tags") == expected


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "opus", "mp3", "caf", "rf64", "aiff"])
def test_long_texts_come_back_or_are_cut_with_a_warning(extension: str, tmp_path: Path) -> None:
    tags = {name: name[0] * 6000 for name in audio_tags.NAMES if name != "software"}
    path = write_sic(tmp_path / "talk.sic", table(tags))  # type: ignore[arg-type]
    out = tmp_path / f"out.{extension}"
    result = sic("decode", path, out)
    assert result.exit_code == 0
    read = tags_of(out)
    assert set(read) - {"software"} == HELD[extension] - {"software"} | (
        {"copyright"} if extension == "aiff" else set()
    )
    whole = {name: text for name, text in read.items() if name in tags and text == tags[name]}
    cut = set(read) - set(whole) - {"software"}
    for name in cut:
        assert tags[name].startswith(read[name]) and len(read[name]) >= 1500
    assert cut == ({*()} if extension in ("flac", "mp3") else set(read) - {"software"})
    assert ("too long and cut" in result.stderr) == bool(cut)


def test_texts_of_odd_length_leave_a_wav_whole(tmp_path: Path) -> None:
    for title in ("a", "ab", "abc"):
        data = ok("decode", write_sic(tmp_path / "x.sic", table({"title": title})), "-")  # type: ignore[arg-type]
        assert int.from_bytes(data[4:8], "little") == len(data) - 8 and len(data) % 2 == 0
        assert tags_of(data) == {"title": title} and soundfile.info(io.BytesIO(data)).frames == 9600


@pytest.mark.parametrize("key, expected", [("TITLE", "title"), ("Artist", "artist")])
def test_keys_are_known_in_whatever_case(key: str, expected: str, tmp_path: Path) -> None:
    path = write_sic(tmp_path / "x.sic", table({key: "x", "empty": "", "comment": ""}))  # type: ignore[arg-type]
    assert tags_of(ok("decode", path, "-")) == {expected: "x"}


def test_there_and_back(tmp_path: Path) -> None:
    ok("encode", tagged(tmp_path / "talk.flac", TAGS))
    ok("decode", tmp_path / "talk.sic", tmp_path / "back.flac")
    assert tags_of(tmp_path / "back.flac") == TAGS
    assert names_in(tmp_path) == ["back.flac", "talk.flac", "talk.sic"]

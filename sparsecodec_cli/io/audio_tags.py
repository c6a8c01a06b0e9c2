"""Texts that a recording has about itself: kept in .sic files, and written back into audio files."""

from __future__ import annotations

from collections.abc import Mapping

from sparsecodec_formats.header import MAX_TAG_BYTES

NAMES = (
    "title",
    "artist",
    "album",
    "date",
    "tracknumber",
    "genre",
    "comment",
    "copyright",
    "license",
    "software",
)
"""Names of texts in audio files, as libsndfile calls them."""

RIFF_NAMES = {
    "title": b"INAM",
    "artist": b"IART",
    "album": b"IPRD",
    "date": b"ICRD",
    "tracknumber": b"ITRK",
    "genre": b"IGNR",
    "comment": b"ICMT",
    "copyright": b"ICOP",
    "software": b"ISFT",
}
_ID3_NAMES = {
    "title": b"TIT2",
    "artist": b"TPE1",
    "album": b"TALB",
    "date": b"TDRC",
    "tracknumber": b"TRCK",
    "genre": b"TCON",
    "comment": b"COMM",
    "copyright": b"TCOP",
    "software": b"TSSE",
}
_HELD: dict[str, tuple[str, ...]] = {
    "WAV": tuple(RIFF_NAMES),
    "RF64": tuple(RIFF_NAMES),
    "FLAC": NAMES,
    "OGG": NAMES,
    "CAF": NAMES,
    "MP3": tuple(_ID3_NAMES),
    "AIFF": ("title", "artist", "comment", "copyright", "software"),
}
"""Which texts a format holds, by libsndfile's name of it."""

# Bytes of a text. With longer ones libsndfile, and who reads with it, cannot open the file, or loses texts.
_MAX_TEXT_BYTES = {"OGG": 5000, "AIFF": 1500, "CAF": 1500, "WAV": 1500, "RF64": 1500}


def kept(of_source: Mapping[str, str], given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The tags of a .sic file, and the names of those that had to be cut to fit in it.

    They are those of the source, but for those that the user has given under the same name in whatever case, and then
    the given ones. Where there is no room for all, the longest of the source are cut.
    """
    names = {name.casefold() for name in given}
    texts = {
        name: text for name, text in ((n, _cleaned(t)) for n, t in of_source.items()) if text and name not in names
    }
    room = MAX_TAG_BYTES - sum(_n_bytes(name) + _n_bytes(text) for name, text in given.items())
    cut = []
    for name in sorted(texts, key=lambda name: _n_bytes(texts[name])):
        room -= _n_bytes(name)
        if _n_bytes(texts[name]) > room:
            texts[name] = _shortened(texts[name], max(0, room))
            cut.append(name)
        room -= _n_bytes(texts[name])
    return {name: text for name, text in texts.items() if text} | dict(given), cut


def fitting(tags: Mapping[str, str], format_name: str) -> tuple[dict[str, str], list[str]]:
    """Those of a .sic file's tags that a format holds, under the names of NAMES, and which of them had to be cut.

    format_name: libsndfile's.
    """
    held = _HELD.get(format_name, ())
    texts, cut = {}, []
    for key, value in tags.items():
        name, text = key.casefold(), _cleaned(value)
        if name not in held or not text:
            continue
        if format_name == "AIFF" and name in ("copyright", "software") and not text.isascii():
            continue  # libsndfile would write dots
        texts[name] = _shortened(text, _MAX_TEXT_BYTES.get(format_name, MAX_TAG_BYTES))
        if texts[name] != text:
            cut.append(name)
    return texts, cut


def id3(texts: Mapping[str, str]) -> bytes:
    """An ID3 tag, version 2.4, in UTF-8, as it stands before an MP3 stream: LAME would take the bytes for Latin-1."""
    frames = b""
    for name, text in texts.items():
        about = b"\x03" + (b"XXX\0" if name == "comment" else b"")  # UTF-8; language unknown, no description
        content = about + text.encode()
        frames += _ID3_NAMES[name] + _synchsafe(len(content)) + b"\0\0" + content
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames


def _synchsafe(number: int) -> bytes:
    """28 bits, seven a byte, highest first."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _cleaned(text: str) -> str:
    """Without what audio files fill texts up with, and which would end a text in the middle."""
    return text.replace("\0", " ").strip()


def _n_bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


def _shortened(text: str, n_bytes: int) -> str:
    """The beginning of a text, of at most so many bytes in UTF-8."""
    return (
        text.encode(errors="replace")[:n_bytes].decode(errors="ignore").rstrip() if _n_bytes(text) > n_bytes else text
    )

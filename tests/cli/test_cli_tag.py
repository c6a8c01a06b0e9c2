"""`sic tag`: tags are shown and changed, and nothing else is."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from cli_support import assert_refused, make_table, names_in, ok, read_sic, sic, write_sic
from hypothesis import given
from hypothesis import strategies as st

from sparsecodec_cli.commands.tag import with_changes

TAGS = {"title": "Talk", "Artist": "Zoë", "comment": "two\nlines"}


@pytest.fixture
def talk_sic(tmp_path: Path) -> Path:
    return write_sic(tmp_path / "talk.sic", make_table(200, seconds=30, channels=2, tags=TAGS))


def tags_of(path: Path) -> Mapping[str, str]:
    return read_sic(path).header.tags


def blocks_of(data: bytes) -> bytes:
    """What is after the header and its check, without the end: the length of the body stands after the version."""
    length, shift, at = 0, 0, 5
    while True:
        length |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            break
    return data[at + length + 2 : -5]


def test_it_shows_a_line_for_each_and_json(talk_sic: Path) -> None:
    assert ok("tag", talk_sic).decode() == "title=Talk\nArtist=Zoë\ncomment=two lines\n"
    assert json.loads(ok("tag", talk_sic, "--json")) == TAGS
    assert ok("tag", "-", stdin=talk_sic.read_bytes()) == ok("tag", talk_sic)
    bare = write_sic(talk_sic.parent / "bare.sic")
    assert ok("tag", bare) == b"" and json.loads(ok("tag", bare, "--json")) == {}


def test_it_shows_the_tags_of_a_file_whose_events_are_damaged(talk_sic: Path) -> None:
    talk_sic.write_bytes(talk_sic.read_bytes()[:-20])
    assert b"title=Talk" in ok("tag", talk_sic)


@pytest.mark.parametrize(
    "args, expected",
    [
        (["title=New"], {"title": "New", "Artist": "Zoë", "comment": "two\nlines"}),
        (["TITLE=New", "date=2026"], {"TITLE": "New", "Artist": "Zoë", "comment": "two\nlines", "date": "2026"}),
        (["artist=", "nothing="], {"title": "Talk", "comment": "two\nlines"}),
        (["--clear"], {}),
        (["--clear", "a=b=c"], {"a": "b=c"}),
        (["lyrics=" + "ä" * 30000], {**TAGS, "lyrics": "ä" * 30000}),
    ],
)
@pytest.mark.parametrize("place", ["in place", "-o", "-o -", "pipe"])
def test_changes_keep_every_byte_of_the_events(
    args: list[str], expected: dict[str, str], place: str, talk_sic: Path
) -> None:
    before, out = talk_sic.read_bytes(), talk_sic.parent / "out.sic"
    match place:
        case "in place":
            result = sic("tag", talk_sic, *args)
            assert result.stderr == f"{talk_sic}: {len(expected)} tag{'s' * (len(expected) != 1)}\n"
            out = talk_sic
        case "-o":
            ok("tag", talk_sic, *args, "-o", out)
        case "-o -":
            out.write_bytes(ok("tag", talk_sic, *args, "-o", "-"))
        case "pipe":
            out.write_bytes(ok("tag", "-", *args, stdin=before))
    if place != "in place":
        assert talk_sic.read_bytes() == before
    assert dict(tags_of(out)) == expected and list(tags_of(out)) == list(expected)
    assert blocks_of(out.read_bytes()) == blocks_of(before)
    assert ok("test", out).endswith(b": ok\n")
    assert set(names_in(talk_sic.parent)) == {"talk.sic", out.name}


def test_there_and_back_is_the_same_file(talk_sic: Path) -> None:
    before = talk_sic.read_bytes()
    ok("tag", talk_sic, "a=1", "title=x", "-q")
    ok("tag", talk_sic, "a=", "title=Talk", "-q")
    assert talk_sic.read_bytes() == before


def test_in_place_keeps_permissions_and_links(talk_sic: Path) -> None:
    talk_sic.chmod(0o640)
    link = talk_sic.parent / "link.sic"
    link.symlink_to(talk_sic)
    ok("tag", link, "title=x")
    assert link.is_symlink() and stat.S_IMODE(talk_sic.stat().st_mode) == 0o640
    assert tags_of(talk_sic)["title"] == "x"


def test_a_read_only_file_is_not_changed(talk_sic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = talk_sic.read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # as it is for anybody but root
    assert_refused(sic("tag", talk_sic, "title=x"), "talk.sic: is read-only", "another output")
    assert talk_sic.read_bytes() == before
    ok("tag", talk_sic, "title=x", "-o", talk_sic.parent / "out.sic")


@pytest.mark.parametrize("damage", ["cut", "byte", "tail"])
def test_a_damaged_file_stays_as_it_is(damage: str, talk_sic: Path) -> None:
    data = bytearray(talk_sic.read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "byte":
        data[len(data) // 2] ^= 1
    else:
        data += b"more"
    talk_sic.write_bytes(data)
    assert_refused(sic("tag", talk_sic, "title=x"), "talk.sic: ")
    assert_refused(sic("tag", talk_sic, "title=x", "-o", talk_sic.parent / "out.sic"), "talk.sic: ")
    assert talk_sic.read_bytes() == data and names_in(talk_sic.parent) == ["talk.sic"]


@pytest.mark.parametrize(
    "args, words",
    [
        (["title"], ["title", "KEY=VALUE"]),
        (["=x"], ["KEY=VALUE"]),
        (["a=1", "a=2"], ["twice"]),
        (["-o", "out.sic"], ["-o goes with", "--clear"]),
        (["a=1", "--json"], ["--json shows"]),
        (["a=1", "-o", "out.wav"], ["out.wav", "out.sic"]),
    ],
)
def test_wrong_use(args: list[str], words: list[str], talk_sic: Path) -> None:
    assert_refused(sic("tag", talk_sic, *args), *words, exit_code=2)


def test_what_cannot_be(talk_sic: Path) -> None:
    before, out = talk_sic.read_bytes(), talk_sic.parent / "out.sic"
    assert_refused(sic("tag", talk_sic, "a=" + "x" * 65001), "talk.sic: the tags take", "65000")
    assert_refused(sic("tag", talk_sic, "a\nb=1"), "talk.sic: ", "control character")
    assert_refused(sic("tag", talk_sic.parent / "gone.sic", "a=1"), "gone.sic", "no such file")
    assert_refused(sic("tag", talk_sic, "a=1", "-o", talk_sic, "-f"), "is the input too")
    out.write_bytes(b"precious")
    assert_refused(sic("tag", talk_sic, "a=1", "-o", out), "out.sic: exists already", "-f")
    assert out.read_bytes() == b"precious" and talk_sic.read_bytes() == before


KEYS = st.sampled_from(["a", "A", "b", "B", "ß", "SS"])


@given(st.dictionaries(KEYS, st.text(min_size=1, max_size=3)), st.dictionaries(KEYS, st.text(max_size=3)))
def test_after_changes_each_key_that_was_changed_is_there_once(tags: dict[str, str], changes: dict[str, str]) -> None:
    changed = with_changes(tags, changes)
    last = {key.casefold(): (key, text) for key, text in changes.items()}
    for folded, (key, text) in last.items():
        assert [k for k in changed if k.casefold() == folded] == ([key] if text else [])
        assert not text or changed[key] == text
    untouched = {key: text for key, text in tags.items() if key.casefold() not in last}
    assert {key: text for key, text in changed.items() if key.casefold() not in last} == untouched

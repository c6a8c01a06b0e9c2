"""Pages of `sic report` on disk and in stores: they appear whole or not at all, and are the only thing removed."""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import aiobotocore.httpsession
import botocore.session
import click
import fsspec
import pytest
import s3fs
from cli_support import assert_refused, make_table, names_in, sic, write_sic
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

from sparsecodec_cli.errors import CliError
from sparsecodec_cli.io import store, store_errors
from sparsecodec_cli.report import stored_pages
from sparsecodec_models import load_codec

PAGE = f'<!doctype html><html><head><meta name="generator" content="{store.GENERATOR} 1.2">'.encode() + bytes(700)
FOREIGN = b"<!doctype html><html><head>" + bytes(600) + PAGE  # tells of us, but too late
SECRET = "wJalr/XUtn+FEMI"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """botocore reads its tables of services and certificates for each client anew: half a second each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        patch.setattr(aiobotocore.httpsession, "get_cert_path", lambda verify: None)  # nothing here is encrypted
        yield


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without settings of AWS, and no machine of Amazon's to ask for them."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def bucket(server: str, no_account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3fs.S3FileSystem]:
    """An empty bucket 'shelf', and a client of its own to look into it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    own_client().mkdir("shelf")
    yield own_client()
    _post(f"{server}/moto-api/reset")


def own_client() -> s3fs.S3FileSystem:
    """A client that remembers no listings; fsspec makes it once."""
    account = dict(endpoint_url=os.environ["AWS_ENDPOINT_URL"], key="testing", secret=SECRET)
    return s3fs.S3FileSystem(**account, use_listings_cache=False)


def _post(url: str, body: bytes = b"") -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, body, {"Content-Type": "text/plain"})).close()


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """A store of another kind: one that fsspec does not put in whole."""
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def write(place: str, content: bytes = PAGE, *, force: bool = False) -> None:
    with store.open_page(place, force=force, input_paths=[]) as file:
        file.write(content)


def places(prefix: str) -> list[str]:
    return [page.place for page in store.pages_below(prefix)]


def refusal(place: str, *, force: bool = False) -> str:
    """The one line with which `open_page` refuses, before its block."""
    with pytest.raises(CliError) as caught, store.open_page(place, force=force, input_paths=[]):
        pytest.fail("the block began")
    return one_line_of(caught.value)


def one_line_of(error: BaseException) -> str:
    line = str(error)
    assert line.isprintable() and "Error" not in line, line
    assert SECRET not in line
    return line


def command(action: str, prefix: str, *, answer: str = "", yes: bool = False, quiet: bool = False) -> Result:
    @click.command()
    def run() -> None:
        try:
            if action == "list":
                stored_pages.list_pages(prefix, quiet)
            else:
                stored_pages.clear_pages(prefix, yes, quiet)
        except CliError as error:
            raise click.ClickException(str(error)) from error

    return CliRunner().invoke(run, input=answer)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_pages, "_can_ask", lambda: True)


@pytest.mark.parametrize(
    "path, expected",
    [
        ("s3://bucket/page.html", True),
        ("memory://page.html", True),
        ("git+ssh://host/x", True),
        (r"C:\pages\page.html", False),
        ("C://pages/page.html", False),
        ("a:b.html", False),
        ("s3:/bucket", False),
        ("./s3://bucket", False),
        ("-", False),
        ("", False),
    ],
)
def test_what_a_url_is(path: str, expected: bool) -> None:
    assert store.is_url(path) == expected


@pytest.mark.parametrize("place", ["page.html", "file://page.html"])
def test_a_local_page(tmp_path: Path, place: str) -> None:
    path = place.replace("page", str(tmp_path / "page"))
    write(path)
    assert (tmp_path / "page.html").read_bytes() == PAGE
    assert "exists already" in refusal(path)
    write(path, b"new", force=True)
    assert (tmp_path / "page.html").read_bytes() == b"new" and names_in(tmp_path) == ["page.html"]


def test_no_input_is_overwritten(tmp_path: Path) -> None:
    inputs = [tmp_path / "a.sic", tmp_path / "b.sic"]
    for path in inputs:
        path.write_bytes(b"events")
    with pytest.raises(CliError, match=r"b\.sic: is the input too"):
        store.open_page(str(inputs[1]), force=True, input_paths=[str(path) for path in inputs]).__enter__()
    assert inputs[1].read_bytes() == b"events"


def test_a_page_in_a_bucket(bucket: s3fs.S3FileSystem) -> None:
    write("s3://shelf/a/page.html")
    assert bucket.cat_file("shelf/a/page.html") == PAGE
    assert bucket.info("shelf/a/page.html")["ContentType"] == "text/html; charset=utf-8"
    line = refusal("s3://shelf/a/page.html")
    assert line == "s3://shelf/a/page.html: exists already; use -f to overwrite it"
    write("S3://shelf/a/page.html", b"new", force=True)
    assert bucket.cat_file("shelf/a/page.html") == b"new"


def test_an_empty_object_exists_too(bucket: s3fs.S3FileSystem) -> None:
    bucket.touch("shelf/page.html")
    assert "exists already" in refusal("s3://shelf/page.html")


def test_a_page_in_another_kind_of_store(memory: fsspec.AbstractFileSystem) -> None:
    write("memory://shelf/page.html")
    assert memory.cat_file("/shelf/page.html") == PAGE
    assert "exists already" in refusal("memory://shelf/page.html")
    write("memory://shelf/page.html", PAGE + b"new", force=True)
    assert places("memory://shelf") == ["memory://shelf/page.html"]
    store.remove(store.pages_below("memory://shelf"))
    assert memory.find("/shelf") == []


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("root", ["s3://shelf", "memory://shelf"])
def test_nothing_appears_when_the_block_fails(
    root: str, old: bytes | None, bucket: s3fs.S3FileSystem, memory: fsspec.AbstractFileSystem
) -> None:
    fs, place = fsspec.core.url_to_fs(f"{root}/page.html", skip_instance_cache=True)
    if old is not None:
        fs.pipe_file(place, old)
    with pytest.raises(ZeroDivisionError), store.open_page(f"{root}/page.html", force=True, input_paths=[]) as file:
        file.write(PAGE)
        raise ZeroDivisionError
    assert (fs.cat_file(place) if fs.exists(place) else None) == old


@pytest.mark.parametrize("old", [None, b"old"])
def test_nothing_appears_when_the_upload_breaks_off(
    old: bytes | None, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    if old is not None:
        memory.pipe_file("/shelf/page.html", old)

    def break_off(source: object, target: object, length: int) -> None:
        target.write(b"half of it")  # type: ignore[attr-defined]
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(shutil, "copyfileobj", break_off)
    with pytest.raises(CliError, match=r"^memory://shelf/page\.html: the store cannot be reached"):
        write("memory://shelf/page.html", force=True)
    assert (memory.cat_file("/shelf/page.html") if memory.exists("/shelf/page.html") else None) == old


def test_large_pages_that_break_off_leave_no_parts(bucket: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3fs.core, "calculate_chunksize", lambda size, chunksize: 5 << 20)
    large = PAGE + bytes(11 << 20)
    write("s3://shelf/large.html", large)
    assert bucket.cat_file("shelf/large.html") == large
    assert bucket.info("shelf/large.html")["ContentType"] == "text/html; charset=utf-8"

    call = s3fs.S3FileSystem._call_s3

    async def fail_at_the_end(fs: s3fs.S3FileSystem, method: str, *args: object, **options: object) -> object:
        if method == "complete_multipart_upload":
            raise OSError(5, "the line went dead")
        return await call(fs, method, *args, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", fail_at_the_end)
    with pytest.raises(CliError, match=r"^s3://shelf/other\.html: the store refuses: .*the line went dead"):
        write("s3://shelf/other.html", large)
    monkeypatch.undo()
    assert bucket.find("shelf") == ["shelf/large.html"]
    assert bucket.list_multipart_uploads("shelf") == []


def test_a_page_that_came_up_meanwhile_is_kept(bucket: s3fs.S3FileSystem) -> None:
    with (
        pytest.raises(CliError, match="meanwhile"),
        store.open_page("s3://shelf/page.html", force=False, input_paths=[]) as file,
    ):
        file.write(PAGE)
        bucket.pipe_file("shelf/page.html", b"theirs")
    assert bucket.cat_file("shelf/page.html") == b"theirs"


@pytest.mark.parametrize("url", ["s3://shelf", "s3://shelf/", "s3://shelf/folder/"])
def test_a_page_needs_a_name(url: str) -> None:
    assert f"such as {url.rstrip('/')}/page.html" in refusal(url)


def test_no_such_bucket(bucket: s3fs.S3FileSystem) -> None:
    line = "s3://other/page.html: no such bucket; check the name, or make the bucket first"
    for force in (False, True):
        assert refusal("s3://other/page.html", force=force) == line
    for prefix in ("s3://other", "s3://other/", "s3://other/page.html"):
        with pytest.raises(CliError, match=f"^{re.escape(prefix)}: no such bucket"):
            store.pages_below(prefix)


def test_a_bucket_that_goes_while_the_page_is_made(bucket: s3fs.S3FileSystem) -> None:
    with (
        pytest.raises(CliError, match=r"^s3://shelf/page\.html: no such bucket"),
        store.open_page("s3://shelf/page.html", force=True, input_paths=[]),
    ):
        bucket.rmdir("shelf")


def test_a_name_that_no_bucket_has(bucket: s3fs.S3FileSystem) -> None:
    assert "no name of a bucket" in refusal("s3://A b\n/page.html")


def test_no_credentials(bucket: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no credentials; set AWS_ACCESS_KEY_ID" in refusal("s3://shelf/page.html")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "check AWS_PROFILE" in refusal("s3://shelf/page.html")


@pytest.mark.parametrize("force", [False, True])
def test_wrong_credentials(bucket: s3fs.S3FileSystem, server: str, force: bool) -> None:
    _post(f"{server}/moto-api/reset-auth", b"0")  # from now on moto checks them
    try:
        line = refusal("s3://shelf/page.html", force=force)
        with pytest.raises(CliError, match="does not accept these credentials"):
            store.pages_below("s3://shelf")
    finally:
        _post(f"{server}/moto-api/reset-auth", b"inf")
    assert line.startswith("s3://shelf/page.html: the store does not accept these credentials")


def test_who_may_only_write_writes_with_force(bucket: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    call = s3fs.S3FileSystem._call_s3

    async def may_not_read(fs: s3fs.S3FileSystem, method: str, *args: object, **options: object) -> object:
        if method == "put_object":
            return await call(fs, method, *args, **options)
        from botocore.exceptions import ClientError

        raise s3fs.errors.translate_boto_error(ClientError({"Error": {"Code": "AccessDenied"}}, method))

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", may_not_read)
    assert "permission denied to see whether it exists; use -f" in refusal("s3://shelf/page.html")
    write("s3://shelf/page.html", force=True)
    with pytest.raises(CliError, match=r"^s3://shelf: permission denied"):
        store.pages_below("s3://shelf")
    monkeypatch.undo()


@pytest.mark.parametrize("endpoint, word", [("http://127.0.0.1:9", "cannot be reached"), ("nonsense", "is not a URL")])
def test_wrong_endpoint(endpoint: str, word: str, bucket: s3fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    line = refusal("s3://shelf/page.html")
    assert line.startswith("s3://shelf/page.html: ") and word in line and "AWS_ENDPOINT_URL" in line


@pytest.mark.parametrize(
    "url, words",
    [
        ("foo://shelf/page.html", ["foo:// is not a known kind of store"]),
        ("https://host/page.html", ["cannot be kept over https"]),
        ("zip://page.html::s3://shelf/x.zip", ["'::'"]),
        ("ftp://me:pass@127.0.0.1:9/page.html", ["ftp://127.0.0.1:9/page.html: ", "cannot be reached"]),
    ],
)
def test_stores_that_will_not_do(url: str, words: list[str], no_account: None) -> None:
    line = refusal(url)
    assert all(word in line for word in words) and "me:pass" not in line
    with pytest.raises(CliError):
        store.pages_below(url)


def test_missing_packages(no_account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for scheme in ("s3", "s3a"):  # as if s3fs had not been imported yet
        monkeypatch.delitem(import_module("fsspec.registry")._registry, scheme, raising=False)
    assert "pip install 'sparsecodec[s3]'" in refusal("s3://shelf/page.html")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    assert "gcsfs" in refusal("gs://shelf/page.html")


@pytest.mark.parametrize(
    "url, shown",
    [
        ("s3://shelf/a@b.html", "s3://shelf/a@b.html"),
        (f"s3://AKIA:{SECRET}@shelf/p.html", "s3://shelf/p.html"),
        (f"s3://{SECRET.replace('/', '')}@shelf/p.html", "s3://shelf/p.html"),
        (f"s3://AKIA:a@b/c@{SECRET}@shelf/p.html", "s3://shelf/p.html"),
        (f"sftp://me:{SECRET}@host:22/p.html", "sftp://host:22/p.html"),
        ("sftp://me:p@ss@host/a@b.html", "sftp://host/a@b.html"),
        ("sftp://host:22/a@b.html", "sftp://host:22/a@b.html"),
        ("abfs://box/p.html?sv=1&sig=abc", "abfs://box/p.html?…"),
        ("s3://shelf/what?.html", "s3://shelf/what?.html"),
        ("s3://arn:aws:s3:eu:1:accesspoint/x/a@b.html", "s3://arn:aws:s3:eu:1:accesspoint/x/a@b.html"),
        ("s3://shelf/\x1b[2J\n.html", "s3://shelf/\\x1b[2J .html"),
    ],
)
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    assert store.shown_place(url) == shown
    with pytest.raises(CliError) as caught, store_errors.about_store(url):
        raise RuntimeError(f"cannot use {url}")
    assert shown.partition("://")[2].split("/")[0] in one_line_of(caught.value)


def test_a_key_in_the_url_is_refused(bucket: s3fs.S3FileSystem) -> None:
    line = refusal(f"s3://AKIA:{SECRET}@shelf/page.html")
    assert line.startswith("s3://shelf/page.html: the URL held a key")


@pytest.fixture(params=["local", "s3"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place with three pages and much else."""
    files = {
        "a.html": PAGE,
        "deep/er/[b]*.html": PAGE,
        "deep/er/bx.html": FOREIGN,
        "deep/c.html": PAGE + bytes(2000),
        "foreign.html": FOREIGN,
        "empty.html": b"",
        "page.htm": PAGE,
        "notes.txt": PAGE,
    }
    if request.param == "s3":
        fs = request.getfixturevalue("bucket")
        for name, content in files.items():
            fs.pipe_file(f"shelf/{name}", content)
        return "s3://shelf"
    root = tmp_path / "shelf"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "link.html").symlink_to(root / "a.html")
    (root / "folder.html").mkdir()
    os.mkfifo(root / "pipe.html")
    return str(root)


def listing(shelf: str) -> list[str]:
    """All that lies there, seen without our code."""
    if store.is_url(shelf):
        return sorted(name.removeprefix("shelf/") for name in own_client().find(shelf))
    return sorted(str(path.relative_to(shelf)) for path in Path(shelf).rglob("*") if not path.is_dir())


def test_only_our_pages_are_listed(shelf: str) -> None:
    pages = store.pages_below(shelf)
    names = ["a.html", "deep/c.html", "deep/er/[b]*.html"]
    assert [page.place for page in pages] == [f"{shelf}/{name}" for name in names]
    assert [page.n_bytes for page in pages] == [len(PAGE), len(PAGE) + 2000, len(PAGE)]
    assert all(page.modified is not None and page.modified.utcoffset() is not None for page in pages)
    assert places(f"{shelf}/") == [page.place for page in pages]
    assert places(f"{shelf}/deep") == places(f"{shelf}/deep/") == [page.place for page in pages[1:]]
    assert places(f"{shelf}/a.html") == [f"{shelf}/a.html"]


def test_names_that_begin_alike_lie_elsewhere(bucket: s3fs.S3FileSystem) -> None:
    write("s3://shelf/talk/page.html")
    write("s3://shelf/talks/page.html")
    assert places("s3://shelf/talk") == ["s3://shelf/talk/page.html"]


def test_pages_of_others_and_missing_ones(shelf: str, tmp_path: Path) -> None:
    if store.is_url(shelf):  # where a folder is nothing but a part of names
        assert places(f"{shelf}/foreign.html") == places(f"{shelf}/none") == []
        return
    for name, words in (("foreign.html", "is not a page of sic report"), ("none", "no such file or folder")):
        with pytest.raises(CliError) as caught:
            store.pages_below(f"{shelf}/{name}")
        assert one_line_of(caught.value).startswith(f"{shelf}/{name}: {words}")


def test_no_bucket_named(bucket: s3fs.S3FileSystem) -> None:
    with pytest.raises(CliError, match=r"^s3://: names no bucket or folder"):
        store.pages_below("s3://")


def test_what_came_meanwhile_is_seen(bucket: s3fs.S3FileSystem) -> None:
    assert places("s3://shelf") == []
    write("s3://shelf/a.html")
    assert places("s3://shelf") == ["s3://shelf/a.html"]
    bucket.pipe_file("shelf/b.html", PAGE)
    assert places("s3://shelf") == ["s3://shelf/a.html", "s3://shelf/b.html"]
    bucket.rm_file("shelf/a.html")
    assert places("s3://shelf") == ["s3://shelf/b.html"]


def test_only_our_pages_are_removed(shelf: str) -> None:
    before = listing(shelf)
    ours = store.pages_below(shelf)
    store.remove(ours)
    assert set(before) - set(listing(shelf)) == {"a.html", "deep/c.html", "deep/er/[b]*.html"}
    assert store.pages_below(shelf) == []
    if not store.is_url(shelf):
        assert (Path(shelf) / "deep/er").is_dir()
    store.remove(ours)  # what is gone is gone


def test_what_took_a_pages_place_is_left(shelf: str) -> None:
    pages = store.pages_below(f"{shelf}/a.html")
    fs, path = fsspec.core.url_to_fs(pages[0].place, skip_instance_cache=True)
    fs.pipe_file(path, FOREIGN)
    store.remove(pages)
    assert fs.cat_file(path) == FOREIGN


def test_pages_that_cannot_be_removed_are_named(shelf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    async def refuse_in_store(fs: s3fs.S3FileSystem, path: str) -> None:
        refuse(path)

    monkeypatch.setattr(os, "unlink", refuse)
    monkeypatch.setattr(s3fs.S3FileSystem, "_rm_file", refuse_in_store)
    pages = store.pages_below(shelf)
    with pytest.raises(CliError) as caught:
        store.remove(pages)
    line = one_line_of(caught.value)
    assert line.startswith(f"{shelf}/a.html: permission denied") and line.endswith("(and so for 2 more)")


def test_listing(shelf: str) -> None:
    result = command("list", shelf)
    assert result.exit_code == 0 and result.stderr == "3 pages, 4.3 kB\n"
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(re.escape(f"{shelf}/deep/c.html  2.8 kB  ") + r"20\d\d-\d\d-\d\d \d\d:\d\d", lines[1])
    assert command("list", shelf, quiet=True).stderr == ""


def test_clearing_asks(shelf: str, terminal: None) -> None:
    before = listing(shelf)
    result = command("clear", shelf, answer="n\n")
    assert result.exit_code == 1 and "nothing removed" in result.stderr and not result.stdout
    assert f"3 pages, 4.3 kB: {shelf}/a.html, " in result.stderr
    assert listing(shelf) == before
    assert command("clear", shelf, answer="\n").exit_code == command("clear", shelf, answer="").exit_code == 1
    assert listing(shelf) == before
    result = command("clear", shelf, answer="y\n")
    assert result.exit_code == 0 and result.stderr.endswith("removed 3 pages, 4.3 kB\n")
    assert len(listing(shelf)) == len(before) - 3
    result = command("clear", shelf)
    assert result.exit_code == 0 and result.stderr == f"no pages of sic report below {shelf}\n"


def test_clearing_with_yes(shelf: str) -> None:
    result = command("clear", shelf, yes=True, quiet=True)
    assert result.exit_code == 0 and not result.output
    assert store.pages_below(shelf) == []


def test_clearing_without_a_terminal_needs_yes(shelf: str) -> None:
    before = listing(shelf)
    result = command("clear", shelf, answer="y\n")
    assert result.exit_code == 2 and "--yes" in result.stderr
    assert listing(shelf) == before


def test_a_question_names_a_few(tmp_path: Path, terminal: None) -> None:
    for i in range(5):
        (tmp_path / f"{i}.html").write_bytes(PAGE)
    assert f"{tmp_path}/2.html and 2 more\n" in command("clear", str(tmp_path), answer="n\n").stderr


@pytest.mark.parametrize(
    "n_bytes, text",
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (25 * 10**8, "2.5 GB")],
)
def test_sizes(n_bytes: int, text: str) -> None:
    assert stored_pages._size(n_bytes) == text


def test_the_command_puts_lists_and_clears(bucket: s3fs.S3FileSystem, tmp_path: Path) -> None:
    place = "s3://shelf/pages/talk.html"
    write_sic(tmp_path / "talk.sic", make_table(0, weights_hash=load_codec("speech").weights_hash))
    done = sic("report", tmp_path / "talk.sic", place)
    assert done.exit_code == 0 and done.stderr.startswith(f"{place}: 0 events, 1 example, "), done.stderr
    assert bucket.cat_file("shelf/pages/talk.html").startswith(b"<!doctype html>")
    assert bucket.info("shelf/pages/talk.html")["ContentType"].startswith("text/html")
    assert_refused(sic("report", tmp_path / "talk.sic", place), place, "-f")
    assert sic("report", "--list", "s3://shelf").stdout.startswith(f"{place}  ")
    assert "removed 1 page" in sic("report", "--clear", "s3://shelf/pages", "--yes").stderr
    assert not bucket.exists("shelf/pages/talk.html")

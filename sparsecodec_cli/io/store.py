"""Where pages of `sic report` are kept: a local path, or a URL of any store that fsspec knows, such as s3://."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from sparsecodec_cli.errors import CliError, about_os, one_line

from .files import open_output
from .store_errors import S3_SCHEMES, about_store, has_login, is_empty_object, is_url, s3_code, shown_place, split_url

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["GENERATOR", "StoredPage", "is_url", "open_page", "pages_below", "remove", "shown_place"]

GENERATOR = "sic report"
"""What a page's first lines name as its maker, in <meta name="generator" content="…">; a version may follow."""

_MARK = f'<meta name="generator" content="{GENERATOR}'.encode()
_MARK_WITHIN = 512  # bytes from the page's first on
_EXTENSION = ".html"

# By default stores take a page for bytes to download. Each has its own word for it; the rest guess by the name.
_CONTENT_TYPE = "text/html; charset=utf-8"
_TYPE_ARGUMENT = {"s3": "ContentType", "s3a": "ContentType", "gs": "content_type", "gcs": "content_type"}


@dataclass(frozen=True)
class StoredPage:
    """A page of `sic report` that was found."""

    place: str
    """Its path or URL, without secrets."""
    n_bytes: int
    modified: datetime | None
    """In UTC; None where the store does not tell."""
    _path: str = field(repr=False, compare=False)
    _store: AbstractFileSystem | None = field(repr=False, compare=False)  # None: a local file


@contextmanager
def open_page(path: str, *, force: bool, input_paths: Sequence[str] = ()) -> Iterator[BinaryIO]:
    """A file to write, which appears as `path`, a local one or a URL, when the block ends well, else not at all.

    Refused with a CliError before the block begins: what `files.open_output` refuses; an object that exists,
    without `force`; a store, bucket or credentials that do not work.
    """
    local = _local_path(path)
    if local is not None:
        with open_output(local, force=force, input_paths=input_paths) as file:
            yield file
        return
    if path.endswith("/") or "/" not in path.split("://", 1)[1]:
        raise CliError(f"{shown_place(path)}: is a folder or bucket; name a page in it, such as {_page_in(path)}")
    with about_store(path):
        store, stored_path = _open_store(path)
        _refuse_existing(store, stored_path, path, force=force)
    on_the_way = f"{tempfile.gettempdir()} (on the way to {shown_place(path)})"
    # A file with a name, as stores upload by name; in a folder, as Windows opens no file twice.
    with tempfile.TemporaryDirectory(prefix="sic-") as folder:
        temporary = os.path.join(folder, "page" + _EXTENSION)
        with about_os(temporary, name=on_the_way), open(temporary, "w+b") as file:
            yield file
        with about_store(path):
            if not force and _exists(store, stored_path):
                raise CliError(f"{shown_place(path)}: was created meanwhile by another program; use -f to overwrite it")
            _upload(store, temporary, stored_path, path)


def pages_below(prefix: str) -> list[StoredPage]:
    """The pages that `sic report` wrote below a folder, local or a URL, or the one page that `prefix` names.

    Anything else that lies there is left out. A local folder must exist; in a store, a folder is nothing but a
    part of names, so one without objects is empty. Sorted by place. CliError when it cannot be read.
    """
    local = _local_path(prefix)
    pages = _local_pages(local) if local is not None else _pages_in_store(prefix)
    return sorted(pages, key=lambda page: page.place)


def remove(pages: Iterable[StoredPage]) -> None:
    """Remove pages; folders stay. One that is not a page of `sic report` any more is left.

    Goes on after a failure; the CliError at the end names the first page that could not be removed, and says how
    many could not.
    """
    failures: list[CliError] = []
    for page in pages:
        try:
            _remove_one(page)
        except CliError as error:
            failures.append(error)
    if failures:
        more = f" (and so for {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise CliError(f"{failures[0]}{more}") from failures[0]


def _local_path(path: str) -> str | None:
    """The path of a local file, also as file://; None for another URL."""
    parts = split_url(path)
    if parts is None:
        return path
    if parts[0] not in ("file", "local"):
        return None
    from fsspec.implementations.local import LocalFileSystem

    return str(LocalFileSystem._strip_protocol(path))


def _page_in(path: str) -> str:
    return f"{shown_place(path).rstrip('/')}/page{_EXTENSION}"


def _open_store(url: str) -> tuple[AbstractFileSystem, str]:
    """The store of a URL, with nothing remembered of earlier uses, and the path in it."""
    scheme, _ = split_url(url) or ("", "")
    if "::" in url:
        raise CliError(f"{shown_place(url)}: '::' joins several URLs; give one")
    if scheme in ("http", "https"):
        raise CliError(f"{shown_place(url)}: pages cannot be kept over {scheme}; use a store such as s3://, or a path")
    if scheme in S3_SCHEMES and has_login(url):
        raise CliError(f"{shown_place(url)}: the URL held a key; take it out and set AWS_ACCESS_KEY_ID and the like")

    import fsspec
    from fsspec.core import url_to_fs

    if scheme not in fsspec.available_protocols():
        raise CliError(
            f"{shown_place(url)}: {scheme}:// is not a known kind of store; use one such as s3://, or a path"
        )
    store, path = url_to_fs(scheme + url[len(scheme) :], skip_instance_cache=True)
    return store, path


def _refuse_existing(store: AbstractFileSystem, path: str, url: str, *, force: bool) -> None:
    try:
        exists = _exists(store, path)
    except PermissionError as error:
        # Who may write need not be allowed to read.
        if s3_code(error) != "AccessDenied":
            raise
        if force:
            return
        raise CliError(
            f"{shown_place(url)}: permission denied to see whether it exists; use -f to write all the same"
        ) from error
    if exists and not force:
        raise CliError(f"{shown_place(url)}: exists already; use -f to overwrite it")


def _exists(store: AbstractFileSystem, path: str) -> bool:
    """Whether there is an object; errors where that cannot be told, which `exists` of most stores hides."""
    try:
        store.cat_file(path, start=0, end=1)
    except FileNotFoundError as error:
        if s3_code(error) == "NoSuchBucket":
            raise
        return False
    except Exception as error:
        if not is_empty_object(error):
            raise
    return True


def _upload(store: AbstractFileSystem, temporary: str, path: str, url: str) -> None:
    from fsspec.asyn import AsyncFileSystem

    if isinstance(store, AsyncFileSystem):
        # Stores of objects, where what is put appears when it is whole.
        scheme, _ = split_url(url) or ("", "")
        options = {_TYPE_ARGUMENT[scheme]: _CONTENT_TYPE} if scheme in _TYPE_ARGUMENT else {}
        store.put_file(temporary, path, **options)
        return
    # Files on a server: a transaction writes under another name first. It ends well only if the copy did.
    with store.transaction, store.open(path, "wb") as target, open(temporary, "rb") as source:
        shutil.copyfileobj(source, target, 1 << 20)


def _local_pages(path: str) -> Iterator[StoredPage]:
    with about_os(path, name=one_line(path) or "(empty name)", always=True):
        mode = os.stat(path).st_mode
    if not stat.S_ISDIR(mode):
        page = _local_page(path)
        if page is None:
            raise CliError(f"{one_line(path)}: is not a page of sic report; name one, or a folder")
        yield page
        return

    def on_error(error: OSError) -> None:
        if error.filename == path:  # other folders that may not be read hold nothing of ours
            raise error

    with about_os(path):
        for folder, _, names in os.walk(path, onerror=on_error):
            for name in names:
                page = _local_page(os.path.join(folder, name))
                if page is not None:
                    yield page


def _local_page(path: str) -> StoredPage | None:
    """The file at `path` if it is a page of ours, and no link to one; None too when it cannot be read."""
    if not path.endswith(_EXTENSION):
        return None
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        with open(path, "rb") as file:
            head = file.read(_MARK_WITHIN)
    except OSError:
        return None
    if _MARK not in head:
        return None
    return StoredPage(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), path, None)


def _pages_in_store(url: str) -> Iterator[StoredPage]:
    with about_store(url):
        store, path = _open_store(url)
        root = path.rstrip("/")
        if not root:
            raise CliError(f"{shown_place(url)}: names no bucket or folder; name one, such as {shown_place(url)}bucket")
        found = {
            name: info
            for name, info in _find(store, path).items()
            if name.endswith(_EXTENSION) and info["type"] == "file" and info["size"]
        }
        heads = _heads(store, list(found))
    shown = shown_place(url).rstrip("/")
    for (name, info), head in zip(found.items(), heads, strict=True):
        if _MARK in head:
            place = shown + name[len(root) :]
            yield StoredPage(place, info["size"], _modified(info), name, store)


def _find(store: AbstractFileSystem, path: str) -> dict[str, Any]:
    """All objects below `path`, or the one there."""
    found: dict[str, Any] = store.find(path, detail=True)
    if not found:
        # Many stores find nothing where they may not look; asked about the folder itself, they say so.
        try:
            store.info(path)
        except FileNotFoundError as error:
            if s3_code(error) == "NoSuchBucket":
                raise
    return found


def _heads(store: AbstractFileSystem, paths: list[str]) -> list[bytes]:
    """The first bytes of each object, read at the same time where the store can; b"" where it may not be read."""
    starts, ends = [0] * len(paths), [_MARK_WITHIN] * len(paths)  # older versions of fsspec take no single numbers
    heads = store.cat_ranges(paths, starts, ends, on_error="return") if paths else []
    for head in heads:
        if isinstance(head, Exception) and not isinstance(head, (FileNotFoundError, PermissionError)):
            raise head
    return [b"" if isinstance(head, Exception) else bytes(head) for head in heads]


def _modified(info: dict[str, Any]) -> datetime | None:
    for key in ("LastModified", "last_modified", "mtime", "modified", "updated", "created"):
        value = info.get(key)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return None


def _remove_one(page: StoredPage) -> None:
    # Looked at again: since it was listed, and a person asked, something else may have come to its place.
    if page._store is None:
        if _local_page(page._path) is not None:
            with about_os(page._path, always=True):
                os.unlink(page._path)
        return
    with about_store(page.place):
        if _MARK in _heads(page._store, [page._path])[0]:
            page._store.rm_file(page._path)  # `rm` would take '*' and '[' in the name for a pattern

"""Errors that a user can meet; the message of each is one line that says what is wrong and what to do."""

from __future__ import annotations


class SicError(Exception):
    """Base of every expected error of this project."""


class FormatError(SicError):
    """The bytes are not a whole, undamaged .sic file that this version can read."""


class NewerVersion(UserWarning):
    """A file is of a later minor version of the format: it can be read, but what that version added is passed over."""


class UnknownEvent(SicError):
    """The table has no event of this index."""

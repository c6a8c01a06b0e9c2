"""Errors that a user can meet; the message of each is one line that says what is wrong and what to do."""

from __future__ import annotations


class SicError(Exception):
    """Base of every expected error of this project."""


class FormatError(SicError):
    """The bytes are not a whole, undamaged .sic file that this version can read."""


class DamagedBlocks(FormatError):
    """Something behind a sound header is damaged or missing; `salvage` gives what is whole."""


class TooManyEvents(FormatError):
    """A file holds more events than one table takes; it may be sound."""


class NewerVersion(UserWarning):
    """A file is of a later minor version of the format: it can be read, but what that version added is passed over."""


class NoHeader(SicError):
    """A table of events does not say what holds for all of them, such as the sample rate."""


class WeightsNotThere(SicError):
    """Something is asked of a table that only weights tell, and those that it names are not at hand."""


class UnknownEvent(SicError):
    """The table has no event of this index."""


def shown_value(value: object) -> str:
    """A value as a message shows it: short, on one line, its type alone where it is large."""
    text = repr(value)
    return text if len(text) <= 60 and text.isprintable() else f"a value of type {type(value).__name__}"

"""Errors of models and training that a program may want to tell apart, to say with what option they are mended."""

from __future__ import annotations

from sparsecodec_formats.errors import SicError, WeightsNotThere


class UnknownModel(SicError):
    """There is no such preset, or no such file of weights."""


class RateTooHigh(SicError):
    """So many channels cannot be rendered at so high a sample rate."""


class OtherWeights(WeightsNotThere):
    """A file was made with other weights than these: give those."""


class WeightsOfAnotherPreset(SicError):
    """Training cannot begin with these weights. Attribute preset: what is to be trained."""

    def __init__(self, message: str, preset: str) -> None:
        super().__init__(message)
        self.preset = preset


class NothingToHoldOut(SicError):
    """Of these recordings none is left for training, or none for validation: name others to validate on."""


class FolderNotInCorpus(SicError):
    """No recording lies in a folder that is to be drawn half as often."""


class OtherRecordings(SicError):
    """A run goes on with other recordings than it began with: give those, or begin another from its weights."""


class WorkerEnded(SicError):
    """A process that makes batches was ended from outside; the run is saved and can go on, with fewer of them."""


class RankLost(SicError):
    """Of several processes that train one model, one has ended; the run is saved and can go on."""


class FewerAtOnce(UserWarning):
    """Memory did not hold as many parts at once as it should; the work goes on with fewer, which takes longer."""

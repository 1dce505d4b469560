"""The errors that a user may see. Each message says what, where and what to do, on one line."""

from __future__ import annotations


class TaggerError(Exception):
    """Base of all errors that the tagger raises on purpose."""


class UsageError(TaggerError):
    """The call itself is off: an unknown column, an option that does not fit (exit status 2)."""


class RulebookError(TaggerError):
    """The law, words, units or settings cannot be used as they stand in their files.

    Attributes
    ----------
    faults : tuple of str
        One line a fault, each with file and key; empty where there is one fault only and the message tells it.
    """

    def __init__(self, message: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class ModelError(TaggerError):
    """A model folder is missing, incomplete, of another format or changed since it was written."""


class AssumptionError(TaggerError):
    """A file of standing assumptions cannot be read or does not fit the rulebook."""


class CatalogueError(TaggerError):
    """A catalogue file cannot be read or written."""


class TrainingDataError(TaggerError):
    """Training rows cannot be used as they stand in their files."""


class ReviewError(TaggerError):
    """The review queue cannot be read or written."""


class ReviewConflictError(ReviewError):
    """Somebody else was faster, or the item is no longer what it was: look again and choose anew."""


class ReviewRightError(ReviewError):
    """The person may not do this."""


class InterruptionError(TaggerError):
    """A run was interrupted by its user; what was done is kept (exit status 130)."""


class WorkerError(TaggerError):
    """A run could not go on (a worker was ended, a disk is full); what was done is kept."""

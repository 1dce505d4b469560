"""tagger: which export-control category of China's MOFCOM announcements a product text falls under.

>>> import tagger
>>> tagger.Outcome.REVIEW == "review"
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tagger.errors import CatalogueError, ModelError, ReviewError, RulebookError, TaggerError, TrainingDataError, UsageError
from tagger.records import Decision, Outcome, Reason, Row

if TYPE_CHECKING:
    from tagger.pipeline import Tagger

__version__ = "0.18.0"
__all__ = [
    "CatalogueError",
    "Decision",
    "ModelError",
    "Outcome",
    "Reason",
    "ReviewError",
    "Row",
    "RulebookError",
    "Tagger",
    "TaggerError",
    "TrainingDataError",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import the pipeline when it is first asked for: ``import tagger`` alone stays light."""
    if name == "Tagger":
        from tagger.pipeline import Tagger

        return Tagger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

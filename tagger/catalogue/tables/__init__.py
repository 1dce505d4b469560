"""Tables in and out, chosen by suffix, read and written in batches; one file a format.

A cell is kept as its file had it (text stays text, ``00123`` stays ``00123``); only a change of format converts it.
"""

from tagger.catalogue.tables.cells import Batch, NoSource, NumberCell, Sink, Source, cell_text, neutral, runs_in_spreadsheet
from tagger.catalogue.tables.inputs import find_inputs, open_inputs, open_source
from tagger.catalogue.tables.outputs import check_target, open_sink

__all__ = [
    "Batch",
    "NoSource",
    "NumberCell",
    "Sink",
    "Source",
    "cell_text",
    "check_target",
    "find_inputs",
    "neutral",
    "open_inputs",
    "open_sink",
    "open_source",
    "runs_in_spreadsheet",
]

"""Facts as a spaCy ``Doc``, for displaCy, rule writing and annotation tools; tagging itself does not need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tagger.facts.tokens import TOKEN
from tagger.records import Facts, Quantity, Span

if TYPE_CHECKING:
    from spacy.tokens import Doc
    from spacy.vocab import Vocab


def to_doc(facts: Facts, vocab: Vocab | None = None) -> Doc:
    """A text with its terms and figures as span groups.

    Parameters
    ----------
    facts : Facts
    vocab : spacy.vocab.Vocab, optional
        Of the pipeline that goes on with it; a blank multilingual one by default.

    Returns
    -------
    spacy.tokens.Doc
        ``doc.text`` is the original text, broken at every change between letters, digits and signs and around every Han, Kana
        and Hangul character. ``doc.spans["terms"]`` has a span for each term, labelled with its concept (``not:`` before it where
        the text denies it); ``doc.spans["quantities"]`` one for each figure, labelled with its kind, or its unit where it has none.

    Examples
    --------
    >>> from tagger.facts.reader import FactReader
    >>> from tagger.records import Row
    >>> from tagger.rulebook import load_rulebook
    >>> facts = FactReader(load_rulebook()).read([Row("1", "6 m3 granulation kettle")])[0]
    >>> doc = to_doc(facts)
    >>> [(span.text, span.label_) for span in doc.spans["terms"] if " " in span.text]
    [('granulation kettle', 'granulation_kettle')]
    """
    from spacy.tokens import Doc
    from spacy.tokens import Span as DocSpan

    if vocab is None:
        import spacy

        vocab = spacy.blank("xx").vocab
    words, spaces = _words(facts.clean.original)
    doc = Doc(vocab, words=words, spaces=spaces)

    def spans(found: list[tuple[Span, str]]) -> list[DocSpan]:
        marked = [doc.char_span(s.start, s.end, label=label, alignment_mode="expand") for s, label in found if s.start < s.end]
        return [span for span in marked if span is not None]

    doc.spans["terms"] = spans([(t.span, f"not:{t.concept}" if t.negated else t.concept) for t in facts.terms])
    doc.spans["quantities"] = spans([(q.span, _label(q)) for q in facts.quantities])
    return doc


def _label(q: Quantity) -> str:
    return q.kind or q.unit


def _words(text: str) -> tuple[list[str], list[bool]]:
    """Tokens, and whether a single space follows each; other white space is a token of its own, so that nothing is lost."""
    words: list[str] = []
    spaces: list[bool] = []
    for token in TOKEN.findall(text):
        after_a_word = token[0] == " " and bool(words) and not spaces[-1] and not words[-1].isspace()
        if after_a_word:
            spaces[-1] = True
        if rest := token[after_a_word:]:
            words.append(rest)
            spaces.append(False)
    return words, spaces

"""All rows of all callables."""

from __future__ import annotations

from bad_input import (
    commands,
    costs,
    drawings,
    layouts,
    models,
    modules,
    networks,
    packings,
    raggeds,
    reports,
    samplers,
    settings,
    targets,
    texts,
)
from bad_input.cases import Cases

_TABLES = (
    commands,
    costs,
    drawings,
    layouts,
    models,
    modules,
    networks,
    packings,
    raggeds,
    reports,
    samplers,
    settings,
    targets,
    texts,
)
TABLE: list[Cases] = [cases for part in _TABLES for cases in part.TABLE]

_RECORD = "a record, which holds what it is given"

# No argument of these can be bad.
NOTHING_TO_REFUSE: dict[str, str] = {
    "Cost": _RECORD,
    "CostComparison": _RECORD,
    "NextTokens": _RECORD,
    "Paragraph": _RECORD,
    "Plan": "a record; run_rnn and draw_plan refuse one that does not fit",
    "Violation": _RECORD,
    "batching.LabelledBatch": _RECORD,
    "report.Advice": _RECORD,
    "report.Bytes": _RECORD,
    "report.Padding": _RECORD,
    "report.Statistics": _RECORD,
    "report.Times": "a record; advice refuses one that holds no times",
    "Vocabulary.__contains__": "what is no text is not in it",
    "Ragged.pin_memory": "no argument",
    "Ragged.reverse": "no argument",
    "Ragged.to_list": "no argument",
    "figures.choices_png": "no argument",
    "figures.draw_choices": "no argument",
    "python_help_paragraphs": "no argument",
    "python_help_texts": "no argument",
}

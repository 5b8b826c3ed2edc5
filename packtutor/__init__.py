"""Variable-length sequences in PyTorch: what the library itself lacks."""

from packtutor import nn as nn
from packtutor import pooling as pooling
from packtutor._plans import Plan
from packtutor.batching import BucketBatchSampler, collate
from packtutor.cost import (
    Cost,
    CostComparison,
    dot_cost,
    padding_fraction,
    rnn_cost,
)
from packtutor.device import make_repeatable, pick_device
from packtutor.invariance import Violation, check_model
from packtutor.masks import lengths_from_mask, mask_from_lengths
from packtutor.oracle import one_by_one
from packtutor.packed import check_packed
from packtutor.ragged import Ragged
from packtutor.recurrence import plan_run, run_rnn
from packtutor.targets import NextTokens, next_tokens
from packtutor.text import (
    DOCS,
    Paragraph,
    Vocabulary,
    python_help_paragraphs,
    python_help_texts,
    tokenize,
)

__version__ = "0.1.0"

__all__ = [
    "DOCS",
    "BucketBatchSampler",
    "Cost",
    "CostComparison",
    "NextTokens",
    "Paragraph",
    "Plan",
    "Ragged",
    "Violation",
    "Vocabulary",
    "__version__",
    "check_model",
    "check_packed",
    "collate",
    "dot_cost",
    "lengths_from_mask",
    "make_repeatable",
    "mask_from_lengths",
    "next_tokens",
    "one_by_one",
    "padding_fraction",
    "pick_device",
    "plan_run",
    "python_help_paragraphs",
    "python_help_texts",
    "rnn_cost",
    "run_rnn",
    "tokenize",
]

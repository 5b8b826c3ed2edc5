"""Choose one sentence of advice from the statistics of a report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from packtutor._batches import sorted_batches
from packtutor._checks import short
from packtutor._shuffled import shuffled_share
from packtutor._tally import multiply_add
from packtutor._terminal import count

if TYPE_CHECKING:
    from packtutor.report import Statistics

# Less padding is worth no change.
_LITTLE = 0.05

# A way that takes up to so much longer than the fastest is as good.
_TIE = 1.1

# An outlier is so many times as long as the rest, one of so many sequences.
_TIMES, _ONE_OF = 4, 100


class Times(NamedTuple):
    """How long the same batches take in three ways, on one machine.

    ``run_rnn_ms`` is None where it was not timed. Where a batch has empty
    sequences, ``packed_ms`` is the time without them.

    Example:
        >>> Times(padded_ms=3.5, packed_ms=5.0, run_rnn_ms=None).packed_ms
        5.0

    Cost:
        Nothing: three numbers.

    Source:
        A clock.

    Not for:
        Times of different batches, or of different machines.
    """

    padded_ms: float
    packed_ms: float
    run_rnn_ms: float | None


class Advice(NamedTuple):
    """A sentence of advice, and the name of the rule that chose it.

    Example:
        >>> Advice("pad", "Pad.").rule
        'pad'

    Cost:
        Nothing: two texts.

    Source:
        ``packtutor.report.advice``.

    Not for:
        A program that has to decide: it reads the statistics.
    """

    rule: str
    sentence: str


def advice(statistics: Statistics, times: Times | None = None) -> Advice:
    """Say in one sentence what to do about these lengths.

    The first rule that holds is taken, at the report's batch size:

    1. ``empty``: a sequence has length 0. Packing refuses it.
    2. ``equal``: two sequences or more, all of one length.
    3. ``few``: fewer sequences than one batch has.
    4. ``outlier``: the longest sequences, one alone or at most one of 100,
       have at least 4 times the length of all others, and without them
       padding falls by 5 points or more: shuffled or, if ``sort``, by length.
    5. ``pad``: less than 5% of the cells are pads: in the file's order and
       shuffled or, if ``sort``, by length.
    6. ``keep``: unless ``sort``, the file's order has at most half the
       padding of a shuffled one.
    7. ``batch``: unless ``sort``, batches by length have at most half the
       padding of those in the file's order or shuffled, whichever is more.
    8. ``pack``: all else.

    With ``times``, rules 5 and 8 give way to the clock: the rule is ``pad``,
    ``pack`` or ``run_rnn``, whichever was fastest. All other rules but 3 name
    the fastest at their end. Ways that take at most 10% longer are named with
    it. Where there are empty sequences, packing is no way.

    Args:
        statistics: From ``report_lengths`` or ``report_file``.
        times: What the clock said about the same batches, if anything.

    Raises:
        TypeError: If an argument has another type, or a time is no number.
        ValueError: If a time is negative or not finite.

    Example:
        >>> from packtutor.report import report_lengths
        >>> advice(report_lengths([7, 7])).sentence
        'Stack them in one tensor: every sequence has 7 tokens, so nothing
         has to be padded or packed.'

    Cost:
        O(D min(batch_size, B)) at most, for D different lengths.

    Source:
        Chapter 2.

    Not for:
        Choosing between ways that differ by a few per cent: measure them.
    """
    statistics = as_statistics(statistics)
    if times is not None:
        times = _as_times(times)
    rules = (_empty, _equal, _few, _outlier, _pad, _keep, _batch)
    found = next(filter(None, (rule(statistics) for rule in rules)), None)
    found = found or _pack(statistics)
    if times is None or found.rule == "few":
        return found
    best, clock = _read_clock(times, can_pack=not statistics.empty)
    if found.rule in ("pad", "pack"):
        apart = f", at most {_APART} apart" if len(best) > 1 else ""
        what = _list([_VERBS[way] for way in best], "or")
        return Advice(best[0], f"{_capital(what)}{apart}: {clock}.")
    are = "is best" if len(best) == 1 else f"are best, at most {_APART} apart"
    return Advice(
        found.rule,
        f"{found.sentence.removesuffix('.')}; of the ways to run "
        f"{'them' if statistics.empty else 'it'}, {_list(best, 'and')} {are}: "
        f"{clock}.",
    )


def as_statistics(statistics: object) -> Statistics:
    """Return ``statistics`` if a report made them."""
    from packtutor.report import Statistics  # noqa: PLC0415 (imports this)

    if not isinstance(statistics, Statistics):
        raise TypeError(
            f"statistics is of type {type(statistics).__name__}; it must be "
            f"what report_lengths or report_file returns"
        )
    return statistics


def _as_times(times: object) -> Times:
    """Return ``times`` if they are times: run_rnn_ms may be None."""
    if not isinstance(times, Times):
        raise TypeError(
            f"times is of type {type(times).__name__}; it must be Times"
        )
    given: tuple[object, ...] = times
    for name, time_ms in zip(Times._fields, given, strict=True):
        if time_ms is None and name == "run_rnn_ms":
            continue
        if isinstance(time_ms, bool) or not isinstance(time_ms, (int, float)):
            raise TypeError(
                f"times.{name} is {short(time_ms)}; it must be a number of "
                f"milliseconds"
            )
        if not 0 <= time_ms < math.inf:
            raise ValueError(
                f"times.{name} is {time_ms}; it must be finite and not "
                f"negative"
            )
    return times


_VERBS = {"pad": "pad", "pack": "pack", "run_rnn": "use run_rnn"}
_APART = f"{_TIE - 1:.0%}"


def show_ms(time_ms: float, fastest_ms: float) -> str:
    """Return a time with one decimal, or three if some are below 1."""
    return f"{time_ms:,.{1 if fastest_ms >= 1 else 3}f}"


def _list(words: list[str], last: str) -> str:
    """Return "a", "a or b", "a, b or c"."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _empty(statistics: Statistics) -> Advice | None:
    if not statistics.empty:
        return None
    which = "sequence" if statistics.empty == 1 else "sequences"
    number = "" if statistics.empty == 1 else f"{statistics.empty:,} "
    return Advice(
        "empty",
        f"Drop the {number}empty {which}, or keep the batches in a "
        f"packtutor.Ragged: packing refuses a sequence of length 0.",
    )


def _equal(statistics: Statistics) -> Advice | None:
    if statistics.lengths.numel() > 1 or statistics.sequences == 1:
        return None
    return Advice(
        "equal",
        f"Stack them in one tensor: every sequence has "
        f"{count(statistics.longest, 'token')}, so nothing has to be padded "
        f"or packed.",
    )


def _few(statistics: Statistics) -> Advice | None:
    if statistics.sequences >= statistics.batch_size:
        return None
    return Advice(
        "few",
        f"Judge by more data: there {_are(statistics.sequences)}, fewer than "
        f"one batch of {statistics.batch_size:,}, and the order makes no "
        f"difference yet.",
    )


def _are(sequences: int) -> str:
    return (
        f"{'is' if sequences == 1 else 'are'} {count(sequences, 'sequence')}"
    )


def _outlier(statistics: Statistics) -> Advice | None:
    values, counts = statistics.lengths, statistics.counts
    longer = statistics.sequences - counts.cumsum(0)[:-1]
    few = longer <= max(1, statistics.sequences // _ONE_OF)
    cuts = (few & (values[1:] >= _TIMES * values[:-1])).nonzero()
    if not cuts.numel():
        return None
    cut = int(cuts[0]) + 1
    before = _share(statistics, values.numel())
    after = _share(statistics, cut)
    if before - after < _LITTLE:
        return None
    apart = int(longer[cut - 1])
    which = "sequence" if apart == 1 else f"{apart:,} sequences"
    length = "" if apart == 1 else "at least "
    return Advice(
        "outlier",
        f"Cut the longest {which} or set {'it' if apart == 1 else 'them'} "
        f"apart: {length}{int(values[cut]):,} tokens, where the rest has at "
        f"most {int(values[cut - 1]):,}; without, padding "
        f"{'by length' if statistics.sort else 'in shuffled batches'} falls "
        f"from {before:.1%} to {after:.1%}.",
    )


def _share(statistics: Statistics, cut: int) -> float:
    """Return the padding of the shortest lengths, ``cut`` different ones."""
    values, counts = statistics.lengths[:cut], statistics.counts[:cut]
    tokens = multiply_add(values, counts)
    size = statistics.batch_size
    if statistics.sort:
        cells = sorted_batches(values, counts, size).cells
        return (cells - tokens) / cells
    return shuffled_share(values, counts, tokens, size)


def _pad(statistics: Statistics) -> Advice | None:
    share = _share_to_judge(statistics)
    if share >= _LITTLE:
        return None
    return Advice(
        "pad",
        f"Pad, and leave it at that: at batch size "
        f"{statistics.batch_size:,} only {share:.1%} of the cells are pads.",
    )


def _keep(statistics: Statistics) -> Advice | None:
    padding = statistics.at(statistics.batch_size)
    if statistics.sort or padding.in_file_order > padding.shuffled / 2:
        return None
    return Advice(
        "keep",
        f"Keep the order of the file within a batch and shuffle whole "
        f"batches: like lengths stand together, with "
        f"{padding.in_file_order:.1%} padding against "
        f"{padding.shuffled:.1%} shuffled.",
    )


def _batch(statistics: Statistics) -> Advice | None:
    padding = statistics.at(statistics.batch_size)
    share = _share_to_judge(statistics)
    if statistics.sort or padding.by_length > share / 2:
        return None
    return Advice(
        "batch",
        f"Batch by length: that leaves {padding.by_length:.1%} padding, "
        f"against {padding.in_file_order:.1%} in the order of the file and "
        f"{padding.shuffled:.1%} shuffled.",
    )


def _pack(statistics: Statistics) -> Advice:
    padding = statistics.at(statistics.batch_size)
    return Advice(
        "pack",
        f"Pack: even in batches by length {padding.by_length:.1%} of the "
        f"cells are pads, and a packed batch has none.",
    )


def _share_to_judge(statistics: Statistics) -> float:
    """Return the padding in the order that is planned, at its worst."""
    padding = statistics.at(statistics.batch_size)
    if statistics.sort:
        return padding.by_length
    return max(padding.in_file_order, padding.shuffled)


def _read_clock(times: Times, *, can_pack: bool) -> tuple[list[str], str]:
    """Return the fastest way and those as good, and all times in words."""
    ways = dict(zip(_VERBS, times, strict=True))
    without = None if can_pack else ways.pop("pack")
    timed = sorted((ms, way) for way, ms in ways.items() if ms is not None)
    fastest = timed[0][0]
    best = [way for ms, way in timed if ms <= _TIE * fastest]
    words = [f"{way} {show_ms(ms, fastest)} ms" for ms, way in timed]
    clock = f"{', '.join(words)} a batch"
    if without is not None:
        clock += (
            f" (pack {show_ms(without, fastest)} ms without the empty ones)"
        )
    return best, clock

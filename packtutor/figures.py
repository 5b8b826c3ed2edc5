"""Draw a batch: one language for all chapters, one function a figure.

A token is a rounded cell with its word in it and the colour of its sequence;
a pad is a hatched cell. Time runs from left to right, sequences run from top
to bottom. Nothing is told by colour alone.

Each function makes a figure with ``matplotlib.pyplot`` and returns it. In a
notebook, end the cell with ``plt.show()``. In a script, call ``savefig`` on
the figure, then ``plt.close(figure)``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

# Before the modules that draw: they need matplotlib as well.
try:
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure
    from PIL import Image
except ImportError as error:
    raise ImportError(
        "packtutor.figures needs matplotlib: pip install matplotlib"
    ) from error

from packtutor import (
    _charts,
    _choices,
    _directions,
    _four,
    _layouts,
    _padded,
    _pictures,
    _stepped,
)
from packtutor._checks import Lengths, Side, as_flag, as_side
from packtutor._drawing import DPI
from packtutor._palette import PAPER
from packtutor._plans import Plan


def draw_layouts(docs: Iterable[str]) -> Figure:
    """Draw texts as a padded batch and as a packed one.

    First comes the padded grid (B, T); beside it, or below it where there is
    no room, the columns of the packed batch, longest text first, with
    ``batch_sizes`` under them; below stands ``data``, the columns one behind
    the other. The small numbers are places in ``data``. What does not fit the
    page is left out and counted.

    Args:
        docs: One text a sequence, each with at least one word. A word that
            the font lacks is shown by its id, as ``#7``.

    Shapes:
        returns: A figure at most 5.8 inches wide.

    Raises:
        TypeError: If ``docs`` is one ``str`` or holds anything else.
        ValueError: If there is no text, or one without a word.

    Example:
        >>> figure = draw_layouts(["on your mark", "get set", "go"])
        >>> plt.close(figure)

    Cost:
        O(N + B log B); some 100 cells are drawn at most.

    Source:
        Chapter 3.

    Not for:
        A batch with an empty text, which has no packed form.
    """
    batch = _pictures.read(docs)
    figure = plt.figure(dpi=DPI)
    _layouts.draw(figure, batch)
    return figure


def layouts_png(docs: Iterable[str]) -> bytes:
    """Return the picture of ``draw_layouts`` as a small PNG file.

    Made without ``pyplot``: no window, no figure that has to be closed.

    Args:
        docs: As ``draw_layouts`` takes them.

    Shapes:
        returns: A PNG of 150 dots an inch and at most 256 colours.

    Raises:
        TypeError: As ``draw_layouts``.
        ValueError: As ``draw_layouts``.

    Example:
        >>> layouts_png(["get set", "go"])[1:4]
        b'PNG'

    Cost:
        As ``draw_layouts``.

    Source:
        The figure of ``packtutor explain --figure``.

    Not for:
        A notebook: it shows what ``draw_layouts`` returns.
    """
    batch = _pictures.read(docs)
    figure = Figure()
    _layouts.draw(figure, batch)
    return _small_png(figure)


def draw_padded(
    docs: Iterable[str],
    *,
    batch_first: bool = True,
    padding_side: Side = "right",
    padding_value: int | None = None,
) -> Figure:
    """Draw texts as a padded batch, in either layout and on either side.

    What does not fit the page is left out and counted.

    Args:
        docs: One text a sequence; some, but not all, may be empty.
        batch_first: Whether the rows are sequences (B, T) or steps (T, B).
        padding_side: Where the pads stand, ``"right"`` or ``"left"``.
        padding_value: Show ids instead of words, and this in the pads; words
            and empty pads if None.

    Shapes:
        returns: A figure at most 5.8 inches wide.

    Raises:
        TypeError: If ``docs`` is one ``str`` or holds anything else, if
            ``padding_value`` is no ``int`` or ``batch_first`` no ``bool``.
        ValueError: If there is no word, or no such ``padding_side``.

    Example:
        >>> figure = draw_padded(["get set", "go"], padding_value=42)
        >>> plt.close(figure)

    Cost:
        O(N); some 100 cells are drawn at most.

    Source:
        Chapter 1.

    Not for:
        Checking a padded tensor: the figure is drawn from the texts.
    """
    batch = _pictures.read(docs, padding_value, empty=True)
    return _padded.draw(
        batch,
        batch_first=as_flag(batch_first, "batch_first"),
        side=as_side(padding_side),
    )


def draw_four_layouts(docs: Iterable[str]) -> Figure:
    """Draw texts in four layouts: list, padded, packed and nested.

    Each part shows the cells that the layout stores and, below them, the
    numbers that it stores besides. The packed and the nested layout are rows
    of cells: by time step, and by sequence. The small numbers are places in
    ``data`` and in ``values``. The packed layout leaves out empty texts and
    names them; ``longest first`` is the order in which it holds the others.
    What does not fit the page is left out and counted.

    Args:
        docs: One text a sequence; some, but not all, may be empty.

    Shapes:
        returns: A figure at most 5.8 inches wide.

    Raises:
        TypeError: If ``docs`` is one ``str`` or holds anything else.
        ValueError: If there is no word.

    Example:
        >>> figure = draw_four_layouts(["on your mark", "", "go"])
        >>> plt.close(figure)

    Cost:
        O(N + B log B); some 100 cells are drawn at most.

    Source:
        The chapter "Keep empty sequences and nested tensors".

    Not for:
        Following how a batch is packed: ``draw_packing_steps`` shows that.
    """
    return _four.draw(_pictures.read(docs, empty=True))


def draw_directions(docs: Iterable[str]) -> Figure:
    """Draw what each of two directions reads, and its final states.

    Each direction has a padded grid (B, T) of its half of the output
    (B, T, 2 H). Small arrows lead into the cells that it reads in a packed
    run: no pad. A cell with heavy borders holds the direction's final state
    of its text; it is named as in the ``h_n`` of the last layer. What does
    not fit the page is left out and counted.

    Args:
        docs: One text a sequence; some, but not all, may be empty. An empty
            text has no such cell.

    Shapes:
        returns: A figure at most 5.8 inches wide.

    Raises:
        TypeError: If ``docs`` is one ``str`` or holds anything else.
        ValueError: If there is no word.

    Example:
        >>> figure = draw_directions(["get set", "go"])
        >>> plt.close(figure)

    Cost:
        O(N); some 100 cells are drawn at most.

    Source:
        Chapter 5.

    Not for:
        A padded run: its backward direction begins with the pads.
    """
    return _directions.draw(_pictures.read(docs, empty=True))


def draw_choices() -> Figure:
    """Draw the questions that lead to a way of running a batch.

    From top to bottom: a question, to its right the way if the answer is yes,
    below it the next question. The last is what is left.

    Shapes:
        returns: A figure 6.04 inches wide.

    Example:
        >>> figure = draw_choices()
        >>> plt.close(figure)

    Cost:
        O(1).

    Source:
        The page "Choose a way".

    Not for:
        Your own lengths: ``packtutor report`` counts and times those.
    """
    return _choices.draw()


def choices_png() -> bytes:
    """Return the picture of ``draw_choices`` as a small PNG file.

    Shapes:
        returns: A PNG of 150 dots an inch and at most 256 colours.

    Example:
        >>> choices_png()[1:4]
        b'PNG'

    Cost:
        As ``draw_choices``.

    Source:
        The picture of the page "Choose a way".

    Not for:
        A notebook: it shows what ``draw_choices`` returns.
    """
    figure = _choices.draw()
    try:
        return _small_png(figure)
    finally:
        plt.close(figure)


def draw_packing_steps(docs: Iterable[str]) -> Figure:
    """Draw how a batch is packed, one panel a time step.

    Each panel shows the sorted texts, this step's column with heavy borders,
    and below them ``data`` after it; its title has ``batch_sizes``.

    Args:
        docs: One text a sequence, each with at least one word, in any order.

    Shapes:
        returns: A figure at most 5.8 inches wide.

    Raises:
        TypeError: If ``docs`` is one ``str`` or holds anything else.
        ValueError: If there is no text, one without a word, or more words
            and steps than fit the page.

    Example:
        >>> figure = draw_packing_steps(["on your mark", "get set", "go"])
        >>> plt.close(figure)

    Cost:
        O(N T); at most 14 words and steps together.

    Source:
        Chapter 3.

    Not for:
        Large batches: ``draw_layouts`` leaves out what does not fit.
    """
    return _stepped.draw(_pictures.pack(_pictures.read(docs)))


def draw_padding_growth(
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
) -> Figure:
    """Draw the share of padding against the batch size.

    Args:
        curves: From the name of a curve to its batch sizes and, for each of
            them, the fraction that ``padding_fraction`` gives.

    Shapes:
        returns: A figure of 5.8 by 3.6 inches.

    Raises:
        TypeError: If ``curves`` is no dictionary of names and pairs, a batch
            size not an integer, or a fraction no number.
        ValueError: If there is no curve, or one whose batch sizes are not
            positive or not as many as its fractions, or a fraction is not
            from 0 to 1.

    Example:
        >>> figure = draw_padding_growth({"shuffled": ([1, 8], [0.0, 0.4])})
        >>> plt.close(figure)

    Cost:
        O(points).

    Source:
        Chapter 2.

    Not for:
        Telling how much time padding takes: measure that.
    """
    return _charts.padding_growth(curves)


def draw_lengths(lengths: Lengths) -> Figure:
    """Draw how often each length occurs, the median and 95th percentile.

    The percentile is the smallest length that at least 95 of 100 sequences
    do not exceed.

    Args:
        lengths: One length a sequence.

    Shapes:
        lengths: (B,), any integer dtype, CPU.
        returns: A figure of 5.8 by 3.6 inches.

    Raises:
        TypeError: If a length is not an integer.
        ValueError: If there is no length, or one that is negative or above
            10**12.

    Example:
        >>> figure = draw_lengths([3, 2, 1])
        >>> plt.close(figure)

    Cost:
        O(B log B).

    Source:
        What a data set looks like before it is cut into batches.

    Not for:
        Choosing a batch size: the lengths within a batch decide, which
        ``padding_fraction`` counts.
    """
    return _charts.histogram(lengths)


def draw_plan(plan: Plan, lengths: Lengths) -> Figure:
    """Draw how ``run_rnn`` runs a batch: its tokens and the slabs over them.

    Each frame is one call of PyTorch's kernel. What is hatched is pads.

    Args:
        plan: What ``plan_run`` returned.
        lengths: The lengths that it was made for, in any order.

    Shapes:
        lengths: (B,), any integer dtype, CPU.
        returns: A figure of 5.8 by 3.6 inches.

    Raises:
        TypeError: If ``plan`` is no ``Plan`` or a length no integer.
        ValueError: If the plan is not one for these lengths, all are 0, or
            one is above 10**6.

    Example:
        >>> from torch import nn
        >>> from packtutor import plan_run
        >>> lengths = [90, 70, 3]
        >>> figure = draw_plan(plan_run(nn.LSTM(64, 128), lengths), lengths)
        >>> plt.close(figure)

    Cost:
        O(T + slabs).

    Source:
        pytorch/pytorch issue 149194.

    Not for:
        Showing which sequence is which: they are sorted.
    """
    return _charts.slabs(plan, lengths)


def draw_report(
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    lengths: Lengths,
    counts: Lengths | None = None,
) -> Figure:
    """Draw ``draw_padding_growth`` and, below it, ``draw_lengths``.

    Args:
        curves: As ``draw_padding_growth`` takes them.
        lengths: One length a sequence, or with ``counts`` the different
            lengths, in rising order.
        counts: How many sequences have each length.

    Shapes:
        lengths: (B,), or (D,) with ``counts``, any integer dtype, CPU.
        counts: (D,), any integer dtype, CPU.
        returns: A figure of 5.8 by 7.2 inches.

    Raises:
        TypeError: As ``draw_padding_growth`` and ``draw_lengths``, or if a
            count is not an integer.
        ValueError: The same, or if there are not as many counts as lengths,
            a count is below 1, or the lengths do not rise.

    Example:
        >>> curves = {"shuffled": ([1, 8], [0.0, 0.4])}
        >>> figure = draw_report(curves, [1, 2, 3], counts=[5, 2, 1])
        >>> plt.close(figure)

    Cost:
        O(points), and O(D) or O(B log B).

    Source:
        The figure of ``packtutor report --figure``.

    Not for:
        One of the two alone.
    """
    checked = _charts.read_report(curves, lengths, counts)
    figure = _charts.new_figure()
    _charts.report(figure, checked)
    return figure


def report_png(
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    lengths: Lengths,
    counts: Lengths | None = None,
) -> bytes:
    """Return the picture of ``draw_report`` as a small PNG file.

    Made without ``pyplot``: no window, no figure that has to be closed.

    Args:
        curves: As ``draw_report`` takes them.
        lengths: The same.
        counts: The same.

    Shapes:
        returns: A PNG of 150 dots an inch and at most 256 colours.

    Raises:
        TypeError: As ``draw_report``.
        ValueError: As ``draw_report``.

    Example:
        >>> report_png({"shuffled": ([1, 8], [0.0, 0.4])}, [3, 2, 1])[1:4]
        b'PNG'

    Cost:
        As ``draw_report``.

    Source:
        The figure of ``packtutor report --figure``.

    Not for:
        A notebook: it shows what ``draw_report`` returns.
    """
    checked = _charts.read_report(curves, lengths, counts)
    figure = Figure(dpi=DPI, facecolor=PAPER, layout="constrained")
    _charts.report(figure, checked)
    return _small_png(figure)


def _small_png(figure: Figure) -> bytes:
    """Return a PNG of few colours."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=150, facecolor=PAPER)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(256).save(small, "png", optimize=True)
    return small.getvalue()

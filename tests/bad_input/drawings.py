"""The figures: texts, curves, lengths and plans."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from matplotlib.figure import Figure

from bad_input.cases import Cases, Row, given
from bad_input.lengths import bad_flag, bad_lengths, bad_side
from bad_input.plans import BAD_PLANS, slabs
from bad_input.texts import no_texts
from packtutor import DOCS

# Drawing a good picture each time takes longer than all else.
FEW = ("None", "counts of lengths", "a negative one", "NaN")


def is_wide(inches: float, high: float | None = None) -> Any:
    """Tell whether a figure is as wide as that, to a hundredth of an inch."""

    def compare(figure: Figure) -> bool:
        width, height = figure.get_size_inches()
        return abs(width - inches) < 0.01 and (
            high is None or abs(height - high) < 0.01
        )

    return compare


def is_png(image: bytes) -> bool:
    return image.startswith(b"\x89PNG") and image.endswith(b"IEND\xaeB`\x82")


def texts(
    empty: bool,
    kinds: Iterable[str] = ("one text", "None", "ids among them"),
) -> list[Row]:
    """Return bad texts; whether some of them may be empty."""
    rows = [
        row
        for row in no_texts("docs", "texts", "text")
        if any(row.wrong == f"docs: {kind}" for kind in kinds)
    ]
    rows += [
        Row(
            f"docs: {wrong}",
            lambda docs=docs: given(docs),
            ValueError,
            "docs has no word; there is nothing to draw",
        )
        for wrong, docs in (("none", []), ("blank ones", ["", " "]))
    ]
    if not empty:
        rows.append(
            Row(
                "docs: an empty one",
                lambda: given(["on", ""]),
                ValueError,
                "docs[1] has no word; a PackedSequence cannot hold an empty "
                "sequence",
            )
        )
    return rows


def curves(**others: Any) -> dict[Any, Any]:
    return {"shuffled": ([1, 8], [0.0, 0.4]), **others}


_CURVES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a list": (
        lambda: [([1], [0.0])],
        TypeError,
        "curves is [([1], [0.0])]; it must be a dictionary of curves",
    ),
    "None": (
        lambda: None,
        TypeError,
        "curves is None; it must be a dictionary of curves",
    ),
    "none": (
        dict,
        ValueError,
        "curves is empty; it must have at least one curve",
    ),
    "a name that is a number": (
        lambda: {5: ([1], [0.0])},
        TypeError,
        "curves has the name 5; it must be a str",
    ),
    "a name that is hidden": (
        lambda: curves(_a=([1], [0.0])),
        ValueError,
        "curves has the name '_a'; it must not start with '_'",
    ),
    "no pair": (
        lambda: curves(a=5),
        TypeError,
        "curves['a'] is 5; it must be a pair (batch sizes, fractions)",
    ),
    "three parts": (
        lambda: curves(a=([1], [0.0], 3)),
        TypeError,
        (
            "curves['a'] is ([1], [0.0], 3); it must be a pair (batch sizes, "
            "fractions)"
        ),
    ),
    "no point": (
        lambda: curves(a=([], [])),
        ValueError,
        (
            "curves['a'] has 0 batch sizes and 0 fractions; it must have as "
            "many of both, at least one"
        ),
    ),
    "a fraction too few": (
        lambda: curves(a=([1, 8], [0.0])),
        ValueError,
        (
            "curves['a'] has 2 batch sizes and 1 fraction; it must have as "
            "many of both, at least one"
        ),
    ),
    "a batch size of 0": (
        lambda: curves(a=([0], [0.0])),
        ValueError,
        "curves['a']: batch sizes[0] is 0; it must be at least 1",
    ),
    "a batch size that is a fraction": (
        lambda: curves(a=([1.5], [0.0])),
        TypeError,
        "curves['a']: batch sizes[0] is 1.5; its elements must be integers",
    ),
    "no fractions": (
        lambda: curves(a=([1], None)),
        TypeError,
        "curves['a']: fractions is None; it must be a list of numbers",
    ),
    "a fraction that is a text": (
        lambda: curves(a=([1], ["half"])),
        TypeError,
        "curves['a']: fractions[0] is 'half'; it must be a number",
    ),
    "NaN": (
        lambda: curves(a=([1], [float("nan")])),
        ValueError,
        "curves['a']: fractions[0] is nan; it must be from 0 to 1",
    ),
    "per cent": (
        lambda: curves(a=([1], [40])),
        ValueError,
        "curves['a']: fractions[0] is 40.0; it must be from 0 to 1",
    ),
}


def bad_curves(*others: Any, kinds: Iterable[str] = _CURVES) -> list[Row]:
    return [
        Row(
            f"curves: {wrong}",
            lambda make=_CURVES[wrong][0]: given(make(), *others),
            *_CURVES[wrong][1:],
        )
        for wrong in kinds
    ]


def long_lengths(call: Callable[[Any], Any]) -> list[Row]:
    return [
        Row(
            "lengths: none",
            lambda: call([]),
            ValueError,
            "lengths is empty; there is nothing to draw",
        ),
        Row(
            "lengths: too long",
            lambda: call([3, 10**18]),
            ValueError,
            f"lengths[1] is {10**18}; it must be at most {10**12}",
        ),
    ]


def bad_counts() -> list[Row]:
    text = (
        "lengths has {} and counts {}; with counts, lengths must be "
        "different ones in rising order, and counts have a number above 0 "
        "for each"
    )
    return [
        *bad_lengths(
            lambda counts: given(curves(), [1, 2], counts),
            ("a number", "a negative one", "a fraction"),
            "counts",
        ),
        *(
            Row(
                f"counts: {wrong}",
                lambda lengths=lengths, counts=counts: given(
                    curves(), lengths, counts
                ),
                ValueError,
                text.format(*shown),
            )
            for wrong, lengths, counts, shown in (
                (
                    "too few",
                    [1, 2, 3],
                    [5],
                    ("3 lengths", "1 number"),
                ),
                (
                    "one of 0",
                    [1, 2],
                    [5, 0],
                    ("2 lengths", "2 numbers"),
                ),
                (
                    "of lengths that fall",
                    [2, 1],
                    [5, 1],
                    ("2 lengths", "2 numbers"),
                ),
            )
        ),
        Row(
            "counts: a sum beyond int64",
            lambda: given(curves(), [1, 2], [2**62, 2**62]),
            ValueError,
            f"counts add up to {2**63}; they may only to {2**63 - 1}",
        ),
    ]


TABLE = [
    Cases(
        "figures.draw_layouts",
        lambda: given(DOCS),
        is_wide(5.6, 3.5),
        texts(
            empty=False,
            kinds=(
                "one text",
                "None",
                "bytes",
                "ids among them",
                "a set, in any order",
                "a dictionary",
                "breaks off",
            ),
        ),
    ),
    Cases(
        "figures.layouts_png",
        lambda: given(DOCS),
        is_png,
        texts(empty=False, kinds=("one text",)),
    ),
    Cases(
        "figures.draw_padded",
        lambda: given(DOCS, batch_first=False, padding_value=0),
        is_wide(3.0, 2.18),
        [
            *texts(empty=True),
            *bad_flag(
                lambda flag: given(DOCS, batch_first=flag), "batch_first"
            ),
            *bad_side(lambda side: given(DOCS, padding_side=side)),
            *(
                Row(
                    f"padding_value: {shown}",
                    lambda value=value: given(DOCS, padding_value=value),
                    TypeError,
                    f"padding_value is {shown}; it must be an int, as the "
                    f"ids are",
                )
                for value, shown in (
                    (0.5, "0.5"),
                    ("0", "'0'"),
                    (True, "True"),
                )
            ),
        ],
    ),
    Cases(
        "figures.draw_four_layouts",
        lambda: given(DOCS),
        is_wide(4.84, 7.72),
        texts(empty=True),
    ),
    Cases(
        "figures.draw_directions",
        lambda: given(DOCS),
        is_wide(3.0, 4.26),
        texts(empty=True),
    ),
    Cases(
        "figures.draw_packing_steps",
        lambda: given(DOCS),
        is_wide(4.84, 9.28),
        [
            *texts(empty=False),
            Row(
                "docs: too many words",
                lambda: given(["a b c d e", "a b c d e"]),
                ValueError,
                "docs has 10 words in 5 steps; words and steps together must "
                "be at most 14 to fit the page",
            ),
        ],
    ),
    Cases(
        "figures.draw_padding_growth",
        lambda: given(curves()),
        is_wide(5.8, 3.6),
        bad_curves(),
    ),
    Cases(
        "figures.draw_lengths",
        lambda: given([3, 2, 1]),
        is_wide(5.8, 3.6),
        [*bad_lengths(given, FEW), *long_lengths(given)],
    ),
    Cases(
        "figures.draw_plan",
        lambda: given(slabs(), [1, 3]),
        is_wide(5.8, 3.6),
        [
            *(
                Row(
                    f"plan: {wrong}",
                    lambda make=make: given(make(), [1, 3]),
                    error,
                    text,
                )
                for wrong, (make, error, text) in BAD_PLANS.items()
            ),
            Row(
                "plan: no slab",
                lambda: given(slabs(slabs=(), tokens=0, cells=0), [0, 0]),
                ValueError,
                "plan has no slab; there is nothing to draw",
            ),
            *bad_lengths(lambda lengths: given(slabs(), lengths), FEW),
            Row(
                "lengths: of another batch",
                lambda: given(slabs(), [10**15]),
                ValueError,
                f"plan has 4 tokens; the batch has {10**15}",
            ),
            Row(
                "lengths: too many steps",
                lambda: given(slabs((0, 10**15, 1), tokens=10**15), [10**15]),
                ValueError,
                f"lengths[0] is {10**15}; at most 1000000 steps are drawn",
            ),
        ],
    ),
    Cases(
        "figures.draw_report",
        lambda: given(curves(), [1, 2, 3], counts=[5, 2, 1]),
        is_wide(5.8, 7.2),
        [
            *bad_curves([1, 2], kinds=("None", "no pair", "NaN")),
            *bad_lengths(lambda lengths: given(curves(), lengths), FEW[:2]),
            *long_lengths(lambda lengths: given(curves(), lengths)),
            *bad_counts(),
        ],
    ),
    Cases(
        "figures.report_png",
        lambda: given(curves(), [1, 2, 3], counts=[5, 2, 1]),
        is_png,
        [
            *bad_curves([1, 2], kinds=("no fractions",)),
            *bad_lengths(lambda lengths: given(curves(), lengths), FEW[2:3]),
            bad_counts()[-1],
        ],
    ),
]

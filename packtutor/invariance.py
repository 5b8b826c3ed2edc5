"""Find out whether a model's results depend on padding, order or company.

A batch is only a way to run several sequences at once. What comes out for a
sequence must not depend on what stands in the pads, on how many pads there
are, on the order of the batch, or on which other sequences are in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from packtutor._differences import (
    Moved,
    coarsest,
    find_moved,
    largest,
    result_allowances,
    typical_size,
)
from packtutor._forms import Form, as_form, is_per_token
from packtutor._gradients import (
    add_up_fixed,
    gradients,
    modules_behind,
    name_of,
)
from packtutor._precision import lowered_types
from packtutor._restored import put_back
from packtutor.ragged import Ragged

_EXTRA = 3  # columns

_CHANGES = {
    "repeat": "nothing was changed, the same call was made twice",
    "pad values": "other values were put into the pads",
    "NaN in pads": "NaN was put into the pads",
    "extra padding": f"{_EXTRA} columns of pads were added",
    "order": "the batch was given in another order",
    "split": "the batch was given in two halves",
    "alone": "each sequence was given alone",
}
_CAUSES = {
    "repeat": "something is random or remembered, such as dropout in "
    "training mode: call eval() first",
    "pad values": "the pads are read: an RNN over the padded tensor, a mean, "
    "maximum or softmax without the mask, output[:, -1]",
    "NaN in pads": "the pads are masked after something was computed from "
    "them, and NaN times 0 is NaN: pack, select or fill them before",
    "extra padding": "the width of the padded tensor counts: a mean over T, "
    "a softmax without the mask, output[:, -1]",
    "order": "rows were sorted and not restored, a state stands in another "
    "order than the batch, or the first axis is not the batch",
    "split": "sequences see each other: BatchNorm in training mode, a mean "
    "over the batch, batch and time mixed up; or the pads that the longest "
    "one makes are read",
    "alone": "sequences see each other, as in BatchNorm in training mode, or "
    "the pads that the longest one makes, or squeeze() drops the axis of a "
    "batch of one",
}


@dataclass(frozen=True)
class Violation:
    """One way in which a model's results depend on more than the sequence.

    Attributes:
        test: Which test found it, such as ``"pad values"``.
        what: What moved: ``"result"``, ``"gradient of the input"`` or
            ``"gradient of <parameter>"``.
        sequence: The sequence that moved most, in the order given; None for
            a parameter's gradient.
        difference: By how much it moved; ``inf`` if it became NaN, changed
            its shape or raised an error.
        allowed: How much rounding may explain.
        error: What was raised, where the changed call failed.

    Example:
        >>> Violation("order", "result", 1, 0.25, 1e-8).sequence
        1

    Cost:
        Nothing: a record.

    Source:
        What packing promises: the results of each sequence alone.

    Not for:
        Making by hand: ``check_model`` returns it.
    """

    test: str
    what: str
    sequence: int | None
    difference: float
    allowed: float
    error: str = ""

    @property
    def changed(self) -> str:
        """What was changed, in words."""
        return _CHANGES[self.test]

    @property
    def cause(self) -> str:
        """What usually causes it."""
        return _CAUSES[self.test]

    def __str__(self) -> str:
        """Say it in sentences."""
        owner = (
            "" if self.sequence is None else f" of sequence {self.sequence}"
        )
        if self.error:
            by = f"could not be computed ({self.error})"
        elif math.isinf(self.difference):
            by = "became NaN or infinite, or changed its shape"
        else:
            by = (
                f"moved by {self.difference:.3g}, where rounding explains "
                f"{self.allowed:.0e}"
            )
        return (
            f"{self.test}: {self.changed}, and the {self.what}{owner} {by}. "
            f"Usual cause: {self.cause}."
        )

    __repr__ = __str__


class _Outcome(NamedTuple):
    """What a call gave: all of it in the order of the batch."""

    results: list[Tensor]
    inputs: list[Tensor]  # gradients, zeros where there are none
    parameters: dict[Tensor, Tensor]  # from each to its gradient


class _Trial(NamedTuple):
    """A model, the form of its batch, the batch, and its padded tensor."""

    fn: Callable[..., Any]
    form: Form
    batch: Ragged
    padded: Tensor | None

    @property
    def columns(self) -> int:
        """The width of the padded tensor that was given, or 0."""
        return 0 if self.padded is None else self.padded.shape[1]

    def run(
        self,
        rows: list[int],
        columns: int = 0,
        pads: Tensor | None = None,
    ) -> _Outcome:
        """Call the model with some of the sequences and read the result."""
        return self.read(self.call(rows, columns, pads))

    def call(
        self,
        rows: list[int],
        columns: int = 0,
        pads: Tensor | None = None,
    ) -> tuple[Any, Ragged]:
        """Return the model's own result, and what it was computed from."""
        chosen = self.batch.index_select(rows)
        values = chosen.values.detach().clone()
        values.requires_grad_(values.is_floating_point())
        if pads is not None:
            # Of empty sequences alone, one column of pads is left.
            columns = max(columns, min(pads.shape[1], 1))
            pads = pads[rows, : max(columns, chosen.max_length)]
        given = Ragged(values, chosen.lengths)
        return self.fn(*self.form.build(given, columns, pads)), given

    def read(self, called: tuple[Any, Ragged]) -> _Outcome:
        """Split a result into sequences, and compute the gradients."""
        result, given = called
        results = self.form.read(result, given)
        parameters: dict[Tensor, Tensor] = {}
        total = add_up_fixed(results)
        if total is not None:
            parameters = gradients(total)
        grad = parameters.pop(given.values, torch.zeros_like(given.values))
        return _Outcome(
            [result.detach() for result in results],
            Ragged(grad, given.lengths).to_list(),
            parameters,
        )


def check_model(fn: Callable[..., Any], batch: Any) -> list[Violation]:
    """Look for ways in which a model's results depend on how it is batched.

    Calls the model on the batch as it is and on changed copies: other values
    and NaN in the pads, more pads, the order reversed, the batch in two
    halves, each sequence alone. The result of each sequence must stay what it
    was, and so must the gradients of the input and of the parameters.

    What rounding explains follows from the types of the results, the input
    and the parameters. Float32 may be computed in fewer digits, by autocast or
    PyTorch's precision of float32 products: that is noticed around the call
    and wherever ``fn`` calls a module. It is not noticed where ``fn``
    enters autocast and calls no module in it, nor where compiled or scripted
    code enters it: there, rounding may be reported.

    Args:
        fn: The model: a function, or a module in the mode to be checked. It
            takes the batch in the form that you give it here and returns one
            tensor whose first axis is the batch, a ``Ragged`` or a
            ``PackedSequence``. A tensor whose second axis is as wide as the
            padded batch is read as one result a token; its pads are not
            looked at.
        batch: A ``Ragged``, a ``PackedSequence``, or a tuple
            ``(padded, lengths)`` or ``(padded, mask)``, which ``fn`` takes as
            two arguments. Lengths reach it as a tensor of int64 on the CPU,
            whatever you give: a list, another type, another device. Use
            lengths that differ. Pads are changed only where the model is
            given any.

    Shapes:
        padded: ``(B, T, *)``, pads on the right; floats or ids.
        mask: (B, T), bool, True for a real token.
        returns: A list, empty if nothing was found; at most one entry for
            the results and one for the gradients of each test.

    Raises:
        TypeError: If ``fn`` cannot be called, or ``batch`` or what ``fn``
            returns is of another type.
        ValueError: If the batch has no sequence or is malformed, or what
            ``fn`` returns does not have one row a sequence.

    Example:
        >>> ids = torch.tensor([[2, 3, 4], [5, 6, 0]])
        >>> mean = lambda ids, lengths: ids.double().mean(1)
        >>> [v.test for v in check_model(mean, (ids, [3, 2]))]
        ['pad values', 'extra padding', 'split', 'alone']

    Cost:
        About B + 9 calls, forwards and, where there is a graph, backwards.
        The buffers of all modules that run, and the state of PyTorch's own
        random generators, are put back; a lazy module stays initialised.
        What only compiled code calls is found where it is in a module that
        ``fn`` is, belongs to or closes over.

    Source:
        What packing promises: the results of each sequence alone.

    Not for:
        Models that are meant to mix sequences, such as contrastive losses.
        States or labels that ``fn`` closes over do not travel with the
        sequences: make them part of the batch. A mistake that depends on the
        sequence alone, such as the wrong layer of ``h_n``, moves nothing:
        compare with ``one_by_one``. On a GPU, cuDNN gives no gradients in
        eval mode: call it under ``torch.no_grad()``, which checks the
        results alone.
    """
    if not callable(fn):
        raise TypeError(
            f"fn is of type {type(fn).__name__}; it must be a function or a "
            f"module"
        )
    form, sequences, padded = as_form(batch)
    if not len(sequences):
        raise ValueError("batch has no sequence; it must have at least one")
    if sequences.values.is_meta:
        raise ValueError("batch is on device meta, which holds no values")
    modules = modules_behind(fn)
    trial = _Trial(fn, form, sequences, padded)
    found: list[Violation] = []
    place = sequences.values.device
    with put_back(modules), lowered_types(place, modules) as lowered:
        rows = list(range(len(sequences)))
        first = trial.call(rows, trial.columns, padded)
        trial = trial._replace(form=_find_time(trial, first[0]))
        base = trial.read(first)
        for test, call in _changed(trial, rows):
            try:
                outcome = call()
            except Exception as error:  # noqa: BLE001 (any model's error)
                text = f"{type(error).__name__}: {error}".splitlines()[0]
                found.append(
                    Violation(test, "result", None, math.inf, 0.0, text)
                )
            else:
                found += _compare(test, base, outcome, modules, lowered)
            if test == "repeat" and found:
                break  # nothing can be told from the other tests
    return found


def _find_time(trial: _Trial, result: Any) -> Form:
    """Find out whether the second axis of a tensor result is time.

    It is if it grows with the batch's columns, or if it shrinks where the
    longest sequences are left out, as when a model unpacks to its own width.
    """
    form, batch = trial.form, trial.batch
    every, longest = list(range(len(batch))), batch.max_length
    shorter = [i for i in every if 0 < batch.lengths[i] < longest]
    trials = []
    if form.has_pads:
        before, after = max(trial.columns, longest), trial.columns + _EXTRA
        trials.append((every, after, (before, after)))
    if shorter:
        after = batch.index_select(shorter).max_length
        trials.append((shorter, 0, (longest, after)))
    for rows, columns, widths in trials:
        try:
            other, _ = trial.call(rows, columns)
        except Exception:  # noqa: BLE001, S112 (the tests will meet it again)
            continue
        if is_per_token(result, other, widths):
            return form._replace(per_token=True)
    return form


def _changed(
    trial: _Trial, rows: list[int]
) -> Iterator[tuple[str, Callable[[], _Outcome]]]:
    """Yield each test and the call that runs it, results in batch order."""
    padded, columns = trial.padded, trial.columns
    yield "repeat", lambda: trial.run(rows, columns, padded)
    if padded is not None:
        other = _other_values(padded, trial.batch.values)
        yield "pad values", lambda: trial.run(rows, columns, other)
        if padded.is_floating_point():
            nan = torch.full_like(padded, math.nan)
            yield "NaN in pads", lambda: trial.run(rows, columns, nan)
        wide = _widen(padded)
        yield "extra padding", lambda: trial.run(rows, columns + _EXTRA, wide)
    if len(rows) > 1:
        # Unlike the reverse, which is its own inverse, this also finds who
        # restores an order by the order itself.
        turned = [*rows[1:], rows[0]]
        yield "order", lambda: _turn(trial.run(turned, columns, padded))
        half = len(rows) // 2
        yield (
            "split",
            lambda: _join(
                trial.run(part, pads=padded)
                for part in (rows[:half], rows[half:])
            ),
        )
        yield "alone", lambda: _join(trial.run([i], pads=padded) for i in rows)


def _other_values(padded: Tensor, real: Tensor) -> Tensor:
    """Return values for the pads: large ones, or ids of real tokens."""
    generator = torch.Generator().manual_seed(0)
    if padded.is_floating_point():
        noise = torch.randn(
            padded.shape,
            generator=generator,
            dtype=torch.float64,
            device="cpu",
        )
        return (10 * noise).to(padded)
    if not len(real):
        return padded
    # Whole tokens: each feature of an id has a table of its own.
    chosen = torch.randint(
        len(real), padded.shape[:2], generator=generator, device="cpu"
    )
    return real[chosen.to(real.device)]


def _widen(padded: Tensor) -> Tensor:
    """Add columns that repeat nothing real: zeros, as most pads are."""
    extra = padded.new_zeros(padded.shape[0], _EXTRA, *padded.shape[2:])
    return torch.cat([padded, extra], 1)


def _turn(outcome: _Outcome) -> _Outcome:
    """Bring a batch whose first sequence came last back to its order."""
    results, inputs = outcome.results, outcome.inputs
    return outcome._replace(
        results=[results[-1], *results[:-1]], inputs=[inputs[-1], *inputs[:-1]]
    )


def _join(outcomes: Iterator[_Outcome]) -> _Outcome:
    """Put the parts of a batch together; gradients of parameters add up."""
    results: list[Tensor] = []
    inputs: list[Tensor] = []
    parameters: dict[Tensor, Tensor] = {}
    for outcome in outcomes:
        results += outcome.results
        inputs += outcome.inputs
        for parameter, grad in outcome.parameters.items():
            before = parameters.get(parameter)
            parameters[parameter] = grad if before is None else before + grad
    return _Outcome(results, inputs, parameters)


def _compare(
    test: str,
    base: _Outcome,
    new: _Outcome,
    modules: list[nn.Module],
    lowered: set[torch.dtype],
) -> Iterator[Violation]:
    """Yield what moved by more than rounding explains."""
    known = list(base.parameters)
    rounding = coarsest([*base.results, *base.inputs, *known], lowered)
    if not coarsest(base.results):
        rounding = 0.0  # integers are not rounded
    allowed = result_allowances(base.results, rounding)
    moved = find_moved(base.results, new.results, allowed)
    if moved is not None:
        yield Violation(test, "result", *moved)
        return  # its gradients moved as well; one report is enough
    moved = _find_moved_gradient(base.inputs, base, new.inputs, rounding)
    if moved is not None:
        yield Violation(test, "gradient of the input", *moved)
        return
    grads = [new.parameters.get(p, torch.zeros_like(p)) for p in known]
    own = list(base.parameters.values())
    moved = _find_moved_gradient(own, base, grads, rounding)
    if moved is not None:
        place, difference, allowance = moved
        name = name_of(known[place], modules)
        yield Violation(
            test, f"gradient of {name}", None, difference, allowance
        )


def _find_moved_gradient(
    own: list[Tensor], base: _Outcome, new: list[Tensor], rounding: float
) -> Moved | None:
    """Compare gradients; those that cancel out get what the others need."""
    every = [*base.inputs, *base.parameters.values()]
    least = max(0.01 * largest(every), 0.001 * typical_size(base.results))
    allowed = [
        torch.tensor(
            [10 * rounding * max(largest([grad]), least)], device=grad.device
        )
        for grad in own
    ]
    return find_moved(own, new, allowed)

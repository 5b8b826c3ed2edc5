"""Losses of a packed batch: what masking the padded batch gives, and no less.

Each loss of a packed batch is held to the masked one of the padded batch,
value and gradients of all weights, to 1e-6. Each of the usual wrong ones
stands beside it and is found to differ.
"""

import pytest
import torch
from strategies import SHAPES_OF_BATCHES, WITHOUT_EMPTY
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_sequence

from packtutor import Ragged, mask_from_lengths, next_tokens, pooling, run_rnn

V, E, H, C = 11, 4, 5, 3
EQUAL = 1e-6
SIZES = {
    kind: sizes
    for kind, sizes in SHAPES_OF_BATCHES.items()
    if kind in WITHOUT_EMPTY and kind != "very long"
}
# The wrong losses are looked at where they can be wrong.
MIXED = [2, 5, 3, 2]


class Case:
    """One batch in two layouts, its labels, and one model for both."""

    def __init__(self, sizes, device):
        generator = torch.Generator().manual_seed(1)

        def draw(most, count):
            numbers = torch.randint(most, (count,), generator=generator)
            return numbers.to(device)

        torch.manual_seed(1)
        self.model = nn.ModuleDict(
            {
                "embedding": nn.Embedding(V, E),
                "lstm": nn.LSTM(E, H, batch_first=True),
                "words": nn.Linear(H, V),
                "kinds": nn.Linear(H, C),
            }
        ).to(device, torch.float64)
        # No id is 0: that is the pad's.
        self.batch = Ragged(1 + draw(V - 1, sum(sizes)), sizes)
        self.packed = self.batch.to_packed()
        self.padded = self.batch.to_padded()  # (B, T)
        self.mask = mask_from_lengths(sizes, device=device)
        self.tags = Ragged(draw(C, sum(sizes)), sizes)
        self.labels = draw(C, len(sizes))

    def run_packed(self, packed):
        """Return the outputs of a packed batch, and the final state (B, H)."""
        embedded = packed._replace(data=self.model["embedding"](packed.data))
        output, (h_n, _) = self.model["lstm"](embedded)
        return output, h_n

    def run_padded(self, padded):
        """Return the outputs (B, T, H), also those at the pads."""
        return self.model["lstm"](self.model["embedding"](padded))[0]

    def with_gradients(self, loss):
        """Return the loss and the gradients of all weights, also if zero."""
        gradients = torch.autograd.grad(
            loss,
            list(self.model.parameters()),
            retain_graph=True,
            materialize_grads=True,
        )
        return [loss.detach(), *gradients]


@pytest.fixture
def mixed(device):
    return Case(MIXED, device)


def assert_equal(case, packed_loss, padded_loss):
    found = case.with_gradients(packed_loss)
    expected = case.with_gradients(padded_loss)
    assert any(bool(gradient.any()) for gradient in found[1:])
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).abs().max()) <= EQUAL


def assert_wrong(case, right, wrong):
    """Tell that a loss, or the gradients that it leaves, are not the same."""
    found = case.with_gradients(wrong)
    expected = case.with_gradients(right)
    assert abs(float(found[0] - expected[0])) > 100 * EQUAL
    differences = [
        float((one - other).abs().max())
        for one, other in zip(found[1:], expected[1:], strict=True)
    ]
    assert max(differences) > 100 * EQUAL


# A class for each token.


def tag_loss_packed(case):
    output, _ = case.run_packed(case.packed)
    logits = case.model["kinds"](output.data)  # (N, C)
    return cross_entropy(logits, case.tags.to_packed().data)


def tag_logits_padded(case):
    return case.model["kinds"](case.run_padded(case.padded))  # (B, T, C)


def tag_loss_padded(case):
    logits = tag_logits_padded(case)[case.mask]
    return cross_entropy(logits, case.tags.to_padded()[case.mask])


@pytest.mark.parametrize("kind", SIZES)
def test_tags_packed_and_masked_are_one_loss(kind, device):
    case = Case(SIZES[kind], device)
    assert_equal(case, tag_loss_packed(case), tag_loss_padded(case))


def test_tags_in_sequence_order_are_the_same_loss(mixed):
    output, _ = run_rnn(
        mixed.model["lstm"], mixed.batch.apply(mixed.model["embedding"])
    )
    logits = mixed.model["kinds"](output.values)
    loss = cross_entropy(logits, mixed.tags.values)
    assert_equal(mixed, loss, tag_loss_packed(mixed))


def test_an_ignored_label_masks_as_well(mixed):
    labels = mixed.tags.to_padded(padding_value=-100)
    loss = cross_entropy(tag_logits_padded(mixed).transpose(1, 2), labels)
    assert_equal(mixed, tag_loss_packed(mixed), loss)


def test_a_weighted_sum_masks_as_well(mixed):
    logits = tag_logits_padded(mixed).transpose(1, 2)
    losses = cross_entropy(logits, mixed.tags.to_padded(), reduction="none")
    loss = (losses * mixed.mask).sum() / mixed.mask.sum()
    assert_equal(mixed, tag_loss_packed(mixed), loss)


def mean_over_all_cells(case):
    """Pads labelled 0, and the default ignore_index, which is -100."""
    logits = tag_logits_padded(case).transpose(1, 2)
    return cross_entropy(logits, case.tags.to_padded())


def ignored_label_of_a_real_class(case):
    """The pads are ignored, and with them each real token of class 0."""
    logits = tag_logits_padded(case).transpose(1, 2)
    return cross_entropy(logits, case.tags.to_padded(), ignore_index=0)


def masked_sum_over_all_cells(case):
    """The pads' losses are zero, but they count in the divisor."""
    logits = tag_logits_padded(case).transpose(1, 2)
    labels = case.tags.to_padded()
    losses = cross_entropy(logits, labels, reduction="none")
    return (losses * case.mask).mean()


def mean_of_sequence_means(case):
    logits = tag_logits_padded(case)
    means = [
        cross_entropy(row[:length], tags)
        for row, length, tags in zip(
            logits, case.tags.lengths.tolist(), case.tags, strict=True
        )
    ]
    return torch.stack(means).mean()


def mean_of_batch_means(case):
    """Two batches of unlike size, each with the same say."""
    halves = []
    for rows in ([0, 3], [1, 2]):
        output, _ = run_rnn(
            case.model["lstm"],
            case.batch.index_select(rows).apply(case.model["embedding"]),
        )
        logits = case.model["kinds"](output.values)
        tags = case.tags.index_select(rows).values
        halves.append(cross_entropy(logits, tags))
    return torch.stack(halves).mean()


def labels_in_the_order_of_the_sequences(case):
    """The logits stand in packed order, the labels do not."""
    output, _ = case.run_packed(case.packed)
    return cross_entropy(case.model["kinds"](output.data), case.tags.values)


def labels_packed_in_another_order(case):
    """Both are packed, but one of them was sorted by hand before."""
    output, _ = case.run_packed(case.packed)
    by_length = case.tags.lengths.argsort(descending=True, stable=True)
    seqs = [case.tags[row] for row in by_length.flip(0).tolist()]
    labels = pack_sequence(seqs, enforce_sorted=False).data
    return cross_entropy(case.model["kinds"](output.data), labels)


@pytest.mark.parametrize(
    "wrong",
    [
        mean_over_all_cells,
        ignored_label_of_a_real_class,
        masked_sum_over_all_cells,
        mean_of_sequence_means,
        mean_of_batch_means,
        labels_in_the_order_of_the_sequences,
        labels_packed_in_another_order,
    ],
)
def test_a_wrong_loss_of_tags(wrong, mixed):
    assert_wrong(mixed, tag_loss_packed(mixed), wrong(mixed))


def test_batch_sums_over_all_tokens_are_the_mean(mixed):
    """The repair of the mean of means."""
    losses = 0
    for rows in ([0, 3], [1, 2]):
        output, _ = run_rnn(
            mixed.model["lstm"],
            mixed.batch.index_select(rows).apply(mixed.model["embedding"]),
        )
        logits = mixed.model["kinds"](output.values)
        tags = mixed.tags.index_select(rows).values
        losses = losses + cross_entropy(logits, tags, reduction="sum")
    loss = losses / len(mixed.tags.values)
    assert_equal(mixed, tag_loss_packed(mixed), loss)


# A language model: the next token.


def next_loss_packed(case):
    inputs, targets = next_tokens(case.packed)
    output, _ = case.run_packed(inputs)
    return cross_entropy(case.model["words"](output.data), targets.data)


def next_loss_padded(case):
    """Shift the rectangle and ignore the pads among the targets."""
    logits = case.model["words"](case.run_padded(case.padded[:, :-1]))
    targets = case.padded[:, 1:]
    real = case.mask[:, 1:]
    return cross_entropy(logits[real], targets[real])


LONGER = {kind: [1 + size for size in SIZES[kind]] for kind in SIZES}


@pytest.mark.parametrize("kind", LONGER)
def test_next_tokens_packed_and_masked_are_one_loss(kind, device):
    case = Case(LONGER[kind], device)
    assert_equal(case, next_loss_packed(case), next_loss_padded(case))


@pytest.mark.parametrize("kind", SIZES)
def test_next_tokens_with_single_tokens(kind, device):
    """A Ragged keeps a sequence that has no pair, and its loss is the same."""
    case = Case([*SIZES[kind], 2], device)
    inputs, targets = next_tokens(case.batch)
    output, _ = run_rnn(
        case.model["lstm"], inputs.apply(case.model["embedding"])
    )
    loss = cross_entropy(case.model["words"](output.values), targets.values)
    assert_equal(case, loss, next_loss_padded(case))


def pads_among_the_targets(case):
    """The word after the last one is a pad, which is learned."""
    logits = case.model["words"](case.run_padded(case.padded[:, :-1]))
    return cross_entropy(logits.transpose(1, 2), case.padded[:, 1:])


def mask_of_the_inputs(case):
    """Real inputs, of which the last one of a shorter row has no next."""
    logits = case.model["words"](case.run_padded(case.padded[:, :-1]))
    real = case.mask[:, :-1]
    return cross_entropy(logits[real], case.padded[:, 1:][real])


def shift_of_the_packed_data(case):
    """The next row of the data is another sequence's word."""
    output, _ = case.run_packed(case.packed)
    logits = case.model["words"](output.data)
    return cross_entropy(logits[:-1], case.packed.data[1:])


def shift_over_the_borders(case):
    """The last word of a sequence gets the first one of the next."""
    output, _ = run_rnn(
        case.model["lstm"], case.batch.apply(case.model["embedding"])
    )
    logits = case.model["words"](output.values)
    return cross_entropy(logits[:-1], case.batch.values[1:])


def no_shift(case):
    """The word to say is the word that was read."""
    output, _ = case.run_packed(case.packed)
    return cross_entropy(case.model["words"](output.data), case.packed.data)


def shift_the_other_way(case):
    """The word before, which the state remembers."""
    inputs, targets = next_tokens(case.packed)
    output, _ = case.run_packed(targets)
    return cross_entropy(case.model["words"](output.data), inputs.data)


@pytest.mark.parametrize(
    "wrong",
    [
        pads_among_the_targets,
        mask_of_the_inputs,
        shift_of_the_packed_data,
        shift_over_the_borders,
        no_shift,
        shift_the_other_way,
    ],
)
def test_a_wrong_loss_of_next_tokens(wrong, mixed):
    assert_wrong(mixed, next_loss_packed(mixed), wrong(mixed))


# A class for each sequence, from one vector.


def vectors_packed(case, pool):
    output, h_n = case.run_packed(case.packed)
    batch = Ragged.from_packed(output)
    return pool(batch, h_n) if pool is pooling.last else pool(batch)


def last_padded(case):
    output = case.run_padded(case.padded)
    rows = torch.arange(len(output), device=output.device)
    return output[rows, case.mask.sum(1) - 1]


def mean_padded(case):
    real = case.mask.unsqueeze(2)
    output = case.run_padded(case.padded).masked_fill(~real, 0)
    return output.sum(1) / real.sum(1)


def max_padded(case):
    real = case.mask.unsqueeze(2)
    output = case.run_padded(case.padded)
    # The gradient goes to the first of equal ones, as in pooling.max.
    return output.masked_fill(~real, -torch.inf).max(1).values


POOLS = {
    "last": (pooling.last, last_padded),
    "mean": (pooling.mean, mean_padded),
    "max": (pooling.max, max_padded),
}


def sequence_loss(case, vectors):
    return cross_entropy(case.model["kinds"](vectors), case.labels)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("kind", SIZES)
def test_sequences_packed_and_masked_are_one_loss(name, kind, device):
    case = Case(SIZES[kind], device)
    pool, masked = POOLS[name]
    assert_equal(
        case,
        sequence_loss(case, vectors_packed(case, pool)),
        sequence_loss(case, masked(case)),
    )


def last_column(case):
    return case.run_padded(case.padded)[:, -1]


def last_column_unpacked(case):
    """A pad of zeros for each shorter sequence."""
    output, _ = case.run_packed(case.packed)
    return Ragged.from_packed(output).to_padded()[:, -1]


def state_after_the_pads(case):
    embedded = case.model["embedding"](case.padded)
    return case.model["lstm"](embedded)[1][0][-1]


def mean_over_all_columns(case):
    return case.run_padded(case.padded).mean(1)


def mean_of_filled_columns(case):
    """The pads are zeros, but T divides."""
    output = case.run_padded(case.padded)
    return (output * case.mask.unsqueeze(2)).mean(1)


def max_over_all_columns(case):
    return case.run_padded(case.padded).amax(1)


def max_of_filled_columns(case):
    """A pad of zero beats a negative output."""
    output = case.run_padded(case.padded)
    return (output * case.mask.unsqueeze(2)).amax(1)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("last", last_column),
        ("last", last_column_unpacked),
        ("last", state_after_the_pads),
        ("mean", mean_over_all_columns),
        ("mean", mean_of_filled_columns),
        ("max", max_over_all_columns),
        ("max", max_of_filled_columns),
    ],
)
def test_a_wrong_loss_of_sequences(name, wrong, mixed):
    pool, _ = POOLS[name]
    right = sequence_loss(mixed, vectors_packed(mixed, pool))
    assert_wrong(mixed, right, sequence_loss(mixed, wrong(mixed)))


def test_labels_in_sorted_order_are_wrong(mixed):
    """One sorts the batch oneself and forgets the labels."""
    order = mixed.packed.sorted_indices
    vectors = vectors_packed(mixed, pooling.last)
    right = sequence_loss(mixed, vectors)
    wrong = cross_entropy(mixed.model["kinds"](vectors[order]), mixed.labels)
    assert_wrong(mixed, right, wrong)


# A pad that holds NaN.


@pytest.mark.parametrize("where", ["before", "after"])
def test_only_a_selection_in_front_keeps_nan_out_of_the_gradients(
    where, device
):
    """Selecting after the layer repairs the loss, not the gradients."""
    case = Case(MIXED, device)
    values = torch.zeros(*case.padded.shape, H, dtype=torch.float64)
    values = values.to(device).masked_fill(~case.mask.unsqueeze(2), torch.nan)
    tags = case.tags.to_padded()[case.mask]
    kinds = case.model["kinds"]
    if where == "before":
        logits = kinds(values[case.mask])
    else:
        logits = kinds(values)[case.mask]
    loss = cross_entropy(logits, tags)
    assert loss.isfinite()
    loss.backward()
    assert bool(kinds.weight.grad.isfinite().all()) == (where == "before")

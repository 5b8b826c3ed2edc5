"""check_model: correct models pass, and each mistake is found."""

import functools
import math
import warnings

import pytest
import torch
from networks import Counting
from tolerances import assert_same
from torch import nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)

from packtutor import Ragged, Violation, check_model, mask_from_lengths
from packtutor._forms import Form, is_per_token
from packtutor._gradients import add_up_fixed, gradients, modules_behind
from packtutor._restored import put_back

LENGTHS = torch.tensor([2, 3, 1, 2])
IDS = torch.tensor([[5, 6, 0], [2, 3, 4], [7, 0, 0], [3, 3, 0]])
MASK = mask_from_lengths(LENGTHS)
D = torch.float64


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def features(dtype=D):
    return torch.randn(4, 3, 6, dtype=D).to(dtype)


def packed_of(x, lengths=LENGTHS):
    return pack_padded_sequence(
        x, lengths, batch_first=True, enforce_sorted=False
    )


def names_of(violations):
    return [violation.test for violation in violations]


# --- correct models -------------------------------------------------------


class Tagger(nn.Module):
    """Ids to one output a token, packed inside."""

    def __init__(self, kind, dtype=D, **options):
        super().__init__()
        self.embedding = nn.Embedding(8, 6, dtype=dtype)
        self.rnn = kind(6, 5, batch_first=True, dtype=dtype, **options)

    def forward(self, ids, lengths):
        output, _ = self.rnn(packed_of(self.embedding(ids), lengths))
        return pad_packed_sequence(
            output, batch_first=True, total_length=ids.shape[1]
        )[0]


class Pooled(Tagger):
    """The mean over the real tokens."""

    def forward(self, ids, lengths):
        output = super().forward(ids, lengths)
        mask = mask_from_lengths(lengths, ids.shape[1])
        return (output * mask[..., None]).sum(1) / lengths[:, None]


class Last(Tagger):
    """The final states of both directions, side by side."""

    def forward(self, ids, lengths):
        _, state = self.rnn(packed_of(self.embedding(ids), lengths))
        h_n = state[0] if isinstance(state, tuple) else state
        return torch.cat([h_n[-2], h_n[-1]], 1)


class Attention(nn.Module):
    """Self-attention that leaves out the pads."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 6, dtype=D)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True, dtype=D)

    def forward(self, ids, mask):
        x = self.embedding(ids)
        return self.attention(
            x, x, x, key_padding_mask=~mask, need_weights=False
        )[0]


def deep(training):
    lstm = nn.LSTM(6, 5, 2, dropout=0.5, bidirectional=True, dtype=D)
    return lstm.train(training)


def normed(training):
    return nn.BatchNorm1d(6, dtype=D).train(training)


def ragged_lstm(dtype=D):
    lstm = nn.LSTM(6, 5, bidirectional=True, dtype=dtype)

    def run(batch):
        return Ragged.from_packed(lstm(batch.to_packed())[0])

    return run


CORRECT = {
    "LSTM": (lambda: Tagger(nn.LSTM), (IDS, LENGTHS)),
    "GRU": (lambda: Tagger(nn.GRU), (IDS, LENGTHS)),
    "RNN": (lambda: Tagger(nn.RNN), (IDS, LENGTHS)),
    "both directions": (
        lambda: Last(nn.LSTM, bidirectional=True),
        (IDS, LENGTHS),
    ),
    "GRU, both directions": (
        lambda: Last(nn.GRU, num_layers=2, bidirectional=True),
        (IDS, LENGTHS),
    ),
    "pooled": (lambda: Pooled(nn.GRU), (IDS, LENGTHS)),
    "float32": (lambda: Pooled(nn.LSTM, torch.float32), (IDS, LENGTHS)),
    "attention": (Attention, (IDS, MASK)),
    "dropout in eval": (lambda: first(deep(training=False)), "packed"),
    "BatchNorm in eval": (
        lambda: applied(normed(training=False)),
        "ragged",
    ),
    "ragged": (ragged_lstm, "ragged"),
    "bfloat16": (lambda: ragged_lstm(torch.bfloat16), "bfloat16"),
    "float16": (lambda: ragged_lstm(torch.float16), "float16"),
}


def first(module):
    """The outputs of a recurrent network without its states."""
    return lambda packed: module(packed)[0]


def applied(module):
    """A model that treats each token alone."""
    return lambda batch: batch.apply(module)


def batch_of(kind):
    if not isinstance(kind, str):
        return kind
    if kind in ("mask", "lengths"):
        return features(), MASK if kind == "mask" else LENGTHS
    dtype = getattr(torch, kind) if kind.endswith("16") else D
    x = features(dtype)
    batch = Ragged.from_padded(x, LENGTHS)
    return batch.to_packed() if kind == "packed" else batch


@pytest.mark.parametrize("name", CORRECT)
def test_no_false_alarm(name):
    make, kind = CORRECT[name]
    assert check_model(make(), batch_of(kind)) == []


def test_no_false_alarm_from_a_packed_model_with_nan_in_the_pads():
    lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True, dtype=D)

    def fn(x, lengths):
        return lstm(packed_of(x, lengths))[1][0].transpose(0, 1)

    assert check_model(fn, (features(), LENGTHS)) == []


def test_no_false_alarm_from_a_model_that_unpacks_to_its_own_width():
    table, lstm = embed(), nn.LSTM(6, 5, batch_first=True, dtype=D)

    def fn(ids, lengths):
        output, _ = lstm(packed_of(table(ids), lengths))
        return pad_packed_sequence(output, batch_first=True)[0]

    assert check_model(fn, (IDS, LENGTHS)) == []
    wide = nn.functional.pad(IDS, (0, 2))
    assert check_model(fn, (wide, LENGTHS)) == []
    equal = IDS.clamp(1), torch.tensor([3, 3, 3, 3])
    assert check_model(fn, equal) == []


def test_no_false_alarm_without_a_graph():
    with torch.no_grad():
        assert check_model(ragged_lstm(), batch_of("ragged")) == []


def test_a_batch_of_one_and_one_without_pads():
    assert check_model(ragged_lstm(), Ragged(features()[0], [3])) == []
    lengths = torch.tensor([3, 3, 3, 3])
    assert check_model(Tagger(nn.LSTM), (IDS.clamp(1), lengths)) == []


def test_an_empty_sequence_among_others():
    batch = Ragged(features()[:, 0], [2, 0, 2])
    assert check_model(lambda b: b.apply(torch.sin), batch) == []


def test_results_that_are_numbers_of_classes():
    def fn(ids, mask):
        return (ids * mask).sum(1)

    assert check_model(fn, (IDS, MASK)) == []
    found = check_model(lambda ids, mask: ids.sum(1), (IDS, MASK))
    assert "pad values" in names_of(found)


# --- mistakes -------------------------------------------------------------


def embed():
    return nn.Embedding(8, 6, dtype=D)


def over_pads(part, kind=nn.LSTM, **options):
    table, rnn = embed(), kind(6, 5, batch_first=True, dtype=D, **options)
    return lambda ids, lengths: part(rnn(table(ids)))


def sort_and_forget():
    table, lstm = embed(), nn.LSTM(6, 5, batch_first=True, dtype=D)

    def fn(ids, lengths):
        lengths, order = lengths.sort(descending=True)
        x = table(ids[order])
        packed = pack_padded_sequence(x, lengths, batch_first=True)
        return lstm(packed)[1][0][-1]

    return fn


def mean_over_time():
    table = embed()
    return lambda ids, lengths: table(ids).mean(1)


def maximum_over_time():
    table = embed()
    return lambda ids, lengths: table(ids).amax(1)


def softmax_over_time():
    table = embed()

    def fn(ids, mask):
        x = table(ids)
        weights = x.sum(2).softmax(1)
        return (weights[..., None] * x).sum(1)

    return fn


def multiply_by_the_mask():
    lstm = nn.LSTM(6, 5, batch_first=True, dtype=D)
    return lambda x, mask: (lstm(x)[0] * mask[..., None]).sum(1)


def select_after_the_network():
    lstm = nn.LSTM(6, 5, batch_first=True, dtype=D)
    return lambda x, lengths: Ragged.from_padded(lstm(x)[0], lengths)


def view_states():
    lstm = nn.LSTM(6, 5, 2, bidirectional=True, dtype=D)
    return lambda packed: lstm(packed)[1][0].reshape(4, -1)


def last_column():
    table, rnn = embed(), nn.GRU(6, 5, batch_first=True, dtype=D)

    def fn(ids, lengths):
        output = rnn(packed_of(table(ids), lengths))[0]
        return pad_packed_sequence(output, batch_first=True)[0][:, -1]

    return fn


def remember_the_state():
    lstm, kept = nn.LSTM(6, 5, dtype=D), []

    def fn(packed):
        output, state = lstm(packed, kept[-1] if kept else None)
        kept.append(tuple(part.detach() for part in state))
        return output

    return fn


def squeeze_away():
    table = embed()
    return lambda ids, mask: (table(ids) * mask[..., None]).sum(1).squeeze()


MISTAKES = {
    "LSTM over pads, state": (
        lambda: over_pads(lambda out: out[1][0][-1]),
        (IDS, LENGTHS),
        "pad values",
    ),
    "GRU over pads, state": (
        lambda: over_pads(lambda out: out[1][-1], nn.GRU),
        (IDS, LENGTHS),
        "extra padding",
    ),
    "backward direction over pads": (
        lambda: over_pads(lambda out: out[0], bidirectional=True),
        (IDS, LENGTHS),
        "pad values",
    ),
    "mean over T": (mean_over_time, (IDS, LENGTHS), "extra padding"),
    "maximum over T": (maximum_over_time, (IDS, LENGTHS), "pad values"),
    "softmax over T": (softmax_over_time, (IDS, MASK), "extra padding"),
    "masked by multiplying": (multiply_by_the_mask, "mask", "NaN in pads"),
    "selected too late": (select_after_the_network, "lengths", "NaN in pads"),
    "output[:, -1]": (last_column, (IDS, LENGTHS), "alone"),
    "order not restored": (sort_and_forget, (IDS, LENGTHS), "order"),
    "h_n.view(B, -1)": (view_states, "packed", "split"),
    "state kept": (remember_the_state, "packed", "repeat"),
    "dropout": (lambda: first(deep(training=True)), "packed", "repeat"),
    "BatchNorm in training": (
        lambda: applied(normed(training=True)),
        "ragged",
        "split",
    ),
    "mean over the batch": (
        lambda: lambda b: b.apply(lambda values: values - values.mean(0)),
        "ragged",
        "alone",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_found(name):
    make, kind, test = MISTAKES[name]
    batch = batch_of(kind)
    found = check_model(make(), batch)
    assert test in names_of(found)
    for violation in found:
        assert violation.difference > violation.allowed
        assert violation.changed in str(violation)
        assert violation.cause in repr(violation)


def test_the_sequence_that_moved_is_named():
    def fn(ids, lengths):
        result = ids.double()[:, :1].clone()
        result[2] += ids[2, -1]  # sequence 2 alone reads a pad
        return result

    found = check_model(fn, (IDS, LENGTHS))
    (violation,) = (v for v in found if v.test == "pad values")
    assert violation.sequence == 2
    assert violation.what == "result"
    assert 1 < violation.difference < 10
    assert "the result of sequence 2 moved by" in str(violation)


def test_only_a_gradient_moves():
    lstm = nn.LSTM(6, 5, batch_first=True, dtype=D)

    def fn(x, lengths):
        return Ragged.from_padded(lstm(x)[0], lengths)

    found = check_model(fn, (features(), LENGTHS))
    assert names_of(found) == ["NaN in pads"]
    assert found[0].what == "gradient of the input"
    assert math.isinf(found[0].difference)
    assert "became NaN or infinite" in str(found[0])


class LeakyGradient(torch.autograd.Function):
    """Return x; give back a gradient scaled by the batch's size."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * len(grad)


def test_a_gradient_of_a_parameter_is_named():
    table = embed()

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = table

        def forward(self, ids, lengths):
            x = LeakyGradient.apply(self.table(ids))
            return Ragged.from_padded(x, lengths)

    model, another = Model(), nn.Linear(1, 1)

    def around(ids, lengths):
        return (another, model)[1](ids, lengths)

    for fn in (model, model.forward, around):
        found = check_model(fn, (IDS, LENGTHS))
        assert names_of(found) == ["split", "alone"]
        assert found[0].what == "gradient of table.weight"
        assert found[0].sequence is None
    unnamed = check_model(hidden, (IDS, LENGTHS))
    assert unnamed == []
    before, HIDDEN[0] = HIDDEN[0], model
    try:
        found = check_model(hidden, (IDS, LENGTHS))
    finally:
        HIDDEN[0] = before
    assert found[0].what == "gradient of a parameter of shape (8, 6)"


def hidden(ids, lengths):
    return HIDDEN[0](ids, lengths)


HIDDEN = [Ragged.from_padded]


def test_a_changed_call_that_fails_is_a_finding():
    def fn(ids, lengths):
        if len(ids) == 1:
            raise RuntimeError("no batch of one\nsecond line")
        return ids.double()[:, 0]

    (violation,) = check_model(fn, (IDS, LENGTHS))
    assert violation.test == "alone"
    assert violation.error == "RuntimeError: no batch of one"
    assert "could not be computed (RuntimeError: no b" in str(violation)


def test_nothing_more_is_told_of_a_model_that_fails_the_second_time():
    lstm, kept = nn.LSTM(6, 5, dtype=D), []

    def fn(batch):  # carries its state from batch to batch
        output, state = lstm(batch.to_packed(), kept[-1] if kept else None)
        kept.append(tuple(part.detach()[:, :1] for part in state))
        return Ragged.from_packed(output)

    (violation,) = check_model(fn, batch_of("ragged"))
    assert violation.test == "repeat"
    assert violation.error.startswith("RuntimeError: ")


def test_another_shape_is_a_finding():
    def fn(ids, lengths):
        return ids.double()[:, :1].expand(-1, 1 + (len(ids) > 1))

    (violation,) = check_model(fn, (IDS, LENGTHS))
    assert violation.test == "alone"
    assert math.isinf(violation.difference)


def test_a_model_that_refuses_more_columns_is_a_finding():
    def fn(ids, lengths):
        if ids.shape[1] > 3:
            raise ValueError("too wide")
        return ids.double()[:, 0]

    (violation,) = check_model(fn, (IDS, LENGTHS))
    assert violation.test == "extra padding"
    assert violation.error == "ValueError: too wide"


def test_a_batch_of_empty_sequences():
    ids = torch.zeros(2, 2, dtype=torch.int64)
    assert check_model(lambda ids, n: ids.sum(1) * 0, (ids, [0, 0])) == []
    assert check_model(lambda b: b, Ragged(torch.zeros(0, 2), [0, 0])) == []


def test_a_name_without_a_value_is_passed_over():
    def fn(ids, lengths):
        return ids.double()[:, 0] if len(ids) else later

    if not len(IDS):
        later = fn
    assert check_model(fn, (IDS, LENGTHS)) == []


# --- what nearly escaped, and what was nearly accused ---------------------


def test_one_huge_column_hides_nothing():
    table = embed()

    def fn(ids, lengths):
        mean = table(ids).mean(1)
        huge = mean.new_full((len(ids), 1), -1e9)
        return torch.cat([mean, huge], 1)

    assert "pad values" in names_of(check_model(fn, (IDS, LENGTHS)))


def test_one_huge_sequence_hides_nothing():
    table = embed()

    def fn(ids, lengths):
        scale = torch.where(lengths == 3, 1e8, 1.0)
        return table(ids).mean(1) * scale[:, None]

    assert "pad values" in names_of(check_model(fn, (IDS, LENGTHS)))


def test_huge_results_hide_no_gradient():
    table = embed()

    def fn(ids, lengths):
        x = LeakyGradient.apply(table(ids)) + 1e4
        return Ragged.from_padded(x, lengths)

    assert names_of(check_model(fn, (IDS, LENGTHS))) == ["split", "alone"]


def test_an_order_restored_by_itself_is_found_in_a_sorted_batch():
    lengths, order = LENGTHS.sort(descending=True)
    table, lstm = embed(), nn.LSTM(6, 5, batch_first=True, dtype=D)

    def fn(ids, lengths):
        lengths, order = lengths.sort(descending=True, stable=True)
        packed = pack_padded_sequence(
            table(ids[order]), lengths, batch_first=True
        )
        return lstm(packed)[1][0][-1][order]

    assert "order" in names_of(check_model(fn, (IDS[order], lengths)))


class Sign(torch.autograd.Function):
    """A step, with no gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.variable = 3
        return x.sign()

    @staticmethod
    def backward(ctx, grad):
        return None


class Assigned(nn.Module):
    """Writes into one buffer, assigns another, leaves two alone."""

    def __init__(self):
        super().__init__()
        self.register_buffer("written", torch.zeros(()))
        self.register_buffer("assigned", torch.zeros(()))
        self.register_buffer("one", torch.ones(1, 6, dtype=D).expand(2, 6))
        self.register_buffer("nan", torch.tensor(math.nan))
        self.lazy = nn.LazyBatchNorm1d().eval()
        self.table = embed()

    def forward(self, ids, mask):
        self.written.add_(1)
        self.assigned = self.assigned + 1
        return (self.table(ids) * mask[..., None]).sum(1) * self.one[0]


def masked_sum(x, mask):
    return (x * mask[..., None]).sum(1)


def correct_but_unusual(name):  # noqa: PLR0911 (one a kind)
    table = embed()
    if name == "truth values":
        return (lambda ids, mask: (ids * mask).sum(1) > 5), IDS
    if name == "complex":
        x = features()
        return (
            lambda x, mask: torch.fft.fft(
                x.masked_fill(~mask[..., None], 0).sum(1)
            )
        ), x
    if name == "sparse gradients":
        sparse = nn.Embedding(8, 6, sparse=True, dtype=D)
        return (lambda ids, mask: masked_sum(sparse(ids), mask)), IDS
    if name == "no gradient":
        return (
            lambda ids, mask: masked_sum(Sign.apply(table(ids)), mask)
        ), IDS
    if name == "two features":
        other = nn.Embedding(3, 6, dtype=D)
        two = torch.stack([IDS, IDS % 3], 2)
        return (
            lambda ids, mask: masked_sum(
                table(ids[..., 0]) + other(ids[..., 1]), mask
            )
        ), two
    if name == "a pad of its own":
        pad = nn.Parameter(torch.randn(6, dtype=D))
        return (
            lambda ids, mask: masked_sum(
                table(ids)
                if mask.all()
                else torch.where(mask[..., None], table(ids), pad),
                mask,
            )
        ), IDS
    lstm = nn.LSTM(6, 5, batch_first=True).bfloat16()  # "cast up"
    return (
        lambda x, mask: lstm(packed_of(x.bfloat16(), mask.sum(1)))[1][0][
            -1
        ].double()
    ), features().bfloat16()


@pytest.mark.parametrize(
    "name",
    [
        "truth values",
        "complex",
        "sparse gradients",
        "no gradient",
        "two features",
        "a pad of its own",
        "cast up",
    ],
)
def test_no_false_alarm_from_unusual_models(name):
    fn, padded = correct_but_unusual(name)
    assert check_model(fn, (padded, MASK)) == []


def test_an_empty_sequence_keeps_a_column_of_pads():
    mask = torch.tensor([2, 0, 3, 1])[:, None] > torch.arange(3)

    def fn(x, mask):
        return x.masked_fill(~mask[..., None], -9.0).amax(1)

    assert check_model(fn, (features(), mask)) == []


def test_a_graph_of_the_caller_is_kept():
    weight = torch.randn(6, 5, dtype=D, requires_grad=True)
    made_before, table = weight.tanh(), embed()

    def fn(ids, mask):
        return masked_sum(table(ids) @ made_before, mask)

    assert check_model(fn, (IDS, MASK)) == []
    made_before.sum().backward()


# --- what is left alone ---------------------------------------------------


def test_nothing_is_changed():
    norm = normed(training=True)
    model = Tagger(nn.LSTM)
    ids, lengths = IDS.clone(), LENGTHS.clone()
    before = norm.running_mean.clone(), torch.get_rng_state()
    check_model(model, (ids, lengths))
    check_model(lambda b: b.apply(norm), batch := batch_of("ragged"))
    torch.set_rng_state(before[1])
    check_model(lambda b: b.apply(lambda v: norm(v)), batch)  # noqa: PLW0108
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.equal(norm.running_mean, before[0])
    assert int(norm.num_batches_tracked) == 0
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(ids, IDS)
    assert torch.equal(lengths, LENGTHS)


def test_buffers_come_back_however_they_were_changed():
    model = Assigned()
    pending = (model(IDS, MASK) ** 2).sum()
    before = model.written.item(), model.assigned
    for fn in (model, model.forward):
        check_model(fn, (IDS, MASK))
        assert model.written.item() == before[0]
        assert model.assigned is before[1]
    pending.backward()  # nothing that it needs was written to


class Behind:
    """Runs a model that nobody can find before it runs."""

    def __init__(self, model):
        self.held = (model,)

    def __call__(self, *batch):
        return self.held[0](*batch)


class Registered(Assigned):
    """Also has another buffer once it has run."""

    def forward(self, ids, mask):
        if not hasattr(self, "later"):
            self.register_buffer("later", torch.ones(()), persistent=False)
        return super().forward(ids, mask)


def test_buffers_of_a_model_that_is_found_late_come_back_too():
    model = Registered()
    before = dict(model.named_buffers(recurse=False))
    values = {name: held.clone() for name, held in before.items()}
    assert check_model(Behind(model), (IDS, MASK)) == []
    assert model._buffers.keys() == before.keys()
    for name, buffer in model.named_buffers(recurse=False):
        assert buffer is before[name]
        assert_same(buffer, values[name])
    model.register_buffer("later", torch.ones(()))  # its name is free
    assert "later" in model.state_dict()


@pytest.mark.parametrize("written", [False, True])
def test_buffers_that_cannot_be_compared_come_back(written):
    model = nn.Module()
    edges = torch.eye(2).to_sparse()
    small = torch.ones(2).to(torch.float8_e5m2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is to be removed
        counts = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    model.register_buffer("edges", edges)
    model.register_buffer("small", small)
    model.register_buffer("counts", counts)
    model.register_buffer("nowhere", torch.ones(2, device="meta"))
    versions = [buffer._version for buffer in model.buffers()]
    with put_back([model]):
        if written:
            model.edges.mul_(3)
            model.small.fill_(2)
            model.counts.fill_(0)
    assert_same(edges.to_dense(), torch.eye(2))
    assert small.float().tolist() == [1, 1]
    assert counts.dequantize().tolist() == [1, 1]
    if not written:  # autograd would take that for a change
        assert [buffer._version for buffer in model.buffers()] == versions


def test_a_buffer_made_in_inference_mode_comes_back():
    model = nn.Module()
    with torch.inference_mode():
        model.register_buffer("seen", torch.ones(2))
    with put_back([model]), torch.inference_mode():
        model.seen.add_(1)
    assert model.seen.tolist() == [1, 1]


def mean_of_the_batch(module):
    """A model whose sequences see each other."""
    return lambda batch: module(batch.values).mean(0).expand(len(batch), -1)


def scripted(module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is to be removed
        return torch.jit.script(module)


def traced(module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is to be removed
        made = torch.jit.trace(module, features()[0])
    for buffer in made.buffers():
        buffer.zero_()  # it has run
    return made


def with_a_scripted_part(module):
    return nn.Sequential(nn.Sequential(scripted(nn.Sequential(module))))


@pytest.mark.parametrize("hide", [nn.Sequential, Behind])
@pytest.mark.parametrize("make", [scripted, traced, with_a_scripted_part])
def test_scripted_and_traced_models_are_checked_as_others_are(make, hide):
    model = make(Counting())
    before = dict(model.named_buffers())
    assert len(before) == 2
    batch = batch_of("ragged")
    assert check_model(applied(hide(model)), batch) == []
    found = check_model(mean_of_the_batch(hide(model)), batch)
    assert names_of(found) == ["split", "alone"]
    for name, buffer in model.named_buffers():
        assert buffer is before[name]
        assert buffer.item() == 0


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        nn.Linear(1, 1),
        nn.Parameter(torch.zeros(1)),
        nn.Buffer(torch.zeros(1)),
    ],
    ids=["nothing", "number", "module", "parameter", "buffer"],
)
def test_a_buffer_comes_back_whatever_stands_in_its_place(value):
    model = nn.Module()
    model.register_buffer("unsaved", torch.ones(1), persistent=False)
    model.register_buffer("first", torch.ones(1))
    model.register_buffer("last", torch.ones(1))
    names = dict(model.__dict__).keys()
    before = dict(model.named_buffers())
    with put_back([model]):
        for name in ("unsaved", "first"):
            delattr(model, name)
            if value is not None:
                setattr(model, name, value)
    assert [*model.named_buffers()] == [*before.items()]
    assert [*model.state_dict()] == ["first", "last"]
    assert [*model.named_parameters()] == [*model.children()] == []
    assert model.__dict__.keys() == names


def test_a_part_that_runs_before_its_model_gets_back_what_it_had_first():
    part = Counting()
    before = part.assigned
    with put_back([]):
        part(features())
        nn.Sequential(part)(features())
    assert part.assigned is before
    assert [buffer.item() for buffer in part.buffers()] == [0, 0]


def test_inputs_that_want_gradients_are_not_touched():
    x = features().requires_grad_()
    check_model(select_after_the_network(), (x, LENGTHS))
    assert x.grad is None


# --- bad input ------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "batch", "error", "text"),
    [
        (3, (IDS, LENGTHS), TypeError, "fn is of type int; it must be a f"),
        (len, IDS, TypeError, "batch is of type Tensor; it must be a Ragged"),
        (len, (IDS,), TypeError, "batch is of type tuple; it must be"),
        (len, ([1], [1]), TypeError, r"batch\[0\] is of type list"),
        (len, (IDS, [4, 1, 1, 1]), ValueError, r"lengths\[0\] is 4"),
        (len, (IDS, [1, 1]), ValueError, "lengths has 2 entries"),
        (len, (IDS, MASK.long()), TypeError, "a mask must be of bool"),
        (len, (IDS, ~MASK), ValueError, r"mask\[0\] has a real token after"),
        (
            len,
            Ragged(torch.zeros(0, 2), []),
            ValueError,
            "batch has no sequence",
        ),
        (
            lambda ids, lengths: ids.double().sum(),
            (IDS, LENGTHS),
            ValueError,
            r"fn returned a tensor of shape \(\) for 4 sequences",
        ),
        (
            lambda ids, lengths: ids[:1],
            (IDS, LENGTHS),
            ValueError,
            r"shape \(1, 3\) for 4 sequences; its first axis must be the b",
        ),
        (
            lambda ids, lengths: (ids, lengths),
            (IDS, LENGTHS),
            TypeError,
            "fn returned a tuple; it must return one tensor",
        ),
        (
            lambda ids, lengths: Ragged(ids.flatten()[:4], [1, 1, 1, 1]),
            (IDS, LENGTHS),
            ValueError,
            "fn returned a batch with other lengths than it was given",
        ),
    ],
)
def test_bad_input(fn, batch, error, text):
    with pytest.raises(error, match=text):
        check_model(fn, batch)


def test_a_model_that_fails_on_the_batch_as_it_is_raises():
    def fn(ids, lengths):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        check_model(fn, (IDS, LENGTHS))


class Refusing(torch.autograd.Function):
    """Fail in the backward, and count how often."""

    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        Refusing.calls += 1
        raise RuntimeError("no gradient")


def test_a_model_whose_backward_fails_raises():
    Refusing.calls = 0
    batch = batch_of("ragged")
    with pytest.raises(RuntimeError, match="^no gradient$"):
        check_model(applied(Refusing.apply), batch)
    assert Refusing.calls == 1  # it is not asked again


def test_a_malformed_packed_batch_is_refused():
    packed = PackedSequence(torch.zeros(5, 6), torch.tensor([3, 3]))
    with pytest.raises(ValueError, match="adds up to 6"):
        check_model(lambda p: p, packed)


def test_a_violation_can_be_read():
    violation = Violation("order", "result", 1, 0.25, 1e-8)
    assert str(violation) == (
        "order: the batch was given in another order, and the result of "
        "sequence 1 moved by 0.25, where rounding explains 1e-08. Usual "
        "cause: rows were sorted and not restored, a state stands in "
        "another order than the batch, or the first axis is not the batch."
    )


@pytest.mark.parametrize(
    ("before", "after"), [(1.0, math.nan), (math.nan, 1.0)]
)
def test_a_buffer_that_becomes_nan_or_stops_to_be_is_put_back(before, after):
    model = nn.Module()
    model.register_buffer("seen", torch.tensor([before, 2.0]))
    with put_back([model]):
        model.seen[0] = after
    assert_same(model.seen, torch.tensor([before, 2.0]))


def test_a_second_axis_that_grows_with_the_batch_is_time():
    narrow, wide = torch.zeros(2, 3), torch.zeros(2, 5)
    assert is_per_token(narrow, wide, (3, 5))
    assert is_per_token(narrow[..., None], wide[..., None], (3, 5))
    assert not is_per_token(narrow, narrow, (3, 5))
    assert not is_per_token(narrow[:, 0], wide[:, 0], (3, 5))


def test_other_lengths_than_the_batchs_are_refused_in_these_words():
    batch = Ragged(torch.zeros(3), [2, 1])
    other = Ragged(torch.zeros(3), [1, 2])
    text = "fn returned a batch with other lengths than it was given"
    with pytest.raises(ValueError, match=f"^{text}$"):
        Form("ragged").read(other, batch)


def test_a_batch_is_built_no_wider_than_it_is():
    padded, lengths = Form("lengths").build(Ragged(torch.zeros(0), [0, 0]))
    assert padded.shape == (2, 0)
    assert lengths.tolist() == [0, 0]


NEIGHBOUR = nn.Linear(1, 1)


def calls_its_neighbour(x):
    return NEIGHBOUR(x)


def closes_over(late):
    """Close over a name without a value, and then over a module."""
    module = nn.Linear(1, 1)

    def inner(x):
        return module(x) if x else absent(x)

    if late:
        absent = None
    return inner, module


def test_the_modules_behind_a_function_are_found():
    model = nn.Linear(1, 1)
    inner, early = closes_over(late=False)
    for fn, expected in (
        (model, model),
        (model.forward, model),
        (functools.partial(model), model),
        (calls_its_neighbour, NEIGHBOUR),
        (inner, early),
        (torch.no_grad()(inner), early),
    ):
        assert modules_behind(fn) == [expected]
    assert modules_behind(len) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_errors_do_not_cancel_in_the_sum(dtype):
    flat = torch.tensor([1.0, -1.0], dtype=dtype, requires_grad=True)
    torch.set_default_device("meta")
    try:
        total = add_up_fixed([flat])
    finally:
        torch.set_default_device(None)
    assert total.dtype == dtype
    assert abs(total.item()) > 0.5


# --- what a model is called with ------------------------------------------


def calls_of(padded, lengths):
    """The padded tensors that a model without a fault is called with."""
    seen = []

    def fn(padded, lengths):
        seen.append(padded.detach().clone())
        real = mask_from_lengths(lengths, total_length=padded.shape[1])
        return torch.where(real, padded.double(), 0.0).sum(1)

    assert check_model(fn, (padded, lengths)) == []
    return seen


def test_what_is_changed_and_what_is_kept():
    lengths = torch.tensor([2, 4, 1])
    real = mask_from_lengths(lengths)
    padded = torch.arange(12.0).view(3, 4).where(real, 9.0)
    torch.manual_seed(1)
    calls = calls_of(padded, lengths)
    assert {call.dtype for call in calls} == {torch.float32}
    first, _, _, repeat, other, nan, wide, order, *parts = calls
    assert_same(first, padded)
    assert_same(repeat, padded)
    for call in (other, nan):
        assert_same(call[real], padded[real])
    assert nan[~real].isnan().all()
    assert 3 < other[~real].abs().mean() < 30
    assert other[~real].unique().numel() == 5
    assert_same(wide, torch.cat([padded, torch.zeros(3, 3)], 1))
    assert_same(order, padded[[1, 2, 0]])
    assert len(parts) == 5
    rows = [0], [1, 2], [0], [1], [2]
    for part, chosen in zip(parts, rows, strict=True):
        assert_same(part, padded[chosen, : lengths[chosen].max()])
    # The same pads each time, whatever the state of the generators.
    torch.manual_seed(2)
    assert_same(calls_of(padded, lengths)[4], other)


@pytest.mark.parametrize(
    "given", [LENGTHS.tolist(), LENGTHS.int(), LENGTHS.to(torch.uint8)]
)
def test_lengths_reach_a_model_as_int64_on_the_cpu(given):
    seen = set()

    def fn(padded, lengths):
        seen.add((type(lengths), lengths.dtype, lengths.device.type))
        real = mask_from_lengths(lengths, padded.shape[1])
        return padded.masked_fill(~real[..., None], 0).sum(1)

    assert check_model(fn, (features(), given)) == []
    assert seen == {(torch.Tensor, torch.int64, "cpu")}


def test_large_values_stand_in_many_pads():
    padded = torch.zeros(30, 40)
    padded[0] = 1.0
    lengths = torch.tensor([40] + [1] * 29)
    pads = calls_of(padded, lengths)[4][1:, 1:]
    assert 9 < pads.std() < 12
    assert pads.abs().max() < 60


def test_ids_of_real_tokens_stand_in_the_pads():
    torch.manual_seed(1)
    other = calls_of(IDS, LENGTHS)[4]
    assert other.dtype == torch.int64
    assert_same(other[MASK], IDS[MASK])
    assert set(other[~MASK].tolist()) <= set(IDS[MASK].tolist())
    torch.manual_seed(2)
    assert_same(calls_of(IDS, LENGTHS)[4], other)


@pytest.mark.parametrize("lengths", [[3, 1, 1], [3, 2, 0]])
def test_results_of_tokens_are_known_where_more_columns_are_refused(lengths):
    lengths = torch.tensor(lengths)
    padded = torch.arange(9.0).view(3, 3) + 1

    def fn(padded, lengths):
        if padded.shape[1] > 3:
            raise ValueError("too wide")
        real = mask_from_lengths(lengths, total_length=padded.shape[1])
        return padded.where(real, float(len(padded)))

    found = check_model(fn, (padded, lengths))
    assert names_of(found) == ["extra padding"]


def test_as_many_numbers_as_columns_are_no_tokens():
    """The batch is a Ragged, which shows no columns."""

    def fn(batch):
        results = torch.zeros(len(batch), 3)
        results[:, 2] = batch.values.sum()
        return results

    batch = Ragged.from_list([torch.ones(3), torch.ones(3), torch.ones(3)])
    assert names_of(check_model(fn, batch)) == ["split", "alone"]


def test_as_many_numbers_as_the_longest_has_tokens_are_no_tokens():
    def fn(batch):
        # Were they tokens, this one would stand in the pads.
        results = torch.zeros(len(batch), 3)
        results[batch.lengths < 3, 2] = batch.values.sum()
        return results

    batch = Ragged.from_list([torch.ones(3), torch.ones(2), torch.ones(2)])
    assert names_of(check_model(fn, batch)) == ["split", "alone"]


def test_two_sequences_are_enough():
    def fn(batch):
        return batch.values.sum().expand(len(batch))

    batch = Ragged.from_list([torch.ones(3), torch.ones(2)])
    assert names_of(check_model(fn, batch)) == ["split", "alone"]


# --- what is said ---------------------------------------------------------


def test_a_violation_of_no_sequence_can_be_read():
    violation = Violation("repeat", "gradient of w", None, math.inf, 1e-4)
    assert str(violation) == (
        "repeat: nothing was changed, the same call was made twice, and the "
        "gradient of w became NaN or infinite, or changed its shape. Usual "
        "cause: something is random or remembered, such as dropout in "
        "training mode: call eval() first."
    )


def test_a_call_that_fails_is_told_whole():
    def fn(ids, lengths):
        if len(ids) == 1:
            raise RuntimeError("no batch of one")
        return ids.double()[:, 0]

    (found,) = check_model(fn, (IDS, LENGTHS))
    text = "RuntimeError: no batch of one"
    assert found == Violation("alone", "result", None, math.inf, 0.0, text)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            Ragged(torch.zeros(0), []),
            "batch has no sequence; it must have at least one",
        ),
        (
            Ragged(torch.zeros(3, device="meta"), [2, 1]),
            "batch is on device meta, which holds no values",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused_in_these_words(batch, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_model(lambda batch: batch, batch)


class Leak(torch.autograd.Function):
    """Return 0; the gradient of the weight is a number given."""

    @staticmethod
    def forward(ctx, weight, gradient):
        ctx.gradient = gradient
        return torch.zeros(())

    @staticmethod
    def backward(ctx, grad):
        return torch.tensor(ctx.gradient), None


@pytest.mark.parametrize(
    ("added", "alone", "halves"),
    [
        # Beside a gradient of the input of about 1: a small gradient that
        # moves by a fiftieth, or by less than rounding explains.
        (0.0, 0.02, 0.0102),
        # A gradient as large as the others, beside large results.
        (1000.0, 1.0, 0.75),
    ],
)
def test_a_small_gradient_hides_behind_nothing(added, alone, halves):
    weight = torch.zeros((), requires_grad=True)

    def fn(batch):
        gradient = alone if len(batch) == 4 else halves
        results = torch.stack([part.sum() for part in batch.to_list()])
        return results + added + Leak.apply(weight, gradient)

    batch = Ragged(torch.ones(8), LENGTHS)
    (split, _) = found = check_model(fn, batch)
    assert names_of(found) == ["split", "alone"]
    assert split.what == "gradient of a parameter of shape ()"
    assert split.difference == pytest.approx(abs(alone - 2 * halves), rel=1e-3)
    assert 0 < split.allowed < split.difference / 2


class UsedUp(torch.autograd.Function):
    """A graph that refuses to be kept, as compiled models' graphs do."""

    said = ()  # of errors, taken from the end

    @staticmethod
    def forward(ctx, x, unused):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        if UsedUp.said:
            raise RuntimeError(UsedUp.said.pop())
        return 2 * grad, None


@pytest.mark.parametrize("errors", [(), ("it has a donated buffer here",)])
def test_the_gradients_of_a_graph_that_is_used_up(errors, monkeypatch):
    said = list(errors)
    monkeypatch.setattr(UsedUp, "said", said)
    x = torch.zeros(2, requires_grad=True)
    unused = torch.ones(3, requires_grad=True)
    found = gradients(UsedUp.apply(x, unused).sum())
    assert said == []
    assert_same(found[x], torch.full((2,), 2.0))
    assert_same(found[unused], torch.zeros(3))


def test_another_error_of_a_graph_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(UsedUp, "said", ["out of memory"])
    x = torch.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="out of memory"):
        gradients(UsedUp.apply(x, x).sum())

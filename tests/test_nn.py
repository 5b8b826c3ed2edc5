"""The drop-in modules, and convert."""

import copy
import pickle

import pytest
import torch
from networks import (
    NETWORKS,
    gradients,
    make_batch,
    make_network,
    make_state,
    parts_of,
    run_packed,
)
from tolerances import assert_close, assert_same
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import packtutor
from packtutor import Ragged, run_rnn
from packtutor.nn import GRU, LSTM, RNN, convert

OURS = {nn.RNN: RNN, nn.GRU: GRU, nn.LSTM: LSTM}


class Tagger(nn.Module):
    """A model as people write it, with PyTorch alone."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6, padding_idx=0)
        self.encoder = nn.LSTM(
            6, 8, num_layers=2, bidirectional=True, batch_first=True
        )
        self.decoder = nn.GRU(16, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, ids, lengths):
        packed = pack_padded_sequence(
            self.embedding(ids),
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        packed, (h_n, _) = self.encoder(packed)
        packed, _ = self.decoder(packed)
        padded, _ = pad_packed_sequence(packed, batch_first=True)
        return self.head(padded), h_n


def some_ids():
    lengths = torch.tensor([3, 9, 1, 7, 7])
    ids = torch.arange(45).reshape(5, 9) * 7 % 19 + 1
    return ids * (torch.arange(9) < lengths[:, None]), lengths


def test_a_model_of_ones_own_gives_the_same():
    torch.manual_seed(0)
    model = Tagger()
    own = convert(copy.deepcopy(model))
    assert [type(m) for m in own.children()][1:3] == [LSTM, GRU]
    losses = []
    for one in (model, own):
        optimiser = torch.optim.Adam(one.parameters(), 0.05)
        for _ in range(5):
            scores, h_n = one(*some_ids())
            loss = scores.square().mean() + h_n.square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append(loss.detach())
    assert_close(losses[1], losses[0])
    for key, value in model.state_dict().items():
        assert_close(own.state_dict()[key], value)


def test_convert_keeps_everything_but_the_class():
    model = Tagger()
    modules, parameters = list(model.modules()), list(model.parameters())
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    keys, shown = list(model.state_dict()), repr(model)
    calls = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    assert convert(model) is model
    assert convert(model) is model
    assert all(
        one is other
        for one, other in zip(model.modules(), modules, strict=True)
    )
    assert all(
        one is other
        for one, other in zip(
            optimiser.param_groups[0]["params"], parameters, strict=True
        )
    )
    assert list(model.state_dict()) == keys
    assert repr(model) == shown
    model(*some_ids())
    assert calls == [1]


def test_convert_takes_a_network_itself_and_a_shared_one():
    lstm = nn.LSTM(3, 4)
    assert type(convert(lstm)) is LSTM
    shared = nn.GRU(4, 4)
    model = convert(nn.ModuleList([shared, nn.Sequential(shared)]))
    assert type(model[0]) is GRU
    assert model[1][0] is model[0]


def test_convert_leaves_subclasses_alone():
    class Mine(nn.LSTM):
        pass

    model = convert(nn.ModuleList([Mine(3, 4), nn.LSTMCell(3, 4)]))
    assert type(model[0]) is Mine
    assert type(model[1]) is nn.LSTMCell


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def test_convert_keeps_parametrisations():
    lstm = make_network("LSTM both ways")
    parametrize.register_parametrization(lstm, "weight_hh_l1", Doubled())
    batch = make_batch([3, 0, 5])
    expected = run_rnn(lstm, batch)[0].values
    keys = list(lstm.state_dict())
    convert(lstm)
    assert isinstance(lstm, LSTM)
    assert type(lstm).__name__ == "ParametrizedLSTM"
    assert list(lstm.state_dict()) == keys
    assert_same(lstm(batch)[0].values, expected)
    assert_same(copy.deepcopy(lstm)(batch)[0].values, expected)
    other = nn.Linear(2, 2)
    parametrize.register_parametrization(other, "weight", Doubled())
    kind = type(other)
    assert type(convert(other)) is kind
    parametrize.remove_parametrizations(lstm, "weight_hh_l1")
    assert type(lstm) is LSTM
    assert_same(lstm(batch)[0].values, expected)


class Final(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = make_network("LSTM")

    def forward(self, batch):
        return self.encoder(batch)[1][0]


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_convert_does_not_reach_into_a_scripted_model():
    with pytest.raises(Exception, match="Unknown type name 'object'"):
        torch.jit.script(LSTM(3, 4))
    scripted = torch.jit.script(nn.Sequential(nn.LSTM(3, 4)))
    kinds = [type(module) for module in scripted.modules()]
    assert [type(m) for m in convert(scripted).modules()] == kinds


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_converted_model_can_be_compiled():
    model = convert(Final())
    batch = make_batch([3, 0, 1])
    expected = model(batch)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager")
    assert_close(compiled(batch), expected)
    assert_close(compiled(batch.to_nested()), expected)
    assert type(convert(compiled).encoder) is LSTM
    torch.compiler.reset()


def test_convert_refuses_what_is_no_module():
    with pytest.raises(TypeError, match="module is of type list; it must be "):
        convert([nn.LSTM(3, 4)])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layout_gives_the_same(name, device):
    theirs = make_network(name, device)
    own = convert(copy.deepcopy(theirs))
    assert type(own) is OURS[type(theirs)]
    batch = make_batch([3, 1, 4, 4], device)
    hx = make_state(own, 4, device)
    expected, states = run_packed(theirs, batch, hx)
    packed, state = own(batch.to_packed(), hx)
    assert_close(Ragged.from_packed(packed).values, expected.values)
    for ours, other in zip(parts_of(state), parts_of(states), strict=True):
        assert_close(ours, other)
    assert_close(own(batch, hx)[0].values, expected.values)
    assert_close(own(batch.to_nested(), hx)[0].values(), expected.values)


@pytest.mark.parametrize("name", NETWORKS)
def test_dense_input_goes_to_pytorch(name, device):
    theirs = make_network(name, device)
    own = convert(copy.deepcopy(theirs))
    for dense in (
        make_batch([4, 4, 4], device).to_padded(),
        make_batch([4], device).values,
    ):
        output, state = own(dense)
        expected, their_state = theirs(dense)
        assert_same(output, expected)
        for ours, other in zip(
            parts_of(state), parts_of(their_state), strict=True
        ):
            assert_same(ours, other)
    with pytest.raises(RuntimeError):
        own(torch.zeros(2, 2, 7, device=device, dtype=torch.float64))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_state_dict_both_ways(name):
    theirs = make_network(name)
    own = OURS[type(theirs)](3, 4, dtype=torch.float64, **NETWORKS[name][1])
    assert list(own.state_dict()) == list(theirs.state_dict())
    own.load_state_dict(theirs.state_dict())
    batch = make_batch([2, 0, 3])
    assert_same(own(batch)[0].values, run_rnn(theirs, batch)[0].values)
    theirs.load_state_dict(own.state_dict())
    again = pickle.loads(pickle.dumps(own))
    assert type(again) is type(own)
    for other in (again, copy.deepcopy(own)):
        assert_same(other(batch)[0].values, own(batch)[0].values)


@pytest.mark.parametrize("cell", OURS)
def test_the_constructor_is_the_same(cell):
    positional = OURS[cell](3, 4, 2)
    assert repr(positional) == repr(cell(3, 4, 2))
    options = {"batch_first": True, "bias": False, "dropout": 0.1}
    named = OURS[cell](input_size=3, hidden_size=4, num_layers=2, **options)
    assert repr(named) == repr(
        cell(input_size=3, hidden_size=4, num_layers=2, **options)
    )


def test_training_through_the_module():
    own = convert(make_network("LSTM both ways"))
    batch = make_batch([3, 5, 1])
    expected = gradients(
        run_packed, make_network("LSTM both ways"), batch, None
    )
    ours = gradients(lambda rnn, *rest: rnn(*rest), own, batch, None)
    for one, other in zip(
        [*ours[0], *ours[1]], [*expected[0], *expected[1]], strict=True
    ):
        assert_close(one, other)


def test_bad_input_is_named_here_too():
    own = LSTM(3, 4)
    with pytest.raises(TypeError, match="embed the ids first"):
        own(Ragged(torch.arange(3), [2, 1]))
    with pytest.raises(TypeError, match="batch is of type list; it must be a"):
        own([torch.zeros(2, 3)])


def test_the_module_is_part_of_the_package():
    assert packtutor.nn.LSTM is LSTM


@pytest.mark.parametrize("name", NETWORKS)
def test_dense_input_may_start_from_a_state(name, device):
    theirs = make_network(name, device)
    own = convert(copy.deepcopy(theirs))
    # As many steps as sequences: right whichever comes first.
    dense = make_batch([4, 4, 4, 4], device).to_padded()
    state = make_state(theirs, 4, device)
    output, _ = own(dense, state)
    assert_same(output, theirs(dense, state)[0])
    assert not torch.equal(output, own(dense)[0])

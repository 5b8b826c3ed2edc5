"""What is called before each module, and check_model on compiled models."""

import warnings

import pytest
import torch
from networks import Counting
from torch import nn
from torch.nn.modules import module as registry

from packtutor import Ragged, check_model
from packtutor._hooks import before_each

D = torch.float64


@pytest.fixture(autouse=True)
def _fresh():
    torch.manual_seed(0)
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def batch():
    return Ragged(torch.randn(8, 6, dtype=D), [2, 3, 1, 2])


class Behind:
    """Runs a model that nobody can find before it runs."""

    def __init__(self, model):
        self.held = (model,)

    def __call__(self, *batch):
        return self.held[0](*batch)


def wrapped(model):
    return torch.compile(model, backend="eager")


def in_place(model):
    model.compile(backend="eager")
    return model


def test_a_hook_is_called_before_each_module():
    seen, more = [], []
    model = nn.Sequential(nn.ReLU(), nn.ReLU())
    outer = dict(registry._global_forward_pre_hooks)
    with before_each(seen.append), before_each(more.append):
        keys = [*registry._global_forward_pre_hooks]
        model(torch.zeros(1))
    assert keys == [*outer, -1, -2]
    assert registry._global_forward_pre_hooks == outer
    assert seen == more == [model, *model]
    model(torch.zeros(1))
    assert len(seen) == 3


def test_a_hook_is_not_called_by_what_is_compiled(monkeypatch):
    seen = []
    with before_each(seen.append), monkeypatch.context() as patch:
        patch.setattr(torch.compiler, "is_compiling", lambda: True)
        nn.ReLU()(torch.zeros(1))
    assert seen == []


def test_a_hook_goes_where_a_model_fails():
    outer = dict(registry._global_forward_pre_hooks)
    with pytest.raises(RuntimeError), before_each(id):
        nn.Linear(2, 3)(torch.zeros(3))
    assert registry._global_forward_pre_hooks == outer


@pytest.mark.parametrize("make", [wrapped, in_place])
def test_compiled_models_are_checked_as_others_are(make):
    part = Counting()
    before = part.assigned
    model = make(nn.Sequential(part))
    assert check_model(lambda batch: batch.apply(model), batch()) == []

    def wrong(batch):
        return model(batch.values).mean(0).expand(len(batch), -1)

    found = check_model(wrong, batch())
    assert [violation.test for violation in found] == ["split", "alone"]
    assert part.assigned is before
    assert [buffer.item() for buffer in part.buffers()] == [0, 0]


@pytest.mark.parametrize(
    "make",
    [
        wrapped,
        lambda model: nn.Sequential(wrapped(model)),
        lambda model: nn.Sequential(in_place(model)),
    ],
)
def test_buffers_of_a_compiled_model_that_is_found_late_come_back(make):
    part = Counting()
    run = Behind(make(nn.Sequential(part)))
    assert check_model(lambda batch: batch.apply(run), batch()) == []
    assert [buffer.item() for buffer in part.buffers()] == [0, 0]


def test_a_compiled_model_may_use_the_memory_of_its_graph():
    model = torch.compile(
        nn.Sequential(nn.Linear(6, 3, dtype=D), nn.LayerNorm(3, dtype=D)),
        backend="aot_eager",
    )
    given = batch()
    for _ in range(2):
        assert check_model(lambda batch: batch.apply(model), given) == []


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_buffers_come_back_that_a_compiled_function_closes_over():
    part = Counting()
    fn = torch.compile(lambda x, mask: part(x[:, 0]), backend="eager")
    mask = torch.ones(4, 1, dtype=torch.bool)
    assert check_model(fn, (torch.randn(4, 1, 6, dtype=D), mask)) == []
    assert [buffer.item() for buffer in part.buffers()] == [0, 0]


def test_a_model_is_compiled_no_more_often_however_often_it_is_checked():
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph

    model = torch.compile(nn.Linear(6, 3, dtype=D), backend=count)
    given, counts = batch(), []
    for _ in range(3):
        assert check_model(lambda batch: batch.apply(model), given) == []
        counts.append(len(graphs))
    assert counts[0] == counts[-1] > 0


def test_warnings_of_the_model_are_still_heard():
    def fn(batch):
        warnings.warn("mine", UserWarning, stacklevel=1)
        return batch

    with pytest.warns(UserWarning, match="^mine$"):
        check_model(fn, batch())

"""torch.multiprocessing: memory that processes share, however they are started."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest

import minigrad as torch
import minigrad.multiprocessing as mp
from minigrad import nn, optim
from minigrad.autograd import Variable

METHODS = multiprocessing.get_all_start_methods()
LIMIT = 120

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(params=METHODS)
def context(request):
    return mp.get_context(request.param)


def run(context, target, *args, count=1):
    """Run `target(*args)` in `count` processes at once."""
    processes = [context.Process(target=target, args=args) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
    assert [process.exitcode for process in processes] == [0] * count


def write(tensor, storage, parameter):
    assert tensor.is_shared()
    tensor.fill_(3)
    storage[1] = 7
    parameter.data.mul_(2)


def test_what_a_child_writes_the_parent_sees(context):
    tensor, storage = torch.zeros(2, 3).share_memory_(), torch.LongStorage([1, 2]).share_memory_()
    parameter = nn.Parameter(torch.ones(2).share_memory_())
    part = tensor.t()[1]
    run(context, write, tensor, storage, parameter)
    assert tensor.sum() == 18
    assert part.tolist() == [3, 3]
    assert storage.tolist() == [1, 7]
    assert parameter.data.tolist() == [2, 2]


def write_private(tensor):
    assert not tensor.is_shared()
    tensor.fill_(3)


def test_memory_that_is_not_shared_is_the_childs_own(context):
    tensor = torch.zeros(3)
    run(context, write_private, tensor)
    assert tensor.tolist() == [0, 0, 0]


def answer(questions, answers):
    column, whole, view, private = questions.get()
    assert column.is_set_to(whole[:, 1]), "views of one memory stay views of one memory"
    column.fill_(5)
    view[0] = 9
    private.fill_(5)
    mine = torch.ones(2).share_memory_()
    answers.put(mine)
    questions.get()  # until the parent has it
    answers.put(mine.tolist())


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_queues(context, kind):
    questions, answers = getattr(context, kind)(), getattr(context, kind)()
    process = context.Process(target=answer, args=(questions, answers))
    process.start()
    whole, private = torch.zeros(2, 3).share_memory_(), torch.zeros(2)
    storage = torch.FloatStorage([1, 2, 3]).share_memory_()
    questions.put((whole[:, 1], whole, storage[1:], private))
    theirs = answers.get()
    assert theirs.is_shared()
    theirs.fill_(4)
    questions.put("done")
    assert answers.get() == [4, 4]
    process.join(LIMIT)
    assert process.exitcode == 0
    assert whole.tolist() == [[0, 5, 0], [0, 5, 0]]
    assert storage.tolist() == [1, 9, 3]
    assert private.tolist() == [0, 0]


def square(x):
    return x * x


def test_a_pool_takes_tensors_and_variables(context):
    with context.Pool(1) as pool:
        assert pool.apply(square, (torch.Tensor([2, 3]),)).tolist() == [4, 9]
        made = pool.map(square, [Variable(torch.Tensor([k])) for k in range(3)])
    assert [v.data[0] for v in made] == [0, 1, 4]


# ---------------------------------------------------------------- Hogwild


def points(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 2)).astype(np.float32)
    y = x @ np.array([[1.5], [-2.0]], np.float32) + 0.5
    return Variable(torch.from_numpy(x)), Variable(torch.from_numpy(y))


def train(model, seed):
    torch.set_num_threads(1)
    x, y = points(seed)
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


def test_hogwild(context):
    """Several processes train one model without locks (Niu et al., 2011)."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 1))
    assert model.share_memory() is model
    assert all(p.data.is_shared() for p in model.parameters())
    run(context, train, model, 3, count=2)
    assert all(p.grad is None for p in model.parameters())  # gradients are each process's own
    np.testing.assert_allclose(model[0].weight.data.numpy(), [[1.5, -2.0]], atol=1e-2)
    np.testing.assert_allclose(model[0].bias.data.numpy(), [0.5], atol=1e-2)


# ---------------------------------------------------------------- other copies, other names


def test_pickles_and_copies_have_memory_of_their_own():
    tensor = torch.ones(2, 2).share_memory_()
    for again in (copy.deepcopy(tensor), pickle.loads(pickle.dumps(tensor))):
        assert not again.is_shared()
        again.fill_(5)
    for part, whole in (copy.deepcopy((tensor[0], tensor)), pickle.loads(pickle.dumps((tensor[0], tensor)))):
        part.fill_(6)
        assert whole.tolist() == [[6, 6], [1, 1]]
    assert tensor.tolist() == [[1, 1], [1, 1]]


def test_saving_shared_tensors(tmp_path):
    tensor = torch.ones(2, 2).share_memory_()
    torch.save((tensor, tensor[0]), tmp_path / "t.pt")
    whole, part = torch.load(tmp_path / "t.pt")
    part.fill_(3)
    assert whole.tolist() == [[3, 3], [1, 1]]
    assert not whole.is_shared()


def test_empty_tensors_can_be_shared():
    assert torch.Tensor().share_memory_().size() == ()


def test_memory_that_cannot_be_had_is_refused(monkeypatch):
    def none(size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("multiprocessing.heap.Arena", none)
    with pytest.raises(RuntimeError, match=r"no shared memory of 8 bytes to be had: .*No space left"):
        torch.zeros(2).share_memory_()


def test_it_is_pythons_module_and_more():
    for name in multiprocessing.__all__:
        assert getattr(mp, name) is getattr(multiprocessing, name)
    assert mp.pool is multiprocessing.pool
    assert torch.multiprocessing is mp
    with pytest.raises(AttributeError, match="has no 'Proces': the nearest name is 'Process'"):
        mp.Proces  # noqa: B018


def test_sharing_strategies():
    before = mp.get_sharing_strategy()
    assert before in mp.get_all_sharing_strategies()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy(before)
    with pytest.raises(AssertionError, match="expected one of file_descriptor, file_system, got 'magic'"):
        mp.set_sharing_strategy("magic")

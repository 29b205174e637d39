"""Constructors of all modules name their own class when an argument is wrong."""

import inspect

import pytest

from minigrad import nn, optim

MODULES = [c for _, c in sorted(vars(nn).items()) if inspect.isclass(c) and issubclass(c, nn.Module)]
OPTIMISERS = [c for _, c in sorted(vars(optim).items()) if inspect.isclass(c) and issubclass(c, optim.Optimizer)]


@pytest.mark.parametrize("cls", [*MODULES, *OPTIMISERS], ids=lambda c: c.__name__)
def test_an_unknown_keyword_names_the_class(cls):
    with pytest.raises(TypeError) as caught:
        cls(unknown=1)
    assert str(caught.value).startswith((f"{cls.__name__}.__init__()", f"{cls.__name__}:"))


def test_too_many_arguments_too():
    with pytest.raises(TypeError, match=r"^Tanh\.__init__\(\) takes 1 positional argument but 2 were given"):
        nn.Tanh(True)
    with pytest.raises(TypeError, match=r"^MSELoss\.__init__\(\) got an unexpected keyword argument 'reduction'"):
        nn.MSELoss(reduction="sum")


def test_classes_of_a_program_inherit_as_ever():
    class Own(nn.MSELoss):
        pass

    assert Own.__init__ is nn.MSELoss.__init__
    assert Own(False, reduce=False).reduce is False
    assert inspect.signature(nn.NLLLoss2d) == inspect.signature(nn.NLLLoss)

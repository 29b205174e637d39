"""Operations of more arguments than a C integer has bits."""

import re
from pathlib import Path

import pytest

import minigrad as torch
from minigrad.autograd import Variable


@pytest.mark.parametrize("place", [0, 30, 31, 32, 33, 61, 62, 63, 69])
def test_one_of_seventy_requires_grad(place):
    """In C a bit beyond the 31st has to be asked for: the others must not stand in for it."""
    x = Variable(torch.DoubleTensor([3]), requires_grad=True)
    y = torch.cat([x if k == place else Variable(torch.DoubleTensor([k])) for k in range(70)])
    assert y.requires_grad
    y.backward(torch.arange(0, 70).double())
    assert x.grad.data.tolist() == [place]


def test_masks_of_arguments_have_64_bits_on_every_system():
    """C's long has 32 on Windows: there a bit beyond them would be lost without a word."""
    sources = list((Path(__file__).parents[2] / "minigrad").glob("_core*.p[xy][dix]"))
    sources = [path for path in sources if path.suffix != ".pyi"]
    assert len(sources) >= 7
    for path in sources:
        text = path.read_text(encoding="utf-8")
        narrow = re.findall(r"^[^#\n]*\bcdef\b[^#\n]*(?<!long )\blong\b(?! long).*$|^.*<long>.*$", text, re.MULTILINE)
        assert narrow == [], path.name

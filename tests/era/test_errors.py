"""What is refused, and with which exception: each condition that the documentation of PyTorch 0.3 names, by subject.

A line is a call, the exception's type, and words that its message must contain. A message of a word or two is refused.
"""

# ruff: noqa: F401 - the calls are texts
import copy
import re

import numpy as np
import pytest

import minigrad as torch
from minigrad import autograd, nn, optim, utils
from minigrad.autograd import Function, Variable
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.utils.rnn import pack_padded_sequence
from minigrad.optim import lr_scheduler

CONSTRUCTION = [
    ("torch.FloatTensor([[1, 2], [3]])", RuntimeError, "size"),
    ("torch.FloatTensor([1, [2]])", RuntimeError, ""),
    ("torch.LongTensor([1, 1.5])", RuntimeError, "1.5|float"),
    ("torch.FloatTensor(['a'])", RuntimeError, "str"),
    ("torch.FloatTensor(np.ones((0, 2)))", RuntimeError, "0"),
    ("torch.DoubleTensor(np.ones(4)[::-1])", RuntimeError, "negative"),
    ("torch.from_numpy(np.ones(4)[::-1])", RuntimeError, "negative"),
    ("torch.FloatTensor(2.5)", TypeError, "float"),
    ("torch.FloatTensor('2')", TypeError, "str"),
    ("torch.FloatTensor(size=(2, 3))", TypeError, "size|keyword"),
    ("torch.FloatTensor(torch.ones(2).double())", TypeError, "DoubleTensor"),
    ("torch.FloatTensor(torch.LongStorage(2))", TypeError, "LongStorage"),
    ("torch.from_numpy(np.ones(2, bool))", (TypeError, RuntimeError), "bool"),
    ("torch.from_numpy(np.ones(2, np.complex64))", (TypeError, RuntimeError), "complex"),
    ("torch.from_numpy([1, 2])", TypeError, "list"),
    ("torch.from_numpy(np.ones(4)).resize_(8)", RuntimeError, "NumPy|shared|resize"),
    ("torch.Size([1.5])", TypeError, "float"),
    ("torch.set_default_tensor_type('torch.SomeTensor')", (TypeError, ValueError, RuntimeError), "SomeTensor"),
    ("torch.ones(2).type('torch.NoTensor')", (TypeError, ValueError, RuntimeError), "NoTensor"),
    ("torch.zeros(index(3), 2)", TypeError, r"got a Variable of size \(1,\); its number is value\.data\[0\]$"),
    ("torch.ones(6).view(torch.LongTensor([2, 3]))", TypeError, r"got a LongTensor of size \(2,\); .*value\[0\]"),
    ("torch.linspace(0, 1, 1)", RuntimeError, "1"),
    ("torch.logspace(0, 1, 1)", RuntimeError, "1"),
    ("torch.ones(2).data", RuntimeError, "Variable"),
    ("torch.ones(2).backward()", AttributeError, r"a Variable has.*: Variable\(tensor, requires_grad=True\)"),
    ("torch.ones(2).grad", AttributeError, r"Variable\(tensor, requires_grad=True\)"),
    ("torch.ones(2).astype('float64')", AttributeError, r"no 'astype', a method of arrays; .*\.float\(\)"),
    ("torch.ones(2).copy()", AttributeError, r"use \.clone\(\)"),
    ("Variable(torch.ones(2)).ravel()", AttributeError, r"use \.view\(-1\)"),
    ("setattr(torch.ones(2), 'requires_grad', True)", AttributeError, r"Variable\(tensor, requires_grad=True\)"),
]
CONVERSION = [
    ("int(torch.ones(2))", TypeError, "one element|2 elements"),
    ("float(torch.ones(2))", TypeError, "one element|2 elements"),
    ("bool(torch.ones(2))", RuntimeError, "one element|2"),
    ("float(Variable(torch.ones(2)))", TypeError, "one element|2 elements"),
    ("'{:.3f}'.format(Variable(torch.ones(1)))", TypeError, r"a Variable .*'\.3f'.*variable\.data\[0\]"),
    ("format(torch.ones(1), '.3f')", TypeError, r"a FloatTensor .*'\.3f'.*tensor\[0\]"),
    ("torch.ones(2).apply_(lambda x: 'a')", RuntimeError, "str|number"),
    ("torch.ones(2).map_(torch.ones(2), lambda a, b: None)", RuntimeError, "None|number"),
    ("torch.ones(2).get_device()", RuntimeError, "CPU"),
]
INDEXING = [
    ("torch.ones(3)[3]", IndexError, "3"),
    ("torch.ones(3)[-4]", IndexError, "-4"),
    ("torch.ones(2, 3)[0, 0, 0]", IndexError, "dimension"),
    ("torch.ones(4)[::-1]", ValueError, "step"),
    ("torch.ones(4)[::0]", ValueError, "step"),
    ("torch.ones(4)[2:2]", ValueError, "empty"),
    ("torch.ones(4)[1.0]", TypeError, "float"),
    ("torch.ones(4)[0:2.0]", TypeError, "float"),
    ("torch.ones(4)[torch.ones(2)]", TypeError, r"float32; convert it with \.long\(\) or \.byte\(\)"),
    ("torch.ones(3, 4)[torch.ByteTensor([1, 0, 1])]", RuntimeError, r"rows are .*x\[mask\.nonzero\(\)\[:, 0\]\]"),
    ("torch.ones(3, 4).__setitem__(torch.ByteTensor([1, 0, 1]), 2)", RuntimeError, r"x\[mask\.nonzero"),
    ("Variable(torch.ones(3, 4))[torch.ByteTensor([1, 0, 1])]", RuntimeError, r"x\[mask\.nonzero"),
    ("torch.ones(4)['a']", (TypeError, IndexError), "str"),
    ("torch.ones(4, 4)[torch.LongTensor([[0, 1]])]", IndexError, "1-D|dimension"),
    ("torch.ones(2, 2)[[0, 5], [0, 0]]", IndexError, "5"),
    ("torch.ones(2, 2)[[0, -1], [0, 0]]", IndexError, "-1|negative"),
    ("torch.ones(3, 3, 3)[0, torch.LongTensor([0, 1])]", TypeError, ""),
    ("torch.ones(2).__setitem__(0, torch.ones(2))", (TypeError, RuntimeError), ""),
    ("torch.ones(3).__setitem__(slice(0, 2), torch.ones(3))", RuntimeError, "2"),
    ("torch.ones(3).__setitem__(0, Variable(torch.ones(1)))", TypeError, "Variable"),
    ("Variable(torch.ones(3))[5]", IndexError, "5"),
]
METHODS = [
    ("torch.ones(2).t()", RuntimeError, "2"),
    ("torch.ones(6).view(4)", RuntimeError, "6"),
    ("torch.ones(6).view(-1, 4)", RuntimeError, "6"),
    ("torch.ones(6).view(-1, -1)", RuntimeError, "-1"),
    ("torch.ones(2, 3).t().view(6)", RuntimeError, "contiguous"),
    ("torch.ones(3).expand(-1, 3)", RuntimeError, "-1"),
    ("torch.ones(3).expand(4)", RuntimeError, "3"),
    ("torch.FloatTensor().unsqueeze(0)", RuntimeError, "empty|no elements|no dimension"),
    ("torch.ones(2, 3).repeat(2)", ValueError, "2"),
    ("torch.ones(3).narrow(0, 2, 2)", RuntimeError, "3"),
    ("torch.ones(3).select(1, 0)", RuntimeError, "dim"),
    ("torch.ones(2, 3).transpose(0, 2)", RuntimeError, "2"),
    ("torch.ones(2, 3).permute(0)", RuntimeError, "2"),
    ("torch.ones(2, 3).permute(0, 0)", RuntimeError, "0"),
    ("torch.ones(2, 3).sum(2)", RuntimeError, "2"),
    ("torch.ones(2, 3).sum(-3)", RuntimeError, "-3"),
    ("torch.ones(2, 3).sum(0, 1)", TypeError, "keepdim.*got 1"),
    ("Variable(torch.ones(2, 3)).mean(0, 1)", TypeError, "keepdim.*one dimension"),
    ("torch.max(torch.ones(2, 3), 0, 1)", TypeError, "keepdim"),
    ("torch.ones(2, 3).kthvalue(1, 0, 1)", TypeError, "keepdim"),
    ("torch.ones(3).topk(4)", RuntimeError, "4"),
    ("torch.ones(3).topk(2, True)", TypeError, "dim|bool"),
    ("torch.ones(3).kthvalue(4)", RuntimeError, "4"),
    ("torch.ones(3).cumsum()", TypeError, "dim"),
    ("torch.ones(3).all()", AttributeError, "ByteTensor"),
    ("torch.LongTensor([1]).sqrt()", AttributeError, "float"),
    ("torch.sqrt(torch.LongTensor([1]))", TypeError, "LongTensor"),
    ("torch.LongTensor([1]).mean()", AttributeError, "float"),
    ("torch.mean(torch.LongTensor([1]))", TypeError, "LongTensor"),
    ("torch.HalfTensor(2).t()", AttributeError, "Half"),
    ("torch.ones(3).gather(0, torch.LongTensor([3]))", RuntimeError, "3"),
    ("torch.ones(3).index_select(0, torch.LongTensor([3]))", RuntimeError, "3"),
    ("torch.ones(3).take(torch.LongTensor([3]))", RuntimeError, "3"),
    ("torch.ones(3).scatter_(0, torch.LongTensor([3]), 1)", RuntimeError, "3"),
    ("torch.ones(3).index_fill_(0, torch.LongTensor([3]), 1)", RuntimeError, "3"),
    ("torch.ones(3).index_add_(0, torch.LongTensor([3]), torch.ones(1))", RuntimeError, "3"),
    ("torch.ones(3).masked_scatter_(torch.ByteTensor([1, 1, 1]), torch.ones(2))", RuntimeError, "2"),
    ("torch.ones(3).masked_select(torch.ByteTensor([1, 0]))", RuntimeError, "3"),
    ("torch.ones(2, 2).mm(torch.ones(3, 2))", RuntimeError, "2"),
    ("torch.ones(2).mm(torch.ones(2, 2))", RuntimeError, "2"),
    ("torch.ones(2, 2, 2).bmm(torch.ones(3, 2, 2))", RuntimeError, "3"),
    ("torch.ones(2).dot(torch.ones(3))", RuntimeError, "3"),
    ("torch.ones(2, 4).cross(torch.ones(2, 4))", RuntimeError, "3"),
    ("torch.ones(2, 3).inverse()", RuntimeError, "square"),
    ("torch.zeros(2, 2).inverse()", RuntimeError, "singular"),
    ("torch.matmul(torch.ones(2), torch.ones(2), out=torch.ones(1))", ValueError, "out"),
    ("torch.ones(3) + torch.ones(2)", RuntimeError, "3"),
    ("torch.ones(3).add_(torch.ones(2, 3))", RuntimeError, "3"),
    ("torch.ones(3).lerp(torch.ones(2), 0.5)", RuntimeError, "3"),
    ("torch.exp(torch.ones(2), out=torch.ones(2).double())", (TypeError, RuntimeError), "DoubleTensor"),
    ("torch.cat([])", RuntimeError, "empty"),
    ("torch.cat([torch.ones(2, 2), torch.ones(2, 3)])", RuntimeError, "3"),
    ("torch.stack([])", ValueError, "empty"),
    ("torch.stack([torch.ones(2), torch.ones(3)])", RuntimeError, "3"),
    ("torch.ones(2, 2).chunk(0)", (RuntimeError, ValueError), "0"),
    ("torch.ones(2) ** None", TypeError, "None"),
    ("torch.ones(3).multinomial(4)", RuntimeError, "4"),
    ("torch.FloatTensor([-1, 2]).multinomial(1)", RuntimeError, "negative|-1"),
    ("torch.FloatTensor(2).bernoulli_(2)", (RuntimeError, ValueError), "2"),
    ("torch.FloatTensor(2).uniform_(low=-1, high=1)", TypeError, "unexpected keyword argument 'low'"),
    ("torch.LongTensor(2).random_(1, 2, 3)", TypeError, r"takes \(\), \(to\) or \(from, to\), got 3 bounds"),
    ("torch.FloatTensor(2).normal_(0, -1)", (RuntimeError, ValueError), "-1"),
]
VARIABLES = [
    ("Variable(torch.ones(1), True, True)", RuntimeError, "volatile"),
    ("Variable([1, 2])", TypeError, "Tensor"),
    ("Variable(np.ones(2))", TypeError, "from_numpy"),
    ("setattr(leaf() * 2, 'requires_grad', False)", RuntimeError, "leaf"),
    ("setattr(leaf(), 'requires_grad', 1)", RuntimeError, "True or False"),
    ("setattr(leaf() * 2, 'volatile', True)", RuntimeError, "leaf"),
    ("assign_grad(leaf(), Variable(torch.ones(3)))", RuntimeError, "size"),
    ("assign_grad(leaf(), Variable(torch.ones(2).double()))", RuntimeError, "type"),
    ("assign_grad_to_itself()", RuntimeError, "own"),
    ("leaf().add_(1)", RuntimeError, "leaf Variable that requires grad has been used in an in-place operation"),
    ("leaf().__setitem__(0, 1)", RuntimeError, "leaf Variable"),
    ("power_assign(leaf() * 2)", NotImplementedError, ""),
    ("(leaf() * 1)[0:1].detach_()", RuntimeError, "view"),
    ("Variable(torch.ones(1)).register_hook(print)", RuntimeError, "require"),
    ("Variable(torch.ones(1), volatile=True).register_hook(print)", RuntimeError, "volatile|require"),
    ("Variable(torch.ones(1)).retain_grad()", RuntimeError, "require"),
    ("copy.deepcopy(leaf() * 2)", RuntimeError, "leaf"),
    ("Variable(torch.ones(4)).resize(3)", RuntimeError, "4"),
    ("Variable(torch.ones(2)).numpy()", (AttributeError, RuntimeError), "data"),
    ("Variable(torch.ones(2)).tolist()", (AttributeError, RuntimeError), "data"),
    ("leaf().reinforce(1)", RuntimeError, ""),
]
AUTOGRAD = [
    ("leaf().backward()", RuntimeError, "scalar outputs"),
    ("Variable(torch.ones(1)).backward()", RuntimeError, "does not require grad"),
    ("Variable(torch.ones(1), volatile=True).backward()", RuntimeError, "volatile"),
    ("twice()", RuntimeError, "retain_graph=True"),
    ("modified()", RuntimeError, "modified by an inplace operation"),
    ("descended().backward()", RuntimeError, r"volatile.*a \.grad is volatile.*w\.data -= lr \* w\.grad\.data"),
    ("carried_on()", RuntimeError, r"retain_graph=True.*h = Variable\(h\.data\)"),
    ("leaf().sum().backward(retain_graph=True, retain_variables=True)", ValueError, "retain_variables"),
    ("leaf().sum().backward('one')", TypeError, "str"),
    ("(leaf() * 2).backward(torch.ones(3))", RuntimeError, "3"),
    ("(leaf() * 2).backward([1.0, 2.0])", TypeError, "a gradient must be a Tensor.*got a list of float"),
    ("autograd.grad(leaf().sum(), Variable(torch.ones(2)))", RuntimeError, "does not require grad"),
    ("autograd.grad(leaf().sum(), leaf())", RuntimeError, "unreachable"),
    ("autograd.backward([leaf().sum()], [None, None])", RuntimeError, "2"),
    ("WrongCount.apply(leaf()).sum().backward()", RuntimeError, "2"),
    ("SavesOther.apply(leaf())", RuntimeError, "save_for_backward"),
    ("SavesTwice.apply(leaf())", RuntimeError, "save_for_backward|once"),
    ("autograd.gradcheck(wrong_square, [leaf().double()])", RuntimeError, ""),
    ("Old()(torch.ones(2))", (TypeError, RuntimeError), "Variable"),
]
MODULES = [
    ("BeforeInit()", AttributeError, "__init__"),
    ("nn.Module().register_buffer('training', torch.ones(1))", KeyError, "training"),
    ("nn.Module().register_parameter('training', nn.Parameter(torch.ones(1)))", KeyError, "training"),
    ("nn.Module().add_module('training', nn.Linear(1, 1))", KeyError, "training"),
    ("nn.Module().register_buffer('b', Variable(torch.ones(1)))", TypeError, "Variable"),
    ("nn.Module().register_parameter('p', torch.ones(1))", TypeError, "Tensor"),
    ("nn.Module().add_module('m', 3)", TypeError, "int"),
    ("setattr(nn.Linear(1, 1), 'weight', Variable(torch.ones(1, 1)))", TypeError, "Variable"),
    ("setattr(nn.Linear(1, 1), 'weight', torch.ones(1, 1))", TypeError, "Tensor"),
    ("nn.Linear(1, 1).nothing", AttributeError, "nothing"),
    ("nn.Linear(2, 2).load_state_dict({'weight': torch.ones(2, 2)})", KeyError, "bias"),
    ("nn.Linear(1, 1, bias=False).load_state_dict({'weight': torch.ones(1, 1), 'b': torch.ones(1)})", KeyError, "b"),
    ("nn.Linear(2, 2, bias=False).load_state_dict({'weight': torch.ones(3, 2)})", RuntimeError, "3"),
    ("nn.Module()(1)", NotImplementedError, ""),
    ("nn.Sequential()[0]", IndexError, "0"),
    ("nn.ModuleList().extend(nn.Linear(1, 1))", TypeError, "list"),
    ("nn.ParameterList().extend(nn.Parameter(torch.ones(1)))", TypeError, "list"),
    ("hooked(lambda m, i, o: 1)", RuntimeError, "didn't return None|None"),
    ("nn.Dropout(1.5)", ValueError, "1.5"),
    ("F.dropout(leaf(), 1.5, True)", ValueError, "1.5"),
    ("nn.Linear(3, 2)(Variable(torch.ones(1, 4)))", RuntimeError, "4"),
    ("nn.Embedding(3, 2)(Variable(torch.LongTensor([3])))", (RuntimeError, IndexError), "3"),
    ("nn.Embedding(3, 2)(Variable(torch.ones(2)))", (RuntimeError, TypeError), "Long"),
    ("nn.EmbeddingBag(3, 2)(Variable(torch.LongTensor([1])))", ValueError, "offsets"),
    ("nn.EmbeddingBag(3, 2)(index(1), Variable(torch.LongTensor([1])))", ValueError, "0"),
    ("nn.EmbeddingBag(3, 2)(index(1), Variable(torch.LongTensor([0, 2])))", ValueError, "2"),
    ("nn.EmbeddingBag(3, 2)(index(1).view(1, 1), Variable(torch.LongTensor([0])))", ValueError, "offsets"),
    ("nn.Softmax2d()(leaf())", (AssertionError, ValueError, RuntimeError), "4"),
    ("nn.BatchNorm1d(3)(Variable(torch.ones(1, 3)))", ValueError, "1"),
    ("nn.BatchNorm1d(3)(Variable(torch.ones(2, 2, 2, 3)))", (ValueError, RuntimeError), "2, 2, 2, 3"),
]
LOSSES = [
    ("nn.MSELoss()(leaf(), leaf())", AssertionError, "grad"),
    ("nn.NLLLoss()(Variable(torch.ones(2)), index(0, 1))", ValueError, "2"),
    ("nn.NLLLoss()(Variable(torch.ones(2, 3)), index(0, 3))", (RuntimeError, IndexError), "3"),
    ("nn.NLLLoss()(Variable(torch.ones(2, 3)), index(0, 1, 2))", (RuntimeError, ValueError), "3"),
    ("nn.CrossEntropyLoss()(Variable(torch.ones(2, 3)), Variable(torch.ones(2)))", (RuntimeError, TypeError), "Long"),
    ("nn.NLLLoss()(Variable(torch.ones(2, 3)), index(0, 1).view(2, 1))", RuntimeError, r"2, 1\); target\.squeeze"),
    ("nn.BCELoss()(Variable(torch.ones(2)), Variable(torch.ones(3)))", ValueError, "3"),
    ("nn.BCELoss()(Variable(torch.ones(2) * 2), Variable(torch.ones(2)))", RuntimeError, "0"),
    ("nn.BCEWithLogitsLoss()(leaf(), Variable(torch.ones(3)))", ValueError, "3"),
    ("nn.MultiMarginLoss(p=3)", ValueError, "3"),
    ("F.triplet_margin_loss(rows(2), rows(2), rows(3))", AssertionError, "3"),
    ("F.triplet_margin_loss(rows(2), rows(2), rows(2), margin=-1)", AssertionError, "margin"),
    ("F.mse_loss(leaf(), Variable(torch.ones(3)))", (RuntimeError, ValueError), "3"),
]
RECURRENT = [
    ("nn.RNN(2, 3, nonlinearity='sigmoid')", ValueError, "sigmoid"),
    ("nn.RNNCell(2, 3, nonlinearity='sigmoid')(rows(1, 2), rows(1, 3))", RuntimeError, "sigmoid"),
    ("nn.LSTM(2, 3)(Variable(torch.ones(4, 1, 5)))", RuntimeError, "5"),
    ("nn.LSTM(2, 3)(Variable(torch.ones(4, 2)))", RuntimeError, "3 dimensions"),
    ("nn.LSTM(2, 3)(Variable(torch.ones(4, 1, 2)), Variable(torch.ones(1, 1, 3)))", (TypeError, RuntimeError), "pair"),
    ("nn.GRU(2, 3)(Variable(torch.ones(4, 1, 2)), Variable(torch.ones(1, 1, 4)))", RuntimeError, "4"),
    ("nn.LSTM(2, 3)(torch.ones(4, 1, 2))", RuntimeError, "Variable"),
    ("nn.LSTM(2, 3)(Variable(torch.ones(4, 1, 2).double()))", RuntimeError, "DoubleTensor"),
    ("nn.GRUCell(2, 3)(rows(1, 2))", TypeError, "hx"),
    ("nn.LSTM(2, 3)(rows(4, 1, 2), rows(1, 1, 3), rows(1, 1, 3))", TypeError, r"LSTM: takes .*\(h_0, c_0\)"),
    ("nn.LSTMCell(2, 3)(rows(1, 2), rows(1, 3), rows(1, 3))", TypeError, "LSTMCell: .* 1 more argument; hx is a pair"),
    ("nn.GRU(2, 3)(rows(4, 1, 2), rows(1, 1, 3), 1)", TypeError, "GRU: takes input and hx, got 1 more argument$"),
    ("nn.LSTM(2, 3, dropout=1.5)", ValueError, "1.5"),
    ("nn.LSTM(2, 0)", (ValueError, RuntimeError), "0"),
    ("pack_padded_sequence(Variable(torch.ones(3, 2, 1)), [2, 3])", ValueError, "decrease"),
    ("pack_padded_sequence(Variable(torch.ones(3, 2, 1)), [3, 0])", ValueError, "0"),
    ("pack_padded_sequence(Variable(torch.ones(3, 2, 1)), [3])", ValueError, "2"),
]
INIT_AND_UTILS = [
    ("init.eye(torch.ones(2))", ValueError, "2"),
    ("init.dirac(torch.ones(2, 2))", ValueError, "3"),
    ("init.xavier_uniform(torch.ones(2))", ValueError, "2"),
    ("init.orthogonal(torch.ones(2))", ValueError, "2"),
    ("init.sparse(torch.ones(2), 0.5)", ValueError, "2"),
    ("init.kaiming_uniform(torch.ones(2, 2), mode='fan')", ValueError, "fan"),
    ("init.calculate_gain('swish')", ValueError, "swish"),
    ("init.calculate_gain('leaky_relu', True)", ValueError, "True"),
    ("nn.utils.vector_to_parameters(torch.ones(2), [])", TypeError, "Tensor"),
    ("nn.utils.remove_weight_norm(nn.Linear(1, 1))", ValueError, "weight"),
]
OPTIMISERS = [
    ("optim.SGD([leaf()])", ValueError, "lr"),
    ("optim.SGD(leaf(), 0.1)", TypeError, "Variable"),
    ("optim.SGD(torch.ones(1), 0.1)", TypeError, "Tensor"),
    ("optim.SGD([], 0.1)", ValueError, "empty"),
    ("optim.SGD(nn.Linear(1, 1), 0.1)", TypeError, r"got Linear; give model\.parameters\(\)"),
    ("optim.SGD(nn.Linear(1, 1).parameters, 0.1)", TypeError, r"got method; give model\.parameters\(\)"),
    ("optim.SGD([{'params': nn.Linear(1, 1)}], 0.1)", TypeError, r"got Linear; give model\.parameters\(\)"),
    ("optim.SGD(nn.Sequential(nn.Linear(1, 1)), 0.1)", TypeError, r"got Sequential; give model\.parameters\(\)"),
    ("optim.SGD([nn.Linear(1, 1)], 0.1)", TypeError, r"got Linear at position 0; give its \.parameters\(\)"),
    ("optim.SGD([nn.Linear(1, 1).parameters()], 0.1)", TypeError, r"got generator at position 0; add lists"),
    ("optim.SGD(3, 0.1)", TypeError, "params must be an iterable of Variables or of dicts, got int$"),
    ("optim.SGD([torch.ones(1)], 0.1)", TypeError, "Tensor"),
    ("optim.SGD([Variable(torch.ones(1))], 0.1)", ValueError, "require"),
    ("optim.SGD([leaf() * 2], 0.1)", ValueError, "leaf"),
    ("optim.SGD([leaf()], 0.1, nesterov=True)", ValueError, "momentum"),
    ("optim.SGD([leaf()], 0.1, momentum=0.9, dampening=0.1, nesterov=True)", ValueError, "dampening"),
    ("same_parameter_twice()", ValueError, "group"),
    ("optim.SGD([leaf()], 0.1).load_state_dict(two_groups())", ValueError, "2"),
    ("optim.LBFGS([{'params': [leaf()]}, {'params': [leaf()]}])", ValueError, "group"),
    ("optim.LBFGS([leaf()]).step()", TypeError, "closure"),
    ("optim.LBFGS([leaf()]).step(lambda: None)", TypeError, "LBFGS: the closure must return the loss, got NoneType"),
    ("optim.LBFGS([leaf()], line_search_fn='goldstein').step(lambda: leaf().sum())", RuntimeError, "line"),
    ("lr_scheduler.StepLR(3, 1)", TypeError, "int"),
    ("lr_scheduler.StepLR(optim.SGD([leaf()], 0.1), 0)", ValueError, "step_size must be a positive .*, got 0"),
    ("lr_scheduler.StepLR(optim.SGD([leaf()], 0.1), '2')", ValueError, "step_size must be a positive .*, got '2'"),
    ("lr_scheduler.LambdaLR(optim.SGD([leaf()], 0.1), 0.5)", TypeError, "lr_lambda must be a function .*, got float"),
    ("lr_scheduler.StepLR(optim.SGD([leaf()], 0.1), 1, last_epoch=3)", KeyError, "initial_lr"),
    ("lr_scheduler.MultiStepLR(optim.SGD([leaf()], 0.1), [3, 1])", ValueError, "increasing"),
    ("lr_scheduler.ReduceLROnPlateau(optim.SGD([leaf()], 0.1), factor=1.5)", ValueError, "1.5"),
    ("lr_scheduler.ReduceLROnPlateau(optim.SGD([leaf()], 0.1), mode='up')", ValueError, "up"),
    ("lr_scheduler.ReduceLROnPlateau(optim.SGD([leaf()], 0.1), threshold_mode='up')", ValueError, "up"),
]
DATA = [
    ("utils.data.Dataset()[0]", NotImplementedError, ""),
    ("len(utils.data.Dataset())", NotImplementedError, ""),
    ("utils.data.TensorDataset(torch.ones(2), torch.ones(3))", (AssertionError, ValueError), "3"),
    ("utils.data.DataLoader([1], sampler=[0], shuffle=True)", ValueError, "shuffle"),
    ("utils.data.DataLoader([1], batch_sampler=[[0]], batch_size=2)", ValueError, "batch_size"),
    ("utils.data.DataLoader([1], batch_sampler=[[0]], drop_last=True)", ValueError, "drop_last"),
    ("utils.data.DataLoader([1], num_workers=-1)", ValueError, "-1"),
    ("utils.data.default_collate([object()])", TypeError, "object"),
    ("utils.data.default_collate([np.array(['a'])])", TypeError, ""),
    ("iter(utils.data.sampler.WeightedRandomSampler([1, 2], 3, False))", (ValueError, RuntimeError), "3"),
    ("torch.load('/nowhere/file')", (OSError, RuntimeError), "nowhere"),
]  # fmt: skip
CUDA = [
    ("torch.ones(1).cuda()", RuntimeError, "cuda"),
    ("torch.cuda.FloatTensor(2)", RuntimeError, "cuda"),
    ("nn.Linear(1, 1).cuda()", RuntimeError, "cuda"),
    ("torch.cuda.set_device(0)", RuntimeError, "cuda"),
]
SUBJECTS = {name: value for name, value in list(globals().items()) if name.isupper() and isinstance(value, list)}
if torch.cuda.is_available():
    del SUBJECTS["CUDA"]  # there these calls work
CASES = [pytest.param(*case, id=f"{name.lower()}: {case[0]}") for name, cases in SUBJECTS.items() for case in cases]


def leaf():
    return Variable(torch.ones(2), requires_grad=True)


def index(*numbers):
    return Variable(torch.LongTensor(list(numbers)))


def rows(*size):
    return Variable(torch.ones(*size) if len(size) > 1 else torch.ones(size[0], 2))


def assign_grad(v, grad):
    v.grad = grad


def assign_grad_to_itself():
    v = leaf()
    v.grad = v


def power_assign(v):
    v **= 2


def twice():
    out = (leaf() ** 2).sum()
    out.backward()
    out.backward()


def descended():
    w = leaf()
    (w * w).sum().backward()
    w = w - 0.1 * w.grad
    return w.sum()


def carried_on():
    rnn, h = nn.GRU(2, 3), None
    for _ in range(2):
        out, h = rnn(rows(4, 1, 2), h)
        out.sum().backward()


def modified():
    x = leaf() * 1
    out = (x * x).sum()
    x.add_(1)
    out.backward()


def wrong_square(x):
    class WrongSquare(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_variables[0]

    return WrongSquare.apply(x)


class WrongCount(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g, g


class SavesOther(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x * 2)
        return x * 1


class SavesTwice(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.save_for_backward(x)
        return x * 1


class Old(Function):
    def forward(self, x):
        return x * 1


class BeforeInit(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(1, 1)


def hooked(hook):
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(hook)
    return layer(rows(1, 2))


def same_parameter_twice():
    p = leaf()
    optim.SGD([{"params": [p]}, {"params": [p]}], 0.1)


def two_groups():
    return optim.SGD([{"params": [leaf()]}, {"params": [leaf()]}], 0.1).state_dict()


def raised(call):
    try:
        value = eval(call)
    except Exception as error:
        return error
    pytest.fail(f"{call} gave {value!r}")


@pytest.mark.parametrize(("call", "error", "words"), CASES)
def test_is_refused(call, error, words):
    found = raised(call)
    assert isinstance(found, error), f"{type(found).__name__}: {found}"
    assert re.search(words, str(found)), found
    assert len(str(found)) > 20, f"the message is {str(found)!r}"

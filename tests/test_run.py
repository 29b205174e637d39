"""python -m minigrad run: what a program sees of itself, what is seen of it when it fails, notebooks, --cpu."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import minigrad
from minigrad.run import notebook, numpy_eases, source


def start(*arguments, folder, **options):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")}
    environment["PYTHONPATH"] = os.pathsep.join([os.path.dirname(os.path.dirname(minigrad.__file__)), *sys.path[1:]])
    command = [sys.executable, "-m", "minigrad", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120, **options)


@pytest.fixture
def run(tmp_path):
    def run(text, *arguments, flags=(), name="script.py", **options):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return start(*flags, name, *arguments, folder=tmp_path, **options)

    return run


def as_python_does(done, tmp_path, name="script.py"):
    """The same program run by Python itself, with the same arguments: what it prints and its status must agree."""
    plain = subprocess.run([sys.executable, name], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (plain.stdout, plain.stderr, plain.returncode)
    return done


# ---------------------------------------------------------------- what the program sees


def test_the_imports_of_the_era_are_the_modules_of_minigrad(run):
    done = run("""
import torch
import torch.nn as nn, torch.nn.functional as F, torch.utils.data, torch.utils.data as Data
import torch.optim.lr_scheduler
import torch.backends.cudnn as cudnn
import torch.cuda, torch.random, torch.serialization, torch.autograd.variable
from torch import nn as nn2, optim, autograd, FloatTensor, Tensor, LongTensor, save, load
from torch.autograd import Variable, Function, gradcheck
from torch.nn import Parameter, init
from torch.nn.parameter import Parameter as Parameter2
from torch.nn.utils import clip_grad_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.nn.modules.module import Module
from torch.nn.modules.loss import _Loss
from torch.nn.modules.rnn import RNNBase
from torch.optim.lr_scheduler import StepLR
from torch.utils.data.sampler import Sampler
from torch.utils.data.dataset import Dataset
import minigrad, minigrad.nn.functional, minigrad.utils.data
assert torch is minigrad and nn is nn2 is minigrad.nn and F is minigrad.nn.functional
assert Data is torch.utils.data is minigrad.utils.data and cudnn is torch.backends.cudnn
assert Module is nn.Module and RNNBase is nn.RNN.__mro__[1] and Parameter2 is Parameter
assert Variable is torch.autograd.variable.Variable and Tensor is FloatTensor
assert torch.__spec__.name == 'minigrad' and nn.__spec__.name == 'minigrad.nn'
print(torch.FloatTensor([1]), torch.Size([2]), type(torch.zeros(1)), torch.zeros(1).type(), torch.__version__[:3])
print(cudnn.benchmark, cudnn.version(), torch.cuda.is_available())
""")
    assert done.stderr == ""
    assert done.stdout == (
        "\n 1\n[torch.FloatTensor of size 1]\n torch.Size([2]) <class 'torch.FloatTensor'> torch.FloatTensor 0.3\n"
        "False None False\n"
    )


SEEN = """
import sys, os, pickle
class Own(object):
    pass
assert pickle.loads(pickle.dumps(Own())).__class__ is Own
print(sys.argv[1:], sys.argv[0], __name__, __file__, __doc__, __package__, __spec__, sys.path[0])
print(sorted(k for k in globals() if not k.startswith('__')), __builtins__.__name__, sys.modules['__main__'].Own is Own)
"""


def test_the_program_is_its_own_main(run, tmp_path):
    done = as_python_does(run(SEEN), tmp_path)
    assert f"script.py __main__ {tmp_path / 'script.py'} None None None {tmp_path}" in done.stdout


def test_arguments_are_the_programs_even_where_they_look_like_ours(run):
    done = run("import sys; print(sys.argv)", "--cpu", "-x", "a b", "--help")
    assert done.stdout == "['script.py', '--cpu', '-x', 'a b', '--help']\n"


def test_modules_beside_the_program_are_imported_from_there(run, tmp_path):
    (tmp_path / "model.py").write_text(
        "import torch\ndef send(x, async=False):\n    return async, torch.zeros(x)\n", encoding="utf-8"
    )
    done = run("import model; print(model.send(1, async=True)[0])")
    assert done.stdout == "True\n"
    assert not list(tmp_path.rglob("model*.pyc"))  # plain Python would take it for its own


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    return g()\n\n\ndef g():\n    return 1 / 0\n\n\nf()\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('second')\n",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('second') from e\n",
        "import sys\nsys.exit(3)\n",
        "import sys\nsys.exit('a reason')\n",
        "raise SystemExit\n",
        "import no_such_module\n",
        "from math import no_such_name\n",
        "x = (1,\n",
        "def f(:\n    pass\n",
        "if True:\nprint('x')\n",
        "import sys\nsys.excepthook = lambda kind, error, t: print('mine', t.tb_lineno, t.tb_next)\n1 / 0\n",
        "import atexit\natexit.register(print, 'bye')\nundefined\n",
    ],
)
def test_it_ends_as_python_ends_it(run, tmp_path, text):
    as_python_does(run(text), tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no signals of this kind")
def test_an_interrupt_is_an_interrupt(run, tmp_path):
    done = run(f"import os, time\nos.kill(os.getpid(), {int(signal.SIGINT)})\ntime.sleep(5)\n")
    assert done.returncode == -signal.SIGINT
    as_python_does(done, tmp_path)


def test_a_syntax_error_in_a_module_beside_it_shows_the_programs_frames_only(run, tmp_path):
    (tmp_path / "broken.py").write_text("x = = 1\n", encoding="utf-8")
    as_python_does(run("import broken\n"), tmp_path)


def test_names_that_are_not_there_show_no_frame_of_the_runner(run):
    done = run("import torch\ntorch.nn.Conv2d(1, 2, 3)\n")
    assert done.returncode == 1
    assert done.stderr.count("File ") == 1
    assert "minigrad's 'torch.nn' has no 'Conv2d': convolution" in done.stderr
    done = run("import torch.hub\n")
    assert done.stderr.count("File ") == 1
    assert "No module named 'torch.hub': minigrad does not have it" in done.stderr
    done = run("import torch.onnx\ntorch.onnx.export(1)\n")
    assert done.stderr.count("File ") == 1
    assert "AttributeError: minigrad has no module 'torch.onnx', which 'export' is asked of" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import torch\ntorch.no_grad", "AttributeError: minigrad's 'torch' has no 'no_grad': .*volatile=True"),
        ("from torch import tensor_", "ImportError: cannot import name 'tensor_'"),
        ("from torch import randnn", "ImportError: .* the nearest name is 'randn'"),
        ("from torch.autograd import Variabel", "ImportError: .* the nearest name is 'Variable'"),
        ("from torch.nn.functional import log_sofmax", "ImportError: .* the nearest name is 'log_softmax'"),
        ("import torch.optm", "ModuleNotFoundError: No module named 'torch.optm': .* 'optim'"),
        ("import torch.nn as nn\nnn.init.xavier_uniform_", "here it is 'xavier_uniform'"),
        ("import torch\ntorch.nn.utils.clip_grad_norm_", "here it is 'clip_grad_norm'"),
        ("import torch\ntorch.optim.lr_scheduler.StepLr", "'StepLR'"),
        ("import torch\ntorch.Variable", "has no 'Variable': it is autograd.Variable"),
        ("from torch import softmax", "has no 'softmax': it is nn.functional.softmax"),
        ("import torch.nn.functional as F\nF.Relu", "the nearest name is 'relu'"),
        ("import torch\ntorch.optim.SparseAdam", "has no 'SparseAdam': gradients are dense here"),
        ("import torch.nn as nn\nnn.LayerNorm", "has no 'LayerNorm': it belongs to later versions .* mean and std"),
        ("from torch.utils.data.sampler import RandomSample", "'RandomSampler'"),
        ("import torchvision.transforms as T\nT.ToTensor()", "ModuleNotFoundError: torchvision.transforms.ToTensor is"),
        ("from torchtext import data\ndata.Field()", "ModuleNotFoundError: .*: torchtext is a companion of PyTorch"),
        ("import torch.kernels", "No module named 'torch.kernels'"),
    ],
)
def test_a_missing_name_is_explained(run, text, said):
    done = run(text)
    assert done.returncode == 1
    assert re.search(said, done.stderr)


def test_what_is_not_there_can_be_asked_for(run):
    done = run("import torch\nprint(hasattr(torch, 'no_grad'), getattr(torch, 'device', None), hasattr(torch, 'load'))")
    assert done.stdout == "False None True\n"


def test_a_program_that_is_not_there_is_named(tmp_path):
    done = start("gone.py", folder=tmp_path)
    assert done.returncode == 2
    assert "gone.py does not exist" in done.stderr


# ---------------------------------------------------------------- era syntax


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("f(x, async=True)", "f(x, ａsync=True)"),
        ("def f(async=1): return async", "def f(ａsync=1): return ａsync"),
        ("x = 'async = 1'  # async = 1\nasync def f(): pass", None),
        ("async def f():\n    async with a: pass\n    async for b in c: pass\n    [d async for d in e]", None),
        ("'''\nasync=1\n'''\nf(async=2)", "'''\nasync=1\n'''\nf(ａsync=2)"),
        ("f(\n    async = 1,\n    b=2)", "f(\n    ａsync = 1,\n    b=2)"),
        ("ä = f(async=1, b=g(async=2))", "ä = f(ａsync=1, b=g(ａsync=2))"),
        ("not python at all ( async", None),
        ("print 'no', 1", None),
    ],
)
def test_async_as_a_name_is_respelled_and_nothing_else(text, result):
    assert source.respelled(text) == (text if result is None else result)


def test_async_arrives_as_async(run, tmp_path):
    done = run("def f(**options):\n    return options\nprint(f(async=True))\nf(async=1 / 0)\n")
    assert done.stdout == "{'async': True}\n"
    assert "f(async=1 / 0)" in done.stderr
    assert "line 4" in done.stderr


SAVED = """
import sys
import torch

class Net(torch.nn.Module):
    def forward(self, x):
        return x.cuda(async=True)

if sys.argv[1:]:
    torch.save(Net(), 'net.pkl')
else:
    print(torch.load('net.pkl'))
"""


def test_a_module_is_saved_whole_where_async_is_a_name(run, tmp_path):
    done = run(SAVED, "save")
    assert done.stderr == ""
    with zipfile.ZipFile(tmp_path / "net.pkl") as file:
        (record,) = [name for name in file.namelist() if name.endswith("sources.json")]
        assert json.loads(file.read(record)) == {"__main__.Net": SAVED[SAVED.index("class") : SAVED.index("\nif")]}
    done = run(SAVED)
    assert (done.stdout, done.stderr) == ("Net(\n)\n", "")
    done = run(SAVED.replace("return x.", "return x.double()."))
    assert "SourceChangeWarning: the source of class __main__.Net has changed" in done.stderr
    assert "+        return x.double().cuda(async=True)" in done.stderr


@pytest.mark.parametrize(
    "statement", ["print 'a'", "print x, y", "exec 'x'", "raise ValueError, 'x'", "x = 0777", "if 1 <> 2: pass"]
)
def test_statements_of_python_2_name_the_converter(statement, run):
    done = run(f"import torch\n{statement}\n")
    assert done.returncode == 1
    assert 'script.py", line 2' in done.stderr
    assert "SyntaxError" in done.stderr
    assert "2to3 -w script.py" in done.stderr


def test_other_syntax_errors_do_not_speak_of_python_2(run):
    assert "2to3" not in run("x = = 1").stderr


# ---------------------------------------------------------------- the GPU

ON_GPU = """
import torch
from torch.autograd import Variable
torch.cuda.set_device(0)
torch.cuda.manual_seed(1)
net = torch.nn.Linear(2, 1).cuda()
x = Variable(torch.ones(1, 2)).cuda(0)
x = x.cuda(device=0).cuda(async=True)
y = torch.cuda.LongTensor([1, 2])
dtype = torch.cuda.FloatTensor
z = torch.ones(2).type(dtype).type('torch.cuda.DoubleTensor')
with torch.cuda.device(0):
    torch.cuda.synchronize()
print(net(x).size(), y.type(), z.type(), torch.cuda.is_available(), torch.cuda.device_count(), x.is_cuda)
"""


def test_cpu_turns_the_gpu_into_the_cpu_with_one_notice(run):
    done = run(ON_GPU, flags=["--cpu"])
    assert done.stdout == "torch.Size([1, 1]) torch.LongTensor torch.DoubleTensor False 0 False\n"
    assert done.stderr == "minigrad run --cpu: the program asks for a GPU; it continues on the CPU\n"


@pytest.mark.parametrize(
    "line",
    [
        "torch.cuda.set_device(0)",
        "torch.ones(1).cuda()",
        "torch.nn.Linear(1, 1).cuda()",
        "torch.cuda.FloatTensor(2)",
        "torch.autograd.Variable(torch.ones(1)).cuda()",
        "torch.ones(1).type(torch.cuda.FloatTensor)",
        "torch.cuda.device(0)",
        "torch.set_default_tensor_type('torch.cuda.FloatTensor')",
        "torch.cuda.current_device()",
    ],
)
def test_without_the_flag_the_error_names_it(line):
    with pytest.raises(RuntimeError, match=r"python -m minigrad run --cpu"):
        exec(line, {"torch": minigrad})


def test_naming_a_gpu_type_is_harmless():
    dtype = minigrad.cuda.FloatTensor if minigrad.cuda.is_available() else minigrad.FloatTensor
    assert dtype is minigrad.FloatTensor
    assert not isinstance(minigrad.zeros(1), minigrad.cuda.FloatTensor)
    minigrad.cuda.manual_seed_all(3)
    with minigrad.cuda.device(-1):
        minigrad.cuda.set_device(-1)


# ---------------------------------------------------------------- today's NumPy

NUMPY = """
import numpy as np, pickle, copy
import torch
from torch.autograd import Variable
loss = Variable(torch.Tensor([0.5]))
a = loss.data.numpy()
print('%.2f %d' % (a, a), float(a), int(a), repr(a), type(a), a[0], a.shape, '{}'.format(a))
print(type(pickle.loads(pickle.dumps(a))), pickle.dumps(a) == pickle.dumps(np.array([0.5], dtype=np.float32)))
print(type(a.sum()), a.mean(), (a + 1).tolist(), np.float(a * 2), copy.deepcopy(a) == a, isinstance(a, np.ndarray))
a[0] = 2
print(loss.data[0], torch.from_numpy(a), torch.Tensor(a).sum())
b = torch.ones(2, 1).numpy()
print([np.mean([1., 2.]), np.float32(0.5)], {'a': np.int64(3)}, np.array([1., 2.5]))
print(np.int(3.9), np.Inf, np.array([1]).astype(np.float).dtype, type(b))
try:
    float(torch.ones(2).numpy())
except TypeError as error:
    print('TypeError')
"""


def test_an_array_of_one_element_is_a_number_again(run):
    done = run(NUMPY)
    assert done.stderr == ""
    assert done.stdout == (
        "0.50 0 0.5 0 array([0.5], dtype=float32) <class 'numpy.ndarray'> 0.5 (1,) [0.5]\n"
        "<class 'numpy.ndarray'> True\n"
        "<class 'numpy.float32'> 0.5 [1.5] 1.0 [ True] True\n"
        "2.0 \n 2\n[torch.FloatTensor of size 1]\n 2.0\n"
        "[1.5, 0.5] {'a': 3} [1.  2.5]\n"
        "3 inf float64 <class 'numpy.ndarray'>\n"
        "TypeError\n"
    )


def test_only_arrays_of_one_element_in_a_dimension_are_eased():
    for shape in [(), (2,), (0,), (2, 1)]:
        plain = np.zeros(shape)
        assert numpy_eases.as_one_element(plain) is plain
    assert float(numpy_eases.as_one_element(np.full((1, 1), 4.0))) == 4


# ---------------------------------------------------------------- figures


def test_figures_do_not_wait_for_a_window(run):
    pytest.importorskip("matplotlib")
    done = run(
        "import matplotlib, matplotlib.pyplot as plt\n"
        "plt.plot([1, 2])\nplt.show()\nprint(matplotlib.get_backend().lower())"
    )
    assert done.stdout == "agg\n"


# ---------------------------------------------------------------- notebooks


@pytest.fixture
def book(tmp_path):
    def book(*cells, flags=(), arguments=(), **top):
        content = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / "sub" / "book.ipynb").write_text(
            json.dumps({"cells": [{"cell_type": "markdown", "source": "print('no')"}, *content], "nbformat": 4, **top}),
            encoding="utf-8",
        )
        return start(*flags, os.path.join("sub", "book.ipynb"), *arguments, folder=tmp_path)

    return book


def test_cells_run_in_order_and_show_their_last_values(book, tmp_path):
    done = book(
        "import torch, os\nx = torch.ones(2)",
        "x",
        "x.sum()\nx.sum() + 1",
        "x;",
        "None",
        "x = 3\n_ ",
        "os.getcwd(), __name__, '__file__' in globals()",
        "display(1, 'a')",
        "'ä'; 'ö' ;  # shown by neither",
    )
    assert done.stderr == ""
    place = repr((str(tmp_path / "sub"), "__main__", False))
    assert done.stdout == f"\n 1\n 1\n[torch.FloatTensor of size 2]\n\n3.0\n3.0\n{place}\n1\n'a'\n"


def test_magics_are_ignored_with_a_notice(book):
    done = book(
        "%matplotlib inline\n!pip install torch\nimport torch",
        "%time x = 1\nx",
        "%%time\ny = 2\ny",
        "%%bash\nexit 3",
        "for i in range(2):\n    %timeit pass\n    print(i)",
        "s = '''\n%time kept\n'''\nn = (7\n%x)\ns, n",
        "torch.zeros?",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n2\n0\n1\n('\\n%time kept\\n', 0)\n"
    assert done.stderr.count("minigrad run: ") == 7
    assert "book.ipynb, cell 1: '!pip install torch' is ignored" in done.stderr
    assert "book.ipynb, cell 4: the cell is not run: it is for %%bash" in done.stderr


def test_what_is_imported_from_ipython_is_there_in_plain_text(book):
    done = book(
        "from IPython.display import clear_output, display, HTML, Image\nfrom IPython import display as d",
        "clear_output(wait=True); d.clear_output()\ndisplay(3)\nHTML('<b>bold</b>').data",
        "import IPython\nget_ipython().magic('matplotlib inline')\nIPython.get_ipython().run_line_magic('pylab', '')",
    )
    assert done.stderr == ""
    assert done.stdout == "3\n'<b>bold</b>'\n"


def test_what_the_shell_has_does_nothing_either(book):
    done = book(
        "shell = get_ipython()\nshell.events.register('post_execute', print)\nshell.kernel.do_shutdown(True)",
        "shell.config.InlineBackend.figure_format = 'retina'\nbool(shell), shell.magic('matplotlib inline')",
    )
    assert done.stderr == ""
    assert done.stdout == "(False, None)\n"


@pytest.mark.parametrize("first", ["%matplotlib inline\n", "", "import IPython.display\n"])
def test_notebooks_draw_figures(book, tmp_path, first):
    pytest.importorskip("matplotlib")
    done = book(
        first + "import matplotlib, matplotlib.pyplot as plt",
        "plt.plot([1, 2, 3]);",
        "fig, (left, right) = plt.subplots(1, 2)\nleft.scatter([1, 2], [3, 4])\nplt.show()",
        "plt.ion()\nplt.scatter([1, 2], [3, 4])\nplt.draw()\nplt.pause(0.001)\nplt.ioff();",
        "plt.savefig('figure.png')\nplt.close('all')",
        "matplotlib.get_backend().lower()",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "'agg'\n"
    assert (tmp_path / "sub" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_errors_name_the_cell_and_show_its_lines(book):
    done = book("x = 1", "def f():\n    return x / 0", "print('here')\nf()", "print('not reached')")
    assert done.returncode == 1
    assert done.stdout == "here\n"
    shown = [line.strip() for line in done.stderr.splitlines() if "^" not in line]
    assert shown == [
        "Traceback (most recent call last):",
        'File "book.ipynb, cell 3", line 2, in <module>',
        "f()",
        'File "book.ipynb, cell 2", line 2, in f',
        "return x / 0",
        "ZeroDivisionError: division by zero",
    ]
    done = book("x = 1", "\nx = = 2")
    assert 'File "book.ipynb, cell 2", line 2' in done.stderr
    assert "SyntaxError: invalid syntax" in done.stderr
    assert "Traceback" not in done.stderr
    assert "2to3 -w" in book("print 'x'").stderr


def test_notebooks_get_arguments_and_the_flag(book):
    done = book("import sys, torch\nsys.argv[1:], torch.ones(1).cuda(async=True)[0]", flags=["--cpu"], arguments=["a"])
    assert done.stdout == "(['a'], 1.0)\n"


def test_older_notebooks_are_read(tmp_path):
    path = tmp_path / "old.ipynb"
    cells = [{"cell_type": "code", "input": ["1 +\\\n", " 1"]}, {"cell_type": "heading", "source": "x"}]
    path.write_text(json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}), encoding="utf-8")
    assert notebook.code_cells(path) == ["1 +\\\n 1"]


@pytest.mark.parametrize("content", ["[1]", "{}", "not json"])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    (tmp_path / "no.ipynb").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="not a notebook"):
        notebook.code_cells(tmp_path / "no.ipynb")


HOGWILD = """
import sys
import torch
import torch.multiprocessing as mp
from helper import factor

def work(tensor, place, queue):
    tensor[place] = factor * (place + 1)
    queue.put(str(type(tensor)))

if __name__ == "__main__":
    mp.set_start_method(sys.argv[1])
    tensor, queue = torch.zeros(2).share_memory_(), mp.Queue()
    processes = [mp.Process(target=work, args=(tensor, k, queue)) for k in range(2)]
    for p in processes:
        p.start()
    print(queue.get(), queue.get())
    for p in processes:
        p.join()
    print([p.exitcode for p in processes], tensor.tolist())
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_read_the_program_as_it_is_read(run, tmp_path, method):
    (tmp_path / "helper.py").write_text("def f(x):\n    return x.cuda(async=True)\n\nfactor = 3\n", encoding="utf-8")
    done = run(HOGWILD, method)
    assert done.stdout == "<class 'torch.FloatTensor'> <class 'torch.FloatTensor'>\n[0, 0] [3.0, 6.0]\n", done.stderr


LOADER = """
import sys, threading
import torch
import torch.multiprocessing as mp

class Net(torch.nn.Module):
    pass

def work(place):
    print(place, type(torch.load("net.pkl")).__name__, flush=True)

if __name__ == "__main__":
    torch.save(Net(), "net.pkl")
    for place, kind in (("thread", threading.Thread), ("process", mp.get_context(sys.argv[1]).Process)):
        worker = kind(target=work, args=(place,))
        worker.start()
        worker.join()
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_load_trusts_the_programs_files_in_threads_and_processes_too(run, method):
    done = run(LOADER, method)
    assert (done.stdout, done.stderr) == ("thread Net\nprocess Net\n", "")

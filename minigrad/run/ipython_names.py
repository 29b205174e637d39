"""What notebooks import from IPython, in plain text, where IPython is not installed.

`from IPython.display import clear_output, HTML, Image` stands at the top of many a notebook; run without a browser
there is nothing to clear and nothing to show but a line that says what would be there.
"""

import importlib.util
import sys
import types

_SHOWN = "Audio Code HTML Image JSON Javascript Latex Markdown Math Pretty SVG Video YouTubeVideo".split()


def display(*objects, **options):
    """Print each object as a notebook's `display` would in plain text."""
    for each in objects:
        print(repr(each))


def clear_output(wait=False):
    """Nothing: what was printed stays."""


def set_matplotlib_formats(*formats, **options):
    """Nothing: figures are drawn, not shown."""


class _Shell:
    """What `get_ipython()` returns: every magic, and every other call of it or of what it has, does nothing.

    It is false, as no shell is, to those who ask: matplotlib hooks itself into a shell to draw after each cell, and
    draws as in a script without one.
    """

    def __bool__(self):
        return False

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Shell()

    def __call__(self, *args, **kwargs):
        return None


def get_ipython():
    """The shell that runs the notebook: here one that does nothing."""
    return _Shell()


def _shown(name):
    def __init__(self, data=None, *args, **kwargs):
        self.data = data

    return type(name, (), {"__init__": __init__, "__repr__": lambda self: f"<IPython.core.display.{name} object>"})


def install():
    """Answer `import IPython` with this, unless it is installed."""
    if "IPython" in sys.modules or importlib.util.find_spec("IPython"):
        return
    names = {"display": display, "clear_output": clear_output, "set_matplotlib_formats": set_matplotlib_formats}
    names.update({name: _shown(name) for name in _SHOWN})
    parts = {"IPython.display": names, "IPython.core.display": names, "IPython.core": {}, "IPython": {}}
    for name, content in parts.items():
        module = sys.modules[name] = types.ModuleType(name, "IPython's names, in plain text.")
        vars(module).update(content, __path__=[])
    sys.modules["IPython"].get_ipython = get_ipython
    sys.modules["IPython"].version_info = (8, 24, 0, "")  # from here on matplotlib needs nothing else of IPython's
    sys.modules["IPython"].display, sys.modules["IPython"].core = (
        sys.modules["IPython.display"], sys.modules["IPython.core"],
    )  # fmt: skip
    sys.modules["IPython.core"].display = sys.modules["IPython.core.display"]

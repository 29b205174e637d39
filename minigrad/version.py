"""The package's version, as the era's programs ask for it: `version.__version__`, `version.cuda`."""

import sys

cuda = None
debug = False


def __getattr__(name):
    if name == "__version__":  # that of the API while `torch` is answered
        return sys.modules[__package__].__version__
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")

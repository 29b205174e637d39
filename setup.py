"""Build of the compiled core.

Everything that is not a compiled extension is declared in pyproject.toml. Three things need code:
the one table of Cython directives, the debug build, and the C sources that are compiled once per instruction set
(the right one is chosen when the program starts, so a wheel built here runs on any x86-64, ARM or other machine).
"""

import glob
import os
import platform
import re

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

DEBUG = os.environ.get("MINIGRAD_DEBUG", "0") == "1"

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "overflowcheck": False,
    "cdivision": not DEBUG,
    "embedsignature": True,
    "binding": True,
    "freethreading_compatible": False,
}

# NumPy's headers offer what the oldest NumPy had that they were ever meant for, unless told otherwise.
NUMPY_MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")]
MACROS = [*NUMPY_MACROS, ("MINIGRAD_DEBUG", "1") if DEBUG else ("CYTHON_WITHOUT_ASSERTIONS", None)]

# Exactly the features that minigrad/kernels/dispatch.h asks the processor for, under the names of the x86-64 levels
# they belong to; -march=x86-64-v3 would add a few that a program cannot ask for with every compiler.
INSTRUCTION_SETS = {"baseline": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    INSTRUCTION_SETS["v2"] = ["-msse4.2", "-mpopcnt"]
    INSTRUCTION_SETS["v3"] = ["-mavx2", "-mfma"]
    INSTRUCTION_SETS["v4"] = [*INSTRUCTION_SETS["v3"], "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]


# The C source that goes into an extension once per instruction set.
KERNELS = {
    "minigrad.kernels._elementwise": "minigrad/kernels/elementwise.c",
    "minigrad.kernels._recurrent": "minigrad/kernels/recurrent.c",
    "minigrad.kernels._dense": "minigrad/kernels/dense.c",
    "minigrad.kernels._optim": "minigrad/kernels/optim.c",
    "minigrad.kernels._rows": "minigrad/kernels/rows.c",
}

# The C sources that go into it as they are.
COMPILED_ONCE = {"minigrad.kernels._recurrent": ["minigrad/kernels/threads.c"]}


def kernel(name):
    """A module of minigrad/kernels together with what its kernel source is made of."""
    return Extension(
        name,
        [name.replace(".", "/") + ".pyx", *COMPILED_ONCE.get(name, ())],
        include_dirs=["minigrad/kernels"],
        libraries=[] if platform.system() == "Windows" else ["m"],
        depends=[KERNELS[name], *sorted(glob.glob("minigrad/kernels/*.h"))],
    )


# The NumPy that the extensions are compiled with, written as Python writes its own version: 0x02010000 for 2.1.0.
NUMPY_HEX_VERSION = "0x{:02x}{:02x}{:02x}00".format(*map(int, re.findall(r"\d+", numpy.__version__)[:3]))

EXTENSIONS = [
    Extension("minigrad._build", ["minigrad/_build.pyx"], define_macros=[("MG_NUMPY_HEX_VERSION", NUMPY_HEX_VERSION)]),
    Extension("minigrad._core", ["minigrad/_core.pyx"]),
    Extension(
        "minigrad.kernels._memory",
        ["minigrad/kernels/_memory.pyx"],
        include_dirs=["minigrad/kernels"],
        depends=["minigrad/kernels/blocks.h"],
    ),
    Extension(
        "minigrad.kernels._dispatch",
        ["minigrad/kernels/_dispatch.pyx"],
        include_dirs=["minigrad/kernels"],
        depends=["minigrad/kernels/dispatch.h"],
    ),
    *map(kernel, KERNELS),
]


def flags():
    """Portable flags: no -march here; sources compiled per instruction set add their own."""
    if platform.system() == "Windows":
        return ["/O2"]
    return ["-pthread", *(["-O0", "-g"] if DEBUG else ["-O2", "-g0"])]


class BuildExt(build_ext):
    def build_extensions(self):
        for extension in self.extensions:
            extension.extra_compile_args = flags() + extension.extra_compile_args
            if platform.system() != "Windows":
                extension.extra_link_args = ["-pthread", *extension.extra_link_args]
            extension.define_macros = MACROS + extension.define_macros
            extension.include_dirs = [numpy.get_include(), *extension.include_dirs]
        super().build_extensions()

    def build_extension(self, extension):
        parts = [*extension.sources, *extension.depends]
        if not self.force and not newer_group(parts, self.get_ext_fullpath(extension.name), "newer"):
            return
        for name, features in INSTRUCTION_SETS.items() if extension.name in KERNELS else ():
            extension.extra_objects += self.compiler.compile(
                [KERNELS[extension.name]],
                output_dir=os.path.join(self.build_temp, name),
                macros=[*MACROS, ("MG_SET", name)],
                extra_postargs=[
                    *flags(),
                    *([] if DEBUG else ["-O3"]),
                    "-ffp-contract=fast",
                    "-fno-math-errno",  # sqrt has a vector form only where it need not set errno
                    "-Wall",
                    "-Wextra",
                    *features,
                ],
            )
        super().build_extension(extension)


setup(
    ext_modules=cythonize(EXTENSIONS, compiler_directives=DIRECTIVES, nthreads=2 if os.cpu_count() > 1 else 0),
    cmdclass={"build_ext": BuildExt},
)

"""Build of the compiled core.

Everything that is not a compiled extension is declared in pyproject.toml. Three things need code:
the one table of Cython directives, the debug build, and the C sources that are compiled once per instruction set
(the right one is chosen when the program starts, so a wheel built here runs on any x86-64, ARM or other machine).
"""

import os
import platform

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

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

MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("CYTHON_WITHOUT_ASSERTIONS", None)]
if DEBUG:
    MACROS = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"), ("MINIGRAD_DEBUG", "1")]

EXTENSIONS = [
    Extension("minigrad._core", ["minigrad/_core.pyx"]),
]


def flags():
    """Portable flags: no -march here; sources compiled per instruction set add their own."""
    if platform.system() == "Windows":
        return ["/O2"]
    return ["-O0", "-g"] if DEBUG else ["-O2", "-g0"]


class BuildExt(build_ext):
    def build_extensions(self):
        for extension in self.extensions:
            extension.extra_compile_args = flags() + extension.extra_compile_args
            extension.define_macros = MACROS + extension.define_macros
            extension.include_dirs = [numpy.get_include(), *extension.include_dirs]
        super().build_extensions()


setup(
    ext_modules=cythonize(EXTENSIONS, compiler_directives=DIRECTIVES, nthreads=2 if os.cpu_count() > 1 else 0),
    cmdclass={"build_ext": BuildExt},
)

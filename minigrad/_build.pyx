"""What this build of minigrad is made of.

The facts come from the C compiler and the headers that compiled this very file, so they cannot be those of another
build. A leaf: it imports nothing.
"""

cdef extern from *:
    """
    #if defined(__clang__)
      #define MG_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
      #define MG_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
      #define MG_TEXT(x) #x
      #define MG_NUMBER(x) MG_TEXT(x)
      #define MG_COMPILER "MSVC " MG_NUMBER(_MSC_FULL_VER)
    #else
      #define MG_COMPILER "unknown"
    #endif
    #ifdef MINIGRAD_DEBUG
      #define MG_DEBUG 1
    #else
      #define MG_DEBUG 0
    #endif
    """
    const char* MG_COMPILER
    bint MG_DEBUG
    const char* PY_VERSION
    unsigned long CYTHON_HEX_VERSION
    unsigned long MG_NUMPY_HEX_VERSION


cdef str version(unsigned long number):
    """"3.1.2" from 0x030102F0, the way Python and Cython write their versions as one number."""
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}"


compiler = MG_COMPILER.decode().strip()
debug = bool(MG_DEBUG)
python = PY_VERSION.decode()
cython = version(CYTHON_HEX_VERSION)
numpy = version(MG_NUMPY_HEX_VERSION)

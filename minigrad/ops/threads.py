"""How many threads the kernels may use, for the rooms that do not see the kernels."""

from minigrad import kernels


def get_num_threads():
    """get_num_threads(): how many threads may share the work of one operation.

    At first the value of the environment variable MINIGRAD_NUM_THREADS, else that of OMP_NUM_THREADS, else the number
    of processors that this process may run on.
    """
    return kernels.get_num_threads()


def set_num_threads(number):
    """set_num_threads(number): at most this many threads share the work of one operation.

    The recurrent layers share work so; small work stays in the calling thread. Products outside them run in NumPy's
    BLAS, whose threads its own environment variables set before Python starts (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS).

    Raises TypeError unless number is an int, RuntimeError below 1.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"set_num_threads: number must be an int, got {type(number).__name__}")
    if number < 1:
        raise RuntimeError(f"set_num_threads: number must be at least 1, got {number}")
    kernels.set_num_threads(number)

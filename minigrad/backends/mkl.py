"""MKL: the products of matrices come from NumPy's BLAS, whichever that is."""


def is_available():
    """Whether the package itself is built with MKL: it is not."""
    return False

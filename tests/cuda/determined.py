"""What the mathematics leaves open in eigenvectors and singular vectors, settled: the libraries of CPU and GPU need not
agree on it, and both are right."""

import numpy as np

from minigrad._core import array_of, like
from minigrad.ops import arrays


def _host(value):
    return arrays.to_host(array_of(value))


def _largest(vectors):
    """Of each column the element of the largest magnitude."""
    return vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])]


def _turned(vectors, by):
    """The vectors with the signs that make the largest elements of `by` positive, which no derivative sees change."""
    signs = np.where(_largest(by) < 0, -1, 1).astype(by.dtype).reshape(1, -1)
    return vectors * like(vectors, arrays.beside(signs, array_of(vectors)))


def _eigen(values, vectors):
    """Complex eigenvalues in the order of their numbers, and vectors whose largest elements are positive, from the
    packed form."""
    found = values[:, 0] + 1j * values[:, 1]
    order = np.lexsort((found.imag, found.real))
    if not vectors.size:
        return [found[order], vectors]
    whole = vectors.astype(found.dtype)
    for j in np.flatnonzero(values[:, 1] > 0):
        whole[:, j + 1] *= 1j
        whole[:, j : j + 2] = np.stack([whole[:, j] + whole[:, j + 1], whole[:, j] - whole[:, j + 1]], 1)
    largest = _largest(whole)
    return [found[order], (whole * (np.abs(largest) / largest))[:, order]]


def determined(name, outputs):
    """The outputs of the operation without what is open: the signs of the vectors of `symeig`, of each pair of those of
    `svd`, and of `eig`, which has no derivative, complex factors and the order."""
    if name == "symeig":
        return [outputs[0], _turned(outputs[1], _host(outputs[1]))]
    if name == "svd":
        return [_turned(outputs[0], _host(outputs[0])), outputs[1], _turned(outputs[2], _host(outputs[0]))]
    if name == "eig":
        return _eigen(*map(_host, outputs))
    return outputs

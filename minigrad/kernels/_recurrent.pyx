"""Recurrent layers over whole packed sequences, on the CPU.

A layer in one direction is three things: one product for the input side of many steps at once, a loop over time that
only C sees, and in backward one product per weight over the rows of many steps. `stack_forward` and `stack_backward`
do all of it for layers on top of each other, `layer_forward` and `layer_backward` for one of them; `forward` and
`backward` are the loop alone. Everything is packed: an array has one row for each step of each sequence, time-major,
and batch_sizes[t] rows belong to step t (a plain (seq, batch) input is the special case of equal batch sizes, spelled
batch_sizes=None).

The four kinds share every line except the cells, which are in gates.h. What backward needs is kept in a
`SavedSequence`, whose arrays are as laid out by the kernel and of no interest outside.

Scratch is taken from and given back to the store of blocks.h, results come from that of `_memory`. Work that is worth
it is shared by the threads of threads.h.

In parts: this file has the threads, _recurrent_arrays.pxi what arrays must be and new ones, _recurrent_stack.pxi the
layers forward, _recurrent_back.pxi back, _recurrent_loop.pxi the loop alone.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import operator
import os

import numpy as np

cimport numpy as cnp

from minigrad.kernels._dispatch cimport chosen
from minigrad.kernels._memory cimport empty as result

cnp.import_array()


cdef extern from *:
    """
    #include "blocks.h"
    #include "recurrent.h"
    #include "threads.h"
    static const mg_recurrent_pair *const mg_tables[MG_SETS] = MG_TABLES(mg_recurrent_table);
    """
    enum:
        MG_RNN_TANH
        MG_RNN_RELU
        MG_LSTM
        MG_GRU
        MG_MOST_THREADS

    ctypedef struct mg_sequence:
        int kind, reverse, initial, at_rest, threads
        long near_bytes
        long steps, batch, hidden, rows, done, until, base, apart, stride
        const int64_t *batch_sizes
        const int64_t *offsets
        const void *w_hh
        const void *b_hh
        const void *h0
        const void *c0
        const void *gx
        void *gates
        void *b_n
        void *h
        void *c
        void *hn
        void *cn
        const void *d_h
        void *d_b
        void *d_h0
        void *d_c0
        const void *x
        const void *w_ih
        const void *b_ih
        long features

    ctypedef struct mg_product:
        long rows, width, depth
        const void *a
        const void *b
        int a_transposed, b_transposed
        long a_step, c_step
        const void *b_rest
        long split, b_step, rest_step
        const void *bias
        int accumulate
        void *c
        int keep, kept

    ctypedef struct mg_recurrent:
        size_t (*forward_scratch)(const mg_sequence *, int) noexcept nogil
        void (*prepare_forward)(const mg_sequence *, int, void *) noexcept nogil
        void (*forward)(const mg_sequence *, int, void *) noexcept nogil
        size_t (*backward_scratch)(const mg_sequence *, int) noexcept nogil
        void (*prepare_backward)(const mg_sequence *, int, void *) noexcept nogil
        void (*backward)(const mg_sequence *, int, void *) noexcept nogil
        void (*turn_to_recurrent_side)(const mg_sequence *) noexcept nogil
        void (*gather_previous)(const mg_sequence *, void *) noexcept nogil
        int (*finite)(long, long, const void *, long) noexcept nogil
        size_t (*product_plan)(mg_product *, int) noexcept nogil
        void (*product)(mg_product *, void *) noexcept nogil
        void (*sum_rows)(long, long, const void *, long, int, void *, int) noexcept nogil

    ctypedef struct mg_recurrent_pair:
        mg_recurrent of[2]

    long mg_wide(const mg_sequence *s) noexcept nogil
    long mg_steps_at_once(const mg_sequence *s, size_t item) noexcept nogil
    void mg_next_steps(mg_sequence *s, long count) noexcept nogil
    void mg_previous_steps(mg_sequence *s, long count) noexcept nogil
    long mg_first_row(const mg_sequence *s) noexcept nogil
    long mg_last_row(const mg_sequence *s) noexcept nogil
    long mg_gates_stride(const mg_sequence *s, size_t item) noexcept nogil
    const mg_recurrent_pair *mg_tables[]
    int mg_can_thread()
    void *mg_take(size_t) noexcept
    void mg_give(void *) noexcept


# How many threads may share the work of one call.
cdef int threads = 1


def set_num_threads(n):
    """Let at most `n` threads, the calling one included, share the work of one call. Raises ValueError unless n >= 1.

    Small work is not shared. The number is also the most parts that work is cut into, and sums may be rounded
    differently if they are cut differently; with the same number, the same work gives the same bits every time.
    """
    global threads
    cdef object wanted
    try:
        wanted = operator.index(n)
    except TypeError:
        raise TypeError(f"n must be an int, got {type(n).__name__}") from None
    if isinstance(n, bool):
        raise TypeError("n must be an int, got bool")
    if wanted < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    threads = min(wanted, MG_MOST_THREADS) if mg_can_thread() else 1


def get_num_threads():
    """How many threads may share the work of one call.

    At first the value of the environment variable MINIGRAD_NUM_THREADS, else that of OMP_NUM_THREADS, else the number
    of processors that this process may run on.
    """
    return threads


cdef void first_num_threads() except *:
    text = os.environ.get("MINIGRAD_NUM_THREADS", "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"the environment variable MINIGRAD_NUM_THREADS must be a positive integer, got {text!r}")
        set_num_threads(int(text))
        return
    # A list here is one number for each level of nesting. What else it may hold is not ours to judge.
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdecimal() and int(text) >= 1:
        set_num_threads(int(text))
    elif hasattr(os, "sched_getaffinity"):
        set_num_threads(len(os.sched_getaffinity(0)))
    else:
        set_num_threads(os.cpu_count() or 1)


first_num_threads()


cdef long near_bytes_here():
    """Three quarters of the second-level cache, or of 1 MiB if the system does not tell its size."""
    cdef object cache = 0
    if "SC_LEVEL2_CACHE_SIZE" in getattr(os, "sysconf_names", ()):
        try:
            cache = os.sysconf("SC_LEVEL2_CACHE_SIZE")
        except (OSError, ValueError):
            pass
    return (cache if cache > 0 else 1 << 20) // 4 * 3


cdef long near_bytes = near_bytes_here()

ctypedef cnp.ndarray array

KINDS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU")
cdef dict kind_numbers = {"RNN_TANH": MG_RNN_TANH, "RNN_RELU": MG_RNN_RELU, "LSTM": MG_LSTM, "GRU": MG_GRU}


cdef inline int gates_of(int kind) noexcept:
    return 4 if kind == MG_LSTM else 3 if kind == MG_GRU else 1


cdef inline int typenum_of(int type) noexcept:
    return cnp.NPY_FLOAT32 if type == 0 else cnp.NPY_FLOAT64


include "_recurrent_arrays.pxi"
include "_recurrent_stack.pxi"
include "_recurrent_back.pxi"
include "_recurrent_loop.pxi"

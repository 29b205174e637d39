"""The gate header as a scalar template, which is how a GPU compiles it, against the vector kernels made from it."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from minigrad import kernels

HEADERS = Path(kernels.__file__).parent
COMPILERS = [name for name in ("cc", "c++") if shutil.which(name)]

SOURCE = """
#define MG_VALUE {type}
#define MG_ELEMENT {type}
#define MG_NAME(name) name##_scalar
#include "gates.h"

#ifdef __cplusplus
extern "C" {{
#endif
void lstm({type} *v) {{ v[5] = lstm_forward_scalar(v, v + 1, v + 2, v + 3, v + 4); }}
void lstm_back({type} *v, {type} c0, {type} c, {type} dh)
{{
    lstm_backward_scalar(v, v + 1, v + 2, v + 3, c0, c, dh, v + 4);
}}
void gru({type} *v, {type} b_n, {type} h) {{ v[3] = gru_forward_scalar(v, v + 1, v + 2, b_n, h); }}
void gru_back({type} *v, {type} b_n, {type} h) {{ gru_backward_scalar(v, v + 1, v + 2, b_n, h, v + 3, v + 4); }}
void activations({type} *v)
{{
    v[0] = tanh_scalar(v[0]);
    v[1] = sigmoid_scalar(v[1]);
    v[2] = relu_scalar(v[2]);
    v[3] = relu_backward_scalar(v[3], v[4]);
}}
#ifdef __cplusplus
}}
#endif
"""


@pytest.fixture(params=[(c, t) for c in COMPILERS for t in ("float", "double")], ids="-".join)
def scalar(request, tmp_path):
    """call(name, in-and-out values, more values) of the header compiled for one type; returns the values."""
    compiler, ctype = request.param
    source = tmp_path / ("gates.c" if compiler == "cc" else "gates.cc")
    source.write_text(SOURCE.format(type=ctype))
    library = tmp_path / "gates.so"
    flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", f"-I{HEADERS}"]
    subprocess.run([compiler, *flags, str(source), "-o", str(library), "-lm"], check=True)
    loaded = ctypes.CDLL(str(library))
    number = ctypes.c_float if ctype == "float" else ctypes.c_double

    def call(name, values, *more):
        buffer = (number * 6)(*values)
        getattr(loaded, name)(buffer, *[number(m) for m in more])
        return list(buffer)

    call.dtype = np.float32 if ctype == "float" else np.float64
    return call


def test_scalar_cells_agree_with_the_kernels(scalar):
    rng = np.random.default_rng(1)
    hidden, dtype = 37, scalar.dtype
    tolerance = 20 * np.finfo(dtype).eps

    def random(*shape):
        return rng.normal(size=shape).astype(dtype)

    h0, c0, d_h, d_cn = random(4, 1, hidden)

    gx, b_hh = random(1, 4 * hidden), random(4 * hidden)
    no_weights = np.zeros((4 * hidden, hidden), dtype)
    h, _, c, saved = kernels.forward("LSTM", gx, h0, c0, no_weights, b_hh)
    d_a, _, _, d_c0, _ = kernels.backward("LSTM", saved, d_h, None, d_cn)
    for unit in range(hidden):
        forward = scalar("lstm", [*(gx[0] + b_hh)[unit::hidden], c0[0, unit]])
        np.testing.assert_allclose(forward[4:], [c[0, unit], h[0, unit]], rtol=tolerance, atol=tolerance)
        back = scalar("lstm_back", [*forward[:4], d_cn[0, unit]], c0[0, unit], c[0, unit], d_h[0, unit])
        np.testing.assert_allclose(back[:5], [*d_a[0, unit::hidden], d_c0[0, unit]], rtol=tolerance, atol=tolerance)

    gx, b_hh = random(1, 3 * hidden), random(3 * hidden)
    h, _, _, saved = kernels.forward("GRU", gx, h0, None, no_weights[: 3 * hidden], b_hh)
    d_a, d_b, d_h0, _, _ = kernels.backward("GRU", saved, d_h)
    for unit in range(hidden):
        b_n = b_hh[2 * hidden + unit]
        r, z, n = gx[0, unit::hidden] + [b_hh[unit], b_hh[hidden + unit], 0]
        forward = scalar("gru", [r, z, n], b_n, h0[0, unit])
        np.testing.assert_allclose(forward[3], h[0, unit], rtol=tolerance, atol=tolerance)
        back = scalar("gru_back", [*forward[:3], d_h[0, unit]], b_n, h0[0, unit])
        expected = [*d_a[0, unit::hidden], d_h0[0, unit], d_b[0, 2 * hidden + unit]]
        np.testing.assert_allclose(back[:5], expected, rtol=tolerance, atol=tolerance)


def test_scalar_activations_at_special_values(scalar):
    inf, nan = np.inf, np.nan
    for x, tanh, sigmoid, relu in ((inf, 1, 1, inf), (-inf, -1, 0, 0), (nan, nan, nan, nan), (-0.0, -0.0, 0.5, 0.0)):
        got = scalar("activations", [x, x, x, 3.0, x])
        np.testing.assert_array_equal(got[:4], [tanh, sigmoid, relu, 3.0 if x > 0 else 0.0])
        assert np.signbit(got[2]) == np.signbit(relu)

/* Gate mathematics of the recurrent cells, written once for every device.
 *
 * The formulas below are the whole definition of RNN, LSTM and GRU in this package. They are compiled for the CPU
 * with a vector as value type and for a GPU with a scalar, so the header is a template: whoever includes it says
 * which type it works on, and may include it again for another one.
 *
 *   MG_VALUE         what one variable holds: float, double, or a GCC vector of either
 *   MG_ELEMENT       its element type: float or double
 *   MG_NAME(name)    the name given to each function, for example name##_f32
 *   MG_FN            optional; "static inline" in C, "__device__ __forceinline__" in CUDA
 *   MG_VECTOR_MATH   defined when MG_NAME(select), MG_NAME(tanh) and MG_NAME(sigmoid) already exist (vecmath.h);
 *                    otherwise scalar versions are made here from the C library's
 *
 * Notation: `a` is the input side of a pre-activation, W_ih x + b_ih, and `b` the recurrent side, W_hh h + b_hh.
 * Both biases are kept because the GRU multiplies only its recurrent side by the reset gate.
 */

#ifndef MG_FN
#ifdef __CUDACC__
#define MG_FN static __device__ __forceinline__
#else
#define MG_FN static inline
#endif
#endif

#ifndef MG_VECTOR_MATH
#ifndef __CUDACC_RTC__
#include <math.h>
#endif
#define MG_SELECT(condition, yes, no) ((condition) ? (yes) : (no))

MG_FN MG_VALUE MG_NAME(tanh)(MG_VALUE x)
{
    return sizeof(MG_ELEMENT) == 4 ? (MG_VALUE)tanhf((float)x) : (MG_VALUE)tanh((double)x);
}

/* exp of a non-positive number only, so that neither tail overflows nor loses its digits. */
MG_FN MG_VALUE MG_NAME(sigmoid)(MG_VALUE x)
{
    MG_VALUE distance = x < 0 ? x : -x;
    MG_VALUE e = sizeof(MG_ELEMENT) == 4 ? (MG_VALUE)expf((float)distance) : (MG_VALUE)exp((double)distance);
    return (x < 0 ? e : (MG_ELEMENT)1) / ((MG_ELEMENT)1 + e);
}
#else
#define MG_SELECT(condition, yes, no) MG_NAME(select)((condition), (yes), (no))
#endif

/* The comparison is with <=, not >, so that NaN stays NaN and -0 becomes 0. */
MG_FN MG_VALUE MG_NAME(relu)(MG_VALUE x)
{
    MG_VALUE zero = {0};
    return MG_SELECT(x <= (MG_ELEMENT)0, zero, x);
}

/* Derivatives of the activations, given the gradient `g` of the result and the result `y` itself. */

MG_FN MG_VALUE MG_NAME(tanh_backward)(MG_VALUE g, MG_VALUE y)
{
    return g * ((MG_ELEMENT)1 - y * y);
}

MG_FN MG_VALUE MG_NAME(sigmoid_backward)(MG_VALUE g, MG_VALUE y)
{
    return g * (y * ((MG_ELEMENT)1 - y));
}

/* At y = 0 the derivative is taken to be 0. */
MG_FN MG_VALUE MG_NAME(relu_backward)(MG_VALUE g, MG_VALUE y)
{
    MG_VALUE zero = {0};
    return MG_SELECT(y > (MG_ELEMENT)0, g, zero);
}

/* LSTM:  i, f, o = sigmoid(a + b),  g = tanh(a + b),  c' = f c + i g,  h' = o tanh(c').
 * The four pre-activations come in and the four gates go out in the same variables. Cells in two halves, each for many
 * cells before the next, leave the processor more that it can do at once. */
MG_FN void MG_NAME(lstm_state)(MG_VALUE *i, MG_VALUE *f, MG_VALUE *g, MG_VALUE *o, MG_VALUE *c)
{
    *i = MG_NAME(sigmoid)(*i);
    *f = MG_NAME(sigmoid)(*f);
    *g = MG_NAME(tanh)(*g);
    *o = MG_NAME(sigmoid)(*o);
    *c = *f * *c + *i * *g;
}

MG_FN MG_VALUE MG_NAME(lstm_output)(MG_VALUE o, MG_VALUE c)
{
    return o * MG_NAME(tanh)(c);
}

MG_FN MG_VALUE MG_NAME(lstm_forward)(MG_VALUE *i, MG_VALUE *f, MG_VALUE *g, MG_VALUE *o, MG_VALUE *c)
{
    MG_NAME(lstm_state)(i, f, g, o, c);
    return MG_NAME(lstm_output)(*o, *c);
}

/* Gates come in and the gradients of their pre-activations go out in the same variables; `dc` comes in as the
 * gradient that reached c' from later steps and goes out as the gradient of c. */
MG_FN void MG_NAME(lstm_backward)(MG_VALUE *i, MG_VALUE *f, MG_VALUE *g, MG_VALUE *o, MG_VALUE c_previous, MG_VALUE c,
                                  MG_VALUE dh, MG_VALUE *dc)
{
    MG_VALUE squashed = MG_NAME(tanh)(c);
    MG_VALUE total = *dc + MG_NAME(tanh_backward)(dh * *o, squashed);
    MG_VALUE di = MG_NAME(sigmoid_backward)(total * *g, *i);
    MG_VALUE dg = MG_NAME(tanh_backward)(total * *i, *g);
    *dc = total * *f;
    *f = MG_NAME(sigmoid_backward)(total * c_previous, *f);
    *o = MG_NAME(sigmoid_backward)(dh * squashed, *o);
    *i = di;
    *g = dg;
}

/* GRU:  r, z = sigmoid(a + b),  n = tanh(a_n + r b_n),  h' = (1 - z) n + z h.
 * `r` and `z` come in as a + b, `n` as a_n; the gates go out in the same variables. In two halves, as above. */
MG_FN void MG_NAME(gru_gates)(MG_VALUE *r, MG_VALUE *z)
{
    *r = MG_NAME(sigmoid)(*r);
    *z = MG_NAME(sigmoid)(*z);
}

MG_FN MG_VALUE MG_NAME(gru_output)(MG_VALUE r, MG_VALUE z, MG_VALUE *n, MG_VALUE b_n, MG_VALUE h)
{
    *n = MG_NAME(tanh)(*n + r * b_n);
    return ((MG_ELEMENT)1 - z) * *n + z * h;
}

MG_FN MG_VALUE MG_NAME(gru_forward)(MG_VALUE *r, MG_VALUE *z, MG_VALUE *n, MG_VALUE b_n, MG_VALUE h)
{
    MG_NAME(gru_gates)(r, z);
    return MG_NAME(gru_output)(*r, *z, n, b_n, h);
}

/* Gates come in and the gradients of a go out in the same variables; those of b differ only in the n part, `db_n`.
 * `dh` comes in as the gradient of h' and goes out as the part of the gradient of h that bypasses W_hh. */
MG_FN void MG_NAME(gru_backward)(MG_VALUE *r, MG_VALUE *z, MG_VALUE *n, MG_VALUE b_n, MG_VALUE h, MG_VALUE *dh,
                                 MG_VALUE *db_n)
{
    MG_VALUE dn = MG_NAME(tanh_backward)(*dh * ((MG_ELEMENT)1 - *z), *n);
    MG_VALUE dz = MG_NAME(sigmoid_backward)(*dh * (h - *n), *z);
    *db_n = dn * *r;
    *dh = *dh * *z;
    *r = MG_NAME(sigmoid_backward)(dn * b_n, *r);
    *z = dz;
    *n = dn;
}

/* The step of each optimiser, written once for every device.
 *
 * The loops below are the whole definition of the compiled steps; their equations, and what the arrays and numbers are,
 * stand in minigrad/ops/update.py. They are compiled for the CPU, once per instruction set, and for a GPU, so the
 * header is a template: whoever includes it says which type it works on, and may include it again for another one.
 *
 *   MG_ELEMENT        the element type: float or double
 *   MG_OPTIM(name)    the name given to each function, for example name##_f32
 *   MG_SQRT, MG_ABS   the functions of MG_ELEMENT
 *   MG_EACH(i)        optional; the head of the loop over start <= i < end. By default it visits every element, and the
 *                     compiler makes vectors of it, and of a loop with an option inside one loop for each value of the
 *                     option. On a GPU the threads of a block share the elements (cuda/optim.cu).
 *   MG_FN             optional; as in gates.h
 *
 * An array that an option leaves out is NULL. None overlaps another.
 */
#ifndef MG_FN
#ifdef __CUDACC__
#define MG_FN static __device__ __forceinline__
#else
#define MG_FN static inline
#endif
#endif

#ifndef MG_EACH
#define MG_EACH(i) for (long long i = start; i < end; i++)
#endif

#define MG_ARRAY(k) ((MG_ELEMENT *)arrays[k])
#define MG_NUMBER(k) ((MG_ELEMENT)numbers[k])

MG_FN void MG_OPTIM(sgd)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict g = MG_ARRAY(1), *__restrict buffer = MG_ARRAY(2);
    const MG_ELEMENT keep = (MG_ELEMENT)(1 - numbers[0]), lr = MG_NUMBER(1), momentum = MG_NUMBER(2);
    const MG_ELEMENT decay = MG_NUMBER(4);
    const int nesterov = numbers[3] != 0;
    MG_EACH(i) {
        MG_ELEMENT d = g[i];
        if (decay != 0)
            g[i] = d += p[i] * decay;
        if (buffer) {
            MG_ELEMENT b = buffer[i] = buffer[i] * momentum + d * keep;
            d = nesterov ? d + b * momentum : b;
        }
        p[i] -= d * lr;
    }
}

MG_FN void MG_OPTIM(adam)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict m = MG_ARRAY(2), *__restrict v = MG_ARRAY(3);
    const MG_ELEMENT *__restrict g = MG_ARRAY(1);
    const MG_ELEMENT rate = MG_NUMBER(0), eps = MG_NUMBER(3), decay = MG_NUMBER(4);
    const MG_ELEMENT beta1 = MG_NUMBER(1), rest1 = (MG_ELEMENT)(1 - numbers[1]);
    const MG_ELEMENT beta2 = MG_NUMBER(2), rest2 = (MG_ELEMENT)(1 - numbers[2]);
    MG_EACH(i) {
        MG_ELEMENT d = decay != 0 ? g[i] + p[i] * decay : g[i];
        m[i] = m[i] * beta1 + d * rest1;
        v[i] = v[i] * beta2 + d * d * rest2;
        p[i] -= m[i] / (MG_SQRT(v[i]) + eps) * rate;
    }
}

MG_FN void MG_OPTIM(adamax)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict m = MG_ARRAY(2), *__restrict u = MG_ARRAY(3);
    const MG_ELEMENT *__restrict g = MG_ARRAY(1);
    const MG_ELEMENT rate = MG_NUMBER(0), beta2 = MG_NUMBER(2), eps = MG_NUMBER(3), decay = MG_NUMBER(4);
    const MG_ELEMENT beta1 = MG_NUMBER(1), rest1 = (MG_ELEMENT)(1 - numbers[1]);
    MG_EACH(i) {
        MG_ELEMENT d = decay != 0 ? g[i] + p[i] * decay : g[i];
        MG_ELEMENT now = MG_ABS(d) + eps, before = u[i] * beta2;
        m[i] = m[i] * beta1 + d * rest1;
        u[i] = before > now || before != before ? before : now; /* NaN stays, whichever of them it is */
        p[i] -= m[i] / u[i] * rate;
    }
}

MG_FN void MG_OPTIM(adagrad)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict sum = MG_ARRAY(2);
    const MG_ELEMENT *__restrict g = MG_ARRAY(1);
    const MG_ELEMENT rate = MG_NUMBER(0), decay = MG_NUMBER(1);
    MG_EACH(i) {
        MG_ELEMENT d = decay != 0 ? g[i] + p[i] * decay : g[i];
        sum[i] += d * d;
        p[i] -= d / (MG_SQRT(sum[i]) + (MG_ELEMENT)1e-10) * rate;
    }
}

MG_FN void MG_OPTIM(adadelta)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict square = MG_ARRAY(2), *__restrict change = MG_ARRAY(3);
    const MG_ELEMENT *__restrict g = MG_ARRAY(1);
    const MG_ELEMENT lr = MG_NUMBER(0), rho = MG_NUMBER(1), rest = (MG_ELEMENT)(1 - numbers[1]);
    const MG_ELEMENT eps = MG_NUMBER(2), decay = MG_NUMBER(3);
    MG_EACH(i) {
        MG_ELEMENT d = decay != 0 ? g[i] + p[i] * decay : g[i];
        square[i] = square[i] * rho + d * d * rest;
        d *= MG_SQRT(change[i] + eps) / MG_SQRT(square[i] + eps);
        change[i] = change[i] * rho + d * d * rest;
        p[i] -= d * lr;
    }
}

MG_FN void MG_OPTIM(rmsprop)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict square = MG_ARRAY(2), *__restrict mean = MG_ARRAY(3);
    MG_ELEMENT *__restrict buffer = MG_ARRAY(4);
    const MG_ELEMENT *__restrict g = MG_ARRAY(1);
    const MG_ELEMENT lr = MG_NUMBER(0), alpha = MG_NUMBER(1), rest = (MG_ELEMENT)(1 - numbers[1]), eps = MG_NUMBER(2);
    const MG_ELEMENT momentum = MG_NUMBER(3), decay = MG_NUMBER(4);
    MG_EACH(i) {
        MG_ELEMENT d = decay != 0 ? g[i] + p[i] * decay : g[i], variance;
        variance = square[i] = square[i] * alpha + d * d * rest;
        if (mean) {
            mean[i] = mean[i] * alpha + d * rest;
            variance -= mean[i] * mean[i];
            variance = variance < 0 ? 0 : variance; /* rounding alone makes it negative */
        }
        d /= MG_SQRT(variance) + eps;
        if (buffer)
            d = buffer[i] = buffer[i] * momentum + d;
        p[i] -= d * lr;
    }
}

MG_FN void MG_OPTIM(asgd)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict average = MG_ARRAY(2);
    const MG_ELEMENT *__restrict g = MG_ARRAY(1);
    const MG_ELEMENT eta = MG_NUMBER(0), mu = MG_NUMBER(1), decay = MG_NUMBER(3);
    const MG_ELEMENT shrink = (MG_ELEMENT)(1 - numbers[2] * numbers[0]);
    MG_EACH(i) {
        MG_ELEMENT d = decay != 0 ? g[i] + p[i] * decay : g[i];
        p[i] = p[i] * shrink - d * eta;
        average[i] = mu == 1 ? p[i] : average[i] + (p[i] - average[i]) * mu;
    }
}

MG_FN void MG_OPTIM(rprop)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict p = MG_ARRAY(0), *__restrict previous = MG_ARRAY(2), *__restrict size = MG_ARRAY(3);
    const MG_ELEMENT *__restrict g = MG_ARRAY(1);
    const MG_ELEMENT shrink = MG_NUMBER(0), grow = MG_NUMBER(1), smallest = MG_NUMBER(2), largest = MG_NUMBER(3);
    MG_EACH(i) {
        MG_ELEMENT agree = g[i] * previous[i], d = agree < 0 ? 0 : g[i];
        MG_ELEMENT s = size[i] * (agree > 0 ? grow : agree < 0 ? shrink : 1);
        s = s < smallest ? smallest : s;
        s = s > largest ? largest : s;
        size[i] = s;
        previous[i] = d;
        p[i] -= (d > 0 ? 1 : d < 0 ? -1 : d) * s; /* the sign of NaN is NaN */
    }
}

MG_FN void MG_OPTIM(add_scaled)(void *const *arrays, const double *numbers, long long start, long long end)
{
    MG_ELEMENT *__restrict x = MG_ARRAY(0);
    const MG_ELEMENT *__restrict y = MG_ARRAY(1);
    const MG_ELEMENT factor = MG_NUMBER(0);
    MG_EACH(i)
        x[i] += y[i] * factor;
}

#undef MG_ARRAY
#undef MG_NUMBER

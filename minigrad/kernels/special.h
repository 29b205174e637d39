/* Special functions of one double, and loops of them over contiguous arrays of float or double.
 *
 * erf and lgamma are the C library's. lgamma itself stores the sign of the gamma function in a global variable, which
 * threads would write at once; lgamma_r leaves it with the caller. Floats are widened and the result is rounded once,
 * so that float results are within a hair of half a unit in the last place.
 *
 * erfinv:    the closed form of Winitzki (A handy approximation for the error function and its inverse, 2008), good to
 *            2e-3, and two steps of Halley's method on erf(y) - x, each of which triples the number of right digits
 *            (a third in the tails, where the first step gains less). Beyond 1/2 the residual comes from erfc, since
 *            erf has none of the digits that the tail is made of.
 * digamma:   the asymptotic series (Abramowitz and Stegun 6.3.18) from 10 on, the recurrence psi(x) = psi(x+1) - 1/x
 *            below, the reflection psi(x) = psi(1-x) - pi cot(pi x) for negative x. -inf at 0, inf at -0, nan at the
 *            other poles, whose two sides disagree.
 * trigamma:  the same of its derivative (6.4.12, 6.4.6, 6.4.7); inf at every pole.
 */
#ifndef MG_SPECIAL_H
#define MG_SPECIAL_H
#include <math.h>

extern double lgamma_r(double x, int *sign); /* POSIX; <math.h> hides it in strict C */

#define MG_PI 3.14159265358979323846

static double mg_erf(double x)
{
    return erf(x);
}

static double mg_lgamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

static double mg_erfinv(double x)
{
    const double a = 0.147;
    double z = fabs(x);
    if (!(z < 1))
        return z == 1 ? copysign(HUGE_VAL, x) : NAN;
    double l = log1p(-z * z), half = 2 / (MG_PI * a) + l / 2, root = sqrt(half * half - l / a);
    /* root - half, without cancellation */
    double y = sqrt(half > 0 ? -l / a / (root + half) : root - half);
    for (int steps = z > 0.9 ? 3 : 2; steps > 0; steps--) {
        double excess = z > 0.5 ? (1 - z) - erfc(y) : erf(y) - z;
        double newton = excess * (sqrt(MG_PI) / 2) * exp(y * y);
        y -= newton / (1 + y * newton);
    }
    return copysign(y, x);
}

/* sin(pi x) and cos(pi x) from the exact distance to the nearest whole number; x is no whole number. */
static double mg_cot_pi(double x)
{
    double r = x - rint(x);
    return fabs(r) < 0.25 ? 1 / tan(MG_PI * r) : copysign(tan(MG_PI * (0.5 - fabs(r))), r);
}

static double mg_digamma(double x)
{
    if (x == 0)
        return copysign(HUGE_VAL, -x);
    if (x < 0)
        return isinf(x) || x == floor(x) ? NAN : mg_digamma(1 - x) - MG_PI * mg_cot_pi(x);
    if (isinf(x))
        return x;
    double below = 0;
    for (; x < 10; x += 1)
        below += 1 / x;
    double s = 1 / (x * x);
    double series = s * (1. / 12 - s * (1. / 120 - s * (1. / 252 - s * (1. / 240 - s * (1. / 132 -
                    s * (691. / 32760 - s * (1. / 12)))))));
    return log(x) - 0.5 / x - series - below;
}

static double mg_trigamma(double x)
{
    if (x <= 0) {
        if (isinf(x))
            return NAN;
        if (x == floor(x))
            return HUGE_VAL;
        double sine = sin(MG_PI * (x - rint(x)));
        return MG_PI * MG_PI / (sine * sine) - mg_trigamma(1 - x);
    }
    if (isinf(x))
        return 0;
    double below = 0;
    for (; x < 15; x += 1)
        below += 1 / (x * x);
    double s = 1 / (x * x);
    double series = 1. / 6 - s * (1. / 30 - s * (1. / 42 - s * (1. / 30 - s * (5. / 66 -
                    s * (691. / 2730 - s * (7. / 6))))));
    return below + 1 / x + s / 2 + series * s / x;
}

enum { MG_ERF, MG_ERFINV, MG_LGAMMA, MG_DIGAMMA, MG_TRIGAMMA };

static inline double mg_special(int function, double x)
{
    switch (function) {
    case MG_ERF:
        return mg_erf(x);
    case MG_ERFINV:
        return mg_erfinv(x);
    case MG_LGAMMA:
        return mg_lgamma(x);
    case MG_DIGAMMA:
        return mg_digamma(x);
    default:
        return mg_trigamma(x);
    }
}

/* out[i] = f(a[i]) for i < n; `narrow`: the arrays are of float. */
static void mg_special_loop(int function, int narrow, void *out, const void *a, long n)
{
    if (narrow)
        for (long i = 0; i < n; i++)
            ((float *)out)[i] = (float)mg_special(function, ((const float *)a)[i]);
    else
        for (long i = 0; i < n; i++)
            ((double *)out)[i] = mg_special(function, ((const double *)a)[i]);
}
#endif

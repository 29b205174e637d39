/* Loops over the rows of a matrix of one element type; included by rows.c for each. */
#include "vecmath.h"

/* Elements j to j + MG_LANES of a row; -inf beyond its end, which is no maximum and whose exponential is 0. */
MG_FN MG_VALUE MG_NAME(load_scores)(const MG_ELEMENT *row, long j, long columns)
{
    static const MG_NAME(mg_integer) numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    MG_BITS lane;
    if (columns - j >= MG_LANES)
        return MG_NAME(load)(row + j);
    memcpy(&lane, numbers, sizeof lane);
    return MG_NAME(select)(lane < (MG_NAME(mg_integer))(columns - j), MG_NAME(load_part)(row + j, columns - j),
                           MG_NAME(splat)((MG_ELEMENT)-INFINITY));
}

/* The greatest element of a row; of NaN it knows nothing, the sum of exponentials does. */
MG_FN MG_ELEMENT MG_NAME(greatest)(const MG_ELEMENT *row, long columns)
{
    MG_VALUE most = MG_NAME(splat)((MG_ELEMENT)-INFINITY), x;
    for (long j = 0; j < columns; j += MG_LANES) {
        x = MG_NAME(load_scores)(row, j, columns);
        most = MG_NAME(select)(x > most, x, most);
    }
    MG_ELEMENT found = most[0];
    for (long lane = 1; lane < MG_LANES; lane++)
        found = most[lane] > found ? most[lane] : found;
    return found;
}

MG_FN MG_ELEMENT MG_NAME(sum_of_lanes)(MG_VALUE x)
{
    for (long half = MG_LANES / 2; half > 0; half /= 2)
        for (long lane = 0; lane < half; lane++)
            x[lane] += x[lane + half];
    return x[0];
}

MG_FN MG_ELEMENT MG_NAME(sum_of_powers)(const MG_ELEMENT *row, MG_ELEMENT most, long columns)
{
    MG_VALUE sum = {0};
    for (long j = 0; j < columns; j += MG_LANES)
        sum += MG_NAME(exp)(MG_NAME(load_scores)(row, j, columns) - most);
    return MG_NAME(sum_of_lanes)(sum);
}

static void MG_NAME(softmax)(void *out, const void *from, long rows, long columns)
{
    for (long i = 0; i < rows; i++) {
        const MG_ELEMENT *x = (const MG_ELEMENT *)from + i * columns;
        MG_ELEMENT *y = (MG_ELEMENT *)out + i * columns, most = MG_NAME(greatest)(x, columns);
        MG_VALUE sum = {0}, power;
        for (long j = 0; j < columns; j += MG_LANES) {
            sum += power = MG_NAME(exp)(MG_NAME(load_scores)(x, j, columns) - most);
            MG_NAME(store_upto)(y + j, power, columns - j);
        }
        MG_ELEMENT whole = MG_NAME(sum_of_lanes)(sum);
        for (long j = 0; j < columns; j++)
            y[j] /= whole;
    }
}

static void MG_NAME(log_softmax)(void *out, const void *from, long rows, long columns)
{
    for (long i = 0; i < rows; i++) {
        const MG_ELEMENT *x = (const MG_ELEMENT *)from + i * columns;
        MG_ELEMENT *y = (MG_ELEMENT *)out + i * columns, most = MG_NAME(greatest)(x, columns);
        MG_ELEMENT logarithm = MG_LOG(MG_NAME(sum_of_powers)(x, most, columns));
        for (long j = 0; j < columns; j++)
            y[j] = x[j] - most - logarithm;
    }
}

static void MG_NAME(softmax_backward)(void *out, const void *gradient, const void *result, long rows, long columns)
{
    for (long i = 0; i < rows; i++) {
        const MG_ELEMENT *g = (const MG_ELEMENT *)gradient + i * columns, *y = (const MG_ELEMENT *)result + i * columns;
        MG_ELEMENT *d = (MG_ELEMENT *)out + i * columns;
        MG_VALUE sum = {0};
        for (long j = 0; j < columns; j += MG_LANES)
            sum += MG_NAME(load_upto)(g + j, columns - j) * MG_NAME(load_upto)(y + j, columns - j);
        MG_ELEMENT whole = MG_NAME(sum_of_lanes)(sum);
        for (long j = 0; j < columns; j++)
            d[j] = y[j] * (g[j] - whole);
    }
}

static void MG_NAME(log_softmax_backward)(void *out, const void *gradient, const void *result, long rows, long columns)
{
    for (long i = 0; i < rows; i++) {
        const MG_ELEMENT *g = (const MG_ELEMENT *)gradient + i * columns, *y = (const MG_ELEMENT *)result + i * columns;
        MG_ELEMENT *d = (MG_ELEMENT *)out + i * columns;
        MG_VALUE sum = {0};
        for (long j = 0; j < columns; j += MG_LANES)
            sum += MG_NAME(load_upto)(g + j, columns - j);
        MG_ELEMENT whole = MG_NAME(sum_of_lanes)(sum);
        for (long j = 0; j < columns; j += MG_LANES)
            MG_NAME(store_upto)(d + j, MG_NAME(load_upto)(g + j, columns - j) -
                                           MG_NAME(exp)(MG_NAME(load_upto)(y + j, columns - j)) * whole, columns - j);
    }
}

/* The weight of row i; 0 if it is ignored. */
MG_FN MG_ELEMENT MG_NAME(weight_of)(const mg_classes *classes, long i)
{
    int64_t target = classes->target[i];
    if (classes->ignores && target == classes->ignored)
        return 0;
    return classes->weight ? ((const MG_ELEMENT *)classes->weight)[target] : 1;
}

/* What the gradient of each loss is multiplied with for its share in the mean. */
MG_FN MG_ELEMENT MG_NAME(share)(const mg_classes *classes, int average, long rows)
{
    double sum = 0;
    for (long i = 0; average && i < rows; i++)
        sum += MG_NAME(weight_of)(classes, i);
    return (MG_ELEMENT)(sum != 0 ? 1 / sum : 1);
}

static double MG_NAME(nll)(const void *from, mg_classes classes, void *losses, double *weights, long rows, long columns)
{
    const MG_ELEMENT *x = from;
    double total = 0, sum = 0;
    for (long i = 0; i < rows; i++, x += columns) {
        MG_ELEMENT weight = MG_NAME(weight_of)(&classes, i), loss = 0;
        if (weight != 0)
            loss = -x[classes.target[i]] * weight;
        sum += weight;
        total += loss;
        if (losses)
            ((MG_ELEMENT *)losses)[i] = loss;
    }
    *weights = sum;
    return total;
}

static double MG_NAME(cross_entropy)(const void *from, mg_classes classes, void *losses, double *weights, void *kept,
                                     long rows, long columns)
{
    const MG_ELEMENT *x = from;
    MG_ELEMENT *keep = kept;
    double total = 0, sum = 0;
    for (long i = 0; i < rows; i++, x += columns) {
        MG_ELEMENT weight = MG_NAME(weight_of)(&classes, i), loss = 0;
        if (weight != 0) {
            MG_ELEMENT most = keep[2 * i] = MG_NAME(greatest)(x, columns);
            keep[2 * i + 1] = MG_NAME(sum_of_powers)(x, most, columns);
            loss = (MG_LOG(keep[2 * i + 1]) - (x[classes.target[i]] - most)) * weight;
        }
        sum += weight;
        total += loss;
        if (losses)
            ((MG_ELEMENT *)losses)[i] = loss;
    }
    *weights = sum;
    return total;
}

static void MG_NAME(nll_backward)(void *out, const void *gradient, int single, int average, mg_classes classes,
                                  long rows, long columns)
{
    const MG_ELEMENT *g = gradient, scale = MG_NAME(share)(&classes, average, rows);
    MG_ELEMENT *d = out;
    memset(out, 0, (size_t)(rows * columns) * sizeof *d);
    for (long i = 0; i < rows; i++, d += columns) {
        MG_ELEMENT weight = MG_NAME(weight_of)(&classes, i);
        if (weight != 0)
            d[classes.target[i]] = -g[single ? 0 : i] * (weight * scale);
    }
}

static void MG_NAME(cross_entropy_backward)(void *out, const void *from, const void *kept, const void *gradient,
                                            int single, int average, mg_classes classes, long rows, long columns)
{
    const MG_ELEMENT *x = from, *keep = kept, *g = gradient, scale = MG_NAME(share)(&classes, average, rows);
    MG_ELEMENT *d = out;
    for (long i = 0; i < rows; i++, x += columns, d += columns) {
        MG_ELEMENT weight = MG_NAME(weight_of)(&classes, i);
        if (weight == 0) {
            memset(d, 0, (size_t)columns * sizeof *d);
            continue;
        }
        MG_ELEMENT slope = g[single ? 0 : i] * (weight * scale), most = keep[2 * i], share = slope / keep[2 * i + 1];
        for (long j = 0; j < columns; j += MG_LANES) {
            const MG_VALUE power = MG_NAME(exp)(MG_NAME(load_upto)(x + j, columns - j) - most);
            MG_NAME(store_upto)(d + j, power * share, columns - j);
        }
        d[classes.target[i]] -= slope;
    }
}

static void MG_NAME(add_rows)(void *out, const void *from, const int64_t *index, long rows, long columns)
{
    const MG_ELEMENT *x = from;
    for (long i = 0; i < rows; i++, x += columns) {
        MG_ELEMENT *to = (MG_ELEMENT *)out + index[i] * columns;
        for (long j = 0; j < columns; j++)
            to[j] += x[j];
    }
}

// Sines and cosines of whole registers.
#pragma once
#include <cmath>
#include <cstdint>

#include "lanes.hpp"

namespace bitket::BITKET_NAMESPACE {
typedef int64_t i64x8 __attribute__((vector_size(64)));

// Reduction by multiples of pi/2 in three parts and the minimax polynomials of the Cephes library (S. L. Moshier).
inline void sine_cosine(f64x8 h, f64x8& sine, f64x8& cosine) {
    constexpr double round = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
    const f64x8 k = (h * M_2_PI + round) - round;
    const f64x8 r = ((h - k * 1.57079625129699707031) - k * 7.54978941586159635335e-8) - k * 5.39030285815811905290e-15;
    const f64x8 z = r * r;
    const f64x8 s = r + r * z * (((((1.58962301576546568060e-10 * z - 2.50507477628578072866e-8) * z + 2.75573136214857245213e-6) * z -
                                   1.98412698295895385996e-4) * z + 8.33333333332211858878e-3) * z - 1.66666666666666307295e-1);
    const f64x8 c = 1.0 - 0.5 * z + z * z * (((((-1.13585365213876817300e-11 * z + 2.08757008419747316778e-9) * z -
                                                2.75573141792967388112e-7) * z + 2.48015872888517045348e-5) * z -
                                              1.38888888888730564116e-3) * z + 4.16666666666665929218e-2);
    const i64x8 q = __builtin_convertvector(k, i64x8);
    const i64x8 odd = -(q & 1), sine_sign = (q & 2) << 62, cosine_sign = ((q + 1) & 2) << 62;
    sine = (f64x8)(((odd & (i64x8)c) | (~odd & (i64x8)s)) ^ sine_sign);
    cosine = (f64x8)(((odd & (i64x8)s) | (~odd & (i64x8)c)) ^ cosine_sign);
}

}  // namespace bitket::BITKET_NAMESPACE

// Walks of Pauli-transfer vectors, forwards and back; see transfer.hpp.
#include "transfer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "lanes.hpp"
#include "pool.hpp"
#include "sine.hpp"

#define INLINE [[gnu::always_inline]] inline
#define INLINE_LAMBDA __attribute__((always_inline))

namespace bitket::BITKET_NAMESPACE {
namespace {

constexpr int kPairs[4][2] = {{0, 0}, {2, 3}, {3, 1}, {1, 2}};  // a rotation about an axis: p' = c p - s q, q' = s p + c q

// -- one digit --------------------------------------------------------------------------------------------------------
// x <- M x for the four components of a digit. `Scaled`: the first row is (m00, 0, 0, 0), not (1, 0, 0, 0).
template <int Kind, bool Scaled, class V>
INLINE void apply(V& x0, V& x1, V& x2, V& x3, const V* m) {
    if constexpr (Kind == 1) {
        const V y = m[10] * x2 + m[11] * x3;
        x3 = m[14] * x2 + m[15] * x3; x2 = y; x1 *= m[5];
    } else if constexpr (Kind == 2) {
        const V y = m[15] * x3 + m[13] * x1;
        x1 = m[7] * x3 + m[5] * x1; x3 = y; x2 *= m[10];
    } else if constexpr (Kind == 3) {
        const V y = m[5] * x1 + m[6] * x2;
        x2 = m[9] * x1 + m[10] * x2; x1 = y; x3 *= m[15];
    } else {
        V y1 = m[5] * x1 + m[6] * x2 + m[7] * x3, y2 = m[9] * x1 + m[10] * x2 + m[11] * x3, y3 = m[13] * x1 + m[14] * x2 + m[15] * x3;
        if constexpr (Kind == 5) { y1 += m[4] * x0; y2 += m[8] * x0; y3 += m[12] * x0; }
        x1 = y1; x2 = y2; x3 = y3;
    }
    if constexpr (Scaled) x0 *= m[0];
}

// l <- transpose(M) l, and the correlation g_ij += l_i x_j before it, for the four values of the other digit.
template <int Kind, int Step, int Other, class V>
INLINE void back(const V* x, V* l, const V* m, V* g) {
    constexpr int first = Kind == 5 ? 0 : 1;
    if (g)
#pragma GCC unroll 3
        for (int i = 1; i < 4; ++i)
#pragma GCC unroll 4
            for (int j = first; j < 4; ++j) {
                if (Kind < 4 && (i == Kind) != (j == Kind)) continue;
                V sum = l[i * Step] * x[j * Step];
#pragma GCC unroll 3
                for (int o = 1; o < 4; ++o) sum += l[i * Step + o * Other] * x[j * Step + o * Other];
                g[4 * i + j] += sum;
            }
    const V t[16] = {m[0], m[4], m[8], m[12], m[1], m[5], m[9], m[13], m[2], m[6], m[10], m[14], m[3], m[7], m[11], m[15]};
#pragma GCC unroll 4
    for (int o = 0; o < 4; ++o) {
        V* y = l + o * Other;
        if constexpr (Kind == 5) y[0] += t[1] * y[Step] + t[2] * y[2 * Step] + t[3] * y[3 * Step];
        apply<(Kind < 4 ? Kind : 4), false>(y[0], y[Step], y[2 * Step], y[3 * Step], t);
    }
}

// -- matrices of maps -------------------------------------------------------------------------------------------------
// One sample of each lane, or one sample in all lanes.
template <class T>
struct Sample {
    using V = typename lanes<T>::type;
    static constexpr int L = lanes<T>::count;
    const TransferPlan& plan;
    const TransferArrays<T>& a;
    int64_t first;
    int present;  // samples in the lanes; 0: one in all

    void sine_cosine_of(const TransferFactor& f, V& s, V& c) const {
        alignas(64) double angle[L] = {};
        const int count = std::max(present, 1);
        for (int l = 0; l < count; ++l) angle[l] = f.value * (f.row < 0 ? 1.0 : a.angles[(first + l) * plan.num_slots + f.row]);
        for (int part = 0; part < (present ? L : 1); part += 8) {
            f64x8 h, sine, cosine;
            std::memcpy(&h, angle + part, sizeof h);
            sine_cosine(h, sine, cosine);
            for (int l = 0; l < 8; ++l) {
                if (std::abs(h[l]) > 1e6) { sine[l] = std::sin(h[l]); cosine[l] = std::cos(h[l]); }
                s[part + l] = static_cast<T>(sine[l]);
                c[part + l] = static_cast<T>(cosine[l]);
            }
        }
        if (!present) { s = V{} + s[0]; c = V{} + c[0]; }
    }

    void add(int row, V g, double factor, double* shared) const {
        if (present) {
            for (int l = 0; l < present; ++l) a.gradient[(first + l) * plan.num_slots + row] += static_cast<T>(factor) * g[l];
        } else {
            double sum = 0;
            for (int l = 0; l < L; ++l) sum += g[l];
            shared[row] += factor * sum;
        }
    }

    // The product m of a map's factors; with `prefix`, also the product up to each factor, and its sine and cosine.
    void compose(const TransferOne& one, V* m, V* prefix = nullptr, V* angles = nullptr) const {
        const int columns = one.kind == 5 ? 0 : 1;
        for (int k = 0; k < 16; ++k) m[k] = V{} + T(k % 5 == 0);
        for (int f = one.first; f < one.last; ++f) {
            const TransferFactor& factor = plan.factors[f];
            if (factor.axis) {
                V s, c;
                sine_cosine_of(factor, s, c);
                V *p = m + 4 * kPairs[factor.axis][0], *q = m + 4 * kPairs[factor.axis][1];
                for (int j = columns; j < 4; ++j) {
                    const V y = c * p[j] - s * q[j];
                    q[j] = s * p[j] + c * q[j];
                    p[j] = y;
                }
                if (prefix) { angles[0] = s; angles[1] = c; }
            } else {
                V y[16];
                for (int i = 4; i < 16; ++i) {
                    y[i] = V{};
                    for (int k = 0; k < 4; ++k)
                        if (const T entry = static_cast<T>(factor.matrix[(i & 12) + k])) y[i] += entry * m[4 * k + (i & 3)];
                }
                std::copy(y + 4, y + 16, m + 4);
            }
            if (prefix) { std::copy(m, m + 16, prefix); prefix += 16; angles += 2; }
        }
    }

    // Gradients of the angles in a map from g_ij = dE/dM_ij, taken back factor by factor: dE/da = sum_j g_qj m_pj - g_pj m_qj.
    void pull(const TransferOne& one, V* g, V* scratch, double* shared) const {
        V *prefix = scratch + 16, *angles = prefix + 16 * (one.last - one.first);
        compose(one, scratch, prefix, angles);
        for (int f = one.last; f-- > one.first;) {
            const TransferFactor& factor = plan.factors[f];
            const int k = f - one.first;
            if (factor.axis) {
                const int p = 4 * kPairs[factor.axis][0], q = 4 * kPairs[factor.axis][1];
                const V* m = prefix + 16 * k;
                const V s = angles[2 * k], c = angles[2 * k + 1];
                V sum = V{};
                for (int j = 0; j < 4; ++j) {
                    sum += g[q + j] * m[p + j] - g[p + j] * m[q + j];
                    const V y = c * g[p + j] + s * g[q + j];
                    g[q + j] = c * g[q + j] - s * g[p + j];
                    g[p + j] = y;
                }
                if (factor.row >= 0) add(factor.row, sum, factor.value, shared);
            } else {
                V y[16];
                for (int i = 0; i < 16; ++i) {
                    y[i] = V{};
                    for (int k2 = 0; k2 < 4; ++k2) y[i] += static_cast<T>(factor.matrix[4 * k2 + i / 4]) * g[4 * k2 + (i & 3)];
                }
                std::copy(y, y + 16, g);
            }
        }
    }
};

// -- blocks -----------------------------------------------------------------------------------------------------------
// Calls body(base) for every place of the other digits of a tile.
template <class F>
INLINE void for_bases(int64_t size, int64_t s0, int64_t s1, const F& body) {
    const int64_t low = std::min(s0, s1), high = std::max(s0, s1);
    for (int64_t h = 0; h < size; h += 4 * high)
        for (int64_t m = h; m < h + high; m += 4 * low)
            for (int64_t j = m; j < m + low; ++j) body(j);
}

#define KINDS(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5)

template <class T>
struct Tile {
    using V = typename lanes<T>::type;
    static constexpr int kMatrices = 16 + 64 + 16;  // of the first digit; of the second, with the scales of each value of the first; plain

    const Sample<T>& sample;
    int64_t width, size;  // registers of one place, and of the tile
    V* scratch;           // kMatrices, then what `pull` needs

    int kind(const TransferBlock& b, int d) const { return b.one[d] < 0 ? 0 : sample.plan.ones[b.one[d]].kind; }
    const TransferOne& one(const TransferBlock& b, int d) const { return sample.plan.ones[b.one[d]]; }
    int64_t stride(const TransferBlock& b, int d) const { return width << 2 * b.digit[d]; }

    // out may be in.
    void forward(const TransferBlock& b, const V* in, V* out) const {
        V *first = scratch, *second = scratch + 16, *plain = scratch + 80;
        const int k0 = kind(b, 0), k1 = kind(b, 1);
        const int64_t s0 = stride(b, 0), s1 = stride(b, 1);
        int64_t to[16];
        for (int k = 0; k < 16; ++k) to[k] = (b.to[k] & 3) * s0 + (b.to[k] >> 2) * s1;
        if (k0) sample.compose(one(b, 0), first);
        if (k1) sample.compose(one(b, 1), plain);
        for (int g = 0; g < 4; ++g)  // without a second map only the scales: entry 0 of each row
            for (int k = 0; k < 16; ++k) second[16 * g + k] = (k1 ? plain[k] : V{} + T(1)) * static_cast<T>(b.scale[g + 4 * (k >> 2)]);
        for_bases(size, s0, s1, [&](int64_t base) INLINE_LAMBDA {
            V x[16];
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k) x[k] = in[base + (k & 3) * s0 + (k >> 2) * s1];
            switch (k0) {
#define CASE(K) \
    case K: \
        _Pragma("GCC unroll 4") for (int o = 0; o < 16; o += 4) apply<K, false>(x[o], x[o + 1], x[o + 2], x[o + 3], first); \
        break;
                KINDS(CASE)
#undef CASE
            }
            switch (k1) {
#define CASE(K) \
    case K: \
        _Pragma("GCC unroll 4") for (int o = 0; o < 4; ++o) apply<K, true>(x[o], x[o + 4], x[o + 8], x[o + 12], second + 16 * o); \
        break;
                KINDS(CASE)
#undef CASE
                default:
#pragma GCC unroll 16
                    for (int k = 0; k < 16; ++k) x[k] *= second[16 * (k & 3) + (k & 12)];
            }
            if (__builtin_expect(b.dense != nullptr, 0)) {
                for (int i = 0; i < 16; ++i) {
                    V y = V{};
#pragma GCC unroll 16
                    for (int k = 0; k < 16; ++k) y += static_cast<T>(b.dense[16 * i + k]) * x[k];
                    out[base + (i & 3) * s0 + (i >> 2) * s1] = y;
                }
                return;
            }
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k) out[base + to[k]] = x[k];
        });
    }

    // l behind the block becomes l before it, in place; `in` is the vector before it.
    void backward(const TransferBlock& b, const V* in, V* l, double* shared) const {
        V *first = scratch, *second = scratch + 16, *g = scratch + 32;
        const int k0 = kind(b, 0), k1 = kind(b, 1);
        const int64_t s0 = stride(b, 0), s1 = stride(b, 1);
        int64_t to[16];
        for (int k = 0; k < 16; ++k) to[k] = (b.to[k] & 3) * s0 + (b.to[k] >> 2) * s1;
        if (k0) sample.compose(one(b, 0), first);
        if (k1) sample.compose(one(b, 1), second);
        V *g0 = k0 && one(b, 0).turns ? g : nullptr, *g1 = k1 && one(b, 1).turns ? g + 16 : nullptr;
        for (int k = 0; k < 32; ++k) g[k] = V{};
        for_bases(size, s0, s1, [&](int64_t base) INLINE_LAMBDA {
            V x[16], y[16];
            if (__builtin_expect(b.dense != nullptr, 0)) {
                for (int k = 0; k < 16; ++k) x[k] = l[base + (k & 3) * s0 + (k >> 2) * s1];
                for (int i = 0; i < 16; ++i) {
                    y[i] = V{};
#pragma GCC unroll 16
                    for (int k = 0; k < 16; ++k) y[i] += static_cast<T>(b.dense[16 * k + i]) * x[k];
                }
            } else {
#pragma GCC unroll 16
                for (int k = 0; k < 16; ++k) y[k] = static_cast<T>(b.scale[k]) * l[base + to[k]];
            }
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k) x[k] = in[base + (k & 3) * s0 + (k >> 2) * s1];
            if (g1) {  // the second map saw the vector behind the first
                V z[16];
#pragma GCC unroll 16
                for (int k = 0; k < 16; ++k) z[k] = x[k];
                switch (k0) {
#define CASE(K) \
    case K: \
        _Pragma("GCC unroll 4") for (int o = 0; o < 16; o += 4) apply<K, false>(z[o], z[o + 1], z[o + 2], z[o + 3], first); \
        break;
                    KINDS(CASE)
#undef CASE
                }
                switch (k1) {
#define CASE(K) case K: back<K, 4, 1>(z, y, second, g1); break;
                    KINDS(CASE)
#undef CASE
                }
            } else {
                switch (k1) {
#define CASE(K) case K: back<K, 4, 1>(x, y, second, static_cast<V*>(nullptr)); break;
                    KINDS(CASE)
#undef CASE
                }
            }
            switch (k0) {
#define CASE(K) case K: back<K, 1, 4>(x, y, first, g0); break;
                KINDS(CASE)
#undef CASE
            }
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k) l[base + (k & 3) * s0 + (k >> 2) * s1] = y[k];
        });
        if (g0) sample.pull(one(b, 0), g0, scratch + kMatrices, shared);
        if (g1) sample.pull(one(b, 1), g1, scratch + kMatrices, shared);
    }
};

// -- orders of digits -------------------------------------------------------------------------------------------------
template <class V, class I, int H>
INLINE void swap_blocks(V* rows, I index) {
    constexpr int L = sizeof(I) / sizeof(index[0]);
    I low, high;
    for (int l = 0; l < L; ++l) { low[l] = l & H ? L + l - H : l; high[l] = l & H ? L + l : l + H; }
#pragma GCC unroll 16
    for (int r = 0; r < L; ++r)
        if (!(r & H)) {
            const V a = rows[r], b = rows[r + H];
            rows[r] = __builtin_shuffle(a, b, low);
            rows[r + H] = __builtin_shuffle(a, b, high);
        }
}
INLINE void transpose(f64x8* rows) {
    typedef int64_t I __attribute__((vector_size(64)));
    swap_blocks<f64x8, I, 4>(rows, I{}); swap_blocks<f64x8, I, 2>(rows, I{}); swap_blocks<f64x8, I, 1>(rows, I{});
}
INLINE void transpose(f32x16* rows) {
    typedef int32_t I __attribute__((vector_size(64)));
    swap_blocks<f32x16, I, 8>(rows, I{}); swap_blocks<f32x16, I, 4>(rows, I{});
    swap_blocks<f32x16, I, 2>(rows, I{}); swap_blocks<f32x16, I, 1>(rows, I{});
}

inline int64_t spread(const int32_t* source, int count, int64_t digits) {
    int64_t out = 0;
    for (int k = 0; k < count; ++k) out += (digits >> 2 * k & 3) << 2 * source[k];
    return out;
}

// Moves one tile between the order before a stage and the stage's: to the tile, or (Back) from it.
template <bool Back, class V>
void move(const TransferStage& s, int64_t width, int64_t tile, V* before, V* after) {
    constexpr int L = sizeof(V) / sizeof(V{}[0]);
    const int outer = s.digits - s.inner;
    const int64_t base = spread(s.source + s.inner, outer, tile);
    after += tile * (width << 2 * s.inner);
    if (s.mode < 2) {
        const int low = std::min(s.inner, 3);
        int64_t table[64];
        for (int k = 0; k < 1 << 2 * low; ++k) table[k] = spread(s.source, low, k) * width;
        for (int64_t h = 0; h < int64_t{1} << 2 * (s.inner - low); ++h) {
            const int64_t from = (base + spread(s.source + low, s.inner - low, h)) * width;
            for (int k = 0; k < 1 << 2 * low; ++k)
                for (int64_t w = 0; w < width; ++w, ++after) {
                    if (Back) before[from + table[k] + w] = *after;
                    else *after = before[from + table[k] + w];
                }
        }
        return;
    }
    int64_t row[16];  // of the digits that become lanes
    for (int k = 0; k < 16; ++k) row[k] = spread(s.lane_source, 2, k) * width;
    for (int64_t t = 0; t < int64_t{1} << 2 * (s.inner - 2); ++t, after += 16 * width) {
        V* from = before + (base + spread(s.source + 2, s.inner - 2, t)) * width;
        for (int64_t i = 0; i < width; ++i)  // blocks of L x L: new lanes, old lanes
            for (int64_t j = 0; j < width; ++j) {
                V rows[L];
#pragma GCC unroll 16
                for (int k = 0; k < L; ++k) rows[k] = Back ? after[(j * L + k) * width + i] : from[row[i * L + k] + j];
                transpose(rows);
#pragma GCC unroll 16
                for (int k = 0; k < L; ++k) (Back ? from[row[i * L + k] + j] : after[(j * L + k) * width + i]) = rows[k];
            }
    }
}

// -- walks ------------------------------------------------------------------------------------------------------------
// One thread's memory, kept from call to call unless it is large: fresh pages cost more than a small circuit. Which: 0 for vectors, 1 for tiles.
template <int Which>
struct Memory {
    void* data;
    explicit Memory(std::size_t bytes) {
        Kept& k = kept();
        if (bytes > k.bytes) { std::free(k.data); k.data = std::aligned_alloc(64, (bytes + 63) / 64 * 64); k.bytes = bytes; }
        data = k.data;
    }
    ~Memory() { if (kept().bytes > std::size_t{32} << 20) { std::free(kept().data); kept() = {nullptr, 0}; } }

private:
    struct Kept { void* data; std::size_t bytes; };
    static Kept& kept() { static thread_local Kept k{nullptr, 0}; return k; }
};

template <class T>
class Walk {
    using V = typename lanes<T>::type;
    static constexpr int L = lanes<T>::count;
    const TransferPlan& plan;
    const TransferArrays<T>& a;
    const Sample<T> sample;
    const bool parallel;  // tiles of a stage on several threads
    const int64_t width;
    V *now, *next;

    int64_t size(int digits) const { return width << 2 * digits; }
    static bool moves(const TransferStage& s) { return s.mode != 0; }

    template <class F>
    void for_tiles(const TransferStage& s, const F& body) const {
        const int64_t tiles = int64_t{1} << 2 * (s.digits - s.inner);
        const auto one = [&](int64_t t, int) {
            const std::size_t slots = a.gradient && s.last_block > s.first_block ? s.last_block - s.first_block - 1 : 0;
            const Memory<1> memory((Tile<T>::kMatrices + 16 + 18 * plan.most_factors + slots * size(s.inner)) * sizeof(V));
            V* scratch = static_cast<V*>(memory.data);
            body(t, Tile<T>{sample, width, size(s.inner), scratch}, scratch + Tile<T>::kMatrices + 16 + 18 * plan.most_factors);
        };
        if (parallel && tiles > 1) Pool::instance().run(tiles, one);
        else for (int64_t t = 0; t < tiles; ++t) one(t, 0);
    }

    void factor(const TransferJoin& j, V* v) const {  // the map on |0>, components (1, 0, 0, 1)
        V m[16];
        sample.compose(plan.ones[j.one], m);
        for (int d = 0; d < 4; ++d) v[d] = m[4 * d] + m[4 * d + 3];
    }

    const TransferJoin* start(const TransferStage& s) const {  // after the qubits of the lanes
        return plan.joins + s.first_join + (plan.single && &s == plan.stages ? 2 : 0);
    }

    void join(const TransferStage& s) {
        if (&s == plan.stages) {
            now[0] = V{} + T(1);
            if (plan.single) {
                V v[2][4];
                for (int k = 0; k < 2; ++k) factor(plan.joins[s.first_join + k], v[k]);
                for (int k = 0; k < 16; ++k) now[k / L][k % L] = v[0][k & 3][0] * v[1][k >> 2][0];
            }
        }
        const TransferJoin* last = plan.joins + s.last_join;
        int64_t count = size(s.before - static_cast<int>(last - start(s)));
        for (const TransferJoin* j = start(s); j < last; ++j, count *= 4) {
            V v[4];
            factor(*j, v);
            for (int d = 1; d < 4; ++d)
                for (int64_t k = 0; k < count; ++k) now[d * count + k] = v[d] * now[k];
        }
    }

    // Gradients of the joining qubits' maps: at the joined digit d, sum of l r with r at I there.
    void pull_joins(const TransferStage& s, const V* r, const V* l, double* shared) const {
        const Memory<1> memory((48 + 18 * plan.most_factors) * sizeof(V));
        V *g = static_cast<V*>(memory.data), *scratch = g + 16;
        for (int j = s.first_join; j < s.last_join; ++j) {
            const TransferOne& one = plan.ones[plan.joins[j].one];
            const int place = plan.joins[j].place;
            if (!one.turns) continue;
            V sums[4] = {};
            if (place >= 0) {
                const int64_t step = size(place);
                for (int64_t h = 0; h < size(s.digits); h += 4 * step)
                    for (int d = 1; d < 4; ++d)
                        for (int64_t k = h; k < h + step; ++k) sums[d] += l[d * step + k] * r[k];
            } else {
                const T *x = reinterpret_cast<const T*>(r), *y = reinterpret_cast<const T*>(l);
                const int keep = place == -1 ? 12 : 3, shift = place == -1 ? 0 : 2;
                T lane[16] = {};
                for (int64_t k = 0; k < size(s.digits) * L; k += 16)
                    for (int i = 0; i < 16; ++i) lane[i] += y[k + i] * x[k + (i & keep)];
                for (int i = 0; i < 16; ++i) sums[i >> shift & 3][0] += lane[i];
            }
            for (int k = 0; k < 16; ++k) g[k] = k % 4 == 0 || k % 4 == 3 ? sums[k / 4] : V{};
            sample.pull(one, g, scratch, shared);
        }
    }

public:
    Walk(const TransferPlan& p, const TransferArrays<T>& arrays, int64_t first, int present, bool tiles_parallel)
        : plan(p), a(arrays), sample{p, arrays, first, present}, parallel(tiles_parallel), width(p.single ? 16 / L : 1) {}

    void run() {
        int64_t most = 1, kept = 0, tiles = 1;
        for (int k = 0; k < plan.num_stages; ++k) {
            const TransferStage& s = plan.stages[k];
            most = std::max({most, size(s.before), size(s.digits)});
            tiles = std::max(tiles, int64_t{1} << 2 * (s.digits - s.inner));
            if (a.gradient) kept += size(s.digits);
        }
        const int64_t row = plan.single && a.gradient ? (plan.num_slots * sizeof(double) + 63) / 64 * 64 : 0;
        const Memory<0> memory((2 * most + kept) * sizeof(V) + tiles * row);
        now = static_cast<V*>(memory.data);
        next = now + most;
        V* checkpoint = next + most;
        double* shared = reinterpret_cast<double*>(checkpoint + kept);  // each tile's own sums, added in order
        std::memset(shared, 0, tiles * row);
        V* at = checkpoint;
        for (int k = 0; k < plan.num_stages; ++k) {
            forward(plan.stages[k], a.gradient ? at : nullptr);
            if (a.gradient) at += size(plan.stages[k].digits);
        }
        if (a.values) read();
        if (!a.gradient) return;
        look();
        for (int k = plan.num_stages; k-- > 0;) {
            at -= size(plan.stages[k].digits);
            backward(plan.stages[k], at, shared, row / sizeof(double));
        }
        for (int64_t t = 0; row && t < tiles; ++t)
            for (int s = 0; s < plan.num_slots; ++s)
                a.gradient[sample.first * plan.num_slots + s] += static_cast<T>(shared[t * row / sizeof(double) + s]);
    }

private:
    // `checkpoint`: where the vector at the start of the stage's blocks is to stay.
    void forward(const TransferStage& s, V* checkpoint) {
        join(s);
        V* laid = checkpoint ? checkpoint : moves(s) ? next : now;
        V* work = checkpoint || moves(s) ? next : now;
        for_tiles(s, [&](int64_t t, const Tile<T>& tile, V*) {
            const int64_t at = t * tile.size;
            if (moves(s)) move<false>(s, width, t, now, laid);
            else if (laid != now) std::copy(now + at, now + at + tile.size, laid + at);
            for (int b = s.first_block; b < s.last_block; ++b)
                tile.forward(plan.blocks[b], (b == s.first_block ? laid : work) + at, work + at);
            if (s.first_block == s.last_block && laid != work) std::copy(laid + at, laid + at + tile.size, work + at);
        });
        if (work == next) std::swap(now, next);
    }

    void backward(const TransferStage& s, const V* checkpoint, double* shared, int64_t row) {
        for_tiles(s, [&](int64_t t, const Tile<T>& tile, V* slots) {
            const V* in = checkpoint + t * tile.size;
            for (int b = s.first_block; b + 1 < s.last_block; ++b, in = slots, slots += tile.size) tile.forward(plan.blocks[b], in, slots);
            for (int b = s.last_block; b-- > s.first_block;) {
                const V* before = b == s.first_block ? checkpoint + t * tile.size : slots - tile.size;
                tile.backward(plan.blocks[b], before, now + t * tile.size, shared + t * row);
                slots -= b == s.first_block ? 0 : tile.size;
            }
        });
        pull_joins(s, checkpoint, now, shared);
        if (moves(s)) {
            if (s.digits < s.before) std::fill(next, next + size(s.before), V{});  // digits that leave are seen at I only
            for_tiles(s, [&](int64_t t, const Tile<T>&, V*) { move<true>(s, width, t, next, now); });
            std::swap(now, next);
        }
        int64_t count = size(s.before);
        for (const TransferJoin* j = plan.joins + s.last_join; j-- > start(s);) {
            V v[4];
            factor(*j, v);
            count /= 4;
            for (int d = 1; d < 4; ++d)
                for (int64_t k = 0; k < count; ++k) now[k] += v[d] * now[d * count + k];
        }
    }

    void read() const {
        const int count = std::max(sample.present, 1);
        std::fill_n(a.values + sample.first * plan.num_targets, count * plan.num_targets, T(0));
        for (int k = 0; k < plan.num_terms; ++k) {
            const TransferTerm& t = plan.terms[k];
            const T* r = reinterpret_cast<const T*>(now + t.index * width) + t.lane;
            for (int l = 0; l < count; ++l) a.values[(sample.first + l) * plan.num_targets + t.target] += static_cast<T>(t.c) * r[l];
        }
    }

    // l = sum of upstream times observables.
    void look() {
        const TransferStage& s = plan.stages[plan.num_stages - 1];
        std::fill(now, now + size(s.digits), V{});
        for (int k = 0; k < plan.num_terms; ++k) {
            const TransferTerm& t = plan.terms[k];
            T* l = reinterpret_cast<T*>(now + t.index * width) + t.lane;
            for (int i = 0; i < std::max(sample.present, 1); ++i)
                l[i] += static_cast<T>(t.c) * (a.upstream ? a.upstream[(sample.first + i) * plan.num_targets + t.target] : T(1));
        }
    }
};

template <class T>
void run(const TransferPlan& plan, const TransferArrays<T>& a) {
    constexpr int L = lanes<T>::count;
    const int64_t step = plan.single ? 1 : L, units = (a.count + step - 1) / step;
    double work = 0;
    for (int k = 0; k < plan.num_stages; ++k)
        work += std::ldexp(plan.single ? 16.0 / L : 1.0, 2 * plan.stages[k].digits) * (1 + plan.stages[k].last_block - plan.stages[k].first_block);
    const bool several = work * units > 2e4;  // below that waking a thread takes longer
    if (a.gradient) std::fill_n(a.gradient, a.count * plan.num_slots, T(0));
    const auto unit = [&](int64_t u, int) {
        Walk<T>(plan, a, u * step, plan.single ? 0 : static_cast<int>(std::min<int64_t>(L, a.count - u * step)), several && units == 1).run();
    };
    if (several && units > 1) Pool::instance().run(units, unit);
    else for (int64_t u = 0; u < units; ++u) unit(u, 0);
}

}  // namespace

extern const TransferKernels transfer_kernels;
const TransferKernels transfer_kernels = {run<float>, run<double>};

}  // namespace bitket::BITKET_NAMESPACE

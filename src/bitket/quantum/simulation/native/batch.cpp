// Forward and adjoint walks of Pauli-rotation programs over a batch; see batch.hpp. One tile = one register of samples.
//
// Rotations act as 1 - i tan(a/2) P: one multiply-add for each real number instead of two operations. The product of cosines left out
// is a lane-wise scale, put back before it could leave the range of the type (`Step`). Where one block's cosines alone are too small
// (angles near pi), that block multiplies by each cosine at once.
#include "batch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "lanes.hpp"
#include "pool.hpp"

namespace bitket::BITKET_NAMESPACE {
namespace {

inline int parity(uint64_t v) { return __builtin_parityll(v); }

inline uint64_t insert_zero(uint64_t v, int bit) {
    const uint64_t low = v & ((uint64_t{1} << bit) - 1);
    return (v ^ low) << 1 | low;
}

template <int D>
inline uint64_t base_of(const BatchBlock& block, uint64_t c) {
    for (int k = 0; k < D; ++k) c = insert_zero(c, block.pivot[k]);
    return c;
}

template <class T> constexpr T kSigns[2] = {1, -1};

// -- cosines and tangents of half angles ------------------------------------------------------------------------------
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

// Cosines and tangents of one row: c[0] = cos, t[0] = tan, t[1] = -tan.
template <class T>
inline void set_row(const double* half, typename lanes<T>::type* c, typename lanes<T>::type* t) {
    constexpr int L = lanes<T>::count;
    constexpr T tiny = sizeof(T) == 4 ? T(1e-20) : T(1e-100);  // keeps the tangent finite; far below one unit in the last place
    for (int part = 0; part < L; part += 8) {
        f64x8 h, s, k;
        std::memcpy(&h, half + part, sizeof h);
        sine_cosine(h, s, k);
        for (int l = 0; l < 8; ++l) {
            if (std::abs(half[part + l]) > 1e6) { s[l] = std::sin(half[part + l]); k[l] = std::cos(half[part + l]); }
            const T cosine = static_cast<T>(k[l]);
            (*c)[part + l] = std::abs(cosine) < tiny ? tiny : cosine;
            t[0][part + l] = static_cast<T>(s[l]);
        }
    }
    t[0] /= *c;
    t[1] = -t[0];
}

// -- one block --------------------------------------------------------------------------------------------------------
// Always inlined: one call would force the registers of a whole block to memory.
// psi <- psi + t (-i)(i if the Pauli has an odd number of Y) l_m psi[m ^ MX] on the 2^D amplitudes of a block.
template <class V, int D, int MX, int LZ>
[[gnu::always_inline]] inline void rotate(V* re, V* im, V t) {
    constexpr bool real = __builtin_parity(MX & LZ);
#pragma GCC unroll 8
    for (int m = 0; m < (1 << D); ++m) {
        const int p = m ^ MX;
        if (p < m) continue;
        const V rm = re[m], imm = im[m], rp = re[p], ip = im[p];
        const bool nm = __builtin_parity(m & LZ), np = __builtin_parity(p & LZ);
        if (real) {
            re[m] = nm ? rm - t * rp : rm + t * rp;
            im[m] = nm ? imm - t * ip : imm + t * ip;
            re[p] = np ? rp - t * rm : rp + t * rm;
            im[p] = np ? ip - t * imm : ip + t * imm;
        } else {
            re[m] = nm ? rm - t * ip : rm + t * ip;
            im[m] = nm ? imm + t * rp : imm - t * rp;
            if (p != m) {
                re[p] = np ? rp - t * imm : rp + t * imm;
                im[p] = np ? ip + t * rm : ip - t * rm;
            }
        }
    }
}

// Im <lambda| P |psi> over the block, without the base's sign.
template <class V, int D, int MX, int LZ>
[[gnu::always_inline]] inline V overlap(const V* re, const V* im, const V* lre, const V* lim) {
    constexpr bool real = __builtin_parity(MX & LZ);
    V first = V{}, second = V{};  // two chains of additions
#pragma GCC unroll 8
    for (int m = 0; m < (1 << D); ++m) {
        const int p = m ^ MX;
        if (__builtin_parity(m & LZ)) {
            first -= lre[m] * (real ? re[p] : im[p]);
            if (real) second -= lim[m] * im[p];
            else second += lim[m] * re[p];
        } else {
            first += lre[m] * (real ? re[p] : im[p]);
            if (real) second += lim[m] * im[p];
            else second -= lim[m] * re[p];
        }
    }
    return first + second;
}

// How a block treats its cosines: `exact` multiplies by each at once; `flush` multiplies by `scale`, those gathered so far.
template <class V>
struct Step {
    V scale;
    bool exact, flush;
};

template <class T>
inline bool below(typename lanes<T>::type v, T limit) {
    const auto small = (v < limit) & (v > -limit);
    uint64_t words[8], any = 0;
    std::memcpy(words, &small, sizeof words);
    for (uint64_t w : words) any |= w;
    return any != 0;
}

// Steps of a walk for one tile. Walking backwards, squares[o] is what the overlap at op o must be multiplied by.
template <class T>
void plan_steps(const BatchWalk& walk, bool back, const typename lanes<T>::type* c, Step<typename lanes<T>::type>* steps,
                typename lanes<T>::type* squares) {
    using V = typename lanes<T>::type;
    constexpr T most = sizeof(T) == 4 ? T(1e-8) : T(1e-80), enough = sizeof(T) == 4 ? T(1e-5) : T(1e-50);
    V scale = V{} + T(1);
    for (int k = 0; k < walk.num_blocks; ++k) {
        const int b = back ? walk.num_blocks - 1 - k : k;
        const BatchBlock& block = walk.blocks[b];
        V product = V{} + T(1);
        for (int o = block.first; o < block.last; ++o) product *= c[walk.ops[o].row];
        steps[b].exact = below<T>(product, most);
        if (back) {
            V now = scale;
            for (int o = block.last; o-- > block.first;) {
                squares[o] = now * now;
                if (!steps[b].exact) now *= c[walk.ops[o].row];
            }
        }
        if (!steps[b].exact) scale *= product;
        steps[b].flush = below<T>(scale, enough) || k == walk.num_blocks - 1;
        steps[b].scale = scale;
        if (steps[b].flush) scale = V{} + T(1);
    }
}

template <class T, int D>
void evolve(const BatchWalk& walk, int num_qubits, const typename lanes<T>::type* c, const typename lanes<T>::type* t,
            const Step<typename lanes<T>::type>* steps, typename lanes<T>::type* re, typename lanes<T>::type* im) {
    using V = typename lanes<T>::type;
    constexpr int M = 1 << D;
    const uint64_t cosets = uint64_t{1} << (num_qubits - D);
    for (int b = 0; b < walk.num_blocks; ++b) {
        const BatchBlock& block = walk.blocks[b];
        const bool exact = steps[b].exact, flush = steps[b].flush;
        for (uint64_t k = 0; k < cosets; ++k) {
            const uint64_t base = base_of<D>(block, k);
            V r[M], i[M];
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) { r[m] = re[base ^ block.offset[m]]; i[m] = im[base ^ block.offset[m]]; }
            for (int o = block.first; o < block.last; ++o) {
                const BatchOp& op = walk.ops[o];
                const V tangent = t[2 * op.row + (parity(base & op.z) ^ op.sign)];
                switch (op.code) {
#define CASE(N) case N: if constexpr (N < M * M) rotate<V, D, (N) & (M - 1), (N) / M>(r, i, tangent); break;
#define CASE8(N) CASE(N) CASE(N + 1) CASE(N + 2) CASE(N + 3) CASE(N + 4) CASE(N + 5) CASE(N + 6) CASE(N + 7)
                    CASE8(0) CASE8(8) CASE8(16) CASE8(24) CASE8(32) CASE8(40) CASE8(48) CASE8(56)
                    default: __builtin_unreachable();
                }
                if (__builtin_expect(exact, 0)) {
#pragma GCC unroll 8
                    for (int m = 0; m < M; ++m) { r[m] *= c[op.row]; i[m] *= c[op.row]; }
                }
            }
            if (flush) {
#pragma GCC unroll 8
                for (int m = 0; m < M; ++m) { r[m] *= steps[b].scale; i[m] *= steps[b].scale; }
            }
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) { re[base ^ block.offset[m]] = r[m]; im[base ^ block.offset[m]] = i[m]; }
        }
    }
}

template <class T, int D>
void unwind(const BatchWalk& walk, int num_qubits, const typename lanes<T>::type* c, const typename lanes<T>::type* t,
            const Step<typename lanes<T>::type>* steps, const typename lanes<T>::type* squares, typename lanes<T>::type* re,
            typename lanes<T>::type* im, typename lanes<T>::type* lre, typename lanes<T>::type* lim, typename lanes<T>::type* sums,
            typename lanes<T>::type* gradient) {
    using V = typename lanes<T>::type;
    constexpr int M = 1 << D;
    const uint64_t cosets = uint64_t{1} << (num_qubits - D);
    for (int b = walk.num_blocks; b-- > 0;) {
        const BatchBlock& block = walk.blocks[b];
        const bool exact = steps[b].exact, flush = steps[b].flush;
        for (int o = block.first; o < block.last; ++o) sums[o] = V{};
        for (uint64_t k = 0; k < cosets; ++k) {
            const uint64_t base = base_of<D>(block, k);
            V r[M], i[M], lr[M], li[M];
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) {
                const uint64_t j = base ^ block.offset[m];
                r[m] = re[j]; i[m] = im[j]; lr[m] = lre[j]; li[m] = lim[j];
            }
            for (int o = block.last; o-- > block.first;) {
                const BatchOp& op = walk.ops[o];
                const int flip = parity(base & op.z) ^ op.sign;
                const V tangent = t[2 * op.row + (flip ^ 1)];  // backwards: the opposite angle
                V g{};
                switch (op.code) {
#define BACK(N) \
    case N: \
        if constexpr (N < M * M) { \
            g = overlap<V, D, (N) & (M - 1), (N) / M>(r, i, lr, li); \
            rotate<V, D, (N) & (M - 1), (N) / M>(r, i, tangent); \
            rotate<V, D, (N) & (M - 1), (N) / M>(lr, li, tangent); \
        } \
        break;
                    BACK(0) BACK(1) BACK(2) BACK(3) BACK(4) BACK(5) BACK(6) BACK(7)
                    BACK(8) BACK(9) BACK(10) BACK(11) BACK(12) BACK(13) BACK(14) BACK(15)
                    default: __builtin_unreachable();
                }
                sums[o] += g * kSigns<T>[flip];
                if (__builtin_expect(exact, 0)) {
#pragma GCC unroll 4
                    for (int m = 0; m < M; ++m) { r[m] *= c[op.row]; i[m] *= c[op.row]; lr[m] *= c[op.row]; li[m] *= c[op.row]; }
                }
            }
            if (flush) {
                const V scale = steps[b].scale;
#pragma GCC unroll 4
                for (int m = 0; m < M; ++m) { r[m] *= scale; i[m] *= scale; lr[m] *= scale; li[m] *= scale; }
            }
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) {
                const uint64_t j = base ^ block.offset[m];
                re[j] = r[m]; im[j] = i[m]; lre[j] = lr[m]; lim[j] = li[m];
            }
        }
        for (int o = block.first; o < block.last; ++o) gradient[walk.ops[o].row] += sums[o] * squares[o];
    }
}

// -- observables ------------------------------------------------------------------------------------------------------
// Walsh-Hadamard transform over the index, two bits at a time.
template <class V>
void walsh_hadamard(V* q, uint64_t size) {
    uint64_t h = 1;
    for (; 4 * h <= size; h *= 4)
        for (uint64_t start = 0; start < size; start += 4 * h)
            for (uint64_t j = start; j < start + h; ++j) {
                const V a = q[j] + q[j + h], b = q[j] - q[j + h], c = q[j + 2 * h] + q[j + 3 * h], d = q[j + 2 * h] - q[j + 3 * h];
                q[j] = a + c; q[j + h] = b + d; q[j + 2 * h] = a - c; q[j + 3 * h] = b - d;
            }
    if (h < size)
        for (uint64_t j = 0; j < h; ++j) {
            const V a = q[j], b = q[j + h];
            q[j] = a + b; q[j + h] = a - b;
        }
}

// <P> for a product with an X part: pairs (j, j ^ x) give twice the real part of one of the two.
template <class T, class V>
V expectation(const BatchTerm& term, uint64_t size, const V* re, const V* im) {
    const int top = 63 - __builtin_clzll(term.x);
    V first = V{}, second = V{};
    for (uint64_t k = 0; k < size / 2; ++k) {
        const uint64_t j = insert_zero(k, top), p = j ^ term.x;
        const T sign = kSigns<T>[parity(p & term.z)];
        if (term.phase & 1) { first += sign * (im[j] * re[p]); second -= sign * (re[j] * im[p]); }
        else { first += sign * (re[j] * re[p]); second += sign * (im[j] * im[p]); }
    }
    return (first + second) * T(term.phase & 2 ? -2 : 2);
}

// lambda += weight P psi, per lane.
template <class T, class V>
void add_term(const BatchTerm& term, uint64_t size, V weight, const V* re, const V* im, V* lre, V* lim) {
    if (term.phase & 2) weight = -weight;
    for (uint64_t j = 0; j < size; ++j) {
        const uint64_t p = j ^ term.x;
        const V w = weight * kSigns<T>[parity(p & term.z)];
        if (term.phase & 1) { lre[j] -= w * im[p]; lim[j] += w * re[p]; }
        else { lre[j] += w * re[p]; lim[j] += w * im[p]; }
    }
}

// -- tiles ------------------------------------------------------------------------------------------------------------
// One thread's workspace. It is kept from call to call unless it is large: fresh pages cost more than a small circuit.
template <class V>
struct Workspace {
    explicit Workspace(std::size_t count) {
        const std::size_t bytes = count * sizeof(V);
        if (bytes > kept().bytes) {
            std::free(kept().data);
            kept().data = std::aligned_alloc(64, bytes);
            kept().bytes = bytes;
        }
        next = static_cast<V*>(kept().data);
    }
    ~Workspace() {
        if (kept().bytes > std::size_t{16} << 20) { std::free(kept().data); kept() = {nullptr, 0}; }
    }
    V* take(std::size_t count) { V* out = next; next += count; return out; }

private:
    struct Kept { void* data; std::size_t bytes; };
    static Kept& kept() { static thread_local Kept k{nullptr, 0}; return k; }
    V* next;
};

template <class T>
class Batch {
    using V = typename lanes<T>::type;
    static constexpr int L = lanes<T>::count;
    const BatchPlan& plan;
    const BatchArrays<T>& a;
    const uint64_t size;
    const int64_t tiles;
    const int chunks;  // their number does not depend on the threads, so neither does the order of any sum
    std::vector<char> sampled;        // rows whose angle differs from sample to sample
    Registers<V> shared_c, shared_t;

    bool per_sample(int parameter) const { return parameter < plan.num_weights ? a.weights_per_sample : a.inputs_per_sample; }

    double parameter(int k, int64_t sample) const {
        if (k < plan.num_weights) return a.weights[a.weights_per_sample ? sample * plan.num_weights + k : k];
        return a.inputs[a.inputs_per_sample ? sample * plan.num_inputs + k - plan.num_weights : k - plan.num_weights];
    }

    void fill(int row, int64_t first, int64_t present, V* c, V* t) const {
        alignas(64) double half[L];
        const BatchRow& r = plan.rows[row];
        for (int l = 0; l < L; ++l) half[l] = r.constant;
        for (int k = r.first; k < r.last; ++k)
            for (int64_t l = 0; l < L; ++l)
                half[l] += plan.links[k].coefficient * (l < present ? parameter(plan.links[k].parameter, first + l) : 0.0);
        set_row<T>(half, c + row, t + 2 * row);
    }

    // Cosines and tangents for a tile: those that all samples share are copied once per chunk.
    void fill_sampled(int64_t tile, V* c, V* t) const {
        for (int r = 0; r < plan.num_rows; ++r)
            if (sampled[r]) fill(r, tile * L, std::min<int64_t>(L, a.count - tile * L), c, t);
    }
    void fill_shared(V* c, V* t) const {
        std::copy_n(shared_c.data(), plan.num_rows, c);
        std::copy_n(shared_t.data(), 2 * plan.num_rows, t);
    }

    template <class F>
    void for_chunks(const BatchWalk& walk, const F& body) const {
        const auto chunk = [&](int64_t k, int) { body(k, k * tiles / chunks, (k + 1) * tiles / chunks); };
        const double work = static_cast<double>(tiles) * size * (walk.num_ops + plan.num_terms + 4);
        if (work < 1e5) for (int k = 0; k < chunks; ++k) chunk(k, 0);  // shorter than waking a thread
        else Pool::instance().run(chunks, chunk);
    }

public:
    Batch(const BatchPlan& p, const BatchArrays<T>& arrays)
        : plan(p), a(arrays), size(uint64_t{1} << p.num_qubits), tiles((arrays.count + L - 1) / L),
          chunks(static_cast<int>(std::min<int64_t>(tiles, 64))), sampled(p.num_rows), shared_c(p.num_rows, V{}), shared_t(2 * p.num_rows, V{}) {
        for (int r = 0; r < plan.num_rows; ++r) {
            for (int k = plan.rows[r].first; k < plan.rows[r].last; ++k) sampled[r] |= per_sample(plan.links[k].parameter);
            if (!sampled[r]) fill(r, 0, L, shared_c.data(), shared_t.data());
        }
    }

    template <int D>
    void forward() const {
        const BatchWalk& walk = plan.forward;
        const std::size_t states = a.psi ? 0 : 2 * size;
        const std::size_t steps_size = (walk.num_blocks * sizeof(Step<V>) + sizeof(V) - 1) / sizeof(V);
        for_chunks(walk, [&](int64_t, int64_t first, int64_t last) {
            Workspace<V> work(states + 3 * plan.num_rows + steps_size + size + plan.num_targets);
            V *c = work.take(plan.num_rows), *t = work.take(2 * plan.num_rows), *q = work.take(size), *e = work.take(plan.num_targets);
            auto* steps = reinterpret_cast<Step<V>*>(work.take(steps_size));
            V* own = work.take(states);
            fill_shared(c, t);
            for (int64_t tile = first; tile < last; ++tile) {
                V* re = a.psi ? reinterpret_cast<V*>(a.psi) + tile * 2 * size : own;
                V* im = re + size;
                fill_sampled(tile, c, t);
                plan_steps<T>(walk, false, c, steps, nullptr);
                std::memset(re, 0, 2 * size * sizeof(V));
                re[0] += T(1);
                evolve<T, D>(walk, plan.num_qubits, c, t, steps, re, im);
                for (int m = 0; m < plan.num_targets; ++m) e[m] = V{};
                if (plan.num_diagonal) {
                    for (uint64_t j = 0; j < size; ++j) q[j] = re[j] * re[j] + im[j] * im[j];
                    walsh_hadamard(q, size);
                }
                for (int k = 0; k < plan.num_terms; ++k) {
                    const BatchTerm& term = plan.terms[k];
                    e[term.target] += T(term.c) * (k < plan.num_diagonal ? q[term.z] : expectation<T, V>(term, size, re, im));
                }
                const int64_t present = std::min<int64_t>(L, a.count - tile * L);
                for (int64_t l = 0; l < present; ++l)
                    for (int m = 0; m < plan.num_targets; ++m) a.values[(tile * L + l) * plan.num_targets + m] = e[m][l];
            }
        });
    }

    template <int D>
    void backward() const {
        const BatchWalk& walk = plan.backward;
        const std::size_t steps_size = (walk.num_blocks * sizeof(Step<V>) + sizeof(V) - 1) / sizeof(V);
        Registers<V> totals(static_cast<std::size_t>(chunks) * plan.num_rows, V{});  // of rows that all samples share
        if (a.weights_per_sample) std::fill_n(a.weight_gradient, a.count * plan.num_weights, T(0));
        if (a.inputs_per_sample) std::fill_n(a.input_gradient, a.count * plan.num_inputs, T(0));
        for_chunks(walk, [&](int64_t chunk, int64_t first, int64_t last) {
            Workspace<V> work(4 * size + 4 * plan.num_rows + steps_size + 2 * walk.num_ops);
            V *c = work.take(plan.num_rows), *t = work.take(2 * plan.num_rows), *gradient = work.take(plan.num_rows);
            V *squares = work.take(walk.num_ops), *sums = work.take(walk.num_ops);
            auto* steps = reinterpret_cast<Step<V>*>(work.take(steps_size));
            V *re = work.take(size), *im = work.take(size), *lre = work.take(size), *lim = work.take(size);
            V* total = totals.data() + chunk * plan.num_rows;
            fill_shared(c, t);
            for (int64_t tile = first; tile < last; ++tile) {
                fill_sampled(tile, c, t);
                plan_steps<T>(walk, true, c, steps, squares);
                std::memcpy(re, reinterpret_cast<const V*>(a.psi) + tile * 2 * size, 2 * size * sizeof(V));
                start(tile, re, im, lre, lim);
                for (int r = 0; r < plan.num_rows; ++r) gradient[r] = V{};
                unwind<T, D>(walk, plan.num_qubits, c, t, steps, squares, re, im, lre, lim, sums, gradient);
                for (int r = 0; r < plan.num_rows; ++r) {
                    total[r] += gradient[r];
                    if (sampled[r]) scatter(r, tile, gradient[r]);
                }
            }
        });
        reduce(totals);
    }

private:
    // lambda = sum_k upstream_k O_k psi.
    void start(int64_t tile, const V* re, const V* im, V* lre, V* lim) const {
        const int64_t present = std::min<int64_t>(L, a.count - tile * L);
        const auto weight = [&](const BatchTerm& term) {
            V w = V{};
            for (int64_t l = 0; l < present; ++l) w[l] = a.upstream[(tile * L + l) * plan.num_targets + term.target];
            return w * T(term.c);
        };
        std::memset(lre, 0, 2 * size * sizeof(V));
        if (plan.num_diagonal) {
            for (int k = 0; k < plan.num_diagonal; ++k) lre[plan.terms[k].z] += weight(plan.terms[k]);
            walsh_hadamard(lre, size);
            for (uint64_t j = 0; j < size; ++j) { lim[j] = lre[j] * im[j]; lre[j] *= re[j]; }
        }
        for (int k = plan.num_diagonal; k < plan.num_terms; ++k)
            add_term<T, V>(plan.terms[k], size, weight(plan.terms[k]), re, im, lre, lim);
    }

    // The gradient of a row for a tile's samples, to the parameters that each sample has for itself.
    void scatter(int row, int64_t tile, V gradient) const {
        const int64_t present = std::min<int64_t>(L, a.count - tile * L);
        for (int k = plan.rows[row].first; k < plan.rows[row].last; ++k) {
            const int parameter = plan.links[k].parameter, input = parameter - plan.num_weights;
            if (!per_sample(parameter)) continue;
            const T factor = T(2 * plan.links[k].coefficient);  // the link is to half the angle
            for (int64_t l = 0; l < present; ++l) {
                T& out = input < 0 ? a.weight_gradient[(tile * L + l) * plan.num_weights + parameter]
                                   : a.input_gradient[(tile * L + l) * plan.num_inputs + input];
                out += factor * gradient[l];
            }
        }
    }

    // Sums over all samples, to the parameters that these share.
    void reduce(const Registers<V>& totals) const {
        std::vector<double> sums(plan.num_weights + plan.num_inputs, 0.0);
        for (int r = 0; r < plan.num_rows; ++r) {
            double g = 0;
            for (int chunk = 0; chunk < chunks; ++chunk)
                for (int l = 0; l < L; ++l) g += totals[static_cast<std::size_t>(chunk) * plan.num_rows + r][l];
            for (int k = plan.rows[r].first; k < plan.rows[r].last; ++k)
                sums[plan.links[k].parameter] += 2 * plan.links[k].coefficient * g;
        }
        if (!a.weights_per_sample) std::copy_n(sums.begin(), plan.num_weights, a.weight_gradient);
        if (!a.inputs_per_sample) std::copy_n(sums.begin() + plan.num_weights, plan.num_inputs, a.input_gradient);
    }
};

template <class T>
void forward(const BatchPlan& plan, const BatchArrays<T>& a) {
    const Batch<T> batch(plan, a);
    switch (plan.forward.bits) {
        case 1: batch.template forward<1>(); break;
        case 2: batch.template forward<2>(); break;
        default: batch.template forward<3>();
    }
}

template <class T>
void backward(const BatchPlan& plan, const BatchArrays<T>& a) {
    const Batch<T> batch(plan, a);
    if (plan.backward.bits == 1) batch.template backward<1>();
    else batch.template backward<2>();
}

}  // namespace

extern const BatchKernels batch_kernels;
const BatchKernels batch_kernels = {forward<float>, forward<double>, backward<float>, backward<double>};

}  // namespace bitket::BITKET_NAMESPACE

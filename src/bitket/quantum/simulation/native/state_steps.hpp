// What a stage does to a tile: the kernels, and how plans become steps for one tile, forward, inverse, or inverse with sums for the
// gradient. The lowest qubits are the lanes of a register; gates on them are shuffles with a coefficient for each lane. Controls outside
// the tile skip it, controls on rows skip rows, and controls on lanes are identity coefficients. One-qubit gates and phases go by blocks:
// the amplitudes of up to three row qubits stay in registers while all gates of the block are applied.
//
// The gradient of E = <psi| O |psi> with lambda = O psi is a walk back: for a gate U with psi_in before and lambda_out after it,
//     dE/da = 2 Re <lambda_out| dU/da |psi_in>,
// so each gate needs only sum conj(lambda_out)[o] psi_in[i] over all amplitudes that agree outside of its qubits: its *sums*.
#pragma once
#include "state.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "lanes.hpp"

namespace bitket::BITKET_NAMESPACE {
namespace {

using complex = std::complex<double>;

typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
template <class T> struct indices;
template <> struct indices<float> { using type = i32x16; };
template <> struct indices<double> { using type = i64x8; };

inline int parity(uint64_t v) { return __builtin_parityll(v); }

// A gate in a block, by what it does to the registers: a 2 x 2 matrix or a flip on local row qubit 0, 1 or 2; a matrix on a lane qubit, or a
// permutation of lanes; a factor for each amplitude.
enum class Code : int { real = 0, complex = 3, flip = 6, lane_real = 9, lane_complex, shuffle, phases };

struct Op {
    int code = 0;
    unsigned on = ~0u;                              // local rows where the controls match, a bit each
    uint64_t row_mask = 0, row_value = 0;           // controls on other rows of the tile
    uint64_t outside_mask = 0, outside_value = 0;   // controls outside it
    uint64_t lanes_on = ~uint64_t{0};               // lanes where the controls match
    size_t at = 0, sums = 0, sums_at = 0;           // among the coefficients; how many registers of sums, from where on
};

// A step on the rows of a tile, with its coefficients: a block, or one gate.
template <class T>
struct Step {
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    void (*apply)(const Step&, V*, uint64_t, uint64_t) = nullptr;
    void (*walk)(const Step&, V*, V*, uint64_t, uint64_t, double*) = nullptr;  // the inverse on psi and lambda, and the sums
    size_t sums = 0, at = 0;                        // how many; where they begin among those of the stage
    uint64_t on = ~uint64_t{0};                     // lanes where the controls match, a bit each
    uint64_t fixed = 0, value = 0;                  // rows r with (r & fixed) == value are bases
    uint64_t outside_mask = 0, outside_value = 0;   // controls outside the tile
    std::vector<uint64_t> offsets;                  // rows of one base
    std::vector<int> lane_xor;
    Registers<V> coefficients;                      // dense: [out][in][lane_xor] of (re, im)
    I first{};                                      // pauli: sources among the lanes
    bool moves_lanes = false, imaginary = false;
    uint64_t x = 0, z = 0, z_outside = 0;           // pauli, on rows
    std::vector<Op> ops;                            // block
    std::vector<T> table;                           // diagonal: (re, im) of each row
    struct Outside { int qubit; complex phase[2]; };
    std::vector<Outside> outside;
    struct Term { uint64_t row, outside; int bit; };
    std::vector<Term> terms;                        // diagonal: where each phase with an angle applies
};

inline uint64_t next_base(uint64_t r, uint64_t fixed, uint64_t value) { return (((r | fixed) + 1) & ~fixed) | value; }

// Calls body(r) for each row with (r & fixed) == value.
template <class F>
inline void each_base(uint64_t rows, uint64_t fixed, uint64_t value, F body) {
    const uint64_t count = rows >> __builtin_popcountll(fixed);
    uint64_t r = value;
    for (uint64_t k = 0; k < count; ++k) { body(r); r = next_base(r, fixed, value); }
}

template <class I, class T>
inline I xor_lanes(int mask) {
    I out;
    for (int l = 0; l < lanes<T>::count; ++l) out[l] = l ^ mask;
    return out;
}

// A dense matrix on KR row qubits and KL lane qubits, or on any number of them (KR < 0). Rows of a tile: t[2 r] real, t[2 r + 1]
// imaginary parts.
template <class T, int KR, int KL>
void dense(const Step<T>& s, typename lanes<T>::type* __restrict t, uint64_t rows, uint64_t) {
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    constexpr int most = KR < 0 ? 32 : 1 << (KR + KL);
    const int R = KR < 0 ? static_cast<int>(s.offsets.size()) : 1 << KR, S = KR < 0 ? static_cast<int>(s.lane_xor.size()) : 1 << KL, M = R * S;
    const V* __restrict c = s.coefficients.data();
    I index[most];
    for (int k = 0; k < S; ++k) index[k] = xor_lanes<I, T>(s.lane_xor[k]);
    uint64_t offset[most];
    for (int k = 0; k < R; ++k) offset[k] = 2 * s.offsets[k];
    each_base(rows, s.fixed, s.value, [&](uint64_t base) {
        V re[most], im[most];
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            const V a = t[2 * base + offset[r]], b = t[2 * base + offset[r] + 1];
            re[r * S] = a; im[r * S] = b;
#pragma GCC unroll 4
            for (int k = 1; k < S; ++k) { re[r * S + k] = __builtin_shuffle(a, index[k]); im[r * S + k] = __builtin_shuffle(b, index[k]); }
        }
#pragma GCC unroll 4
        for (int o = 0; o < R; ++o) {
            const V* row = c + 2 * M * o;
            V x = row[0] * re[0] - row[1] * im[0], y = row[0] * im[0] + row[1] * re[0];
#pragma GCC unroll 4
            for (int m = 1; m < M; ++m) {
                x += row[2 * m] * re[m]; y += row[2 * m] * im[m];
                x -= row[2 * m + 1] * im[m]; y += row[2 * m + 1] * re[m];
            }
            t[2 * base + offset[o]] = x;
            t[2 * base + offset[o] + 1] = y;
        }
    });
}

// The inverse of a dense matrix on psi and lambda, with sums [out][in][lane_xor] of conj(lambda_out) psi_in, (re, im), for each lane.
template <class T, int KR, int KL>
void dense_walk(const Step<T>& s, typename lanes<T>::type* __restrict psi, typename lanes<T>::type* __restrict lambda, uint64_t rows,
                uint64_t, double* sums) {
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    constexpr int most = KR < 0 ? 32 : 1 << (KR + KL), L = lanes<T>::count;
    const int R = KR < 0 ? static_cast<int>(s.offsets.size()) : 1 << KR, S = KR < 0 ? static_cast<int>(s.lane_xor.size()) : 1 << KL, M = R * S;
    const V* __restrict c = s.coefficients.data();
    static thread_local Registers<V> kept;
    V own[KR < 0 ? 1 : 2 * most << (KR < 0 ? 0 : KR)];
    if (KR < 0) kept.grow(static_cast<size_t>(2) * R * M);
    V* __restrict total = KR < 0 ? kept.data() : own;
    std::memset(total, 0, static_cast<size_t>(2) * R * M * sizeof(V));
    I index[most];
    for (int k = 0; k < S; ++k) index[k] = xor_lanes<I, T>(s.lane_xor[k]);
    uint64_t offset[most];
    for (int k = 0; k < R; ++k) offset[k] = 2 * s.offsets[k];
    const auto load = [&](const V* t, uint64_t base, V* re, V* im) {
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            const V a = t[2 * base + offset[r]], b = t[2 * base + offset[r] + 1];
            re[r * S] = a; im[r * S] = b;
#pragma GCC unroll 4
            for (int k = 1; k < S; ++k) { re[r * S + k] = __builtin_shuffle(a, index[k]); im[r * S + k] = __builtin_shuffle(b, index[k]); }
        }
    };
    const auto multiply = [&](V* t, uint64_t base, const V* re, const V* im) {
#pragma GCC unroll 4
        for (int o = 0; o < R; ++o) {
            const V* row = c + 2 * M * o;
            V x = row[0] * re[0] - row[1] * im[0], y = row[0] * im[0] + row[1] * re[0];
#pragma GCC unroll 4
            for (int m = 1; m < M; ++m) {
                x += row[2 * m] * re[m]; y += row[2 * m] * im[m];
                x -= row[2 * m + 1] * im[m]; y += row[2 * m + 1] * re[m];
            }
            t[2 * base + offset[o]] = x;
            t[2 * base + offset[o] + 1] = y;
        }
    };
    each_base(rows, s.fixed, s.value, [&](uint64_t base) {
        V re[most], im[most], lre[most], lim[most];
        load(psi, base, re, im);
        multiply(psi, base, re, im);
        load(psi, base, re, im);
        load(lambda, base, lre, lim);
#pragma GCC unroll 4
        for (int o = 0; o < R; ++o) {
            const V a = lre[o * S], b = lim[o * S];
            V* row = total + 2 * M * o;
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) {
                row[2 * m] += a * re[m]; row[2 * m] += b * im[m];
                row[2 * m + 1] += a * im[m]; row[2 * m + 1] -= b * re[m];
            }
        }
        multiply(lambda, base, lre, lim);
    });
    for (int k = 0; k < 2 * R * M; ++k)
        for (int l = 0; l < L; ++l) sums[k * L + l] += total[k][l];
}

// -- blocks: a[r], b[r] are the real and imaginary parts of local row r ---------------------------------------------------
#define BITKET_INLINE inline __attribute__((always_inline))
#define BITKET_LAMBDA __attribute__((always_inline))

template <int Q> constexpr bool is_row = Q < int(Code::lane_real);
template <int CODE> constexpr Code kind_of = is_row<CODE> ? Code(CODE / 3 * 3) : Code(CODE);

// Calls body(std::integral_constant<int, code>): one branch for each gate, and known register numbers behind it.
template <int K, class F>
BITKET_INLINE void dispatch(int code, F body) {
#define BITKET_CASE(N)                                                                                      \
    case N:                                                                                                 \
        if constexpr (!is_row<N> || N % 3 < K) body(std::integral_constant<int, N>());                      \
        break;
    switch (code) {
        BITKET_CASE(0) BITKET_CASE(1) BITKET_CASE(2) BITKET_CASE(3) BITKET_CASE(4) BITKET_CASE(5) BITKET_CASE(6)
        BITKET_CASE(7) BITKET_CASE(8) BITKET_CASE(9) BITKET_CASE(10) BITKET_CASE(11)
        default: body(std::integral_constant<int, 12>());
    }
#undef BITKET_CASE
}

// Calls body(0), body(1), ... with constants, not by a loop: arrays indexed by them then become registers for certain.
template <class F, int... R>
BITKET_INLINE void unrolled(std::integer_sequence<int, R...>, F body) { (body(std::integral_constant<int, R>()), ...); }
template <int COUNT, class F>
BITKET_INLINE void unrolled(F body) { unrolled(std::make_integer_sequence<int, COUNT>(), body); }

// Calls body(row, partner) for the pairs of local rows that differ in a qubit, or body(row, row) for all, where the controls match.
template <int CODE, int K, class F>
BITKET_INLINE void each_local(unsigned on, F body) {
    constexpr int bit = is_row<CODE> ? 1 << CODE % 3 : 0;
    unrolled<1 << K>([&](auto r) BITKET_LAMBDA {
        if constexpr (!(r & bit)) {
            if (on >> r & 1) body(r, std::integral_constant<int, r | bit>());
        }
    });
}

template <int CODE, int K, class V, class I>
BITKET_INLINE void apply_op(unsigned on, const V* c, I index, V* a, V* b) {
    constexpr Code kind = kind_of<CODE>;
    each_local<CODE, K>(kind == Code::phases ? ~0u : on, [&](auto r, auto p) BITKET_LAMBDA {
        const V x = a[r], y = b[r];
        if constexpr (kind == Code::real) {
            a[r] = c[0] * x + c[1] * a[p]; b[r] = c[0] * y + c[1] * b[p];
            a[p] = c[2] * x + c[3] * a[p]; b[p] = c[2] * y + c[3] * b[p];
        } else if constexpr (kind == Code::complex) {
            const V u = a[p], v = b[p];
            a[r] = c[0] * x - c[1] * y + c[2] * u - c[3] * v; b[r] = c[0] * y + c[1] * x + c[2] * v + c[3] * u;
            a[p] = c[4] * x - c[5] * y + c[6] * u - c[7] * v; b[p] = c[4] * y + c[5] * x + c[6] * v + c[7] * u;
        } else if constexpr (kind == Code::flip) {
            a[r] = a[p]; b[r] = b[p]; a[p] = x; b[p] = y;
        } else if constexpr (kind == Code::phases) {
            a[r] = c[2 * r] * x - c[2 * r + 1] * y; b[r] = c[2 * r] * y + c[2 * r + 1] * x;
        } else {
            const V u = __builtin_shuffle(x, index), v = __builtin_shuffle(y, index);
            if constexpr (kind == Code::shuffle) { a[r] = u; b[r] = v; }
            else if constexpr (kind == Code::lane_real) { a[r] = c[1] * x + c[3] * u; b[r] = c[1] * y + c[3] * v; }
            else { a[r] = c[1] * x - c[2] * y + c[3] * u - c[4] * v; b[r] = c[1] * y + c[2] * x + c[3] * v + c[4] * u; }
        }
    });
}

// Sums of conj(lambda)[o] psi[i] for one gate: (re, im) of [o][i] on a row qubit, of [0][lane_xor] on a lane qubit; only the real parts
// for a real matrix; the imaginary part of conj(lambda) psi of each local row for phases.
template <int CODE, int K, class V, class I>
BITKET_INLINE void sum_op(unsigned on, I index, const V* a, const V* b, const V* e, const V* f, V* total) {
    constexpr Code kind = kind_of<CODE>;
    constexpr bool imaginary = kind == Code::complex || kind == Code::lane_complex;
    if constexpr (kind == Code::phases) {
        each_local<CODE, K>(~0u, [&](auto r, auto) BITKET_LAMBDA { total[r] += e[r] * b[r] - f[r] * a[r]; });
    } else if constexpr (kind != Code::flip && kind != Code::shuffle) {
        constexpr int count = is_row<CODE> ? 8 : 4;
        V sum[count] = {};
        each_local<CODE, K>(on, [&](auto r, auto p) BITKET_LAMBDA {
            unrolled<count / 2>([&](auto k) BITKET_LAMBDA {  // [o][i]
                constexpr int o = k / 2 ? p : r, i = is_row<CODE> && k % 2 ? p : r;
                V u = a[i], v = b[i];
                if (!is_row<CODE> && k % 2) { u = __builtin_shuffle(u, index); v = __builtin_shuffle(v, index); }
                sum[2 * k] += e[o] * u; sum[2 * k] += f[o] * v;
                if (imaginary) { sum[2 * k + 1] += e[o] * v; sum[2 * k + 1] -= f[o] * u; }
            });
        });
        unrolled<count>([&](auto k) BITKET_LAMBDA {
            if (imaginary || k % 2 == 0) total[k] += sum[k];
        });
    }
}

BITKET_INLINE bool applies(const Op& op, uint64_t row, uint64_t base) {
    return (((row & op.row_mask) ^ op.row_value) | ((base & op.outside_mask) ^ op.outside_value)) == 0;
}

template <class I, int CODE, class V>
BITKET_INLINE I lane_index(const V* c) {
    I index{};
    if (!is_row<CODE> && CODE != int(Code::phases)) std::memcpy(&index, c, sizeof index);
    return index;
}

template <class T, int K>
void block(const Step<T>& s, typename lanes<T>::type* __restrict t, uint64_t rows, uint64_t base) {
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    constexpr int R = 1 << K;
    const V* __restrict c = s.coefficients.data();
    const Op *first = s.ops.data(), *last = first + s.ops.size();
    uint64_t offset[R];
    for (int r = 0; r < R; ++r) offset[r] = 2 * s.offsets[r];
    each_base(rows, s.fixed, 0, [&](uint64_t row) {
        V a[R], b[R];
        unrolled<R>([&](auto r) BITKET_LAMBDA { a[r] = t[2 * row + offset[r]]; b[r] = t[2 * row + offset[r] + 1]; });
        for (const Op* op = first; op != last; ++op) {
            if (!applies(*op, row, base)) continue;
            dispatch<K>(op->code, [&](auto code) BITKET_LAMBDA {
                const V* own = c + op->at;
                apply_op<code, K>(op->on, own, lane_index<I, code>(own), a, b);
            });
        }
        unrolled<R>([&](auto r) BITKET_LAMBDA { t[2 * row + offset[r]] = a[r]; t[2 * row + offset[r] + 1] = b[r]; });
    });
}

// The inverse of a block on psi and lambda, gate by gate, with the sums of those that vary.
template <class T, int K>
void block_walk(const Step<T>& s, typename lanes<T>::type* __restrict psi, typename lanes<T>::type* __restrict lambda, uint64_t rows,
                uint64_t base, double* sums) {
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    constexpr int R = 1 << K, L = lanes<T>::count;
    const V* __restrict c = s.coefficients.data();
    const Op* ops = s.ops.data();
    uint64_t offset[R];
    for (int r = 0; r < R; ++r) offset[r] = 2 * s.offsets[r];
    static thread_local Registers<V> kept;
    kept.grow(s.sums / L + 1);
    V* __restrict total = kept.data();
    std::memset(total, 0, s.sums / L * sizeof(V));
    each_base(rows, s.fixed, 0, [&](uint64_t row) {
        V a[R], b[R], e[R], f[R];
        unrolled<R>([&](auto r) BITKET_LAMBDA {
            const uint64_t at = 2 * row + offset[r];
            a[r] = psi[at]; b[r] = psi[at + 1];
            e[r] = lambda[at]; f[r] = lambda[at + 1];
        });
        for (const Op* op = ops + s.ops.size(); op-- != ops;) {
            if (!applies(*op, row, base)) continue;
            dispatch<K>(op->code, [&](auto code) BITKET_LAMBDA {
                const V* own = c + op->at;
                const I index = lane_index<I, code>(own);
                constexpr bool phases = code == int(Code::phases);  // their sums are with psi_out, all others with psi_in
                if (op->sums && phases) sum_op<code, K>(op->on, index, a, b, e, f, total + op->sums_at);
                apply_op<code, K>(op->on, own, index, a, b);
                if (op->sums && !phases) sum_op<code, K>(op->on, index, a, b, e, f, total + op->sums_at);
                apply_op<code, K>(op->on, own, index, e, f);
            });
        }
        unrolled<R>([&](auto r) BITKET_LAMBDA {
            const uint64_t at = 2 * row + offset[r];
            psi[at] = a[r]; psi[at + 1] = b[r];
            lambda[at] = e[r]; lambda[at + 1] = f[r];
        });
    });
    for (size_t k = 0; k < s.sums / L; ++k)
        for (int l = 0; l < L; ++l) sums[k * L + l] += total[k][l];
}

// Phases: those outside the tile make a number, those on rows a table, those on lanes a register (coefficients 0 and 1, with the
// lanes where controls match in 2).
template <class T>
void diagonal(const Step<T>& s, typename lanes<T>::type* t, uint64_t rows, uint64_t base) {
    using V = typename lanes<T>::type;
    complex number = 1;
    for (const auto& o : s.outside) number *= o.phase[base >> o.qubit & 1];
    const T a = static_cast<T>(number.real()), b = static_cast<T>(number.imag());
    const T* table = s.table.data();
    if (!s.moves_lanes) {
        each_base(rows, s.fixed, s.value, [&](uint64_t r) {
            const T c = a * table[2 * r] - b * table[2 * r + 1], d = a * table[2 * r + 1] + b * table[2 * r];
            const V x = t[2 * r], y = t[2 * r + 1];
            t[2 * r] = c * x - d * y;
            t[2 * r + 1] = c * y + d * x;
        });
        return;
    }
    const V lane_re = s.coefficients[0], lane_im = s.coefficients[1], on = s.coefficients[2], off = T(1) - on;
    each_base(rows, s.fixed, s.value, [&](uint64_t r) {
        const T c = a * table[2 * r] - b * table[2 * r + 1], d = a * table[2 * r + 1] + b * table[2 * r];
        const V wr = off + on * (c * lane_re - d * lane_im), wi = on * (c * lane_im + d * lane_re);
        const V x = t[2 * r], y = t[2 * r + 1];
        t[2 * r] = wr * x - wi * y;
        t[2 * r + 1] = wr * y + wi * x;
    });
}

// exp(-i a/2 P): coefficients 0 and 1 hold cos a/2 and the signed sin a/2 of each lane.
template <class T>
void pauli(const Step<T>& s, typename lanes<T>::type* t, uint64_t rows, uint64_t base) {
    using V = typename lanes<T>::type;
    const auto index = s.first;
    const V c = s.coefficients[0], plus = parity(base & s.z_outside) ? -s.coefficients[1] : s.coefficients[1];
    const auto out = [&](V& re, V& im, V pre, V pim, V sine) {
        if (s.moves_lanes) { pre = __builtin_shuffle(pre, index); pim = __builtin_shuffle(pim, index); }
        if (s.imaginary) { re = c * re - sine * pim; im = c * im + sine * pre; }
        else { re = c * re + sine * pre; im = c * im + sine * pim; }
    };
    each_base(rows, s.fixed, s.value, [&](uint64_t r) {
        const uint64_t p = r ^ s.x;
        const V a = t[2 * r], b = t[2 * r + 1];
        const V from_p = parity(p & s.z) ? -plus : plus, from_r = parity(r & s.z) ? -plus : plus;
        const V e = t[2 * p], f = t[2 * p + 1];
        out(t[2 * r], t[2 * r + 1], e, f, from_p);
        if (p != r) out(t[2 * p], t[2 * p + 1], a, b, from_r);
    });
}

// The inverse of a Pauli rotation on psi and lambda, with the sum of (-1)^(z row) conj(lambda)[j] psi[j ^ x], (re, im), for each lane.
template <class T>
void pauli_walk(const Step<T>& s, typename lanes<T>::type* psi, typename lanes<T>::type* lambda, uint64_t rows, uint64_t base, double* sums) {
    using V = typename lanes<T>::type;
    constexpr int L = lanes<T>::count;
    V re{}, im{};
    const auto add = [&](uint64_t j, uint64_t from) {
        V a = psi[2 * from], b = psi[2 * from + 1];
        if (s.moves_lanes) { a = __builtin_shuffle(a, s.first); b = __builtin_shuffle(b, s.first); }
        const V x = lambda[2 * j] * a + lambda[2 * j + 1] * b, y = lambda[2 * j] * b - lambda[2 * j + 1] * a;
        if (parity(from & s.z)) { re -= x; im -= y; } else { re += x; im += y; }
    };
    each_base(rows, s.fixed, s.value, [&](uint64_t r) {
        add(r, r ^ s.x);
        if (s.x) add(r ^ s.x, r);
    });
    const double sign = parity(base & s.z_outside) ? -1 : 1;
    for (int l = 0; l < L; ++l) { sums[l] += sign * re[l]; sums[L + l] += sign * im[l]; }
    pauli(s, psi, rows, base);
    pauli(s, lambda, rows, base);
}

// The inverse of a diagonal gate on psi and lambda, with the sum of Im conj(lambda) psi where each phase applies, for each lane.
template <class T>
void diagonal_walk(const Step<T>& s, typename lanes<T>::type* psi, typename lanes<T>::type* lambda, uint64_t rows, uint64_t base, double* sums) {
    using V = typename lanes<T>::type;
    constexpr int L = lanes<T>::count;
    for (size_t k = 0; k < s.terms.size(); ++k) {
        const auto& term = s.terms[k];
        if (term.outside && ((base & term.outside) != 0) != (term.bit != 0)) continue;
        V total{};
        each_base(rows, s.fixed | term.row, s.value | (term.bit ? term.row : 0), [&](uint64_t r) {
            total += lambda[2 * r] * psi[2 * r + 1];
            total -= lambda[2 * r + 1] * psi[2 * r];
        });
        for (int l = 0; l < L; ++l) sums[k * L + l] += total[l];
    }
    diagonal(s, psi, rows, base);
    diagonal(s, lambda, rows, base);
}

// -- making steps -----------------------------------------------------------------------------------------------------
struct Split {  // a mask over qubits, by where they are in a tile
    uint64_t lane = 0, row = 0, outside = 0;
};

struct Tile {
    int lane_bits;
    std::vector<int> place;  // of each qubit: lane, then row bits; -1 outside

    Tile(const StateStage& stage, int num_qubits, int lane_bits) : lane_bits(lane_bits), place(num_qubits, -1) {
        for (size_t k = 0; k < stage.tile.size(); ++k) place[stage.tile[k]] = static_cast<int>(k);
    }
    Split split(uint64_t mask) const {
        Split s;
        for (size_t q = 0; q < place.size(); ++q) {
            if (!(mask >> q & 1)) continue;
            if (place[q] < 0) s.outside |= uint64_t{1} << q;
            else if (place[q] < lane_bits) s.lane |= uint64_t{1} << place[q];
            else s.row |= uint64_t{1} << (place[q] - lane_bits);
        }
        return s;
    }
    Split split(int qubit) const { return split(uint64_t{1} << qubit); }
};

// The matrix of a fused gate: its factors one after the other; with one of them replaced by its derivative for its angle where asked.
void fuse(const StateGate& g, const std::vector<double>& doubles, const double* angles, std::vector<complex>& matrix,
          const StateFactor* derived = nullptr) {
    const uint64_t size = uint64_t{1} << g.qubits.size();
    matrix.assign(size * size, 0);
    for (uint64_t k = 0; k < size; ++k) matrix[k * size + k] = 1;
    complex column[32], old[32];
    for (const StateFactor& f : g.factors) {
        uint64_t spread[32], mask = 0;
        const uint64_t inner = uint64_t{1} << f.qubits.size();
        for (uint64_t m = 0; m < inner; ++m) {
            spread[m] = 0;
            for (size_t k = 0; k < f.qubits.size(); ++k) spread[m] |= (m >> k & 1) << f.qubits[k];
        }
        mask = spread[inner - 1];
        double sine = 0, cosine = 1;
        if (!f.constant) {
            const double scale = doubles[f.at] / 2, half = scale * angles[f.slot];
            sine = &f == derived ? scale * std::cos(half) : std::sin(half);
            cosine = &f == derived ? -scale * std::sin(half) : std::cos(half);
        }
        const complex powers[4] = {{0, -sine}, {sine, 0}, {0, sine}, {-sine, 0}};  // -i i^Y sin
        const complex factor = powers[__builtin_popcount(f.x & f.z) % 4];
        for (uint64_t c = 0; c < size; ++c) {
            for (uint64_t r = 0; r < size; ++r) old[r] = matrix[r * size + c];
            for (uint64_t r = 0; r < size; ++r) {
                column[r] = &f == derived ? 0 : old[r];
                if ((r & f.control_mask) != f.control_value) continue;
                if (!f.constant) {
                    const uint64_t p = r ^ f.x;
                    column[r] = cosine * old[r] + (parity(p & f.z) ? -factor : factor) * old[p];
                    continue;
                }
                uint64_t local = 0;
                for (size_t k = 0; k < f.qubits.size(); ++k) local |= (r >> f.qubits[k] & 1) << k;
                complex sum = 0;
                for (uint64_t m = 0; m < inner; ++m) {
                    const double* entry = &doubles[f.at + 2 * (local * inner + m)];
                    sum += complex(entry[0], entry[1]) * old[(r & ~mask) | spread[m]];
                }
                column[r] = sum;
            }
            for (uint64_t r = 0; r < size; ++r) matrix[r * size + c] = column[r];
        }
    }
}

// The kernel of a dense gate on so many row and lane qubits, two or more together: `dense` or `dense_walk`. Those on two and three qubits
// are unrolled.
#define BITKET_DENSE(KERNEL)                                                                       \
    {{nullptr, nullptr, KERNEL<T, 0, 2>, KERNEL<T, 0, 3>},                                         \
     {nullptr, KERNEL<T, 1, 1>, KERNEL<T, 1, 2>},                                                  \
     {KERNEL<T, 2, 0>, KERNEL<T, 2, 1>},                                                           \
     {KERNEL<T, 3, 0>}}
template <class T>
auto dense_kernel(size_t row_qubits, size_t lane_qubits) {
    static const decltype(Step<T>::apply) all[4][4] = BITKET_DENSE(dense);
    return row_qubits + lane_qubits > 3 ? dense<T, -1, 0> : all[row_qubits][lane_qubits];
}
template <class T>
auto dense_walk_kernel(size_t row_qubits, size_t lane_qubits) {
    static const decltype(Step<T>::walk) all[4][4] = BITKET_DENSE(dense_walk);
    return row_qubits + lane_qubits > 3 ? dense_walk<T, -1, 0> : all[row_qubits][lane_qubits];
}
#undef BITKET_DENSE

template <class T>
struct Maker {
    static constexpr int L = lanes<T>::count;
    using I = typename indices<T>::type;
    const StatePlan& plan;
    const Tile& tile;
    uint64_t rows;
    bool inverse = false;
    std::vector<complex> matrix{};

    void set_controls(const StateGate& g, Step<T>& s, uint64_t& lane_mask, uint64_t& lane_value) const {
        const Split mask = tile.split(g.control_mask), value = tile.split(g.control_value);
        s.fixed = mask.row;
        s.value = value.row;
        s.outside_mask = mask.outside;
        s.outside_value = value.outside;
        lane_mask = mask.lane;
        lane_value = value.lane;
        s.on = 0;
        for (int l = 0; l < L; ++l) s.on |= uint64_t{(l & lane_mask) == lane_value} << l;
    }

    void make(const StateGroup& group, const double* angles, Step<T>& s) {
        if (group.block) {
            make_block(group, angles, s);
            return;
        }
        const StateGate& g = group.gates[0];
        uint64_t lane_mask, lane_value;
        set_controls(g, s, lane_mask, lane_value);
        switch (g.kind) {
            case StateKind::dense: make_dense(g, angles, s, lane_mask, lane_value); break;
            case StateKind::diagonal: make_diagonal(g, angles, s, lane_mask, lane_value); break;
            default: make_pauli(g, angles, s, lane_mask, lane_value);
        }
    }

    void conjugate_transpose(size_t size) {
        for (size_t r = 0; r < size; ++r)
            for (size_t c = 0; c <= r; ++c) {
                const complex a = matrix[r * size + c];
                matrix[r * size + c] = std::conj(matrix[c * size + r]);
                matrix[c * size + r] = std::conj(a);
            }
    }

    void make_dense(const StateGate& g, const double* angles, Step<T>& s, uint64_t lane_mask, uint64_t lane_value) {
        const size_t k = g.qubits.size(), size = size_t{1} << k;
        fuse(g, plan.doubles, angles, matrix);
        if (inverse) conjugate_transpose(size);
        std::vector<std::pair<int, uint64_t>> on_rows, on_lanes;  // local qubit, bit
        for (size_t q = 0; q < k; ++q) {
            const Split where = tile.split(g.qubits[q]);
            if (where.row) { on_rows.push_back({int(q), where.row}); s.fixed |= where.row; }
            else on_lanes.push_back({int(q), where.lane});
        }
        const size_t R = size_t{1} << on_rows.size(), S = size_t{1} << on_lanes.size();
        s.apply = dense_kernel<T>(on_rows.size(), on_lanes.size());
        if (inverse && g.varies) {
            s.walk = dense_walk_kernel<T>(on_rows.size(), on_lanes.size());
            s.sums = 2 * R * R * S * L;
        }
        s.offsets.assign(R, 0);
        s.lane_xor.assign(S, 0);
        s.coefficients.grow(2 * R * R * S);
        std::vector<uint64_t> row_local(R, 0), lane_local(S, 0);
        for (size_t r = 0; r < R; ++r)
            for (size_t j = 0; j < on_rows.size(); ++j)
                if (r >> j & 1) { s.offsets[r] |= on_rows[j].second; row_local[r] |= uint64_t{1} << on_rows[j].first; }
        for (size_t x = 0; x < S; ++x)
            for (size_t j = 0; j < on_lanes.size(); ++j)
                if (x >> j & 1) { s.lane_xor[x] |= int(on_lanes[j].second); lane_local[x] |= uint64_t{1} << on_lanes[j].first; }
        for (int l = 0; l < L; ++l) {
            uint64_t here = 0;
            for (const auto& [q, bit] : on_lanes) here |= uint64_t{(l & bit) != 0} << q;
            const bool on = (l & lane_mask) == lane_value;
            for (size_t o = 0; o < R; ++o)
                for (size_t r = 0; r < R; ++r)
                    for (size_t x = 0; x < S; ++x) {
                        const complex m = on ? matrix[(row_local[o] | here) * size + (row_local[r] | (here ^ lane_local[x]))]
                                             : complex(o == r && x == 0);
                        const size_t at = 2 * ((o * R + r) * S + x);
                        s.coefficients[at][l] = static_cast<T>(m.real());
                        s.coefficients[at + 1][l] = static_cast<T>(m.imag());
                    }
        }
    }

    void make_block(const StateGroup& group, const double* angles, Step<T>& s) {
        const int k = static_cast<int>(group.rows.size()), R = 1 << k;
        std::vector<uint64_t> local;
        for (int q : group.rows) local.push_back(tile.split(q).row);
        s.offsets.assign(R, 0);
        for (int r = 0; r < R; ++r)
            for (int j = 0; j < k; ++j)
                if (r >> j & 1) s.offsets[r] |= local[j];
        s.fixed = s.offsets[R - 1];
        static const decltype(s.apply) forward[] = {block<T, 0>, block<T, 1>, block<T, 2>, block<T, 3>};
        static const decltype(s.walk) backward[] = {block_walk<T, 0>, block_walk<T, 1>, block_walk<T, 2>};
        if (inverse) s.walk = backward[k];
        else s.apply = forward[k];
        s.coefficients.grow(group.gates.size() * std::max(8, 2 * R));
        size_t at = 0, sums = 0;
        for (const StateGate& g : group.gates) {
            Op op;
            op.at = at;
            op.sums_at = sums;
            const Split mask = tile.split(g.control_mask), value = tile.split(g.control_value);
            op.row_mask = mask.row & ~s.fixed;
            op.row_value = value.row & ~s.fixed;
            op.outside_mask = mask.outside;
            op.outside_value = value.outside;
            op.on = 0;
            for (int r = 0; r < R; ++r) op.on |= unsigned{(s.offsets[r] & mask.row & s.fixed) == (value.row & s.fixed)} << r;
            op.lanes_on = 0;
            for (int l = 0; l < L; ++l) op.lanes_on |= uint64_t{(l & mask.lane) == value.lane} << l;
            if (g.kind == StateKind::diagonal) make_phases(g, angles, op, s, R);
            else make_one(g, angles, op, s, static_cast<int>(std::find(local.begin(), local.end(), tile.split(g.qubits[0]).row) - local.begin()));
            at += op.code == int(Code::phases) ? 2 * R : 8;
            if (inverse && g.varies) op.sums = op.code == int(Code::phases) ? R : op.code < int(Code::flip) ? 8 : 4;
            sums += op.sums;
            s.ops.push_back(op);
        }
        s.sums = sums * L;
    }

    // A matrix on one qubit, or a flip; `row` is its local row.
    void make_one(const StateGate& g, const double* angles, Op& op, Step<T>& s, int row) {
        const uint64_t lane = tile.split(g.qubits[0]).lane;
        const bool flip = g.kind == StateKind::flip, everywhere = op.lanes_on == every_lane();
        if (flip) matrix = {0, 1, 1, 0};
        else fuse(g, plan.doubles, angles, matrix);
        if (inverse) conjugate_transpose(2);
        const bool real = std::all_of(matrix.begin(), matrix.end(), [](complex m) { return m.imag() == 0; });
        const auto at = [&](size_t k) -> typename lanes<T>::type& { return s.coefficients[op.at + k]; };
        if (lane) {
            op.code = int(flip ? Code::shuffle : real ? Code::lane_real : Code::lane_complex);
            I index = xor_lanes<I, T>(int(lane));
            for (int l = 0; l < L; ++l) {
                const bool here = (l & lane) != 0, on = op.lanes_on >> l & 1;
                if (flip && !on) index[l] = l;
                for (int x = 0; x < 2; ++x) {
                    const complex m = on ? matrix[here ? 3 - x : x] : complex(x == 0);
                    at(1 + 2 * x)[l] = static_cast<T>(m.real());
                    at(2 + 2 * x)[l] = static_cast<T>(m.imag());
                }
            }
            std::memcpy(&at(0), &index, sizeof index);
            return;
        }
        op.code = int(flip && everywhere ? Code::flip : real ? Code::real : Code::complex) + row;
        for (int l = 0; l < L; ++l)
            for (int k = 0; k < 4; ++k) {
                const complex m = op.lanes_on >> l & 1 ? matrix[k] : complex(k % 3 == 0);
                if (real) at(k)[l] = static_cast<T>(m.real());
                else { at(2 * k)[l] = static_cast<T>(m.real()); at(2 * k + 1)[l] = static_cast<T>(m.imag()); }
            }
    }

    static constexpr uint64_t every_lane() { return (uint64_t{1} << L) - 1; }

    // Calls body(phase, row r of the block, lane) where a phase of a gate applies.
    template <class F>
    void each_phase(const StateGate& g, const Step<T>& s, const Op& op, int R, F body) const {
        for (const StatePhase& p : g.phases) {
            const Split where = tile.split(p.qubit);
            for (int r = 0; r < R; ++r)
                for (int l = 0; l < L; ++l) {
                    const bool one = (l & where.lane) || (s.offsets[r] & where.row);
                    if ((op.on >> r & 1) && (op.lanes_on >> l & 1) && one == (p.bit != 0)) body(p, r, l);
                }
        }
    }

    void make_phases(const StateGate& g, const double* angles, Op& op, Step<T>& s, int R) {
        op.code = int(Code::phases);
        double re[8][L], im[8][L];
        for (int r = 0; r < R; ++r)
            for (int l = 0; l < L; ++l) { re[r][l] = 1; im[r][l] = 0; }
        const StatePhase* last = nullptr;
        double c = 1, d = 0;
        each_phase(g, s, op, R, [&](const StatePhase& p, int r, int l) {
            if (&p != last) {
                const double angle = plan.doubles[p.at] * (p.slot < 0 ? 1 : angles[p.slot]) * (inverse ? -1 : 1);
                c = std::cos(angle);
                d = std::sin(angle);
                last = &p;
            }
            const double x = re[r][l];
            re[r][l] = c * x - d * im[r][l];
            im[r][l] = c * im[r][l] + d * x;
        });
        for (int r = 0; r < R; ++r)
            for (int l = 0; l < L; ++l) {
                s.coefficients[op.at + 2 * r][l] = static_cast<T>(re[r][l]);
                s.coefficients[op.at + 2 * r + 1][l] = static_cast<T>(im[r][l]);
            }
    }

    void differentiate_block(const StateGroup& group, const double* angles, const Step<T>& s, const double* sums, double* gradient) {
        for (size_t k = 0; k < group.gates.size(); ++k) {
            const StateGate& g = group.gates[k];
            const Op& op = s.ops[k];
            const double* own = sums + op.sums_at * L;
            if (!op.sums) continue;
            if (op.code != int(Code::phases)) differentiate_dense(g, angles, op.lanes_on, own, gradient);
            else each_phase(g, s, op, 1 << group.rows.size(), [&](const StatePhase& p, int r, int l) {
                if (p.slot >= 0) gradient[p.slot] -= 2 * plan.doubles[p.at] * own[r * L + l];
            });
        }
    }

    void make_diagonal(const StateGate& g, const double* angles, Step<T>& s, uint64_t lane_mask, uint64_t lane_value) {
        s.apply = diagonal<T>;
        s.walk = inverse && g.varies ? diagonal_walk<T> : nullptr;
        complex lane[L];
        std::fill(lane, lane + L, complex(1));
        std::vector<complex> row(rows, 1);
        s.outside.clear();
        s.moves_lanes = lane_mask != 0;
        struct Both { int qubit; complex phase[2]; };
        std::vector<Both> qubits;
        for (const StatePhase& p : g.phases) {
            const double angle = plan.doubles[p.at] * (p.slot < 0 ? 1 : angles[p.slot]) * (inverse ? -1 : 1);
            if (inverse && p.slot >= 0) {
                const Split where = tile.split(p.qubit);
                s.terms.push_back({where.row, where.outside, p.bit});
            }
            auto q = std::find_if(qubits.begin(), qubits.end(), [&](const Both& k) { return k.qubit == p.qubit; });
            if (q == qubits.end()) q = qubits.insert(q, {p.qubit, {1, 1}});
            q->phase[p.bit] *= complex(std::cos(angle), std::sin(angle));
        }
        std::sort(qubits.begin(), qubits.end(), [&](const Both& a, const Both& b) { return tile.place[a.qubit] < tile.place[b.qubit]; });
        uint64_t filled = 1;  // rows of the table that are done: those with no higher bit set
        const auto grow = [&](uint64_t to) {
            for (; filled < to; filled *= 2)
                for (uint64_t r = 0; r < filled; ++r) row[filled + r] = row[r];
        };
        for (const Both& q : qubits) {
            const Split where = tile.split(q.qubit);
            if (where.outside) s.outside.push_back({q.qubit, {q.phase[0], q.phase[1]}});
            else if (where.lane) {
                s.moves_lanes = true;
                for (int l = 0; l < L; ++l) lane[l] *= q.phase[(l & where.lane) != 0];
            } else {
                grow(where.row);
                for (uint64_t r = 0; r < filled; ++r) {
                    row[filled + r] = row[r] * q.phase[1];
                    row[r] *= q.phase[0];
                }
                filled *= 2;
            }
        }
        grow(rows);
        s.sums = s.terms.size() * L;
        s.table.resize(2 * rows);
        for (uint64_t r = 0; r < rows; ++r) {
            s.table[2 * r] = static_cast<T>(row[r].real());
            s.table[2 * r + 1] = static_cast<T>(row[r].imag());
        }
        s.coefficients.grow(3);
        for (int l = 0; l < L; ++l) {
            s.coefficients[0][l] = static_cast<T>(lane[l].real());
            s.coefficients[1][l] = static_cast<T>(lane[l].imag());
            s.coefficients[2][l] = (l & lane_mask) == lane_value;
        }
    }

    void make_pauli(const StateGate& g, const double* angles, Step<T>& s, uint64_t lane_mask, uint64_t lane_value) {
        s.apply = pauli<T>;
        if (inverse && g.varies) { s.walk = pauli_walk<T>; s.sums = 2 * L; }
        const Split x = tile.split(g.x), z = tile.split(g.z);
        s.x = x.row;
        s.z = z.row;
        s.z_outside = z.outside;
        if (x.row) s.fixed |= uint64_t{1} << (63 - __builtin_clzll(x.row));
        s.first = xor_lanes<I, T>(int(x.lane));
        s.moves_lanes = x.lane != 0;
        const int ys = __builtin_popcountll(g.x & g.z) % 4;
        s.imaginary = ys % 2 == 0;
        const double half = plan.doubles[g.at] * (g.slot < 0 ? 1 : angles[g.slot]) / 2 * (inverse ? -1 : 1);
        const double sine = (ys == 0 || ys == 3 ? -1 : 1) * std::sin(half);
        s.coefficients.grow(2);
        for (int l = 0; l < L; ++l) {
            const bool on = (l & lane_mask) == lane_value;
            s.coefficients[0][l] = static_cast<T>(on ? std::cos(half) : 1);
            s.coefficients[1][l] = static_cast<T>(on ? (parity((l ^ x.lane) & z.lane) ? -sine : sine) : 0);
        }
    }

    // Adds the derivatives of a gate, from its sums, to the gradient of the slots.
    void differentiate(const StateGroup& group, const double* angles, const Step<T>& s, const double* sums, double* gradient) {
        if (group.block) {
            differentiate_block(group, angles, s, sums, gradient);
            return;
        }
        const StateGate& g = group.gates[0];
        if (g.kind == StateKind::pauli) {
            const Split x = tile.split(g.x), z = tile.split(g.z);
            complex total = 0;
            for (int l = 0; l < L; ++l)
                if (s.on >> l & 1) total += complex(sums[l], sums[L + l]) * (parity((l ^ x.lane) & z.lane) ? -1.0 : 1.0);
            const complex powers[4] = {1, {0, 1}, -1, {0, -1}};
            gradient[g.slot] += plan.doubles[g.at] * (powers[__builtin_popcountll(g.x & g.z) % 4] * total).imag();
        } else if (g.kind == StateKind::diagonal) {
            size_t k = 0;
            for (const StatePhase& p : g.phases) {
                if (p.slot < 0) continue;
                const uint64_t lane = tile.split(p.qubit).lane;
                double total = 0;
                for (int l = 0; l < L; ++l)
                    if ((s.on >> l & 1) && (!lane || ((l & lane) != 0) == (p.bit != 0))) total += sums[k * L + l];
                gradient[p.slot] -= 2 * plan.doubles[p.at] * total;
                ++k;
            }
        } else {
            differentiate_dense(g, angles, s.on, sums, gradient);
        }
    }

    void differentiate_dense(const StateGate& g, const double* angles, uint64_t lanes_on, const double* sums, double* gradient) {
        const size_t k = g.qubits.size(), size = size_t{1} << k;
        std::vector<uint64_t> rows_at, lanes_at;  // local qubits on rows and on lanes; the bits of the latter
        std::vector<uint64_t> lane_bits;
        for (size_t q = 0; q < k; ++q) {
            const Split where = tile.split(g.qubits[q]);
            if (where.row) rows_at.push_back(q);
            else { lanes_at.push_back(q); lane_bits.push_back(where.lane); }
        }
        const auto spread = [](const std::vector<uint64_t>& at, size_t value) {
            uint64_t out = 0;
            for (size_t j = 0; j < at.size(); ++j) out |= (value >> j & 1) << at[j];
            return out;
        };
        const size_t R = size_t{1} << rows_at.size(), S = size_t{1} << lanes_at.size();
        std::vector<complex> total(size * size, 0);  // [out][in]
        for (int l = 0; l < L; ++l) {
            if (!(lanes_on >> l & 1)) continue;
            uint64_t here = 0;
            for (size_t j = 0; j < lanes_at.size(); ++j) here |= uint64_t{(l & lane_bits[j]) != 0} << lanes_at[j];
            for (size_t o = 0; o < R; ++o)
                for (size_t r = 0; r < R; ++r)
                    for (size_t x = 0; x < S; ++x) {
                        const double* sum = sums + 2 * ((o * R + r) * S + x) * L + l;
                        total[(spread(rows_at, o) | here) * size + (spread(rows_at, r) | (here ^ spread(lanes_at, x)))] += complex(sum[0], sum[L]);
                    }
        }
        for (const StateFactor& f : g.factors) {
            if (f.constant) continue;
            fuse(g, plan.doubles, angles, matrix, &f);
            complex value = 0;
            for (size_t e = 0; e < size * size; ++e) value += matrix[e] * total[e];
            gradient[f.slot] += 2 * value.real();
        }
    }
};

}  // namespace
}  // namespace bitket::BITKET_NAMESPACE

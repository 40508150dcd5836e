// Forward and adjoint walks of Pauli-rotation programs over a batch; see batch.hpp. One tile = one register of samples.
#include "batch.hpp"

#include <cstdlib>
#include <cstring>

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

// psi <- cos psi + sin S (-i)(i if the Pauli has an odd number of Y) l_m psi[m ^ MX] on the 2^D amplitudes of a block.
template <class V, int D, int MX, int LZ>
inline void rotate(V* re, V* im, V c, V s) {
    constexpr bool real = __builtin_parity(MX & LZ);
#pragma GCC unroll 8
    for (int m = 0; m < (1 << D); ++m) {
        const int p = m ^ MX;
        if (p < m) continue;
        const V rm = re[m], imm = im[m], rp = re[p], ip = im[p];
        const V sm = __builtin_parity(m & LZ) ? -s : s;
        const V sp = __builtin_parity(p & LZ) ? -s : s;
        if (real) {
            re[m] = c * rm + sm * rp;
            im[m] = c * imm + sm * ip;
            re[p] = c * rp + sp * rm;
            im[p] = c * ip + sp * imm;
        } else {
            re[m] = c * rm + sm * ip;
            im[m] = c * imm - sm * rp;
            if (p != m) {
                re[p] = c * rp + sp * imm;
                im[p] = c * ip - sp * rm;
            }
        }
    }
}

// Im <lambda| P |psi> over the block, without the base's sign.
template <class V, int D, int MX, int LZ>
inline V overlap(const V* re, const V* im, const V* lre, const V* lim) {
    constexpr bool real = __builtin_parity(MX & LZ);
    V sum = re[0] - re[0];
#pragma GCC unroll 8
    for (int m = 0; m < (1 << D); ++m) {
        const int p = m ^ MX;
        const V part = real ? lre[m] * re[p] + lim[m] * im[p] : lre[m] * im[p] - lim[m] * re[p];
        if (__builtin_parity(m & LZ)) sum -= part;
        else sum += part;
    }
    return sum;
}

template <class V>
inline V broadcast(double v) {
    V out;
    for (unsigned k = 0; k < sizeof(V) / sizeof(out[0]); ++k) out[k] = v;
    return out;
}

template <class T, int D>
void evolve(const BatchPlan& plan, const typename lanes<T>::type* cosines, const typename lanes<T>::type* sines, int64_t stride,
            typename lanes<T>::type* re, typename lanes<T>::type* im) {
    using V = typename lanes<T>::type;
    constexpr int M = 1 << D;
    const uint64_t cosets = uint64_t{1} << (plan.num_qubits - D);
    for (int b = 0; b < plan.num_blocks; ++b) {
        const BatchBlock& block = plan.blocks[b];
        for (uint64_t k = 0; k < cosets; ++k) {
            const uint64_t base = base_of<D>(block, k);
            V r[M], i[M];
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) { r[m] = re[base ^ block.offset[m]]; i[m] = im[base ^ block.offset[m]]; }
            for (int o = block.first; o < block.last; ++o) {
                const BatchOp& op = plan.ops[o];
                const V c = cosines[op.row * stride];
                const V s = parity(base & op.z) ^ op.sign ? -sines[op.row * stride] : sines[op.row * stride];
                switch (op.code) {
#define CASE(N) case N: if constexpr (N < M * M) rotate<V, D, (N) & (M - 1), (N) / M>(r, i, c, s); break;
#define CASE8(N) CASE(N) CASE(N + 1) CASE(N + 2) CASE(N + 3) CASE(N + 4) CASE(N + 5) CASE(N + 6) CASE(N + 7)
                    CASE8(0) CASE8(8) CASE8(16) CASE8(24) CASE8(32) CASE8(40) CASE8(48) CASE8(56)
                }
            }
#pragma GCC unroll 8
            for (int m = 0; m < M; ++m) { re[base ^ block.offset[m]] = r[m]; im[base ^ block.offset[m]] = i[m]; }
        }
    }
}

template <class T, int D>
void unwind(const BatchPlan& plan, const typename lanes<T>::type* cosines, const typename lanes<T>::type* sines, int64_t stride,
            typename lanes<T>::type* re, typename lanes<T>::type* im, typename lanes<T>::type* lre, typename lanes<T>::type* lim,
            typename lanes<T>::type* gradient) {
    using V = typename lanes<T>::type;
    constexpr int M = 1 << D;
    const uint64_t cosets = uint64_t{1} << (plan.num_qubits - D);
    for (int b = plan.num_blocks; b-- > 0;) {
        const BatchBlock& block = plan.blocks[b];
        for (uint64_t k = 0; k < cosets; ++k) {
            const uint64_t base = base_of<D>(block, k);
            V r[M], i[M], lr[M], li[M];
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) {
                const uint64_t j = base ^ block.offset[m];
                r[m] = re[j]; i[m] = im[j]; lr[m] = lre[j]; li[m] = lim[j];
            }
            for (int o = block.last; o-- > block.first;) {
                const BatchOp& op = plan.ops[o];
                const V c = cosines[op.row * stride];
                const bool flip = parity(base & op.z) ^ op.sign;
                const V s = flip ? sines[op.row * stride] : -sines[op.row * stride];  // backwards: the opposite angle
                V g;
                switch (op.code) {
#define BACK(N) \
    case N: \
        if constexpr (N < M * M) { \
            g = overlap<V, D, (N) & (M - 1), (N) / M>(r, i, lr, li); \
            rotate<V, D, (N) & (M - 1), (N) / M>(r, i, c, s); \
            rotate<V, D, (N) & (M - 1), (N) / M>(lr, li, c, s); \
        } \
        break;
                    BACK(0) BACK(1) BACK(2) BACK(3) BACK(4) BACK(5) BACK(6) BACK(7)
                    BACK(8) BACK(9) BACK(10) BACK(11) BACK(12) BACK(13) BACK(14) BACK(15)
                    default: g = r[0] - r[0];
                }
                if (flip) gradient[op.row] -= g;
                else gradient[op.row] += g;
            }
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m) {
                const uint64_t j = base ^ block.offset[m];
                re[j] = r[m]; im[j] = i[m]; lre[j] = lr[m]; lim[j] = li[m];
            }
        }
    }
}

// sum_j conj(psi_j) (P psi)_j, real because P is Hermitian.
template <class V>
V expectation(const BatchTerm& term, uint64_t size, const V* re, const V* im) {
    V sum = re[0] - re[0];
    if (term.x == 0) {
        for (uint64_t j = 0; j < size; ++j) {
            const V p = re[j] * re[j] + im[j] * im[j];
            if (parity(j & term.z)) sum -= p;
            else sum += p;
        }
        return sum;
    }
    // Pairs (j, j ^ x) give twice the real part of one of the two.
    const uint64_t top = uint64_t{1} << (63 - __builtin_clzll(term.x));
    for (uint64_t j = 0; j < size; ++j) {
        if (j & top) continue;
        const uint64_t p = j ^ term.x;
        const V part = term.phase & 1 ? im[j] * re[p] - re[j] * im[p] : re[j] * re[p] + im[j] * im[p];
        if (parity(p & term.z)) sum -= part;
        else sum += part;
    }
    return term.phase & 2 ? (sum + sum) * -1 : sum + sum;
}

// lambda += weight P psi, per lane.
template <class V>
void add_term(const BatchTerm& term, uint64_t size, V weight, const V* re, const V* im, V* lre, V* lim) {
    if (term.phase & 2) weight = -weight;
    for (uint64_t j = 0; j < size; ++j) {
        const uint64_t p = j ^ term.x;
        const V w = parity(p & term.z) ? -weight : weight;
        if (term.phase & 1) { lre[j] -= w * im[p]; lim[j] += w * re[p]; }
        else { lre[j] += w * re[p]; lim[j] += w * im[p]; }
    }
}

template <class V>
struct Aligned {
    explicit Aligned(std::size_t count) : data(static_cast<V*>(std::aligned_alloc(64, count * sizeof(V)))) {}
    ~Aligned() { std::free(data); }
    V* data;
};

template <class T, int D>
void forward(const BatchPlan& plan, const BatchArrays<T>& a) {
    using V = typename lanes<T>::type;
    constexpr int L = lanes<T>::count;
    const uint64_t size = uint64_t{1} << plan.num_qubits;
    const int64_t stride = a.batch / L;
    Pool::instance().run(stride, [&](int64_t tile, int) {
        V* re = reinterpret_cast<V*>(a.psi) + tile * 2 * size;
        V* im = re + size;
        std::memset(re, 0, 2 * size * sizeof(V));
        re[0] = broadcast<V>(1.0);
        evolve<T, D>(plan, reinterpret_cast<const V*>(a.cosines) + tile, reinterpret_cast<const V*>(a.sines) + tile, stride, re, im);
        V* values = reinterpret_cast<V*>(a.values) + tile;
        for (int t = 0; t < plan.num_terms; ++t) {
            const BatchTerm& term = plan.terms[t];
            values[term.target * stride] += broadcast<V>(term.c) * expectation<V>(term, size, re, im);
        }
    });
}

template <class T, int D>
void backward(const BatchPlan& plan, const BatchArrays<T>& a) {
    using V = typename lanes<T>::type;
    constexpr int L = lanes<T>::count;
    const uint64_t size = uint64_t{1} << plan.num_qubits;
    const int64_t stride = a.batch / L;
    Pool::instance().run(stride, [&](int64_t tile, int) {
        Aligned<V> work(4 * size + plan.num_rows);
        V *re = work.data, *im = re + size, *lre = im + size, *lim = lre + size, *gradient = lim + size;
        std::memcpy(re, reinterpret_cast<const V*>(a.psi) + tile * 2 * size, 2 * size * sizeof(V));
        std::memset(lre, 0, (2 * size + plan.num_rows) * sizeof(V));
        for (int t = 0; t < plan.num_terms; ++t) {
            const BatchTerm& term = plan.terms[t];
            const V weight = broadcast<V>(term.c) * reinterpret_cast<const V*>(a.upstream)[term.target * stride + tile];
            add_term<V>(term, size, weight, re, im, lre, lim);
        }
        unwind<T, D>(plan, reinterpret_cast<const V*>(a.cosines) + tile, reinterpret_cast<const V*>(a.sines) + tile, stride, re, im, lre,
                     lim, gradient);
        for (int r = 0; r < plan.num_rows; ++r) reinterpret_cast<V*>(a.gradient)[r * stride + tile] = gradient[r];
    });
}

template <class T>
void forward_any(const BatchPlan& plan, const BatchArrays<T>& a) {
    switch (plan.block_bits) {
        case 1: forward<T, 1>(plan, a); break;
        case 2: forward<T, 2>(plan, a); break;
        default: forward<T, 3>(plan, a);
    }
}

template <class T>
void backward_any(const BatchPlan& plan, const BatchArrays<T>& a) {
    if (plan.block_bits == 1) backward<T, 1>(plan, a);
    else backward<T, 2>(plan, a);
}

}  // namespace

extern const BatchKernels batch_kernels;
const BatchKernels batch_kernels = {forward_any<float>, forward_any<double>, backward_any<float>, backward_any<double>};

}  // namespace bitket::BITKET_NAMESPACE

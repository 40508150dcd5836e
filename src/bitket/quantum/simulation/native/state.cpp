// Operations on one large state. Runs of operations that stay within the low qubits are applied tile by tile, in cache.
#include "state.hpp"

#include "lanes.hpp"
#include "pool.hpp"

namespace bitket::BITKET_NAMESPACE {
namespace {

constexpr int kTileBits = 14;  // amplitudes of a tile: 128 KiB in single, 256 KiB in double precision

inline uint64_t insert_zero(uint64_t v, int bit) {
    const uint64_t low = v & ((uint64_t{1} << bit) - 1);
    return (v ^ low) << 1 | low;
}

inline int parity(uint64_t v) { return __builtin_parityll(v); }

// [first, last) are pairs (index with bit q = 0); `offset` is the global index of s[0].
template <class T>
void one_qubit(T* s, uint64_t offset, const StateOp& op, uint64_t first, uint64_t last) {
    const int q = op.qubits[0];
    const uint64_t half = uint64_t{1} << q;
    const T ar = op.matrix[0], ai = op.matrix[1], br = op.matrix[2], bi = op.matrix[3];
    const T cr = op.matrix[4], ci = op.matrix[5], dr = op.matrix[6], di = op.matrix[7];
    for (uint64_t k = first; k < last;) {
        const uint64_t run = half - (k & (half - 1));  // neighbours in memory until bit q would change
        const uint64_t len = run < last - k ? run : last - k;
        const uint64_t j = insert_zero(k, q);
        T* __restrict p = s + 2 * j;
        T* __restrict r = s + 2 * (j + half);
        if (op.mask == 0) {
            for (uint64_t m = 0; m < 2 * len; m += 2) {
                const T xr = p[m], xi = p[m + 1], yr = r[m], yi = r[m + 1];
                p[m] = ar * xr - ai * xi + br * yr - bi * yi;
                p[m + 1] = ar * xi + ai * xr + br * yi + bi * yr;
                r[m] = cr * xr - ci * xi + dr * yr - di * yi;
                r[m + 1] = cr * xi + ci * xr + dr * yi + di * yr;
            }
        } else {
            for (uint64_t m = 0; m < len; ++m) {
                if (((offset + j + m) & op.mask) != op.value) continue;
                const T xr = p[2 * m], xi = p[2 * m + 1], yr = r[2 * m], yi = r[2 * m + 1];
                p[2 * m] = ar * xr - ai * xi + br * yr - bi * yi;
                p[2 * m + 1] = ar * xi + ai * xr + br * yi + bi * yr;
                r[2 * m] = cr * xr - ci * xi + dr * yr - di * yi;
                r[2 * m + 1] = cr * xi + ci * xr + dr * yi + di * yr;
            }
        }
        k += len;
    }
}

template <class T>
void dense(T* s, uint64_t offset, const StateOp& op, uint64_t first, uint64_t last) {
    const int k = static_cast<int>(op.qubits.size()), size = 1 << k;
    int sorted[8];
    for (int a = 0; a < k; ++a) {
        int b = a;
        for (; b > 0 && sorted[b - 1] > op.qubits[a]; --b) sorted[b] = sorted[b - 1];
        sorted[b] = op.qubits[a];
    }
    T in[64];
    uint64_t place[32];
    for (uint64_t c = first; c < last; ++c) {
        uint64_t base = c;
        for (int a = 0; a < k; ++a) base = insert_zero(base, sorted[a]);
        if (((offset + base) & op.mask) != op.value) continue;
        for (int m = 0; m < size; ++m) {
            uint64_t j = base;
            for (int a = 0; a < k; ++a) j |= static_cast<uint64_t>(m >> a & 1) << op.qubits[a];
            place[m] = j;
            in[2 * m] = s[2 * j];
            in[2 * m + 1] = s[2 * j + 1];
        }
        for (int m = 0; m < size; ++m) {
            T re = 0, im = 0;
            const double* row = op.matrix.data() + 2 * size * m;
            for (int l = 0; l < size; ++l) {
                const T wr = row[2 * l], wi = row[2 * l + 1];
                re += wr * in[2 * l] - wi * in[2 * l + 1];
                im += wr * in[2 * l + 1] + wi * in[2 * l];
            }
            s[2 * place[m]] = re;
            s[2 * place[m] + 1] = im;
        }
    }
}

// psi <- cos psi - i sin P psi. Pairs (j, j ^ x) are counted by the indices whose highest bit of x is zero.
template <class T>
void rotation(T* s, uint64_t offset, const StateOp& op, uint64_t first, uint64_t last) {
    const T c = op.matrix[0], sn = op.matrix[1];
    const int kappa = __builtin_popcountll(op.x & op.z) & 3;
    const int top = op.x ? 63 - __builtin_clzll(op.x) : 0;
    const bool real = kappa & 1;  // -i · i^kappa is real for an odd number of Y
    for (uint64_t k = first; k < last; ++k) {
        const uint64_t j = op.x ? insert_zero(k, top) : k, p = j ^ op.x, g = offset + j;
        if ((g & op.mask) != op.value) continue;
        // (P psi)_j = i^kappa (-1)^|(j ^ x) & z| psi_(j ^ x)
        const bool minus_j = parity((g ^ op.x) & op.z) ^ (kappa >= 2), minus_p = parity(g & op.z) ^ (kappa >= 2);
        const T sj = minus_j ? -sn : sn, sp = minus_p ? -sn : sn;
        const T xr = s[2 * j], xi = s[2 * j + 1], yr = s[2 * p], yi = s[2 * p + 1];
        if (!op.x) {
            s[2 * j] = c * xr + sj * xi;
            s[2 * j + 1] = c * xi - sj * xr;
        } else if (real) {
            s[2 * j] = c * xr + sj * yr;
            s[2 * j + 1] = c * xi + sj * yi;
            s[2 * p] = c * yr + sp * xr;
            s[2 * p + 1] = c * yi + sp * xi;
        } else {
            s[2 * j] = c * xr + sj * yi;
            s[2 * j + 1] = c * xi - sj * yr;
            s[2 * p] = c * yr + sp * xi;
            s[2 * p + 1] = c * yi - sp * xr;
        }
    }
}

inline int spent(const StateOp& op) {  // index bits that the loop over groups does not run over
    return op.rotation ? (op.x ? 1 : 0) : static_cast<int>(op.qubits.size());
}

template <class T>
void apply(T* s, uint64_t offset, const StateOp& op, uint64_t first, uint64_t last) {
    if (op.rotation) rotation(s, offset, op, first, last);
    else if (op.qubits.size() == 1) one_qubit(s, offset, op, first, last);
    else dense(s, offset, op, first, last);
}

template <class T>
void run(T* state, int n, const StateOp* ops, int64_t count) {
    Pool& pool = Pool::instance();
    const int tile = n < kTileBits ? n : kTileBits;
    const uint64_t low = (uint64_t{1} << tile) - 1;
    for (int64_t o = 0; o < count;) {
        int64_t end = o;
        while (end < count && (ops[end].touched & ~low) == 0) ++end;
        if (end > o) {
            pool.run(int64_t{1} << (n - tile), [&](int64_t t, int) {
                const uint64_t offset = static_cast<uint64_t>(t) << tile;
                for (int64_t k = o; k < end; ++k) apply(state + 2 * offset, offset, ops[k], 0, uint64_t{1} << (tile - spent(ops[k])));
            });
            o = end;
        } else {
            const uint64_t groups = uint64_t{1} << (n - spent(ops[o])), chunk = uint64_t{1} << 12;
            const int64_t chunks = static_cast<int64_t>((groups + chunk - 1) / chunk);
            pool.run(chunks, [&](int64_t t, int) {
                const uint64_t first = t * chunk, last = first + chunk < groups ? first + chunk : groups;
                apply(state, 0, ops[o], first, last);
            });
            ++o;
        }
    }
}

}  // namespace

extern const StateKernels state_kernels;
const StateKernels state_kernels = {run<float>, run<double>};

}  // namespace bitket::BITKET_NAMESPACE

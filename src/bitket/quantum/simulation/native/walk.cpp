// Circuits that are seen once, on few qubits: each gate is a pass over the state in the first or second cache. Amplitudes lie in
// registers of real and of imaginary parts, row by row; the lowest qubits are the lanes. One-qubit gates wait and are multiplied until a
// gate on their qubit needs them.
#include "lowered.hpp"

#include <cmath>
#include <cstring>

#include "lanes.hpp"

namespace bitket::BITKET_NAMESPACE {
namespace {

inline int parity(uint64_t v) { return __builtin_parityll(v); }

struct Complex {
    double re = 0, im = 0;
};
inline Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex turned(double angle) { return {std::cos(angle), std::sin(angle)}; }

typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
template <class T> struct indices;
template <> struct indices<float> { using type = i32x16; };
template <> struct indices<double> { using type = i64x8; };

template <class T>
class Walk {
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    static constexpr int L = lanes<T>::count, B = lanes<T>::bits;

    // The product of the gates that wait on a qubit.
    struct Waiting {
        bool any = false, diagonal = true;
        Complex m[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    };

    const Lowered& circuit;
    const double* angles;
    V* t;
    const uint64_t rows;
    Waiting waiting[64];
    uint64_t any = 0;  // qubits on which a gate waits

public:
    Walk(const Lowered& circuit, const double* angles, V* t)
        : circuit(circuit), angles(angles), t(t), rows(circuit.num_qubits > B ? uint64_t{1} << (circuit.num_qubits - B) : 1) {}

    static uint64_t registers(int num_qubits) { return num_qubits > B ? uint64_t{2} << (num_qubits - B) : 2; }

    void forward() {
        for (const Operation& op : circuit.operations) apply(op);
        if (circuit.phase) phase(0, 0, turned(circuit.phase));
        flush(any, false);
    }

    // <O> of the state, and factor O psi added to lambda. All gates must have been applied.
    double observe(const Observable& o, double factor, V* lambda) const {
        double total = 0;
        for (const StateTerm& term : o.terms) {
            V sign;
            for (int l = 0; l < L; ++l) sign[l] = parity((l ^ term.x) & term.z & (L - 1)) ? T(-1) : T(1);
            const uint64_t x = term.x >> B, z = term.z >> B;
            const I index = swapped(term.x & (L - 1));
            const T weight = static_cast<T>(factor * term.coefficient);
            V sum{};
            for (uint64_t r = 0; r < rows; ++r) {
                const uint64_t p = r ^ x;
                const V own = parity(p & z) ? -sign : sign;
                V u = own * __builtin_shuffle(t[2 * p], index), v = own * __builtin_shuffle(t[2 * p + 1], index);
                if (term.imaginary) { const V old = u; u = -v; v = old; }
                sum += t[2 * r] * u + t[2 * r + 1] * v;
                if (lambda) { lambda[2 * r] += weight * u; lambda[2 * r + 1] += weight * v; }
            }
            for (int l = 0; l < L; ++l) total += term.coefficient * sum[l];
        }
        return total;
    }

    // From the state of a circuit and lambda = O psi, gates are undone on both, last first: dE/da = Im <lambda| P |psi> for exp(-i a/2 P).
    // A gate that waits on both states at once, and commutes with P, changes nothing in that.
    void backward(Walk& lambda, double* gradient) {
        for (size_t k = circuit.operations.size(); k-- > 0;) {
            const Operation& op = circuit.operations[k];
            if (op.slot >= 0) {
                ready(op);
                lambda.ready(op);
                gradient[op.slot] += overlap(op, lambda.t);
            }
            undo(op);
            lambda.undo(op);
        }
    }

    void load(const T* from) {
        for (uint64_t r = 0; r < rows; ++r) {
            V re{}, im{};
            for (int l = 0; l < L && l < 1 << circuit.num_qubits; ++l) {
                re[l] = from[2 * (r * L + l)];
                im[l] = from[2 * (r * L + l) + 1];
            }
            t[2 * r] = re;
            t[2 * r + 1] = im;
        }
    }

    void store(T* to) const {
        if (circuit.num_qubits < B) {
            for (int l = 0; l < 1 << circuit.num_qubits; ++l) { to[2 * l] = t[0][l]; to[2 * l + 1] = t[1][l]; }
            return;
        }
        I low, high;
        for (int l = 0; l < L; ++l) { low[l] = l / 2 + (l & 1) * L; high[l] = low[l] + L / 2; }
        for (uint64_t r = 0; r < rows; ++r, to += 2 * L) {
            const V a = __builtin_shuffle(t[2 * r], t[2 * r + 1], low), b = __builtin_shuffle(t[2 * r], t[2 * r + 1], high);
            std::memcpy(to, &a, sizeof a);
            std::memcpy(to + L, &b, sizeof b);
        }
    }

private:
    void apply(const Operation& op) {
        if (op.size) matrix(op, &circuit.numbers[op.at]);
        else turn(op, circuit.angle(op, angles));
    }

    void undo(const Operation& op) {
        if (!op.size) return turn(op, -circuit.angle(op, angles));
        const double* m = &circuit.numbers[op.at];
        const int size = 1 << op.size;
        double adjoint[2 << 2 * kDense];
        for (int r = 0; r < size; ++r)
            for (int c = 0; c < size; ++c) {
                adjoint[2 * (c * size + r)] = m[2 * (r * size + c)];
                adjoint[2 * (c * size + r) + 1] = -m[2 * (r * size + c) + 1];
            }
        matrix(op, adjoint);
    }

    void turn(const Operation& op, double angle) {
        const double half = angle / 2;
        const uint64_t both = op.x | op.z;
        if (!both) return phase(op.mask, op.value, turned(-half));
        const double c = std::cos(half), s = std::sin(half);
        if (both & (both - 1)) {
            ready(op);
            if (op.x) pauli(op, c, s);
            else parity_phase(op, c, s);
            return;
        }
        const int q = __builtin_ctzll(both);
        if (!op.x) one(q, Matrix2{{{c, -s}, {}, {}, {c, s}}}, op.mask, op.value);
        else if (op.z) one(q, Matrix2{{{c, 0}, {-s, 0}, {s, 0}, {c, 0}}}, op.mask, op.value);
        else one(q, Matrix2{{{c, 0}, {0, -s}, {0, -s}, {c, 0}}}, op.mask, op.value);
    }

    // What waits on the qubits of a rotation is applied, unless it commutes with it.
    void ready(const Operation& op) {
        flush(op.x, false);
        flush(op.mask | op.z, true);
    }

    struct Matrix2 {
        Complex m[4];
        bool diagonal() const { return m[1].re == 0 && m[1].im == 0 && m[2].re == 0 && m[2].im == 0; }
        bool real() const { return m[0].im == 0 && m[1].im == 0 && m[2].im == 0 && m[3].im == 0; }
        bool flips() const {
            return real() && m[0].re == 0 && m[3].re == 0 && m[1].re == 1 && m[2].re == 1;
        }
    };

    void matrix(const Operation& op, const double* from) {
        if (op.size == 1) {
            Matrix2 m;
            for (int k = 0; k < 4; ++k) m.m[k] = {from[2 * k], from[2 * k + 1]};
            return one(op.qubits[0], m, op.mask, op.value);
        }
        for (int k = 0; k < op.size; ++k) flush(uint64_t{1} << op.qubits[k], false);
        flush(op.mask, true);
        if (op.size == 2 && is_swap(from)) {
            const uint64_t a = uint64_t{1} << op.qubits[0], b = uint64_t{1} << op.qubits[1];
            flip(op.qubits[0], b, b);
            flip(op.qubits[1], a | op.mask, a | op.value);
            return flip(op.qubits[0], b, b);
        }
        dense(op, from);
    }

    static bool is_swap(const double* from) {
        for (int k = 0; k < 16; ++k)
            if (from[2 * k] != (k == 0 || k == 6 || k == 9 || k == 15) || from[2 * k + 1] != 0) return false;
        return true;
    }

    // A one-qubit gate: without controls it waits.
    void one(int q, const Matrix2& m, uint64_t mask, uint64_t value) {
        if (mask) {
            const bool diagonal = m.diagonal();
            flush(uint64_t{1} << q, diagonal);
            flush(mask, true);
            if (diagonal) return diagonals(q, m, mask, value);
            if (m.flips()) return flip(q, mask, value);
            return apply_one(q, m, mask, value);
        }
        Waiting& w = waiting[q];
        any |= uint64_t{1} << q;
        w.diagonal &= m.diagonal();
        const Complex a = w.m[0], b = w.m[1], c = w.m[2], d = w.m[3];
        w.m[0] = m.m[0] * a + m.m[1] * c;
        w.m[1] = m.m[0] * b + m.m[1] * d;
        w.m[2] = m.m[2] * a + m.m[3] * c;
        w.m[3] = m.m[2] * b + m.m[3] * d;
    }

    // What waits on some qubits is applied; phases may wait on where the next gate is diagonal there.
    void flush(uint64_t mask, bool diagonal_next) {
        for (uint64_t left = mask & any; left; left &= left - 1) {
            const int q = __builtin_ctzll(left);
            Waiting& w = waiting[q];
            if (diagonal_next && w.diagonal) continue;
            Matrix2 m;
            std::copy(w.m, w.m + 4, m.m);
            if (w.diagonal) diagonals(q, m, 0, 0);
            else if (m.flips()) flip(q, 0, 0);
            else apply_one(q, m, 0, 0);
            w = Waiting();
            any &= ~(uint64_t{1} << q);
        }
    }

    // -- kernels ------------------------------------------------------------------------------------------------------
    struct Where {  // rows r with (r & fixed) == value, and the lanes where controls match
        uint64_t fixed, value, lane_mask, lane_value;
        bool on(int l) const { return (l & lane_mask) == lane_value; }
    };
    Where where(uint64_t mask, uint64_t value) const { return {mask >> B, value >> B, mask & (L - 1), value & (L - 1)}; }

    template <class F>
    void each_row(uint64_t fixed, uint64_t value, F body) {
        const uint64_t count = rows >> __builtin_popcountll(fixed);
        uint64_t r = value;
        for (uint64_t k = 0; k < count; ++k) { body(r); r = (((r | fixed) + 1) & ~fixed) | value; }
    }

    static I swapped(uint64_t bits) {
        I out;
        for (int l = 0; l < L; ++l) out[l] = l ^ static_cast<int>(bits);
        return out;
    }

    void apply_one(int q, const Matrix2& g, uint64_t mask, uint64_t value) {
        const Where w = where(mask, value);
        const Complex* m = g.m;
        const bool real = g.real();
        if (q < B) {
            const uint64_t bit = uint64_t{1} << q;
            const I index = swapped(bit);
            V a, b, c, d;  // of the amplitude itself, and of its partner
            for (int l = 0; l < L; ++l) {
                const bool here = l & bit;
                const Complex same = w.on(l) ? m[here ? 3 : 0] : Complex{1, 0}, other = w.on(l) ? m[here ? 2 : 1] : Complex{};
                a[l] = static_cast<T>(same.re); b[l] = static_cast<T>(same.im);
                c[l] = static_cast<T>(other.re); d[l] = static_cast<T>(other.im);
            }
            if (real)
                each_row(w.fixed, w.value, [&](uint64_t r) {
                    const V x = t[2 * r], y = t[2 * r + 1];
                    t[2 * r] = a * x + c * __builtin_shuffle(x, index);
                    t[2 * r + 1] = a * y + c * __builtin_shuffle(y, index);
                });
            else
                each_row(w.fixed, w.value, [&](uint64_t r) {
                    const V x = t[2 * r], y = t[2 * r + 1], u = __builtin_shuffle(x, index), v = __builtin_shuffle(y, index);
                    t[2 * r] = a * x - b * y + c * u - d * v;
                    t[2 * r + 1] = a * y + b * x + c * v + d * u;
                });
            return;
        }
        const uint64_t bit = uint64_t{1} << (q - B);
        V c[8];
        for (int k = 0; k < 4; ++k)
            for (int l = 0; l < L; ++l) {
                c[2 * k][l] = static_cast<T>(w.on(l) ? m[k].re : k % 3 == 0);
                c[2 * k + 1][l] = static_cast<T>(w.on(l) ? m[k].im : 0);
            }
        if (real)
            each_row(w.fixed | bit, w.value, [&](uint64_t r) {
                const uint64_t p = r | bit;
                const V x = t[2 * r], y = t[2 * r + 1], u = t[2 * p], v = t[2 * p + 1];
                t[2 * r] = c[0] * x + c[2] * u;
                t[2 * r + 1] = c[0] * y + c[2] * v;
                t[2 * p] = c[4] * x + c[6] * u;
                t[2 * p + 1] = c[4] * y + c[6] * v;
            });
        else
            each_row(w.fixed | bit, w.value, [&](uint64_t r) {
                const uint64_t p = r | bit;
                const V x = t[2 * r], y = t[2 * r + 1], u = t[2 * p], v = t[2 * p + 1];
                t[2 * r] = c[0] * x - c[1] * y + c[2] * u - c[3] * v;
                t[2 * r + 1] = c[0] * y + c[1] * x + c[2] * v + c[3] * u;
                t[2 * p] = c[4] * x - c[5] * y + c[6] * u - c[7] * v;
                t[2 * p + 1] = c[4] * y + c[5] * x + c[6] * v + c[7] * u;
            });
    }

    // Im <lambda| P |psi> where controls match.
    double overlap(const Operation& op, const V* lambda) {
        const Where w = where(op.mask, op.value);
        const int ys = __builtin_popcountll(op.x & op.z) % 4;
        const uint64_t x = op.x >> B, z = op.z >> B;
        const I index = swapped(op.x & (L - 1));
        V sum{};
        each_row(w.fixed, w.value, [&](uint64_t r) {
            const uint64_t p = r ^ x;
            const V u = __builtin_shuffle(t[2 * p], index), v = __builtin_shuffle(t[2 * p + 1], index);
            const V here = ys % 2 ? lambda[2 * r] * u + lambda[2 * r + 1] * v : lambda[2 * r] * v - lambda[2 * r + 1] * u;
            sum += parity(p & z) ? -here : here;
        });
        double total = 0;
        for (int l = 0; l < L; ++l)
            if (w.on(l)) total += parity((l ^ op.x) & op.z & (L - 1)) ? -sum[l] : sum[l];
        return ys < 2 ? total : -total;
    }

    void flip(int q, uint64_t mask, uint64_t value) {
        const Where w = where(mask, value);
        if (q < B) {
            I index = swapped(uint64_t{1} << q);
            for (int l = 0; l < L; ++l)
                if (!w.on(l)) index[l] = l;
            each_row(w.fixed, w.value, [&](uint64_t r) {
                t[2 * r] = __builtin_shuffle(t[2 * r], index);
                t[2 * r + 1] = __builtin_shuffle(t[2 * r + 1], index);
            });
            return;
        }
        const uint64_t bit = uint64_t{1} << (q - B);
        I on;
        for (int l = 0; l < L; ++l) on[l] = w.on(l) ? -1 : 0;
        const auto exchange = [&](V& a, V& b) {
            const I change = ((I)a ^ (I)b) & on;
            a = (V)((I)a ^ change);
            b = (V)((I)b ^ change);
        };
        each_row(w.fixed | bit, w.value, [&](uint64_t r) {
            exchange(t[2 * r], t[2 * (r | bit)]);
            exchange(t[2 * r + 1], t[2 * (r | bit) + 1]);
        });
    }

    void phase(uint64_t mask, uint64_t value, Complex factor) {
        if (!(mask & (mask - 1))) {  // on one qubit or none: it waits
            const int q = mask ? __builtin_ctzll(mask) : 0;
            Matrix2 m{{{1, 0}, {}, {}, {1, 0}}};
            if (!mask || !value) m.m[0] = factor;
            if (!mask || value) m.m[3] = factor;
            return one(q, m, 0, 0);
        }
        flush(mask, true);
        multiply(mask, value, factor);
    }

    // diag(m0, m3) on a qubit, where controls match.
    void diagonals(int q, const Matrix2& m, uint64_t mask, uint64_t value) {
        const uint64_t bit = uint64_t{1} << q;
        if (q < B) {
            const Where w = where(mask, value);
            V c, s;
            for (int l = 0; l < L; ++l) {
                const Complex d = w.on(l) ? m.m[l & bit ? 3 : 0] : Complex{1, 0};
                c[l] = static_cast<T>(d.re); s[l] = static_cast<T>(d.im);
            }
            return scale(w, c, s);
        }
        if (m.m[0].re != 1 || m.m[0].im != 0) multiply(mask | bit, value, m.m[0]);
        if (m.m[3].re != 1 || m.m[3].im != 0) multiply(mask | bit, value | bit, m.m[3]);
    }

    void multiply(uint64_t mask, uint64_t value, Complex factor) {
        const Where w = where(mask, value);
        V c, s;
        for (int l = 0; l < L; ++l) {
            c[l] = static_cast<T>(w.on(l) ? factor.re : 1);
            s[l] = static_cast<T>(w.on(l) ? factor.im : 0);
        }
        scale(w, c, s);
    }

    void scale(const Where& w, V c, V s) {
        each_row(w.fixed, w.value, [&](uint64_t r) {
            const V x = t[2 * r], y = t[2 * r + 1];
            t[2 * r] = c * x - s * y;
            t[2 * r + 1] = c * y + s * x;
        });
    }

    // exp(-i a/2 Z...Z).
    void parity_phase(const Operation& op, double cosine, double sine) {
        const Where w = where(op.mask, op.value);
        V c, s;
        for (int l = 0; l < L; ++l) {
            c[l] = static_cast<T>(w.on(l) ? cosine : 1);
            s[l] = static_cast<T>(w.on(l) ? (parity(l & op.z) ? sine : -sine) : 0);
        }
        const uint64_t z = op.z >> B;
        each_row(w.fixed, w.value, [&](uint64_t r) {
            const V x = t[2 * r], y = t[2 * r + 1], own = parity(r & z) ? -s : s;
            t[2 * r] = c * x - own * y;
            t[2 * r + 1] = c * y + own * x;
        });
    }

    // exp(-i a/2 P): psi[j] <- cos psi[j] - i sin i^ys (-1)^(z (j ^ x)) psi[j ^ x].
    void pauli(const Operation& op, double cosine, double sine) {
        const Where w = where(op.mask, op.value);
        const int ys = __builtin_popcountll(op.x & op.z) % 4;
        const bool imaginary = ys % 2 == 0;  // -i i^ys is -i, 1, i, -1
        if (ys == 0 || ys == 3) sine = -sine;
        V c, s;
        for (int l = 0; l < L; ++l) {
            c[l] = static_cast<T>(w.on(l) ? cosine : 1);
            s[l] = static_cast<T>(w.on(l) ? (parity((l ^ op.x) & op.z & (L - 1)) ? -sine : sine) : 0);
        }
        const uint64_t x = op.x >> B, z = op.z >> B, top = x ? uint64_t{1} << (63 - __builtin_clzll(x)) : 0;
        const I index = swapped(op.x & (L - 1));
        const auto out = [&](uint64_t r, V u, V v, V own) {
            u = __builtin_shuffle(u, index);
            v = __builtin_shuffle(v, index);
            if (imaginary) { t[2 * r] = c * t[2 * r] - own * v; t[2 * r + 1] = c * t[2 * r + 1] + own * u; }
            else { t[2 * r] = c * t[2 * r] + own * u; t[2 * r + 1] = c * t[2 * r + 1] + own * v; }
        };
        each_row(w.fixed | top, w.value, [&](uint64_t r) {
            const uint64_t p = r ^ x;
            const V a = t[2 * r], b = t[2 * r + 1], e = t[2 * p], f = t[2 * p + 1];
            out(r, e, f, parity(p & z) ? -s : s);
            if (x) out(p, a, b, parity(r & z) ? -s : s);
        });
    }

    // A matrix on up to five qubits: R rows and S lanes for each base, coefficients [out][in][lanes exchanged] for each lane.
    void dense(const Operation& op, const double* from) {
        const Where w = where(op.mask, op.value);
        int on_rows[kDense], on_lanes[kDense], num_rows = 0, num_lanes = 0;
        for (int k = 0; k < op.size; ++k)
            if (op.qubits[k] < B) on_lanes[num_lanes++] = k;
            else on_rows[num_rows++] = k;
        const int R = 1 << num_rows, S = 1 << num_lanes, size = 1 << op.size;
        uint64_t offset[32], row_local[32], lane_local[32], lane_xor[32];
        for (int r = 0; r < R; ++r) {
            offset[r] = row_local[r] = 0;
            for (int j = 0; j < num_rows; ++j)
                if (r >> j & 1) { offset[r] |= uint64_t{1} << (op.qubits[on_rows[j]] - B); row_local[r] |= uint64_t{1} << on_rows[j]; }
        }
        for (int x = 0; x < S; ++x) {
            lane_local[x] = lane_xor[x] = 0;
            for (int j = 0; j < num_lanes; ++j)
                if (x >> j & 1) { lane_xor[x] |= uint64_t{1} << op.qubits[on_lanes[j]]; lane_local[x] |= uint64_t{1} << on_lanes[j]; }
        }
        static thread_local Registers<V> kept;
        kept.grow(static_cast<size_t>(2) * R * R * S);
        for (int l = 0; l < L; ++l) {
            uint64_t here = 0;
            for (int j = 0; j < num_lanes; ++j) here |= static_cast<uint64_t>(l >> op.qubits[on_lanes[j]] & 1) << on_lanes[j];
            for (int o = 0; o < R; ++o)
                for (int r = 0; r < R; ++r)
                    for (int x = 0; x < S; ++x) {
                        const double* m = from + 2 * ((row_local[o] | here) * size + (row_local[r] | (here ^ lane_local[x])));
                        V* c = &kept[2 * ((o * R + r) * S + x)];
                        c[0][l] = static_cast<T>(w.on(l) ? m[0] : o == r && x == 0);
                        c[1][l] = static_cast<T>(w.on(l) ? m[1] : 0);
                    }
        }
        if (R == 4 && S == 1) product<4, 1>(w, R, S, offset, lane_xor, kept.data());
        else if (R == 2 && S == 2) product<2, 2>(w, R, S, offset, lane_xor, kept.data());
        else product<0, 0>(w, R, S, offset, lane_xor, kept.data());
    }

    template <int KNOWN_R, int KNOWN_S>
    void product(const Where& w, int rows_of_base, int lanes_of_base, const uint64_t* offset, const uint64_t* lane_xor, const V* __restrict c) {
        const int R = KNOWN_R ? KNOWN_R : rows_of_base, S = KNOWN_S ? KNOWN_S : lanes_of_base, M = R * S;
        I index[32];
        for (int x = 0; x < S; ++x) index[x] = swapped(lane_xor[x]);
        each_row(w.fixed | offset[R - 1], w.value, [&](uint64_t base) {
            constexpr int most = KNOWN_R ? KNOWN_R * KNOWN_S : 32;
            V re[most], im[most];
            for (int r = 0; r < R; ++r) {
                const V a = t[2 * (base | offset[r])], b = t[2 * (base | offset[r]) + 1];
                re[r * S] = a; im[r * S] = b;
                for (int x = 1; x < S; ++x) { re[r * S + x] = __builtin_shuffle(a, index[x]); im[r * S + x] = __builtin_shuffle(b, index[x]); }
            }
            for (int o = 0; o < R; ++o) {
                V x{}, y{};
                for (int m = 0; m < M; ++m) {
                    const V a = c[2 * (o * M + m)], b = c[2 * (o * M + m) + 1];
                    x += a * re[m]; y += a * im[m];
                    x -= b * im[m]; y += b * re[m];
                }
                t[2 * (base | offset[o])] = x;
                t[2 * (base | offset[o]) + 1] = y;
            }
        });
    }
};

template <class T>
typename lanes<T>::type* scratch(uint64_t count) {
    static thread_local Registers<typename lanes<T>::type> kept;
    kept.grow(count);
    return kept.data();
}

template <class T>
void run(const Lowered& circuit, const double* angles, const T* from, T* to) {
    const uint64_t count = Walk<T>::registers(circuit.num_qubits);
    auto* t = scratch<T>(count);
    Walk<T> walk(circuit, angles, t);
    if (from) walk.load(from);
    else {
        std::memset(t, 0, count * sizeof *t);
        t[0][0] = 1;
    }
    walk.forward();
    walk.store(to);
}

template <class T>
void values(const Lowered& circuit, const WalkValues& asked) {
    const uint64_t count = Walk<T>::registers(circuit.num_qubits);
    const size_t m = asked.observables.size();
    auto *psi = scratch<T>(asked.gradient ? 2 * count : count), *lambda = asked.gradient ? psi + count : nullptr;
    for (int64_t k = 0; k < asked.count; ++k) {
        const double* angles = asked.angles + k * circuit.num_slots;
        std::memset(psi, 0, (lambda ? 2 : 1) * count * sizeof *psi);
        psi[0][0] = 1;
        Walk<T> walk(circuit, angles, psi);
        walk.forward();
        for (size_t o = 0; o < m; ++o)
            asked.values[k * m + o] = walk.observe(*asked.observables[o], lambda ? asked.upstream[k * m + o] : 0, lambda);
        if (!lambda) continue;
        Walk<T> back(circuit, angles, lambda);
        walk.backward(back, asked.gradient + k * circuit.num_slots);
    }
}

}  // namespace

extern const WalkKernels walk_kernels;
const WalkKernels walk_kernels = {run<float>, run<double>, values<float>, values<double>};

}  // namespace bitket::BITKET_NAMESPACE

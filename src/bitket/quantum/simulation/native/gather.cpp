// A lowered circuit as gates of a plan: one-qubit gates are gathered into one matrix until an entangling gate needs them, phases into
// products of phases with common controls. Controls and phases need no place in a tile, so little is left that does.
#include <algorithm>
#include <cmath>
#include <complex>

#include "state.hpp"

namespace bitket {
namespace {

constexpr int kWide = 5;  // a Pauli product with more X than this is narrowed by CX gates

uint64_t bit(int q) { return uint64_t{1} << q; }
int count(uint64_t mask) { return __builtin_popcountll(mask); }
int lowest(uint64_t mask) { return __builtin_ctzll(mask); }

enum class Sort { diagonal, real, complex };  // of a one-qubit factor

struct Waiting {
    Sort sort;
    StateFactor factor;
};

struct Phase {  // exp(i c angle) where index & mask == value; without a slot exp(i c)
    uint64_t mask, value;
    int slot;
    int64_t at;
};

class Gatherer {
public:
    Gatherer(const Lowered& from, StatePlan& plan) : from_(from), doubles_(plan.doubles), waiting_(from.num_qubits) {}

    std::vector<StateGate> all() {
        doubles_ = from_.numbers;
        const double re = std::cos(from_.phase), im = std::sin(from_.phase);
        if (from_.phase) one(0, constant2({re, im, 0, 0, 0, 0, re, im}), Sort::diagonal);
        for (const Operation& op : from_.operations) op.size ? matrix(op) : turn(op);
        const uint64_t every = bit(from_.num_qubits) - 1;
        flush_phases(every);
        flush(every, true);
        return std::move(gates_);
    }

private:
    const Lowered& from_;
    std::vector<double>& doubles_;
    std::vector<std::vector<Waiting>> waiting_;
    std::vector<Phase> phases_;
    std::vector<StateGate> gates_;

    int64_t number(double value) {
        doubles_.push_back(value);
        return static_cast<int64_t>(doubles_.size()) - 1;
    }

    static StateFactor constant(int64_t at, int size) {
        StateFactor f{true, 0, 0, -1, 0, 0, {}, at};
        for (int k = 0; k < size; ++k) f.qubits.push_back(k);
        return f;
    }
    StateFactor constant2(std::initializer_list<double> matrix) {
        const int64_t at = static_cast<int64_t>(doubles_.size());
        doubles_.insert(doubles_.end(), matrix);
        return constant(at, 1);
    }
    StateFactor rotation(int x, int z, int slot, double scale, uint64_t mask = 0, uint64_t value = 0) {
        return {false, x, z, slot, mask, value, {}, number(scale)};
    }

    // -- one qubit ----------------------------------------------------------------------------------------------------
    void one(int q, StateFactor factor, Sort sort) {
        if (sort != Sort::diagonal) flush_phases(bit(q));
        std::vector<Waiting>& w = waiting_[q];
        if (factor.constant && !w.empty() && w.back().factor.constant && w.back().sort == sort) {
            multiply(&doubles_[factor.at], &doubles_[w.back().factor.at]);
            w.back().factor.at = factor.at;
        } else {
            w.push_back({sort, std::move(factor)});
        }
    }

    // later <- later · earlier
    static void multiply(double* later, const double* earlier) {
        std::complex<double> a[4], b[4];
        for (int k = 0; k < 4; ++k) { a[k] = {later[2 * k], later[2 * k + 1]}; b[k] = {earlier[2 * k], earlier[2 * k + 1]}; }
        for (int k = 0; k < 4; ++k) {
            const std::complex<double> m = a[k & 2] * b[k & 1] + a[(k & 2) + 1] * b[2 + (k & 1)];
            later[2 * k] = m.real();
            later[2 * k + 1] = m.imag();
        }
    }

    // Emits the gathered matrices of some qubits; diagonal ones may wait where the next gate is diagonal there.
    void flush(uint64_t mask, bool even_diagonal) {
        for (; mask; mask &= mask - 1) {
            const int q = lowest(mask);
            std::vector<Waiting>& w = waiting_[q];
            if (w.empty()) continue;
            if (!even_diagonal && std::all_of(w.begin(), w.end(), [](const Waiting& f) { return f.sort == Sort::diagonal; })) continue;
            emit(q, std::move(w));
            w.clear();
        }
    }

    // One matrix; or a real one and phases after it, which take half the work.
    void emit(int q, std::vector<Waiting> factors) {
        size_t end = factors.size();
        while (end && factors[end - 1].sort == Sort::diagonal) --end;
        for (size_t k = 0; k < end; ++k)
            if (factors[k].sort != Sort::real) { end = factors.size(); break; }
        if (end) {
            StateGate g{StateKind::dense};
            g.qubits = {q};
            for (size_t k = 0; k < end; ++k) g.factors.push_back(std::move(factors[k].factor));
            add(std::move(g));
        }
        if (end < factors.size()) {
            StateGate g{StateKind::diagonal};
            for (size_t k = end; k < factors.size(); ++k) add_phases(q, factors[k].factor, g.phases);
            add(std::move(g));
        }
    }

    void add(StateGate g) {
        for (const StateFactor& f : g.factors) g.varies |= !f.constant;
        for (const StatePhase& p : g.phases) g.varies |= p.slot >= 0;
        gates_.push_back(std::move(g));
    }

    // A diagonal factor as phases exp(i c angle) of the values of a qubit.
    void add_phases(int q, const StateFactor& f, std::vector<StatePhase>& out) {
        for (int b = 0; b < 2; ++b) {
            if (f.constant) {
                const double angle = std::atan2(doubles_[f.at + 6 * b + 1], doubles_[f.at + 6 * b]);
                if (angle) out.push_back({q, b, -1, number(angle)});
            } else if (!f.control_mask || static_cast<uint64_t>(b) == f.control_value) {
                const double half = doubles_[f.at] / 2;
                out.push_back({q, b, f.slot, number(f.z && b ? half : -half)});
            }
        }
    }

    // -- phases with controls ---------------------------------------------------------------------------------------------
    // Emits the gathered phases that touch some qubits, and with each of them all that share its controls.
    void flush_phases(uint64_t mask) {
        for (;;) {
            struct Key { uint64_t control, value; int count; bool touched; };
            std::vector<Key> keys;
            for (const Phase& p : phases_)
                for (uint64_t left = p.mask; left; left &= left - 1) {
                    const uint64_t control = p.mask & ~(left & -left), value = p.value & control;
                    auto k = std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.control == control && k.value == value; });
                    if (k == keys.end()) k = keys.insert(k, {control, value, 0, false});
                    ++k->count;
                    k->touched |= (p.mask & mask) != 0;
                }
            const Key* best = nullptr;
            for (const Key& k : keys)
                if (k.touched && (!best || k.count > best->count)) best = &k;
            if (!best) return;
            StateGate g{StateKind::diagonal};
            g.control_mask = best->control;
            g.control_value = best->value;
            std::vector<Phase> rest;
            for (const Phase& p : phases_) {
                const uint64_t free = p.mask & ~best->control;
                if ((p.mask & best->control) == best->control && (p.value & best->control) == best->value && count(free) == 1)
                    g.phases.push_back({lowest(free), (p.value & free) != 0, p.slot, p.at});
                else rest.push_back(p);
            }
            phases_ = std::move(rest);
            add(std::move(g));
        }
    }

    void phase(uint64_t mask, uint64_t value, int slot, double scale) {
        flush(mask, false);
        phases_.push_back({mask, value, slot, number(scale)});
    }

    // What must be emitted before a gate.
    void before(uint64_t targets, uint64_t diagonal) {
        flush_phases(targets);
        flush(targets, true);
        flush(diagonal, false);
    }

    void flip(int target, uint64_t mask, uint64_t value) {
        before(bit(target), mask);
        StateGate g{StateKind::flip};
        g.qubits = {target};
        g.control_mask = mask;
        g.control_value = value;
        gates_.push_back(std::move(g));
    }

    // -- operations -------------------------------------------------------------------------------------------------------
    void matrix(const Operation& op) {
        const double* m = &from_.numbers[op.at];
        const int size = 1 << op.size;
        const auto is = [&](int row, int column, double re) { return m[2 * (row * size + column)] == re && m[2 * (row * size + column) + 1] == 0; };
        if (op.size == 1) {
            const int q = op.qubits[0];
            const bool phases = is(0, 1, 0) && is(1, 0, 0) && std::abs(std::hypot(m[0], m[1]) - 1) < 1e-14 &&
                                std::abs(std::hypot(m[6], m[7]) - 1) < 1e-14;
            const bool real = m[1] == 0 && m[3] == 0 && m[5] == 0 && m[7] == 0;
            if (!op.mask) return one(q, constant(op.at, 1), phases ? Sort::diagonal : real ? Sort::real : Sort::complex);
            if (phases) {
                for (int b = 0; b < 2; ++b)
                    if (const double angle = std::atan2(m[6 * b + 1], m[6 * b])) phase(op.mask | bit(q), op.value | (b ? bit(q) : 0), -1, angle);
                return;
            }
            if (is(0, 0, 0) && is(1, 1, 0) && is(0, 1, 1) && is(1, 0, 1)) return flip(q, op.mask, op.value);
        }
        if (op.size == 2) {
            bool swap = true;
            for (int k = 0; k < 16; ++k) swap &= is(k / 4, k % 4, k == 0 || k == 6 || k == 9 || k == 15);
            if (swap) {
                const uint64_t a = bit(op.qubits[0]), b = bit(op.qubits[1]);
                flip(op.qubits[0], b, b);
                flip(op.qubits[1], a | op.mask, a | op.value);
                flip(op.qubits[0], b, b);
                return;
            }
        }
        uint64_t targets = 0;
        for (int k = 0; k < op.size; ++k) targets |= bit(op.qubits[k]);
        flush_phases(targets);
        StateGate g{StateKind::dense};
        g.qubits.assign(op.qubits, op.qubits + op.size);
        g.control_mask = op.mask;
        g.control_value = op.value;
        if (op.mask) before(targets, op.mask);
        else
            for (int k = 0; k < op.size; ++k) {
                for (Waiting& w : waiting_[op.qubits[k]]) g.factors.push_back(moved(std::move(w.factor), k));
                waiting_[op.qubits[k]].clear();
            }
        g.factors.push_back(constant(op.at, op.size));
        add(std::move(g));
    }

    // A factor on one qubit as one on local qubit k.
    static StateFactor moved(StateFactor f, int k) {
        f.x <<= k;
        f.z <<= k;
        f.control_mask <<= k;
        f.control_value <<= k;
        if (f.constant) f.qubits = {k};
        return f;
    }

    void turn(const Operation& op) {
        if (op.slot < 0) return turn_by_number(op);
        const uint64_t x = op.x, z = op.z, mask = op.mask, value = op.value, both = x | z;
        if (!both && !mask) return one(0, rotation(0, 0, op.slot, 1), Sort::diagonal);
        if (!both && count(mask) == 1) return one(lowest(mask), rotation(0, 0, op.slot, 1, 1, value != 0), Sort::diagonal);
        if (!both) return phase(mask, value, op.slot, -0.5);
        if (count(both) == 1 && !mask)
            return one(lowest(both), rotation(x != 0, z != 0, op.slot, 1), !x ? Sort::diagonal : z ? Sort::real : Sort::complex);
        if (count(both) == 1 && !x) {
            phase(mask | z, value, op.slot, -0.5);
            return phase(mask | z, value | z, op.slot, 0.5);
        }
        if (count(both) == 1) {
            before(x, mask);
            StateGate g{StateKind::dense};
            g.qubits = {lowest(both)};
            g.control_mask = mask;
            g.control_value = value;
            g.factors.push_back(rotation(1, z != 0, op.slot, 1));
            return add(std::move(g));
        }
        if (!x && count(z) == 2 && !mask) {  // 1 - 2a - 2b + 4ab for Z_a Z_b
            const int a = lowest(z), b = lowest(z & (z - 1));
            one(a, rotation(0, 0, op.slot, 1), Sort::diagonal);
            one(a, rotation(0, 0, op.slot, -2, 1, 1), Sort::diagonal);
            one(b, rotation(0, 0, op.slot, -2, 1, 1), Sort::diagonal);
            return phase(z, z, op.slot, -2);
        }
        pauli(x, z, op.slot, 1, mask, value);
    }

    // The same with an angle that is a number: matrices and phases that never change.
    void turn_by_number(const Operation& op) {
        const double angle = from_.numbers[op.at], c = std::cos(angle / 2), s = std::sin(angle / 2);
        const uint64_t x = op.x, z = op.z, mask = op.mask, value = op.value, both = x | z;
        const auto phase2 = [&](double a, double b) { return constant2({std::cos(a), std::sin(a), 0, 0, 0, 0, std::cos(b), std::sin(b)}); };
        if (!both && !mask) return one(0, phase2(-angle / 2, -angle / 2), Sort::diagonal);
        if (!both && count(mask) == 1) return one(lowest(mask), value ? phase2(0, -angle / 2) : phase2(-angle / 2, 0), Sort::diagonal);
        if (!both) return phase(mask, value, -1, -angle / 2);
        if (count(both) == 1 && !x) {
            if (!mask) return one(lowest(z), phase2(-angle / 2, angle / 2), Sort::diagonal);
            phase(mask | z, value, -1, -angle / 2);
            return phase(mask | z, value | z, -1, angle / 2);
        }
        if (count(both) == 1) {
            StateFactor f = z ? constant2({c, 0, -s, 0, s, 0, c, 0}) : constant2({c, 0, 0, -s, 0, -s, c, 0});
            if (!mask) return one(lowest(x), std::move(f), z ? Sort::real : Sort::complex);
            before(x, mask);
            StateGate g{StateKind::dense};
            g.qubits = {lowest(x)};
            g.control_mask = mask;
            g.control_value = value;
            g.factors.push_back(std::move(f));
            return add(std::move(g));
        }
        if (!x && count(z) == 2 && !mask) {
            const int a = lowest(z), b = lowest(z & (z - 1));
            one(a, phase2(-angle / 2, angle / 2), Sort::diagonal);
            one(b, phase2(0, angle), Sort::diagonal);
            return phase(z, z, -1, -2 * angle);
        }
        pauli(x, z, -1, angle, mask, value);
    }

    // A general rotation by scale * angle, or by scale without a slot; with X on many qubits between CX gates that take X of all but a
    // few away.
    void pauli(uint64_t x, uint64_t z, int slot, double scale, uint64_t mask, uint64_t value) {
        const int ys = count(x & z);
        std::vector<int> moved;
        const int control = x ? lowest(x) : 0;
        int kept = 0;
        for (uint64_t left = x; left; left &= left - 1)
            if (++kept > kWide) moved.push_back(lowest(left));
        for (int q : moved) {
            flip(q, bit(control), bit(control));
            x ^= bit(q);
            if (z >> q & 1) z ^= bit(control);
        }
        if (((ys - count(x & z)) % 4 + 4) % 4 == 2) scale = -scale;
        before(x, (z & ~x) | mask);
        StateGate g{StateKind::pauli};
        g.x = x;
        g.z = z;
        g.slot = slot;
        g.at = number(scale);
        g.control_mask = mask;
        g.control_value = value;
        g.varies = slot >= 0;
        gates_.push_back(std::move(g));
        for (size_t k = moved.size(); k-- > 0;) flip(moved[k], bit(control), bit(control));
    }
};

}  // namespace

std::vector<StateGate> gather(const Lowered& from, StatePlan& plan) { return Gatherer(from, plan).all(); }

}  // namespace bitket

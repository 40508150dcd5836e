// Python bindings of the state kernels. A plan arrives as one stream of integers and one of doubles, read in this order:
//   gates, one after the other; masks are over all qubits
//   dense    [0, k, qubits, control mask, control value, number of factors, factors]
//            factor [constant, x, z, slot, control mask, control value, m, local qubits, place in the doubles]
//   flip     [1, target, control mask, control value]              X, CX, ...
//   diagonal [2, control mask, control value, m, m times (qubit, bit, slot or -1, place in the doubles)]
//   pauli    [3, x, z, slot, place in the doubles, control mask, control value]
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "state.hpp"

namespace nb = nanobind;

namespace bitket {

const char* instruction_set();

namespace kernels_generic { extern const StateKernels state_kernels; }
#ifdef BITKET_X86
namespace kernels_v3 { extern const StateKernels state_kernels; }
namespace kernels_v4 { extern const StateKernels state_kernels; }
#endif

namespace {

const StateKernels& kernels() {
    static const StateKernels* chosen = [] {
        const std::string set = instruction_set();
#ifdef BITKET_X86
        if (set == "v4") return &kernels_v4::state_kernels;
        if (set == "v3") return &kernels_v3::state_kernels;
#endif
        return &kernels_generic::state_kernels;
    }();
    return *chosen;
}

using Integers = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

struct Reader {
    const int64_t* next;
    const int64_t* end;
    const StatePlan& plan;

    int64_t take() {
        if (next == end) throw std::invalid_argument("state plan: the stream of integers ends too early");
        return *next++;
    }
    int64_t below(int64_t low, int64_t high) {
        const int64_t value = take();
        if (value < low || value >= high) throw std::invalid_argument("state plan: an integer is out of range");
        return value;
    }
    int qubit() { return static_cast<int>(below(0, plan.num_qubits)); }
    int slot(int64_t low) { return static_cast<int>(below(low, plan.num_slots)); }
    int64_t place(int64_t count) { return below(0, static_cast<int64_t>(plan.doubles.size()) - count + 1); }
    uint64_t mask() { return static_cast<uint64_t>(below(0, int64_t{1} << plan.num_qubits)); }
};

StateFactor read_factor(Reader& in, int size) {
    StateFactor f;
    f.constant = in.below(0, 2) != 0;
    f.x = static_cast<int>(in.below(0, 1 << size));
    f.z = static_cast<int>(in.below(0, 1 << size));
    f.slot = f.constant ? static_cast<int>(in.take()) : in.slot(0);
    f.control_mask = static_cast<uint64_t>(in.below(0, 1 << size));
    f.control_value = static_cast<uint64_t>(in.below(0, 1 << size));
    const int64_t count = in.below(0, size + 1);
    for (int64_t k = 0; k < count; ++k) f.qubits.push_back(static_cast<int>(in.below(0, size)));
    f.at = in.place(f.constant ? int64_t{2} << 2 * count : 1);
    return f;
}

StateGate read_gate(Reader& in) {
    StateGate g;
    g.kind = static_cast<StateKind>(in.below(0, 4));
    if (g.kind == StateKind::pauli) {
        g.x = in.mask();
        g.z = in.mask();
        g.slot = in.slot(0);
        g.at = in.place(1);
        g.varies = true;
    }
    const int64_t count = g.kind == StateKind::dense ? in.below(1, 6) : g.kind == StateKind::flip ? 1 : 0;
    for (int64_t k = 0; k < count; ++k) g.qubits.push_back(in.qubit());
    g.control_mask = in.mask();
    g.control_value = in.mask();
    if (g.kind == StateKind::dense) {
        for (int64_t left = in.take(); left > 0; --left) {
            g.factors.push_back(read_factor(in, static_cast<int>(count)));
            g.varies |= !g.factors.back().constant;
        }
    } else if (g.kind == StateKind::diagonal) {
        for (int64_t left = in.take(); left > 0; --left) {
            StatePhase p;
            p.qubit = in.qubit();
            p.bit = static_cast<int>(in.below(0, 2));
            p.slot = in.slot(-1);
            p.at = in.place(1);
            g.varies |= p.slot >= 0;
            g.phases.push_back(p);
        }
    }
    return g;
}

// Calls of one plan from several threads take turns: the coefficients are the plan's.
struct BoundStatePlan {
    StatePlan plan;
    std::unique_ptr<StateProgram> program;
    std::mutex turn;

    BoundStatePlan(int num_qubits, int num_slots, bool is_double, int size, int close, Integers integers, Doubles doubles) {
        if (num_qubits < 1 || num_qubits > 60) throw std::invalid_argument("state plan: 1 to 60 qubits");
        plan.num_qubits = num_qubits;
        plan.num_slots = num_slots;
        plan.doubles.assign(doubles.data(), doubles.data() + doubles.shape(0));
        Reader in{integers.data(), integers.data() + integers.shape(0), plan};
        std::vector<StateGate> gates;
        while (in.next != in.end) gates.push_back(read_gate(in));
        plan.stages = cut(std::move(gates), num_qubits, size, close, is_double ? 3 : 4);
        program.reset(is_double ? kernels().make64(plan) : kernels().make32(plan));
    }

    void run(uintptr_t angles, uintptr_t state, bool fresh) {
        nb::gil_scoped_release release;
        std::lock_guard<std::mutex> lock(turn);
        program->run(reinterpret_cast<const double*>(angles), reinterpret_cast<void*>(state), fresh);
    }

    void walk_back(uintptr_t angles, uintptr_t psi, uintptr_t lambda, uintptr_t gradient) {
        nb::gil_scoped_release release;
        std::lock_guard<std::mutex> lock(turn);
        program->walk_back(reinterpret_cast<const double*>(angles), reinterpret_cast<void*>(psi), reinterpret_cast<void*>(lambda),
                           reinterpret_cast<double*>(gradient));
    }
};

// terms: [x, z, power of i]; those of one x and phase stand side by side.
struct BoundObservable {
    int num_qubits;
    std::vector<StateTerm> terms;

    BoundObservable(int num_qubits, nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> masks, Doubles coefficients)
        : num_qubits(num_qubits) {
        if (masks.shape(1) != 3 || masks.shape(0) != coefficients.shape(0) || num_qubits < 4 || num_qubits > 60)
            throw std::invalid_argument("observable: [terms, 3] masks, as many coefficients, and 4 to 60 qubits are needed");
        for (size_t k = 0; k < masks.shape(0); ++k) {
            const int64_t power = masks(k, 2) & 3;
            if ((masks(k, 0) | masks(k, 1)) >> num_qubits) throw std::invalid_argument("observable: a mask is out of range");
            terms.push_back({static_cast<uint64_t>(masks(k, 0)), static_cast<uint64_t>(masks(k, 1)),
                             power >= 2 ? -coefficients.data()[k] : coefficients.data()[k], power % 2 == 1});
        }
    }

    // lambda = factor O psi, or added to it, where lambda is not null; returns <psi| O |psi> times the factor.
    double apply(bool is_double, double factor, uintptr_t psi, uintptr_t lambda, bool add) const {
        nb::gil_scoped_release release;
        std::vector<StateTerm> scaled = terms;
        for (StateTerm& t : scaled) t.coefficient *= factor;
        if (is_double)
            return kernels().pauli_sum64(num_qubits, scaled.data(), scaled.size(), reinterpret_cast<const double*>(psi),
                                         reinterpret_cast<double*>(lambda), add);
        return kernels().pauli_sum32(num_qubits, scaled.data(), scaled.size(), reinterpret_cast<const float*>(psi),
                                     reinterpret_cast<float*>(lambda), add);
    }
};

}  // namespace

void bind_state(nb::module_& m) {
    nb::class_<BoundStatePlan>(m, "StatePlan")
        .def(nb::init<int, int, bool, int, int, Integers, Doubles>())
        .def("run", &BoundStatePlan::run)
        .def("walk_back", &BoundStatePlan::walk_back)
        .def_prop_ro("stages", [](const BoundStatePlan& p) { return p.plan.stages.size(); });
    nb::class_<BoundObservable>(m, "Observable")
        .def(nb::init<int, nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>, Doubles>())
        .def("apply", &BoundObservable::apply);
}

}  // namespace bitket

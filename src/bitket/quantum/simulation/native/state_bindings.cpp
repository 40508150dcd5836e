// Python bindings of the state kernels.
#include <nanobind/ndarray.h>

#include <memory>
#include <mutex>
#include <stdexcept>

#include "lowering.hpp"
#include "state.hpp"

namespace nb = nanobind;

namespace bitket {

BITKET_PER_SET(StateKernels, state_kernels)

namespace {

using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Calls of one plan from several threads take turns: the coefficients are the plan's.
struct BoundStatePlan {
    StatePlan plan;
    std::unique_ptr<StateProgram> program;
    std::mutex turn;

    BoundStatePlan(const Lowered& circuit, bool is_double, int size, int close) {
        plan.num_qubits = circuit.num_qubits;
        plan.num_slots = circuit.num_slots;
        std::vector<StateGate> gates = gather(circuit, plan);
        plan.stages = cut(std::move(gates), circuit.num_qubits, size, close, is_double ? 3 : 4);
        program.reset(is_double ? state_kernels().make64(plan) : state_kernels().make32(plan));
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

// masks: [x, z, power of i]; those of one x and phase stand side by side.
void make_observable(Observable* out, int num_qubits, nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> masks,
                     Doubles coefficients) {
    if (masks.shape(1) != 3 || masks.shape(0) != coefficients.shape(0) || num_qubits < 1 || num_qubits > 60)
        throw std::invalid_argument("observable: [terms, 3] masks, as many coefficients, and 1 to 60 qubits are needed");
    new (out) Observable{num_qubits, {}};
    for (size_t k = 0; k < masks.shape(0); ++k) {
        const int64_t power = masks(k, 2) & 3;
        if ((masks(k, 0) | masks(k, 1)) >> num_qubits) throw std::invalid_argument("observable: a mask is out of range");
        out->terms.push_back({static_cast<uint64_t>(masks(k, 0)), static_cast<uint64_t>(masks(k, 1)),
                              power >= 2 ? -coefficients.data()[k] : coefficients.data()[k], power % 2 == 1});
    }
}

// lambda = factor O psi, or added to it, where lambda is not null; returns <psi| O |psi> times the factor.
double apply(const Observable& observable, bool is_double, double factor, uintptr_t psi, uintptr_t lambda, bool add) {
    if (observable.num_qubits < 4) throw std::invalid_argument("observable: at least 4 qubits are needed");
    nb::gil_scoped_release release;
    std::vector<StateTerm> scaled = observable.terms;
    for (StateTerm& t : scaled) t.coefficient *= factor;
    if (is_double)
        return state_kernels().pauli_sum64(observable.num_qubits, scaled.data(), scaled.size(), reinterpret_cast<const double*>(psi),
                                           reinterpret_cast<double*>(lambda), add);
    return state_kernels().pauli_sum32(observable.num_qubits, scaled.data(), scaled.size(), reinterpret_cast<const float*>(psi),
                                       reinterpret_cast<float*>(lambda), add);
}

}  // namespace

void bind_state(nb::module_& m) {
    nb::class_<BoundStatePlan>(m, "StatePlan")
        .def(nb::init<const Lowered&, bool, int, int>())
        .def("run", &BoundStatePlan::run)
        .def("walk_back", &BoundStatePlan::walk_back)
        .def_prop_ro("stages", [](const BoundStatePlan& p) { return p.plan.stages.size(); });
    nb::class_<Observable>(m, "Observable").def("__init__", &make_observable).def("apply", &apply);
}

}  // namespace bitket

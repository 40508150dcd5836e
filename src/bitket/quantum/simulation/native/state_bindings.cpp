// Python bindings of the state kernels: a list of operations is made once and run on any state of its size.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>
#include <vector>

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

struct StateOps {
    std::vector<StateOp> ops;

    void dense(std::vector<int> qubits, std::vector<double> matrix, uint64_t mask, uint64_t value) {
        const size_t size = size_t{1} << qubits.size();
        if (qubits.empty() || qubits.size() > 5 || matrix.size() != 2 * size * size) throw std::invalid_argument("dense operation: wrong size");
        StateOp op;
        for (int q : qubits) op.touched |= uint64_t{1} << q;
        op.qubits = std::move(qubits);
        op.matrix = std::move(matrix);
        op.mask = mask;
        op.value = value;
        ops.push_back(std::move(op));
    }

    void rotation(uint64_t x, uint64_t z, double cosine, double sine, uint64_t mask, uint64_t value) {
        StateOp op;
        op.rotation = true;
        op.x = op.touched = x;
        op.z = z;
        op.matrix = {cosine, sine};
        op.mask = mask;
        op.value = value;
        ops.push_back(std::move(op));
    }
};

template <class T>
using State = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;  // real view: [2 · 2^n]

template <class T>
void run(const StateOps& list, State<T> state, int num_qubits) {
    if (state.shape(0) != size_t{2} << num_qubits) throw std::invalid_argument("state of the wrong size");
    T* data = state.data();
    nb::gil_scoped_release release;
    if constexpr (sizeof(T) == 4) kernels().run32(data, num_qubits, list.ops.data(), static_cast<int64_t>(list.ops.size()));
    else kernels().run64(data, num_qubits, list.ops.data(), static_cast<int64_t>(list.ops.size()));
}

std::vector<double> numbers(nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu> a) {
    return {a.data(), a.data() + a.shape(0)};
}

}  // namespace

void bind_state(nb::module_& m) {
    nb::class_<StateOps>(m, "StateOps")
        .def(nb::init<>())
        .def("dense", [](StateOps& self, nb::tuple qubits, nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu> matrix,
                         uint64_t mask, uint64_t value) {
            std::vector<int> wires;
            for (nb::handle q : qubits) wires.push_back(nb::cast<int>(q));
            self.dense(std::move(wires), numbers(matrix), mask, value);
        })
        .def("rotation", &StateOps::rotation);
    m.def("state_run", &run<float>);
    m.def("state_run", &run<double>);
}

}  // namespace bitket

// Python bindings of the batched kernels: plans arrive as arrays, data as addresses of contiguous tensors, which costs a call least.
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <vector>

#include "affine.hpp"
#include "batch.hpp"
#include "lowering.hpp"

namespace nb = nanobind;

namespace bitket {

BITKET_PER_SET(BatchKernels, batch_kernels)

namespace {

using Integers = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// One walk from arrays: blocks [offsets 0..7, pivots 0..2, first, last], ops [z, row, code, sign].
struct Walk {
    std::vector<BatchBlock> blocks;
    std::vector<BatchOp> ops;

    BatchWalk read(int bits, Integers b, Integers o) {
        if (b.shape(1) != 13 || o.shape(1) != 4) throw std::invalid_argument("batch plan: arrays of the wrong width");
        for (size_t k = 0; k < b.shape(0); ++k) {
            const int64_t* row = b.data() + 13 * k;
            BatchBlock block;
            for (int m = 0; m < 8; ++m) block.offset[m] = static_cast<uint64_t>(row[m]);
            for (int m = 0; m < 3; ++m) block.pivot[m] = static_cast<int32_t>(row[8 + m]);
            block.first = static_cast<int32_t>(row[11]);
            block.last = static_cast<int32_t>(row[12]);
            blocks.push_back(block);
        }
        for (size_t k = 0; k < o.shape(0); ++k) {
            const int64_t* row = o.data() + 4 * k;
            ops.push_back({static_cast<uint64_t>(row[0]), static_cast<int32_t>(row[1]), static_cast<int16_t>(row[2]),
                           static_cast<int16_t>(row[3])});
        }
        return {bits, static_cast<int>(blocks.size()), static_cast<int>(ops.size()), blocks.data(), ops.data()};
    }
};

// rows: constants, and [first link, last link]; links: [parameter] and coefficients; terms: [x, z, target, phase] and coefficients,
// those without X first.
struct BoundBatchPlan {
    Walk forward, backward;
    std::vector<BatchRow> rows;
    std::vector<BatchLink> links;
    std::vector<BatchTerm> terms;
    BatchPlan plan;

    BoundBatchPlan(int num_qubits, int num_weights, int num_inputs, int num_targets, int forward_bits, Integers forward_blocks, Integers forward_ops,
         int backward_bits, Integers backward_blocks, Integers backward_ops, Doubles constants, Integers spans, Integers parameters,
         Doubles coefficients, Integers t, Doubles c) {
        if (spans.shape(1) != 2 || parameters.shape(1) != 1 || t.shape(1) != 4 || c.shape(0) != t.shape(0) ||
            constants.shape(0) != spans.shape(0) || parameters.shape(0) != coefficients.shape(0))
            throw std::invalid_argument("batch plan: arrays of the wrong width");
        for (size_t k = 0; k < spans.shape(0); ++k)
            rows.push_back({constants.data()[k], static_cast<int32_t>(spans(k, 0)), static_cast<int32_t>(spans(k, 1))});
        for (size_t k = 0; k < parameters.shape(0); ++k)
            links.push_back({static_cast<int32_t>(parameters(k, 0)), coefficients.data()[k]});
        int diagonal = 0;
        for (size_t k = 0; k < t.shape(0); ++k) {
            const int64_t* row = t.data() + 4 * k;
            terms.push_back({static_cast<uint64_t>(row[0]), static_cast<uint64_t>(row[1]), c.data()[k], static_cast<int32_t>(row[2]),
                             static_cast<int32_t>(row[3])});
            diagonal += row[0] == 0;
        }
        plan = {num_qubits,
                static_cast<int>(rows.size()),
                static_cast<int>(terms.size()),
                diagonal,
                num_targets,
                num_weights,
                num_inputs,
                forward.read(forward_bits, forward_blocks, forward_ops),
                backward.read(backward_bits, backward_blocks, backward_ops),
                rows.data(),
                links.data(),
                terms.data()};
    }
    BoundBatchPlan(const BoundBatchPlan&) = delete;
};

template <class T>
bool forward(const BoundBatchPlan& p, int64_t count, bool weights_each, bool inputs_each, uintptr_t weights, uintptr_t inputs, uintptr_t psi,
             uintptr_t values) {
    const BatchArrays<T> a = {count, weights_each, inputs_each, reinterpret_cast<const T*>(weights), reinterpret_cast<const T*>(inputs),
                              reinterpret_cast<T*>(psi), reinterpret_cast<T*>(values), nullptr, nullptr, nullptr};
    nb::gil_scoped_release release;
    if (!finite(a.weights, p.plan.num_weights * (weights_each ? count : 1)) ||
        !finite(a.inputs, p.plan.num_inputs * (inputs_each ? count : 1)))
        return false;
    if constexpr (sizeof(T) == 4) batch_kernels().forward32(p.plan, a);
    else batch_kernels().forward64(p.plan, a);
    return true;
}

template <class T>
void backward(const BoundBatchPlan& p, int64_t count, bool weights_each, bool inputs_each, uintptr_t weights, uintptr_t inputs, uintptr_t psi,
              uintptr_t upstream, uintptr_t weight_gradient, uintptr_t input_gradient) {
    const BatchArrays<T> a = {count, weights_each, inputs_each, reinterpret_cast<const T*>(weights), reinterpret_cast<const T*>(inputs),
                              reinterpret_cast<T*>(psi), nullptr, reinterpret_cast<const T*>(upstream),
                              reinterpret_cast<T*>(weight_gradient), reinterpret_cast<T*>(input_gradient)};
    nb::gil_scoped_release release;
    if constexpr (sizeof(T) == 4) batch_kernels().backward32(p.plan, a);
    else batch_kernels().backward64(p.plan, a);
}

}  // namespace

void bind_batch(nb::module_& m) {
    nb::class_<BoundBatchPlan>(m, "BatchPlan")
        .def(nb::init<int, int, int, int, int, Integers, Integers, int, Integers, Integers, Doubles, Integers, Integers, Doubles,
                      Integers, Doubles>())
        .def("forward32", &forward<float>)  // False: weights or inputs hold a value that is not finite
        .def("forward64", &forward<double>)
        .def("backward32", &backward<float>)
        .def("backward64", &backward<double>);
}

}  // namespace bitket

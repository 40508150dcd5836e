// Python bindings of the batched kernels: plans arrive as integer arrays, data as contiguous arrays [rows, batch].
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "batch.hpp"

namespace nb = nanobind;

namespace bitket {

const char* instruction_set();

namespace kernels_generic { extern const BatchKernels batch_kernels; }
#ifdef BITKET_X86
namespace kernels_v3 { extern const BatchKernels batch_kernels; }
namespace kernels_v4 { extern const BatchKernels batch_kernels; }
#endif

namespace {

const BatchKernels& kernels() {
    static const BatchKernels* chosen = [] {
        const std::string set = instruction_set();
#ifdef BITKET_X86
        if (set == "v4") return &kernels_v4::batch_kernels;
        if (set == "v3") return &kernels_v3::batch_kernels;
#endif
        return &kernels_generic::batch_kernels;
    }();
    return *chosen;
}

using Integers = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Data = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

// Rows: blocks [offsets 0..7, pivots 0..2, first, last]; ops [z, row, code, sign]; terms [x, z, target, phase].
struct Plan {
    std::vector<BatchBlock> blocks;
    std::vector<BatchOp> ops;
    std::vector<BatchTerm> terms;
    BatchPlan plan;

    Plan(int num_qubits, int block_bits, int num_rows, int num_targets, Integers b, Integers o, Integers t, Doubles c) {
        if (b.shape(1) != 13 || o.shape(1) != 4 || t.shape(1) != 4 || c.shape(0) != t.shape(0))
            throw std::invalid_argument("batch plan: arrays of the wrong width");
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
        for (size_t k = 0; k < t.shape(0); ++k) {
            const int64_t* row = t.data() + 4 * k;
            terms.push_back({static_cast<uint64_t>(row[0]), static_cast<uint64_t>(row[1]), c.data()[k], static_cast<int32_t>(row[2]),
                             static_cast<int32_t>(row[3])});
        }
        plan = {num_qubits, block_bits, blocks.data(), static_cast<int>(blocks.size()), ops.data(), terms.data(),
                static_cast<int>(terms.size()), num_targets, num_rows};
    }
    Plan(const Plan&) = delete;
};

template <class T>
void call(bool back, const Plan& plan, int64_t batch, Data<const T> cosines, Data<const T> sines, Data<T> psi, Data<T> first,
          Data<T> second) {
    const BatchArrays<T> arrays = {batch,         cosines.data(), sines.data(), psi.data(), back ? nullptr : first.data(),
                                   back ? first.data() : nullptr, back ? second.data() : nullptr};
    nb::gil_scoped_release release;
    if constexpr (sizeof(T) == 4) (back ? kernels().backward32 : kernels().forward32)(plan.plan, arrays);
    else (back ? kernels().backward64 : kernels().forward64)(plan.plan, arrays);
}

template <class T>
void bind(nb::module_& m) {
    m.def("batch_forward", [](const Plan& plan, int64_t batch, Data<const T> cosines, Data<const T> sines, Data<T> psi, Data<T> values) {
        call<T>(false, plan, batch, cosines, sines, psi, values, values);
    });
    m.def("batch_backward", [](const Plan& plan, int64_t batch, Data<const T> cosines, Data<const T> sines, Data<T> psi,
                               Data<T> upstream, Data<T> gradient) {
        call<T>(true, plan, batch, cosines, sines, psi, upstream, gradient);
    });
}

}  // namespace

void bind_batch(nb::module_& m) {
    nb::class_<Plan>(m, "BatchPlan").def(nb::init<int, int, int, int, Integers, Integers, Integers, Doubles>());
    bind<float>(m);
    bind<double>(m);
}

}  // namespace bitket

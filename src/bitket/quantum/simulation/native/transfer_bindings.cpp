// Python bindings of the Pauli-transfer kernels: a plan arrives as one array of integers and one of numbers, data as addresses.
#include <nanobind/ndarray.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "transfer.hpp"
#include "lowering.hpp"

namespace nb = nanobind;

namespace bitket {

BITKET_PER_SET(TransferKernels, transfer_kernels)

namespace {

using Integers = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The integers, in order: single, slots, targets; then each list behind its length: factors (axis, row, place of number), maps (kind, first,
// last, turns), stages (before, mode, digits, inner, sources, two lane sources, joins (map, place), blocks (digits, maps, to, place of
// the scales, place of the dense matrix or -1)), terms (index, lane, target, place).
struct BoundTransferPlan {
    std::vector<double> numbers;
    std::vector<TransferFactor> factors;
    std::vector<TransferOne> ones;
    std::vector<TransferJoin> joins;
    std::vector<TransferBlock> blocks;
    std::vector<TransferStage> stages;
    std::vector<TransferTerm> terms;
    TransferPlan plan;

    BoundTransferPlan(Integers code, Doubles given) : numbers(given.data(), given.data() + given.shape(0)) {
        size_t at = 0;
        const auto next = [&]() -> int64_t {
            if (at >= code.shape(0)) throw std::invalid_argument("transfer plan: the code ends early");
            return code.data()[at++];
        };
        const auto small = [&] { return static_cast<int32_t>(next()); };
        const auto number = [&](int64_t count) -> const double* {
            const int64_t k = next();
            if (k < 0) return nullptr;
            if (k + count > static_cast<int64_t>(numbers.size())) throw std::invalid_argument("transfer plan: a number is missing");
            return numbers.data() + k;
        };
        const bool single = next();
        const int slots = small(), targets = small();
        for (int64_t k = next(); k > 0; --k) {
            const int32_t axis = small(), row = small();
            const double* value = number(axis ? 1 : 16);
            factors.push_back({axis, row, axis ? *value : 0.0, value});
        }
        int most_factors = 0, most_blocks = 0;
        for (int64_t k = next(); k > 0; --k) {
            const int32_t kind = small(), first = small(), last = small();
            ones.push_back({kind, first, last, next() != 0});
            most_factors = std::max(most_factors, last - first);
        }
        for (int64_t k = next(); k > 0; --k) {
            TransferStage s{};
            s.before = small(); s.mode = small(); s.digits = small(); s.inner = small();
            for (int d = 0; d < s.digits; ++d) s.source[d] = small();
            for (int d = 0; d < 2; ++d) s.lane_source[d] = small();
            s.first_join = static_cast<int32_t>(joins.size());
            for (int64_t j = next(); j > 0; --j) { const int32_t one = small(); joins.push_back({one, small()}); }
            s.last_join = static_cast<int32_t>(joins.size());
            s.first_block = static_cast<int32_t>(blocks.size());
            for (int64_t j = next(); j > 0; --j) {
                TransferBlock b{};
                for (int d = 0; d < 2; ++d) b.digit[d] = small();
                for (int d = 0; d < 2; ++d) b.one[d] = small();
                for (int d = 0; d < 16; ++d) b.to[d] = small();
                b.scale = number(16);
                b.dense = number(256);
                blocks.push_back(b);
            }
            s.last_block = static_cast<int32_t>(blocks.size());
            most_blocks = std::max(most_blocks, s.last_block - s.first_block);
            stages.push_back(s);
        }
        for (int64_t k = next(); k > 0; --k) {
            const int64_t index = next();
            const int32_t lane = small(), target = small();
            terms.push_back({index, lane, target, *number(1)});
        }
        plan = {single, slots, targets, static_cast<int>(stages.size()), static_cast<int>(terms.size()), most_factors, most_blocks,
                factors.data(), ones.data(), joins.data(), blocks.data(), stages.data(), terms.data()};
    }
    BoundTransferPlan(const BoundTransferPlan&) = delete;
};

template <class T>
void run(const BoundTransferPlan& p, int64_t count, uintptr_t angles, uintptr_t values, uintptr_t upstream, uintptr_t gradient) {
    const TransferArrays<T> a = {count, reinterpret_cast<const T*>(angles), reinterpret_cast<T*>(values),
                                 reinterpret_cast<const T*>(upstream), reinterpret_cast<T*>(gradient)};
    nb::gil_scoped_release release;
    if constexpr (sizeof(T) == 4) transfer_kernels().run32(p.plan, a);
    else transfer_kernels().run64(p.plan, a);
}

}  // namespace

void bind_transfer(nb::module_& m) {
    nb::class_<BoundTransferPlan>(m, "TransferPlan")
        .def(nb::init<Integers, Doubles>())
        .def("run32", &run<float>)  // an address may be 0: no values; upstream of ones; no gradient
        .def("run64", &run<double>);
}

}  // namespace bitket

// Angles of slots that are affine in the parameters, weights first, then inputs.
#pragma once
#include <cstdint>
#include <vector>

namespace bitket {

struct Affine {
    struct Link {
        int32_t parameter;
        double coefficient;
    };
    int num_weights = 0, num_inputs = 0;
    std::vector<double> constants;  // of each slot
    std::vector<int32_t> ends;      // of each slot's links
    std::vector<Link> links;

    // Calls each(slot, parameter, coefficient).
    template <class F>
    void each_link(F each) const {
        for (size_t slot = 0, k = 0; slot < ends.size(); ++slot)
            for (; k < static_cast<size_t>(ends[slot]); ++k) each(slot, links[k].parameter, links[k].coefficient);
    }
};

template <class T>
bool finite(const T* values, int64_t count) {
    T sum = 0;
    for (int64_t k = 0; k < count; ++k) sum += values[k] * 0;  // NaN as soon as one is not finite
    return sum == 0;
}

}  // namespace bitket

// One large state: operations applied in place on interleaved complex amplitudes.
#pragma once
#include <cstdint>
#include <vector>

namespace bitket {

// Acts where (index & mask) == value. dense: matrix on `qubits`, row-major [2^k, 2^k] (re, im). rotation: cos, -i sin of a Pauli (x, z).
struct StateOp {
    std::vector<int> qubits;
    std::vector<double> matrix;  // dense; a rotation has {cos, sin}
    uint64_t mask = 0, value = 0, x = 0, z = 0;
    uint64_t touched = 0;  // bits that an index and its partners differ in
    bool rotation = false;
};

struct StateKernels {
    void (*run32)(float* state, int num_qubits, const StateOp* ops, int64_t count);
    void (*run64)(double* state, int num_qubits, const StateOp* ops, int64_t count);
};

}  // namespace bitket

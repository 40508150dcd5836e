// Batches of small circuits as sequences of Pauli rotations; samples of the batch are the lanes of a register.
#pragma once
#include <cstdint>

namespace bitket {

// One rotation exp(-i a/2 P) inside a block. `code` = mx | lz << D: P flips the block's local index by mx and has the sign
// (-1)^|m & lz| on local index m; the sign on the block's base is (-1)^(sign + |base & z|). `row` is its row of cosines and sines.
struct BatchOp {
    uint64_t z;
    int32_t row;
    int16_t code;
    int16_t sign;
};

// Amplitudes base ^ span(basis) are held in registers while the ops [first, last) act. `pivot` are the bits of the index that are
// zero in every base, in rising order.
struct BatchBlock {
    uint64_t offset[8];  // the element of the span for each local index
    int32_t pivot[3];
    int32_t first, last;
};

// c · i^phase · X^x Z^z of observable `target`.
struct BatchTerm {
    uint64_t x, z;
    double c;
    int32_t target;
    int32_t phase;  // |x & z| mod 4
};

struct BatchPlan {
    int num_qubits;
    int block_bits;
    const BatchBlock* blocks;
    int num_blocks;
    const BatchOp* ops;
    const BatchTerm* terms;
    int num_terms;
    int num_targets;
    int num_rows;
};

// Arrays are [rows or targets, batch]; batch is a multiple of the lanes. psi is [tiles, 2 planes, 2^n, lanes].
template <class T>
struct BatchArrays {
    int64_t batch;
    const T* cosines;
    const T* sines;
    T* psi;
    T* values;           // forward: [targets, batch]
    const T* upstream;   // backward: [targets, batch]
    T* gradient;         // backward: [rows, batch], for the angle of each row
};

struct BatchKernels {
    void (*forward32)(const BatchPlan&, const BatchArrays<float>&);
    void (*forward64)(const BatchPlan&, const BatchArrays<double>&);
    void (*backward32)(const BatchPlan&, const BatchArrays<float>&);
    void (*backward64)(const BatchPlan&, const BatchArrays<double>&);
};

}  // namespace bitket

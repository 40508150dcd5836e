// Batches of small circuits as sequences of Pauli rotations; samples of the batch are the lanes of a register.
#pragma once
#include <cstdint>

namespace bitket {

// One rotation exp(-i a/2 P) inside a block. `code` = mx | lz << bits: P flips the block's local index by mx and has the sign
// (-1)^|m & lz| on local index m; the sign on the block's base is (-1)^(sign + |base & z|). `row` is its angle.
struct BatchOp {
    uint64_t z;
    int32_t row;
    int16_t code;
    int16_t sign;
};

// Amplitudes base ^ span(offsets) are held in registers while the ops [first, last) act. `pivot` are the bits of the index that are
// zero in every base, in rising order.
struct BatchBlock {
    uint64_t offset[8];  // the element of the span for each local index
    int32_t pivot[3];
    int32_t first, last;
};

// The program as blocks of at most `bits` directions, in order of time.
struct BatchWalk {
    int bits;
    int num_blocks, num_ops;
    const BatchBlock* blocks;
    const BatchOp* ops;
};

// Half the angle of a row: constant + sum of coefficient * parameter over links [first, last).
struct BatchRow {
    double constant;
    int32_t first, last;
};
struct BatchLink {
    int32_t parameter;  // weights first, then inputs
    double coefficient;
};

// c · i^phase · X^x Z^z of observable `target`.
struct BatchTerm {
    uint64_t x, z;
    double c;
    int32_t target;
    int32_t phase;  // |x & z| mod 4
};

struct BatchPlan {
    int num_qubits, num_rows, num_terms, num_diagonal, num_targets, num_weights, num_inputs;
    BatchWalk forward, backward;
    const BatchRow* rows;
    const BatchLink* links;
    const BatchTerm* terms;  // those without X first: num_diagonal
};

// weights [W] or [count, W], inputs [D] or [count, D] (`per_sample` says which), values and upstream [count, targets].
// psi is [tiles, 2 planes, 2^n, lanes], written by forward unless null. Gradients are shaped as weights and inputs.
template <class T>
struct BatchArrays {
    int64_t count;
    bool weights_per_sample, inputs_per_sample;
    const T* weights;
    const T* inputs;
    T* psi;
    T* values;
    const T* upstream;
    T* weight_gradient;
    T* input_gradient;
};

struct BatchKernels {
    void (*forward32)(const BatchPlan&, const BatchArrays<float>&);
    void (*forward64)(const BatchPlan&, const BatchArrays<double>&);
    void (*backward32)(const BatchPlan&, const BatchArrays<float>&);
    void (*backward64)(const BatchPlan&, const BatchArrays<double>&);
};

}  // namespace bitket

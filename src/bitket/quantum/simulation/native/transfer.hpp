// Pauli-transfer vectors: maps on base-4 digits. Lanes are samples of a batch, or the components of two digits of a single vector.
#pragma once
#include <cstdint>

namespace bitket {

// Axis 1, 2, 3: rotation about X, Y, Z by value * angle[row], or by value where row is -1. Axis 0: the constant 4 x 4 matrix.
struct TransferFactor {
    int32_t axis, row;
    double value;
    const double* matrix;
};

// The product of factors [first, last) in order of time, a 4 x 4 matrix with first row (1, 0, 0, 0). Kind 0: the identity; 1, 2, 3:
// mixes Y Z, Z X or X Y and scales the third; 4: no first column either; 5: any.
struct TransferOne {
    int32_t kind, first, last;
    bool turns;  // whether an angle is in it
};

// Component k = d0 + 4 d1 of the digits at two places: `one` on each (-1: none), then to component to[k] with a scale, or `dense`.
struct TransferBlock {
    int32_t digit[2], one[2];
    int32_t to[16];
    const double* scale;
    const double* dense;  // [16, 16], or null
};

// The qubit's place in the stage's order, or -1, -2 for the lanes.
struct TransferJoin {
    int32_t one, place;
};

// Digits after joining: `before`. Mode 0: the order stays. 1: digit k comes from source[k]. 2: and digits 0, 1 come from the lanes, which
// come from lane_source. Digits that are no source are left at I.
struct TransferStage {
    int32_t before, mode, digits, inner;
    int32_t source[32];
    int32_t lane_source[2];
    int32_t first_join, last_join, first_block, last_block;
};

struct TransferTerm {
    int64_t index;
    int32_t lane, target;
    double c;
};

struct TransferPlan {
    bool single;  // lanes are components
    int num_slots, num_targets, num_stages, num_terms, most_factors, most_blocks;
    const TransferFactor* factors;
    const TransferOne* ones;
    const TransferJoin* joins;
    const TransferBlock* blocks;
    const TransferStage* stages;
    const TransferTerm* terms;
};

// angles [count, slots], values and upstream [count, targets], gradient [count, slots] or null.
template <class T>
struct TransferArrays {
    int64_t count;
    const T* angles;
    T* values;
    const T* upstream;
    T* gradient;
};

struct TransferKernels {
    void (*run32)(const TransferPlan&, const TransferArrays<float>&);
    void (*run64)(const TransferPlan&, const TransferArrays<double>&);
};

}  // namespace bitket

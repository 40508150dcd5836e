// A lowered circuit in the core's words: matrices on a few qubits and Pauli rotations, each where control bits match, in order of time.
#pragma once
#include <cstdint>
#include <vector>

namespace bitket {

constexpr int kDense = 5;  // qubits of a matrix at most

// A matrix on `size` qubits (first least significant), or, for size 0, exp(-i angle/2 P), P with an X part and a Z part and Y where both
// are; where index & mask == value. With both parts empty P is the identity: a phase.
struct Operation {
    int size = 0;
    int qubits[kDense] = {};
    uint64_t x = 0, z = 0, mask = 0, value = 0;
    int slot = -1;    // of the angle; -1: a number
    int64_t at = -1;  // in the numbers: the matrix (interleaved, row by row), or the angle that is a number
};

struct Lowered {
    int num_qubits = 0, num_slots = 0;
    double phase = 0;  // of everything
    std::vector<Operation> operations;
    std::vector<double> numbers;

    double angle(const Operation& op, const double* angles) const { return op.slot < 0 ? numbers[op.at] : angles[op.slot]; }
};

// One term of an observable: coefficient i^imaginary (-1)^(z j) |j ^ x><j|.
struct StateTerm {
    uint64_t x, z;
    double coefficient;
    bool imaginary;
};

struct Observable {
    int num_qubits;
    std::vector<StateTerm> terms;  // those of one x and phase side by side
};

// Samples of one circuit: angles [count, slots], and what is asked of them.
struct WalkValues {
    int64_t count;
    const double* angles;
    std::vector<const Observable*> observables;
    double* values;          // [count, observables]
    const double* upstream;  // [count, observables]
    double* gradient;        // [count, slots], added to: of sum_k upstream_k <O_k> for the angles; null: not asked for
};

// One pass over the state for each gate, without a plan: for circuits that are seen once, on few qubits.
struct WalkKernels {
    // The state that a circuit makes of `from`, or of |0...0> where it is null; 2^n complex numbers in `to`, which may be `from`.
    void (*run32)(const Lowered&, const double* angles, const float* from, float* to);
    void (*run64)(const Lowered&, const double* angles, const double* from, double* to);
    // <O_k> after a circuit of unitary operations from |0...0>, and the gradient by a walk back (as in state_steps.hpp).
    void (*values32)(const Lowered&, const WalkValues&);
    void (*values64)(const Lowered&, const WalkValues&);
};

}  // namespace bitket

// One large state: what a plan holds. A plan is a list of stages; a stage is a list of groups of gates whose targets lie in one tile of
// qubits.
#pragma once
#include <complex>
#include <cstdint>
#include <vector>

#include "lowered.hpp"

namespace bitket {

// One factor of a fused dense gate, on its local qubits: a constant matrix, or exp(-i scale angle[slot] / 2 P), where local controls match.
struct StateFactor {
    bool constant;
    int x, z, slot;
    uint64_t control_mask, control_value;
    std::vector<int> qubits;
    int64_t at;  // in the doubles: the matrix (interleaved, row by row), or the scale
};

// One phase of a diagonal gate: exp(i c angle[slot]), or exp(i c) without a slot, where a qubit has a value.
struct StatePhase {
    int qubit, bit, slot;
    int64_t at;
};

enum class StateKind { dense, flip, diagonal, pauli };

struct StateGate {
    StateKind kind;
    std::vector<int> qubits;  // dense: first least significant; flip: target
    uint64_t control_mask = 0, control_value = 0;
    std::vector<StateFactor> factors;
    std::vector<StatePhase> phases;
    uint64_t x = 0, z = 0;  // pauli
    int slot = -1;          // pauli: exp(-i c angle[slot] / 2 P), or exp(-i c / 2 P) without a slot
    int64_t at = 0;
    bool varies = false;  // whether it depends on angles
};

// Gates applied together: either any number that change and need few qubits beside the lanes, or one of any kind.
struct StateGroup {
    bool block = false;
    std::vector<int> rows;  // qubits of a block, beside the lanes
    std::vector<StateGate> gates;
    bool varies = false;
};

struct StateStage {
    std::vector<int> tile;  // its qubits, ascending, the lowest of all among them
    uint64_t changed = 0;   // qubits that its gates change
    std::vector<StateGroup> groups;  // blocks on three qubits beside the lanes: the registers hold eight amplitudes
    std::vector<StateGroup> back;    // on two, for the walk back: psi and lambda share the registers
};

struct StatePlan {
    int num_qubits = 0, num_slots = 0;
    std::vector<StateStage> stages;
    std::vector<double> doubles;
};

// The gates of a lowered circuit, their numbers in the plan.
std::vector<StateGate> gather(const Lowered& from, StatePlan& plan);

// The stages and groups of a list of gates: tiles of at most `size` qubits, the lowest `close` among them; registers hold `lane_bits` qubits.
std::vector<StateStage> cut(std::vector<StateGate> gates, int num_qubits, int size, int close, int lane_bits);

// A plan made ready for one instruction set and precision: `run` refreshes what depends on angles, then applies the plan in place.
struct StateProgram {
    virtual ~StateProgram() = default;
    // With `fresh` the state is all zeros, stands for |0...0>, and tiles that are still zero are left alone.
    virtual void run(const double* angles, void* state, bool fresh) = 0;
    // From psi, which the plan made of |0...0>, and lambda = O psi: adds d<O>/d(angle) of each slot to the gradient. Both are used up.
    virtual void walk_back(const double* angles, void* psi, void* lambda, double* gradient) = 0;
};

struct StateKernels {
    StateProgram* (*make32)(const StatePlan&);
    StateProgram* (*make64)(const StatePlan&);
    // lambda = O psi, or added to it; or only the value, for a null lambda; returns <psi| O |psi>. Terms of one x and phase side by side; at least as many amplitudes as lanes.
    double (*pauli_sum32)(int num_qubits, const StateTerm*, size_t, const float* psi, float* lambda, bool add);
    double (*pauli_sum64)(int num_qubits, const StateTerm*, size_t, const double* psi, double* lambda, bool add);
};

}  // namespace bitket

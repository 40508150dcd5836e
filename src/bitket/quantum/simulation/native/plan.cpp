// Cuts a list of gates into stages, and each stage into blocks: sets of qubits and the gates that need no others. Both are the same search.
// From the gates that wait, in order, a set of qubits takes every gate that needs only its qubits and commutes with all it overtakes;
// of several sets the one that takes most is chosen: first come first served, runs of neighbours, and a set grown step by step.
#include <algorithm>

#include "state.hpp"

namespace bitket {
namespace {

struct Footprint {
    uint64_t needed, changed, looked;  // qubits that must be in the set; that are changed; that only control or give a phase
    bool alone;
};

struct Chosen {
    uint64_t qubits;
    std::vector<int> taken;
};

uint64_t bit(int q) { return uint64_t{1} << q; }
int count(uint64_t mask) { return __builtin_popcountll(mask); }

class Search {
public:
    Search(const std::vector<Footprint>& gates, std::vector<int> domain, uint64_t always, int size)
        : gates_(gates), domain_(std::move(domain)), always_(always), size_(size) {}

    std::vector<Chosen> all() {
        std::vector<int> waiting(gates_.size());
        for (size_t k = 0; k < waiting.size(); ++k) waiting[k] = static_cast<int>(k);
        std::vector<Chosen> out;
        while (!waiting.empty()) {
            if (gates_[waiting[0]].alone) {
                out.push_back({0, {waiting[0]}});
                waiting.erase(waiting.begin());
                continue;
            }
            uint64_t best = 0;
            int most = 0;
            for (uint64_t set : candidates(waiting)) {
                const int taken = take(waiting, set, false, nullptr, nullptr);
                if (taken > most) { most = taken; best = set; }
            }
            Chosen chosen{best, {}};
            std::vector<int> left;
            take(waiting, chosen.qubits, true, &chosen.taken, &left);
            out.push_back(std::move(chosen));
            waiting = std::move(left);
        }
        return out;
    }

private:
    const std::vector<Footprint>& gates_;
    std::vector<int> domain_;
    uint64_t always_;
    int size_;

    // How many gates a set takes; with `extend`, it first grows to its full size for those that come first.
    int take(const std::vector<int>& waiting, uint64_t& set, bool extend, std::vector<int>* taken, std::vector<int>* left) const {
        uint64_t changed = 0, looked = 0;
        int number = 0;
        for (size_t k = 0; k < waiting.size(); ++k) {
            const Footprint& g = gates_[waiting[k]];
            const uint64_t wider = set | g.needed;
            if (g.alone || (extend ? count(wider) > size_ : wider != set) || (g.changed & (changed | looked)) || (g.looked & changed)) {
                changed |= g.changed;
                looked |= g.looked;
                if (left) left->push_back(waiting[k]);
                else if (!extend && !(set & ~changed)) break;
            } else {
                set = wider;
                ++number;
                if (taken) taken->push_back(waiting[k]);
            }
        }
        return number;
    }

    std::vector<uint64_t> candidates(const std::vector<int>& waiting) const {
        std::vector<uint64_t> out{always_};
        take(waiting, out[0], true, nullptr, nullptr);
        std::vector<int> free;
        for (int q : domain_)
            if (!(always_ & bit(q))) free.push_back(q);
        const int room = size_ - count(always_);
        for (int start = 0; start + room <= static_cast<int>(free.size()); ++start) {
            uint64_t set = always_;
            for (int k = 0; k < room; ++k) set |= bit(free[start + k]);
            out.push_back(set);
        }
        out.push_back(grown(waiting));
        return out;
    }

    // Adds, again and again, the qubits of that waiting gate with which most can be taken for each qubit added.
    uint64_t grown(const std::vector<int>& waiting) const {
        uint64_t set = always_;
        for (;;) {
            std::vector<uint64_t> openings;
            uint64_t changed = 0, looked = 0;
            for (int k : waiting) {
                const Footprint& g = gates_[k];
                const bool free = !g.alone && !(g.changed & (changed | looked)) && !(g.looked & changed);
                const uint64_t added = g.needed & ~set;
                if (free && !added) continue;
                if (free && count(set | added) <= size_ && std::find(openings.begin(), openings.end(), added) == openings.end())
                    openings.push_back(added);
                changed |= g.changed;
                looked |= g.looked;
            }
            if (openings.empty()) return set;
            double most = -1;
            uint64_t best = 0;
            for (uint64_t added : openings) {
                uint64_t wider = set | added;
                const double gain = static_cast<double>(take(waiting, wider, false, nullptr, nullptr)) / count(added);
                if (gain > most) { most = gain; best = added; }
            }
            set |= best;
        }
    }
};

uint64_t targets(const StateGate& g) {
    uint64_t out = g.kind == StateKind::pauli ? g.x : 0;
    for (int q : g.qubits) out |= bit(q);
    return out;
}

uint64_t looks_at(const StateGate& g) {
    uint64_t out = g.control_mask | (g.z & ~g.x);
    for (const StatePhase& p : g.phases) out |= bit(p.qubit);
    return out;
}

// Phases without controls are gathered until a gate changes one of their qubits.
std::vector<StateGate> merged(std::vector<StateGate> gates) {
    std::vector<StateGate> out;
    StateGate phases{StateKind::diagonal};
    const auto flush = [&] {
        if (!phases.phases.empty()) out.push_back(std::move(phases));
        phases = StateGate{StateKind::diagonal};
    };
    for (StateGate& g : gates) {
        if (g.kind == StateKind::diagonal && !g.control_mask) {
            phases.phases.insert(phases.phases.end(), g.phases.begin(), g.phases.end());
            phases.varies |= g.varies;
            continue;
        }
        if (targets(g) & looks_at(phases)) flush();
        out.push_back(std::move(g));
    }
    flush();
    return out;
}

// The blocks of a stage, on so many qubits beside the lanes, and the gates that are no part of any.
std::vector<StateGroup> blocks(const std::vector<StateGate>& gates, const std::vector<int>& qubits, uint64_t lanes, int rows) {
    uint64_t tile = 0;
    for (int q : qubits) tile |= bit(q);
    std::vector<Footprint> prints;
    for (const StateGate& g : gates) {
        const uint64_t changed = targets(g), looked = looks_at(g);
        const bool diagonal = g.kind == StateKind::diagonal;
        const bool narrow = diagonal ? !(looked & ~tile) && count(looked & ~lanes) <= rows
                                     : g.kind == StateKind::flip || (g.kind == StateKind::dense && g.qubits.size() == 1);
        prints.push_back({diagonal ? looked : changed, changed, looked, !narrow});
    }
    std::vector<StateGroup> out;
    for (const Chosen& block : Search(prints, qubits, lanes, count(lanes) + rows).all()) {
        StateGroup group;
        group.block = !prints[block.taken[0]].alone;
        for (int q : qubits)
            if (group.block && (block.qubits & ~lanes & bit(q))) group.rows.push_back(q);
        for (int k : block.taken) group.gates.push_back(gates[k]);
        if (group.block) group.gates = merged(std::move(group.gates));
        for (const StateGate& g : group.gates) group.varies |= g.varies;
        out.push_back(std::move(group));
    }
    return out;
}

}  // namespace

std::vector<StateStage> cut(std::vector<StateGate> gates, int num_qubits, int size, int close, int lane_bits) {
    std::vector<int> every(num_qubits);
    for (int q = 0; q < num_qubits; ++q) every[q] = q;
    std::vector<Footprint> prints;
    for (const StateGate& g : gates) {
        const uint64_t changed = targets(g), looked = looks_at(g);
        // A phase of one qubit belongs to the gates beside it; others may be applied wherever their qubits are.
        const bool near = g.kind == StateKind::diagonal && count(looked) == 1;
        prints.push_back({near ? looked : changed, changed, looked, false});
    }
    size = std::min(size, num_qubits);
    std::vector<StateStage> stages;
    for (const Chosen& chosen : Search(prints, every, bit(std::min(close, size)) - 1, size).all()) {
        uint64_t tile = chosen.qubits;
        for (int q = 0; count(tile) < size; ++q) tile |= bit(q);  // whole tiles: low qubits make long runs
        StateStage stage;
        for (int q : every)
            if (tile & bit(q)) stage.tile.push_back(q);
        std::vector<StateGate> own;
        for (int k : chosen.taken) {
            stage.changed |= targets(gates[k]);
            own.push_back(std::move(gates[k]));
        }
        const uint64_t lanes = bit(std::min(lane_bits, num_qubits)) - 1;
        stage.groups = blocks(own, stage.tile, lanes, 3);
        stage.back = blocks(own, stage.tile, lanes, 2);
        stages.push_back(std::move(stage));
    }
    return stages;
}

}  // namespace bitket

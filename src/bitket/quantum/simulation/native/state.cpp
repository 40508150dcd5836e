// Kernels on one large state. A stage gathers each tile of amplitudes into split real and imaginary registers, row by row, applies its
// gates there, and scatters the tile back: one pass over memory for many gates. The gradient walks back through the same stages, with
// lambda beside psi in the cache. Memory: the state itself, and lambda.
#include "state_steps.hpp"

#include <memory>

#include "pool.hpp"

namespace bitket::BITKET_NAMESPACE {
namespace {

// Rows times steps from which threads share the work, some 300 us: on a busy machine, waiting for a thread can take longer.
constexpr uint64_t kParallel = 1 << 17;

// -- running ----------------------------------------------------------------------------------------------------------
template <class T>
struct Program final : StateProgram {
    static constexpr int L = lanes<T>::count, B = lanes<T>::bits;
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;

    struct Stage {
        Tile tile;
        uint64_t rows = 1, run = 1;      // rows of a tile; how many of them lie one after the other in memory
        std::vector<uint64_t> offsets;   // of each run
        std::vector<int> outside;        // qubits outside the tile
        std::vector<int> reached;        // those of them that an earlier stage changes: the others are zero if they were
        std::vector<Step<T>> steps;
    };

    explicit Program(const StatePlan& plan) : plan(plan) {
        const int n = plan.num_qubits;
        for (const StateStage& from : plan.stages) {
            Stage s{Tile(from, n, B)};
            const int size = static_cast<int>(from.tile.size()), row_bits = std::max(0, size - B);
            s.rows = uint64_t{1} << row_bits;
            int close = 0;
            while (close < row_bits && from.tile[B + close] == B + close) ++close;
            s.run = uint64_t{1} << close;
            for (uint64_t r = 0; r < s.rows; r += s.run) {
                uint64_t offset = 0;
                for (int k = close; k < row_bits; ++k)
                    if (r >> k & 1) offset |= uint64_t{1} << from.tile[B + k];
                s.offsets.push_back(offset);
            }
            for (int q = 0; q < n; ++q)
                if (s.tile.place[q] < 0) s.outside.push_back(q);
            s.steps.resize(from.groups.size());
            stages.push_back(std::move(s));
        }
        uint64_t reached = 0;
        for (size_t k = 0; k < stages.size(); ++k) {
            for (int q : stages[k].outside)
                if (reached >> q & 1) stages[k].reached.push_back(q);
            reached |= plan.stages[k].changed;
        }
    }

    void run(const double* angles, void* state, bool fresh) override {
        T* amplitudes = static_cast<T*>(state);
        if (fresh) amplitudes[0] = 1;
        for (size_t k = 0; k < stages.size(); ++k) {
            Stage& stage = stages[k];
            const auto& groups = plan.stages[k].groups;
            Maker<T> maker{plan, stage.tile, stage.rows};
            for (size_t g = 0; g < groups.size(); ++g)
                if (!ready || groups[g].varies) { stage.steps[g] = Step<T>(); maker.make(groups[g], angles, stage.steps[g]); }
            each_tile(stage, fresh ? stage.reached : stage.outside, [&](uint64_t base, uint64_t) {
                V* t = scratch(2 * stage.rows);
                gather(stage, amplitudes, base, t);
                for (const Step<T>& s : stage.steps)
                    if ((base & s.outside_mask) == s.outside_value) s.apply(s, t, stage.rows, base);
                scatter(stage, amplitudes, base, t);
            });
        }
        ready = true;
    }

    void walk_back(const double* angles, void* state, void* costate, double* gradient) override {
        T *psi = static_cast<T*>(state), *lambda = static_cast<T*>(costate);
        std::vector<double> sums;
        for (size_t k = stages.size(); k-- > 0;) {
            const Stage& stage = stages[k];
            const auto& groups = plan.stages[k].back;
            Maker<T> maker{plan, stage.tile, stage.rows, true};
            std::vector<Step<T>> steps(groups.size());
            size_t each = 0;
            for (size_t g = 0; g < groups.size(); ++g) {
                maker.make(groups[g], angles, steps[g]);
                steps[g].at = each;
                each += steps[g].sums;
            }
            // Where psi was zero before this stage, nothing adds to the gradient, here or further back.
            const uint64_t tasks = num_tasks(stage.reached);
            sums.assign(tasks * each + 1, 0);
            each_tile(stage, stage.reached, [&](uint64_t base, uint64_t task) {
                V *t = scratch(4 * stage.rows), *u = t + 2 * stage.rows;
                gather(stage, psi, base, t);
                gather(stage, lambda, base, u);
                for (size_t g = steps.size(); g-- > 0;) {
                    const Step<T>& s = steps[g];
                    if ((base & s.outside_mask) != s.outside_value) continue;
                    if (s.walk) s.walk(s, t, u, stage.rows, base, &sums[task * each + s.at]);
                    else { s.apply(s, t, stage.rows, base); s.apply(s, u, stage.rows, base); }
                }
                if (k == 0) return;
                scatter(stage, psi, base, t);
                scatter(stage, lambda, base, u);
            });
            for (uint64_t task = 1; task < tasks; ++task)
                for (size_t i = 0; i < each; ++i) sums[i] += sums[task * each + i];
            for (size_t g = 0; g < groups.size(); ++g)
                if (steps[g].walk) maker.differentiate(groups[g], angles, steps[g], &sums[steps[g].at], gradient);
        }
    }

private:
    static uint64_t num_tasks(const std::vector<int>& over) { return std::min<uint64_t>(uint64_t{1} << over.size(), 64); }

    // Calls body(base, task) for each tile, by the values of some qubits outside of it; the tasks in parallel where that pays.
    template <class F>
    static void each_tile(const Stage& stage, const std::vector<int>& over, F body) {
        const uint64_t tasks = num_tasks(over), each = (uint64_t{1} << over.size()) / tasks;
        const std::function<void(int64_t, int)> task = [&](int64_t task, int) {
            for (uint64_t i = task * each; i < (task + 1) * each; ++i) {
                uint64_t base = 0;
                for (size_t q = 0; q < over.size(); ++q) base |= (i >> q & 1) << over[q];
                body(base, static_cast<uint64_t>(task));
            }
        };
        if (tasks * each * stage.rows * stage.steps.size() < kParallel)
            for (uint64_t k = 0; k < tasks; ++k) task(static_cast<int64_t>(k), 0);
        else Pool::instance().run(static_cast<int64_t>(tasks), task);
    }


    const StatePlan& plan;
    std::vector<Stage> stages;
    bool ready = false;

    static V* scratch(uint64_t count) {
        static thread_local Registers<V> kept;
        kept.grow(count);
        return kept.data();
    }

    static constexpr I pattern(int start, int step) {
        I out{};
        for (int l = 0; l < L; ++l) out[l] = start + step * l;
        return out;
    }

    void gather(const Stage& s, const T* from, uint64_t base, V* t) const {
        if (plan.num_qubits < B) {  // fewer amplitudes than lanes: the rest is zero
            t[0] = t[1] = V{};
            for (int l = 0; l < 1 << plan.num_qubits; ++l) { t[0][l] = from[2 * l]; t[1][l] = from[2 * l + 1]; }
            return;
        }
        const I even = pattern(0, 2), odd = pattern(1, 2);
        for (uint64_t offset : s.offsets) {
            const T* p = from + 2 * (base | offset);
            for (uint64_t r = 0; r < s.run; ++r, p += 2 * L, t += 2) {
                V a, b;
                std::memcpy(&a, p, sizeof a);
                std::memcpy(&b, p + L, sizeof b);
                t[0] = __builtin_shuffle(a, b, even);
                t[1] = __builtin_shuffle(a, b, odd);
            }
        }
    }

    void scatter(const Stage& s, T* to, uint64_t base, const V* t) const {
        if (plan.num_qubits < B) {
            for (int l = 0; l < 1 << plan.num_qubits; ++l) { to[2 * l] = t[0][l]; to[2 * l + 1] = t[1][l]; }
            return;
        }
        I low, high;
        for (int l = 0; l < L; ++l) { low[l] = l / 2 + (l & 1) * L; high[l] = low[l] + L / 2; }
        for (uint64_t offset : s.offsets) {
            T* p = to + 2 * (base | offset);
            for (uint64_t r = 0; r < s.run; ++r, p += 2 * L, t += 2) {
                const V a = __builtin_shuffle(t[0], t[1], low), b = __builtin_shuffle(t[0], t[1], high);
                std::memcpy(p, &a, sizeof a);
                std::memcpy(p + L, &b, sizeof b);
            }
        }
    }
};

// -- Pauli sums -------------------------------------------------------------------------------------------------------
// lambda = O psi, or added to it (where lambda is given), and <psi| O |psi>. On interleaved amplitudes j, a term c P adds
//     i^ys c (-1)^(z (j ^ x)) psi[j ^ x],
// which is a permutation of lanes (parts exchanged where i^ys is imaginary) times a register of signed coefficients. These depend on the
// row only by a parity, so both signs are laid out beforehand. Terms of one permutation are a group: their coefficients are added first.
struct TermGroup { uint64_t x; bool imaginary; size_t end; };

template <class T>
double pauli_sum(int n, const StateTerm* terms, size_t count, const T* psi, T* lambda, bool add) {
    constexpr int L = lanes<T>::count, H = L / 2;  // amplitudes of a row; of one of the two registers that hold it
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    std::vector<TermGroup> groups;
    Registers<V> signs;  // [term][parity][register]
    signs.grow(4 * count + 1);
    std::vector<uint64_t> rows_odd(count);  // for each row of a chunk that starts at 0, the parity
    for (size_t t = 0; t < count; ++t) {
        const StateTerm& term = terms[t];
        for (uint64_t r = 0; r < 64; ++r) rows_odd[t] |= static_cast<uint64_t>(parity(term.z / L & r)) << r;
        if (groups.empty() || groups.back().x != term.x || groups.back().imaginary != term.imaginary)
            groups.push_back({term.x, term.imaginary, 0});
        groups.back().end = t + 1;
        for (int h = 0; h < 2; ++h)
            for (int l = 0; l < L; ++l) {
                double c = parity(term.z & ((h * H + l / 2) ^ term.x)) ? -term.coefficient : term.coefficient;
                if (term.imaginary && l % 2 == 0) c = -c;  // i (a + i b) = -b + i a
                signs[4 * t + h][l] = static_cast<T>(c);
                signs[4 * t + 2 + h][l] = static_cast<T>(-c);
            }
    }
    constexpr uint64_t kRows = 64, kChunks = 16;  // rows of a chunk: it stays in the first cache; chunks of a task
    const uint64_t rows = (uint64_t{1} << n) / L, chunk = std::min(kRows, rows), chunks = rows / chunk, each = std::min(kChunks, chunks);
    std::vector<double> values(chunks / each, 0);
    const std::function<void(int64_t, int)> task = [&](int64_t b, int) {
        static thread_local Registers<V> kept;
        kept.grow(2 * chunk);
        V* out = kept.data();
        double sum = 0;
        for (uint64_t k = 0; k < each; ++k) {
            const uint64_t start = (static_cast<uint64_t>(b) * each + k) * chunk;
            std::memset(out, 0, 2 * chunk * sizeof(V));
            size_t t = 0;
            for (const TermGroup& g : groups) {
                I index{};
                for (int l = 0; l < L; ++l) index[l] = (l ^ int(2 * (g.x & (H - 1)))) ^ int(g.imaginary);
                const uint64_t other = g.x & H ? 1 : 0, row_x = g.x / L;
                const V* table = &signs[4 * t];
                const size_t count = g.end - t;
                const T *from_low = psi + other * L, *from_high = psi + (1 - other) * L;
                if (count == 1) {
                    uint64_t odd = rows_odd[t] ^ (parity(terms[t].z / L & start) ? ~uint64_t{0} : 0);
                    for (uint64_t r = 0; r < chunk; ++r, odd >>= 1) {
                        const V* first = table + 2 * (odd & 1);
                        const uint64_t at = 2 * L * ((start + r) ^ row_x);
                        V x, y;
                        std::memcpy(&x, from_low + at, sizeof x);
                        std::memcpy(&y, from_high + at, sizeof y);
                        out[2 * r] += first[0] * __builtin_shuffle(x, index);
                        out[2 * r + 1] += first[1] * __builtin_shuffle(y, index);
                    }
                }
                else for (uint64_t r = 0; r < chunk; ++r) {
                    const uint64_t row = start + r;
                    V low{}, high{};
                    for (size_t m = 0; m < count; ++m) {
                        const V* next = table + 4 * m + 2 * parity(terms[t + m].z / L & row);
                        low += next[0]; high += next[1];
                    }
                    V x, y;
                    std::memcpy(&x, from_low + 2 * L * (row ^ row_x), sizeof x);
                    std::memcpy(&y, from_high + 2 * L * (row ^ row_x), sizeof y);
                    out[2 * r] += low * __builtin_shuffle(x, index);
                    out[2 * r + 1] += high * __builtin_shuffle(y, index);
                }
                t = g.end;
            }
            V value{};
            for (uint64_t r = 0; r < 2 * chunk; ++r) {
                V x;
                std::memcpy(&x, psi + 2 * L * start + L * r, sizeof x);
                value += x * out[r];
                if (!lambda) continue;
                T* to = lambda + 2 * L * start + L * r;
                x = out[r];
                if (add) {
                    V before;
                    std::memcpy(&before, to, sizeof before);
                    x += before;
                }
                std::memcpy(to, &x, sizeof x);
            }
            for (int l = 0; l < L; ++l) sum += value[l];
        }
        values[b] = sum;
    };
    if (rows * count < kParallel)
        for (size_t b = 0; b < values.size(); ++b) task(static_cast<int64_t>(b), 0);
    else Pool::instance().run(static_cast<int64_t>(values.size()), task);
    double total = 0;
    for (double v : values) total += v;
    return total;
}

}  // namespace

extern const StateKernels state_kernels;
const StateKernels state_kernels = {[](const StatePlan& p) -> StateProgram* { return new Program<float>(p); },
                                    [](const StatePlan& p) -> StateProgram* { return new Program<double>(p); }, pauli_sum<float>,
                                    pauli_sum<double>};

}  // namespace bitket::BITKET_NAMESPACE

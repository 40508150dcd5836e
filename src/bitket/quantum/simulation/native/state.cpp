// Kernels on one large state. A stage gathers each tile of amplitudes into split real and imaginary registers, row by row, applies its
// gates there, and scatters the tile back: one pass over memory for many gates. The gradient walks back through the same stages, with
// lambda beside psi in the cache. Memory: the state itself, and lambda.
#include "state_steps.hpp"

#include <memory>

#include "pool.hpp"

namespace bitket::BITKET_NAMESPACE {
namespace {

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

    static constexpr uint64_t kParallel = 1 << 14;  // rows times steps: some 50 us

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
// lambda += O psi over the terms (where lambda is given), and <psi| O |psi>. Amplitudes go by blocks that stay in the cache while the
// terms, sorted by x, each add d_x[j] psi[j ^ x].
template <class T>
double pauli_sum(int n, const StateTerm* terms, size_t count, const T* psi, T* lambda) {
    constexpr int L = lanes<T>::count, B = lanes<T>::bits;
    using V = typename lanes<T>::type;
    using I = typename indices<T>::type;
    const int bits = std::min(n, 12);
    const uint64_t block = uint64_t{1} << bits, rows = block >> B, blocks = uint64_t{1} << (n - bits);
    std::vector<double> values(blocks, 0);
    Registers<V> signs;  // (-1)^(z lane) of each term
    signs.grow(count);
    for (size_t t = 0; t < count; ++t)
        for (int l = 0; l < L; ++l) signs[t][l] = static_cast<T>(parity(terms[t].z & l) ? -1 : 1);
    I even{}, odd{}, low{}, high{};
    for (int l = 0; l < L; ++l) {
        even[l] = 2 * l; odd[l] = 2 * l + 1;
        low[l] = l / 2 + (l & 1) * L; high[l] = low[l] + L / 2;
    }
    Pool::instance().run(static_cast<int64_t>(blocks), [&](int64_t b, int) {
        static thread_local Registers<V> kept;
        kept.grow(2 * rows);
        V* out = kept.data();
        std::memset(out, 0, 2 * rows * sizeof(V));
        const auto load = [&](uint64_t at, V& re, V& im) {
            V first, second;
            std::memcpy(&first, psi + 2 * at, sizeof first);
            std::memcpy(&second, psi + 2 * at + L, sizeof second);
            re = __builtin_shuffle(first, second, even);
            im = __builtin_shuffle(first, second, odd);
        };
        const uint64_t start = static_cast<uint64_t>(b) << bits;
        for (size_t t = 0; t < count;) {
            const uint64_t x = terms[t].x;
            size_t end = t;
            while (end < count && terms[end].x == x) ++end;
            const I index = xor_lanes<I, T>(int(x & (L - 1)));
            for (uint64_t r = 0; r < rows; ++r) {
                const uint64_t j = start | r << B, from = (j ^ x) & ~uint64_t(L - 1);
                V wr{}, wi{};  // of the source: (-1)^(z source) i^y c
                for (size_t k = t; k < end; ++k) {
                    const T c = parity(terms[k].z & from) ? -static_cast<T>(terms[k].coefficient) : static_cast<T>(terms[k].coefficient);
                    (terms[k].imaginary ? wi : wr) += c * signs[k];
                }
                V re, im;
                load(from, re, im);
                V x_re = wr * re - wi * im, x_im = wr * im + wi * re;
                if (x & (L - 1)) { x_re = __builtin_shuffle(x_re, index); x_im = __builtin_shuffle(x_im, index); }
                out[2 * r] += x_re;
                out[2 * r + 1] += x_im;
            }
            t = end;
        }
        V value{};
        for (uint64_t r = 0; r < rows; ++r) {
            V re, im;
            load(start | r << B, re, im);
            value += re * out[2 * r] + im * out[2 * r + 1];
            if (!lambda) continue;
            T* to = lambda + 2 * (start | r << B);
            V first, second;
            std::memcpy(&first, to, sizeof first);
            std::memcpy(&second, to + L, sizeof second);
            first += __builtin_shuffle(out[2 * r], out[2 * r + 1], low);
            second += __builtin_shuffle(out[2 * r], out[2 * r + 1], high);
            std::memcpy(to, &first, sizeof first);
            std::memcpy(to + L, &second, sizeof second);
        }
        double sum = 0;
        for (int l = 0; l < L; ++l) sum += value[l];
        values[b] = sum;
    });
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

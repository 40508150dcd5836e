// Python bindings of the walk: values of a circuit's observables and their gradients for weights and inputs, which arrive as addresses of
// contiguous tensors, and the links from parameters to angles.
#include <nanobind/nanobind.h>

#include <stdexcept>
#include <unordered_map>

#include "affine.hpp"
#include "lowering.hpp"

namespace nb = nanobind;

namespace bitket {

BITKET_PER_SET(WalkKernels, walk_kernels)

namespace {

// Slots, expressions in weights and inputs, as affine functions of these, or None where one is not.
nb::object make_affine(nb::tuple slots, nb::tuple weights, nb::tuple inputs, nb::handle parameter_type) {
    Affine out;
    out.num_weights = static_cast<int>(nb::len(weights));
    out.num_inputs = static_cast<int>(nb::len(inputs));
    std::unordered_map<PyObject*, int32_t> places;  // mostly the very objects of the circuit stand in its slots
    nb::dict equal;
    const auto place = [&](nb::handle parameter) {
        const auto found = places.find(parameter.ptr());
        if (found != places.end()) return found->second;
        if (nb::len(equal) == 0) {
            int k = 0;
            for (const nb::tuple& all : {weights, inputs})
                for (nb::handle p : all) equal[p] = k++;
        }
        return nb::cast<int32_t>(equal[parameter]);
    };
    for (const nb::tuple& all : {weights, inputs})
        for (nb::handle p : all) places.emplace(p.ptr(), static_cast<int32_t>(places.size()));
    for (nb::handle slot : slots) {
        double constant = 0;
        if (slot.type().is(parameter_type)) {
            out.links.push_back({place(slot), 1});
        } else {
            nb::object form = slot.attr("affine")();
            if (form.is_none()) return nb::none();
            constant = nb::cast<double>(form[0]);
            for (auto [parameter, coefficient] : nb::cast<nb::dict>(form[1])) out.links.push_back({place(parameter), nb::cast<double>(coefficient)});
        }
        out.constants.push_back(constant);
        out.ends.push_back(static_cast<int32_t>(out.links.size()));
    }
    return nb::cast(std::move(out));
}

template <class T>
const T* at(uintptr_t address) { return reinterpret_cast<const T*>(address); }

// A circuit and its observables, for angles affine in weights and inputs or, without links, for inputs that are the angles.
class WalkPlan {
public:
    WalkPlan(nb::object circuit, nb::tuple observables, nb::object affine) : kept_{circuit, observables, affine} {
        circuit_ = nb::cast<const Lowered*>(circuit);
        for (nb::handle o : observables) {
            observables_.push_back(nb::cast<const Observable*>(o));
            if (observables_.back()->num_qubits != circuit_->num_qubits) throw std::invalid_argument("walk: an observable does not fit");
        }
        affine_ = affine.is_none() ? nullptr : nb::cast<const Affine*>(affine);
        if (affine_ && affine_->ends.size() != static_cast<size_t>(circuit_->num_slots)) throw std::invalid_argument("walk: links do not fit");
        num_weights_ = affine_ ? affine_->num_weights : 0;
        num_inputs_ = affine_ ? affine_->num_inputs : circuit_->num_slots;
    }

    // Values [count, observables]; where `kept` is asked for (one observable), the gradient [count, weights + inputs] of each, in double
    // precision. False: weights or inputs hold a value that is not finite.
    template <class T>
    bool forward(int64_t count, bool weights_each, bool inputs_each, uintptr_t weights, uintptr_t inputs, uintptr_t values, uintptr_t kept) const {
        nb::gil_scoped_release release;
        if (!finite(at<T>(weights), num_weights_ * (weights_each ? count : 1)) || !finite(at<T>(inputs), num_inputs_ * (inputs_each ? count : 1)))
            return false;
        const size_t m = observables_.size();
        std::vector<double> out(count * m), ones(kept ? count * m : 0, 1.0);
        const std::vector<double> found = walk<T>(count, weights_each, inputs_each, weights, inputs, kept ? ones.data() : nullptr, out.data());
        std::copy(out.begin(), out.end(), reinterpret_cast<T*>(values));
        if (kept) to_parameters(count, found, reinterpret_cast<double*>(kept));
        return true;
    }

    // Gradients, shaped as weights and inputs, of the values weighted by upstream [count, observables]; `kept` as of `forward`, or null.
    template <class T>
    void backward(int64_t count, bool weights_each, bool inputs_each, uintptr_t weights, uintptr_t inputs, uintptr_t upstream, uintptr_t kept,
                  uintptr_t weight_gradient, uintptr_t input_gradient) const {
        nb::gil_scoped_release release;
        const size_t m = observables_.size(), all = num_weights_ + num_inputs_;
        std::vector<double> factors(at<T>(upstream), at<T>(upstream) + count * m), whole;
        const double* rows = at<double>(kept);
        if (!rows) {
            std::vector<double> out(count * m);
            whole.resize(count * all);
            to_parameters(count, walk<T>(count, weights_each, inputs_each, weights, inputs, factors.data(), out.data()), whole.data());
            rows = whole.data();
            factors.assign(count, 1.0);
        }
        collect(count, weights_each, rows, all, num_weights_, factors, reinterpret_cast<T*>(weight_gradient));
        collect(count, inputs_each, rows + num_weights_, all, num_inputs_, factors, reinterpret_cast<T*>(input_gradient));
    }

private:
    nb::object kept_[3];
    const Lowered* circuit_;
    std::vector<const Observable*> observables_;
    const Affine* affine_;
    int num_weights_, num_inputs_;

    // Values in `out`, and, where upstream is given, the gradient [count, slots].
    template <class T>
    std::vector<double> walk(int64_t count, bool weights_each, bool inputs_each, uintptr_t weights, uintptr_t inputs, const double* upstream,
                             double* out) const {
        const int slots = circuit_->num_slots;
        std::vector<double> angles, gradient(upstream ? count * slots : 0);
        angles.reserve(count * slots);
        for (int64_t k = 0; k < count; ++k) {
            const T* w = at<T>(weights) + (weights_each ? k * num_weights_ : 0);
            const T* x = at<T>(inputs) + (inputs_each ? k * num_inputs_ : 0);
            if (!affine_) {
                angles.insert(angles.end(), x, x + slots);
                continue;
            }
            angles.insert(angles.end(), affine_->constants.begin(), affine_->constants.end());
            double* own = angles.data() + k * slots;
            affine_->each_link([&](size_t slot, int p, double c) { own[slot] += c * (p < num_weights_ ? w[p] : x[p - num_weights_]); });
        }
        const WalkValues asked{count, angles.data(), observables_, out, upstream, upstream ? gradient.data() : nullptr};
        (sizeof(T) == 8 ? walk_kernels().values64 : walk_kernels().values32)(*circuit_, asked);
        return gradient;
    }

    void to_parameters(int64_t count, const std::vector<double>& gradient, double* rows) const {
        const int slots = circuit_->num_slots, all = num_weights_ + num_inputs_;
        if (!affine_) {
            std::copy(gradient.begin(), gradient.end(), rows);
            return;
        }
        std::fill_n(rows, count * all, 0.0);
        for (int64_t k = 0; k < count; ++k)
            affine_->each_link([&](size_t slot, int p, double c) { rows[k * all + p] += c * gradient[k * slots + slot]; });
    }

    template <class T>
    static void collect(int64_t count, bool each, const double* rows, size_t width, int size, const std::vector<double>& factors, T* to) {
        if (!to) return;
        for (int p = 0; p < size; ++p) {
            double sum = 0;
            for (int64_t k = 0; k < count; ++k) {
                const double own = factors[k] * rows[k * width + p];
                if (each) to[k * size + p] = static_cast<T>(own);
                else sum += own;
            }
            if (!each) to[p] = static_cast<T>(sum);
        }
    }
};

}  // namespace

void bind_walk(nb::module_& m) {
    nb::class_<Affine>(m, "Affine");
    m.def("affine", &make_affine);
    nb::class_<WalkPlan>(m, "WalkPlan")
        .def(nb::init<nb::object, nb::tuple, nb::object>(), nb::arg(), nb::arg(), nb::arg().none())
        .def("forward32", &WalkPlan::forward<float>)
        .def("forward64", &WalkPlan::forward<double>)
        .def("backward32", &WalkPlan::backward<float>)
        .def("backward64", &WalkPlan::backward<double>);
}

}  // namespace bitket

// Circuits read from Python and lowered: the rows of a circuit (`Circuit._rows`), or the operations of a program. What a gate is made of
// is told once by Python (`define_gates`), so the gates are known in one place.
#include "lowering.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <complex>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>

namespace nb = nanobind;

namespace bitket {
namespace {

using complex = std::complex<double>;

// A Pauli rotation by scale * params[param] on local qubits where local controls match.
struct Piece {
    uint64_t x, z, mask, value;
    int param;
    double scale;
};

struct Base {
    int num_qubits = 0, num_params = 0;
    bool framed = false, identity = false;
    std::vector<Piece> pieces;
    std::vector<double> matrix;  // of a gate without parameters
};

struct Named {
    const Base* base;
    int controls;
};

// A gate object, or a standard name.
struct Resolved {
    const Base* base = nullptr;  // null: a matrix
    int controls = 0;
    uint64_t state = 0;
    nb::object params, array;
};

struct Gates {
    std::unordered_map<std::string, std::unique_ptr<Base>> bases;
    std::unordered_map<std::string, Named> names;
    std::unordered_map<PyObject*, Named> objects;  // the names as Python's own strings
    nb::object kept;
};

Gates& gates() {
    static Gates* all = new Gates;  // never destroyed: holds Python objects
    return *all;
}

void define_gates(nb::list bases, nb::list names) {
    Gates& all = gates();
    all.kept = names;
    for (nb::handle item : bases) {
        nb::tuple t = nb::cast<nb::tuple>(item);
        auto base = std::make_unique<Base>();
        base->num_qubits = nb::cast<int>(t[1]);
        base->num_params = nb::cast<int>(t[2]);
        base->framed = nb::cast<bool>(t[3]);
        base->matrix = nb::cast<std::vector<double>>(t[4]);
        for (nb::handle p : nb::cast<nb::list>(t[5])) {
            nb::tuple q = nb::cast<nb::tuple>(p);
            base->pieces.push_back({nb::cast<uint64_t>(q[0]), nb::cast<uint64_t>(q[1]), nb::cast<uint64_t>(q[2]), nb::cast<uint64_t>(q[3]),
                                    nb::cast<int>(q[4]), nb::cast<double>(q[5])});
        }
        base->identity = !base->num_params && base->pieces.empty() && base->matrix.empty();
        all.bases[nb::cast<std::string>(t[0])] = std::move(base);
    }
    for (nb::handle item : names) {
        nb::tuple t = nb::cast<nb::tuple>(item);
        const Named named{all.bases.at(nb::cast<std::string>(t[1])).get(), nb::cast<int>(t[2])};
        all.names[nb::cast<std::string>(t[0])] = named;
        all.objects[nb::object(t[0]).ptr()] = named;
    }
}

// A row that no simulator of pure states takes: a measurement, a condition, a matrix on too many qubits.
struct Irregular {};

class Reader {
public:
    Reader(Lowered& out, nb::dict slots) : out_(out), slots_(std::move(slots)) {}

    void rows(nb::list rows) {
        out_.operations.reserve(nb::len(rows));
        PyObject* list = rows.ptr();
        for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list); ++k) {
            PyObject* row = PyList_GET_ITEM(list, k);
            if (PyTuple_CheckExact(row)) tuple(row);
            else instruction(row);
        }
    }

private:
    static constexpr int kQubits = 62;
    Lowered& out_;
    nb::dict slots_;
    std::unordered_map<PyObject*, Resolved> known_;
    int qubits_[kQubits];
    PyObject* params_[8];

    const Resolved& resolve(PyObject* gate) {
        const auto found = known_.find(gate);
        if (found != known_.end()) return found->second;
        nb::handle g(gate);
        Resolved r;
        r.controls = nb::cast<int>(g.attr("controls"));
        r.state = r.controls ? nb::cast<uint64_t>(g.attr("control_state")) : 0;
        r.array = g.attr("array");
        r.params = g.attr("params");
        if (r.array.is_none()) {
            const std::string name = nb::cast<std::string>(g.attr("name"));
            r.base = gates().bases.at(name).get();
        }
        return known_.emplace(gate, std::move(r)).first->second;
    }

    void gate(PyObject* object, PyObject* tuple, Py_ssize_t start) {
        const Resolved& r = resolve(object);
        const int count = read_qubits(tuple, start, PyTuple_GET_SIZE(tuple));
        PyObject* params = r.params.ptr();
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(params); ++k) params_[k] = PyTuple_GET_ITEM(params, k);
        if (r.base) emit(*r.base, r.controls, r.state);
        else matrix(r, count);
    }

    int read_qubits(PyObject* tuple, Py_ssize_t start, Py_ssize_t end) {
        if (end - start > kQubits) throw Irregular();
        for (Py_ssize_t k = start; k < end; ++k) {
            const long q = PyLong_AsLong(PyTuple_GET_ITEM(tuple, k));
            if (q < 0 || q >= out_.num_qubits) throw std::invalid_argument("rows of a circuit: a qubit is out of range");
            qubits_[k - start] = static_cast<int>(q);
        }
        return static_cast<int>(end - start);
    }

    void tuple(PyObject* row) {
        PyObject* first = PyTuple_GET_ITEM(row, 0);
        if (!PyUnicode_CheckExact(first)) return gate(first, row, 1);
        auto found = gates().objects.find(first);
        const Named named = found != gates().objects.end() ? found->second : gates().names.at(nb::cast<std::string>(nb::handle(first)));
        const Base& base = *named.base;
        const int count = named.controls + base.num_qubits;
        if (PyTuple_GET_SIZE(row) != 1 + count + base.num_params) throw std::invalid_argument("rows of a circuit: a row of a wrong length");
        read_qubits(row, 1, 1 + count);
        for (int k = 0; k < base.num_params; ++k) params_[k] = PyTuple_GET_ITEM(row, 1 + count + k);
        emit(base, named.controls, (uint64_t{1} << named.controls) - 1);
    }

    void instruction(PyObject* row) {
        nb::handle i(row);
        nb::object operation = i.attr("operation");
        if (!i.attr("condition").is_none()) throw Irregular();
        if (!nb::hasattr(operation, "controls")) {
            if (nb::cast<std::string>(operation.attr("name")) != "barrier") throw Irregular();
            return;
        }
        nb::object qubits = i.attr("qubits");
        gate(operation.ptr(), qubits.ptr(), 0);
    }

    int64_t number(double value) {
        out_.numbers.push_back(value);
        return static_cast<int64_t>(out_.numbers.size()) - 1;
    }

    void set_controls(Operation& op, int controls, uint64_t state) const {
        for (int k = 0; k < controls; ++k) {
            op.mask |= uint64_t{1} << qubits_[k];
            op.value |= (state >> k & 1) << qubits_[k];
        }
    }

    uint64_t spread(uint64_t local, int controls) const {
        uint64_t mask = 0;
        for (int k = 0; local >> k; ++k) mask |= (local >> k & 1) << qubits_[controls + k];
        return mask;
    }

    void matrix(const Resolved& r, int count) {
        Operation op;
        op.size = count - r.controls;
        if (op.size > kDense) throw Irregular();
        set_controls(op, r.controls, r.state);
        std::copy(qubits_ + r.controls, qubits_ + count, op.qubits);
        const auto array = nb::cast<nb::ndarray<const complex, nb::ndim<2>, nb::device::cpu>>(r.array);
        op.at = static_cast<int64_t>(out_.numbers.size());
        for (size_t a = 0; a < array.shape(0); ++a)
            for (size_t b = 0; b < array.shape(1); ++b) {
                out_.numbers.push_back(array(a, b).real());
                out_.numbers.push_back(array(a, b).imag());
            }
        out_.operations.push_back(op);
    }

    void emit(const Base& base, int controls, uint64_t state) {
        if (base.identity) return;
        Operation op;
        set_controls(op, controls, state);
        if (!base.num_params) {
            op.size = base.num_qubits;
            std::copy(qubits_ + controls, qubits_ + controls + op.size, op.qubits);
            op.at = static_cast<int64_t>(out_.numbers.size());
            out_.numbers.insert(out_.numbers.end(), base.matrix.begin(), base.matrix.end());
            out_.operations.push_back(op);
            return;
        }
        bool numbers = true;
        double values[8];
        for (int k = 0; k < base.num_params; ++k) {
            if (PyFloat_Check(params_[k])) values[k] = PyFloat_AS_DOUBLE(params_[k]);
            else numbers = false;
        }
        if (numbers && base.pieces.size() > 1) return product(base, values, op, controls);
        for (size_t k = 0; k < base.pieces.size(); ++k) {
            const Piece& p = base.pieces[k];
            const bool framed = base.framed && (k == 0 || k + 1 == base.pieces.size());
            Operation turn;
            if (!framed) { turn.mask = op.mask; turn.value = op.value; }
            turn.mask |= spread(p.mask, controls);
            turn.value |= spread(p.value, controls);
            turn.x = spread(p.x, controls);
            turn.z = spread(p.z, controls);
            if (PyFloat_Check(params_[p.param])) {
                const double angle = p.scale * PyFloat_AS_DOUBLE(params_[p.param]);
                if (!turn.x && !turn.z && !turn.mask) { out_.phase -= angle / 2; continue; }
                turn.at = number(angle);
            } else {
                turn.slot = slot(params_[p.param], p.scale);
            }
            out_.operations.push_back(turn);
        }
    }

    int slot(PyObject* param, double scale) {
        nb::object angle = nb::borrow(param);
        if (scale == -1) angle = nb::steal(PyNumber_Negative(param));
        else if (scale != 1) angle = nb::steal(PyNumber_Multiply(param, nb::float_(scale).ptr()));
        if (!angle.ptr()) throw nb::python_error();
        nb::int_ next(static_cast<int>(PyDict_Size(slots_.ptr())));
        PyObject* found = PyDict_SetDefault(slots_.ptr(), angle.ptr(), next.ptr());
        if (!found) throw nb::python_error();
        return static_cast<int>(PyLong_AsLong(found));
    }

    // The matrix of a gate of several pieces, all angles being numbers.
    void product(const Base& base, const double* values, Operation op, int controls) {
        const uint64_t size = uint64_t{1} << base.num_qubits;
        complex m[16], old[4];
        for (uint64_t k = 0; k < size * size; ++k) m[k] = k % (size + 1) == 0;
        for (const Piece& p : base.pieces) {
            const double half = p.scale * values[p.param] / 2, c = std::cos(half), s = std::sin(half);
            const complex powers[4] = {{0, -s}, {s, 0}, {0, s}, {-s, 0}};  // -i i^Y sin
            const complex factor = powers[__builtin_popcountll(p.x & p.z) % 4];
            for (uint64_t column = 0; column < size; ++column) {
                for (uint64_t r = 0; r < size; ++r) old[r] = m[r * size + column];
                for (uint64_t r = 0; r < size; ++r) {
                    if ((r & p.mask) != p.value) continue;
                    const uint64_t from = r ^ p.x;
                    m[r * size + column] = c * old[r] + (__builtin_parityll(from & p.z) ? -factor : factor) * old[from];
                }
            }
        }
        op.size = base.num_qubits;
        std::copy(qubits_ + controls, qubits_ + controls + op.size, op.qubits);
        op.at = static_cast<int64_t>(out_.numbers.size());
        for (uint64_t k = 0; k < size * size; ++k) {
            out_.numbers.push_back(m[k].real());
            out_.numbers.push_back(m[k].imag());
        }
        out_.operations.push_back(op);
    }
};

// The rows of a circuit lowered, or None where they hold what is no gate on a pure state; symbolic angles are added to `slots`.
nb::object lower_rows(int num_qubits, nb::list rows, nb::dict slots) {
    if (num_qubits > 60) return nb::none();
    Lowered out;
    out.num_qubits = num_qubits;
    try {
        Reader(out, slots).rows(rows);
    } catch (const Irregular&) {
        return nb::none();
    }
    out.num_slots = static_cast<int>(nb::len(slots));
    return nb::cast(std::move(out));
}

// The operations of a program (`Unitary` or `PauliRotation`, none conditioned, matrices on few qubits).
Lowered lower_operations(int num_qubits, int num_slots, double phase, nb::tuple operations) {
    if (num_qubits < 1 || num_qubits > 60) throw std::invalid_argument("lowered circuit: 1 to 60 qubits");
    Lowered out;
    out.num_qubits = num_qubits;
    out.num_slots = num_slots;
    out.phase = phase;
    const uint64_t every = (uint64_t{1} << num_qubits) - 1;
    for (nb::handle from : operations) {
        Operation op;
        op.mask = nb::cast<uint64_t>(from.attr("control_mask"));
        op.value = nb::cast<uint64_t>(from.attr("control_value"));
        if (nb::hasattr(from, "matrix")) {
            const auto array = nb::cast<nb::ndarray<const complex, nb::ndim<2>, nb::device::cpu>>(from.attr("matrix"));
            nb::tuple qubits = nb::cast<nb::tuple>(from.attr("qubits"));
            op.size = static_cast<int>(nb::len(qubits));
            if (op.size < 1 || op.size > kDense || array.shape(0) != size_t{1} << op.size || array.shape(1) != array.shape(0))
                throw std::invalid_argument("lowered circuit: a matrix does not fit its qubits");
            for (int k = 0; k < op.size; ++k) {
                op.qubits[k] = nb::cast<int>(qubits[k]);
                if (op.qubits[k] < 0 || op.qubits[k] >= num_qubits) throw std::invalid_argument("lowered circuit: a qubit is out of range");
            }
            op.at = static_cast<int64_t>(out.numbers.size());
            for (size_t a = 0; a < array.shape(0); ++a)
                for (size_t b = 0; b < array.shape(1); ++b) {
                    out.numbers.push_back(array(a, b).real());
                    out.numbers.push_back(array(a, b).imag());
                }
        } else {
            op.x = nb::cast<uint64_t>(from.attr("x_mask"));
            op.z = nb::cast<uint64_t>(from.attr("z_mask"));
            op.slot = nb::cast<int>(from.attr("slot"));
            if (op.slot < 0 || op.slot >= num_slots) throw std::invalid_argument("lowered circuit: a slot is out of range");
        }
        if ((op.x | op.z | op.mask | op.value) & ~every) throw std::invalid_argument("lowered circuit: a mask is out of range");
        out.operations.push_back(op);
    }
    return out;
}

// (matrix, qubits, mask, value) or (x, z, slot, mask, value) of each operation; a slot is a float where the angle is a number.
nb::list export_operations(const Lowered& lowered) {
    nb::list out;
    for (const Operation& op : lowered.operations) {
        if (!op.size) {
            nb::object angle = op.slot < 0 ? nb::object(nb::float_(lowered.numbers[op.at])) : nb::object(nb::int_(op.slot));
            out.append(nb::make_tuple(op.x, op.z, angle, op.mask, op.value));
            continue;
        }
        const size_t size = size_t{1} << op.size;
        complex* data = new complex[size * size];
        for (size_t k = 0; k < size * size; ++k) data[k] = {lowered.numbers[op.at + 2 * k], lowered.numbers[op.at + 2 * k + 1]};
        nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<complex*>(p); });
        nb::ndarray<nb::numpy, complex, nb::ndim<2>> matrix(data, {size, size}, owner);
        nb::list qubits;
        for (int k = 0; k < op.size; ++k) qubits.append(op.qubits[k]);
        out.append(nb::make_tuple(matrix, nb::tuple(qubits), op.mask, op.value));
    }
    return out;
}

}  // namespace

BITKET_PER_SET(WalkKernels, walk_kernels)

void bind_lowered(nb::module_& m) {
    m.def("define_gates", &define_gates);
    m.def("lower_rows", &lower_rows);
    m.def("lower_operations", &lower_operations);
    nb::class_<Lowered>(m, "Lowered")
        .def_ro("phase", &Lowered::phase)
        .def_prop_ro("operations", &export_operations)
        .def("run",
             [](const Lowered& lowered, bool is_double, uintptr_t angles, uintptr_t from, uintptr_t to) {
                 nb::gil_scoped_release release;
                 const WalkKernels& k = walk_kernels();
                 if (is_double)
                     k.run64(lowered, reinterpret_cast<const double*>(angles), reinterpret_cast<const double*>(from), reinterpret_cast<double*>(to));
                 else
                     k.run32(lowered, reinterpret_cast<const double*>(angles), reinterpret_cast<const float*>(from), reinterpret_cast<float*>(to));
             });
}

}  // namespace bitket

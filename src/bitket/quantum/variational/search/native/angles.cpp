// The angles of a small circuit of RX, RY, RZ and CX that lower <0| U(t)^dagger H U(t) |0>, in one call: a search by reinforcement
// learning fits a new circuit at every step, and a call for each energy would cost more than the energy.
//
// First a sweep of sine fits, one angle after the other (Nakanishi, Fujii and Todo 2020, arXiv:1903.12166): along one angle the energy is
// a + b cos(t - c), so its values at t and t +- pi/2 fix the minimum. Then L-BFGS (Nocedal and Wright, Numerical Optimization, algorithms
// 7.4, 3.5 and 3.6) on the adjoint gradient (Jones and Gacon 2020, arXiv:2009.02823): with psi the state after exp(-i t/2 P) and lambda =
// H psi taken back to the same place, dE/dt = Im <lambda| P |psi>.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <stdexcept>
#include <vector>

namespace nb = nanobind;

namespace {

using Integers = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Point = std::vector<double>;

constexpr int MEMORY = 10;            // pairs of steps and changes of the gradient
constexpr double ARMIJO = 1e-4, CURVATURE = 0.9;
constexpr double CLOSE = 1e-12;       // relative fall of the energy at which the fit ends
constexpr double FLAT = 1e-11;        // largest slope at which it ends

struct State {
    std::vector<double> re, im;
    explicit State(size_t size) : re(size), im(size) {}
};

enum Kind : int64_t { RX, RY, RZ, CX };

struct Gate {
    int64_t kind;
    size_t mask, target;  // of the qubit; for CX of the control and the target
};

// Terms of one X part: (H psi)[j ^ x] += d[j] psi[j].
struct Terms {
    size_t x;
    std::vector<double> re, im;
    bool real;
};

void rotate(State& s, int64_t kind, size_t mask, double c, double t) {
    const size_t size = s.re.size();
    double *re = s.re.data(), *im = s.im.data();
    for (size_t top = 0; top < size; top += 2 * mask)
        for (size_t a = top, b = top + mask; a < top + mask; ++a, ++b) {
            const double ar = re[a], ai = im[a], br = re[b], bi = im[b];
            if (kind == RX) {
                re[a] = c * ar + t * bi, im[a] = c * ai - t * br;
                re[b] = c * br + t * ai, im[b] = c * bi - t * ar;
            } else if (kind == RY) {
                re[a] = c * ar - t * br, im[a] = c * ai - t * bi;
                re[b] = c * br + t * ar, im[b] = c * bi + t * ai;
            } else {
                re[a] = c * ar + t * ai, im[a] = c * ai - t * ar;
                re[b] = c * br - t * bi, im[b] = c * bi + t * br;
            }
        }
}

void cx(State& s, size_t control, size_t target) {
    for (size_t j = 0; j < s.re.size(); ++j)
        if ((j & control) && !(j & target)) {
            std::swap(s.re[j], s.re[j | target]);
            std::swap(s.im[j], s.im[j | target]);
        }
}

// Im <lambda| P |psi> for P = X, Y or Z on a qubit.
double slope(const State& lambda, const State& psi, int64_t kind, size_t mask) {
    double sum = 0;
    const size_t size = psi.re.size();
    const double *lr = lambda.re.data(), *li = lambda.im.data(), *pr = psi.re.data(), *pi = psi.im.data();
    for (size_t top = 0; top < size; top += 2 * mask)
        for (size_t a = top, b = top + mask; a < top + mask; ++a, ++b)
            if (kind == RX)  // conj(l_a) p_b + conj(l_b) p_a
                sum += lr[a] * pi[b] - li[a] * pr[b] + lr[b] * pi[a] - li[b] * pr[a];
            else if (kind == RY)  // -i conj(l_a) p_b + i conj(l_b) p_a
                sum += -(lr[a] * pr[b] + li[a] * pi[b]) + lr[b] * pr[a] + li[b] * pi[a];
            else
                sum += lr[a] * pi[a] - li[a] * pr[a] - lr[b] * pi[b] + li[b] * pr[b];
    return sum;
}

class Landscape {
public:
    int evaluations = 0;

    Landscape(int num_qubits, Integers masks, Doubles coefficients, Integers gates)
        : size_(size_t{1} << num_qubits), psi_(size_), lambda_(size_) {
        std::map<size_t, size_t> place;
        for (size_t k = 0; k < masks.shape(0); ++k) {
            const size_t x = static_cast<size_t>(masks(k, 0)), z = static_cast<size_t>(masks(k, 1));
            if ((x | z) >= size_) throw std::invalid_argument("angles: a mask is out of range");
            auto [at, fresh] = place.try_emplace(x, terms_.size());
            if (fresh) terms_.push_back({x, std::vector<double>(size_), std::vector<double>(size_), true});
            Terms& t = terms_[at->second];
            // P |j> = i^{number of Y} (-1)^{|j & z|} |j ^ x>
            const int power = __builtin_popcountll(x & z) & 3;
            for (size_t j = 0; j < size_; ++j) {
                const double value = (__builtin_popcountll(j & z) & 1 ? -1 : 1) * (power >= 2 ? -1 : 1) * coefficients.data()[k];
                (power & 1 ? t.im : t.re)[j] += value;
            }
            t.real = t.real && !(power & 1);
        }
        for (size_t k = 0; k < gates.shape(0); ++k) {
            const int64_t kind = gates(k, 0), qubit = gates(k, 1), target = gates(k, 2);
            if (kind < RX || kind > CX || qubit < 0 || qubit >= num_qubits || target < 0 || target >= num_qubits)
                throw std::invalid_argument("angles: a gate is out of range");
            gates_.push_back({kind, size_t{1} << qubit, size_t{1} << target});
        }
    }

    double value(const Point& angles) {
        prepare(angles);
        return energy();
    }

    double value(const Point& angles, Point& gradient) {
        prepare(angles);
        const double found = energy();
        size_t k = angles.size();
        for (size_t g = gates_.size(); g-- > 0;) {
            const Gate& gate = gates_[g];
            if (gate.kind == CX) {
                cx(psi_, gate.mask, gate.target);
                cx(lambda_, gate.mask, gate.target);
                continue;
            }
            --k;
            gradient[k] = slope(lambda_, psi_, gate.kind, gate.mask);
            const double c = std::cos(angles[k] / 2), t = -std::sin(angles[k] / 2);
            rotate(psi_, gate.kind, gate.mask, c, t);
            rotate(lambda_, gate.kind, gate.mask, c, t);
        }
        return found;
    }

private:
    size_t size_;
    State psi_, lambda_;
    std::vector<Terms> terms_;
    std::vector<Gate> gates_;

    void prepare(const Point& angles) {
        ++evaluations;
        std::fill(psi_.re.begin(), psi_.re.end(), 0.0);
        std::fill(psi_.im.begin(), psi_.im.end(), 0.0);
        psi_.re[0] = 1;
        size_t k = 0;
        for (const Gate& g : gates_) {
            if (g.kind == CX) {
                cx(psi_, g.mask, g.target);
            } else {
                rotate(psi_, g.kind, g.mask, std::cos(angles[k] / 2), std::sin(angles[k] / 2));
                ++k;
            }
        }
    }

    // lambda = H psi; returns <psi| lambda>.
    double energy() {
        double *lr = lambda_.re.data(), *li = lambda_.im.data();
        const double *pr = psi_.re.data(), *pi = psi_.im.data();
        std::fill(lr, lr + size_, 0.0);
        std::fill(li, li + size_, 0.0);
        for (const Terms& t : terms_) {
            const double *dr = t.re.data(), *di = t.im.data();
            if (t.real)
                for (size_t j = 0; j < size_; ++j) {
                    const size_t to = j ^ t.x;
                    lr[to] += dr[j] * pr[j];
                    li[to] += dr[j] * pi[j];
                }
            else
                for (size_t j = 0; j < size_; ++j) {
                    const size_t to = j ^ t.x;
                    lr[to] += dr[j] * pr[j] - di[j] * pi[j];
                    li[to] += dr[j] * pi[j] + di[j] * pr[j];
                }
        }
        double sum = 0;
        for (size_t j = 0; j < size_; ++j) sum += pr[j] * lr[j] + pi[j] * li[j];
        return sum;
    }
};

double dot(const Point& a, const Point& b) {
    double sum = 0;
    for (size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
}

double steepest(const Point& g) {
    double most = 0;
    for (double v : g) most = std::max(most, std::fabs(v));
    return most;
}

// Each angle in turn to the minimum of its sine; returns the energy there.
double sweep(Landscape& f, Point& x) {
    double here = 0;
    for (size_t k = 0; k < x.size(); ++k) {
        if (k % 32 == 0) here = f.value(x);  // fitted values gather error
        const double t = x[k];
        x[k] = t + M_PI_2;
        const double up = f.value(x);
        x[k] = t - M_PI_2;
        const double down = f.value(x);
        const double mean = (up + down) / 2, q = (up - down) / 2, p = here - mean;
        x[k] = t + std::atan2(-q, -p);
        here = mean - std::hypot(p, q);
    }
    return here;
}

// A point along a direction, for the line search.
struct Trial {
    double step, value, slope;
    Point x, gradient;
};

class Lbfgs {
public:
    Lbfgs(Landscape& f, int most) : f_(f), most_(most) {}

    double minimise(Point& x) {
        const size_t n = x.size();
        Point gradient(n), direction(n);
        double value = f_.value(x, gradient);
        while (f_.evaluations < most_ && steepest(gradient) > FLAT) {
            turn(gradient, direction);
            double along = dot(gradient, direction);
            if (along >= 0) {  // the remembered curvature is of no use
                pairs_.clear();
                turn(gradient, direction);
                along = dot(gradient, direction);
            }
            Trial next = search(x, value, along, direction, pairs_.empty() ? std::min(1.0, 1 / std::sqrt(-along)) : 1.0);
            if (!(next.value < value)) {
                if (pairs_.empty()) break;
                pairs_.clear();  // once more, down the gradient
                continue;
            }
            Point s(n), y(n);
            for (size_t k = 0; k < n; ++k) {
                s[k] = next.x[k] - x[k];
                y[k] = next.gradient[k] - gradient[k];
            }
            const double curvature = dot(s, y);
            if (curvature > 1e-16 * dot(y, y)) {
                if (pairs_.size() == MEMORY) pairs_.pop_front();
                pairs_.push_back({std::move(s), std::move(y), 1 / curvature});
            }
            const double fall = value - next.value;
            x = std::move(next.x), gradient = std::move(next.gradient), value = next.value;
            if (fall <= CLOSE * std::max(1.0, std::fabs(value))) break;
        }
        return value;
    }

private:
    struct Pair {
        Point s, y;
        double rho;
    };
    Landscape& f_;
    int most_;
    std::deque<Pair> pairs_;

    // direction = -H gradient by the two loops.
    void turn(const Point& gradient, Point& direction) const {
        const size_t n = gradient.size();
        for (size_t k = 0; k < n; ++k) direction[k] = -gradient[k];
        std::vector<double> alpha(pairs_.size());
        for (size_t i = pairs_.size(); i-- > 0;) {
            alpha[i] = pairs_[i].rho * dot(pairs_[i].s, direction);
            for (size_t k = 0; k < n; ++k) direction[k] -= alpha[i] * pairs_[i].y[k];
        }
        if (!pairs_.empty()) {
            const Pair& last = pairs_.back();
            const double scale = 1 / (last.rho * dot(last.y, last.y));
            for (double& d : direction) d *= scale;
        }
        for (size_t i = 0; i < pairs_.size(); ++i) {
            const double beta = pairs_[i].rho * dot(pairs_[i].y, direction);
            for (size_t k = 0; k < n; ++k) direction[k] += (alpha[i] - beta) * pairs_[i].s[k];
        }
    }

    Trial at(const Point& x, const Point& direction, double step) {
        Trial t{step, 0, 0, x, Point(x.size())};
        for (size_t k = 0; k < x.size(); ++k) t.x[k] += step * direction[k];
        t.value = f_.value(t.x, t.gradient);
        t.slope = dot(t.gradient, direction);
        return t;
    }

    // A step of the strong Wolfe conditions; or the lowest point that was tried.
    Trial search(const Point& x, double value, double along, const Point& direction, double step) {
        Trial low{0, value, along, x, {}}, high = low;
        bool bracketed = false;
        for (int tries = 0; tries < 30; ++tries) {
            Trial t = at(x, direction, step);
            if (t.value > value + ARMIJO * step * along || t.value >= low.value) {
                high = std::move(t);
                bracketed = true;
            } else {
                if (std::fabs(t.slope) <= -CURVATURE * along) return t;
                // Between two points the slope at the lower one leads towards the other.
                if (bracketed ? t.slope * (high.step - low.step) >= 0 : t.slope >= 0) {
                    high = std::move(low);
                    bracketed = true;
                }
                low = std::move(t);
            }
            if (f_.evaluations >= most_) break;
            if (!bracketed) {
                step *= 2;
                continue;
            }
            step = between(low, high);
            if (std::fabs(high.step - low.step) < 1e-14 * std::max(1.0, std::fabs(low.step))) break;
        }
        return low;
    }

    // Minimum of the cubic through two points and their slopes, kept off the ends.
    static double between(const Trial& a, const Trial& b) {
        const double width = b.step - a.step;
        const double d = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step);
        const double root = d * d - a.slope * b.slope;
        double step = a.step + width / 2;
        if (root > 0) {
            const double r = std::copysign(std::sqrt(root), width);
            const double cubic = b.step - width * (b.slope + r - d) / (b.slope - a.slope + 2 * r);
            if (std::isfinite(cubic)) step = cubic;
        }
        const double from = std::min(a.step, b.step), to = std::max(a.step, b.step), edge = 0.1 * (to - from);
        return std::clamp(step, from + edge, to - edge);
    }
};

Landscape landscape(int num_qubits, Integers masks, Doubles coefficients, Integers gates, size_t count) {
    if (num_qubits < 1 || num_qubits > 20) throw std::invalid_argument("angles: 1 to 20 qubits");
    if (masks.shape(1) != 2 || masks.shape(0) != coefficients.shape(0) || gates.shape(1) != 3)
        throw std::invalid_argument("angles: masks [terms, 2], as many coefficients, and gates [gates, 3] are needed");
    size_t rotations = 0;
    for (size_t k = 0; k < gates.shape(0); ++k) rotations += gates(k, 0) != CX;
    if (rotations != count) throw std::invalid_argument("angles: one for each rotation is needed");
    return Landscape(num_qubits, masks, coefficients, gates);
}

// The fitted angles are written over `angles`; returns their energy and the number of energies computed.
std::pair<double, int> fit(int num_qubits, Integers masks, Doubles coefficients, Integers gates,
                           nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu> angles, int most) {
    Landscape f = landscape(num_qubits, masks, coefficients, gates, angles.shape(0));
    Point x(angles.data(), angles.data() + angles.shape(0));
    double found;
    {
        nb::gil_scoped_release release;
        sweep(f, x);
        found = Lbfgs(f, f.evaluations + most).minimise(x);
    }
    std::copy(x.begin(), x.end(), angles.data());
    return {found, f.evaluations};
}

// The energy at some angles; its gradient is written to `gradient`.
double energy(int num_qubits, Integers masks, Doubles coefficients, Integers gates, Doubles angles,
              nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu> gradient) {
    if (gradient.shape(0) != angles.shape(0)) throw std::invalid_argument("angles: a slope for each is needed");
    Landscape f = landscape(num_qubits, masks, coefficients, gates, angles.shape(0));
    Point x(angles.data(), angles.data() + angles.shape(0)), g(x.size());
    const double found = f.value(x, g);
    std::copy(g.begin(), g.end(), gradient.data());
    return found;
}

}  // namespace

NB_MODULE(_angles, m) {
    m.def("fit", &fit);
    m.def("energy", &energy);
}

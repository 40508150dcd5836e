// Vectors of real lanes: one register of the widest instruction set a kernel file is built for (GCC and Clang vector extensions).
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#define BITKET_CONCAT_(a, b) a##b
#define BITKET_CONCAT(a, b) BITKET_CONCAT_(a, b)
#ifndef BITKET_TARGET
#define BITKET_TARGET generic
#endif
// Everything compiled once per instruction set lives in its own namespace, so that no inlined function of one set is linked into another.
#define BITKET_NAMESPACE BITKET_CONCAT(kernels_, BITKET_TARGET)

namespace bitket::BITKET_NAMESPACE {

// 64 bytes: one AVX-512 register; on narrower sets the compiler splits an operation into two or four registers.
typedef float f32x16 __attribute__((vector_size(64)));
typedef double f64x8 __attribute__((vector_size(64)));

template <class T> struct lanes;
template <> struct lanes<float> { using type = f32x16; static constexpr int count = 16; static constexpr int bits = 4; };
template <> struct lanes<double> { using type = f64x8; static constexpr int count = 8; static constexpr int bits = 3; };

// Registers at aligned addresses. (Not std::vector: the alignment of V depends on the instruction set, its mangled name does not, so the
// linker could take another set's allocation.)
template <class V>
class Registers {
public:
    Registers() = default;
    Registers(size_t count, V value) { grow(count); std::fill_n(data_, count, value); }
    Registers(const Registers&) = delete;
    Registers& operator=(const Registers&) = delete;
    Registers(Registers&& other) noexcept : data_(other.data_), count_(other.count_) { other.data_ = nullptr; other.count_ = 0; }
    Registers& operator=(Registers&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(count_, other.count_);
        return *this;
    }
    ~Registers() { std::free(data_); }
    void grow(size_t count) {  // what was held is lost
        if (count <= count_) return;
        std::free(data_);
        data_ = static_cast<V*>(std::aligned_alloc(64, count * sizeof(V)));
        count_ = count;
    }
    V* data() const { return data_; }
    V& operator[](size_t k) const { return data_[k]; }

private:
    V* data_ = nullptr;
    size_t count_ = 0;
};

}  // namespace bitket::BITKET_NAMESPACE

// Vectors of real lanes: one register of the widest instruction set a kernel file is built for (GCC and Clang vector extensions).
#pragma once
#include <cstdint>

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

}  // namespace bitket::BITKET_NAMESPACE

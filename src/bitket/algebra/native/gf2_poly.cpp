// bitket.algebra.native._gf2_poly: polynomials over GF(2), by the processor's carry-less product where it has one.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#if defined(__x86_64__) || defined(_M_X64)
#define BITKET_X86
#include <immintrin.h>
#endif

namespace {

// A product of two words with windows of four bits.
inline void multiply_words(uint64_t a, uint64_t b, uint64_t& lo, uint64_t& hi) {
  uint64_t table[16] = {0, b};
  for (int i = 2; i < 16; i += 2) {
    table[i] = table[i / 2] << 1;
    table[i + 1] = table[i] ^ b;
  }
  lo = hi = 0;
  for (int shift = 60; shift >= 0; shift -= 4) {
    hi = hi << 4 | lo >> 60;
    lo = lo << 4 ^ table[a >> shift & 15];
  }
  // The table's entries lose the top bits of b: add them where they belong.
  for (int lost = 1; lost < 4; ++lost)
    if (b >> (64 - lost) & 1) {
      uint64_t mask = 0;
      for (int i = lost; i < 4; ++i) mask |= uint64_t(0x1111111111111111) << i;
      hi ^= (a & mask) >> lost;
    }
}

// Products of the words of a message with a table of constants, summed: for each output i < outputs,
//   sums[2 i], sums[2 i + 1]  =  low and high word of  sum over j < FOLD of message[j] * table[i FOLD + j].
// This is where the time goes when a long message is reduced: one product for each word of the message and of the residue.
constexpr size_t FOLD = 64;

void dot_words(const uint64_t* message, const uint64_t* table, size_t outputs, uint64_t* sums) {
  for (size_t i = 0; i < outputs; ++i) {
    uint64_t low = 0, high = 0;
    for (size_t j = 0; j < FOLD; ++j) {
      uint64_t lo, hi;
      multiply_words(message[j], table[i * FOLD + j], lo, hi);
      low ^= lo;
      high ^= hi;
    }
    sums[2 * i] = low;
    sums[2 * i + 1] = high;
  }
}

#ifdef BITKET_X86
__attribute__((target("pclmul"))) inline void multiply_words_clmul(uint64_t a, uint64_t b, uint64_t& lo, uint64_t& hi) {
  __m128i r = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(a)), _mm_cvtsi64_si128(static_cast<long long>(b)), 0);
  lo = static_cast<uint64_t>(_mm_cvtsi128_si64(r));
  hi = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(r, r)));
}

__attribute__((target("pclmul"))) void dot_words_clmul(const uint64_t* message, const uint64_t* table, size_t outputs, uint64_t* sums) {
  for (size_t i = 0; i < outputs; ++i) {
    __m128i even = _mm_setzero_si128(), odd = _mm_setzero_si128();
    for (size_t j = 0; j < FOLD; j += 2) {
      __m128i m = _mm_loadu_si128(reinterpret_cast<const __m128i*>(message + j));
      __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + i * FOLD + j));
      even = _mm_xor_si128(even, _mm_clmulepi64_si128(m, c, 0x00));
      odd = _mm_xor_si128(odd, _mm_clmulepi64_si128(m, c, 0x11));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums + 2 * i), _mm_xor_si128(even, odd));
  }
}

#define BITKET_WIDE __attribute__((target("pclmul,avx512f,vpclmulqdq")))
BITKET_WIDE void dot_words_wide(const uint64_t* message, const uint64_t* table, size_t outputs, uint64_t* sums) {
  for (size_t i = 0; i < outputs; ++i) {
    __m512i even = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
    for (size_t j = 0; j < FOLD; j += 8) {
      __m512i m = _mm512_loadu_si512(message + j), c = _mm512_loadu_si512(table + i * FOLD + j);
      even = _mm512_xor_si512(even, _mm512_clmulepi64_epi128(m, c, 0x00));
      odd = _mm512_xor_si512(odd, _mm512_clmulepi64_epi128(m, c, 0x11));
    }
    __m512i all = _mm512_xor_si512(even, odd);
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    __m128i quarter = _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums + 2 * i), quarter);
  }
}
#endif

}  // namespace

#define BITKET_SPACE portable
#define BITKET_ATTRIBUTE
#define BITKET_CLMUL(a, b, lo, hi) multiply_words(a, b, lo, hi)
#define BITKET_DOT dot_words
#define BITKET_LANES
#include "gf2_poly_kernels.hpp"
#include "gf2k_poly_kernels.hpp"
#undef BITKET_SPACE
#undef BITKET_ATTRIBUTE
#undef BITKET_CLMUL
#undef BITKET_DOT
#undef BITKET_LANES

#ifdef BITKET_X86
#define BITKET_SPACE clmul
#define BITKET_ATTRIBUTE __attribute__((target("pclmul")))
#define BITKET_CLMUL(a, b, lo, hi) multiply_words_clmul(a, b, lo, hi)
#define BITKET_DOT dot_words_clmul
#define BITKET_LANES
#include "gf2_poly_kernels.hpp"
#include "gf2k_poly_kernels.hpp"
#undef BITKET_SPACE
#undef BITKET_ATTRIBUTE
#undef BITKET_CLMUL
#undef BITKET_DOT
#undef BITKET_LANES

// The same with four products at once, on processors that have them.
#define BITKET_SPACE wide
#define BITKET_ATTRIBUTE __attribute__((target("pclmul")))
#define BITKET_CLMUL(a, b, lo, hi) multiply_words_clmul(a, b, lo, hi)
#define BITKET_DOT dot_words_wide
#define BITKET_LANES BITKET_WIDE
#include "gf2_poly_kernels.hpp"
#include "gf2k_poly_kernels.hpp"
#endif

namespace nb = nanobind;
using Words = std::vector<uint64_t>;
using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

namespace {

Words to_words(const Bytes& bytes, size_t words) {
  if (bytes.size() > 8 * words) throw std::invalid_argument("more bytes than the polynomial has");
  Words out(words);
  if (bytes.size()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

nb::bytes to_bytes(const Words& words) { return nb::bytes(reinterpret_cast<const char*>(words.data()), 8 * words.size()); }

template <class M>
nb::bytes residue_of(const M& modulus, const Bytes& bytes) {
  Words out;
  {
    nb::gil_scoped_release release;
    size_t whole = bytes.size() / 8, rest = bytes.size() % 8;
    if (!rest && reinterpret_cast<uintptr_t>(bytes.data()) % 8 == 0) {
      out = modulus.residue(reinterpret_cast<const uint64_t*>(bytes.data()), whole);
    } else {
      Words copy(whole + (rest != 0));
      if (bytes.size()) std::memcpy(copy.data(), bytes.data(), bytes.size());
      out = modulus.residue(copy.data(), copy.size());
    }
  }
  return to_bytes(out);
}

template <class M, class... Field>
void bind(nb::module_& m, const char* name) {
  nb::class_<M>(m, name)
      .def("__init__",
           [](M* self, const Bytes& low, size_t n, Field... field) {
             if (!n) throw std::invalid_argument("degree 0");
             new (self) M(to_words(low, (n + 63) / 64), n, field...);
           })
      .def("residue", &residue_of<M>)
      .def("multiply",
           [](const M& self, const Bytes& a, const Bytes& b) {
             return to_bytes(self.multiply(to_words(a, self.words), to_words(b, self.words)));
           })
      .def("irreducible", [](const M& self) {
        nb::gil_scoped_release release;
        return self.irreducible();
      });
}

}  // namespace

NB_MODULE(_gf2_poly, m) {
  bind<portable::Modulus>(m, "PortableModulus");
  bind<portable::ExtensionModulus, size_t, uint64_t>(m, "PortableExtensionModulus");
  m.attr("Modulus") = m.attr("PortableModulus");
  m.attr("ExtensionModulus") = m.attr("PortableExtensionModulus");
  m.def("product", [](const Bytes& a, const Bytes& b) {
    Words left = to_words(a, (a.size() + 7) / 8), right = to_words(b, (b.size() + 7) / 8);
#ifdef BITKET_X86
    if (__builtin_cpu_supports("pclmul")) return to_bytes(clmul::product(left, right));
#endif
    return to_bytes(portable::product(left, right));
  });
#ifdef BITKET_X86
  if (__builtin_cpu_supports("pclmul")) {
    bind<clmul::Modulus>(m, "ClmulModulus");
    bind<clmul::ExtensionModulus, size_t, uint64_t>(m, "ClmulExtensionModulus");
    m.attr("Modulus") = m.attr("ClmulModulus");
    m.attr("ExtensionModulus") = m.attr("ClmulExtensionModulus");
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq")) {
      bind<wide::Modulus>(m, "WideModulus");
      bind<wide::ExtensionModulus, size_t, uint64_t>(m, "WideExtensionModulus");
      m.attr("Modulus") = m.attr("WideModulus");
      m.attr("ExtensionModulus") = m.attr("WideExtensionModulus");
    }
  }
#endif
}

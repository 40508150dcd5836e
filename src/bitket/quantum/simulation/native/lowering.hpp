// What the bindings share: lowered circuits, and the choice among the kernels of several instruction sets.
#pragma once
#include <nanobind/nanobind.h>

#include <string>

#include "lowered.hpp"

namespace bitket {

const char* instruction_set();  // module.cpp

// Declares the kernels NAME of each instruction set, and a function NAME() that gives those of the processor.
#ifdef BITKET_X86
#define BITKET_PER_SET(TYPE, NAME)                                              \
    namespace kernels_generic { extern const TYPE NAME; }                       \
    namespace kernels_v3 { extern const TYPE NAME; }                            \
    namespace kernels_v4 { extern const TYPE NAME; }                            \
    namespace {                                                                 \
    const TYPE& NAME() {                                                        \
        static const TYPE* chosen = [] {                                        \
            const std::string set = instruction_set();                          \
            return set == "v4"   ? &kernels_v4::NAME                            \
                   : set == "v3" ? &kernels_v3::NAME                            \
                                 : &kernels_generic::NAME;                      \
        }();                                                                    \
        return *chosen;                                                         \
    }                                                                           \
    }
#else
#define BITKET_PER_SET(TYPE, NAME)                        \
    namespace kernels_generic { extern const TYPE NAME; } \
    namespace { const TYPE& NAME() { return kernels_generic::NAME; } }
#endif

}  // namespace bitket

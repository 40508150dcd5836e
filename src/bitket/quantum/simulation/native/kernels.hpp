// The table of kernels that each instruction set fills in (state.cpp, batch.cpp) and module.cpp picks from at import.
#pragma once

namespace bitket {

struct StateKernels;  // declared in state.hpp: one large state
struct BatchKernels;  // declared in batch.hpp: batched small circuits and Pauli-transfer vectors

}  // namespace bitket

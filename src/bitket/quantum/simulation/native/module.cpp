// Python bindings of the native core and the choice of instruction set.
#include <nanobind/nanobind.h>

#include <cstdlib>
#include <string>

#include "pool.hpp"

namespace nb = nanobind;

namespace bitket {

void bind_lowered(nb::module_& m);   // lowering.cpp: circuits as the core reads them
void bind_state(nb::module_& m);     // state_bindings.cpp: one large state
void bind_batch(nb::module_& m);     // batch_bindings.cpp: batches of small circuits
void bind_walk(nb::module_& m);     // walk_bindings.cpp: few samples of small circuits, gate by gate
void bind_transfer(nb::module_& m);  // transfer_bindings.cpp: Pauli-transfer vectors

// The widest instruction set the processor has among those the kernels are built for, or a narrower one named by BITKET_ISA.
const char* instruction_set() {
    const char* asked = std::getenv("BITKET_ISA");
    const std::string most = asked ? asked : "v4";
    if (most == "generic") return "generic";
#ifdef BITKET_X86
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (v3 && most != "v3" && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        return "v4";
    if (v3) return "v3";
#endif
    return "generic";
}

}  // namespace bitket

NB_MODULE(_core, m) {
    nb::set_leak_warnings(false);  // plans live as long as the circuits that cache them, also at exit
    m.def("set_threads", [](int threads) { bitket::Pool::instance().resize(threads); });
    m.def("threads", [] { return bitket::Pool::instance().size(); });
    m.def("instruction_set", &bitket::instruction_set);
    bitket::bind_lowered(m);
    bitket::bind_state(m);
    bitket::bind_batch(m);
    bitket::bind_walk(m);
    bitket::bind_transfer(m);
}

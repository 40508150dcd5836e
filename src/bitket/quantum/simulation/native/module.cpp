// Python bindings of the native core and the choice of instruction set.
#include <nanobind/nanobind.h>

#include "pool.hpp"

namespace nb = nanobind;

namespace {

const char* detect() {
#ifdef BITKET_X86
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        return "v4";
    if (v3) return "v3";
#endif
    return "generic";
}

}  // namespace

NB_MODULE(_core, m) {
    m.def("set_threads", [](int threads) { bitket::Pool::instance().resize(threads); });
    m.def("threads", [] { return bitket::Pool::instance().size(); });
    m.def("instruction_set", [] { return detect(); });
}

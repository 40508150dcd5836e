#include <nanobind/nanobind.h>

namespace bitket {

void bind_state(nanobind::module_&) {}

}  // namespace bitket

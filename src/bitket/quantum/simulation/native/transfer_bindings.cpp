#include <nanobind/nanobind.h>

namespace bitket {

void bind_transfer(nanobind::module_&) {}

}  // namespace bitket

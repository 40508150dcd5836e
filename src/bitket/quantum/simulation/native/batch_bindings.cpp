#include <nanobind/nanobind.h>

namespace bitket {

void bind_batch(nanobind::module_&) {}

}  // namespace bitket

"""What a choice of bits costs: bytes and bit operations."""

from bitket.quantization.cost.bit_operations import bit_operation_table, bit_operations, multiplications
from bitket.quantization.cost.size import (
    code_bytes,
    float_bytes,
    readable,
    size_table,
    stored_bytes,
    weight_compression,
)

__all__ = [
    "bit_operation_table",
    "bit_operations",
    "code_bytes",
    "float_bytes",
    "multiplications",
    "readable",
    "size_table",
    "stored_bytes",
    "weight_compression",
]

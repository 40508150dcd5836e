"""Codes of 1 to 8 bits in bytes: one stream of bits along the last axis, lowest bit first, each row filled up to whole bytes.

Two 4-bit codes a byte, the first in the low nibble; a signed code is its two's complement.
"""

from __future__ import annotations

import torch

from bitket.errors import InvalidInput

__all__ = ["pack", "packed_length", "unpack"]


def packed_length(count: int, bits: int) -> int:
    """Bytes of a row of ``count`` codes."""
    return -(-count * bits // 8)


def _check(bits: int) -> None:
    if not 1 <= bits <= 8:
        raise InvalidInput(f"packing: codes of {bits} bits; 1 to 8 bits are packed")


def pack(codes: torch.Tensor, bits: int) -> torch.Tensor:
    """Codes ``[..., n]`` as bytes ``[..., ceil(n bits/8)]``, uint8.

    >>> pack(torch.tensor([1, 2, -1], dtype=torch.int8), 4).tolist()  # nibbles 1, 2, 15
    [33, 15]
    >>> pack(torch.tensor([1, 2, 3], dtype=torch.uint8), 3).tolist()  # 001, 010, 011 from the lowest bit: 0b011010001
    [209, 0]

    Raises
    ------
    InvalidInput
        The width is not 1 to 8, a code does not fit it, or there is no axis.
    """
    _check(bits)
    if not codes.ndim:
        raise InvalidInput("packing: a tensor without axes; at least one is needed")
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if codes.dtype.is_signed else (0, (1 << bits) - 1)
    if codes.numel() and (
        int(codes.min()) < low or int(codes.max()) > (high if codes.dtype == torch.int8 else (1 << bits) - 1)
    ):
        raise InvalidInput(f"packing: codes from {int(codes.min())} to {int(codes.max())} do not fit {bits} bits")
    count = codes.shape[-1]
    # As few codes as fill whole bytes: 8 of 3, 5 or 7 bits, 4 of 2 or 6, 2 of 4.
    together = next(k for k in (1, 2, 4, 8) if k * bits % 8 == 0)
    if bits == 8:
        return codes.to(torch.uint8)
    padded = torch.nn.functional.pad(codes, (0, -count % together)).unflatten(-1, (-1, together))
    if 8 % bits == 0:  # no code crosses a byte
        small = padded.to(torch.uint8) & ((1 << bits) - 1)
        byte = small[..., 0].clone()
        for i in range(1, together):
            byte |= small[..., i] << (i * bits)
        return byte
    word = torch.zeros(padded.shape[:-1], dtype=torch.int64)
    for i in range(together):
        word |= (padded[..., i].to(torch.int64) & ((1 << bits) - 1)) << (i * bits)
    parts = [(word >> (8 * j)) & 255 for j in range(together * bits // 8)]
    return torch.stack(parts, dim=-1).flatten(-2)[..., : packed_length(count, bits)].to(torch.uint8)


def unpack(data: torch.Tensor, bits: int, count: int, *, signed: bool) -> torch.Tensor:
    """Codes ``[..., count]`` of bytes that `pack` made, int8 or uint8.

    >>> unpack(torch.tensor([33, 15], dtype=torch.uint8), 4, 3, signed=True)
    tensor([ 1,  2, -1], dtype=torch.int8)

    Raises
    ------
    InvalidInput
        The width is not 1 to 8, or the bytes are not those of so many codes.
    """
    _check(bits)
    if data.dtype != torch.uint8 or not data.ndim or data.shape[-1] != packed_length(count, bits):
        raise InvalidInput(
            f"packing: {data.dtype} of shape {list(data.shape)}; {packed_length(count, bits)} bytes a row "
            f"are needed for {count} codes of {bits} bits"
        )
    together = next(k for k in (1, 2, 4, 8) if k * bits % 8 == 0)
    if 8 % bits == 0:  # no code crosses a byte: two shifts in the bytes themselves
        left = [(data << (8 - bits * (i + 1))) for i in range(together)]
        parts = [(x.view(torch.int8) if signed else x) >> (8 - bits) for x in left]
        return torch.stack(parts, dim=-1).flatten(-2)[..., :count].contiguous()
    whole = together * bits // 8
    padded = torch.nn.functional.pad(data, (0, -data.shape[-1] % whole)).unflatten(-1, (-1, whole)).to(torch.int64)
    word = torch.zeros(padded.shape[:-1], dtype=torch.int64)
    for j in range(whole):
        word |= padded[..., j] << (8 * j)
    parts = [(word >> (i * bits)) & ((1 << bits) - 1) for i in range(together)]
    codes = torch.stack(parts, dim=-1).flatten(-2)[..., :count]
    if not signed:
        return codes.to(torch.uint8)
    return (codes - ((codes >> (bits - 1)) << bits)).to(torch.int8)

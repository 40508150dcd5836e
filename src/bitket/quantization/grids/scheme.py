"""A scheme says as data how a tensor is quantised: which grid, which values share a scale, which scales are possible.

It has a short name that reads back, ``int4-g128-asym``, ``e3m2-c``, and a JSON form. Two kinds of grid:

    int     x = s (q - z), q a whole number of b bits; z = 0 where the grid is symmetric
    float   x = s v, v a minifloat of sign, exponent and mantissa: (-1)^S 2^(E-B) (1 + M/2^m), below E = 1 (-1)^S 2^(1-B) M/2^m
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Literal

from bitket.errors import InvalidInput
from bitket.quantization.grids.granularity import Channel, Granularity, Group, Tensor, Token
from bitket.quantization.grids.scales import Dyadic, Float32, Nested, PowerOfTwo, ScaleForm

__all__ = ["Scheme", "minifloat"]

_GRANULARITIES = {"tensor": Tensor, "channel": Channel, "group": Group, "token": Token}
_SCALES = {"float32": Float32, "power_of_two": PowerOfTwo, "dyadic": Dyadic, "nested": Nested}
_WHOLE, _ANY = Tensor(), Float32()
_MOST_BITS, _MOST_FLOAT_BITS = 32, 16


@dataclass(frozen=True)
class Scheme:
    """How a tensor is quantised.

    Attributes
    ----------
    bits
        Width of a code: 1 to 32 for integers (2 or more where they are signed and symmetric), at most 16 for minifloats.
    kind
        ``"int"`` or ``"float"``.
    signed
        Whether codes have a sign. Signed integers are two's complement.
    symmetric
        Integers only: whether zero is always the code 0; otherwise a zero point shifts the grid.
    narrow
        Signed integers only: leave out the lowest code, so that -127 ... 127 and not -128 ... 127.
    granularity
        Which values share a scale.
    scale
        Which scales are possible.
    exponent_bits, mantissa_bits, bias
        Minifloats only. The bias is 2^(exponent_bits - 1) - 1 unless given.
    reserved
        Minifloats only: codes that are no numbers. None of them; ``"nan"``, the one with all bits set, as OCP's E4M3; ``"ieee"``,
        the whole highest exponent, as OCP's E5M2.
    """

    bits: int = 8
    kind: Literal["int", "float"] = "int"
    signed: bool = True
    symmetric: bool = True
    narrow: bool = False
    granularity: Granularity = _WHOLE
    scale: ScaleForm = _ANY
    exponent_bits: int | None = None
    mantissa_bits: int | None = None
    bias: int | None = None
    reserved: Literal["nan", "ieee"] | None = None

    def __post_init__(self) -> None:
        if self.kind == "int":
            self._check_integer()
        elif self.kind == "float":
            self._check_float()
        else:
            raise InvalidInput(f"scheme: kind '{self.kind}'; 'int' and 'float' are known")

    def _check_integer(self) -> None:
        if (self.exponent_bits, self.mantissa_bits, self.bias, self.reserved) != (None,) * 4:
            raise InvalidInput("scheme: exponent, mantissa, bias and reserved codes belong to kind 'float'")
        least = 2 if self.signed and self.symmetric else 1
        if not least <= self.bits <= _MOST_BITS:
            sign = "signed symmetric " if least == 2 else ""
            raise InvalidInput(f"scheme: {sign}integers of {self.bits} bits; {least} to {_MOST_BITS} are possible")
        if self.narrow and not self.signed:
            raise InvalidInput("scheme: narrow leaves out the lowest signed code; unsigned integers have none")

    def _check_float(self) -> None:
        e, m = self.exponent_bits, self.mantissa_bits
        if e is None or m is None or not 1 <= e <= 8 or m < 0:
            raise InvalidInput(
                f"scheme: {e} exponent and {m} mantissa bits; 1 to 8 and 0 or more are needed for kind 'float'"
            )
        if self.bits != e + m + self.signed or self.bits > _MOST_FLOAT_BITS:
            raise InvalidInput(
                f"scheme: a float of {self.bits} bits with {e} exponent, {m} mantissa and {int(self.signed)} sign bits; "
                f"they must add up, to at most {_MOST_FLOAT_BITS}"
            )
        if not self.symmetric or self.narrow:
            raise InvalidInput("scheme: floats have no zero point and no narrow form")
        if self.reserved not in (None, "nan", "ieee"):
            raise InvalidInput(f"scheme: reserved codes '{self.reserved}'; None, 'nan' and 'ieee' are known")
        if (self.reserved == "ieee" and e < 2) or (self.reserved == "nan" and e == 1 and m == 0):
            raise InvalidInput(f"scheme: no numbers would be left of e{e}m{m} with reserved codes '{self.reserved}'")
        if self.bias is not None and not -100 <= self.bias <= 227:
            raise InvalidInput(f"scheme: exponent bias {self.bias}; -100 to 227 are possible")

    @property
    def lowest(self) -> int:
        """The lowest integer code."""
        return -(1 << (self.bits - 1)) + self.narrow if self.signed else 0

    @property
    def highest(self) -> int:
        """The highest integer code."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def exponent_bias(self) -> int:
        """The bias of a minifloat's exponent."""
        return (1 << (self._exponents - 1)) - 1 if self.bias is None else self.bias

    @property
    def largest(self) -> float:
        """The largest value of the grid at scale 1 (and zero point 0)."""
        if self.kind == "int":
            return float(self.highest)
        e, m = self._exponents, self.mantissas
        field, fraction = (1 << e) - 1 - (self.reserved == "ieee"), (1 << m) - 1
        if self.reserved == "nan":
            field, fraction = (field, fraction - 1) if m else (field - 1, 0)
        value = 2 * fraction / (1 << m) if field == 0 else 1 + fraction / (1 << m)
        return value * 2.0 ** (field - self.exponent_bias)

    @property
    def mantissas(self) -> int:
        """Mantissa bits of a minifloat."""
        assert self.mantissa_bits is not None
        return self.mantissa_bits

    @property
    def _exponents(self) -> int:
        assert self.exponent_bits is not None
        return self.exponent_bits

    def to_json(self) -> dict[str, Any]:
        """The scheme as JSON values.

        >>> Scheme(4, granularity=Group(128), symmetric=False).to_json()["granularity"]
        {'form': 'group', 'size': 128, 'axis': -1}
        """
        out: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        out["granularity"] = _form_to_json(self.granularity, _GRANULARITIES)
        out["scale"] = _form_to_json(self.scale, _SCALES)
        return out

    @classmethod
    def from_json(cls, data: Any) -> Scheme:
        """The scheme of a JSON form.

        Raises
        ------
        InvalidInput
            It is none.
        """
        if not isinstance(data, dict) or not set(data) <= {f.name for f in fields(cls)}:
            raise InvalidInput(f"scheme: {str(data)[:80]} is no JSON form of one")
        values = dict(data)
        if "granularity" in data:
            values["granularity"] = _form_from_json(data["granularity"], _GRANULARITIES, "granularity")
        if "scale" in data:
            values["scale"] = _form_from_json(data["scale"], _SCALES, "scale")
        for name in ("bits", "exponent_bits", "mantissa_bits", "bias"):
            value = values.get(name, 8 if name == "bits" else None)
            if isinstance(value, bool) or not isinstance(value, int | None):
                raise InvalidInput(f"scheme: {name} is {value!r}; a whole number is needed")
        for name in ("signed", "symmetric", "narrow"):
            if not isinstance(values.get(name, False), bool):
                raise InvalidInput(f"scheme: {name} is {values[name]!r}; true or false is needed")
        return cls(**values)

    @property
    def name(self) -> str:
        """The short name, which `parse` reads.

        >>> Scheme(4, granularity=Group(128), symmetric=False).name
        'int4-g128-asym'
        >>> minifloat(4, 3, reserved="nan", granularity=Channel(0), scale=PowerOfTwo()).name
        'e4m3-c0-nan-pow2'
        """
        if self.kind == "int":
            parts = [f"{'' if self.signed else 'u'}int{self.bits}"]
        else:
            bias = "" if self.bias is None else f"b{self.bias}"
            parts = [f"{'' if self.signed else 'u'}e{self.exponent_bits}m{self.mantissa_bits}{bias}"]
        match self.granularity:
            case Channel(axis):
                parts.append(f"c{axis}")
            case Group(size, axis):
                parts.append(f"g{size}" + ("" if axis == -1 else f"@{axis}"))
            case Token():
                parts.append("token")
        parts += ["asym"] * (not self.symmetric) + ["narrow"] * self.narrow
        parts += [self.reserved] if self.reserved else []
        match self.scale:
            case PowerOfTwo(rounding):
                parts.append("pow2" if rounding == "up" else "pow2near")
            case Dyadic(bits):
                parts.append(f"dyadic{bits}")
            case Nested(bits, outer):
                parts.append(f"nested{bits}" + ("" if outer == "channel" else "t"))
        return "-".join(parts)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, name: str) -> Scheme:
        """The scheme of a short name.

        >>> Scheme.parse("e3m2-c0") == minifloat(3, 2, granularity=Channel(0))
        True

        Raises
        ------
        InvalidInput
            It is no such name.
        """
        head, *rest = re.split(r"(?<=[a-z0-9])-", name.strip().lower())
        values: dict[str, Any]
        if found := re.fullmatch(r"(u?)int(\d{1,3})", head):
            values = {"bits": int(found[2]), "signed": not found[1]}
        elif found := re.fullmatch(r"(u?)e(\d{1,2})m(\d{1,2})(?:b(-?\d{1,4}))?", head):
            e, m = int(found[2]), int(found[3])
            bias = None if found[4] is None else int(found[4])
            values = {"kind": "float", "bits": e + m + (not found[1]), "signed": not found[1], "bias": bias}
            values |= {"exponent_bits": e, "mantissa_bits": m}
        else:
            raise InvalidInput(f"scheme '{name}': it begins with int4, uint8, e3m2 or the like")
        for part in rest:
            if part == "asym":
                values["symmetric"] = False
            elif part == "narrow":
                values["narrow"] = True
            elif part in ("nan", "ieee"):
                values["reserved"] = part
            elif part == "token":
                values["granularity"] = Token()
            elif found := re.fullmatch(r"c(-?\d{1,3})", part):
                values["granularity"] = Channel(int(found[1]))
            elif found := re.fullmatch(r"g(\d{1,9})(?:@(-?\d{1,3}))?", part):
                values["granularity"] = Group(int(found[1]), -1 if found[2] is None else int(found[2]))
            elif part in ("pow2", "pow2near"):
                values["scale"] = PowerOfTwo("up" if part == "pow2" else "nearest")
            elif found := re.fullmatch(r"dyadic(\d{1,3})", part):
                values["scale"] = Dyadic(int(found[1]))
            elif found := re.fullmatch(r"nested(\d{1,3})(t?)", part):
                values["scale"] = Nested(int(found[1]), "tensor" if found[2] else "channel")
            else:
                raise InvalidInput(
                    f"scheme '{name}': '{part}' is unknown; asym, narrow, nan, ieee, token, c0, g128, pow2, dyadic31, nested8 are known"
                )
        return cls(**values)


def minifloat(
    exponent_bits: int,
    mantissa_bits: int,
    *,
    signed: bool = True,
    bias: int | None = None,
    reserved: Literal["nan", "ieee"] | None = None,
    granularity: Granularity = _WHOLE,
    scale: ScaleForm = _ANY,
) -> Scheme:
    """The scheme of a minifloat.

    >>> minifloat(2, 1).largest, minifloat(4, 3).largest, minifloat(4, 3, reserved="nan").largest
    (6.0, 480.0, 448.0)
    """
    bits = exponent_bits + mantissa_bits + signed
    return Scheme(bits, "float", signed, True, False, granularity, scale, exponent_bits, mantissa_bits, bias, reserved)


def _form_to_json(form: Any, known: dict[str, Any]) -> dict[str, Any]:
    name = next(name for name, kind in known.items() if type(form) is kind)
    return {"form": name} | {f.name: getattr(form, f.name) for f in fields(form)}


def _form_from_json(data: Any, known: dict[str, Any], what: str) -> Any:
    form = data.get("form") if isinstance(data, dict) else None
    if not isinstance(form, str) or form not in known:
        raise InvalidInput(f"scheme: {what} {str(data)[:80]}; {', '.join(known)} are known")
    values = {name: value for name, value in data.items() if name != "form"}
    types = {f.name: str(f.type) for f in fields(known[form])}
    if not set(values) <= set(types) or any(
        not isinstance(v, int if types[n] == "int" else str) or isinstance(v, bool) for n, v in values.items()
    ):
        raise InvalidInput(f"scheme: {what} {str(data)[:80]} does not fit '{form}'")
    return known[form](**values)

"""Nested results in one file, bit for bit and without pickle.

Numbers, text, None, lists, tuples, dicts, NumPy arrays and scalars, torch tensors and random generators are stored as one safetensors
file: the tree is JSON in its header, arrays are its tensors. What comes back has the same types, the same bits and the same memory
order, so that a computation goes on from it as if it had never stopped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bitket.errors import InvalidInput
from bitket.files import require_file
from bitket.runs.files import write_bytes

__all__ = ["load_saved", "load_tree", "save_tree"]


def save_tree(path: Path, value: Any) -> None:
    """Store a nested result, whole.

    Raises
    ------
    InvalidInput
        A part can not be stored; the message says which.
    """
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    tree = _pack(value, arrays, "result")
    if not arrays:
        arrays["empty"] = np.zeros(0)  # the format wants at least one tensor
    write_bytes(path, save(arrays, metadata={"tree": json.dumps(tree)}))


def load_tree(path: Path) -> Any:
    """What `save_tree` stored.

    Raises
    ------
    InvalidInput
        The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return _unpack(json.loads(file.metadata()["tree"]), file)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise InvalidInput(f"{path}: not a stored result ({error})") from None


def load_saved(path: str | Path, noun: str, version: int) -> dict[str, Any]:
    """What `save_tree` stored of a mapping with the entries ``what``, ``bitket NOUN``, and ``version``.

    Raises
    ------
    InvalidInput
        There is no such file, or it is of another kind or version.
    """
    path = require_file(path)
    try:
        stored = load_tree(path)
    except InvalidInput:
        stored = None
    if not isinstance(stored, dict) or stored.get("what") != f"bitket {noun}":
        raise InvalidInput(f"{path}: not a saved {noun} of bitket")
    if stored.get("version") != version:
        raise InvalidInput(
            f"{path}: a saved {noun} of version {stored.get('version')!r}; this bitket reads version {version}"
        )
    return stored


def _is_torch(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "torch"


def _pack(value: Any, arrays: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    if isinstance(value, np.ndarray | np.generic):
        return _pack_array(value, arrays, where)
    if value is None or isinstance(value, bool | str):
        return {"v": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": value.hex()}
    if isinstance(value, complex):
        return {"c": [value.real.hex(), value.imag.hex()]}
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise InvalidInput(f"{where}: keys of a stored dict must be texts or integers, not {key!r}")
            pairs.append([key, _pack(item, arrays, f"{where}[{key!r}]")])
        return {"d": pairs}
    if isinstance(value, list | tuple):
        kind = "l" if isinstance(value, list) else "t"
        return {kind: [_pack(item, arrays, f"{where}[{k}]") for k, item in enumerate(value)]}
    if isinstance(value, np.random.Generator):
        return {"g": _pack(value.bit_generator.state, arrays, where)}
    if _is_torch(value):
        import torch

        if isinstance(value, torch.Generator):
            return {"tg": _pack_tensor(value.get_state(), arrays)}
        if isinstance(value, torch.Tensor):
            return _pack_tensor(value, arrays)
    raise InvalidInput(
        f"{where}: a {type(value).__name__} cannot be stored; numbers, text, lists, dicts, arrays, tensors and generators can"
    )


def _pack_array(value: Any, arrays: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    if value.dtype.kind not in "biufc" or value.dtype.itemsize // (2 if value.dtype.kind == "c" else 1) > 8:
        raise InvalidInput(f"{where}: an array of {value.dtype} cannot be stored; numbers up to 64 bits can")
    fortran = isinstance(value, np.ndarray) and value.flags.f_contiguous and not value.flags.c_contiguous
    array = np.ascontiguousarray(value.T if fortran else value)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    name = str(len(arrays))
    arrays[name] = array.view(array.real.dtype) if array.dtype.kind == "c" else array  # complex numbers: pairs of reals
    shape = list(value.shape[::-1] if fortran else value.shape)
    return {
        "a": name,
        "shape": shape,
        "dtype": array.dtype.name,
        "fortran": fortran,
        "scalar": not isinstance(value, np.ndarray),
    }


def _pack_tensor(value: Any, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    import torch

    name = str(len(arrays))
    # A copy: an axis of length 1 may have a stride of 0, which no view as bytes takes.
    flat = value.detach().cpu().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format).reshape(-1)
    arrays[name] = flat.view(torch.uint8).numpy()  # bytes: NumPy lacks some of torch's types
    return {
        "tt": name,
        "dtype": str(value.dtype).removeprefix("torch."),
        "shape": list(value.shape),
        "stride": None if value.is_contiguous() else list(value.stride()),
        "device": str(value.device),
        "grad": value.requires_grad,
    }


def _unpack(tree: dict[str, Any], file: Any) -> Any:
    (kind, body), *_ = tree.items()
    match kind:
        case "v":
            return body
        case "i":
            return int(body)
        case "f":
            return float.fromhex(body)
        case "c":
            return complex(float.fromhex(body[0]), float.fromhex(body[1]))
        case "d":
            return {key: _unpack(item, file) for key, item in body}
        case "l":
            return [_unpack(item, file) for item in body]
        case "t":
            return tuple(_unpack(item, file) for item in body)
        case "a":
            array = file.get_tensor(body).view(np.dtype(tree["dtype"])).reshape(tree["shape"])
            array = array.T if tree["fortran"] else array
            return array[()] if tree["scalar"] else array
        case "g":
            state = _unpack(body, file)
            generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
            generator.bit_generator.state = state
            return generator
        case "tt":
            return _unpack_tensor(tree, file)
        case "tg":
            import torch

            found = torch.Generator()
            found.set_state(_unpack_tensor(body, file))
            return found
    raise ValueError(f"unknown kind '{kind}'")


def _unpack_tensor(tree: dict[str, Any], file: Any) -> Any:
    import torch

    dtype = getattr(torch, tree["dtype"])
    found = torch.from_numpy(file.get_tensor(tree["tt"]).copy()).view(dtype).reshape(tree["shape"])
    if tree["stride"] is not None:
        found = torch.empty_strided(tree["shape"], tree["stride"], dtype=dtype).copy_(found)
    return found.to(tree["device"]).requires_grad_(tree["grad"])

"""Files written whole, and nested results stored without pickle.

A file is written under another name in the same folder, flushed to the disk and renamed: a reader, or a crash, sees the old file or
the new one, never a part. Results (numbers, text, lists, dicts, NumPy arrays, torch tensors) are stored as one safetensors file: the
tree is JSON in its header, arrays are its tensors.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from bitket.errors import InvalidInput

__all__ = ["load_tree", "save_tree", "write_bytes", "write_json", "write_text"]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole.

    Raises
    ------
    InvalidInput
        The folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write text whole, as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole; numbers that are not finite are refused, as JSON has none."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"cannot write {path}: {error}") from None
    write_text(path, text + "\n")


def save_tree(path: Path, value: Any) -> None:
    """Store a nested result.

    Raises
    ------
    InvalidInput
        A part is neither a number, text, None, list, tuple, dict with text keys, array nor tensor.
    """
    from safetensors.numpy import save

    arrays: dict[str, np.ndarray] = {}
    tree = _pack(value, arrays, "result")
    if not arrays:
        arrays["empty"] = np.zeros(0)  # the format wants at least one tensor
    write_bytes(path, save(arrays, metadata={"tree": json.dumps(tree)}))


def load_tree(path: Path) -> Any:
    """What `save_tree` stored, bit for bit.

    Raises
    ------
    InvalidInput
        The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tree = json.loads(file.metadata()["tree"])
            return _unpack(tree, file)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise InvalidInput(f"{path}: not a stored result ({error})") from None


def _pack(value: Any, arrays: dict[str, np.ndarray], where: str) -> Any:
    if value is None or isinstance(value, bool | str):
        return {"v": value}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": value.hex()}
    if isinstance(value, complex):
        return {"c": [value.real.hex(), value.imag.hex()]}
    if isinstance(value, dict):
        if not all(isinstance(k, str) for k in value):
            raise InvalidInput(f"{where}: keys of a stored dict must be text")
        return {"d": {k: _pack(v, arrays, f"{where}.{k}") for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return {
            "l" if isinstance(value, list) else "t": [_pack(v, arrays, f"{where}[{k}]") for k, v in enumerate(value)]
        }
    tensor = type(value).__module__.partition(".")[0] == "torch"
    array = value.detach().cpu().numpy() if tensor else value
    if not isinstance(array, np.ndarray | np.generic) or array.dtype.hasobject:
        raise InvalidInput(
            f"{where}: a {type(value).__name__} cannot be stored; numbers, text, lists, dicts, arrays and tensors can"
        )
    array = np.ascontiguousarray(array)
    kind = str(array.dtype)
    if np.iscomplexobj(array):  # safetensors has no complex numbers: pairs of reals
        array = array.view(array.real.dtype)
    name = str(len(arrays))
    arrays[name] = array
    return {"a": name, "shape": list(np.shape(value)), "dtype": kind, "tensor": tensor}


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
            return {k: _unpack(v, file) for k, v in body.items()}
        case "l":
            return [_unpack(v, file) for v in body]
        case "t":
            return tuple(_unpack(v, file) for v in body)
    array = file.get_tensor(body).view(tree["dtype"]).reshape(tree["shape"])
    if tree["tensor"]:
        import torch

        return torch.from_numpy(array.copy())
    return array

"""The library's own file: one safetensors file with the packed network, and as JSON in its header everything that belongs to it.

The header holds the graph, places with schemes, the configuration, the allocation as it prints itself, the report's figures and the digest
of the calibration data. A network whose modules were exchanged without a graph needs its own code again: ``load(path, model)``.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch.fx import GraphModule

from bitket.errors import InvalidInput
from bitket.files import opened
from bitket.quantization.configs import config_from_json, config_to_json
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.formats.graph_json import graph_from_json, graph_to_json, module_from_json, module_to_json
from bitket.quantization.graph import Layer, Places, replace_modules
from bitket.quantization.quantized import QuantizedModel, deploy
from bitket.quantization.tensors import PackedWeight
from bitket.runs.files import write_bytes

__all__ = ["load", "save"]

_VERSION = 1


def save(quantized: QuantizedModel, path: str | Path) -> None:
    """Store a quantised network, packed; the file is written whole.

    Raises
    ------
    InvalidInput
        An operator cannot be stored, or the file cannot be written.
    """
    from safetensors.torch import save as to_bytes

    packed = deploy(quantized)
    model = packed.model
    modules = {
        p: module_to_json(m) for p, m in model.named_modules() if isinstance(m, Layer | FakeQuantize | PackedWeight)
    }
    about = {
        "version": _VERSION,
        "graph": graph_to_json(model) if isinstance(model, GraphModule) else None,
        "modules": modules,
        "places": packed.places.to_json(),
        "config": None if packed.config is None else config_to_json(packed.config),
        "calibration": packed.calibration_digest,
        "allocation": None if packed.allocation is None else str(packed.allocation),
        "report": None if packed.report is None else str(packed.report),
    }
    tensors: dict[str, torch.Tensor] = {}
    shared: dict[int, str] = {}
    ties: dict[str, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in shared:
            ties[name] = shared[id(tensor)]
        else:
            shared[id(tensor)] = name
            tensors[name] = tensor.detach().contiguous().clone()
    about["ties"] = ties
    write_bytes(Path(path), to_bytes(tensors, metadata={"bitket.quantized": json.dumps(about)}))


def load(path: str | Path, model: torch.nn.Module | None = None) -> QuantizedModel:
    """What `save` stored, deployed.

    Parameters
    ----------
    path
        The file.
    model
        The float model, where the network was quantised by exchange of modules; its weights are not used.

    Raises
    ------
    InvalidInput
        The file is damaged or foreign, or the model is missing or another one.
    """
    from safetensors import SafetensorError, safe_open

    opened(path).close()
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["bitket.quantized"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except KeyError:
        raise InvalidInput(f"{path}: not a quantised network of bitket") from None
    except (SafetensorError, ValueError, OSError) as error:
        raise InvalidInput(f"{path}: not a stored network ({error})") from None
    if not isinstance(about, dict) or about.get("version") != _VERSION:
        raise InvalidInput(
            f"{path}: version {about.get('version') if isinstance(about, dict) else None}; {_VERSION} is read"
        )
    try:
        network = _network(about, tensors, model)
        config = None if about["config"] is None else config_from_json(about["config"])
        places = Places.from_json(about["places"])
        return QuantizedModel(network, places, config, calibration_digest=str(about["calibration"]), deployed=True)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InvalidInput(f"{path}: the network is damaged ({type(error).__name__}: {str(error)[:120]})") from None


def _network(about: dict[str, Any], tensors: dict[str, torch.Tensor], model: torch.nn.Module | None) -> torch.nn.Module:
    tensors = tensors | {name: tensors[of] for name, of in about["ties"].items()}
    modules: dict[str, Any] = about["modules"]
    used: set[str] = set()
    made: dict[str, torch.nn.Module] = {}
    for path, data in modules.items():
        own = {name.rpartition(".")[2]: name for name in tensors if name.rpartition(".")[0] == path}
        made[path] = module_from_json(data, {short: tensors[name] for short, name in own.items()})
        used |= set(own.values())
    rest = {name: tensor for name, tensor in tensors.items() if name not in used}
    if about["graph"] is not None:
        root = torch.nn.Module()
        _put_all(root, made)
        for name, tensor in rest.items():
            _parent(root, name).register_buffer(name.rpartition(".")[2], tensor)
        return graph_from_json(about["graph"], root)
    if model is None:
        raise InvalidInput("it was quantised by exchange of modules and needs its float model: load(path, model)")
    model = copy.deepcopy(model).eval()
    replace_modules(model)
    layers = {p for p, m in model.named_modules() if isinstance(m, Layer)}
    if not {p for p, m in made.items() if isinstance(m, Layer)} <= layers:
        raise InvalidInput(f"the model {type(model).__name__} has other layers than the one that was stored")
    _put_all(model, made)
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise InvalidInput(
            f"the model {type(model).__name__} has other tensors than the one that was stored: {[*missing, *unexpected][:3]}"
        )
    return model


def _parent(root: torch.nn.Module, path: str) -> torch.nn.Module:
    for part in path.split(".")[:-1]:
        if part not in root._modules:
            root.add_module(part, torch.nn.Module())
        root = root.get_submodule(part)
    return root


def _put_all(root: torch.nn.Module, made: dict[str, torch.nn.Module]) -> None:
    for path in sorted(made, key=lambda p: p.count(".")):
        setattr(_parent(root, path), path.rpartition(".")[2], made[path])

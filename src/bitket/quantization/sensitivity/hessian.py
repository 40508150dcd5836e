"""Products of the Hessian of a network's loss with vectors, by two backward passes and without a matrix (Pearlmutter 1994).

    L = (1/N) sum_k l(f(x_k), y_k),   g_b = dL/dW_b,   H_b v = d(g_b . v)/dW_b   with v constant

W_b are the weights of a block b; blocks are taken one by one, so H_b is a diagonal block of the whole Hessian. The network is in
evaluation mode: norms and dropout are frozen. Batches are weighted by their number of samples, so that their sizes change nothing.
The first pass of a batch is shared by all products that are asked for at a time, and with a single batch by all that ever are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bitket.errors import InvalidInput

__all__ = ["Data", "Graph", "Loss", "LossSurface", "frozen", "hessian_vector_product", "scalar_loss", "weight_blocks"]

Loss = Callable[[Any, Tensor], Tensor]
"""From outputs and targets to their mean loss."""
Data = Iterable[tuple[Tensor, Tensor]]
"""Batches of inputs and targets, which can be gone through again and again: a list, or a loader without shuffling."""


def hessian_vector_product(loss: Tensor, parameters: Sequence[Tensor], vector: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """H v of a loss that was computed from ``parameters``; vector and result have their shapes.

    Examples
    --------
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> hessian_vector_product(w[0] ** 2 * w[1], [w], [torch.tensor([1.0, 0.0])])[0].tolist()
    [4.0, 2.0]
    """
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    return _second(gradients, parameters, vector)


def _second(gradients: Sequence[Tensor], variables: Sequence[Tensor], vector: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """d(g . v)/d(variables); zero where the gradient does not depend on them."""
    curved = [(g, v) for g, v in zip(gradients, vector, strict=True) if g.requires_grad]
    if not curved:
        return tuple(torch.zeros_like(w) for w in variables)
    outputs, weights = zip(*curved, strict=True)
    try:
        found = torch.autograd.grad(outputs, variables, weights, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        raise InvalidInput(f"the loss cannot be differentiated twice: {str(error).splitlines()[0]}") from None
    return tuple(torch.zeros_like(w) if d is None else d for d, w in zip(found, variables, strict=True))


def weight_blocks(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Every convolution and linear layer as a block of its own: the layer's path, and the name of its weight; biases and norms stay out."""
    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    return {
        name: (f"{name}.weight" if name else "weight",) for name, m in model.named_modules() if isinstance(m, kinds)
    }


def frozen(model: nn.Module) -> None:
    """Refuse a model whose norms or dropout are live: its loss would depend on the batches, or on chance.

    Raises
    ------
    InvalidInput
        A batch norm or dropout is in training mode, or a batch norm has no running statistics.
    """
    for name, module in model.named_modules():
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if (norm or isinstance(module, nn.modules.dropout._DropoutNd)) and (
            module.training or (norm and module.running_mean is None)
        ):
            raise InvalidInput(
                f"'{name}' ({type(module).__name__}) works on the batch or by chance; call model.eval() first"
            )


def scalar_loss(loss: Loss, forward: Callable[[], Any], targets: Tensor, where: str) -> Tensor:
    """The mean loss of a batch whose outputs ``forward`` gives.

    Raises
    ------
    InvalidInput
        Model or loss cannot take the batch; the loss is no single number, not finite, or has no derivative.
    """
    try:
        value = loss(forward(), targets)
    except InvalidInput:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise InvalidInput(f"{where}: the model or the loss fails on it: {str(error).splitlines()[0]}") from None
    if value.numel() != 1:
        raise InvalidInput(f"{where}: the loss has shape {tuple(value.shape)}; the mean over the batch is needed")
    if not math.isfinite(float(value.detach())):
        raise InvalidInput(f"{where}: the loss is {float(value.detach())}; it must be finite")
    if not value.requires_grad:
        raise InvalidInput(
            f"{where}: the loss has no derivative; an operation on the way (argmax, round, detach) cuts it off"
        )
    return value.reshape(())


def _twice(gradients: Sequence[Tensor]) -> None:
    """Refuse derivatives that were computed by an operation with no derivative of its own; torch would take its second derivative for zero."""
    seen: set[Any] = set()
    open_nodes = [g.grad_fn for g in gradients if g.grad_fn is not None]
    while open_nodes:
        node = open_nodes.pop()
        if type(node).__name__ in ("Error", "NotImplemented"):
            raise InvalidInput(
                "the loss cannot be differentiated twice: an operation on the way has only a first derivative"
            )
        for after, _ in node.next_functions:
            if after is not None and after not in seen:
                seen.add(after)
                open_nodes.append(after)


class Graph:
    """The loss of one batch with its first derivatives, ready to be differentiated again.

    Attributes
    ----------
    share
        The batch's part of all samples.
    variables, gradients
        The tensors of each block, and the loss's derivatives by them.
    """

    def __init__(self, value: Tensor, variables: Mapping[str, Sequence[Tensor]], share: float) -> None:
        self.share, self.variables = share, variables
        flat = [w for block in variables.values() for w in block]
        try:
            found = iter(torch.autograd.grad(value, flat, create_graph=True, allow_unused=True))
        except RuntimeError as error:
            raise InvalidInput(f"the loss cannot be differentiated: {str(error).splitlines()[0]}") from None
        self.gradients = {name: [next(found) for _ in block] for name, block in variables.items()}
        for name, gradient in self.gradients.items():
            if any(g is None for g in gradient):
                raise InvalidInput(
                    f"block '{name}' does not reach the loss; only blocks that it depends on have a Hessian"
                )
        _twice([g for gradient in self.gradients.values() for g in gradient])

    def product(self, blocks: Sequence[str], vector: Mapping[str, Sequence[Tensor]]) -> dict[str, tuple[Tensor, ...]]:
        """This batch's H v over the blocks together, cross terms between them included."""
        gradients = [g for b in blocks for g in self.gradients[b]]
        variables = [w for b in blocks for w in self.variables[b]]
        found = iter(_second(gradients, variables, [v for b in blocks for v in vector[b]]))
        return {b: tuple(next(found) for _ in self.variables[b]) for b in blocks}


class LossSurface:
    """The mean loss of a network over some data as a function of blocks of its weights.

    Parameters
    ----------
    model
        In evaluation mode; it is not changed.
    loss
        From outputs and targets to their mean.
    data
        Batches of inputs and targets.
    blocks
        Names of parameters by the name of their block; by default `weight_blocks`.

    Raises
    ------
    InvalidInput
        The model is in training mode; a block is empty, unknown or not trainable; data is empty or can be gone through only once.
    """

    def __init__(
        self, model: nn.Module, loss: Loss, data: Data, blocks: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        frozen(model)
        if isinstance(data, Iterator):
            raise InvalidInput("the data can be gone through only once; a list of batches or a loader is needed")
        self.model, self.loss, self.data = model, loss, data
        known = dict(model.named_parameters())
        self.blocks: dict[str, dict[str, Tensor]] = {}
        for block, names in (weight_blocks(model) if blocks is None else blocks).items():
            for name in names:
                if name not in known:
                    raise InvalidInput(f"block '{block}': the model has no parameter '{name}'")
                if not known[name].requires_grad:
                    raise InvalidInput(f"block '{block}': '{name}' is not trainable (requires_grad is False)")
                if not bool(torch.isfinite(known[name]).all()):
                    raise InvalidInput(f"block '{block}': '{name}' has weights that are not finite")
            if not names:
                raise InvalidInput(f"block '{block}' has no weights; name at least one trainable parameter")
            self.blocks[block] = {name: known[name].detach() for name in names}
        if not self.blocks:
            raise InvalidInput("the model has no convolution or linear layer; name the blocks of its parameters")
        self._rest = {name: p.detach() for name, p in known.items()}
        self.samples = self.batches = 0
        for inputs, targets in data:
            if len(inputs) != len(targets) or not len(inputs):
                raise InvalidInput(
                    f"batch {self.batches}: {len(inputs)} inputs and {len(targets)} targets; equally many are needed"
                )
            self.samples += len(inputs)
            self.batches += 1
        if not self.batches:
            raise InvalidInput("the data are empty; at least one batch is needed")
        self._kept: Graph | None = None

    def size(self, block: str) -> int:
        """Number of weights of a block."""
        return sum(w.numel() for w in self.blocks[block].values())

    def graphs(self, blocks: Iterable[str] | None = None) -> Iterator[Graph]:
        """Each batch's graph, over some blocks (by default all); they must not be kept."""
        chosen = list(self.blocks if blocks is None else blocks)
        if self._kept is None or not set(chosen) <= set(self._kept.variables):
            for k, (inputs, targets) in enumerate(self.data):
                variables = {
                    b: {n: w.requires_grad_() for n, w in ((n, w.detach()) for n, w in self.blocks[b].items())}
                    for b in chosen
                }
                weights = self._rest | {n: w for block in variables.values() for n, w in block.items()}
                forward = partial(torch.func.functional_call, self.model, weights, (inputs,))
                value = scalar_loss(self.loss, forward, targets, f"batch {k}")
                graph = Graph(
                    value, {b: list(block.values()) for b, block in variables.items()}, len(inputs) / self.samples
                )
                if self.batches == 1:
                    self._kept = graph
                yield graph
        else:
            yield self._kept

    def products(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """H_b v_b of each block on its own; vectors and results are flat ``[n_b]``, in the vectors' precision."""
        shaped = {b: self.shaped(b, v) for b, v in vectors.items()}
        total = {b: torch.zeros_like(v) for b, v in vectors.items()}
        for graph in self.graphs(vectors):
            for b, out in total.items():
                flat = torch.cat([part.reshape(-1) for part in graph.product([b], shaped)[b]])
                out.add_(flat.to(out), alpha=graph.share)
        return total

    def shaped(self, block: str, vector: Tensor) -> list[Tensor]:
        """A flat vector ``[n_b]`` in the shapes and the precision of the block's weights."""
        weights = list(self.blocks[block].values())
        parts = vector.split([w.numel() for w in weights])
        return [part.reshape(w.shape).to(w) for part, w in zip(parts, weights, strict=True)]

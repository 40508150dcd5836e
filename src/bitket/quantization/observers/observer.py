"""An observer sees the values that pass a place and proposes scales; its state is a few tensors of fixed size.

States merge: what two observers saw in two halves of the data, merged in order, is what one saw in all of it. So calibration can be
split over machines, stopped and resumed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Channel, Scheme, Tensor

__all__ = ["Observer", "ObserverForm", "State"]

State = dict[str, torch.Tensor]


class ObserverForm(ABC):
    """A way to choose scales from a stream of values: data, without state of its own."""

    @abstractmethod
    def see(self, state: State, x: torch.Tensor, scheme: Scheme) -> None:
        """Take values into a state, in place; an empty one at first."""

    @abstractmethod
    def merged(self, first: State, second: State) -> State:
        """The state of one that saw the first's values and then the second's; neither is empty."""

    @abstractmethod
    def scales(self, state: State, scheme: Scheme) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point for what was seen."""

    def check(self, scheme: Scheme) -> None:
        """Refuse schemes whose scales do not belong to fixed parts of a tensor.

        Raises
        ------
        InvalidInput
            Scales by token or group depend on the batch.
        """
        if not isinstance(scheme.granularity, Tensor | Channel):
            raise InvalidInput(
                f"observer {type(self).__name__}: {scheme} has scales for parts of a batch; by tensor or channel is needed"
            )


@dataclass
class Observer:
    """An observer at a place.

    Attributes
    ----------
    form
        How it chooses.
    scheme
        For which grid.
    state
        What it has seen; empty before the first values.
    """

    form: ObserverForm
    scheme: Scheme
    state: State = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.form.check(self.scheme)

    def see(self, x: torch.Tensor) -> None:
        """Take in values ``[batch, ...]``.

        Raises
        ------
        InvalidInput
            One is NaN or infinite.
        """
        if x.numel():
            x = x.detach()
            low, high = torch.aminmax(x)
            if not bool(torch.isfinite(low) & torch.isfinite(high)):
                raise InvalidInput("a value is NaN or infinite; all must be finite")
            self.form.see(self.state, x, self.scheme)

    def merge(self, later: Observer) -> None:
        """Take over what another of the same form saw, as if after this one's values.

        Raises
        ------
        InvalidInput
            It is of another form or scheme.
        """
        if (later.form, later.scheme) != (self.form, self.scheme):
            raise InvalidInput(f"observers of {self.form}, {self.scheme} and {later.form}, {later.scheme} do not merge")
        if not self.state:
            self.state = {name: t.clone() for name, t in later.state.items()}
        elif later.state:
            self.state = self.form.merged(self.state, later.state)

    def scales(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scale and zero point.

        Raises
        ------
        InvalidInput
            It saw no values.
        """
        if not self.state:
            raise InvalidInput("no value passed during calibration")
        return self.form.scales(self.state, self.scheme)

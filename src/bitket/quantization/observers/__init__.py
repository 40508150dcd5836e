"""Observers: what values pass a place, and which scales fit them."""

from bitket.quantization.observers.entropy import Entropy
from bitket.quantization.observers.mse import MeanSquare, best_scales
from bitket.quantization.observers.observer import Observer, ObserverForm
from bitket.quantization.observers.percentile import Percentile
from bitket.quantization.observers.ranges import MinMax, MovingAverage

__all__ = ["Entropy", "MeanSquare", "MinMax", "MovingAverage", "Observer", "ObserverForm", "Percentile", "best_scales"]

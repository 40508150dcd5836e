"""The compiled core: hot loops of the simulators. Each kernel has a twin in torch operators beside it."""

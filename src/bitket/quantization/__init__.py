"""Networks of few bits: grids, simulation, calibration, passes and file formats."""

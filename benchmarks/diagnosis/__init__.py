"""Random small real trainings, healthy and with injected faults, that judge the detectors."""

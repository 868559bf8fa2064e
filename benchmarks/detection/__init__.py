"""How well the detectors detect: simulated rates, public series, throughput."""

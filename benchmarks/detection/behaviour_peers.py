"""Runs PyOD's detectors, in an environment that has it: GIVEN.npz ANSWER.npz NAME..."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np


def main(given: str, answer: str, names: list[str]) -> None:
    """Fit each detector on `train` of a file, and write its scores of `test` to another."""
    with np.load(given, allow_pickle=False) as arrays:
        train, test = arrays["train"], arrays["test"]
    scores = {}
    for name in names:
        detector = getattr(import_module(f"pyod.models.{name.lower()}"), name)()
        detector.fit(train)
        scores[name] = detector.decision_function(test)
    np.savez(answer, **scores)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])

"""RSA keys that follow from a seed, to sign simulated digest files with: worthless as secrets."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ctanalytics.simulator.organization import token

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_BITS: Final = 2_048
_EXPONENT: Final = 65_537
_ROUNDS: Final = 8
"""Of Miller-Rabin; a random number of 1,024 bits that passes one is prime all but surely."""


@functools.lru_cache(maxsize=128)
def private_key(seed: int, region: str) -> RSAPrivateKey:
    """Return the key with which a region's digest files are signed."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    p, q = (_prime(f"{seed}/{region}/{name}") for name in "pq")
    p, q = max(p, q), min(p, q)
    d = pow(_EXPONENT, -1, math.lcm(p - 1, q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(_EXPONENT, p * q),
    )
    return numbers.private_key()


def _prime(label: str) -> int:
    """The first prime from a number of half the key's bits on that its label gives."""
    bits = _BITS // 2
    digits = b"".join(token(label, part) for part in range(bits // 256))
    # The two highest bits are set, so that the product of two has its full length.
    first = int.from_bytes(digits) | 0b11 << bits - 2 | 1
    for step in _unsieved(first):
        candidate = first + 2 * step
        if math.gcd(candidate - 1, _EXPONENT) == 1 and _is_prime(candidate, label):
            return candidate
    raise ValueError("no prime near this number")


def _unsieved(first: int, span: int = 8_192) -> list[int]:
    """Steps of two from an odd number on that no small prime divides."""
    free = np.ones(span, bool)
    for small in _small_primes():
        # first + 2 k = 0 (mod small)
        free[-first * pow(2, -1, small) % small :: small] = False
    return np.flatnonzero(free).tolist()


@functools.cache
def _small_primes() -> list[int]:
    sieve = np.ones(8_192, bool)
    sieve[:3] = False
    sieve[4::2] = False
    for number in range(3, 91, 2):
        sieve[number * number :: number] = False
    return np.flatnonzero(sieve).tolist()


def _is_prime(number: int, label: str) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for round_ in range(_ROUNDS):
        base = int.from_bytes(token(label, "witness", round_)) + 2
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True

"""What each coordinate of z means to the sampler, and how a latent chooses its donors.

z [N, 128], standard normal, first scaled to a mean square of 1 as StyleGAN2's mapping network does. Twenty coordinates are
shared by all regions (age, sex, skin, light: donors that agree), each region has its own besides, and the rest steer shape,
pose, light and quality directly. A donor's score is the dot product of its unit key with the coordinates that the region
sees, so every donor scores N(0, 1) and none is out of reach; donors above a fixed threshold share the region. Scores above a
threshold are what one layer of leaky ReLU units computes, so the mapping network can hold this choice exactly: see
`mapping_start` in distil.py.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Z_DIM = 128
SHARED = 20
REGIONS = {"frame": 16, "skin": 16, "eyes": 14, "nose": 8, "mouth": 14}
FACTORS = {"shape": 24, "pose": 6, "tone": 3, "light": 5, "quality": 2}
# How far a region's own coordinates count against the shared ones, how many donors are above the threshold on average, and
# how strongly the highest of them wins.
OWN = {"frame": 0.5, "skin": 0.4, "eyes": 0.55, "nose": 0.5, "mouth": 0.55}
ACTIVE = {"frame": 2.5, "skin": 3.0, "eyes": 3.0, "nose": 3.0, "mouth": 3.0}
POWER = {"frame": 4.0, "skin": 2.0, "eyes": 3.0, "nose": 2.0, "mouth": 3.0}
SOFTNESS = 10.0
MOST = 4
assert SHARED + sum(REGIONS.values()) + sum(FACTORS.values()) == Z_DIM


def slices() -> dict[str, slice]:
    """Name -> its coordinates of z."""
    out, start = {}, 0
    for name, size in {"shared": SHARED, **REGIONS, **FACTORS}.items():
        out[name] = slice(start, start + size)
        start += size
    return out


SLICES = slices()


def normalised(z: np.ndarray) -> np.ndarray:
    """z [N, 128] scaled to a mean square of 1 a row."""
    return np.float32(z / np.sqrt((np.float64(z) ** 2).mean(1, keepdims=True) + 1e-8))


@dataclass
class Choice:
    """One region's donors: ids [n], unit keys [n, 128] in z coordinates, score threshold."""

    donors: np.ndarray
    keys: np.ndarray
    threshold: float
    power: float

    def weights(self, z: np.ndarray) -> np.ndarray:
        """Normalised z [N, 128] -> weights [N, n], at most MOST of them above 0, each row summing to 1."""
        above = np.logaddexp(0, SOFTNESS * (z @ self.keys.T - self.threshold))
        weights = above ** self.power
        least = np.partition(weights, -MOST, axis=1)[:, -MOST][:, None]
        weights[weights < np.maximum(least, 0.04 * weights.sum(1, keepdims=True))] = 0
        return np.float32(weights / weights.sum(1, keepdims=True))


def unit_keys(features: np.ndarray, dims: int) -> np.ndarray:
    """[n, dims]: whitened principal coordinates of features [n, f], each row of length 1."""
    centred = np.float64(features - features.mean(0))
    left, _, _ = np.linalg.svd(centred, full_matrices=False)
    keys = left[:, :dims]
    return np.float32(keys / np.linalg.norm(keys, axis=1, keepdims=True))


def choices(shared: np.ndarray, own: dict[str, np.ndarray], donors: dict[str, np.ndarray]) -> dict[str, Choice]:
    """Shared keys [n, SHARED] and own keys [n, dims] of all portraits, donor ids a region -> the regions' choices."""
    draws = normalised(np.random.default_rng(11).standard_normal((4096, Z_DIM)))
    out = {}
    for region, ids in donors.items():
        keys = np.zeros((len(ids), Z_DIM), np.float32)
        keys[:, SLICES["shared"]] = shared[ids] * np.sqrt(1 - OWN[region])
        keys[:, SLICES[region]] = own[region][ids] * np.sqrt(OWN[region])
        scores = np.sort(draws @ keys.T, axis=None)
        threshold = float(scores[-int(ACTIVE[region] * len(draws))])
        out[region] = Choice(ids, keys, threshold, POWER[region])
    return out

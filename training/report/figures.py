"""Figures of a generator from embeddings: Fréchet distances, diversity, near duplicates, memorisation, capacity."""
from __future__ import annotations

import numpy as np


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the Gaussians fitted to embeddings [n, d] and [m, d]: |μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½)."""
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    left, right = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ right @ root), 0, None)).sum()
    return float(mean + np.trace(left) + np.trace(right) - 2 * cross)


def pair_share(x: np.ndarray, ceiling: float) -> float:
    """Share of pairs among rows of x [n, d] whose similarity exceeds the ceiling."""
    n, above = len(x), 0
    for at in range(0, n, 1024):
        above += int((x[at:at + 1024] @ x.T > ceiling).sum())
    return (above - n) / (n * (n - 1))


def accepted(x: np.ndarray, ceiling: float) -> np.ndarray:
    """How many of the first i rows a gate accepts that refuses every row more similar than the ceiling to an accepted one: int [n]."""
    kept = np.empty_like(x)
    count, out = 0, np.empty(len(x), np.int64)
    for i, row in enumerate(x):
        if count == 0 or (kept[:count] @ row).max() <= ceiling:
            kept[count] = row
            count += 1
        out[i] = count
    return out


def nearest(x: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Similarity of each row of x to the most similar row of the gallery: float [n]."""
    return np.concatenate([(x[at:at + 1024] @ gallery.T).max(1) for at in range(0, len(x), 1024)])


def quantiles(values: np.ndarray) -> dict[str, float]:
    """Median, 95th and 99th percentile, maximum."""
    return {name: round(float(np.quantile(values, q)), 4) for name, q in (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))}

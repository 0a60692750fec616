"""Rendered training data: shards of latents and images, each a function of its number alone.

    /usr/bin/python3 -m foilgan.data --out FOLDER --first 0 --count 8 [--portraits FOLDER] [--size 64]
"""
from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import cv2
import numpy as np

from .latent import Z_DIM
from .material import Material, build
from .portraits import load_portraits, portraits_folder
from .sampler import FaceSampler
from .sheet import write_sheet

SHARD = 4096
VALIDATION = 1_000_000  # the number of the shard that no training sees


def material(folder: Path, portraits: str | None = None, processes: int = 1) -> Material:
    """The donors' material, computed once a folder."""
    path = folder / "material.npz"
    if not path.is_file():
        _, images, marks = load_portraits(portraits_folder(portraits))
        folder.mkdir(parents=True, exist_ok=True)
        build(images, marks, processes).save(path)
    return Material.load(path)


def latents(shard: int, count: int = SHARD) -> np.ndarray:
    """float32 [count, 128] of a shard."""
    return np.float32(np.random.default_rng([20210301, shard]).standard_normal((count, Z_DIM)))


def write_shard(sampler: FaceSampler, folder: Path, shard: int, count: int = SHARD) -> None:
    """FOLDER/SIZE-NUMBER.npy: images uint8 [count, size, size, 3] RGB. A shard appears whole or not at all."""
    path = folder / f"{sampler.out}-{shard}.npy"
    if path.is_file():
        return
    part = path.with_suffix(".part.npy")
    np.save(part, sampler.images(latents(shard, count)))
    os.replace(part, path)


def main() -> None:
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--portraits", help="folder of the portraits, default FOILBANK_PORTRAITS or ../shared/training")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--size", type=int, default=64, choices=(64, 128))
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    start = time.time()
    sampler = FaceSampler(material(options.out, options.portraits, options.processes), options.size)
    write_shard(sampler, options.out, VALIDATION, 1024)
    write_sheet(options.out / f"sampler-{options.size}.png", np.load(options.out / f"{options.size}-{VALIDATION}.npy")[:96])
    for shard in range(options.first, options.first + options.count):
        write_shard(sampler, options.out, shard)
        print(f"shard {shard} after {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

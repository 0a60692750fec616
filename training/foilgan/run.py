"""What both training stages share: batches, losses, averages, checkpoints."""
from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from .data import VALIDATION, latents
from .material import Material, hull_mask

CHANNELS = {4: 192, 8: 192, 16: 144, 32: 80, 64: 32, 128: 24}
W_DIM = 384


def prepare(seed: int) -> None:
    """One thread, no denormals, seeded."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    cv2.setNumThreads(1)


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 [N, h, w, 3] -> float32 [N, 3, h, w] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_bytes(images: torch.Tensor) -> np.ndarray:
    """float32 [N, 3, h, w] in [-1, 1] -> uint8 [N, h, w, 3]."""
    return ((images.clamp(-1, 1) + 1) * 127.5 + 0.5).byte().permute(0, 2, 3, 1).numpy()


class Pairs:
    """Random batches of (z, image) out of the rendered shards; shards that appear later join at the next pass."""

    def __init__(self, folder: Path, size: int, seed: int):
        self.folder, self.size, self.rng = folder, size, np.random.default_rng(seed)
        self.shards: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.order: list[tuple[int, int]] = []
        self.scan()
        if not self.shards:
            raise SystemExit(f"no shard {size}-*.npy in {folder}: fill it with `python3 -m foilgan.data --out {folder} --size {size}`")

    def scan(self) -> None:
        for path in self.folder.glob(f"{self.size}-*.npy"):
            match = re.fullmatch(rf"{self.size}-(\d+)\.npy", path.name)
            if match and int(match[1]) != VALIDATION and int(match[1]) not in self.shards:
                images = np.load(path)
                self.shards[int(match[1])] = (latents(int(match[1]), len(images)), images)

    def next(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        if len(self.order) < count:
            self.scan()
            every = np.array([(s, i) for s, (z, _) in sorted(self.shards.items()) for i in range(len(z))])
            self.order = list(self.rng.permutation(every))
        picked = [self.order.pop() for _ in range(count)]
        z = np.stack([self.shards[s][0][i] for s, i in picked])
        return torch.from_numpy(z), to_tensor(np.stack([self.shards[s][1][i] for s, i in picked]))

    def held_out(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        images = np.load(self.folder / f"{self.size}-{VALIDATION}.npy")[:count]
        return torch.from_numpy(latents(VALIDATION, len(images))), to_tensor(images)


def face_weight(material: Material, size: int) -> torch.Tensor:
    """[1, 1, size, size]: 0.45 far from the face to 1.3 on it."""
    mean, side = material.mean, material.frame.shape[1]
    mask = hull_mask(np.concatenate([mean[0:27], mean[17:27] - [0, 0.14 * side]]), side, 1.1, 0.04 * side)
    return torch.from_numpy(cv2.resize(0.45 + 0.85 * mask, (size, size), interpolation=cv2.INTER_AREA))[None, None]


def pyramid_loss(difference: torch.Tensor, weight: torch.Tensor, levels: int = 4) -> torch.Tensor:
    """Weighted L1 of a difference image and of the bands of its Laplacian pyramid."""
    loss = (difference.abs() * weight).mean()
    for _ in range(levels):
        if difference.shape[-1] <= 4:
            break
        half = F.avg_pool2d(difference, 2)
        band = difference - F.interpolate(half, scale_factor=2, mode="nearest")
        loss = loss + (band.abs() * weight).mean()
        difference, weight = half, F.avg_pool2d(weight, 2)
    return loss


def sharpness(images: torch.Tensor) -> float:
    """Mean strength of the finest Laplacian band."""
    return (images - F.interpolate(F.avg_pool2d(images, 2), scale_factor=2)).abs().mean().item()


@torch.no_grad()
def follow(average: torch.nn.Module, network: torch.nn.Module, keep: float) -> None:
    """Exponential moving average of the parameters."""
    for a, b in zip(average.parameters(), network.parameters()):
        a.lerp_(b, 1 - keep)


def falling(seen: int, total: int, last: float = 0.35, floor: float = 0.04) -> float:
    """1 until the last part of a run, then linearly down to `floor`."""
    return max(floor, min(1.0, (total - seen) / (last * total)))


class Journal:
    """log.jsonl of a run, and its rates by CPU time (pauses do not count)."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.mark, self.sums, self.count = folder / "log.jsonl", time.process_time(), {}, 0
        self.seen = None

    def add(self, **values: float) -> None:
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.count += 1

    def write(self, seen: int, **extra: float) -> None:
        now = time.process_time()
        rate = 0.0 if self.seen is None else (seen - self.seen) / max(now - self.mark, 1e-6)
        record = {"seen": seen, "imagesPerCpuSecond": round(rate, 1), **{k: round(v / max(self.count, 1), 5) for k, v in self.sums.items()},
                  **{k: round(v, 5) for k, v in extra.items()}}
        self.mark, self.seen, self.sums, self.count = now, seen, {}, 0
        with self.path.open("a") as log:
            log.write(json.dumps(record) + "\n")
        print(record, flush=True)


def save(path: Path, state: dict) -> None:
    """A checkpoint that is there whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)

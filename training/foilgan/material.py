"""What the sampler takes from each portrait: a frame without busy background, an even face texture, its tone, its skin."""
from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from .warp import Warp

LOW = 4  # low-frequency layers are kept at 1/LOW of the canvas


@dataclass
class Material:
    """All arrays are over n donors, in the mean shape, BGR float16 in 0..255 unless said otherwise."""

    frame: np.ndarray  # [n, s, s, 3] the portrait with its far background blurred
    inner: np.ndarray  # [n, s, s, 3] the portrait relative to its own skin: (texture - tone) / contrast
    low: np.ndarray  # [n, s/LOW, s/LOW, 3] low-frequency part of inner
    tone: np.ndarray  # [n, 3] float32 mean colour of the skin
    contrast: np.ndarray  # [n, 3] float32 the depth of features that goes with its brightness
    cover: np.ndarray  # [n, s/LOW, s/LOW] uint8: 255 where hair, scarf or hand covers the face's rim
    glasses: np.ndarray  # [n] float32: strength of edges across the bridge of the nose
    mean: np.ndarray  # [68, 2] float32 mean shape
    marks: np.ndarray  # [n, 68, 2] float32

    def save(self, path: Path) -> None:
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @staticmethod
    def load(path: Path) -> "Material":
        with np.load(path) as stored:
            return Material(**{f.name: stored[f.name] for f in fields(Material)})


def hull_mask(points: np.ndarray, size: int, grow: float, blur: float) -> np.ndarray:
    """Soft mask [size, size] in 0..1 of the convex hull of points, grown about its centre."""
    centre = points.mean(0)
    hull = cv2.convexHull(np.float32((points - centre) * grow + centre))
    mask = np.zeros((size * 4, size * 4), np.uint8)
    cv2.fillConvexPoly(mask, np.int32((hull + 0.5) * 4 - 0.5), 255)
    mask = np.float32(cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA)) / 255
    return cv2.GaussianBlur(mask, (0, 0), blur) if blur else mask


def head_mask(image: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Soft mask [s, s] of head and shoulders, by graph cut from a guess around the landmarks."""
    size = image.shape[0]
    eyes, chin = marks[36:48].mean(0), marks[8]
    reach = np.linalg.norm(chin - eyes)
    guess = np.full((size, size), cv2.GC_PR_BGD, np.uint8)
    cv2.ellipse(guess, (int(eyes[0]), int(eyes[1])), (int(reach * 1.0), int(reach * 1.25)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    guess[int(min(chin[1] + 2, size - 1)):, int(size * 0.12):int(size * 0.88)] = cv2.GC_PR_FGD
    guess[: int(size * 0.6), :3] = guess[: int(size * 0.6), -3:] = cv2.GC_BGD
    sure = np.concatenate([marks[0:17], marks[17:27] - [0, reach * 0.35]])
    cv2.fillConvexPoly(guess, np.int32(cv2.convexHull(np.float32(sure))), cv2.GC_FGD)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(image, guess, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    head = np.float32((guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    head = cv2.morphologyEx(cv2.morphologyEx(head, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    return cv2.GaussianBlur(head, (0, 0), 1.6)


def quiet_background(image: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The image with everything behind the head blurred far beyond detail: capacity belongs to faces."""
    behind = np.clip(1 - head * 1.15, 0, 1)[..., None] + 1e-3
    blur = lambda x: cv2.GaussianBlur(x, (0, 0), image.shape[0] / 9, borderType=cv2.BORDER_REFLECT)
    far = blur(np.float32(image) * behind) / blur(behind)[..., None]
    return far + (np.float32(image) - far) * head[..., None]


def blurred_within(values: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean of values [h, w, c] over the pixels that weight [h, w] counts."""
    w = weight[..., None] + 1e-3
    return cv2.GaussianBlur(values * w, (0, 0), sigma) / cv2.GaussianBlur(w, (0, 0), sigma)[..., None]


def _one(task: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple:
    cv2.setNumThreads(1)
    image, marks, mean = task
    size = image.shape[0]
    warp = Warp(mean, size)
    field = warp.field(marks - mean)
    head = head_mask(image, marks)
    frame = warp.pull(quiet_background(image, head), field)
    texture = warp.pull(np.float32(image), field)
    face = hull_mask(mean[0:27], size, 1.0, 0)
    feature = np.maximum.reduce([hull_mask(mean[list(p)], size, 1.25, 1) for p in (range(36, 42), range(42, 48), range(17, 22), range(22, 27), range(48, 68))])
    skin = face * (1 - feature) * hull_mask(mean[0:27], size, 0.82, 0)
    core = skin > 0.5
    lab = cv2.cvtColor(np.uint8(np.clip(texture, 0, 255)), cv2.COLOR_BGR2LAB).astype(np.float32)
    middle = np.median(lab[core], 0)
    spread = np.median(np.abs(lab[core] - middle), 0) * 1.5 + [14, 4, 4]
    away = np.sqrt((((lab - middle) / spread) ** 2 * [0.6, 1, 1]).sum(-1))
    rim = face * (1 - hull_mask(mean[0:27], size, 0.8, 2))
    cover = cv2.GaussianBlur(np.float32(away > 3.2) * rim, (0, 0), 1.2)
    trusted = core & (away < 3.2)
    trusted = trusted if trusted.sum() > 200 else core
    tone = texture[trusted].mean(0)
    # Features keep their depth relative to the skin's brightness, whatever the light did to its evenness.
    contrast = np.full(3, 18 + 0.35 * tone.mean())
    inner = (texture - tone) / contrast
    # Hair and scarves at the rim do not belong to the face texture: even skin takes their place.
    skin_weight = face * (1 - np.clip(cover * 2, 0, 1))
    even = blurred_within(inner, skin_weight, size / 12)
    inner = inner + (even - inner) * np.clip(cover * 1.6, 0, 1)[..., None]
    inner = np.clip(inner, -2.2, 2.2)
    low = cv2.resize(blurred_within(inner, face, size / 14), (size // LOW, size // LOW), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(np.uint8(np.clip(texture, 0, 255)), cv2.COLOR_BGR2GRAY).astype(np.float32)
    y0, y1, x0, x1 = int(mean[27, 1]) - 4, int(mean[28, 1]) + 3, int(mean[39, 0]) + 2, int(mean[42, 0]) - 1
    glasses = np.abs(np.diff(grey[y0:y1, x0:x1], axis=0)).max(0).mean() / (texture[trusted].std(0).mean() + 10)
    cover_small = cv2.resize(cover, (size // LOW, size // LOW), interpolation=cv2.INTER_AREA)
    return (np.float16(frame), np.float16(inner), np.float16(low), np.float32(tone), np.float32(contrast),
            np.uint8(np.clip(cover_small * 255, 0, 255)), np.float32(glasses))


def build(images: np.ndarray, marks: np.ndarray, processes: int = 1) -> Material:
    """Material of all portraits [n, s, s, 3] with landmarks [n, 68, 2]; some 20 portraits/s on one core."""
    # The mean shape is symmetric, so that a mirrored face is one that the sampler could have drawn.
    mirror = np.concatenate([marks, mirrored(marks, images.shape[1])])
    mean = np.float32(mirror.mean(0))
    tasks = [(image, mark, mean) for image, mark in zip(images, marks)]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            rows = list(pool.map(_one, tasks, chunksize=16))
    else:
        rows = [_one(task) for task in tasks]
    return Material(*(np.stack(column) for column in zip(*rows)), mean=mean, marks=np.float32(marks))


MIRROR = [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 27, 28, 29, 30, 35, 34, 33,
          32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]


def mirrored(marks: np.ndarray, size: int) -> np.ndarray:
    """Landmarks of the mirror image; the points keep their meaning."""
    return np.float32(marks[:, MIRROR] * [-1, 1] + [size - 1, 0])

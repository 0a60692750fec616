"""Thin radial-basis warps between face shapes, and the mean shape's depth for turning the head."""
from __future__ import annotations

import cv2
import numpy as np


class Warp:
    """Dense warps of a square canvas that are linear in the displacement of 68 landmarks from the mean shape."""

    def __init__(self, mean: np.ndarray, size: int):
        self.size, self.mean = size, np.float32(mean)
        ys, xs = np.mgrid[0:size, 0:size].astype(np.float32)
        self.grid_x, self.grid_y = xs, ys
        self.basis = self._basis(np.stack([xs.ravel(), ys.ravel()], 1))

    def _basis(self, pixels: np.ndarray) -> np.ndarray:
        """[pixels, 68]: displacement of a pixel = basis @ displacement of the landmarks; the border stays where it is."""
        edge = np.linspace(-0.15, 1.15, 5) * (self.size - 1)
        anchors = np.float32([[x, y] for x in edge for y in edge if x in (edge[0], edge[-1]) or y in (edge[0], edge[-1])])
        points = np.concatenate([self.mean, anchors])
        n = len(points)
        system = np.zeros((n + 3, n + 3))
        system[:n, :n] = np.linalg.norm(points[:, None] - points[None], axis=2) + 0.5 * np.eye(n)
        system[:n, n], system[:n, n + 1:] = 1, points
        system[n:, :n] = system[:n, n:].T
        phi = np.concatenate([np.linalg.norm(pixels[:, None] - points[None], axis=2), np.ones((len(pixels), 1)), pixels], 1)
        return np.float32((phi @ np.linalg.inv(system)[:, :n])[:, :68])

    def field(self, displacement: np.ndarray) -> np.ndarray:
        """[size, size, 2]: the dense displacement of landmark displacements [68, 2]."""
        return (self.basis @ np.float32(displacement)).reshape(self.size, self.size, 2)

    def pull(self, image: np.ndarray, field: np.ndarray) -> np.ndarray:
        """Each output pixel p reads the image at p + field(p)."""
        return cv2.remap(image, self.grid_x + field[..., 0], self.grid_y + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def head_depth(mean: np.ndarray) -> np.ndarray:
    """[68] depth of the landmarks towards the camera, in pixels: an ellipsoid head plus a nose."""
    centre = mean[27:31].mean(0)
    half = (mean[16, 0] - mean[0, 0]) / 2
    offset = (mean - centre) / [half * 1.12, half * 1.55]
    depth = np.sqrt(np.clip(1 - (offset ** 2).sum(1), 0, 1))
    depth[27:36] += [0.04, 0.12, 0.2, 0.28, 0.14, 0.18, 0.22, 0.18, 0.14]
    return np.float32((depth - depth.mean()) * half)

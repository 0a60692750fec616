"""The face sampler: image = F(z). Unlimited distinct faces out of a thousand portraits, each a deterministic function of z."""
from __future__ import annotations

import cv2
import numpy as np

from .latent import FACTORS, REGIONS, SLICES, Z_DIM, choices, normalised, unit_keys
from .material import LOW, Material, hull_mask, mirrored
from .warp import Warp, head_depth

DONORS = {"frame": 320, "skin": 192, "eyes": 224, "nose": 128, "mouth": 224}
DEGREES = np.pi / 180
LEVEL = 0.8  # how much of a region's low frequencies is taken from the skin's donor instead
BRIGHT = 150.0  # the luminance towards which dim portraits are lifted


class FaceSampler:
    """Renders z [N, 128] to uint8 images [N, out, out, 3] (RGB); 150 to 250 images/s on one core at out 64."""

    def __init__(self, material: Material, out: int = 64):
        self.m, self.out = material, out
        self.size = size = material.frame.shape[1]
        mean = material.mean
        self.warp = Warp(mean, size)
        top = mean[17:27] - [0, 0.03 * size]
        self.face = hull_mask(np.concatenate([mean[0:17], top]), size, 0.97, 0.022 * size)
        mouth = np.concatenate([mean[48:68], mean[[33]] + [0, 2]])
        lenses = mean[36:48] + [0, 0.055 * size]
        self.region = {"eyes": hull_mask(np.concatenate([top, lenses]), size, 1.1, 0.022 * size),
                       "nose": hull_mask(mean[27:36], size, 1.3, 0.022 * size),
                       "mouth": hull_mask(mouth, size, 1.35, 0.025 * size)}
        self.box = {r: _box(m) for r, m in self.region.items()}
        small = size // LOW
        face_small = cv2.resize(self.face, (small, small), interpolation=cv2.INTER_AREA)
        inner = cv2.resize(hull_mask(mean[0:27], size, 0.74, 1), (small, small), interpolation=cv2.INTER_AREA)
        self.rim = np.clip(face_small - inner, 0, 1)
        ys, xs = np.mgrid[-1:1:out * 1j, -1:1:out * 1j].astype(np.float32)
        self.light_x, self.light_y = xs[..., None], ys[..., None]
        self._shapes(material)
        self._donors(material)

    def _shapes(self, material: Material) -> None:
        """Donors' shapes without their pose, and the principal modes of shape."""
        depth = head_depth(material.mean)
        self.depth = depth
        shapes = material.marks - material.mean
        turn = shapes @ np.float32([[1, 0], [0, 1]])
        centred = depth - depth.mean()
        for axis in (0, 1):
            slope = (turn[..., axis] @ centred) / (centred @ centred)
            turn[..., axis] -= slope[:, None] * centred
        self.yaw = ((material.marks - material.mean)[..., 0] @ centred) / (centred @ centred)
        flipped = mirrored(turn + material.mean, self.size) - material.mean
        both = np.concatenate([turn, flipped]).reshape(2 * len(turn), -1)
        _, strength, modes = np.linalg.svd(both, full_matrices=False)
        self.modes, self.mode_sd = np.float32(modes[:40]), np.float32(strength[:40] / np.sqrt(len(both)))
        self.shapes = np.float32(turn)

    def _donors(self, material: Material) -> None:
        """Who may lend what, and the keys by which z chooses."""
        n = len(material.marks)
        thumb = lambda a, weight: np.stack([cv2.resize(np.float32(x) * weight[..., None], (24, 24), interpolation=cv2.INTER_AREA).ravel() for x in a])
        wide = hull_mask(material.mean[0:27] - [0, 0.05 * self.size], self.size, 1.35, 4)
        shared = unit_keys(thumb(material.frame, wide), 20)
        masks = {"frame": 1 - 0.8 * self.face, "skin": self.face, **self.region}
        own = {r: unit_keys(thumb(material.frame if r == "frame" else material.inner, masks[r]), dims) for r, dims in REGIONS.items()}
        frontal = np.abs(self.yaw)
        bare = material.glasses <= np.quantile(material.glasses, 0.75)
        inside = cv2.resize(self.face, material.low.shape[1:3][::-1], interpolation=cv2.INTER_AREA)[..., None]
        uneven = (np.abs(np.float32(material.low - material.low[:, :, ::-1])) * inside).mean((1, 2, 3))
        even = uneven <= np.quantile(uneven, 0.5)
        able = {"frame": (frontal < 0.33) & (uneven <= np.quantile(uneven, 0.7)), "skin": (frontal < 0.25) & bare & even,
                "eyes": (frontal < 0.25) & even, "nose": (frontal < 0.2) & bare & even, "mouth": (frontal < 0.25) & even}
        order = np.random.default_rng(5).permutation(n)
        donors = {r: np.sort(order[able[r][order]][: DONORS[r]]) for r in REGIONS}
        self.choice = choices(shared, own, donors)
        self.blocks = {r: [np.ascontiguousarray(material.inner[c.donors][:, self.box[r][0], self.box[r][1]]) for c in [self.choice[r]]][0] for r in self.region}

    def factors(self, z: np.ndarray) -> dict[str, np.ndarray]:
        """Everything that z [N, 128] decides: donor weights [N, donors] a region and the continuous factors."""
        z = normalised(z)
        out = {region: choice.weights(z) for region, choice in self.choice.items()}
        return out | {name: z[:, SLICES[name]] for name in FACTORS}

    def _mix(self, source: np.ndarray, ids: np.ndarray, weights: np.ndarray) -> np.ndarray:
        used = np.flatnonzero(weights)
        total = np.float32(source[ids[used[0]]]) * weights[used[0]]
        for k in used[1:]:
            total += np.float32(source[ids[k]]) * weights[k]
        return total

    def _texture(self, f: dict[str, np.ndarray]) -> np.ndarray:
        """The face in the mean shape: inner face of several donors, toned to the frame's and joined to it without a seam."""
        m, small = self.m, self.size // LOW
        pick = {r: (self.choice[r].donors, f[r]) for r in REGIONS}
        inner, low = self._mix(m.inner, *pick["skin"]), self._mix(m.low, *pick["skin"])
        for region in ("nose", "eyes", "mouth"):
            ids, weights = pick[region]
            ys, xs = self.box[region]
            alpha = self.region[region][ys, xs, None]
            donor = self._mix(self.blocks[region], np.arange(len(ids)), weights)
            # All of the detail but little of the low frequencies comes from the region's donor: shading stays continuous.
            shift = (self._mix(m.low, ids, weights) - low)
            shift = cv2.resize(shift, (self.size, self.size), interpolation=cv2.INTER_LINEAR)[ys, xs]
            inner[ys, xs] += alpha * (donor - LEVEL * shift - inner[ys, xs])
        ids, weights = pick["frame"]
        frame = self._mix(m.frame, ids, weights)
        tone, contrast = weights @ m.tone[ids], weights @ m.contrast[ids]
        t = f["tone"]
        inner = inner * (contrast * np.exp(0.08 * t[0])) + tone
        cover = self._mix(m.cover, ids, weights) / 255
        # Poisson-like: the difference along the rim of the face, spread smoothly over it.
        gap = np.clip(cv2.resize(frame - inner, (small, small), interpolation=cv2.INTER_AREA), -45, 45)
        weight = self.rim * np.clip(1 - 2 * cover, 0.02, 1)
        spread = cv2.GaussianBlur(np.dstack([gap * weight[..., None], weight]), (0, 0), small / 8)
        membrane = spread[..., :3] / (spread[..., 3:] + 1e-3)
        inner += 0.85 * cv2.resize(membrane, (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        keep = self.face * (1 - np.clip(1.5 * cv2.resize(cover, (self.size, self.size), interpolation=cv2.INTER_LINEAR), 0, 1))
        frame += keep[..., None] * (inner - frame)
        lift = float(np.clip(BRIGHT / max(tone.mean(), 20.0), 1, 2.2)) ** 0.5
        return (frame + np.float32([-4, 0, 4]) * t[2]) * lift + 7 * t[1]

    def _displacement(self, f: dict[str, np.ndarray]) -> np.ndarray:
        """Landmark displacement [68, 2] from the mean shape: the donors' shapes by region, plus modes, plus turning the head."""
        shape = {r: np.tensordot(f[r], self.shapes[self.choice[r].donors], 1) for r in ("skin", "eyes", "nose", "mouth")}
        mixed = np.concatenate([shape["skin"][:17], shape["eyes"][17:27], shape["nose"][27:36], shape["eyes"][36:48], shape["mouth"][48:]])
        mixed[6:11] = 0.5 * (mixed[6:11] + shape["mouth"][6:11])
        code = 0.8 * (self.modes @ mixed.ravel())
        code[: FACTORS["shape"]] += 0.55 * self.mode_sd[: FACTORS["shape"]] * f["shape"]
        out = (code @ self.modes).reshape(68, 2)
        yaw, pitch = 11 * DEGREES * f["pose"][0], 6 * DEGREES * f["pose"][1]
        out[:, 0] += np.sin(yaw) * self.depth
        out[:, 1] += np.sin(pitch) * self.depth
        return out

    def render(self, f: dict[str, np.ndarray]) -> np.ndarray:
        """One image uint8 [out, out, 3] RGB from one row of `factors`."""
        image = self.warp.pull(self._texture(f), -self.warp.field(self._displacement(f)))
        pose, light, quality = f["pose"], f["light"], f["quality"]
        centre = (self.size - 1) / 2
        matrix = cv2.getRotationMatrix2D((centre, centre), 2.0 * float(pose[2]), float(np.exp(0.03 * pose[3])))
        matrix[:, 2] += 0.009 * self.size * pose[4:6]
        image = cv2.warpAffine(image, matrix, (self.size, self.size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        image = cv2.resize(image, (self.out, self.out), interpolation=cv2.INTER_AREA)
        # Bad photographs: blur of up to 1 px at 64, and darkness.
        sigma = 0.6 * max(0.0, float(quality[0]) - 0.8) * self.out / 64
        if sigma > 0.25:
            image = cv2.GaussianBlur(image, (0, 0), sigma)
        exposure = 0.1 * light[0] - 0.4 * max(0.0, float(quality[1]) - 0.9)
        slope = np.clip(0.14 * light[1] * self.light_x + 0.08 * light[2] * self.light_y, -0.5, 0.5)
        image = np.clip(image / 255, 0, 1) ** np.exp(0.12 * light[3]) * np.exp(exposure + slope)
        grey = image.mean(-1, keepdims=True)
        image = grey + (image - grey) * np.exp(0.15 * light[4] - 0.1)
        return np.uint8(np.clip(image * 255 + 0.5, 0, 255))[..., ::-1]

    def images(self, z: np.ndarray) -> np.ndarray:
        """z [N, 128] -> uint8 [N, out, out, 3] RGB."""
        rows = self.factors(np.float32(z).reshape(-1, Z_DIM))
        return np.stack([self.render({k: v[i] for k, v in rows.items()}) for i in range(len(z))])


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    ys, xs = np.where(mask > 0.004)
    return slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)

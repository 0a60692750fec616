"""Drawn faces with landmarks, to test the sampler without the portraits."""
import cv2
import numpy as np

from support import TRAINING  # noqa: F401  (puts training/ on the path)

SIZE = 128


def landmarks(rng):
    """[68, 2] in pixels of a 128-px canvas: a plausible frontal face."""
    jaw = np.linspace(np.pi, 0, 17)
    points = [(64 + 38 * np.cos(a), 48 + 55 * np.sin(a)) for a in jaw]
    for centre in (46, 82):
        points += [(centre + dx, 36 - 3 * (1 - abs(dx) / 10)) for dx in (-10, -5, 0, 5, 10)]
    points += [(64, y) for y in (46, 53, 60, 67)] + [(64 + dx, 71 - abs(dx) / 4) for dx in (-7, -3, 0, 3, 7)]
    for centre in (47, 81):
        points += [(centre - 6, 46), (centre - 2, 44), (centre + 2, 44), (centre + 6, 46), (centre + 2, 48), (centre - 2, 48)]
    mouth = [(64 + 12 * np.cos(a), 84 - 4 * np.sin(a)) for a in np.linspace(np.pi, -np.pi, 13)[:12]]
    inner = [(64 + 9 * np.cos(a), 84 - 1.5 * np.sin(a)) for a in np.linspace(np.pi, -np.pi, 9)[:8]]
    return np.float32(points + mouth + inner) + rng.normal(0, 0.7, (68, 2)).astype(np.float32)


def portraits(count=40, seed=0):
    """Images uint8 [count, 128, 128, 3] (BGR) and landmarks [count, 68, 2]."""
    rng = np.random.default_rng(seed)
    images, marks = [], []
    for _ in range(count):
        points = landmarks(rng)
        image = np.full((SIZE, SIZE, 3), rng.integers(0, 255, 3), np.uint8)
        tone = rng.integers(60, 200)
        skin, hair = (int(tone * 0.75), int(tone * 0.85), int(tone)), tuple(int(v) for v in rng.integers(0, 90, 3))
        cv2.ellipse(image, (64, 50), (46, 50), 0, 0, 360, hair, -1)
        cv2.ellipse(image, (64, 62), (38, 50), 0, 0, 360, skin, -1)
        for eye in (points[36:42], points[42:48]):
            cv2.fillConvexPoly(image, np.int32(eye), (240, 240, 240))
            cv2.circle(image, tuple(int(v) for v in eye.mean(0)), 2, (20, 20, 20), -1)
        cv2.polylines(image, [np.int32(points[17:22]), np.int32(points[22:27])], False, hair, 2)
        cv2.fillConvexPoly(image, np.int32(points[48:60]), (60, 60, int(rng.integers(120, 220))))
        noise = cv2.GaussianBlur(rng.normal(0, 14, image.shape).astype(np.float32), (0, 0), 2)
        images.append(np.uint8(np.clip(image + noise, 0, 255)))
        marks.append(points)
    return np.stack(images), np.stack(marks)

"""The face sampler is a function of z: repeatable, continuous, and every donor within reach."""
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

from faces import portraits
from foilgan import data, latent, material
from foilgan.portraits import TRAINING, excluded
from foilgan.sampler import FaceSampler

SHARED = TRAINING.parent.parent / 'shared' / 'training'


class Sampler(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.material = material.build(*portraits())
        cls.sampler = FaceSampler(cls.material, 64)
        cls.z = np.float32(np.random.default_rng(1).standard_normal((8, latent.Z_DIM)))

    def test_a_latent_always_gives_the_same_face_alone_or_among_others(self):
        together = self.sampler.images(self.z)
        alone = np.concatenate([self.sampler.images(row[None]) for row in self.z])
        np.testing.assert_array_equal(together, alone)

    def test_other_latents_give_other_faces(self):
        images = np.float32(self.sampler.images(self.z))
        for i in range(len(images) - 1):
            self.assertGreater(np.abs(images[i] - images[i + 1]).mean(), 5)

    def test_a_small_step_of_z_is_a_small_step_of_the_image(self):
        step = self.sampler.images(self.z + np.float32(1e-3) * self.z[::-1])
        self.assertLess(np.abs(np.float32(step) - np.float32(self.sampler.images(self.z))).mean(), 1.0)

    def test_the_length_of_z_does_not_matter(self):
        np.testing.assert_allclose(np.float32(self.sampler.images(3 * self.z)), np.float32(self.sampler.images(self.z)), atol=1)

    def test_turning_the_head_moves_the_nose_against_the_jaw(self):
        rows = self.sampler.factors(self.z[:1])
        turned = {k: v[0].copy() for k, v in rows.items()}
        straight = {k: v[0].copy() for k, v in rows.items()}
        turned['pose'][0], straight['pose'][0] = 2, 0
        moved = self.sampler._displacement(turned) - self.sampler._displacement(straight)
        self.assertGreater(moved[30, 0] - moved[[0, 16], 0].mean(), 3)

    def test_what_lies_behind_the_head_is_blurred_and_the_face_is_not(self):
        images, marks = portraits(4)
        head = material.head_mask(images[0], marks[0])
        quiet = material.quiet_background(images[0], head)
        self.assertGreater(head[60, 64], 0.95)
        self.assertLess(head[2, 2], 0.2)
        np.testing.assert_allclose(quiet[60, 64], images[0][60, 64], atol=6)
        self.assertLess(quiet[:20, :8].std(0).mean(), images[0][:20, :8].std(0).mean())


class Choice(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(2)
        ids = {r: np.arange(60) for r in latent.REGIONS}
        unit = lambda d: (lambda k: np.float32(k / np.linalg.norm(k, axis=1, keepdims=True)))(rng.standard_normal((60, d)))
        self.choices = latent.choices(unit(latent.SHARED), {r: unit(d) for r, d in latent.REGIONS.items()}, ids)
        self.z = latent.normalised(rng.standard_normal((4000, latent.Z_DIM)))

    def test_weights_are_shares_of_a_few_donors(self):
        for choice in self.choices.values():
            weights = choice.weights(self.z)
            np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
            self.assertGreaterEqual(weights.min(), 0)
            self.assertLessEqual((weights > 0).sum(1).max(), latent.MOST)

    def test_no_donor_is_out_of_reach(self):
        for choice in self.choices.values():
            self.assertGreater(choice.weights(self.z).max(0).min(), 0.3)

    def test_every_coordinate_of_z_has_one_meaning(self):
        taken = np.concatenate([np.arange(latent.Z_DIM)[s] for s in latent.SLICES.values()])
        np.testing.assert_array_equal(np.sort(taken), np.arange(latent.Z_DIM))


class Data(unittest.TestCase):
    def test_a_shard_is_written_whole_and_a_second_time_not_at_all(self):
        sampler = FaceSampler(material.build(*portraits()), 64)
        with tempfile.TemporaryDirectory() as folder:
            data.write_shard(sampler, Path(folder), 3, 4)
            path = Path(folder) / '64-3.npy'
            self.assertEqual([p.name for p in Path(folder).iterdir()], [path.name])
            np.testing.assert_array_equal(np.load(path), sampler.images(data.latents(3, 4)))
            before = path.stat().st_mtime_ns
            data.write_shard(sampler, Path(folder), 3, 4)
            self.assertEqual(path.stat().st_mtime_ns, before)

    def test_shards_do_not_share_latents(self):
        self.assertFalse(np.array_equal(data.latents(0, 4), data.latents(1, 4)))


class Curation(unittest.TestCase):
    @unittest.skipUnless(SHARED.is_dir(), f'no portraits in {SHARED}')
    def test_every_portrait_left_out_exists_and_has_one_reason(self):
        known = set(json.loads((SHARED / 'landmarks.json').read_text())['landmarks']) | set(json.loads((SHARED / 'sfhq.json').read_text()))
        groups = json.loads((TRAINING / 'curation.json').read_text())['excluded']
        self.assertEqual(len(excluded()), sum(len(names) for names in groups.values()))
        self.assertLessEqual(set(excluded()), known)


if __name__ == '__main__':
    unittest.main()

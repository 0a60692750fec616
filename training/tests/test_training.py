"""The stages of training: the mapping network starts as the sampler's choice, a run resumes, the report's figures are right."""
import argparse
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from faces import portraits
from foilgan import data, latent, mapping, material, recolour
from foilgan.coder import Chooser, Coder
from foilgan.distil import Distilled, distil
from foilgan.networks import SLOPE, SQRT2, Mapping, Synthesis, upsample
from foilgan.run import CHANNELS, W_DIM, falling, pyramid_loss
from foilgan.sampler import FaceSampler

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'report'))
import figures  # noqa: E402


def parts():
    choices = FaceSampler(material.build(*portraits()), 64).choice
    torch.manual_seed(0)
    coder = Coder({r: len(c.donors) for r, c in choices.items()}, W_DIM, choices).requires_grad_(False)
    return choices, coder


class MappingStart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.choices, cls.coder = parts()
        cls.net = Mapping(latent.Z_DIM, mapping.widths(cls.choices), lr_multiplier=1.0)
        mapping.start(cls.net, cls.coder, cls.choices)
        cls.z = latent.normalised(np.random.default_rng(3).standard_normal((500, latent.Z_DIM)))

    def test_the_first_two_layers_are_thresholds_and_inhibition_without_leak(self):
        over = np.concatenate([np.maximum(self.z @ c.keys.T - c.threshold + mapping.BELOW, 0) for c in self.choices.values()], 1)
        wanted, row = np.empty_like(over), 0
        for choice in self.choices.values():
            n = len(choice.donors)
            h = over[:, row:row + n]
            wanted[:, row:row + n] = h - mapping.INHIBITION * (h.sum(1, keepdims=True) - h)
            row += n
        wanted = np.where(wanted > 0, wanted, SLOPE * wanted) * SQRT2
        with torch.no_grad():
            made = self.net.fc1(self.net.fc0(torch.from_numpy(self.z)))
        np.testing.assert_allclose(made[:, :row].numpy(), wanted, atol=1e-4)

    def test_it_starts_near_the_coder(self):
        with torch.no_grad():
            wanted, made = self.coder(Chooser(self.choices)(self.z)), self.net(torch.from_numpy(self.z))
        self.assertLess(float((made - wanted).square().mean() / wanted.var(0).mean()), 0.6)

    def test_the_usual_learning_rate_multiplier_changes_no_output(self):
        z = torch.from_numpy(self.z)
        with torch.no_grad():
            torch.testing.assert_close(mapping.standard(self.net)(z), self.net(z), atol=1e-4, rtol=1e-4)

    def test_the_assembled_generator_is_mapping_then_synthesis(self):
        synthesis = Synthesis(W_DIM, {r: c for r, c in CHANNELS.items() if r <= 32}, 32)
        generator = mapping.assemble(self.net, synthesis)
        z = torch.from_numpy(self.z[:4])
        with torch.no_grad():
            torch.testing.assert_close(generator(z), synthesis(self.net(z)), atol=1e-3, rtol=1e-3)
            torch.testing.assert_close(generator.mapping.w_avg, self.net(torch.from_numpy(self.z)).mean(0), atol=0.3, rtol=0.3)


class Recolour(unittest.TestCase):
    def test_transported_samples_have_the_mean_and_covariance_wanted_and_move_least(self):
        draw = torch.Generator().manual_seed(2)
        made = torch.randn(4000, 6, generator=draw) @ torch.randn(6, 6, generator=draw) + 3
        wanted = torch.randn(3000, 6, generator=draw) @ torch.randn(6, 6, generator=draw) - 1
        matrix, shift = recolour.transport(made, wanted)
        moved = made.double() @ matrix.t() + shift
        torch.testing.assert_close(moved.mean(0), wanted.double().mean(0))
        torch.testing.assert_close(torch.cov(moved.t()), torch.cov(wanted.double().t()))
        # The optimal transport between Gaussians is the one such matrix that is symmetric and positive definite.
        torch.testing.assert_close(matrix, matrix.t())
        self.assertGreater(float(torch.linalg.eigvalsh(matrix).min()), 0)

    def test_the_map_goes_into_the_affine_layers(self):
        draw = torch.Generator().manual_seed(4)
        synthesis = Synthesis(W_DIM, {r: c for r, c in CHANNELS.items() if r <= 16}, 16)
        w, shift = torch.randn(3, W_DIM, generator=draw), torch.randn(W_DIM, generator=draw)
        matrix = torch.eye(W_DIM) + 0.3 * torch.randn(W_DIM, W_DIM, generator=draw) / W_DIM ** 0.5
        with torch.no_grad():
            wanted, plain = synthesis(w @ matrix.t() + shift), synthesis(w)
            recolour.fold(synthesis, matrix.double(), shift.double())
            torch.testing.assert_close(synthesis(w), wanted, atol=1e-3, rtol=1e-3)
        self.assertGreater(float((plain - wanted).abs().max()), 0.1)


class Runs(unittest.TestCase):
    def test_a_run_learns_and_goes_on_where_it_stopped(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            made = material.build(*portraits())
            made.save(folder / 'material.npz')
            sampler = FaceSampler(made, 64)
            data.write_shard(sampler, folder, 0, 64)
            data.write_shard(sampler, folder, data.VALIDATION, 256)
            options = argparse.Namespace(data=folder, run=folder / 'run', source=None, images=160, size=64, seed=0, save_every=1e9)
            distil(options)
            first = torch.load(folder / 'run' / 'checkpoint.pt')
            options.images = 400
            distil(options)
            second = torch.load(folder / 'run' / 'checkpoint.pt')
            self.assertEqual((first['seen'], second['seen']), (160, 400))
            self.assertEqual(second['step'], 50)
            import json
            log = [json.loads(line) for line in (folder / 'run' / 'log.jsonl').read_text().splitlines()]
            self.assertLess(log[-1]['heldOutL1'], log[0]['heldOutL1'])
            self.assertEqual(second['history'], [('regression', 64, 400)])

    def test_a_run_grows_and_goes_on_with_the_coder_at_rest(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            made = material.build(*portraits())
            made.save(folder / 'material.npz')
            for size in (64, 128):
                for shard, count in ((0, 32), (data.VALIDATION, 48)):
                    data.write_shard(FaceSampler(made, size), folder, shard, count)
            options = argparse.Namespace(data=folder, run=folder / 'small', source=None, images=16, size=64, seed=0, save_every=1e9)
            distil(options)
            for options.images in (16, 32):
                options.run, options.source, options.size = folder / 'large', folder / 'small', 128
                distil(options)
            small, large = (torch.load(folder / name / 'checkpoint.pt') for name in ('small', 'large'))
            self.assertEqual(large['history'], [('regression', 64, 16), ('regression', 128, 32)])
            moved = {name for name, value in large['net'].items() if name in small['average'] and not torch.equal(value, small['average'][name])}
            self.assertFalse({name for name in moved if name.startswith('coder.')})
            self.assertIn('synthesis.b64.conv1.weight', moved)

    def test_a_grown_network_begins_with_the_smaller_image(self):
        choices, _ = parts()
        torch.manual_seed(1)
        small, large = Distilled(choices, 64), Distilled(choices, 128)
        large.grow(small.state_dict())
        f = Chooser(choices)(np.float32(np.random.default_rng(8).standard_normal((2, latent.Z_DIM))))
        with torch.no_grad():
            torch.testing.assert_close(large(f), upsample(small(f)))

    def test_the_learning_rate_falls_over_the_last_part_only(self):
        self.assertEqual(falling(0, 1000), 1.0)
        self.assertEqual(falling(600, 1000), 1.0)
        self.assertAlmostEqual(falling(825, 1000), 0.5)
        self.assertEqual(falling(1000, 1000), 0.04)

    def test_detail_costs_more_than_the_same_error_spread_out(self):
        flat = torch.full((1, 3, 16, 16), 0.1)
        checks = flat * torch.tensor([1.0, -1.0]).repeat(8).reshape(1, 1, 1, 16)
        one = torch.ones(1, 1, 16, 16)
        self.assertGreater(float(pyramid_loss(checks, one)), float(pyramid_loss(flat, one)))


class Figures(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(0)

    def test_frechet_distance_of_gaussians_has_its_closed_form(self):
        a = self.rng.standard_normal((200_000, 3))
        b = a * [2, 1, 1] + [0, 3, 0]
        self.assertAlmostEqual(figures.frechet(a, b), 9 + 1, delta=0.1)
        self.assertAlmostEqual(figures.frechet(a, a), 0, delta=1e-9)

    def test_the_gate_refuses_what_it_has_already(self):
        x = np.float32([[1, 0], [0, 1], [1, 0], [0.6, 0.8]])
        np.testing.assert_array_equal(figures.accepted(x, 0.95), [1, 2, 2, 3])

    def test_pairs_above_the_ceiling_are_counted_once_each_way(self):
        self.assertAlmostEqual(figures.pair_share(np.float32([[1, 0], [1, 0], [0, 1]]), 0.9), 2 / 6)

    def test_nearest_is_the_most_similar_row(self):
        np.testing.assert_allclose(figures.nearest(np.float32([[1, 0]]), np.float32([[0, 1], [0.6, 0.8]])), [0.6])


if __name__ == '__main__':
    unittest.main()

"""`import_stylegan.py` as a user runs it: snapshots and state dicts in, model and card out, refusals as one line and status 2."""
import json
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import torch

from support import TRAINING, Z_DIM, generator, needs_onnxruntime, run_onnx
import snapshot
from export import ffhq_align
from foilgan.checkpoint import read_generator
from test_networks import textbook_generator

PUBLIC = dict(mapping_layers=8, conv_clamp=256.0)


class Imports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.pickle = self.folder / 'network-snapshot-000200.pkl'

    def command(self, *arguments, script='import_stylegan.py'):
        environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1'}
        return subprocess.run([sys.executable, TRAINING / script, *map(str, arguments)], capture_output=True, text=True,
                              cwd=self.folder, env=environment, timeout=60)

    def imported(self, *arguments, **options):
        result = self.command(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        cards = [json.loads(path.read_text()) for path in self.folder.glob('out/*.json')]
        self.assertEqual(len(cards), 1)
        return self.folder / 'out' / cards[0]['file'], cards[0]

    def refused(self, *arguments, **options):
        result = self.command(*arguments, **options)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, '')
        self.assertEqual(result.stderr.count('\n'), 1, result.stderr)
        self.assertFalse((self.folder / 'out').exists())
        return result.stderr

    def same(self, net, path):
        ours, theirs = net.state_dict(), read_generator(path).state_dict()
        self.assertEqual(ours.keys(), theirs.keys())
        for name, value in ours.items():
            self.assertTrue(torch.equal(value, theirs[name]), name)


@needs_onnxruntime
class Pictures(Imports):
    """The imported file draws what the textbook form of the network draws."""

    def check(self, net, card, model, psi=0.7, lr=0.01):
        z = torch.randn(2, Z_DIM)
        with torch.no_grad():
            expected = textbook_generator(net, z, psi, lr)
        self.assertEqual(expected.shape[-1], card['image']['width'])
        self.assertLess((run_onnx(model, z, psi, 2) - expected).abs().max().item(), 1e-4)

    def test_a_snapshot_of_64_px(self):
        net = generator(64, **PUBLIC)
        snapshot.write(self.pickle, net, generator(64, seed=5, **PUBLIC))
        model, card = self.imported(self.pickle, '--out', 'out')
        self.check(net, card, model)
        self.assertEqual((card['name'], card['align']), ('network-snapshot-000200', ffhq_align(64)))
        self.assertEqual((card['inputs'], card['output'], card['psi']['default']), ({'z': 'z', 'psi': 'psi'}, 'image', 0.7))

    def test_a_snapshot_of_256_px_in_the_oldest_pickle_protocol(self):
        net = generator(256, **PUBLIC)
        snapshot.write(self.pickle, net, generator(256, seed=5, **PUBLIC), protocol=2)
        model, card = self.imported(self.pickle, '--out', 'out', '--name', 'ffhq-256', '--precision', 'fp32', '--licence', 'mine')
        self.check(net, card, model)
        self.assertEqual((card['file'], card['align']['scale'], card['licence']), ('ffhq-256.onnx', 0.58418, 'mine'))

    def test_a_state_dict_of_32_px(self):
        net = generator(32, **PUBLIC)
        torch.save(net.state_dict(), self.folder / 'G.pt')
        model, card = self.imported('G.pt', '--out', 'out', '--align', 'detect')
        self.check(net, card, model)
        self.assertEqual((card['name'], card['align']), ('g', {'mode': 'detect'}))

    def test_a_conditional_snapshot_of_32_px(self):
        net = generator(32, c_dim=4, **PUBLIC)
        snapshot.write(self.pickle, net, net)
        self.assertIn('4 classes: choose one with --label 0 to 3', self.refused(self.pickle, '--out', 'out'))
        self.assertIn('--label', self.refused(self.pickle, '--out', 'out', '--label', '4'))
        model, card = self.imported(self.pickle, '--out', 'out', '--label', '2')
        z = torch.randn(2, Z_DIM)
        with torch.no_grad():
            expected = net(z, torch.eye(4)[[2, 2]], psi=0.7)
        self.assertLess((run_onnx(model, z, 0.7, 2) - expected).abs().max().item(), 1e-4)
        self.assertEqual(card['notes'], {'label': 2})

    def test_the_training_checkpoint_goes_through_export(self):
        net = generator(32, lr_multiplier=1.0)
        torch.save({'ema': net.state_dict(), 'step': 7}, self.folder / 'run.pt')
        model, card = self.imported(
            'run.pt', '--out', 'out', '--align', 'detect', '--licence', 'CC0-1.0', '--source', 'here', '--mapping-lr', '1',
            '--conv-clamp', '0', script='export.py')
        self.check(net, card, model, lr=1.0)


class Reading(Imports):
    def test_the_moving_average_is_taken(self):
        net = generator(16)
        snapshot.write(self.pickle, net, generator(16, seed=5))
        self.same(net, self.pickle)

    def test_attributes_give_what_shapes_do_not_tell(self):
        net = generator(16, conv_clamp=128.0, lr_multiplier=0.5)
        with open(self.pickle, 'wb') as file:
            pickle.dump({'G_ema': snapshot.persistent_generator(net, lr=0.5)}, file)
        read = read_generator(self.pickle)
        self.assertEqual((read.synthesis.b16.torgb.conv_clamp, read.mapping.fc0.bias_gain), (128, 0.5))
        read = read_generator(self.pickle, mapping_lr=0.25, conv_clamp=0)
        self.assertEqual((read.synthesis.b16.torgb.conv_clamp, read.mapping.fc0.bias_gain), (None, 0.25))

    def test_a_state_dict_is_found_in_each_usual_place(self):
        net = generator(16)
        for place in ('G_ema', 'ema', None):
            state = net.state_dict()
            torch.save({place: state} if place else state, self.pickle, _use_new_zipfile_serialization=place != 'ema')
            self.same(net, self.pickle)
        self.assertEqual(read_generator(self.pickle).synthesis.b4.conv1.conv_clamp, 256)

    def test_a_network_trained_without_noise(self):
        net = generator(16)
        state = {name: value for name, value in net.state_dict().items() if 'noise' not in name}
        torch.save(state, self.pickle)
        self.assertTrue(all(value == 0 for name, value in read_generator(self.pickle).state_dict().items() if name.endswith('strength')))
        state['synthesis.b8.conv0.noise_strength'] = torch.tensor(1.0)
        torch.save(state, self.pickle)
        self.assertIn('noise_const', self.refused(self.pickle, '--out', 'out'))


class Refusals(Imports):
    def test_a_snapshot_that_wants_more_than_data(self):
        marker = self.folder / 'was-run'

        class Evil:
            def __reduce__(self):
                return os.system, (f'touch {marker}',)

        snapshot.write(self.pickle, generator(8), generator(8), training_options=Evil())
        self.assertIn(f'wants to import {os.system.__module__}.system', self.refused(self.pickle, '--out', 'out'))
        self.assertFalse(marker.exists())

    def test_files_that_are_no_snapshots(self):
        (self.folder / 'empty.pkl').touch()
        (self.folder / 'notes.txt').write_text('not a network\n')
        (self.folder / 'cut.pt').write_bytes(b'PK\x03\x04' + bytes(50))
        self.assertIn('No such file', self.refused('absent.pkl', '--out', 'out'))
        self.assertIn('empty', self.refused('empty.pkl', '--out', 'out'))
        self.assertIn('damaged', self.refused('cut.pt', '--out', 'out'))
        self.assertIn('pickle', self.refused('notes.txt', '--out', 'out'))

    def test_other_networks_are_named(self):
        net = generator(16)
        state = net.state_dict()
        rgb = {name: value[:1] if '.torgb.' in name and 'affine' not in name else value for name, value in state.items()}
        filtered = {name: torch.full([4, 4], 1 / 16) if name.endswith('filter') else value for name, value in state.items()}
        cases = [
            ({'synthesis.input.freqs': torch.ones(3, 2), 'synthesis.L0_36_512.weight': torch.ones(1), **state}, 'StyleGAN3'),
            ({'synthesis.b8.skip.weight': torch.ones(1), **state}, "'resnet'"),
            ({'style.1.weight': torch.ones(2, 2), 'convs.0.conv.weight': torch.ones(2)}, 'mapping.fc0.weight is missing'),
            (rgb, '1 channels'),
            (filtered, 'filter'),
            ({**state, 'synthesis.b8.conv1.bias': torch.ones(3)}, 'do not fit'),
            ({**state, 'synthesis.b8.conv1.bias': torch.full([24], torch.nan)}, 'not finite'),
            ({**state, 'synthesis.b8.conv1.weight': torch.tensor(1.0)}, 'do not fit'),
            ({name: value for name, value in state.items() if '.b8.' not in name}, 'do not fit'),
            ({**state, 'extra.weight': torch.ones(1)}, 'extra.weight'),
            ({'a': 1}, 'no generator'), ([1, 2], 'no generator'), ({**state, 3: torch.ones(1)}, 'malformed')]
        for held, message in cases:
            torch.save(held, self.pickle)
            with self.subTest(message=message), self.assertRaisesRegex(Exception, message) as caught:
                read_generator(self.pickle)
            self.assertEqual(type(caught.exception).__name__, 'Unusable')

    def test_another_activation_is_named(self):
        made = snapshot.persistent_generator(generator(8))
        made.synthesis.b8.conv1.__dict__['activation'] = 'relu'
        self.pickle.write_bytes(pickle.dumps({'G_ema': made}))
        with self.assertRaisesRegex(Exception, "b8.conv1 has activation 'relu'"):
            read_generator(self.pickle)

    def test_options_out_of_range(self):
        torch.save(generator(8).state_dict(), self.pickle)
        for options, message in ((['--name', 'a b'], '--name'), (['--psi', '3'], '--psi'), (['--label', '1'], 'without classes'),
                                 (['--align', 'guess'], '--align')):
            self.assertIn(message, self.refused(self.pickle, '--out', 'out', *options))
        (self.folder / 'file').touch()
        self.assertIn('file', self.refused(self.pickle, '--out', 'file'))


if __name__ == '__main__':
    unittest.main()

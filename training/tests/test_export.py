"""The exported file against the network it came from, and the shape of its graph and card."""
import hashlib
import json
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import torch

from support import Z_DIM, generator, needs_onnxruntime, run_onnx
from foilgan import onnx_file
from export import ffhq_align, golden_latent, parse_align, write_model
from foilgan.checkpoint import Unusable
from foilgan.inference import InferenceGenerator, WeightTooLarge
from foilgan.networks import Generator

ABOUT = dict(align={'mode': 'detect'}, licence='CC0-1.0', source='a test')


class Exports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def close(self, a, b, tolerance):
        self.assertEqual(a.shape, b.shape)
        self.assertLess((a - b).abs().max().item(), tolerance)


class Numbers(Exports):
    def test_the_inference_form_equals_the_training_form(self):
        for options in (dict(), dict(conv_clamp=0.8), dict(mapping_layers=4, lr_multiplier=1.0), dict(mapping_widths=[40, 24, 20])):
            with self.subTest(**options):
                net = generator(32, **options)
                z = torch.randn(5, Z_DIM)
                with torch.no_grad():
                    self.close(InferenceGenerator(net)(z, torch.tensor(0.6)), net(z, psi=0.6), 2e-5)

    def test_a_large_map_adds_noise_and_bias_apart_with_the_same_result(self):
        net = generator(32)
        z = torch.randn(2, Z_DIM)
        with torch.no_grad(), unittest.mock.patch('foilgan.inference.LARGE', 100):
            self.close(InferenceGenerator(net)(z, torch.tensor(0.6)), net(z, psi=0.6), 2e-5)

    def test_the_label_of_a_conditional_network_moves_into_the_bias(self):
        net = generator(16, c_dim=3, embed_dim=7)
        z = torch.randn(4, Z_DIM)
        with torch.no_grad():
            images = [InferenceGenerator(net, label=k)(z, torch.tensor(0.9)) for k in range(3)]
            for k, image in enumerate(images):
                c = torch.nn.functional.one_hot(torch.full([4], k), 3).float()
                self.close(image, net(z, c, psi=0.9), 2e-5)
        self.assertGreater((images[0] - images[1]).abs().max().item(), 0.01)

    @needs_onnxruntime
    def test_onnxruntime_agrees_with_torch_at_any_batch_and_truncation(self):
        z = torch.randn(33, Z_DIM)
        for precision, stored in (('fp32', torch.float32), ('fp16', torch.float16)):
            net = generator(64, conv_clamp=256.0)
            card = write_model(net, self.folder, 'face', precision=precision, **ABOUT)
            with torch.no_grad():
                exact = net(z, psi=0.7)
                rounded = InferenceGenerator(net, stored)(z, torch.tensor(0.7))
            with self.subTest(precision=precision):
                self.close(rounded, exact, 1e-5 if precision == 'fp32' else 2e-2)
                batched = run_onnx(self.folder / card['file'], z, 0.7, 32)
                self.close(batched, rounded, 1e-4)
                self.close(run_onnx(self.folder / card['file'], z, 0.7, 1), batched, 1e-5)
                mean = run_onnx(self.folder / card['file'], z[:2], 0.0, 2)
                self.close(mean[0], mean[1], 1e-6)

    def test_the_golden_image_is_that_of_the_formula(self):
        net = generator(16)
        card = write_model(net, self.folder, 'face', **ABOUT)
        self.assertEqual(card['golden'].keys(), {'latent', 'psi', 'pooled', 'tolerance'})
        self.assertAlmostEqual(golden_latent(4)[0, 3].item(), -0.7568025, places=6)
        with torch.no_grad():
            image = net(golden_latent(Z_DIM), psi=card['golden']['psi'])[0]
        cells = image.reshape(3, 8, 2, 8, 2).mean((2, 4)).flatten()
        self.close(cells, torch.tensor(card['golden']['pooled']), 2e-5)


class Files(Exports):
    def test_the_graph_is_plain(self):
        for precision, kind in (('fp32', 1), ('fp16', 10)):
            card = write_model(generator(64), self.folder, 'face', precision=precision, **ABOUT)
            graph = onnx_file.read(self.folder / card['file'])
            self.assertTrue(all(opset >= 17 for opset in graph.opsets), graph.opsets)
            self.assertEqual((graph.inputs, graph.outputs), (['z', 'psi'], ['image']))
            operations = {node.op for node in graph.nodes}
            self.assertFalse([op for op in operations if 'Random' in op or op in ('If', 'Loop', 'Scan')], operations)
            made_by = {name: node for node in graph.nodes for name in node.outputs}
            convolutions = [node for node in graph.nodes if node.op in ('Conv', 'ConvTranspose')]
            # Per resolution: a convolution, toRGB; above 4 px also the up-convolution, its FIR and the image's upsampling.
            self.assertEqual(len(convolutions), 5 * 2 + 4 * 3)
            for node in convolutions:
                weight = node.inputs[1]
                while weight not in graph.constants:
                    self.assertEqual(made_by[weight].op, 'Cast', 'a convolution has weights that depend on the input')
                    weight = made_by[weight].inputs[0]
            large = [tensor for tensor in graph.constants.values() if len(tensor.dims) == 4 and tensor.dims[1] > 1 and tensor.dims[0] > 1]
            self.assertEqual({tensor.type for tensor in large}, {kind})

    def test_the_card_describes_the_file(self):
        net = generator(32)
        card = write_model(net, self.folder / 'new' / 'folder', 'face', **ABOUT, notes={'figures': [1, 2]})
        written = json.loads((self.folder / 'new/folder/face.json').read_text())
        self.assertEqual(written, json.loads(json.dumps(card)))
        data = (self.folder / 'new/folder' / written['file']).read_bytes()
        self.assertEqual((written['bytes'], written['sha256']), (len(data), hashlib.sha256(data).hexdigest()))
        for field in ('sha256', 'bytes', 'golden'):
            del written[field]
        self.assertEqual(written, {
            'schema': 'foilbank.model-card/1', 'name': 'face', 'version': '1', 'kind': 'generator', 'file': 'face.onnx',
            'licence': 'CC0-1.0', 'source': 'a test', 'inputs': {'z': 'z', 'psi': 'psi'}, 'zDim': Z_DIM, 'fixedInputs': {},
            'output': 'image', 'image': {'width': 32, 'height': 32, 'colour': 'rgb', 'range': [-1, 1]},
            'psi': {'default': 0.7, 'min': 0, 'max': 1.5}, 'align': {'mode': 'detect'}, 'notes': {'figures': [1, 2]}})
        self.assertEqual(sorted(p.name for p in (self.folder / 'new/folder').iterdir()), ['face.json', 'face.onnx'])

    def test_exporting_twice_gives_the_same_bytes(self):
        hashes = {write_model(generator(16), self.folder, 'face', **ABOUT)['sha256'] for _ in range(2)}
        self.assertEqual(len(hashes), 1)

    def test_the_default_widths_fit_the_repository(self):
        for resolution, precision, most in ((64, 'fp32', 10), (128, 'fp32', 10), (128, 'fp16', 5)):
            net = Generator(128, 256, {4: 192, 8: 192, 16: 128, 32: 64, 64: 32, 128: 24}, resolution)
            card = write_model(net, self.folder, 'face', precision=precision, **ABOUT)
            self.assertLess(card['bytes'], most << 20)

    def test_weights_beyond_float16_are_refused_and_nothing_is_written(self):
        net = generator(8)
        net.synthesis.b8.conv0.weight.data[0, 0, 0, 0] = 1e6
        with self.assertRaisesRegex(WeightTooLarge, 'float16'):
            write_model(net, self.folder, 'face', precision='fp16', **ABOUT)
        self.assertEqual(list(self.folder.iterdir()), [])


class Alignment(unittest.TestCase):
    def test_ffhq_at_each_size(self):
        for resolution, scale in ((256, 0.58418), (512, 0.29209), (1024, 0.14605)):
            align = ffhq_align(resolution)
            self.assertAlmostEqual(align['scale'], scale, delta=6e-6)
            self.assertEqual((align['template'], align['rotation'], align['translation']), ('arcface5-112', 0, [-18.93, -17.86]))

    def test_choices(self):
        self.assertEqual(parse_align('ffhq', 256), ffhq_align(256))
        self.assertEqual(parse_align('detect', 256), {'mode': 'detect'})
        own = {'mode': 'fixed', 'template': 'dlib68-150', 'scale': 3.125, 'rotation': 0, 'translation': [-24, -24]}
        self.assertEqual(parse_align(json.dumps(own), 64), own)
        for bad in ('FFHQ', '[1]', '{"mode": "guess"}', '{'):
            with self.assertRaisesRegex(Unusable, '--align'):
                parse_align(bad, 64)


if __name__ == '__main__':
    unittest.main()

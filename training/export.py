"""A generator's weights -> an ONNX file and its model card.

The file takes `z` [N, zDim] and the scalar `psi`, gives `image` [N, 3, R, R] in RGB with [-1, 1] as nominal range, and holds no random
operation: the noise inputs are constants, so a latent always gives the same face. The card says everything needed to run it.

    python3 training/export.py CHECKPOINT --out DIR --name NAME --align '{"mode": "detect"}' [...]
"""
import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F

from foilgan.checkpoint import Unusable, read_generator
from foilgan.inference import InferenceGenerator, WeightTooLarge

OPSET = 17
PRECISIONS = {'fp16': torch.float16, 'fp32': torch.float32}
GOLDEN_PSI = 0.7
GOLDEN_TOLERANCE = 0.002


def golden_latent(z_dim):
    """[1, z_dim], z_i = sin(1 + i): a latent that any language can repeat."""
    return torch.sin(torch.arange(1, z_dim + 1, dtype=torch.float64)).float()[None]


def onnx_bytes(network, z_dim):
    """An `InferenceGenerator` as an ONNX file."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        path = Path(folder) / 'generator.onnx'
        # Folding constants here would undo the float16 storage; onnxruntime folds the casts when it loads the file.
        torch.onnx.export(
            network, (golden_latent(z_dim).repeat(2, 1), torch.tensor(GOLDEN_PSI)), str(path), opset_version=OPSET,
            input_names=['z', 'psi'], output_names=['image'], do_constant_folding=False,
            dynamic_axes={'z': {0: 'N'}, 'image': {0: 'N'}})
        return path.read_bytes()


@torch.no_grad()
def golden(network, z_dim):
    """The image of the golden latent, averaged to 8 x 8, channel by channel: what a runtime must reproduce."""
    image = network(golden_latent(z_dim), torch.tensor(GOLDEN_PSI))
    pooled = F.adaptive_avg_pool2d(image, 8).flatten()
    return {'latent': 'sin', 'psi': GOLDEN_PSI, 'pooled': [round(v, 5) for v in pooled.tolist()],
            'tolerance': GOLDEN_TOLERANCE}


def write_atomically(path, data):
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_model(net, out, name, *, align, licence, source, version='1', psi=0.7, precision='fp32', label=None, notes=None):
    """Writes `out`/NAME.onnx, then `out`/NAME.json, and returns the card.

    `net` is a `foilgan.networks.Generator`; `align` the card's field of that name: a similarity from canvas pixels to the chip pixels
    of a template (pixel centres at whole numbers), or detection.
    """
    network = InferenceGenerator(net, PRECISIONS[precision], label).eval()
    data = onnx_bytes(network, net.z_dim)
    card = {
        'schema': 'foilbank.model-card/1',
        'name': name,
        'version': version,
        'kind': 'generator',
        'file': f'{name}.onnx',
        'sha256': hashlib.sha256(data).hexdigest(),
        'bytes': len(data),
        'licence': licence,
        'source': source,
        'inputs': {'z': 'z', 'psi': 'psi'},
        'zDim': net.z_dim,
        'fixedInputs': {},
        'output': 'image',
        'image': {'width': net.img_resolution, 'height': net.img_resolution, 'colour': 'rgb', 'range': [-1, 1]},
        'psi': {'default': psi, 'min': 0, 'max': 1.5},
        'align': align,
        'golden': golden(network, net.z_dim),
        'notes': notes or {},
    }
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    # The card last: a card that is there always describes a file that is there.
    write_atomically(out / card['file'], data)
    write_atomically(out / f'{name}.json', (json.dumps(card, indent=2, ensure_ascii=False) + '\n').encode())
    return card


# FFHQ's crop against the ArcFace 112-px template, measured at 256 px; residual under 2.5 chip pixels.
FFHQ_SCALE_256, FFHQ_TRANSLATION = 0.58418, (-18.930, -17.860)


def ffhq_align(resolution):
    """Where the face lies on a canvas in FFHQ's crop."""
    scale = round(FFHQ_SCALE_256 * 256 / resolution, 8)
    return {'mode': 'fixed', 'template': 'arcface5-112', 'scale': scale, 'rotation': 0, 'translation': list(FFHQ_TRANSLATION)}


def parse_align(text, resolution):
    """`ffhq`, `detect`, or the card's field itself as JSON."""
    if text == 'ffhq':
        return ffhq_align(resolution)
    if text == 'detect':
        return {'mode': 'detect'}
    try:
        align = json.loads(text)
    except ValueError:
        align = None
    if not isinstance(align, dict) or align.get('mode') not in ('fixed', 'detect'):
        raise Unusable(f"--align {text}: use ffhq, detect, or JSON such as {json.dumps(ffhq_align(256))}")
    return align


def add_card_options(parser):
    parser.add_argument('--out', metavar='DIR', default='.', help='folder for NAME.onnx and NAME.json (default: here)')
    parser.add_argument('--name', help="the model's name: a-z, 0-9, dot, dash, underscore (default: from the file's name)")
    parser.add_argument('--model-version', default='1', metavar='TEXT', help="the card's version (default: 1)")
    parser.add_argument('--psi', type=float, default=0.7, help='truncation that the card recommends, 0 to 1.5 (default: 0.7)')
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32',
                        help='how weights are stored; fp16 halves the file and moves pixels by about half a grey level')
    parser.add_argument('--mapping-lr', type=float, metavar='X',
                        help="the mapping network's learning-rate multiplier, where the file does not say it (default: 0.01)")
    parser.add_argument('--conv-clamp', type=float, metavar='X',
                        help='bound of activations, where the file does not say it; 0 for none (default: 256)')


def export(options, align, label=None, notes=None):
    """The command lines' common part: FILE and card options -> model and card; prints where they are."""
    name = options.name or re.sub(r'[^a-z0-9._-]+', '-', Path(options.file).stem.lower()).strip('-._')[:64] or 'generator'
    if not re.fullmatch(r'[a-z0-9][a-z0-9._-]{0,63}', name):
        raise Unusable(f'--name {name}: use a-z, 0-9, dot, dash and underscore, at most 64')
    if not 0 <= options.psi <= 1.5:
        raise Unusable(f'--psi {options.psi}: use a number from 0 to 1.5')
    net = read_generator(options.file, options.mapping_lr, options.conv_clamp)
    if net.c_dim == 0 and label is not None:
        raise Unusable(f'--label {label}: {options.file} holds a network without classes')
    if net.c_dim and not (label is not None and 0 <= label < net.c_dim):
        raise Unusable(f'{options.file} holds a network with {net.c_dim} classes: choose one with --label 0 to {net.c_dim - 1}')
    if net.img_resolution < 8:
        raise Unusable(f'{options.file} makes images of {net.img_resolution} px; the least is 8')
    try:
        card = write_model(
            net, options.out, name, align=parse_align(align, net.img_resolution), licence=options.licence, source=options.source,
            version=options.model_version, psi=options.psi, precision=options.precision, label=label, notes=notes)
    except WeightTooLarge as error:
        raise Unusable(f'{options.file}: {error}; use --precision fp32') from error
    except OSError as error:
        raise Unusable(f'{error.filename or options.out}: {error.strerror or error}') from error
    print(f'{Path(options.out) / card["file"]}: {net.img_resolution} px, z {net.z_dim}, {card["bytes"] / 1e6:.1f} MB; '
          f'card {Path(options.out) / name}.json')


def run(main):
    """Exit status of a command: 2 and one line on standard error when the user can mend what is wrong."""
    try:
        main()
    except Unusable as error:
        print(f'{Path(sys.argv[0]).name}: {error}', file=sys.stderr)
        return 2
    return 0


def main():
    parser = argparse.ArgumentParser(description="A training run's checkpoint -> ONNX and model card.")
    parser.add_argument('file', metavar='CHECKPOINT', help='torch.save file holding a state dict, or one under "ema"')
    parser.add_argument('--align', required=True, help='where the face lies: ffhq, detect, or the card\'s field as JSON')
    parser.add_argument('--licence', required=True, help='licence of the weights')
    parser.add_argument('--source', required=True, help='where the weights come from')
    parser.add_argument('--notes', metavar='FILE', help="JSON for the card's notes: data, training length, figures, limits")
    add_card_options(parser)
    options = parser.parse_args()
    try:
        notes = json.loads(Path(options.notes).read_text()) if options.notes else None
    except (OSError, ValueError) as error:
        raise Unusable(f'--notes {options.notes}: {error}') from error
    export(options, options.align, notes=notes)


if __name__ == '__main__':
    sys.exit(run(main))

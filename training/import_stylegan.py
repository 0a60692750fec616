"""Somebody's StyleGAN2 -> an ONNX file and its model card.

Reads snapshot pickles of stylegan2-ada-pytorch and of the stylegan3 repository's StyleGAN2 configuration, and state dicts in the same
layout (torch.save); takes the moving average G_ema. Nothing in the file is run: see foilgan/safe_pickle.py.

    python3 training/import_stylegan.py network-snapshot.pkl --out DIR
"""
import argparse
import sys

from export import add_card_options, export, run


def main():
    parser = argparse.ArgumentParser(description='A StyleGAN2 snapshot or state dict -> ONNX and model card.')
    parser.add_argument('file', metavar='FILE', help='network-snapshot.pkl, or a state dict saved by torch.save')
    parser.add_argument('--align', default='ffhq',
                        help="where the face lies: ffhq (FFHQ's crop, the default), detect, or the card's field as JSON")
    parser.add_argument('--label', type=int, metavar='K', help='class of a conditional network, from 0')
    parser.add_argument('--licence', default='not stated: ask whoever made the weights', help='licence of the weights')
    parser.add_argument('--source', help='where the weights come from (default: the file\'s name)')
    add_card_options(parser)
    options = parser.parse_args()
    options.source = options.source or f'imported from {options.file.rsplit("/", 1)[-1]}'
    export(options, options.align, options.label, notes={} if options.label is None else {'label': options.label})


if __name__ == '__main__':
    sys.exit(run(main))

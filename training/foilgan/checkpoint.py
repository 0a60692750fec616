"""A snapshot or state dict in the public StyleGAN2 layout -> a `Generator`, its sizes read off the tensors' shapes."""
import re

import torch

from .networks import Generator, fir_kernel
from .safe_pickle import Record, Unusable, read

# Where a file may keep its generator, best first; the moving average is the one to use.
PLACES = ('G_ema', 'g_ema', 'ema')
MAPPING_LR = 0.01
CONV_CLAMP = 256
# What a model card can describe.
MOST_Z, MOST_PIXELS = 4096, 4096


def _flatten(record, prefix='', depth=0):
    """A module's parameters and buffers by their state-dict names, and every module's attributes by its name."""
    if not isinstance(record, Record) or depth > 8:
        raise Unusable('holds a malformed module')
    tensors, attributes = {}, {prefix.rstrip('.'): record.attributes}
    for kind in ('_parameters', '_buffers'):
        for name, value in (record.attributes.get(kind) or {}).items():
            if value is not None:
                tensors[f'{prefix}{name}'] = value
    for name, child in (record.attributes.get('_modules') or {}).items():
        if child is not None:
            below, more = _flatten(child, f'{prefix}{name}.', depth + 1)
            tensors.update(below)
            attributes.update(more)
    return tensors, attributes


def find_state(data):
    """What a file holds -> (state dict, attributes by module name; none for a plain state dict)."""
    if isinstance(data, dict):
        for place in PLACES:
            if place in data:
                return find_state(data[place])
    if isinstance(data, Record):
        return _flatten(data)
    if isinstance(data, dict) and any(isinstance(value, torch.Tensor) for value in data.values()):
        return data, {}
    raise Unusable('holds no generator: expected G_ema of a snapshot, or a state dict')


def _refuse_foreign(state, attributes):
    """Says what a network is when it is not an RGB StyleGAN2 with skip connections."""
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise Unusable('holds a malformed module')
    if any(re.match(r'synthesis\.(input\.|L\d+_)', name) for name in state):
        raise Unusable('a StyleGAN3 network (alias-free layers); only StyleGAN2 networks can be imported')
    required = ('mapping.fc0.weight', 'synthesis.b4.const', 'synthesis.b4.conv1.weight')
    if missing := [name for name in required if name not in state]:
        raise Unusable(f'no StyleGAN2 generator in the layout of stylegan2-ada-pytorch: {missing[0]} is missing')
    if any(re.match(r'synthesis\.b\d+\.skip\.', name) for name in state) or 'synthesis.b4.torgb.weight' not in state:
        raise Unusable("a generator of architecture 'resnet' or 'orig'; only 'skip' can be imported")
    colours = state['synthesis.b4.torgb.weight'].shape[0]
    if colours != 3:
        raise Unusable(f'makes images of {colours} channels; only RGB can be imported')
    for name, value in state.items():
        if name.endswith('.resample_filter') and (value.shape != (4, 4) or not torch.allclose(value.float(), fir_kernel(), atol=1e-4)):
            raise Unusable(f'{name} is not the [1, 3, 3, 1] filter, the only one that can be imported')
        if not torch.isfinite(value.float()).all():
            raise Unusable(f'{name} holds values that are not finite')
    for name, values in attributes.items():
        activation = values.get('activation')
        if activation is not None and activation != ('lrelu' if re.search(r'(conv\d|mapping\.fc\d+)$', name) else 'linear'):
            raise Unusable(f'{name} has activation {activation!r}; only leaky ReLU networks can be imported')


def _sizes(state):
    """The `Generator` arguments that the tensors' shapes tell."""
    channels = {int(m[1]): value.shape[0] for name, value in state.items()
                if (m := re.fullmatch(r'synthesis\.b(\d+)\.conv1\.weight', name))}
    layers = sorted(int(m[1]) for name in state if (m := re.fullmatch(r'mapping\.fc(\d+)\.weight', name)))
    widths = [state[f'mapping.fc{k}.weight'].shape[0] for k in layers]
    embed_dim, c_dim = state['mapping.embed.weight'].shape if 'mapping.embed.weight' in state else (0, 0)
    z_dim = state['mapping.fc0.weight'].shape[1] - embed_dim
    if not 1 <= z_dim <= MOST_Z or max(channels) > MOST_PIXELS:
        raise Unusable(f'{z_dim} latent numbers and {max(channels)} px; from 1 to {MOST_Z} and at most {MOST_PIXELS} px are possible')
    return dict(z_dim=z_dim, w_dim=widths[-1], channels=channels, img_resolution=max(channels), mapping_widths=widths,
                c_dim=c_dim, embed_dim=embed_dim)


def build_generator(state, attributes=None, mapping_lr=None, conv_clamp=None):
    """A `Generator` with these weights.

    `mapping_lr` (the mapping network's learning-rate multiplier) and `conv_clamp` (0 for none) leave no trace in a plain state dict:
    without them the attributes decide, else the public code's usual 0.01 and 256.
    """
    attributes = attributes or {}
    _refuse_foreign(state, attributes)
    if mapping_lr is None:
        mapping_lr = attributes.get('mapping.fc0', {}).get('bias_gain', MAPPING_LR)
    if conv_clamp is None:
        conv_clamp = attributes.get('synthesis.b4.conv1', {'conv_clamp': CONV_CLAMP}).get('conv_clamp')
    try:
        net = Generator(**_sizes(state), lr_multiplier=float(mapping_lr), conv_clamp=float(conv_clamp) if conv_clamp else None)
        # Filters are constants, and a network trained without noise holds none: its strengths stay 0.
        noisy = any(name.endswith('.noise_strength') for name in state)
        optional = r'\.resample_filter$' if noisy else r'\.(resample_filter|noise_const|noise_strength)$'
        missing = {name: value for name, value in net.state_dict().items() if re.search(optional, name)}
        net.load_state_dict({**missing, **{name: value.float() for name, value in state.items()}})
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise Unusable(f'tensors do not fit together: {" ".join(str(error).split())[:200]}') from error
    return net.eval().requires_grad_(False)


def read_generator(path, mapping_lr=None, conv_clamp=None):
    """The generator in a snapshot pickle or a torch.save file, read without running anything in it. Raises `Unusable`."""
    data = read(path)
    try:
        return build_generator(*find_state(data), mapping_lr=mapping_lr, conv_clamp=conv_clamp)
    except Unusable as error:
        raise Unusable(f'{path}: {error}') from error

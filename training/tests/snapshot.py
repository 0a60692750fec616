"""Writes pickles in the layout of stylegan2-ada-pytorch and stylegan3 snapshots, without that code.

The reduce protocol is theirs: an object of class `torch_utils.persistence`'s making becomes a call of `_reconstruct_persistent_obj`
with its module's source, its class name and its attributes; constructor arguments are `dnnlib.util.EasyDict`s and gains are numpy scalars.
"""
import copy
import pickle
import sys
import types

import numpy as np
import torch
from torch import nn

from foilgan.networks import fir_kernel


def _module(name, **content):
    module = sys.modules[name] = types.ModuleType(name)
    for key, value in content.items():
        value.__module__ = name
        setattr(module, key, value)


class EasyDict(dict):
    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _reconstruct_persistent_obj(meta):
    raise AssertionError('a reader called code that the pickle named')


_module('dnnlib')
_module('dnnlib.util', EasyDict=EasyDict)
_module('torch_utils')
_module('torch_utils.persistence', _reconstruct_persistent_obj=_reconstruct_persistent_obj)


class Persistent(nn.Module):
    """A module that pickles as a persistent object of `class_name`. `module_src` is the class attribute that tests poison."""

    module_src = '# source of training/networks.py'

    def __init__(self, class_name, **attributes):
        super().__init__()
        self.__dict__.update(attributes)
        self.__dict__['_init_args'] = ()
        self.__dict__['_init_kwargs'] = EasyDict(copy.deepcopy(attributes), synthesis_kwargs=EasyDict(conv_clamp=256))
        Persistent.names[id(self)] = class_name

    names = {}

    def __reduce__(self):
        fields = list(super().__reduce__())
        meta = dict(type='class', version=6, module_src=self.module_src, class_name=Persistent.names[id(self)], state=fields[2])
        return _reconstruct_persistent_obj, (meta,), None


def _fully_connected(layer, lr=1.0):
    made = Persistent('FullyConnectedLayer', activation='lrelu' if layer.activate else 'linear',
                      in_features=layer.weight.shape[1], weight_gain=lr / np.sqrt(layer.weight.shape[1]), bias_gain=lr)
    made.weight, made.bias = nn.Parameter(layer.weight.detach()), nn.Parameter(layer.bias.detach())
    return made


def _layer(layer, class_name):
    made = Persistent(class_name, conv_clamp=layer.conv_clamp)
    if class_name == 'SynthesisLayer':
        made.__dict__.update(activation='lrelu', act_gain=np.sqrt(2), up=2 if layer.up else 1, use_noise=True)
        made.register_buffer('resample_filter', fir_kernel())
        made.register_buffer('noise_const', layer.noise_const)
        made.noise_strength = nn.Parameter(layer.noise_strength.detach())
    made.affine = _fully_connected(layer.affine)
    # Half-precision snapshots keep their weights channels-last.
    made.weight = nn.Parameter(layer.weight.detach().to(memory_format=torch.channels_last))
    made.bias = nn.Parameter(layer.bias.detach())
    return made


def persistent_generator(net, lr=0.01):
    """The network as that code's modules."""
    mapping = Persistent('MappingNetwork', z_dim=net.z_dim, c_dim=net.c_dim, w_dim=net.w_dim, num_ws=2 * len(net.synthesis.resolutions),
                         num_layers=net.mapping.num_layers, w_avg_beta=0.995)
    if net.c_dim:
        mapping.embed = _fully_connected(net.mapping.embed)
    for k in range(net.mapping.num_layers):
        setattr(mapping, f'fc{k}', _fully_connected(getattr(net.mapping, f'fc{k}'), lr))
    mapping.register_buffer('w_avg', net.mapping.w_avg)
    synthesis = Persistent('SynthesisNetwork', w_dim=net.w_dim, img_resolution=net.img_resolution, img_channels=3)
    for resolution in net.synthesis.resolutions:
        block = getattr(net.synthesis, f'b{resolution}')
        made = Persistent('SynthesisBlock', resolution=resolution, architecture='skip', use_fp16=resolution > 32)
        made.register_buffer('resample_filter', fir_kernel())
        if resolution == 4:
            made.const = nn.Parameter(block.const.detach())
        else:
            made.conv0 = _layer(block.conv0, 'SynthesisLayer')
        made.conv1 = _layer(block.conv1, 'SynthesisLayer')
        made.torgb = _layer(block.torgb, 'ToRGBLayer')
        setattr(synthesis, f'b{resolution}', made)
    made = Persistent('Generator', z_dim=net.z_dim, c_dim=net.c_dim, w_dim=net.w_dim, img_resolution=net.img_resolution)
    made.synthesis, made.mapping = synthesis, mapping
    return made.eval().requires_grad_(False)


def write(path, g_ema, g, protocol=4, **more):
    """A training snapshot: G, D, G_ema, augmentation and data-set arguments. `g_ema` and `g` are `foilgan` generators."""
    discriminator = Persistent('Discriminator', img_resolution=g.img_resolution)
    discriminator.b4 = Persistent('DiscriminatorEpilogue')
    discriminator.b4.weight = nn.Parameter(torch.randn(3, 3))
    augment = Persistent('AugmentPipe', xflip=1.0, brightness_std=np.float32(0.2), freqs=np.arange(3.0), device=torch.device('cpu'))
    augment.register_buffer('p', torch.tensor(0.6, dtype=torch.float64))
    arguments = EasyDict(class_name='training.dataset.ImageFolderDataset', path='faces.zip', resolution=g.img_resolution, max_size=None)
    snapshot = dict(G=persistent_generator(g), D=discriminator, G_ema=persistent_generator(g_ema), augment_pipe=augment,
                    training_set_kwargs=arguments, **more)
    with open(path, 'wb') as file:
        pickle.dump(snapshot, file, protocol=protocol)

"""Nothing in a file is run, and every bad file gives one line that says what is wrong."""
import builtins
import io
import os
import pickle
import random
import struct
import tempfile
import unittest
import unittest.mock
import zipfile
from pathlib import Path

import numpy as np
import torch

from support import generator
import snapshot
from foilgan.safe_pickle import LEGACY_MAGIC, Record, Refused, Unusable, read


class Call:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / 'file.pkl'
        self.marker = self.folder / 'was-run'

    def holding(self, data):
        self.path.write_bytes(data)
        return self.path

    def refusal(self, data):
        """The one line with which a file is refused."""
        with self.assertRaises(Unusable) as caught:
            read(self.holding(data))
        self.assertFalse(self.marker.exists(), 'code of the file was run')
        message = str(caught.exception)
        self.assertNotIn('\n', message)
        self.assertTrue(message.startswith(f'{self.path}: '), message)
        return caught.exception


class Malice(Folder):
    def wants(self, data, name):
        error = self.refusal(data)
        self.assertIsInstance(error, Refused)
        self.assertIn(f'wants to import {name},', str(error))

    def test_functions_are_refused_by_name_whatever_the_protocol(self):
        touch = f'touch {self.marker}'
        for protocol in range(6):
            for function, arguments, name in [
                    (os.system, [touch], f'{os.system.__module__}.system'),
                    (builtins.eval, [f"open({str(self.marker)!r}, 'w')"], 'builtins.eval' if protocol > 2 else '__builtin__.eval'),
                    (builtins.getattr, [os, 'system'], None),
                    (io.open, [str(self.marker), 'w'], None)]:
                if name is None and function is builtins.getattr:
                    arguments, name = [1, 'real'], 'builtins.getattr' if protocol > 2 else '__builtin__.getattr'
                name = name or f'{io.open.__module__}.open'
                with self.subTest(name=name, protocol=protocol):
                    self.wants(pickle.dumps({'G_ema': Call(function, *arguments)}, protocol), name)

    def test_a_dotted_name_does_not_reach_into_a_permitted_module(self):
        for module, name in [('collections', 'OrderedDict.fromkeys'), ('torch.storage', '_load_from_bytes.__globals__'),
                             ('collections', 'abc.sys.modules'), ('torch', 'hub.load'), ('torch', 'load'), ('numpy', 'load'),
                             ('torch_utils.persistence', '_src_to_module'), ('copyreg', '_reconstructor')]:
            with self.subTest(name=name):
                text = [b'\x8c' + bytes([len(part)]) + part.encode() for part in (module, name)]
                self.wants(b'\x80\x04' + b''.join(text) + b'\x93)R.', f'{module}.{name}')

    def test_old_instance_opcodes_are_refused(self):
        self.wants(f"(S'touch {self.marker}'\nios\nsystem\n.".encode(), 'os.system')
        self.refusal(f"(cos\nsystem\nS'touch {self.marker}'\no.".encode())
        self.refusal(b'\x80\x02ccollections\nOrderedDict\n)}\x92.')

    def test_the_extension_registry_is_closed(self):
        import copyreg
        copyreg.add_extension('os', 'system', 240)
        self.addCleanup(copyreg.remove_extension, 'os', 'system', 240)
        self.refusal(b'\x80\x02\x82\xf0X' + struct.pack('<I', 4) + b'true\x85R.')

    def test_malice_inside_a_tensor_is_refused(self):
        data = io.BytesIO()
        for value in (LEGACY_MAGIC, 1001, {'little_endian': True}, Call(os.system, f'touch {self.marker}')):
            pickle.dump(value, data, protocol=2)
        self.wants(pickle.dumps(Call(torch.storage._load_from_bytes, data.getvalue())), f'{os.system.__module__}.system')

    def test_malice_in_a_torch_archive_is_refused(self):
        for legacy in (False, True):
            torch.save({'a': torch.ones(2), 'b': Call(os.system, f'touch {self.marker}')}, self.path,
                       _use_new_zipfile_serialization=not legacy)
            self.wants(self.path.read_bytes(), f'{os.system.__module__}.system')

    def test_carried_source_code_is_not_run(self):
        poison = f'open({str(self.marker)!r}, "w").close()'
        with unittest.mock.patch.object(snapshot.Persistent, 'module_src', poison):
            snapshot.write(self.path, generator(8), generator(8))
        self.assertIn(poison.encode(), self.path.read_bytes())
        data = read(self.path)
        self.assertFalse(self.marker.exists())
        self.assertEqual(data['G_ema'].class_name, 'Generator')
        self.assertNotIn(poison, str([r.attributes for r in data.values() if isinstance(r, Record)]))

    def test_attributes_cannot_be_set_on_the_readers_own_parts(self):
        for name in ('torch._utils\n_rebuild_tensor_v2', 'collections\nOrderedDict'):
            self.refusal(b'\x80\x02c' + name.encode() + b'\n}X\x05\x00\x00\x00buildK\x01sb.')

    def test_data_cannot_be_multiplied(self):
        # One storage of 1 MB, loaded again and again from the same bytes.
        storage = io.BytesIO()
        torch.save(torch.zeros(1 << 18).storage(), storage, _use_new_zipfile_serialization=False)
        data = pickle.dumps([Call(torch.storage._load_from_bytes, storage.getvalue())], protocol=2)
        self.assertEqual(len(read(self.holding(data))), 1)
        many = pickle.dumps([Call(torch.storage._load_from_bytes, b) for b in [storage.getvalue()] * 50], protocol=4)
        self.assertLess(len(many), 3 << 20)
        self.assertIn('more data than it holds', str(self.refusal(many)))


class Damage(Folder):
    def test_missing_folder_empty_and_text(self):
        with self.assertRaisesRegex(Unusable, 'No such file'):
            read(self.folder / 'absent.pkl')
        with self.assertRaisesRegex(Unusable, 'Is a directory'):
            read(self.folder)
        self.assertIn('empty', str(self.refusal(b'')))
        for text in (b'hello\n', b'version https://git-lfs.github.com/spec/v1\n', b'<!doctype html>\n', b'{"a": 1}', b'can you\nread\nthis\n',
                     b'\xff\xd8\xff\xe0 a photo', b'\0' * 64):
            with self.subTest(text=text):
                self.refusal(text)

    def test_every_truncation_of_a_snapshot_is_noticed(self):
        snapshot.write(self.path, generator(8), generator(8))
        data = self.path.read_bytes()
        dice = random.Random(1)
        for size in [1, 2, 10, len(data) - 1] + [dice.randrange(len(data)) for _ in range(8)]:
            with self.subTest(size=size):
                self.refusal(data[:size])

    def test_truncated_archives_are_noticed(self):
        for legacy in (False, True):
            torch.save(generator(8).state_dict(), self.path, _use_new_zipfile_serialization=not legacy)
            data = self.path.read_bytes()
            for size in (3, 100, len(data) // 2, len(data) - 4):
                with self.subTest(legacy=legacy, size=size):
                    self.refusal(data[:size])

    def test_flipped_bytes_never_escape_as_another_exception(self):
        torch.save({'a': torch.arange(6.0).reshape(2, 3)}, self.path)
        files = [self.path.read_bytes(), pickle.dumps({'a': torch.arange(6.0)}, 4), pickle.dumps({'a': torch.arange(6.0)}, 2)]
        dice = random.Random(2)
        for data in files:
            for _ in range(150):
                bad = bytearray(data)
                for _ in range(dice.randint(1, 3)):
                    bad[dice.randrange(len(bad))] = dice.randrange(256)
                try:
                    read(self.holding(bytes(bad)))
                except Unusable as error:
                    self.assertNotIn('\n', str(error))

    def test_foreign_archives(self):
        with zipfile.ZipFile(self.path, 'w') as archive:
            archive.writestr('a.npy', b'123')
        self.assertIn('data.pkl', str(self.refusal(self.path.read_bytes())))
        with zipfile.ZipFile(self.path, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.writestr('archive/data.pkl', bytes(1 << 24))
        self.assertIn('compressed', str(self.refusal(self.path.read_bytes())))

    def test_tensors_larger_than_their_data(self):
        storage = torch.zeros(4).storage()
        rebuild = torch._utils._rebuild_tensor_v2
        for size, stride in [((5,), (1,)), ((2, 2), (4, 1)), ((1000, 1000), (0, 0)), ((-1,), (1,)), ((2, 2), (1,))]:
            with self.subTest(size=size):
                self.refusal(pickle.dumps(Call(rebuild, storage, 0, size, stride, False, snapshot.EasyDict())))


class Data(Folder):
    def test_tensors_of_every_type_come_back_equal(self):
        tensors = {str(dtype): torch.arange(6).reshape(2, 3).to(dtype) for dtype in (
            torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
            torch.bool)}
        tensors['transposed'] = torch.arange(6.0).reshape(2, 3).t()
        tensors['slice'] = torch.arange(24.0).reshape(2, 3, 4)[:, 1:, ::2]
        tensors['channels last'] = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
        tensors['parameter'] = torch.nn.Parameter(torch.randn(3))
        tensors['scalar'] = torch.tensor(2.5)
        tensors['none'] = torch.empty(0, 3)
        writers = {f'pickle {protocol}': lambda p=protocol: self.path.write_bytes(pickle.dumps(tensors, p)) for protocol in range(2, 6)}
        writers['zip'] = lambda: torch.save(tensors, self.path)
        writers['legacy'] = lambda: torch.save(tensors, self.path, _use_new_zipfile_serialization=False)
        for name, write in writers.items():
            write()
            with self.subTest(writer=name):
                back = read(self.path)
                self.assertEqual(list(back), list(tensors))
                for key, value in tensors.items():
                    self.assertEqual(back[key].dtype, value.dtype)
                    self.assertTrue(torch.equal(back[key], value), key)

    def test_plain_values_come_back_equal(self):
        values = {'list': [1, 2.5, None, True], 'tuple': (1, 'ü', b'\x00\xff'), 'set': {1, 2}, 'big': 1 << 80, 'size': torch.Size([2, 3])}
        for protocol in range(2, 6):
            self.assertEqual(read(self.holding(pickle.dumps(values, protocol))), values)
            self.assertAlmostEqual(read(self.holding(pickle.dumps(np.sqrt(2), protocol))), 2 ** 0.5, places=15)


if __name__ == '__main__':
    unittest.main()

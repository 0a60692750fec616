"""Reads pickles and torch.save files that strangers made, without running anything that is in them.

A pickle is a program: it names functions of any module and calls them. This reader is Python's own (pure Python) unpickler with
the opcodes cut down to those that build data, and with a closed table of names in place of imports. Every name in the table stands for
a function of this file that only makes a number, a container, a tensor over bytes of the same file, or a `Record`. Any other name
ends the reading with `Refused`, which says what was wanted.

Records stand for the objects that stylegan2-ada-pytorch and stylegan3 save through `torch_utils.persistence`: class name and
attributes. The source code those pickles carry is dropped unread.
"""
import io
import pickle
import re
import struct
import zipfile
from collections import OrderedDict

import torch

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MOST_BYTES = 4 << 30


class Unusable(Exception):
    """A file that cannot be used; the message is one line for the user."""


class Refused(Unusable):
    """A pickle that wants something other than data."""


class Record:
    """An object of a class that is not imported: its name and its attributes."""

    def __init__(self, class_name, attributes):
        self.class_name, self.attributes = class_name, attributes


class Opaque:
    """Something of no interest here (a numpy array, a device) that the file may nevertheless hold."""


class Room:
    """What the data of a file may come to, however often it refers to the same bytes: old protocols need twice the file's size."""

    def __init__(self, size):
        self.left = 2 * size

    def take(self, size):
        self.left -= size
        if size < 0 or self.left < 0:
            raise Unusable('truncated: it announces more data than it holds')


class Storage:
    """A flat tensor that the file's bytes fill."""

    def __init__(self, dtype, count, room):
        room.take(count * torch.empty([], dtype=dtype).element_size())
        self.flat = torch.empty(count, dtype=dtype)

    def fill(self, data):
        if len(data) != self.flat.numel() * self.flat.element_size():
            raise Unusable('truncated: a tensor has less data than it announces')
        if len(data):
            self.flat.copy_(torch.frombuffer(bytearray(data), dtype=self.flat.dtype))


class Name:
    """A name from the table, with what it builds. `new` says that it may also be built without a call."""

    def __init__(self, build, new=False):
        self.build, self.new = build, new


STORAGES = {
    f'{kind}Storage': getattr(torch, dtype) for kind, dtype in dict(
        Float='float32', Half='float16', BFloat16='bfloat16', Double='float64', Long='int64', Int='int32', Short='int16',
        Char='int8', Byte='uint8', Bool='bool').items()}


def _tensor(storage, offset, size, stride, *_gradients):
    whole = all(isinstance(v, int) and v >= 0 for v in (offset, *size, *stride))
    if not isinstance(storage, Storage) or not whole or len(size) != len(stride):
        raise Unusable('holds a malformed tensor')
    count = 1
    for n in size:
        count *= n
    last = offset + sum((n - 1) * step for n, step in zip(size, stride)) if count else 0
    if count > storage.flat.numel() or (count and last >= storage.flat.numel()):
        raise Unusable('holds a tensor that is larger than its data')
    return storage.flat.as_strided(size, stride, offset)


def _record(meta):
    state = meta.get('state') if isinstance(meta, dict) else None
    if not isinstance(state, dict) or not isinstance(meta.get('class_name'), str):
        raise Unusable('holds a malformed persistent object')
    return Record(meta['class_name'], state)


def _scalar(dtype, data=b''):
    formats = {'f8': '<d', 'f4': '<f', 'i8': '<q', 'i4': '<i', 'u1': '<B', 'b1': '<?'}
    code = formats.get(getattr(dtype, 'code', None))
    return struct.unpack(code, data)[0] if code else Opaque()


class _NumpyType(Opaque):
    def __init__(self, code, *_flags):
        self.code = str(code).lstrip('<|=')


def _opaque(*_arguments):
    return Opaque()


def _container(kind):
    def build(items=()):
        if not isinstance(items, (list, tuple)):
            raise Unusable('holds a malformed container')
        return kind(items)
    return build


def _table(room):
    def encoded(text, encoding):
        # How protocols below 3 write bytes.
        if encoding != 'latin1':
            raise Refused(f'_codecs.encode {encoding!r}')
        room.take(len(text))
        return text.encode('latin1')

    names = {
        'collections.OrderedDict': Name(_container(OrderedDict), new=True),
        'dnnlib.util.EasyDict': Name(_container(dict), new=True),
        'builtins.set': Name(_container(set)),
        '__builtin__.set': Name(_container(set)),
        '_codecs.encode': Name(encoded),
        'torch_utils.persistence._reconstruct_persistent_obj': Name(_record),
        'torch._utils._rebuild_tensor_v2': Name(_tensor),
        'torch._utils._rebuild_parameter': Name(lambda data, *_gradients: data),
        'torch.storage._load_from_bytes': Name(lambda data: _legacy(data, room)),
        'torch.Size': Name(_container(tuple)),
        'torch.device': Name(_opaque),
        'numpy.dtype': Name(_NumpyType),
        'numpy.ndarray': Name(_opaque),
    }
    for core in ('numpy.core', 'numpy._core'):
        names[f'{core}.multiarray.scalar'] = Name(_scalar)
        names[f'{core}.multiarray._reconstruct'] = Name(_opaque)
    for module in ('torch', 'torch.cuda'):
        names.update({f'{module}.{name}': Name(lambda dtype=dtype: dtype) for name, dtype in STORAGES.items()})
    names.update({str(dtype): dtype for dtype in STORAGES.values()})
    return names


class Reader(pickle._Unpickler):
    """The pure-Python unpickler, because the C one's opcodes cannot be replaced. `storages` maps persistent ids to data."""

    def __init__(self, file, room, storages=None):
        super().__init__(file, encoding='latin1')
        self.names, self.storages = _table(room), storages

    def find_class(self, module, name):
        wanted = f'{module}.{name}'
        if wanted in self.names:
            return self.names[wanted]
        if not re.fullmatch(r'[\w.]+', wanted):
            raise Unusable('neither a pickle nor a torch.save file')
        raise Refused(wanted)

    def persistent_load(self, identity):
        if self.storages is None or not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != 'storage':
            raise Unusable('refers to data that it does not hold')
        _, kind, key, _location, count, *view = identity
        dtype = kind.build() if isinstance(kind, Name) else None
        if not isinstance(dtype, torch.dtype) or not isinstance(count, int) or any(v is not None for v in view):
            raise Unusable('holds a malformed tensor')
        return self.storages(dtype, key, count)

    def load_reduce(self):
        arguments = self.stack.pop()
        name = self.stack.pop()
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            raise Unusable('calls something that is not a function')
        self.stack.append(name.build(*arguments))

    def load_newobj(self):
        arguments = self.stack.pop()
        name = self.stack.pop()
        if not isinstance(name, Name) or not name.new or arguments != ():
            raise Unusable('makes an object of an unknown class')
        self.stack.append(name.build())

    def load_build(self):
        # Attributes of dictionaries (a state dict's metadata) and contents of opaque things are of no interest.
        self.stack.pop()
        if not isinstance(self.stack[-1], (dict, Opaque)):
            raise Unusable('sets attributes of something that has none')

    dispatch = {
        code: handler for code, handler in pickle._Unpickler.dispatch.items()
        if bytes([code]) not in (pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID,
                                 pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)}
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build


def _legacy(data, room):
    """torch.save's older format, which is also how a tensor is pickled outside torch.save: five pickles, then raw data."""
    if not isinstance(data, bytes):
        raise Unusable('holds a malformed tensor')
    file = io.BytesIO(data)
    if Reader(file, room).load() != LEGACY_MAGIC or Reader(file, room).load() != LEGACY_PROTOCOL:
        raise Unusable('not a torch.save file of a known version')
    system = Reader(file, room).load()
    if not isinstance(system, dict) or system.get('little_endian') is not True:
        raise Unusable('saved on a big-endian machine')
    known = {}

    def storages(dtype, key, count):
        if key not in known:
            known[key] = Storage(dtype, count, room)
        return known[key]

    result = Reader(file, room, storages).load()
    for key in Reader(file, room).load():
        count, = struct.unpack('<q', file.read(8))
        known[key].fill(file.read(max(count, 0) * known[key].flat.element_size()))
    return result


def _archive(data, room):
    """torch.save's zip format."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = archive.infolist()
    if any(e.compress_type != zipfile.ZIP_STORED for e in entries) or sum(e.file_size for e in entries) > len(data):
        raise Unusable('a compressed or damaged archive; torch.save does not write such files')
    pickles = [e.filename for e in entries if e.filename.endswith('/data.pkl')]
    if len(pickles) != 1:
        raise Unusable('an archive without data.pkl, so torch.save did not write it')
    root = pickles[0][:-len('data.pkl')]
    names = set(archive.namelist())
    if f'{root}byteorder' in names and archive.read(f'{root}byteorder') != b'little':
        raise Unusable('saved on a big-endian machine')
    known = {}

    def storages(dtype, key, count):
        if key not in known:
            if f'{root}data/{key}' not in names:
                raise Unusable('refers to data that it does not hold')
            known[key] = Storage(dtype, count, room)
            known[key].fill(archive.read(f'{root}data/{key}'))
        return known[key]

    return Reader(io.BytesIO(archive.read(pickles[0])), room, storages).load()


def read(path):
    """The data in a pickle or torch.save file: dictionaries, lists, numbers, tensors and `Record`s. Raises `Unusable`."""
    try:
        with open(path, 'rb') as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unusable(f'{path}: {error.strerror or error}') from error
    if not data:
        raise Unusable(f'{path}: empty')
    if len(data) > MOST_BYTES:
        raise Unusable(f'{path}: larger than {MOST_BYTES >> 30} GiB, so no generator snapshot')
    room = Room(len(data))
    try:
        if data[:4] == b'PK\x03\x04':
            return _archive(data, room)
        value = Reader(io.BytesIO(data), room).load()
        # The older torch.save format begins with a pickle that holds nothing but its magic number.
        return _legacy(data, room) if isinstance(value, int) and value == LEGACY_MAGIC else value
    except Refused as error:
        raise Refused(f'{path}: refused: the pickle wants to import {error}, and only data is read from such files') from None
    except Unusable as error:
        raise Unusable(f'{path}: {error}') from None
    except (Exception, MemoryError) as error:  # a crafted or damaged pickle can raise anything
        raise Unusable(f'{path}: damaged, or neither a pickle nor a torch.save file') from error

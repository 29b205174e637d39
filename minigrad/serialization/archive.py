"""The container of a saved file: an uncompressed zip archive of named records, as PyTorch writes since 1.6.

    archive/minigrad        "minigrad 1" and the length of the archive (minigrad's; PyTorch has no such record)
    archive/data.pkl        the objects, as a pickle that refers to storages by number
    archive/byteorder       "little" or "big": of the numbers in the storages
    archive/version         the version of PyTorch's layout
    archive/data/0 ...      the storages, each at a multiple of 64 bytes from the start of the archive
    archive/sources.json    where modules were saved: the sources of their classes (minigrad's)

A zip archive is read from its end. The first record makes it one that can stand anywhere in a longer file: it says
where that end is. An archive without it, one of PyTorch's, reaches to the end of the file.
"""

import io
import re
import struct
import zipfile

_TOP = "archive"
_FIRST = "minigrad"
_LENGTH = re.compile(rb"minigrad 1 (\d{20})\n")
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ALIGNMENT = 64
_PADDING = 0x4246  # the zip extra field that PyTorch pads with, "FB"

SIGNATURE = b"PK\x03\x04"


class _Sink:
    """Counts what is written, and passes it on to a file if there is one."""

    def __init__(self, file=None):
        self.file = file
        self.count = 0

    def write(self, data):
        data = memoryview(data)
        size = data.nbytes
        self.count += size
        while self.file is not None and data.nbytes:
            written = self.file.write(data)
            data = data[data.nbytes if written is None else written :]
        return size

    def flush(self):
        pass


def write_archive(file, records):
    """Write the records, pairs of a name and bytes, to a binary file that need not be seekable."""
    # Once without a file, to learn the length that the first record tells.
    length = _write(_Sink(), records, 0)
    _write(_Sink(file), records, length)


def _write(sink, records, length):
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in [(_FIRST, b"minigrad 1 %020d\n" % length), *records]:
            info = zipfile.ZipInfo(f"{_TOP}/{name}")  # its date is 1980: the same objects make the same file
            start = sink.count + _LOCAL_HEADER.size + len(info.filename) + 4
            padding = -start % _ALIGNMENT
            info.extra = struct.pack("<2H", _PADDING, padding) + bytes(padding)
            archive.writestr(info, data)
    return sink.count


class _Window(io.RawIOBase):
    """Part of a seekable binary file as a file of its own."""

    def __init__(self, file, start, length):
        self._file, self._start, self._length = file, start, length
        self._place = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._place

    def seek(self, offset, whence=io.SEEK_SET):
        place = offset + (0, self._place, self._length)[whence]
        if place < 0:
            raise ValueError(f"negative seek position {place}")
        self._place = place
        return place

    def readinto(self, buffer):
        wanted = min(len(buffer), max(0, self._length - self._place))
        self._file.seek(self._start + self._place)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


def remaining(file):
    """How many bytes a seekable file has from where it stands."""
    here = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(here)
    return (file.tell() if end is None else end) - here


class Archive:
    """The records of the archive that begins where `file` stands; `end` is the place behind it.

    Raises RuntimeError for a damaged archive and for one that neither minigrad nor PyTorch writes. Nothing is
    decompressed, and the records together are no longer than the archive, so a small file stays small.
    """

    def __init__(self, file):
        start, length = file.tell(), remaining(file)
        told = self._told_length(file.read(_LOCAL_HEADER.size + len(_TOP) + 256))
        if told is not None and told > length:
            raise RuntimeError(f"load: the file is cut short: it has {length} of {told} bytes")
        length = length if told is None else told
        self.end = start + length
        try:
            self._zip = zipfile.ZipFile(io.BufferedReader(_Window(file, start, length)))
            names = [info.filename for info in self._zip.infolist()]
        except Exception as error:
            raise _damaged(error) from error
        self._check(length)
        tops = {name.partition("/")[0] for name in names}
        if len(tops) != 1 or len(set(names)) != len(names):
            raise RuntimeError(
                "load: the zip archive is not one of minigrad or PyTorch: its records are not in one folder"
            )
        (self._top,) = tops

    @staticmethod
    def _told_length(head):
        if len(head) < _LOCAL_HEADER.size:
            return None
        *_, name_length, extra_length = _LOCAL_HEADER.unpack_from(head)
        name = head[_LOCAL_HEADER.size :][:name_length]
        found = _LENGTH.match(head, _LOCAL_HEADER.size + name_length + extra_length)
        return int(found[1]) if found and name == f"{_TOP}/{_FIRST}".encode() else None

    def _check(self, length):
        total = 0
        for info in self._zip.infolist():
            total += info.file_size
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
                raise RuntimeError(
                    f"load: record {info.filename!r} is compressed or encrypted; neither minigrad nor PyTorch does that"
                )
        if total > length:
            raise RuntimeError(f"load: the records claim {total} bytes, the archive has {length}: it is damaged")

    def __contains__(self, name):
        return f"{self._top}/{name}" in self._zip.NameToInfo

    def size(self, name):
        """Number of bytes in a record."""
        return self._zip.NameToInfo[f"{self._top}/{name}"].file_size

    def read(self, name):
        """The bytes of a record, their check sum verified."""
        try:
            return self._zip.read(f"{self._top}/{name}")
        except Exception as error:
            raise _damaged(error) from error


def _damaged(error):
    return RuntimeError(f"load: the zip archive is damaged or cut short: {error}")

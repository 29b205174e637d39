"""save and load: what a file may be, what lies in it, and what becomes of the one that was there."""

import errno
import io
import os
import pickle

import numpy as np
import pytest

import minigrad as torch
from minigrad.serialization import load, save


def test_paths(tmp_path):
    for path in (tmp_path / "a.pt", str(tmp_path / "b.pt")):
        torch.save([1], path)
        assert torch.load(path) == [1]
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "b.pt"]


def test_several_in_one_file_and_more_around_them():
    file = io.BytesIO()
    file.write(b"before")
    for obj in (torch.ones(3), [1, 2], np.arange(3)):
        save(obj, file)
    file.write(b"after")
    file.seek(6)
    assert load(file).tolist() == [1, 1, 1]
    assert load(file) == [1, 2]
    assert load(file).tolist() == [0, 1, 2]
    assert file.read() == b"after"


def test_files_that_only_write(tmp_path):
    class Dribble:
        """Takes at most seven bytes at a time, as raw files may."""

        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += bytes(data[:7])
            return min(7, len(data))

    file = Dribble()
    save({"a": torch.ones(40)}, file)
    whole = io.BytesIO()
    save({"a": torch.ones(40)}, whole)
    assert file.data == whole.getvalue()


def test_the_same_objects_make_the_same_file():
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        save({"a": torch.ones(2), "b": [1]}, file)
    assert files[0].getvalue() == files[1].getvalue()


def test_storages_are_aligned():
    file = io.BytesIO()
    values = [torch.DoubleTensor([k + 0.125] * 3) for k in range(3)]
    save(values, file)
    for value in values:
        assert file.getvalue().index(value.array.tobytes()) % 64 == 0


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (io.StringIO(), TypeError, "binary mode"),
        (3, TypeError, "f must be a path or an open binary file, got int"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_what_is_no_file(f, error, text):
    with pytest.raises(error, match=text):
        save(1, f)
    with pytest.raises(error, match=text):
        load(f)


def test_files_that_are_something_else(tmp_path):
    npz = io.BytesIO()
    np.savez(npz, a=np.ones(2))
    tar = b"a".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0")
    for data, text in (
        (b"", "the file is empty"),
        (b"hello world", "begins with b'hello wo'"),
        (b"\x93NUMPY\x01\x00", "numpy.load"),
        (b"\x1f\x8b\x08", "compressed; open it with gzip"),
        (pickle.dumps({}), "bare pickle"),
        (tar, "tar archive, PyTorch's format before 0.1.10"),
        (npz.getvalue(), "zip archive"),
    ):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(RuntimeError, match=f"load: .*{text}"):
            load(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
    read, write = os.pipe()
    os.close(write)
    with open(read, "rb") as pipe, pytest.raises(RuntimeError, match="f must be seekable"):
        load(pipe)


@pytest.mark.parametrize("protocol", [0, 1, 6, -1, None, True, 2.5])
def test_protocols_that_are_refused(protocol):
    with pytest.raises(ValueError, match="pickle_protocol must be 2, 3, 4 or 5"):
        save(1, io.BytesIO(), pickle_protocol=protocol)


# ---------------------------------------------------------------- a path is replaced whole or not at all


class Refuses:
    """Writes until `room` bytes are there, then raises."""

    def __init__(self, file, room, error):
        self.file, self.room, self.error = file, room, error

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        if self.file.tell() + len(data) > self.room:
            raise self.error
        return self.file.write(data)


@pytest.mark.parametrize("room", [0, 100, 500, 1100])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, room, error):
    path = tmp_path / "model.pt"
    save([1], path)
    import minigrad.serialization.files as files

    def small_disk(*args, **kwargs):
        return Refuses(open(*args, **kwargs), room, error)

    monkeypatch.setattr(files, "open", small_disk, raising=False)
    with pytest.raises(type(error)) as caught:
        save(torch.ones(1000), path)
    if isinstance(error, OSError):
        assert caught.value.errno == errno.ENOSPC
        text = str(caught.value)
        assert (
            text == f"[Errno 28] save: cannot write {str(path)!r}: No space left on device; the old file is as it was"
        )
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["model.pt"]
    assert load(path) == [1]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk():
    with pytest.raises(OSError, match="save: cannot write '/dev/full': No space left on device"):
        save(torch.ones(100000), "/dev/full")
    save(torch.ones(3), "/dev/null")


def test_what_cannot_be_pickled_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    save([1], path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save(lambda: 1, path)
    assert load(path) == [1]
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"save: cannot write .*No such file or directory$"):
        save([1], tmp_path / "none" / "x")
    with pytest.raises(IsADirectoryError):
        save([1], tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and permissions")
def test_links_and_permissions_stay(tmp_path):
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    save([1], real)
    fresh = tmp_path / "fresh"
    fresh.write_bytes(b"")
    assert real.stat().st_mode == fresh.stat().st_mode
    real.chmod(0o600)
    link.symlink_to(real)
    save([2], link)
    assert link.is_symlink()
    assert load(real) == [2]
    assert real.stat().st_mode & 0o777 == 0o600

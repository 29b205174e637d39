"""Files: opening what the caller gave, and replacing a file as a whole or not at all."""

import contextlib
import errno
import io
import os
import secrets
import stat


def check_file(name, f, method):
    """Raise TypeError unless f is a path or a binary file with that method."""
    if isinstance(f, (str, os.PathLike)):
        return
    if isinstance(f, io.TextIOBase):
        raise TypeError(f"{name}: f must be open in binary mode ('rb', 'wb'), this file is open as text")
    if not hasattr(f, method):
        raise TypeError(f"{name}: f must be a path or an open binary file, got {type(f).__name__}")


@contextlib.contextmanager
def opened(f):
    """The binary file to read: f itself, or the file of that path. RuntimeError for a pipe and its like."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            yield file
        return
    if not (f.seekable() if hasattr(f, "seekable") else hasattr(f, "seek")):
        raise RuntimeError("load: f must be seekable; read a pipe or a socket into an io.BytesIO first")
    yield f


def write_file(f, write):
    """Call write(file) to fill an open file, or the file of a path: all of it, or the old one stays.

    The new file is written beside the old one, under another name, and takes its name when it is safely on the disk.
    """
    if not isinstance(f, (str, os.PathLike)):
        write(f)
        return
    target = os.path.realpath(os.fsdecode(f))  # a link stays a link
    try:
        old = os.stat(target)
    except FileNotFoundError:
        old = None
    try:
        if old is not None and not stat.S_ISREG(old.st_mode):  # /dev/null and such
            with open(target, "wb") as file:
                write(file)
        else:
            _replace(target, old, write)
    except OSError as error:
        kept = "" if old is None else "; the old file is as it was"
        raise type(error)(
            error.errno, f"save: cannot write {os.fsdecode(f)!r}: {error.strerror or error}{kept}"
        ) from error


def _replace(target, old, write):
    beside = f"{target}.{secrets.token_hex(4)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(beside, flags, 0o666)
    try:
        with open(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            os.chmod(beside, stat.S_IMODE(old.st_mode))
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    _sync_directory(os.path.dirname(target))


def _sync_directory(path):
    """Make the new name durable where directories can be synchronised (not on Windows, nor on every file system)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)

"""Pickles with any content: what a file of another program, or one made to harm, may hold."""

import io
import pickle

from minigrad.serialization.archive import write_archive


class Name:
    """A global name, whether there is such a thing or not."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """function(*args), then the state, if any."""

    def __init__(self, function, *args, state=None, new=False):
        self.function, self.args, self.state, self.new = function, args, state, new


class Outside:
    """A reference to something outside the pickle."""

    def __init__(self, *identity):
        self.identity = identity


class _Pickler(pickle._Pickler):
    def save_name(self, obj):
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    def save_call(self, obj):
        self.save(obj.function)
        self.save(obj.args)
        self.write(pickle.NEWOBJ if obj.new else pickle.REDUCE)
        self.memoize(obj)
        if obj.state is not None:
            self.save(obj.state)
            self.write(pickle.BUILD)

    def save_outside(self, obj):
        self.save(obj.identity)
        self.write(pickle.BINPERSID)

    dispatch = {**pickle._Pickler.dispatch, Name: save_name, Call: save_call, Outside: save_outside}


def crafted(obj):
    """The pickle of obj, with Names, Calls and Outsides in it."""
    file = io.BytesIO()
    _Pickler(file, 2).dump(obj)
    return file.getvalue()


def archive(data, **records):
    """A file of `save` with that pickle (or crafted object), and records named with _ for /."""
    data = data if isinstance(data, bytes) else crafted(data)
    file = io.BytesIO()
    named = [(name.replace("_", "/", 1), value) for name, value in records.items()]
    write_archive(file, [("data.pkl", data), *named])
    file.seek(0)
    return file


def storage(key="0", length=4, kind="FloatStorage", location="cpu", *, module="torch", view=()):
    return Outside("storage", Name(module, kind), key, location, length, *view)


def tensor(storage, offset=0, size=(4,), stride=(1,), requires_grad=False, hooks=None):
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), storage, offset, size, stride, requires_grad, hooks or {})

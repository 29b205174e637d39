"""A reader of pickles that makes only what it is told it may make.

A pickle is a program for a small stack machine. Python's own reader runs it with every function that can be imported,
so a pickle can do anything; and it trusts sizes and nesting, so a few bytes can exhaust memory or the C stack. This
one knows the instructions of protocols 2 to 5 and nothing else. Names, calls, new objects and their state go through a
`Policy`; sizes are compared with the bytes that are left; nothing recurses.
"""

import pickle
import struct

MARK = object()
_LINE = 1024  # longest name of a module or of something in it
_KEY_PARTS = 1000  # most parts that a tuple may have that serves as a key: Python's hash of a tuple recurses


class Source:
    """A binary file of which `size` bytes may be read."""

    def __init__(self, file, size):
        self._file = file
        self.left = size

    def read(self, n):
        if n > self.left:
            raise pickle.UnpicklingError(
                f"load: the pickle is cut short: it asks for {n} bytes where {self.left} are left"
            )
        data = self._file.read(n)
        if len(data) != n:
            raise pickle.UnpicklingError(f"load: the pickle is cut short: it asks for {n} bytes, {len(data)} came")
        self.left -= n
        return data

    def unsigned(self, n):
        return int.from_bytes(self.read(n), "little")

    def text(self, n):
        return self.read(n).decode("utf-8", "surrogatepass")

    def line(self):
        line = bytearray()
        while (byte := self.read(1)) != b"\n":
            line += byte
            if len(line) > _LINE:
                raise pickle.UnpicklingError(f"load: a name in the pickle is longer than {_LINE} bytes")
        return line.decode("utf-8")


class Policy:
    """What a pickle may refer to: nothing, in this one. It raises pickle.UnpicklingError for anything else."""

    #: The kinds of containers that items may be put into.
    lists = (list,)
    dicts = (dict,)

    def find(self, module, name):
        """The object that stands for a global name."""
        raise pickle.UnpicklingError(f"load: {module}.{name} is not allowed here")

    def persistent(self, identity):
        """The object that is kept outside the pickle under this identity."""
        raise pickle.UnpicklingError("load: the pickle refers to something outside itself")

    def call(self, function, args):
        """function(*args)."""
        raise pickle.UnpicklingError("load: the pickle calls a function")

    def new(self, cls, args, kwargs):
        """cls.__new__(cls, *args, **kwargs)."""
        raise pickle.UnpicklingError("load: the pickle makes an object")

    def build(self, obj, state):
        """Give obj its state."""
        raise pickle.UnpicklingError("load: the pickle sets the state of an object")


class _Carrier(Exception):
    """Carries an exception of the caller's own code past the reports of damage."""


def foreign(function, *args, **kwargs):
    """function(*args, **kwargs) for the caller's own code: what it raises comes out of `read_pickle` as it is."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise _Carrier(error) from error


_INSTRUCTIONS = {}


def _instruction(code):
    def put(method):
        _INSTRUCTIONS[code] = method
        return method

    return put


def check_key(key):
    """Refuse a tuple so large, or so deep, that its hash would take for ever or exhaust the C stack."""
    if not isinstance(key, tuple):
        return key
    parts, open_ = 0, [key]
    while open_:
        part = open_.pop()
        parts += 1
        if parts > _KEY_PARTS:
            raise pickle.UnpicklingError(f"load: a tuple that serves as a key has more than {_KEY_PARTS} parts")
        if isinstance(part, tuple):
            open_.extend(part)
    return key


def add_items(target, items):
    """Set the items of a dict; the keys are checked."""
    for key, value in items:
        target[check_key(key)] = value
    return target


class _Machine:
    def __init__(self, source, policy):
        self.source = source
        self.policy = policy
        self.stack = []
        self.memo = {}

    def run(self):
        source, table = self.source, _INSTRUCTIONS
        while True:
            code = source.read(1)
            if code == pickle.STOP:
                return self.pop()
            instruction = table.get(code)
            if instruction is None:
                raise pickle.UnpicklingError(f"load: the pickle has an instruction {code!r} outside protocols 2 to 5")
            instruction(self)

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        value = self.stack.pop()
        if value is MARK:
            raise pickle.UnpicklingError("load: the pickle is damaged: a mark where a value belongs")
        return value

    def top(self):
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_to_mark(self):
        values = []
        while (value := self.stack.pop()) is not MARK:
            values.append(value)
        values.reverse()
        return values

    # ------------------------------------------------ frame, stack, memo

    @_instruction(pickle.PROTO)
    def proto(self):
        version = self.source.unsigned(1)
        if not 2 <= version <= 5:
            raise pickle.UnpicklingError(f"load: the pickle has protocol {version}; 2 to 5 can be read")

    @_instruction(pickle.FRAME)
    def frame(self):
        self.source.read(8)

    @_instruction(pickle.MARK)
    def mark(self):
        self.push(MARK)

    @_instruction(pickle.POP)
    def drop(self):
        self.stack.pop()

    @_instruction(pickle.POP_MARK)
    def drop_to_mark(self):
        self.pop_to_mark()

    @_instruction(pickle.DUP)
    def duplicate(self):
        self.push(self.top())

    @_instruction(pickle.BINPUT)
    def put(self):
        self.memo[self.source.unsigned(1)] = self.top()

    @_instruction(pickle.LONG_BINPUT)
    def long_put(self):
        self.memo[self.source.unsigned(4)] = self.top()

    @_instruction(pickle.MEMOIZE)
    def memoize(self):
        self.memo[len(self.memo)] = self.top()

    @_instruction(pickle.BINGET)
    def get(self):
        self.push(self.memo[self.source.unsigned(1)])

    @_instruction(pickle.LONG_BINGET)
    def long_get(self):
        self.push(self.memo[self.source.unsigned(4)])

    # ------------------------------------------------ constants

    @_instruction(pickle.NONE)
    def none(self):
        self.push(None)

    @_instruction(pickle.NEWTRUE)
    def true(self):
        self.push(True)

    @_instruction(pickle.NEWFALSE)
    def false(self):
        self.push(False)

    @_instruction(pickle.BININT)
    def int4(self):
        self.push(int.from_bytes(self.source.read(4), "little", signed=True))

    @_instruction(pickle.BININT1)
    def int1(self):
        self.push(self.source.unsigned(1))

    @_instruction(pickle.BININT2)
    def int2(self):
        self.push(self.source.unsigned(2))

    @_instruction(pickle.LONG1)
    def long1(self):
        self.push(int.from_bytes(self.source.read(self.source.unsigned(1)), "little", signed=True))

    @_instruction(pickle.LONG4)
    def long4(self):
        self.push(int.from_bytes(self.source.read(self.source.unsigned(4)), "little", signed=True))

    @_instruction(pickle.BINFLOAT)
    def float8(self):
        self.push(struct.unpack(">d", self.source.read(8))[0])

    @_instruction(pickle.SHORT_BINUNICODE)
    def text1(self):
        self.push(self.source.text(self.source.unsigned(1)))

    @_instruction(pickle.BINUNICODE)
    def text4(self):
        self.push(self.source.text(self.source.unsigned(4)))

    @_instruction(pickle.BINUNICODE8)
    def text8(self):
        self.push(self.source.text(self.source.unsigned(8)))

    # Python 2 wrote its str, which names were there, by these two.
    @_instruction(pickle.SHORT_BINSTRING)
    def string1(self):
        self.push(self.source.text(self.source.unsigned(1)))

    @_instruction(pickle.BINSTRING)
    def string4(self):
        self.push(self.source.text(self.source.unsigned(4)))

    @_instruction(pickle.SHORT_BINBYTES)
    def bytes1(self):
        self.push(self.source.read(self.source.unsigned(1)))

    @_instruction(pickle.BINBYTES)
    def bytes4(self):
        self.push(self.source.read(self.source.unsigned(4)))

    @_instruction(pickle.BINBYTES8)
    def bytes8(self):
        self.push(self.source.read(self.source.unsigned(8)))

    @_instruction(pickle.BYTEARRAY8)
    def bytearray8(self):
        self.push(bytearray(self.source.read(self.source.unsigned(8))))

    # ------------------------------------------------ containers

    @_instruction(pickle.EMPTY_TUPLE)
    def empty_tuple(self):
        self.push(())

    @_instruction(pickle.TUPLE1)
    def tuple1(self):
        self.push((self.pop(),))

    @_instruction(pickle.TUPLE2)
    def tuple2(self):
        b, a = self.pop(), self.pop()
        self.push((a, b))

    @_instruction(pickle.TUPLE3)
    def tuple3(self):
        c, b, a = self.pop(), self.pop(), self.pop()
        self.push((a, b, c))

    @_instruction(pickle.TUPLE)
    def tuple_(self):
        self.push(tuple(self.pop_to_mark()))

    @_instruction(pickle.EMPTY_LIST)
    def empty_list(self):
        self.push([])

    @_instruction(pickle.EMPTY_DICT)
    def empty_dict(self):
        self.push({})

    @_instruction(pickle.EMPTY_SET)
    def empty_set(self):
        self.push(set())

    @_instruction(pickle.FROZENSET)
    def frozen_set(self):
        self.push(frozenset(map(check_key, self.pop_to_mark())))

    @_instruction(pickle.APPEND)
    def append(self):
        value = self.pop()
        self.growing("append").append(value)

    @_instruction(pickle.APPENDS)
    def appends(self):
        values = self.pop_to_mark()
        self.growing("append").extend(values)

    @_instruction(pickle.SETITEM)
    def set_item(self):
        value, key = self.pop(), self.pop()
        add_items(self.growing("__setitem__"), [(key, value)])

    @_instruction(pickle.SETITEMS)
    def set_items(self):
        items = self.pop_to_mark()
        if len(items) % 2:
            raise pickle.UnpicklingError("load: the pickle is damaged: a key without a value")
        add_items(self.growing("__setitem__"), zip(items[0::2], items[1::2]))

    @_instruction(pickle.ADDITEMS)
    def add_to_set(self):
        items = self.pop_to_mark()
        self.growing("add").update(map(check_key, items))

    def growing(self, method):
        """The container on top of the stack, which must be of a kind that grows by `method`."""
        target = self.top()
        kinds = {"append": self.policy.lists, "__setitem__": self.policy.dicts, "add": (set,)}[method]
        if not isinstance(target, kinds):
            raise pickle.UnpicklingError(f"load: the pickle puts items into a {type(target).__name__}")
        return target

    # ------------------------------------------------ everything else

    @_instruction(pickle.GLOBAL)
    def global_(self):
        module = self.source.line()
        self.push(self.policy.find(module, self.source.line()))

    @_instruction(pickle.STACK_GLOBAL)
    def stack_global(self):
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise pickle.UnpicklingError("load: the pickle is damaged: a name that is no text")
        self.push(self.policy.find(module, name))

    @_instruction(pickle.BINPERSID)
    def persistent(self):
        self.push(self.policy.persistent(self.pop()))

    def arguments(self, kind=tuple):
        args = self.pop()
        if type(args) is not kind:
            raise pickle.UnpicklingError(f"load: the pickle is damaged: arguments that are no {kind.__name__}")
        return args

    @_instruction(pickle.REDUCE)
    def reduce(self):
        args = self.arguments()
        self.push(self.policy.call(self.pop(), args))

    @_instruction(pickle.NEWOBJ)
    def new(self):
        args = self.arguments()
        self.push(self.policy.new(self.pop(), args, {}))

    @_instruction(pickle.NEWOBJ_EX)
    def new_with_keywords(self):
        kwargs, args = self.arguments(dict), self.arguments()
        self.push(self.policy.new(self.pop(), args, kwargs))

    @_instruction(pickle.BUILD)
    def build(self):
        state = self.pop()
        self.policy.build(self.top(), state)


def read_pickle(source, policy):
    """The object of the pickle that begins where `source` stands; it is left behind the pickle's last byte.

    Raises pickle.UnpicklingError for whatever is damaged or not allowed; RuntimeErrors of the policy pass.
    """
    try:
        return _Machine(source, policy).run()
    except _Carrier as carrier:
        raise carrier.args[0] from None
    except (pickle.UnpicklingError, RuntimeError):
        raise
    except Exception as error:
        raise pickle.UnpicklingError(f"load: the pickle is damaged: {type(error).__name__}: {error}") from error

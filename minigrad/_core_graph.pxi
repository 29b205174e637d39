# Part of the engine (_core.pyx): the nodes that a call records, what they save, and how they are let go.

from cpython.list cimport PyList_GET_SIZE
from cpython.ref cimport Py_INCREF, Py_REFCNT
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM

import os
import weakref


cdef long long recorded = 0      # sequence number of the latest node
# What deallocated nodes held, until the outermost deallocation lets go of it. It never gets shorter than at the start,
# so that a list that grows and shrinks by one all the time keeps its memory.
cdef enum:
    KEPT_PLACES = 16
cdef list dropped = [None] * KEPT_PLACES
cdef bint dropping = False


@cython.final
@cython.freelist(256)
cdef class Saved:
    """A value kept for a formula, with the version at which it is right."""
    cdef object array
    cdef Variable source         # an argument's Variable; None for a result, which must not keep its own node alive
    cdef Version version         # a result's counter
    cdef long long expected
    cdef int output_nr

    cdef object unpack(self, OperationNode node, Py_ssize_t slot, bint create_graph):
        cdef Version version = self.version if self.source is None else self.source._counter
        cdef long long now = 0 if version is None else version.value
        cdef Variable v
        if now != self.expected:
            what = node.operation.describe_slot(slot)
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"{node.operation.name} saved {what} of size {tuple(self.array.shape)} at version {self.expected}, it "
                f"is at version {now} now. Use the out-of-place form of the operation that changed it, or change a "
                "clone()")
        if not create_graph:
            return self.array
        if self.source is not None:
            if variable_array(self.source) is self.array:
                return self.source
            v = wrap_variable(self.array, False)      # its .data was replaced since: the memory saved, as its copy
            if requires_grad(self.source):
                v._grad_fn = record(op_identity, (self.source,), (self.array,), (v,), None, 1)
            return v
        v = wrap_variable(self.array, False)
        v._counter = version
        v._grad_fn, v._output_nr = node, self.output_nr
        return v


cdef OperationNode record(Operation operation, tuple args, tuple arrays, tuple outs, object workspace, long long needs):
    """A node for what `operation` just computed: edges to the inputs' nodes, and the values its formulas name."""
    global recorded
    cdef OperationNode node = OperationNode.__new__(OperationNode)
    cdef Py_ssize_t i, slot, n = PyTuple_GET_SIZE(args), count = n - PyTuple_GET_SIZE(operation.parameters)
    cdef Variable v
    cdef object value, edge, out = variable_array(<Variable> PyTuple_GET_ITEM(outs, 0))
    cdef tuple edges = PyTuple_New(count), values, sizes = None
    cdef bint numbered = False
    cdef int kind, index
    cdef Saved saved
    recorded += 1
    node.sequence = recorded
    node.operation = operation
    node.outputs = operation.outputs
    node._needs = needs if not operation.variadic else -1
    for i in range(count):
        edge = None
        value = <object> PyTuple_GET_ITEM(args, i)
        if not isinstance(value, Variable):
            edge = False
        elif i >= 63 or needs >> i & 1:
            v = <Variable> value
            if v._grad_fn is not None:
                edge = v._grad_fn
                numbered |= v._output_nr != 0
            elif v._requires_grad:
                edge = v
        Py_INCREF(edge)
        PyTuple_SET_ITEM(edges, i, edge)
    node._edges = edges
    if numbered:
        node._numbers = tuple([(<Variable> a)._output_nr if isinstance(a, Variable) else 0 for a in args[:count]])
    if operation.broadcast:
        for i in range(count):
            if needs >> i & 1 and not same_size(<object> PyTuple_GET_ITEM(arrays, i), out):
                sizes = tuple([a.shape if isinstance(args[k], Variable) and not same_size(a, out) else None
                               for k, a in enumerate(arrays[:count])])
                break
    node._sizes = sizes

    values = PyTuple_New(operation._slot_count)
    for slot in range(operation._slot_count):
        kind, index = operation._slot_kind[slot], operation._slot_index[slot]
        value = None
        if operation._slot_users[slot] & needs or operation.variadic:
            if kind == VALUE:
                value = <object> PyTuple_GET_ITEM(args, index)
                if isinstance(value, Variable):
                    saved = Saved.__new__(Saved)
                    saved.array = <object> PyTuple_GET_ITEM(arrays, index)
                    saved.source = <Variable> value
                    saved.expected = 0 if saved.source._counter is None else saved.source._counter.value
                    value = saved
            elif kind == OUT:
                v = <Variable> PyTuple_GET_ITEM(outs, index)
                saved = Saved.__new__(Saved)
                saved.array = variable_array(v)
                saved.version = counter(v)
                saved.expected = saved.version.value
                saved.output_nr = index
                value = saved
            elif kind == PARAMETER:
                value = <object> PyTuple_GET_ITEM(args, count + index)
            elif kind == SIZE:
                value = <object> PyTuple_GET_ITEM(arrays, index)
                value = value.shape if hasattr(value, "shape") else None
            elif kind == DTYPE:
                value = (<object> PyTuple_GET_ITEM(arrays, index)).dtype
            elif kind == SIZES:
                value = tuple([a.shape for a in arrays[:count]])
            elif kind == WORKSPACE:
                value = workspace
        Py_INCREF(value)
        PyTuple_SET_ITEM(values, slot, value)
    node._values = values
    return node


cdef bint same_size(object a, object b):
    cdef int i
    if cnp.PyArray_CheckExact(a) and cnp.PyArray_CheckExact(b):
        if cnp.PyArray_NDIM(<cnp.ndarray> a) != cnp.PyArray_NDIM(<cnp.ndarray> b):
            return False
        for i in range(cnp.PyArray_NDIM(<cnp.ndarray> a)):
            if cnp.PyArray_DIMS(<cnp.ndarray> a)[i] != cnp.PyArray_DIMS(<cnp.ndarray> b)[i]:
                return False
        return True
    return not hasattr(a, "shape") or a.shape == b.shape


cdef class Node:
    """A recorded operation: `next_functions` leads to the nodes of its inputs."""

    def name(self):
        return type(self).__name__

    @property
    def next_functions(self):
        """((node or None, number of its output), ...), one for each input that is a Variable."""
        numbers = self._numbers or (0,) * len(self._edges)
        return tuple([(accumulator(e) if isinstance(e, Variable) else shown(e), k)
                      for e, k in zip(self._edges, numbers) if e is not False])

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)` after this node's derivative; what it returns replaces grad_inputs."""
        if self._post_hooks is None:
            self._post_hooks = OrderedDict()
        return operations["removable_handle"](self._post_hooks, hook)

    cdef int replace_pre_hook(self, int number, old, hooks) except -1:
        """Let the hooks in `hooks`, and no longer those in `old`, see (and replace) the gradient of output `number`."""
        kept = [(k, h) for k, h in self._pre_hooks or () if h is not old]
        if hooks is not None:
            kept.append((number, hooks))
        self._pre_hooks = kept or None
        return 0

    cdef object step(self, object grads, long long mask, bint create_graph):
        raise NotImplementedError

    cdef int release(self) except -1:
        self._released = True
        return 0

    def __dealloc__(self):
        # Only what nothing else holds can set off a chain of deallocations: references from this tuple, and the loop's.
        # (Python's own guard, in the tuples, nests too deep for a thread's small stack in some versions: 3.13 crashes.)
        cdef bint alone = False
        if self._edges is not None:
            for edge in self._edges:
                if Py_REFCNT(edge) <= len(self._edges) + 1 and isinstance(edge, Node):
                    alone = True
                    break
            edge = None
            if alone:
                dropped.append(self._edges)
                self._edges = None
                drain()

    def __repr__(self):
        return f"<{self.name()} object at {<size_t> <PyObject*> self:#x}>"


cdef int drain() except -1:
    """Let go of what `dropped` holds, one by one: deallocations set off by this add to the list instead of nesting."""
    global dropping
    if not dropping:
        dropping = True
        while PyList_GET_SIZE(dropped) > KEPT_PLACES:
            dropped.pop()
        dropping = False
    return 0


def drop_anew():
    """In a forked child: the thread that was letting go of things, if another one was, is not there to go on."""
    global dropping
    dropping = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=drop_anew)


cdef dict node_types = {}        # (Node class, name) -> subclass of that name


cdef object shown(node):
    """`node` as Python sees it: its type is named after its operation, as in the era.

    The type is put in place only here, when somebody looks, so that recording costs nothing for it. It adds nothing to
    its base: the memory is laid out alike.
    """
    if node is None:
        return None
    if type(node) is PythonNode and getattr(type((<PythonNode> node).context), "_static", True) is False:
        return (<PythonNode> node).context          # an old-style Function is itself the grad_fn
    cdef type cls = type(node)
    if cls is OperationNode or cls is PythonNode or cls is OverwriteNode:
        key = cls, node.name()
        if key not in node_types:
            node_types[key] = type(key[1], (cls,), {"__slots__": (), "__module__": __name__})
        cls = node_types[key]
        Py_INCREF(cls)
        Py_SET_TYPE(node, cls)
    return node


accumulators = weakref.WeakValueDictionary()      # id of a leaf -> its AccumulateGrad, while somebody holds that


def accumulator(variable):
    found = accumulators.get(id(variable))      # one look: another thread may let go of it before a second
    if found is None:
        found = accumulators[id(variable)] = AccumulateGrad(variable)
    return found


class AccumulateGrad:
    """Where the graph ends: adds a gradient to the leaf `variable`."""
    next_functions = ()

    def __init__(self, variable):
        self.variable = variable

    def name(self):
        return "AccumulateGrad"

    def __repr__(self):
        return f"<AccumulateGrad object at {id(self.variable):#x}>"


cdef class OperationNode(Node):
    """Node of an operation from the table."""

    def name(self):
        if self.operation is op_identity:
            return "Identity"
        words = self.operation.name.replace("_", " ").title().replace(" ", "")
        # Two forms of the era's arithmetic: 0 with a number, 1 with two tensors.
        form = ""
        if self.operation.broadcast and len(self._edges) == 2:
            form = "0" if self._edges[0] is False or self._edges[1] is False else "1"
        return f"{words}Backward{form}"

    def __dealloc__(self):
        cdef bint alone = False
        if self._values is not None:
            for value in self._values:
                if (type(value) is Saved and (<Saved> value).source is not None
                        and Py_REFCNT((<Saved> value).source) <= len(self._values) + 1):
                    alone = True
                    break
            value = None
            if alone:
                dropped.append(self._values)
                self._values = None
                drain()

    cdef int release(self) except -1:
        # A node that kept only numbers and sizes has nothing to free, and can run again.
        cdef Py_ssize_t slot
        if self._values is not None:
            for slot in range(self.operation._slot_count):
                if (type(<object> PyTuple_GET_ITEM(self._values, slot)) is Saved
                        or self.operation._slot_kind[slot] == WORKSPACE):
                    self._released = True
                    break
        if self._released and self._values is not None:
            dropped.append(self._values)
            self._values = None
            drain()
        return 0

    cdef object step(self, object grads, long long mask, bint create_graph):
        """Gradients of the inputs (list: None where not needed) from those of the outputs."""
        cdef Operation operation = self.operation
        cdef long long needs = self._needs & mask
        cdef Py_ssize_t i, k, slot, n = PyTuple_GET_SIZE(self._edges)
        cdef PyObject* values[MOST_SLOTS]
        cdef PyObject* argv[MOST_SLOTS + 1]
        cdef list held = None, result
        cdef object value
        cdef tuple formula, slots, saved = self._values     # held here too, whatever runs in between
        if self._released:
            raise_released(operation.name)
        if create_graph and operation.reference is not None:
            return self.step_through_reference(grads, needs)
        for slot in range(operation._slot_count):
            value = <object> PyTuple_GET_ITEM(saved, slot)
            if operation._slot_users[slot] & needs or operation.variadic:
                if type(value) is Saved:
                    value = (<Saved> value).unpack(self, slot, create_graph)
                    if create_graph:
                        held = held or []
                        held.append(value)
                elif operation._slot_kind[slot] == NEEDS:
                    value = tuple([bool(needs >> min(i, 62) & 1) for i in range(n)])
                    held = held or []
                    held.append(value)
            values[slot] = <PyObject*> value
        if operation.joint is not None:
            slots = operation._formulas[0][1]
            argv[0] = <PyObject*> grads
            for k in range(PyTuple_GET_SIZE(slots)):
                argv[k + 1] = values[<long long> <object> PyTuple_GET_ITEM(slots, k)]
            result = list(PyObject_Vectorcall(operation.joint, argv, PyTuple_GET_SIZE(slots) + 1, NULL))
        else:
            result = [None] * n
            for i in range(n):
                if (needs & operation._passes) >> i & 1:
                    result[i] = grads
                elif needs >> i & 1:
                    formula = <tuple> PyTuple_GET_ITEM(operation._formulas, i)
                    slots = <tuple> PyTuple_GET_ITEM(formula, 1)
                    argv[0] = <PyObject*> grads
                    for k in range(PyTuple_GET_SIZE(slots)):
                        argv[k + 1] = values[<long long> <object> PyTuple_GET_ITEM(slots, k)]
                    result[i] = PyObject_Vectorcall(<object> PyTuple_GET_ITEM(formula, 0), argv,
                                                    PyTuple_GET_SIZE(slots) + 1, NULL)
        if self._sizes is not None:
            for i in range(n):
                if result[i] is not None and self._sizes[i] is not None:
                    result[i] = sum_to_size(result[i], self._sizes[i])
        return result

    cdef object step_through_reference(self, object grads, long long needs):
        """The derivative recorded: run the reference on aliases of the inputs and differentiate that.

        Aliases, because one input may have been computed from another: the partial derivatives are wanted here.
        """
        cdef Operation operation = self.operation
        cdef Py_ssize_t i, slot, n = PyTuple_GET_SIZE(self._edges)
        cdef list args = [None] * (n + len(operation.parameters))
        for slot in range(operation._slot_count):
            kind, index, value = operation._slot_kind[slot], operation._slot_index[slot], self._values[slot]
            if kind == PARAMETER:
                args[n + index] = value
            elif kind == VALUE:
                if type(value) is Saved:
                    value = (<Saved> value).unpack(self, slot, True)
                    if needs >> index & 1:
                        value = op_identity(value)
                args[index] = value
        outs = operation.reference(*args)
        if operation.outputs == 1:
            outs, grads = (outs,), (grads,)
        pairs = [(o, g) for o, g in zip(outs, grads) if g is not None and requires_grad(o)]
        wanted = [i for i in range(n) if needs >> i & 1]
        found = run_backward(tuple([o for o, _ in pairs]), tuple([g for _, g in pairs]), True, True,
                             tuple([args[i] for i in wanted]), False)
        result = [None] * n
        for i, g in zip(wanted, found):
            result[i] = g
        return result


cdef object raise_released(name):
    raise RuntimeError(f"{name}: trying to backward through the graph a second time, but the buffers have already been "
                       "freed. Specify retain_graph=True when calling backward the first time; or, if a hidden state "
                       "comes from an earlier batch, go on from its data alone: h = Variable(h.data)")


cdef class PythonNode(Node):
    """Node of a user's Function: its `context` computes on Variables, `_step(grads) -> one gradient an input`."""

    def __init__(self, context, inputs, int outputs, Node beside=None):
        """beside: a node whose inputs this one has too."""
        global recorded
        self.context = context
        self.outputs = outputs
        self._edges = tuple([False if not isinstance(v, Variable) else None if not requires_grad(v) else
                             (<Variable> v)._grad_fn if (<Variable> v)._grad_fn is not None else v for v in inputs])
        self._numbers = tuple([(<Variable> v)._output_nr if isinstance(v, Variable) else 0 for v in inputs])
        if beside is not None:
            self._edges += beside._edges
            self._numbers += beside._numbers or (0,) * len(beside._edges)
        recorded += 1                  # only now: a view among the inputs may have recorded its node anew just before
        self.sequence = recorded

    def name(self):
        cls = type(self.context)
        return getattr(cls, "_node_name", f"{cls.__name__}Backward")

    def __getattr__(self, name):
        return getattr(self.context, name)

    def attach(self, Variable variable, int number):
        """Make `variable` output `number` of this node."""
        set_history(variable, self, number)

    def __dealloc__(self):
        dropped.append(self.context)
        self.context = None
        drain()

    cdef int release(self) except -1:
        self._released = True
        self.context._release()
        return 0

    cdef object step(self, object grads, long long mask, bint create_graph):
        if self.outputs == 1:
            grads = (grads,)
        if not create_graph:
            grads = tuple([None if g is None else wrap_variable(g, True) for g in grads])
        result = self.context._step(grads, create_graph)
        if not create_graph:
            return [None if g is None else variable_array(<Variable> g) for g in result]
        return list(result)


cdef class OverwriteNode(Node):
    """Node of a change in place that does not depend on the value it overwrote: the leaves behind that get zeros.

    Its edges lead to these leaves themselves, past the old graph, which can so be let go: a memory that is cleared in
    every round of a loop does not keep the earlier rounds. And no formula of the old graph is run for a zero, which
    could meet an infinite factor, a value that was changed since, or one that is freed already. The price is that inner
    Variables of the old graph get nothing: to `autograd.grad` they are unreachable.
    """
    cdef str _name

    def name(self):
        return f"{self._name.replace('_', ' ').title().replace(' ', '')}Backward"

    cdef object step(self, object grads, long long mask, bint create_graph):
        cdef Py_ssize_t i
        cdef list result = [None] * PyTuple_GET_SIZE(self._edges)
        for i, edge in enumerate(self._edges):
            if isinstance(edge, Node):
                result[i] = grads
            elif mask >> min(i, 62) & 1:
                zeros = zeros_for(variable_array(<Variable> edge))
                result[i] = wrap_variable(zeros, False) if create_graph else zeros
        return result


cdef OverwriteNode record_overwriting(str name, Node old, Node value, int number):
    """A node for a value written over one with the history `old`. value: the node of what was written, or None."""
    global recorded
    cdef OverwriteNode node = OverwriteNode.__new__(OverwriteNode)
    recorded += 1
    node.sequence = recorded
    node.outputs = 1
    node._name = name
    node._edges = leaves_behind(old)
    if value is not None:
        node._edges = (value, *node._edges)
        node._numbers = (number,) + (0,) * (len(node._edges) - 1)
    return node


cdef long long walks = 0         # how many graphs were searched for their leaves


cdef tuple leaves_behind(Node node):
    """The leaves in which the graph of `node` ends, each once."""
    global walks
    cdef dict leaves = {}
    cdef list stack = [node]
    cdef long long walk
    walks += 1
    walk = node._walk = walks
    while stack:
        node = <Node> stack.pop()
        for edge in node._edges:
            if isinstance(edge, Variable):
                leaves[edge] = None
            elif isinstance(edge, Node) and (<Node> edge)._walk != walk:
                (<Node> edge)._walk = walk
                stack.append(edge)
    return tuple(leaves)


cdef object zeros_for(object array):
    """Zeros of an array's size and type, in its memory."""
    if cnp.PyArray_Check(array):
        return np.zeros(array.shape, array.dtype)
    return run_there(array, np.zeros_like, (array, None, "C"))

# Part of the engine (_core.pyx): the backward pass, a loop over a heap of nodes.

from cpython.ref cimport Py_REFCNT
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdlib cimport free, realloc


@cython.final
@cython.freelist(64)
cdef class Buffer:
    """Gradient of one node's outputs (or of one leaf) as it adds up. `owned`: nobody else sees the array."""
    cdef Node node
    cdef object first
    cdef bint first_owned
    cdef list others             # of outputs 1, 2, ...
    cdef list others_owned


@cython.final
@cython.freelist(64)
cdef class Part:
    """A gradient that is `grad` at the place `where` of an array of `size`, and zero elsewhere.

    What a formula may return for one slice of many: adding it up touches the slice, not the whole array, so that a loop
    over the slices of a Variable costs as much as one pass over it.
    """
    cdef object grad, where, size

    def __init__(self, grad, where, size):
        self.grad, self.where, self.size = grad, where, size

    cdef object whole(self):
        cdef object place = (<Operation> operations["place"]).forward, args = (self.grad, self.where, self.size)
        return place(*args) if cnp.PyArray_Check(self.grad) else run_there(self.grad, place, args)

    cdef int add_to(self, object total) except -1:
        place = total[self.where]
        add_into(place, self.grad.reshape(place.shape))
        return 0


cdef struct Waiting:
    long long sequence
    PyObject* node


@cython.final
cdef class Queue:
    """Binary heap of nodes, the latest recorded on top."""
    cdef Waiting* items
    cdef Py_ssize_t count, room

    def __dealloc__(self):
        free(self.items)

    cdef int push(self, Node node) except -1:
        cdef Py_ssize_t i = self.count, parent
        if i == self.room:
            self.room = 2 * self.room + 16
            items = <Waiting*> realloc(self.items, self.room * sizeof(Waiting))
            if items == NULL:
                raise MemoryError()
            self.items = items
        self.count += 1
        while i > 0:
            parent = (i - 1) >> 1
            if self.items[parent].sequence >= node.sequence:
                break
            self.items[i] = self.items[parent]
            i = parent
        self.items[i].sequence, self.items[i].node = node.sequence, <PyObject*> node
        return 0

    cdef PyObject* pop(self) noexcept:
        cdef PyObject* top = self.items[0].node
        cdef Waiting last
        cdef Py_ssize_t i = 0, child = 1
        self.count -= 1
        last = self.items[self.count]
        while child < self.count:
            if child + 1 < self.count and self.items[child + 1].sequence > self.items[child].sequence:
                child += 1
            if last.sequence >= self.items[child].sequence:
                break
            self.items[i] = self.items[child]
            i, child = child, 2 * child + 1
        self.items[i] = last
        return top


cdef object add_up(object total, object grad, bint* owned, bint create_graph):
    if type(grad) is Part:
        if total is None:
            total = (<Part> grad).whole()
        else:
            if not owned[0]:
                total = copy_array(total)
            (<Part> grad).add_to(total)
        owned[0] = True
        return total
    if total is None:
        owned[0] = False
        return grad
    if create_graph:
        return op_add(total, grad)
    if owned[0]:
        add_into(total, grad)
        return total
    owned[0] = True
    return added(total, grad)


cdef int add_into(object total, object grad) except -1:
    if cnp.PyArray_Check(total):
        accumulate_arrays(total, grad)
    else:
        run_there(total, accumulate_arrays, (total, grad))
    return 0


cdef object added(object a, object b):
    return op_add.forward(a, b) if cnp.PyArray_Check(a) else run_there(a, op_add.forward, (a, b))


cdef int deposit(Buffer buffer, Py_ssize_t number, object grad, bint create_graph) except -1:
    cdef bint owned
    if number == 0:
        buffer.first = add_up(buffer.first, grad, &buffer.first_owned, create_graph)
        return 0
    if buffer.others is None:
        buffer.others = [None] * (buffer.node.outputs - 1)
        buffer.others_owned = [False] * (buffer.node.outputs - 1)
    owned = buffer.others_owned[number - 1]
    buffer.others[number - 1] = add_up(buffer.others[number - 1], grad, &owned, create_graph)
    buffer.others_owned[number - 1] = owned
    return 0


cdef object run_hooks(hooks, object grad, bint create_graph):
    """Let each hook see the gradient as a Variable; what it returns takes the gradient's place."""
    cdef Variable v = grad if create_graph else wrap_variable(grad, True)
    for hook in list(hooks.values()):
        got = hook(v)
        if got is not None:
            if not isinstance(got, Variable):
                raise RuntimeError(f"a hook must return a Variable or None, got {type(got).__name__}")
            if variable_array(got).shape != variable_array(v).shape:
                raise RuntimeError("a hook has changed the size of the gradient from "
                                   f"{variable_array(v).shape} to {variable_array(got).shape}")
            if (type_number(variable_array(got)) != type_number(variable_array(v))
                    or not together(variable_array(got), variable_array(v))):
                raise RuntimeError("a hook has changed the type of the gradient from "
                                   f"{type_name(variable_array(v))} to {type_name(variable_array(got))}")
            v = got
    return v if create_graph else variable_array(v)


cdef dict plan_partial(tuple roots, tuple inputs):
    """Which inputs of which nodes must be computed for the gradients of `inputs` alone: {node: mask of its edges}."""
    cdef set wanted = set(), leaves = set()
    cdef dict masks = {}
    cdef list stack = [], found = []
    cdef Node node
    cdef Variable v
    cdef long long mask
    for v in inputs:
        if grad_fn_of(v) is None:
            leaves.add(v)
        else:
            wanted.add(v._grad_fn)
    seen = set()
    for v in roots:
        if grad_fn_of(v) is not None and v._grad_fn not in seen:
            seen.add(v._grad_fn)
            stack.append(v._grad_fn)
    while stack:
        node = stack.pop()
        found.append((node.sequence, node))
        for edge in node._edges:
            if isinstance(edge, Node) and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    found.sort(key=lambda pair: pair[0])
    for _, node in found:
        mask = 0
        for i, edge in enumerate(node._edges):
            if edge in leaves if isinstance(edge, Variable) else edge in wanted:
                mask |= 1 << min(i, 62)
        if mask:
            masks[node] = mask
            wanted.add(node)
    return masks


def run_backward(tuple roots, tuple gradients, bint retain, bint create_graph, tuple inputs=None, bint accumulate=True):
    """Propagate `gradients` (arrays; Variables if create_graph) from `roots`.

    accumulate: add to the leaves' `.grad`. inputs: return their gradients (None where unreachable), in order; without
    accumulate nothing else is computed.
    """
    cdef dict buffers = {}, leaves = {}, masks = None, captured = None
    cdef Queue queue = Queue()
    cdef Node node, target
    cdef Buffer buffer, other
    cdef Variable v
    cdef object grads, edge, grad
    cdef list result
    cdef Py_ssize_t i, number
    cdef long long mask
    if inputs is not None:
        captured = {}
        for v in inputs:
            if grad_fn_of(v) is not None:
                captured.setdefault(v._grad_fn, {})[v._output_nr] = None
            else:
                captured[v] = None
        if not accumulate:
            masks = plan_partial(roots, inputs)

    for v, grad in zip(roots, gradients):
        node = grad_fn_of(v)
        if node is None:
            buffer = leaves.get(v)
            if buffer is None:
                leaves[v] = buffer = Buffer.__new__(Buffer)
            deposit(buffer, 0, grad, create_graph)
        else:
            buffer = buffers.get(node)
            if buffer is None:
                buffers[node] = buffer = Buffer.__new__(Buffer)
                buffer.node = node
                queue.push(node)
            deposit(buffer, v._output_nr, grad, create_graph)

    while queue.count:
        node = <Node> queue.pop()
        buffer = buffers.pop(node)
        if captured is not None and node in captured:
            for number in captured[node]:
                captured[node][number] = (buffer.first if number == 0 else
                                          None if buffer.others is None else buffer.others[number - 1])
        mask = -1
        if masks is not None:
            if node not in masks:
                continue
            mask = masks[node]
        if node._pre_hooks is not None:
            for number, hooks in node._pre_hooks:
                grad = buffer.first if number == 0 else None if buffer.others is None else buffer.others[number - 1]
                if grad is not None and hooks:
                    grad = run_hooks(hooks, grad, create_graph)
                    if number == 0:
                        buffer.first, buffer.first_owned = grad, False
                    else:
                        buffer.others[number - 1], buffer.others_owned[number - 1] = grad, False
        if node.outputs == 1:
            grads = buffer.first
        else:
            grads = (buffer.first, *(buffer.others or (None,) * (node.outputs - 1)))
        if rarely(watched):
            result = step_watched(node, grads, mask, create_graph)
        else:
            result = step_there(node, grads, mask, create_graph)
        if node._post_hooks is not None:
            result = run_post_hooks(node, result, grads, create_graph)
        if not retain:
            node.release()
        for i in range(PyTuple_GET_SIZE(node._edges)):
            edge = <object> PyTuple_GET_ITEM(node._edges, i)
            grad = result[i]
            if edge is None or edge is False or grad is None:
                continue
            if isinstance(edge, Node):
                target = <Node> edge
                other = buffers.get(target)
                if other is None:
                    if masks is not None and target not in masks and target not in captured:
                        continue
                    other = Buffer.__new__(Buffer)
                    other.node = target
                    buffers[target] = other
                    queue.push(target)
                deposit(other, 0 if node._numbers is None else node._numbers[i], grad, create_graph)
            else:
                other = leaves.get(edge)
                if other is None:
                    if masks is not None and edge not in captured:
                        continue
                    other = Buffer.__new__(Buffer)
                    leaves[edge] = other
                deposit(other, 0, grad, create_graph)
        result = grads = grad = None      # so that a gradient nobody else holds can become a leaf's own

    while leaves:
        v, buffer = leaves.popitem()
        if captured is not None and v in captured:
            captured[v] = buffer.first
        elif accumulate:
            if v._hooks:
                buffer.first, buffer.first_owned = run_hooks(v._hooks, buffer.first, create_graph), False
            if rarely(watched):
                accumulate_watched(v, buffer, create_graph)
            else:
                accumulate_leaf(v, buffer, create_graph)
    if inputs is None:
        return None
    return tuple([captured[v._grad_fn][v._output_nr] if grad_fn_of(v) is not None else captured[v] for v in inputs])


cdef list step_there(Node node, object grads, long long mask, bint create_graph):
    """The node's derivative, on the GPU where its gradient lies."""
    cdef object array = grads, g
    if node.outputs > 1:
        array = None
        for g in grads:
            if g is not None:
                array = g
                break
    if create_graph and array is not None:
        array = variable_array(<Variable> array)
    if array is None or cnp.PyArray_Check(array):
        return node.step(grads, mask, create_graph)
    with array.device:
        return node.step(grads, mask, create_graph)


cdef object run_post_hooks(Node node, list result, object grads, bint create_graph):
    level = (lambda g: g) if create_graph else (lambda g: None if g is None else wrap_variable(g, True))
    outputs = tuple([level(g) for g in (grads if node.outputs > 1 else (grads,))])
    inputs = tuple([level((<Part> g).whole() if type(g) is Part else g) for g in result])
    for hook in list(node._post_hooks.values()):
        got = hook(inputs, outputs)
        if got is None:
            continue
        got = (got,) if isinstance(got, Variable) else tuple(got)
        if len(got) != len(inputs):
            raise RuntimeError(f"a backward hook returned the wrong number of gradients: got {len(got)}, "
                               f"but expected {len(inputs)}")
        inputs = got
    return list(inputs) if create_graph else [None if g is None else variable_array(<Variable> g) for g in inputs]


cdef int accumulate_leaf(Variable v, Buffer buffer, bint create_graph) except -1:
    """Add to `.grad`: the first time a clone, that shares memory with nothing; later in place if it is volatile."""
    cdef object grad = buffer.first, array
    cdef Variable old = v._grad, new
    if v._grad_fn is not None:
        raise RuntimeError("a leaf Variable was moved into the graph by an in-place operation after it was used; "
                           "gradients for it are no longer defined")
    if v._volatile or not v._requires_grad:
        return 0
    if create_graph:
        v._grad = op_identity(<Variable> grad) if old is None else None
        if old is not None:
            if old._volatile:
                add_into(variable_array(old), variable_array(<Variable> grad))
                bump(old)
                v._grad = old
            else:
                v._grad = op_add(old, grad)
        return 0
    if old is None:
        owned = buffer.first_owned
        buffer.first = None
        # One reference, the local one: such an array can be taken instead of copied.
        if not owned and not (cnp.PyArray_CheckExact(grad) and Py_REFCNT(grad) == 1
                              and cnp.PyArray_BASE(<cnp.ndarray> grad) == NULL
                              and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> grad)):
            grad = copy_array(grad)
        v._grad = wrap_variable(grad, True)
    elif old._volatile:
        add_into(variable_array(old), grad)
        bump(old)
    else:
        v._grad = wrap_variable(added(variable_array(old), grad), True)
    return 0

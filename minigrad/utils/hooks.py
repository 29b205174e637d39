"""Handles that take a hook back out of the dictionary it was put into."""

import weakref


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook out; as a context manager, at the end of the block."""

    _next = 0

    def __init__(self, hooks):
        self.id = RemovableHandle._next
        RemovableHandle._next += 1
        self._hooks = weakref.ref(hooks)

    def remove(self):
        """Take the hook out; nothing happens if it is out already."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()

    def __getstate__(self):
        return self._hooks(), self.id

    def __setstate__(self, state):
        import collections

        hooks, self.id = state
        self._hooks = weakref.ref(collections.OrderedDict() if hooks is None else hooks)
        RemovableHandle._next = max(RemovableHandle._next, self.id + 1)


def register(hooks, hook):
    """Put `hook` into the OrderedDict `hooks`; returns its handle."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle

"""Memory of results: arrays whose memory comes from, and goes back to, the store of blocks.h.

A NumPy array may have a memory handler of its own (NEP 49), which frees what it holds. Arrays of a kilobyte and more
that kernels return have the one made here. They own their memory like any other; only malloc is not asked each time,
which for 1000 numbers costs as much as adding them, and for a megabyte, whose pages it would fetch anew, far more.
"""

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_New

cnp.import_array()

cdef extern from *:
    """
    #include <string.h>
    #include "blocks.h"
    typedef char mg_as_in_pxd[MG_LEFT_TO_MALLOC == 1024 ? 1 : -1];

    static void *mg_handler_malloc(void *context, size_t bytes) { (void)context; return mg_take(bytes); }

    static void *mg_handler_calloc(void *context, size_t count, size_t size)
    {
        (void)context;
        void *memory = size && count > SIZE_MAX / size ? NULL : mg_take(count * size);
        return memory ? memset(memory, 0, count * size) : NULL;
    }

    static void mg_handler_free(void *context, void *memory, size_t bytes)
    {
        (void)context;
        (void)bytes;
        mg_give(memory);
    }

    static void *mg_handler_realloc(void *context, void *memory, size_t bytes)
    {
        (void)context;
        void *larger = mg_take(bytes);
        if (larger && memory) {
            size_t before = mg_room(memory);
            memcpy(larger, memory, before < bytes ? before : bytes);
            mg_give(memory);
        }
        return larger;
    }

    static PyDataMem_Handler mg_handler = {
        "minigrad", 1, {NULL, mg_handler_malloc, mg_handler_calloc, mg_handler_realloc, mg_handler_free}
    };

    static PyObject *mg_result(int dimensions, npy_intp *shape, int typenum, size_t bytes, PyObject *handler)
    {
        void *memory = mg_take(bytes);
        if (memory == NULL)
            return PyErr_NoMemory();
        PyObject *array = PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(typenum), dimensions, shape, NULL,
                                               memory, NPY_ARRAY_CARRAY, NULL);
        if (array == NULL) {
            mg_give(memory);
            return NULL;
        }
        Py_INCREF(handler);
        ((PyArrayObject_fields *)array)->mem_handler = handler;
        PyArray_ENABLEFLAGS((PyArrayObject *)array, NPY_ARRAY_OWNDATA);
        return array;
    }
    """
    ctypedef struct PyDataMem_Handler:
        pass
    PyDataMem_Handler mg_handler
    cnp.ndarray mg_result(int dimensions, cnp.npy_intp *shape, int typenum, size_t bytes, object handler)

cdef object handler = PyCapsule_New(&mg_handler, "mem_handler", NULL)


cdef cnp.ndarray from_store(int dimensions, cnp.npy_intp *shape, int typenum, size_t bytes):
    return mg_result(dimensions, shape, typenum, bytes, handler)

# Index of the instruction set in use, into the tables that every compiled kernel makes with MG_TABLES; chosen once at
# import, and again only by a test.
cdef int chosen

# The examples. They use the public headers only, and link the shared library.

EXAMPLE_LIBS = libpromise.la $(LIBEVENT_LIBS)

# The measurements, `make bench`. They use the public headers only, and link the static library.

BENCH_LIBS = libpromise.la $(LIBEVENT_LIBS)

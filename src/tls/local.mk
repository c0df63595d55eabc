# libpromise-tls: TLS on streams. It uses the public headers of the two below, and needs OpenSSL and libevent_openssl.

tls_headers = \
	include/promise/tls.h

if HAVE_TLS
promiseinclude_HEADERS += $(tls_headers)

# All of it, internal names included: what white-box tests link.
noinst_LTLIBRARIES += libtls.la
libtls_la_CPPFLAGS = $(library_cppflags) $(TLS_CFLAGS)
libtls_la_CFLAGS = $(library_cflags)
libtls_la_LIBADD = $(TLS_LIBS) $(LIBEVENT_LIBS)
libtls_la_SOURCES = \
	src/tls/connect.c \
	src/tls/context.c \
	src/tls/error.c \
	src/tls/farewell.c \
	src/tls/secure.c \
	src/tls/session.c \
	src/tls/stream.c \
	src/tls/tls.h

# What is installed.
lib_LTLIBRARIES += libpromise-tls.la
libpromise_tls_la_SOURCES =
libpromise_tls_la_LIBADD = libtls.la libpromise.la libpromise-core.la
libpromise_tls_la_LDFLAGS = $(library_ldflags) $(library_exports)
endif

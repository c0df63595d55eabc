# libpromise-tls: TLS on streams. It uses the public headers of the two below, and needs OpenSSL and libevent_openssl.

tls_headers =

if HAVE_TLS
promiseinclude_HEADERS += $(tls_headers)

# All of it, internal names included: what white-box tests link.
noinst_LTLIBRARIES += libtls.la
libtls_la_CPPFLAGS = $(library_cppflags) $(TLS_CFLAGS)
libtls_la_CFLAGS = $(library_cflags)
libtls_la_LIBADD = $(TLS_LIBS) $(LIBEVENT_LIBS)
libtls_la_SOURCES =

# What is installed.
lib_LTLIBRARIES += libpromise-tls.la
libpromise_tls_la_SOURCES =
libpromise_tls_la_LIBADD = libtls.la libpromise.la libpromise-core.la
libpromise_tls_la_LDFLAGS = $(library_ldflags) # and $(library_exports), which needs a first source
endif

# libpromise: names, and protocols on top of streams. It uses the public headers of libpromise-core, and needs libevent_extra.

net_headers =

# All of it, internal names included: what white-box tests link.
noinst_LTLIBRARIES += libnet.la
libnet_la_CPPFLAGS = $(library_cppflags) $(EVENT_EXTRA_CFLAGS)
libnet_la_CFLAGS = $(library_cflags)
libnet_la_LIBADD = $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
libnet_la_SOURCES =

# What is installed.
lib_LTLIBRARIES += libpromise.la
libpromise_la_SOURCES =
libpromise_la_LIBADD = libnet.la libpromise-core.la
libpromise_la_LDFLAGS = $(library_ldflags) # and $(library_exports), which needs a first source

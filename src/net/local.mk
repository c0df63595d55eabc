# libpromise: names, and protocols on top of streams. It uses the public headers of libpromise-core, and needs libevent_extra.

net_headers = \
	include/promise/connect_name.h \
	include/promise/dns.h \
	include/promise/http.h \
	include/promise/http_client.h \
	include/promise/http_server.h

# All of it, internal names included: what white-box tests link.
noinst_LTLIBRARIES += libnet.la
libnet_la_CPPFLAGS = $(library_cppflags) $(EVENT_EXTRA_CFLAGS)
libnet_la_CFLAGS = $(library_cflags)
libnet_la_LIBADD = $(EVENT_EXTRA_LIBS) $(LIBEVENT_LIBS)
libnet_la_SOURCES = \
	src/net/connect_name.c \
	src/net/dns.c \
	src/net/dns.h \
	src/net/dns_hosts.c \
	src/net/dns_query.c \
	src/net/dns_system.c \
	src/net/http_answer.c \
	src/net/http_body.c \
	src/net/http_client.c \
	src/net/http_condition.c \
	src/net/http_condition.h \
	src/net/http_connection.c \
	src/net/http_connection.h \
	src/net/http_date.c \
	src/net/http_date.h \
	src/net/http_deadline.c \
	src/net/http_deadline.h \
	src/net/http_error.c \
	src/net/http_exchange.c \
	src/net/http_exchange.h \
	src/net/http_field.c \
	src/net/http_head.c \
	src/net/http_message.c \
	src/net/http_message.h \
	src/net/http_mime.c \
	src/net/http_mime.h \
	src/net/http_parse.c \
	src/net/http_pool.c \
	src/net/http_pool.h \
	src/net/http_redirect.c \
	src/net/http_reply.c \
	src/net/http_request.c \
	src/net/http_response.c \
	src/net/http_serve.c \
	src/net/http_server.c \
	src/net/http_url.c \
	src/net/http_url.h \
	src/net/http_write.c

# What is installed.
lib_LTLIBRARIES += libpromise.la
libpromise_la_SOURCES =
libpromise_la_LIBADD = libnet.la libpromise-core.la
libpromise_la_LDFLAGS = $(library_ldflags) $(library_exports)

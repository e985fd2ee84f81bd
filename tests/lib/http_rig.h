/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/http_rig.h -- a server on a loop of its own thread, and clients in
 * the test's thread: libcurl for whole requests, plain TLS for broken ones. */
#ifndef MIGRD_TESTS_LIB_HTTP_RIG_H
#define MIGRD_TESTS_LIB_HTTP_RIG_H

#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <semaphore.h>

#include "http/internal.h"
#include "tests/lib/http_pki.h"

#define RIG_HELD_MAX 16

/* What /v1/boxes/{id} is about: an object that is read, replaced, opened and removed. */
struct rig_box {
	bool is_there;
	char colour[16];
	uint64_t seconds; /* passing: grows with each reading */
};

struct rig {
	const struct http_pki *pki;
	struct loop *loop;
	struct http_server *server;
	pthread_t thread;
	sem_t ready;
	uint32_t deadline_ms, heartbeat_ms; /* set before rig_start(); 0: the default */
	uint16_t listen_port;               /* set before rig_start(); 0: any */
	const struct transfer_features *hello_features;
	int hello_version;                  /* protocol in the answer to hello; 0: the real one */
	char socket_path[96];
	uint16_t port;
	/* used on the loop only */
	struct rig_box box;
	/* what a callback has read of a request that it had answered (rig_read()) */
	char read_after[256];
	/* requests that are answered only after the server is gone */
	struct http_request *held[RIG_HELD_MAX];
	size_t held_count;
	struct http_stream *streams[RIG_HELD_MAX];
	size_t stream_count;
	/* posted by handlers */
	sem_t held_added, stream_added, stream_closed;
};

void rig_start(struct rig *rig, const struct http_pki *pki);
void rig_stop(struct rig *rig);
/* On the loop: reads all there is of REQ, into read_after. */
void rig_read(struct rig *rig, const struct http_request *req);
/* Runs FN on the loop and waits for it. */
void rig_call(struct rig *rig, void (*fn)(struct rig *rig));
uint64_t rig_accepted(struct rig *rig);
/* Waits at most 10 s. */
void rig_wait(sem_t *sem);

struct reply {
	CURLcode code;
	long status;
	char *body;
	char type[64], allow[64], cache[32], etag[64], location[128], retry_after[16];
};

/* Sends one request on a new connection.  CERT: NULL for no certificate, "local" for
 * the UNIX socket.  HEADER may be NULL. */
struct reply rig_ask(struct rig *rig, const char *cert, const char *method, const char *path,
		     const char *body, const char *header);
void reply_fini(struct reply *reply);
/* The "code" member of a problem document, or "". */
const char *reply_code(const struct reply *reply);

/* A TLS connection without HTTP on it. */
struct raw {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
};

int rig_connect_tcp(struct rig *rig);
void raw_open(struct raw *raw, struct rig *rig, const char *cert);
void raw_send(struct raw *raw, const char *text);
/* Reads until TEXT has come (true), or until the end (false), for at most 10 s; appends
 * all input to GOT. */
bool raw_read_until(struct raw *raw, const char *text, struct strbuf *got);
void raw_close(struct raw *raw);

#endif

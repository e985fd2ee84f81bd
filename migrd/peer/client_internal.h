/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* peer/client_internal.h -- what the files of the peer client share.
 *
 *   client.c    peers, the life of a request, hello
 *   transfer.c  one request as one libcurl transfer, and its outcome in words
 */
#ifndef MIGRD_PEER_CLIENT_INTERNAL_H
#define MIGRD_PEER_CLIENT_INTERNAL_H

#include <sys/queue.h>

#include "base/id.h"
#include "base/strbuf.h"
#include "multi/multi.h"
#include "peer/client.h"

#define PEER_ANSWER_MAX (1u << 20)

enum hello_state { HELLO_NEEDED, HELLO_ASKED, HELLO_DONE };

struct peer {
	char *id;
	char *address;
	bool is_removed; /* stays in memory: requests and lists may point to it */
	enum hello_state hello;
	uint32_t hello_ms; /* deadline of the last hello, while none was answered */
	int version;       /* agreed on by hello */
	struct peer_figures figures;
	TAILQ_ENTRY(peer) link;
};

enum request_state {
	REQUEST_WAITING, /* for hello */
	REQUEST_RUNNING,
	REQUEST_LOST, /* by fault injection: nothing comes but the deadline */
	REQUEST_DONE, /* answered, fn() not called yet */
};

struct peer_request {
	struct peer_clients *clients;
	struct peer *peer; /* NULL: unknown */
	enum request_state state;
	bool is_hello;
	char *method, *path, *body;
	peer_reply_fn *fn;
	void *data;
	uint32_t deadline_ms;
	struct loop_timer *deadline;
	/* while it runs */
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	struct strbuf answer;
	bool is_answer_too_large;
	char curl_error[CURL_ERROR_SIZE];
	/* once it is done */
	struct json_object *reply;
	struct err err;
	TAILQ_ENTRY(peer_request) link;
};

TAILQ_HEAD(peer_list, peer);
TAILQ_HEAD(peer_request_list, peer_request);

struct peer_clients {
	struct loop *loop;
	char *host_id, *ca_file, *cert_file, *key_file;
	struct multi *multi;
	struct loop_timer *deliver_timer;
	struct peer_list peers;
	struct peer_request_list requests; /* in order of arrival, whatever their state */
	uint64_t renewed_ms;               /* 0: never; see peer_clients_renew() */
	bool is_closing;
	bool is_delivering; /* inside a caller's function */
};

/* ---- client.c ---------------------------------------------------------- */

/* Ends REQ with REPLY, which is taken over, or ERR.  IS_BROKEN: the connection
 * failed, so that hello is needed again. */
void peer_request_finish(struct peer_request *req, struct json_object *reply, const struct err *err,
			 bool is_broken);
/* "peer.STAGE.WORD", WORD being the last of the path. */
void peer_fault_point(const struct peer_request *req, const char *stage, char *ret, size_t size);

/* An answer of the peer has come, with the time DATE (since 1970; negative: it has none). */
void peer_note_answer(struct peer *peer, int64_t date_s);
/* A request was in vain: there was no connection, or no answer. */
void peer_note_silence(struct peer *peer);

/* ---- transfer.c -------------------------------------------------------- */

bool peer_transfer_start(struct peer_request *req, struct err *err);
/* A multi_done_fn; REQ is a struct peer_request. */
void peer_transfer_ended(void *req, CURLcode code);
/* May be called in the middle of a transfer, which closes the connection, and twice. */
void peer_transfer_stop(struct peer_request *req);

#endif

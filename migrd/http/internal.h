/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http/internal.h -- what the files of the server share; nobody else's.
 *
 * Three objects make up one exchange with a client:
 *   http_conn      a connection.  The library's thread owns it.
 *   http_exchange  one request and its answer on a connection.  The library's
 *                  thread owns it; what the loop writes is under `lock'.
 *   http_request   what the client asks.  Once complete it is handed to the loop,
 *                  which owns it from then on, and frees it with the answer.  It
 *                  may outlive exchange, connection and server.
 * A suspended connection never ends by itself (the library does not look at
 * it), so its exchange is there for as long as the loop holds the request.
 *
 * Lock order: server->lock before the library's own locks, and those before server->count_lock:
 * the library holds one when it says that a WebSocket's exchange has ended
 * (http_on_completed()).
 */
#ifndef MIGRD_HTTP_INTERNAL_H
#define MIGRD_HTTP_INTERNAL_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/fault.h"
#include "base/noise.h"
#include "base/strbuf.h"
#include "http/etag.h"
#include "http/http.h"
#include "http/shares.h"

#define HTTP_HEADER_MAX          (16u << 10)
#define HTTP_HEARTBEAT_MS        15000
#define HTTP_STREAM_BUFFER_MAX   (1u << 20)
#define HTTP_PAIRS_MAX           64
#define HTTP_PEER_PREFIX         "/peer/"
#define HTTP_PEER_HELLO          "/peer/v1/hello"

/* ---- small ordered maps: parameters, query, headers -------------------- */

struct http_pairs {
	struct http_pair {
		char *key, *value;
	} * list;
	size_t count, size;
};

/* Both strings are taken over; false (and freed) when the map has HTTP_PAIRS_MAX of them. */
bool http_pairs_add(struct http_pairs *pairs, char *key, char *value);
void http_pairs_clear(struct http_pairs *pairs);
const char *http_pairs_get(const struct http_pairs *pairs, const char *key);
const char *http_pairs_get_nocase(const struct http_pairs *pairs, const char *key);

/* ---- objects ----------------------------------------------------------- */

struct http_conn {
	struct http_server *server;
	int fd; /* the library's; open until this is freed */
	bool is_local;
	bool is_verified; /* certificate chain, or UNIX peer */
	bool is_refused;  /* the alert was sent; it only waits for the client to close */
	int64_t uid;      /* of the UNIX peer; -1: none */
	bool is_identified;
	bool is_idle; /* between requests; the library's thread only */
	enum http_role role;
	char name[ID_NAME_SIZE];
	char host[48];    /* the other end's address */
	char address[64]; /* with its port */
	/* under server->lock */
	bool is_incomplete;
	struct tls_live *tls; /* this verified its certificate; NULL if local */
	int64_t ends_s;       /* when its certificate expires; 0: it is not trusted any more */
	struct tls_chain *chain; /* what it has shown; NULL: nothing */
	uint64_t judged_no;      /* server->tls_no of the last time */
	uint64_t deadline_ms;
	TAILQ_ENTRY(http_conn) link;
	enum http_share share;
	struct http_party *party; /* NULL: it is not counted, and about to end */
	TAILQ_ENTRY(http_conn) share_link;
};

/* Classes of requests, in the order in which they are served. */
enum http_class {
	HTTP_CLASS_HANDOVER, /* a peer's prepare, go, drop and fate */
	HTTP_CLASS_PEER,
	HTTP_CLASS_ADMIN,
	HTTP_CLASS_OPERATOR,
	HTTP_CLASS_VIEWER,
	HTTP_CLASS_COUNT
};

/* An answer. */
struct http_content {
	struct MHD_Response *response;
	size_t bytes; /* of the body; 0: of a stream */
	const char *text; /* the body, of so many bytes; the response owns it */
	char etag[HTTP_ETAG_SIZE]; /* "": it has none */
};

/* What the answer to a request was that nobody sent (http/condition.c). */
struct http_seen {
	unsigned status; /* 0: there is none yet */
	char etag[HTTP_ETAG_SIZE];
};

struct http_exchange {
	struct http_conn *conn;
	struct MHD_Connection *connection;
	struct http_request *req; /* while it is being read */
	bool is_begun;
	bool is_http_1_0;
	bool is_upgraded; /* it is a WebSocket's, or its connection was closed in place of that */
	struct strbuf body;
	size_t body_bytes;
	struct http_content content; /* once there is an answer */
	unsigned status;
	struct http_stream *stream;
	struct http_websocket *websocket; /* under server->lock; NULL too when it has ended */
};

struct http_request {
	struct http_server *server;     /* NULL once it is gone */
	struct http_exchange *exchange; /* NULL: likewise */
	const struct http_route *route;
	char *method, *path, *raw_query;
	struct http_pairs params, query, headers;
	struct json_object *body;
	enum http_role role;
	char caller[ID_NAME_SIZE];
	int64_t uid; /* http_caller_uid() */
	size_t body_bytes;
	bool is_refused; /* the exchange has its answer */
	bool is_begun;   /* the loop has come to it: what a turn has taken is held before */
	bool is_dropped; /* by a fault point: nobody will answer it */
	bool is_answered; /* it is on server->answered or server->gone */
	/* http_note_answer(); and the answer that waits */
	http_noted_fn *note;
	void *note_data;
	struct http_content noted;
	unsigned noted_status;
	struct http_stream *stream; /* of an answer that waits for the end of the turn */
	size_t charged;  /* http_charge() */
	bool has_waited; /* as its Prefer wanted */
	unsigned good_status;   /* in place of 200; 0: it stays */
	struct http_seen *seen; /* nobody sent it: its answer goes there */
	enum http_class class;
	uint64_t round;                 /* of its class, see http/inbox.c */
	TAILQ_ENTRY(http_request) link; /* inbox, then held, then answered */
};

struct http_stream {
	struct http_server *server;
	struct MHD_Connection *connection;
	struct http_conn *conn;
	loop_fn *closed;
	void *data;
	/* under server->lock */
	struct strbuf out;
	bool is_suspended;
	bool is_ended;       /* the reader ends when `out' is empty */
	bool is_client_gone; /* on server->gone_streams */
	TAILQ_ENTRY(http_stream) link; /* streams or gone_streams */
};

/* Log records whose rate is bounded: http/noise.c. */
enum http_noise {
	HTTP_NOISE_CERTIFICATE,
	HTTP_NOISE_NO_ROOM,
	HTTP_NOISE_REQUEST_SLOW,
	HTTP_NOISE_STREAM_SLOW,
	HTTP_NOISE_FORBIDDEN,
	HTTP_NOISE_HELLO,
	HTTP_NOISE_COUNT
};

TAILQ_HEAD(http_request_list, http_request);
TAILQ_HEAD(http_stream_list, http_stream);
TAILQ_HEAD(http_conn_list, http_conn);
TAILQ_HEAD(http_websocket_list, http_websocket);

struct http_inbox {
	struct {
		struct http_request_list waiting; /* by round */
		uint64_t round;                   /* of the last request that was taken */
		unsigned taken;                   /* in this turn */
		int64_t credit;                   /* bytes; below 0 after a long answer */
	} classes[HTTP_CLASS_COUNT];
	uint64_t earned_ms; /* credits were given up to this time */
};

struct http_server {
	struct loop *loop;
	const struct http_route *routes;
	void *handler_data;
	http_handler_fn *with_key;
	bool (*prefers_wait)(struct http_request *req, uint64_t seconds,
			     const struct json_field *fields, struct json_object *obj,
			     void *handler_data);
	char *socket_path;
	struct MHD_Daemon *tls_daemon, *local_daemon;
	uint16_t port;
	uint32_t deadline_ms, heartbeat_ms;
	int wake_fd; /* eventfd: the library's threads call the loop */
	struct loop_watch *wake_watch;
	struct loop_timer *reaper, *heartbeat, *judge;
	struct loop_timer *pace; /* for requests that wait for credit */
	struct http_request_list gone; /* the loop alone: to be freed (http_gone_free()) */
	struct loop_timer *gone_later; /* frees those that were answered outside of a turn */
	struct noise *noise[HTTP_NOISE_COUNT];

	pthread_mutex_t lock;
	pthread_mutex_t count_lock;
	pthread_cond_t exchange_ended; /* with count_lock */
	unsigned exchange_count;       /* under it */
	struct tls_live *tls; /* of new connections */
	uint64_t tls_no;      /* so often it was set */
	struct http_inbox inbox;
	struct http_request_list held;
	struct http_request_list answered; /* in this turn, and not sent yet; the loop's alone */
	bool is_in_turn;                   /* likewise */
	atomic_bool is_woken;
	struct http_stream_list streams, gone_streams;
	struct http_websocket_list websockets; /* the loop alone adds and removes */
	struct http_conn_list incomplete; /* by deadline */
	struct http_shares shares;
	uint64_t accepted_count; /* connections since the start */
	bool is_stopping;
	bool is_reaper_armed, is_reaper_wanted;
};

/* ---- http/http.c ------------------------------------------------------------ */

/* Makes the loop look at its lists; any thread, the lock held or not. */
void http_wake(struct http_server *server);

/* ---- http/inbox.c; server->lock is held --------------------------------- */

void http_inbox_init(struct http_inbox *inbox);
void http_inbox_add(struct http_inbox *inbox, struct http_request *req);
/* Begins a turn, in which each class has its share. http_inbox_take() takes the first classes
 * first; NULL: the turn is over. */
void http_inbox_begin_turn(struct http_inbox *inbox, uint64_t now_ms);
struct http_request *http_inbox_take(struct http_inbox *inbox);
/* Takes one without regard to shares, for the end of the server. */
struct http_request *http_inbox_take_any(struct http_inbox *inbox);
/* Charges an answer of BYTES to its class; the request was charged when it was taken. */
void http_inbox_charge(struct http_inbox *inbox, enum http_class class, size_t bytes);
/* How long the requests that a turn has left have to wait: 0: for the next turn; longer: until
 * their class has credit; HTTP_INBOX_EMPTY: there are none. */
#define HTTP_INBOX_EMPTY UINT32_MAX
#define HTTP_TURN_MAX    64 /* requests, of all classes */
uint32_t http_inbox_wait_ms(const struct http_inbox *inbox);

/* ---- http/noise.c ------------------------------------------------------ */

/* Loop.  The noises live as long as the library's threads. */
void http_noise_init(struct http_server *server);
void http_noise_fini(struct http_server *server);

/* ---- http/listen.c ----------------------------------------------------- */

bool http_listen_tcp(const char *listen_address, int *ret_fd, uint16_t *ret_port, struct err *err);
struct MHD_Daemon *http_start_tls(struct http_server *server, const struct http_config *config,
				  int listen_fd, struct err *err);
struct MHD_Daemon *http_start_local(struct http_server *server, int listen_fd, struct err *err);

/* ---- http/tls.c -------------------------------------------------------- */

/* Called before the handshake: requires a certificate, and has it and its purpose verified. */
void http_tls_prepare(struct http_conn *conn, gnutls_session_t session);
/* Called before each request: checks the certificate's time, and after a reload its chain.
 * False: UNAUTHORIZED. */
bool http_tls_is_still_good(struct http_conn *conn, gnutls_session_t session, struct err *err);
/* Called after the handshake: sets role and name. */
bool http_tls_identify(struct http_conn *conn, gnutls_session_t session, struct err *err);

/* ---- http/conn.c ------------------------------------------------------- */

void http_conn_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
		      enum MHD_ConnectionNotificationCode code);
struct http_conn *http_conn_of(struct MHD_Connection *connection);
/* Fails closed: UNAUTHORIZED or FORBIDDEN. */
bool http_conn_identify(struct http_conn *conn, struct MHD_Connection *connection, struct err *err);
/* The time limit for a request starts, and ends. */
void http_conn_request_begins(struct http_conn *conn);
void http_conn_request_complete(struct http_conn *conn);
/* Loop. */
void http_reaper_arm(struct http_server *server);
void http_reaper_run(void *data);

/* ---- http/router.c ----------------------------------------------------- */

bool http_parse_query(const char *raw, struct http_pairs *query);
/* NOT_FOUND, METHOD (then ALLOW says which there are), or INVALID. The first
 * route that fits wins. */
const struct http_route *http_route_find(const struct http_route *routes, const char *method,
					 const char *path, struct http_pairs *params,
					 struct strbuf *allow, struct err *err);
bool http_role_may(enum http_role caller, enum http_role needed);

/* ---- http/request.c ---------------------------------------------------- */

/* The library's callbacks. */
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload_data,
			       size_t *upload_data_size, void **con_cls);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
		       enum MHD_RequestTerminationCode code);

/* The request is not a browser's, or the page that makes it is this server's own. */
bool http_is_own_origin(const struct http_request *req);

/* ---- http/reply.c ------------------------------------------------------ */

void http_request_free(struct http_request *req);
/* Loop: frees the requests that were answered and sent; called when no callback that answers them
 * runs. */
void http_gone_free(struct http_server *server);
/* STATUS 0: the code's own. */
struct http_content http_content_problem(unsigned status, const struct err *err,
					 const struct faults *faults);
/* Hands the answer to the library; the request is freed later.  CONTENT is taken over.
 * STREAM may be NULL. */
void http_answer(struct http_request *req, unsigned status, struct http_content content,
		 struct http_stream *stream);
/* The content becomes empty. */
void http_content_empty(struct http_content *content);
/* The same with the answer that the exchange has. */
void http_answer_refused(struct http_request *req);
/* Hands the answers of a turn to the library, which then finds them all in one turn of its own, and
 * frees their requests: no handler runs any more. */
void http_send_answers(struct http_server *server);
void http_set_stopping(struct err *err); /* what a stopping daemon answers */
/* The daemon stops: answers all requests that wait or are held, in place of the loop.  A held
 * one is freed when its handler answers it.  The lock is held. */
void http_abandon_held(struct http_server *server);

/* ---- http/good.c -------------------------------------------------------- */

/* A good answer: OBJ by FIELDS, as TEXT.  OBJ NULL: it was kept as a text. */
struct http_good {
	const struct json_field *fields;
	struct json_object *obj;
	const char *text;
	size_t len;
};
/* Adds ETag and Location; CONTENT may become empty, and STATUS 304. */
void http_good_headers(const struct http_request *req, unsigned *status,
		       struct http_content *content, const struct http_good *good);

/* ---- http/prefer.c ------------------------------------------------------ */

bool http_prefers_wait(const struct http_request *req, uint64_t *ret_s);

/* ---- http/condition.c --------------------------------------------------- */

/* Loop; called before the handler.  False: REQ was answered, as its If-Match or If-None-Match
 * does not hold. */
bool http_condition_holds(struct http_request *req);

/* ---- http/http.c, fault points ---------------------------------------------- */

/* "api.STAGE.NAME" of a peer's request; others have none.  STAGE: "peer" before
 * the handler, "answer" before the answer. */
enum fault_kind http_fault_at(const struct http_request *req, const char *stage, struct err *err);

/* ---- http/stream.c ----------------------------------------------------- */

/* Called when the library has let go of the stream's connection. */
void http_stream_client_gone(struct http_stream *stream);
/* Loop: calls closed() of the owners. */
void http_streams_report_gone(struct http_server *server);
void http_streams_end_all(struct http_server *server); /* the lock is held */
void http_heartbeat_run(void *data);

/* ---- http/websocket.c -------------------------------------------------- */

/* The library's thread: the request of a WebSocket is over before it was one. */
void http_websocket_exchange_ended(struct http_exchange *ex);
/* Loop: takes what the library has handed over, and ends what ended before that. */
void http_websockets_run(struct http_server *server);
/* Loop: asks the clients whether they are there; false: there are none. */
bool http_websockets_heartbeat(struct http_server *server);
/* The connection of the one after *WS (NULL: of the first), which becomes *WS; NULL: there are no
 * more. */
struct http_conn *http_websocket_next_conn(struct http_server *server, struct http_websocket **ws);
/* Loop: ends all, without a goodbye. */
void http_websockets_end_all(struct http_server *server);

/* ---- http/judge.c ------------------------------------------------------- */

/* Loop, the timer's callback: looks at the certificates of streams and WebSockets by the
 * authorities that are set now. */
void http_judge_run(void *data);
/* Loop: a stream or WebSocket has begun, whose certificate may have been looked at before a reload
 * that is over.  The lock is held. */
void http_judge_new(const struct http_conn *conn);

/* ---- for tests --------------------------------------------------------- */

/* To be called before the first connection; 0 leaves a value alone. */
void http_server_set_times(struct http_server *server, uint32_t deadline_ms, uint32_t heartbeat_ms);

#endif

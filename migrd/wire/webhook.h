/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/webhook.h -- webhooks of events: what users ask for and are shown, and what is sent, as
 * Standard Webhooks 1.0 describes it.  Thread: any. */
#ifndef MIGRD_WIRE_WEBHOOK_H
#define MIGRD_WIRE_WEBHOOK_H

#include "base/id.h"
#include "base/json.h"
#include "wire/event.h"

#define WEBHOOKS_MAX             16 /* of a host */
#define WEBHOOK_URL_SIZE         1024
#define WEBHOOK_DESCRIPTION_SIZE 256
#define WEBHOOK_SECRETS_MAX      2  /* the present one, and one that comes into use or goes out */
#define WEBHOOK_SECRET_SIZE      96 /* whsec_ and the base64 of 64 bytes */

#define WEBHOOK_TIMEOUT_S   10
#define WEBHOOK_RETRY_MIN_S 5
#define WEBHOOK_RETRY_MAX_S 1800
#define WEBHOOK_EXPIRE_S    86400

/* What a webhook is: the body of POST /v1/webhooks, and with all members its record. */
struct webhook_wish {
	char url[WEBHOOK_URL_SIZE];
	char description[WEBHOOK_DESCRIPTION_SIZE];
	char types[EVENT_TYPE_COUNT][EVENT_TYPE_SIZE];
	size_t type_count;                                             /* 0: all */
	char vm[ID_NAME_SIZE], move[ID_UUID_SIZE], host[ID_NAME_SIZE]; /* "": any */
	char secrets[WEBHOOK_SECRETS_MAX][WEBHOOK_SECRET_SIZE];
	size_t secret_count;
	uint64_t timeout_s, retry_min_s, retry_max_s, expire_s;
};
extern const struct json_field webhook_request_fields[];

/* The body of PATCH /v1/webhooks/{id}. */
struct webhook_patch {
	struct webhook_wish wish;
	bool has_enabled; /* not the first member: a present_offset of 0 means none */
	bool enabled;
};
extern const struct json_field webhook_patch_fields[];

/* Sets all of *RET, which must not be used after false.  Without secrets it has none. */
bool webhook_request_decode(struct json_object *obj, struct webhook_wish *ret,
			    struct faults *faults);
/* RET->wish is what the webhook is now, and becomes what it is to be. */
bool webhook_patch_decode(struct json_object *obj, struct webhook_patch *ret,
			  struct faults *faults);

/* ---- what is shown; texts are borrowed ------------------------------------ */

struct webhook_reply {
	const char *id, *host_id, *url, *description;
	const char *const *types;
	size_t type_count;
	const char *vm, *move, *host; /* NULL: any */
	uint64_t timeout_s, retry_min_s, retry_max_s, expire_s;
	bool enabled;
	const char *disabled_reason; /* NULL: it is enabled */
	const char *const *secrets;  /* of an answer to its creation only */
	size_t secret_count;
	const char *created_by;
	int64_t created_at, updated_at;
	uint64_t pending, pending_bytes, dead;
	uint64_t delivered, failed, lost; /* since the coordinator was started */
	int64_t oldest_pending_at, next_try_at, delivered_at; /* 0: none */
	const char *error; /* of the last try; NULL: it was good */
	uint64_t number;
};
extern const struct json_field webhook_reply_fields[];

/* A delivery that is not tried any more. */
struct webhook_dead {
	uint64_t number;
	const char *id, *type, *error;
	uint64_t tries;
	int64_t status; /* of HTTP; 0: there was no answer */
	int64_t created_at, expired_at, tried_at;
	struct json_object *message; /* what was sent, whole */
};
extern const struct json_field webhook_dead_fields[], webhook_dead_whole_fields[];

/* The answer of POST /v1/webhooks/{id}/test. */
struct webhook_tested {
	bool delivered;
	int64_t status;    /* of HTTP; 0: there was no answer */
	const char *error; /* NULL: it was delivered */
	uint64_t took_ms;
};
extern const struct json_field webhook_tested_fields[];

/* ---- what is sent ---------------------------------------------------------- */

#define WEBHOOK_TYPE_GAP  "gap"
#define WEBHOOK_TYPE_TEST "test"

struct webhook_message {
	const char *type;
	int64_t timestamp; /* of the event, not of the try */
	const char *host, *webhook;
	uint64_t number;   /* of the webhook; 0: of a test */
	const char *event; /* position of the event; NULL: it has none */
	struct json_object *data;
};
extern const struct json_field webhook_message_fields[];

struct webhook_test {
	const char *detail;
};
extern const struct json_field webhook_test_fields[];

/* The text of a message whose data is DATA, which is JSON; the caller frees it. */
char *webhook_message_text(const struct webhook_message *message, const char *data);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/hook.h -- hooks of a host (hook/hook.h): what is asked of them, and what is shown.
 * Thread: any. */
#ifndef MIGRD_WIRE_HOOK_H
#define MIGRD_WIRE_HOOK_H

#include "base/id.h"
#include "base/json.h"

#define HOOK_ID_SIZE        128
#define HOOK_WHY_SIZE       256
#define HOOK_REQUESTER_SIZE 64
#define HOOK_WORDS_SIZE     4097 /* the last 4 KiB of what it printed or answered */
#define HOOK_REASON_SIZE    512

enum hook_state {
	HOOK_RUNNING,
	HOOK_DONE,    /* also: it was not needed */
	HOOK_FAILED,  /* it ended so, or was ended at its deadline */
	HOOK_UNKNOWN, /* it was begun, and nobody knows what came of it: a person looks */
	HOOK_STATE_COUNT
};
extern const char *const hook_state_names[]; /* ended by NULL */

/* 1 to 127 of [A-Za-z0-9-], a letter or digit first. */
bool hook_id_is_valid(const char *id);

/* The body of POST /peer/v1/hooks. */
struct hook_request {
	char name[ID_NAME_SIZE];             /* of a section [hook NAME] of the host that runs it */
	char hook_id[HOOK_ID_SIZE];          /* the same one is begun once */
	char requester[HOOK_REQUESTER_SIZE]; /* of the evacuation, for which the host is drained */
	char why[HOOK_WHY_SIZE];             /* "": none */
	bool check; /* begins and records nothing: is it needed, and is there such a hook? */
};
extern const struct json_field hook_request_fields[];
bool hook_request_decode(struct json_object *obj, struct hook_request *ret, struct faults *faults);

/* A hook that was begun.  All zero before it is filled. */
struct hook_run {
	char hook_id[HOOK_ID_SIZE], name[ID_NAME_SIZE];
	int state;              /* enum hook_state */
	bool needed;            /* false: its only_if has said that it is not, and it was not run */
	bool has_exit;          /* the program has ended by itself */
	int64_t exit;           /* its status; of a url that of HTTP */
	bool reboots, restarts; /* as its section said when it was begun */
	char boot_id[ID_UUID_SIZE];    /* of the host, when it was begun */
	char reason[HOOK_REASON_SIZE]; /* what it waits for, or how it ended: a sentence */
	char words[HOOK_WORDS_SIZE];   /* the end of what it printed or answered */
	char requester[HOOK_REQUESTER_SIZE], why[HOOK_WHY_SIZE]; /* as in the request */
	char by[ID_NAME_SIZE];      /* who asked for it: host id, or user */
	int64_t begun_at, ended_at; /* ended_at 0: it has not ended */
};
extern const struct json_field hook_run_fields[];
/* Sets all of *RET; keys of a newer version are skipped. */
bool hook_run_decode(struct json_object *obj, struct hook_run *ret, struct err *err);

/* What the url of a hook is told, as a notice of a move is (wire/notice.h), and what it may answer.
 * Texts are borrowed. */
#define HOOK_NOTICE "host.hook"
struct hook_notice_data {
	const char *host, *hook, *hook_id, *why, *by;
	int64_t answer_by;
};
struct hook_notice {
	const char *type;
	int64_t timestamp;
	struct hook_notice_data data;
};
extern const struct json_field hook_notice_fields[];
struct hook_answer {
	bool needed;
};
extern const struct json_field hook_answer_fields[];

/* An item of GET /v1/hooks: what the configuration says, and what was begun.  Borrowed. */
#define HOOK_SHOWN_RUNS_MAX 10
struct hook_reply {
	const char *name, *program, *url, *only_if; /* NULL: not given */
	uint64_t timeout_s;
	bool reboots, restarts;
	const struct hook_run *runs; /* the newest, newest first */
	size_t run_count;
};
extern const struct json_field hook_reply_fields[];

struct event_hook {
	struct hook_run run;
	int64_t at;
};
extern const struct json_field event_hook_fields[];

#endif

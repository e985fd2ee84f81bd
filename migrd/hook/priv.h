/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hook/priv.h -- for the files of hook/ only. */
#ifndef MIGRD_HOOK_PRIV_H
#define MIGRD_HOOK_PRIV_H

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "base/work.h"
#include "hook/files.h"
#include "hook/hook.h"
#include "hook/judge.h"
#include "hook/sections.h"
#include "notify/answer.h"
#include "notify/notify.h"

/* The clock of the wall may be set, so nothing is waited for longer. */
#define HOOK_LOOK_MAX_MS  60000
#define HOOK_RETRY_MS     5000
#define HOOK_SOON_MS      500
#define HOOK_COMMAND_SIZE 256 /* a line of the configuration is shorter */
#define HOOK_CHECKS_MAX   4

/* What is known of a hook beside the columns of its row. */
struct hook_detail {
	char requester[HOOK_REQUESTER_SIZE], why[HOOK_WHY_SIZE], by[ID_NAME_SIZE];
	char program[HOOK_COMMAND_SIZE]; /* "": it has a url */
	char only_if[HOOK_COMMAND_SIZE]; /* "": none */
	uint64_t timeout_s;
	bool reboots, restarts;
	char process[HOOK_PROCESS_SIZE]; /* of the coordinator that was asked for it */
	bool is_told;                    /* its request to the url was sent */
	/* its end */
	bool is_not_needed, has_exit;
	int64_t exit;
	char reason[HOOK_REASON_SIZE];
};

struct hook {
	struct hooks *hooks;
	struct store_hook row; /* as it is on disk */
	struct hook_detail detail;
	char reason[HOOK_REASON_SIZE]; /* what it waits for */
	bool is_new;                   /* not on disk yet */
	bool is_saving;
	bool is_working;         /* its files are being looked at or written (look.c) */
	bool is_recovered;       /* its record is of an earlier process of this coordinator */
	bool is_begun;           /* by this process */
	bool is_sent;            /* by this process, to the url; soon in the record, too */
	struct proc *runner;     /* migrd-hook, while it is there; NULL with a url */
	struct proc_id runner_id;
	struct hook_end *answer; /* of the url; or why the program could not be started */
	long http_status;        /* 0: none */
	TAILQ_ENTRY(hook) link;
};
TAILQ_HEAD(hook_list, hook);
TAILQ_HEAD(hook_check_list, hook_check);

struct hooks {
	struct hooks_env env;
	struct hook_sections *sections;
	struct notify *notify;
	char *dir;
	char boot_id[ID_UUID_SIZE], process[HOOK_PROCESS_SIZE]; /* of now */
	struct hook_list list; /* in the order in which they were asked for */
	struct loop_timer *timer;
	struct worker *worker;         /* for files; one thread */
	struct hook_check_list checks; /* under way */
	unsigned check_count, check_number;
	uint64_t ended[HOOK_STATE_COUNT]; /* seen by this process */
	bool is_closing;
};

/* hook.c */
int64_t hook_now_ms(const struct hooks *hooks);
struct hook *hook_find(const struct hooks *hooks, const char *id); /* or NULL */
void hook_free(struct hook *hook);
void hook_show(const struct hook *hook, struct hook_run *ret);
void hook_tell(const struct hook *hook); /* that it has changed */
/* Answers by a post: with the hook as it is now, or with ERR. */
void hook_reply(struct hooks *hooks, hook_done_fn *done, void *data, const struct hook_run *run,
		const struct err *err);
/* It is followed again then, unless that is waited for already. */
void hook_look_in(struct hooks *hooks, int64_t ms);

static inline bool hook_is_url(const struct hook *hook)
{
	return hook->detail.program[0] == '\0';
}

/* record.c: ROW and DETAIL as they are to be on disk, and who waits for that.  Owned by the
 * commit. */
struct hook_pending {
	struct hooks *hooks;
	struct store_hook row;
	struct hook_detail detail;
	hook_done_fn *done; /* or NULL */
	void *data;
};
void hook_write(struct hook *hook, struct hook_pending *pending, enum hook_state state);
void hook_end_it(struct hook *hook, const struct hook_verdict *verdict,
		 const struct hook_end *end /* or NULL */);
/* That its url was told. */
void hook_write_told(struct hook *hook);
bool hook_detail_read(const char *text, struct hook_detail *ret);
enum hook_state hook_state_of(const char *name);

/* follow.c: begins it if it was not, and waits for it or ends it. */
void hook_follow(struct hook *hook);
struct hook_seen;
void hook_follow_seen(struct hook *hook, const struct hook_seen *seen);

/* look.c: its files and processes; each ends in another call of follow.c or record.c. */
struct hook_seen {
	enum hook_where where;
	bool is_claimed;           /* there is a file that says who runs it, so nobody begins it */
	bool is_sealed;            /* NOWHERE: and nobody will */
	bool is_begun;             /* its program was */
	struct hook_runner runner; /* IS_CLAIMED; no boot id: it cannot be read */
	struct hook_end end;       /* ENDED */
};
void hook_look(struct hook *hook);
/* Ends it, when nobody can begin its program any more. */
void hook_seal(struct hook *hook, const struct hook_verdict *verdict,
	       const struct hook_end *end /* or NULL */);

/* clean.c: files of what is no hook any more. */
/* What crashes have left of checks, and beside the files of hooks; and those of hooks that are not
 * known any more. */
void hook_files_clean(struct hooks *hooks);
/* Those of the hook HOOK_ID, which is not known any more. */
void hook_files_forget(struct hooks *hooks, const char *hook_id);

/* program.c: migrd-hook. */
struct hook_command {
	const char *id, *name;
	const char *only_if, *program; /* NULL: none; not both */
	uint64_t timeout_s;
};
/* RET_ID->pid 0: it has ended already. */
bool hook_spawn(const struct hooks *hooks, const struct hook_command *command,
		struct proc_id *ret_id, struct err *err);
void hook_run_program(struct hook *hook);
void hook_watch(struct hook *hook, struct proc_id id); /* sets `runner' if it is there */
void hook_not_started(struct hook *hook, const struct err *err);

/* url.c */
void hook_tell_url(struct hook *hook);
void hook_keep_words(struct hook_end *end, const char *words, size_t len);

/* check.c: only whether it is needed. */
void hook_check(struct hooks *hooks, const struct hook_section *section, hook_done_fn *done,
		void *data);
void hook_checks_clear(struct hooks *hooks);
bool hook_check_is_known(const struct hooks *hooks, const char *id); /* of its files */

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store/store.h -- everything that must survive, in one SQLite file per host.
 *
 * WAL, synchronous=FULL, one writer: the store's own thread runs one
 * transaction at a time, in order.  A commit that was answered with success is
 * on disk.  The WAL is checkpointed when store_idle() says that nobody is waiting,
 * so that no commit in a handover pays for it, and when it is over 64 MiB.
 *
 * Only this folder sees SQLite.  Thread: loop, but for `..._blocking'.
 * Errors: STORE, NO_SPACE (the state before is kept; works again when there is
 * room); EXISTS (a VM's name or a move's idempotency key is taken), NOT_FOUND
 * (timeline entries for a move that was never put); at the start BUSY when another
 * daemon has the state directory.
 *
 * Fault points, in a commit's order: store.commit, store.move.STATE.before; then
 * it is on disk; store.move.STATE.after, store.committed.  An error at the last
 * two is an answer lost: the change is there although the answer says no.
 */
#ifndef MIGRD_STORE_STORE_H
#define MIGRD_STORE_STORE_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/histogram.h"
#include "base/id.h"
#include "base/loop.h"

#define STORE_ENUM_SIZE  32
#define STORE_HOSTS_SIZE 512

/* A VM that this host knows. */
struct store_vm {
	char uuid[ID_UUID_SIZE];      /* key */
	char name[ID_NAME_SIZE];      /* unique */
	char role[STORE_ENUM_SIZE];   /* vm/vm.c: "owned", "incoming", "was-here" */
	char intent[STORE_ENUM_SIZE]; /* what it should be: "stopped", "started" */
	uint64_t generation;          /* counts changes of owner */
	char *definition;             /* JSON; owned by the row */
	char *attaching;              /* vm/devices.h: JSON of a device; NULL: none; owned */
	pid_t qemu_pid;               /* 0: none was started */
	uint64_t qemu_start_time;
	char boot_id[ID_UUID_SIZE];     /* the boot in which it was (or is being) started */
	int64_t created_ms, started_ms; /* wall clock */
	/* Of an adopted QEMU: the path of its monitor; "" for one of our own. */
	char monitor[sizeof(((struct sockaddr_un *)0)->sun_path)];
	/* Host ids with a space between: where it came from, and where it was offered
	 * to since; "*": more than fit, so all peers. */
	char hosts[STORE_HOSTS_SIZE];
	/* The host that has it now; "" if this one; "?": its QEMU has sent the guest away,
	 * and no record says where to (vm/former.c). */
	char elsewhere[ID_NAME_SIZE];
	/* The save whose file has the guest as it is now, and the file; "", NULL: none.  Any start
	 * empties both.  Owned. */
	char save_id[ID_UUID_SIZE];
	char *saved_in;
	/* The boot of the host in which a coordinator has seen it first; "": a version that did not
	 * note it. In that boot it is to be started, and no QEMU of it was there yet (vm/boot.h).
	 */
	char seen_boot[ID_UUID_SIZE];
	bool autostart_due;
	bool qemu_is_second; /* its QEMU is in the second place of the VM (qemu/qemu.h) */
	char reverting[64];  /* the snapshot to which its disks are reverted; "": none */
};

/* One side of a move: a MIGRATION_OUT or MIGRATION_IN job. */
struct store_move {
	char id[ID_UUID_SIZE];      /* key: one id for both sides */
	char kind[STORE_ENUM_SIZE]; /* "MIGRATION_OUT", "MIGRATION_IN" */
	char vm_uuid[ID_UUID_SIZE];
	char vm_name[ID_NAME_SIZE];
	char peer[ID_NAME_SIZE];       /* host id of the other side */
	uint64_t generation;           /* of the owner before the move */
	char state[STORE_ENUM_SIZE];   /* move/states.c */
	char verdict[STORE_ENUM_SIZE]; /* wire/verdict.h; "": none */
	bool is_final;                 /* the state is an end */
	bool settled; /* ended, and the other side has noted it: the record may go */
	char error_code[STORE_ENUM_SIZE]; /* err_name(), "" if none */
	char error_text[ERR_MSG_SIZE];
	char idempotency_key[ID_NAME_SIZE + 1]; /* "" if none; unique otherwise */
	char *detail; /* JSON of the job's own: options, facts, timings; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

/* The save of a guest to a file, or its restore from one: a SAVE or RESTORE job. */
struct store_save {
	char id[ID_UUID_SIZE];      /* key */
	char kind[STORE_ENUM_SIZE]; /* "SAVE", "RESTORE" */
	char vm_uuid[ID_UUID_SIZE];
	char vm_name[ID_NAME_SIZE];
	char *path;                       /* of the file; owned */
	char state[STORE_ENUM_SIZE];      /* save/states.c */
	bool is_final;                    /* the state is an end */
	char error_code[STORE_ENUM_SIZE]; /* err_name(), "" if none */
	char error_text[ERR_MSG_SIZE];
	char *detail; /* JSON of the job's own: options and facts; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

/* A new QEMU that takes over a guest from the one that it has: a REFRESH job. */
struct store_refresh {
	char id[ID_UUID_SIZE]; /* key */
	char vm_uuid[ID_UUID_SIZE];
	char vm_name[ID_NAME_SIZE];
	char *emulator;                   /* path of the program; owned */
	char state[STORE_ENUM_SIZE];      /* refresh/states.c */
	bool is_final;                    /* the state is an end */
	char error_code[STORE_ENUM_SIZE]; /* err_name(), "" if none */
	char error_text[ERR_MSG_SIZE];
	char *detail; /* JSON of the job's own; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

/* A backup of a guest's disks: a BACKUP job. */
struct store_vmbackup {
	char id[ID_UUID_SIZE]; /* key */
	char vm_uuid[ID_UUID_SIZE];
	char vm_name[ID_NAME_SIZE];
	char *directory;                  /* in which that of the backup is made; owned */
	char state[STORE_ENUM_SIZE];      /* vmbackup/states.c */
	bool is_final;                    /* the state is an end */
	char error_code[STORE_ENUM_SIZE]; /* err_name(), "" if none */
	char error_text[ERR_MSG_SIZE];
	char *detail; /* JSON of the job's own; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

/* A policy that a user made. */
struct store_policy {
	char name[ID_NAME_SIZE]; /* key */
	char *definition;        /* JSON (wire/policy.h); owned */
	int64_t created_ms, updated_ms;
};

/* An order to move a VM, which makes attempts until one is done (queue/queue.h). */
struct store_queue_entry {
	char id[ID_UUID_SIZE]; /* key */
	char vm_uuid[ID_UUID_SIZE];
	char vm_name[ID_NAME_SIZE];
	char state[STORE_ENUM_SIZE];      /* queue/states.c */
	bool is_final;                    /* the state is an end */
	char error_code[STORE_ENUM_SIZE]; /* err_name(), "" if none */
	char error_text[ERR_MSG_SIZE];
	char idempotency_key[ID_NAME_SIZE + 1]; /* "" if none */
	char *request;                          /* JSON (wire/queue_request.h); owned */
	char *detail;                           /* JSON of the entry's own; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

#define STORE_HOLD_OWNER_SIZE  64
#define STORE_HOLD_REASON_SIZE 256
/* What keeps automata from this host or a VM, or new guests from this host (hold/hold.h). */
struct store_hold {
	char id[ID_UUID_SIZE];      /* key */
	char kind[STORE_ENUM_SIZE]; /* hold/hold.c: "host", "vm"; of a cordon "person", ... */
	char vm_uuid[ID_UUID_SIZE]; /* "": not of a VM */
	char vm_name[ID_NAME_SIZE];
	char owner[STORE_HOLD_OWNER_SIZE];
	char reason[STORE_HOLD_REASON_SIZE];
	char created_by[ID_NAME_SIZE];          /* the caller */
	char idempotency_key[ID_NAME_SIZE + 1]; /* "" if none */
	char *request;                          /* JSON (wire/hold.h), with a key; owned */
	int64_t created_ms, updated_ms;
	int64_t until_ms; /* of a cordon 0: it has no end */
};

/* The host is, or was, to be emptied (evacuation/evacuation.h). */
struct store_evacuation {
	char id[ID_UUID_SIZE];            /* key */
	char state[STORE_ENUM_SIZE];      /* evacuation/states.c */
	bool is_final;                    /* the state is an end */
	char error_code[STORE_ENUM_SIZE]; /* err_name(), "" if none */
	char error_text[ERR_MSG_SIZE];
	char *request; /* JSON of the first one (wire/evacuation_request.h); owned */
	char *plan;    /* JSON of the last one (wire/evacuation_reply.h); NULL: none; owned */
	char *vms;     /* JSON: what has become of each; owned */
	char *detail;  /* JSON of the evacuation's own; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

#define STORE_HOOK_ID_SIZE 128
/* A hook of this host that was begun (hook/hook.h). */
struct store_hook {
	char id[STORE_HOOK_ID_SIZE]; /* key */
	char name[ID_NAME_SIZE];
	char state[STORE_ENUM_SIZE]; /* wire/hook.h */
	bool is_final;               /* the state is an end */
	char boot_id[ID_UUID_SIZE];  /* of the host, when it was begun */
	char *detail;                /* JSON of the hook's own; owned */
	char *words;                 /* the end of what it printed; NULL: nothing; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

/* Hosts are, or were, maintained, and this one conducts it (maintenance/maintenance.h). */
struct store_maintenance {
	char id[ID_UUID_SIZE];            /* key */
	char state[STORE_ENUM_SIZE];      /* maintenance/states.c */
	bool is_final;                    /* the state is an end */
	char error_code[STORE_ENUM_SIZE]; /* err_name(), "" if none */
	char error_text[ERR_MSG_SIZE];
	char *request; /* JSON (wire/maintenance_request.h); owned */
	char *hosts;   /* JSON: what has become of each; owned */
	char *detail;  /* JSON of the maintenance's own; owned */
	int64_t created_ms, updated_ms, ended_ms;
};

/* A webhook of this host's events (webhook/webhook.h). */
struct store_webhook {
	char id[ID_UUID_SIZE];       /* key */
	char *definition;            /* JSON (wire/webhook.h), with the secrets; owned */
	char disabled[ERR_MSG_SIZE]; /* why it is told nothing; "": it is enabled */
	char created_by[ID_NAME_SIZE];
	uint64_t number; /* of its newest delivery; the first is 1 */
	int64_t created_ms, updated_ms;
};

#define STORE_DELIVERY_ID_SIZE 64
/* What a webhook is to be told, or was not told and is kept to be looked at. */
struct store_delivery {
	char id[STORE_DELIVERY_ID_SIZE]; /* key: of the webhook, '-' and the number */
	char webhook[ID_UUID_SIZE];
	uint64_t number;
	char state[STORE_ENUM_SIZE]; /* "waiting", "dead" */
	char type[STORE_ENUM_SIZE];  /* of the event */
	char *body;                  /* JSON, as it is sent; owned */
	uint64_t tries;              /* that have failed */
	int64_t status;              /* of HTTP, of the last try; 0: there was no answer */
	char error[ERR_MSG_SIZE];    /* of the last try; "": none has failed */
	int64_t created_ms, expires_ms;
	int64_t tried_ms, retry_ms; /* the last try, and the next; 0: none yet */
};

void store_vm_fini(struct store_vm *vm);
void store_hold_fini(struct store_hold *hold);
void store_policy_fini(struct store_policy *policy);
void store_queue_entry_fini(struct store_queue_entry *entry);
void store_evacuation_fini(struct store_evacuation *evacuation);
void store_hook_fini(struct store_hook *hook);
void store_maintenance_fini(struct store_maintenance *maintenance);

/* A request with an Idempotency-Key (api/answers.h). */
struct store_answer {
	char id[2 * ID_NAME_SIZE]; /* key: the caller, a space, and the key */
	char request[65];          /* sum of the request (http_request_sum()) */
	int64_t status;            /* of the answer; 0: the request was begun */
	char *body;                /* JSON; NULL: none, or it was too long to be kept; owned */
	int64_t created_ms;
};
void store_answer_fini(struct store_answer *answer);
void store_webhook_fini(struct store_webhook *webhook);
void store_delivery_fini(struct store_delivery *delivery);
void store_vmbackup_fini(struct store_vmbackup *backup);
void store_refresh_fini(struct store_refresh *refresh);
void store_save_fini(struct store_save *save);
void store_move_fini(struct store_move *move);

struct store_timeline_entry {
	int64_t at_ms;             /* wall clock */
	char event[64];            /* short, stable name */
	char detail[ERR_MSG_SIZE]; /* words, may be empty */
};

/* Entries that are added to the end of a move's timeline. */
struct store_notes {
	const char *move_id;
	const struct store_timeline_entry *list;
	size_t count;
};

enum store_table_id {
	STORE_VM,
	STORE_MOVE,
	STORE_NOTES,
	STORE_SAVE,
	STORE_REFRESH,
	STORE_VMBACKUP,
	STORE_POLICY,
	STORE_QUEUE,
	STORE_HOLD,
	STORE_EVACUATION,
	STORE_HOOK,
	STORE_MAINTENANCE,
	STORE_ANSWER,
	STORE_WEBHOOK,
	STORE_DELIVERY,
	STORE_TABLE_COUNT
};
enum store_op { STORE_PUT, STORE_DELETE };

struct store_change {
	enum store_table_id table;
	enum store_op op;
	const void *row; /* PUT: the table's struct; DELETE: its key; NULL: no change at all */
};

#define STORE_TXN_MAX 8
/* The changes of one transaction, made in this order: all or none.  Rows are copied. */
struct store_txn {
	struct store_change list[STORE_TXN_MAX];
};

/* Inserts VM, or replaces the row with its uuid.  NULL: no change, here and in the functions
 * below. */
static inline struct store_change store_put_vm(const struct store_vm *vm)
{
	return (struct store_change){ STORE_VM, STORE_PUT, vm };
}

static inline struct store_change store_delete_vm(const char *uuid)
{
	return (struct store_change){ STORE_VM, STORE_DELETE, uuid };
}

/* Inserts MOVE, or replaces the row with its id. */
static inline struct store_change store_put_move(const struct store_move *move)
{
	return (struct store_change){ STORE_MOVE, STORE_PUT, move };
}

/* Inserts SAVE, or replaces the row with its id. */
static inline struct store_change store_put_save(const struct store_save *save)
{
	return (struct store_change){ STORE_SAVE, STORE_PUT, save };
}

/* Inserts REFRESH, or replaces the row with its id. */
static inline struct store_change store_put_refresh(const struct store_refresh *refresh)
{
	return (struct store_change){ STORE_REFRESH, STORE_PUT, refresh };
}

/* Inserts BACKUP, or replaces the row with its id. */
static inline struct store_change store_put_vmbackup(const struct store_vmbackup *backup)
{
	return (struct store_change){ STORE_VMBACKUP, STORE_PUT, backup };
}

/* Inserts POLICY, or replaces the row with its name. */
static inline struct store_change store_put_policy(const struct store_policy *policy)
{
	return (struct store_change){ STORE_POLICY, STORE_PUT, policy };
}

static inline struct store_change store_delete_policy(const char *name)
{
	return (struct store_change){ STORE_POLICY, STORE_DELETE, name };
}

/* Inserts ENTRY, or replaces the row with its id. */
static inline struct store_change store_put_queue_entry(const struct store_queue_entry *entry)
{
	return (struct store_change){ STORE_QUEUE, STORE_PUT, entry };
}

/* Inserts HOLD, or replaces the row with its id. */
static inline struct store_change store_put_hold(const struct store_hold *hold)
{
	return (struct store_change){ STORE_HOLD, STORE_PUT, hold };
}

static inline struct store_change store_delete_hold(const char *id)
{
	return (struct store_change){ STORE_HOLD, STORE_DELETE, id };
}

/* Inserts EVACUATION, or replaces the row with its id. */
static inline struct store_change store_put_evacuation(const struct store_evacuation *evacuation)
{
	return (struct store_change){ STORE_EVACUATION, STORE_PUT, evacuation };
}

/* Inserts HOOK, or replaces the row with its id. */
static inline struct store_change store_put_hook(const struct store_hook *hook)
{
	return (struct store_change){ STORE_HOOK, STORE_PUT, hook };
}

/* Inserts MAINTENANCE, or replaces the row with its id. */
static inline struct store_change store_put_maintenance(const struct store_maintenance *maintenance)
{
	return (struct store_change){ STORE_MAINTENANCE, STORE_PUT, maintenance };
}

/* Inserts ANSWER, or replaces the row with its id. */
static inline struct store_change store_put_answer(const struct store_answer *answer)
{
	return (struct store_change){ STORE_ANSWER, STORE_PUT, answer };
}

static inline struct store_change store_delete_answer(const char *id)
{
	return (struct store_change){ STORE_ANSWER, STORE_DELETE, id };
}

/* Inserts WEBHOOK, or replaces the row with its id. */
static inline struct store_change store_put_webhook(const struct store_webhook *webhook)
{
	return (struct store_change){ STORE_WEBHOOK, STORE_PUT, webhook };
}

/* Its deliveries go with it. */
static inline struct store_change store_delete_webhook(const char *id)
{
	return (struct store_change){ STORE_WEBHOOK, STORE_DELETE, id };
}

/* Inserts DELIVERY, or replaces the row with its id; its webhook must be there. */
static inline struct store_change store_put_delivery(const struct store_delivery *delivery)
{
	return (struct store_change){ STORE_DELIVERY, STORE_PUT, delivery };
}

static inline struct store_change store_delete_delivery(const char *id)
{
	return (struct store_change){ STORE_DELIVERY, STORE_DELETE, id };
}

static inline struct store_change store_put_notes(const struct store_notes *notes)
{
	return (struct store_change){ STORE_NOTES, STORE_PUT, notes };
}

/* TXN with copies of its rows and keys; changes without a row come last.  Thread: any. */
struct store_txn store_txn_copy(const struct store_txn *txn);
/* Frees what store_txn_copy() made. */
void store_txn_drop(struct store_txn *copy);

struct store;

/* Called once, on the loop; ERR NULL: it is on disk.  DATA is the caller's: an
 * id, not a pointer to what may be gone. */
typedef void store_done_fn(void *data, const struct err *err);

/* Locks the state directory (0700, made if missing), opens and upgrades
 * DIR/migrd.db by the numbered scripts of schema/sql, checks it, and refuses a
 * newer schema, a broken file and a second daemon; each refusal says what to do.
 * For the start only: it waits for the disk. */
struct store *store_open_blocking(struct loop *loop, const char *dir, struct err *err);
/* Finishes what was queued, and what the answers to that submit.  Accepts NULL. */
void store_close(struct store *store);

/* How many ended and settled moves are kept to be shown: the newest. */
#define STORE_HISTORY_MAX 1000

/* How many ended saves and restores are kept to be shown: the newest (schema/sql/007-save.sql). */
#define STORE_SAVES_MAX 100

/* The same of refreshes (schema/sql/008-refresh.sql). */
#define STORE_REFRESHES_MAX 100

/* The same of backups of disks (schema/sql/017-vmbackup.sql). */
#define STORE_VMBACKUPS_MAX 100

/* The same of entries of the queue (schema/sql/010-queue.sql). */
#define STORE_QUEUE_ENDED_MAX 1000

/* The same of evacuations (schema/sql/012-evacuation.sql). */
#define STORE_EVACUATIONS_MAX 20

/* The same of hooks (schema/sql/013-hook.sql). */
#define STORE_HOOKS_MAX 100

/* The same of maintenances (schema/sql/014-maintenance.sql). */
#define STORE_MAINTENANCES_MAX 100

/* A row that was read: ROW is a struct store_vm, store_move, store_save, store_refresh,
 * store_vmbackup, store_policy, store_queue_entry, store_hold, store_evacuation, store_hook,
 * store_maintenance, store_answer, store_webhook or store_delivery. */
typedef void store_row_fn(void *data, void *row);
/* At the start.  STORE_VM: every VM; STORE_MOVE: every move that is not final or not settled,
 * and of the others the newest STORE_HISTORY_MAX; the oldest first.  EACH takes over what the
 * row owns (copies the struct, or calls its fini); the struct itself is gone after the call. No
 * commit may be under way. */
bool store_load_blocking(struct store *store, enum store_table_id table, store_row_fn *each,
			 void *data, struct err *err);

/* Commits are done in the order of these calls.  DONE may be NULL: a failure is
 * only logged. */
void store_commit(struct store *store, const struct store_txn *txn, store_done_fn *done,
		  void *data);

/* Called once, on the loop: at most 1000 entries, oldest first (of a longer
 * timeline the first 100 and the last 900 are kept). ENTRIES are borrowed. */
typedef void store_timeline_fn(void *data, const struct store_timeline_entry *entries, size_t count,
			       const struct err *err);
void store_timeline(struct store *store, const char *move_id, store_timeline_fn *fn, void *data);

/* Why the disk did not take the last record; NULL: it did. */
const char *store_trouble(const struct store *store);

/* For GET /metrics. */
extern const struct histogram_kind store_write_kind;
struct store_figures {
	/* How long records took on the store's thread until they were on disk, in seconds; without
	 * the time in which they waited for others.  Those that failed count too. */
	struct histogram writes;
	uint64_t file_bytes, log_bytes; /* migrd.db and migrd.db-wal, after the last record */
	size_t waiting;                 /* records and questions that are not done yet */
	bool is_refusing;               /* store_trouble() */
};
struct store_figures store_figures(const struct store *store);

/* A hint from the loop: no move is under way, so housekeeping may run now
 * (checkpoint; settled moves over STORE_HISTORY_MAX are deleted with their
 * timelines). */
void store_idle(struct store *store);

#endif

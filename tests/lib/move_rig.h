/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/move_rig.h -- one host with its VMs and moves on the simulated loop.
 *
 * vm/, move/ and the store are the real ones; QEMU, migrd-stream and the other
 * host are played by the test (fake_qemu.h, fake_stream.h, fake_peer.h).  The
 * program is linked with -Wl,--wrap=store_commit, so that the disk can be slow
 * or full and the trace has every commit, and with --wrap=proc_boot_id.
 *
 * The rules of ARCHITECTURE.md on who may run the guest are checked at every
 * command to QEMU and every message, in every test; see move_rig.c.  After every step
 * the kept text of a move is compared with a new one.
 */
#ifndef MIGRD_TESTS_LIB_MOVE_RIG_H
#define MIGRD_TESTS_LIB_MOVE_RIG_H

#include <check.h>

#include "fake_notify.h"
#include "fake_peer.h"
#include "fake_qemu.h"
#include "fake_stream.h"
#include "hold/hold.h"
#include "move/move.h"
#include "trace.h"
#include "vm/vm.h"

#define RIG_MOVE_ID    "018f0000-0000-7000-8000-0000000000a1"
#define RIG_VM_UUID    "018f0000-0000-7000-8000-000000000001"
#define RIG_GENERATION 1

struct move_rig {
	char dir[64];
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	struct moves *moves;
	struct policies *policies;
	struct holds *holds;
	struct peer_clients *peers;
	struct notify *notify;
	char move_id[ID_UUID_SIZE]; /* of the move under test */
	struct json_object *plan;   /* of an offer; borrowed; NULL: it has none */
	const char *more_members;   /* of the VM's definition: ",\"key\":value" */
	bool is_to_be_started;      /* after a boot: of an offer, and of a host's answer to one */
	unsigned starts_lost;       /* so often was told that the other host does not do that */
	uint32_t outage_ping_ms;    /* of the configuration */
	bool forbids_outage_ping;   /* likewise */
	bool is_stopped;            /* the VM of an offer and of a move away is a stopped one */
	bool is_identified;         /* the store has an identity, and may be in doubt */
	void (*begin)(void);        /* called after the VMs were recovered; NULL: all goes on */
	/* What is on disk. */
	struct {
		char state[STORE_ENUM_SIZE];
		char verdict[STORE_ENUM_SIZE];
		bool has_vm;
		char vm_role[STORE_ENUM_SIZE], vm_intent[STORE_ENUM_SIZE];
		uint64_t vm_generation;
	} disk;
	bool is_resolved;            /* a person decided, against what the hosts can know */
	bool go_came;                /* this host was told to take the guest */
	unsigned told_events;        /* events of QEMU that were told */
	unsigned left_out;           /* by the last event that was told */
	unsigned changed;            /* how often a VM changed */
	const char *told;            /* what this host answered: "taken", "refused" */
	char heard[STORE_ENUM_SIZE]; /* what the other host answered last */
};
extern struct move_rig rig;

void rig_set_up(void);
void rig_tear_down(void);
TCase *rig_add_case(Suite *suite, const char *name);

/* ---- the daemon ------------------------------------------------------- */

void rig_run(void);
void rig_advance(uint64_t ms);
/* A crash of the daemon, and its next start. */
void rig_restart(void);
/* The crash and the next start apart: the daemon does not see what happens in between. */
void rig_crash(void);
void rig_start_again(void);

/* ---- the disk: rig_disk.c ---------------------------------------------- */

/* Commits wait; a crash loses them, rig_disk_go_on() carries them out. */
void rig_disk_hold(void);
void rig_disk_go_on(void);
/* Of those that wait, the first is refused; the others are carried out. */
void rig_disk_refuse_first(void);
/* Commits are carried out, but their answers wait: a crash finds them written. */
void rig_disk_hold_answers(void);
void rig_disk_is_full(bool is_full);
/* A crash: what waits is answered with an error. */
void rig_disk_lose(void);

/* ---- the VM ----------------------------------------------------------- */

void rig_create_vm(void);
/* The result of the last action: the code is ERR_NONE when it was done, ERR_CODE_COUNT while it
 * is under way. */
struct err rig_act(enum vm_action action);
void rig_act_begin(enum vm_action action);
struct err rig_act_result(void);
struct vm *rig_vm(void); /* or NULL */
void rig_run_vm(void);   /* created and started */

/* ---- a move away ------------------------------------------------------ */

struct move *rig_move(void);
const char *rig_state(void);
const char *rig_error(void); /* of the row; "" if none */
char *rig_timeline(void);    /* on disk: "EVENT DETAIL;EVENT DETAIL;."; the caller's */
void rig_start_move(void);   /* of a running VM, to host b */
void rig_start_move_with(const struct move_options *options);
/* Brings the move into STATE, and begins one if none is under way; nothing goes wrong on the way.
 */
void rig_bring_to(const char *state);
void rig_answer_prepare(void);
void rig_completes(void); /* QEMU: device, completed */
void rig_peer_says(const char *verb, const char *verdict);
bool rig_guest_runs(void);
enum err_code rig_resolve(enum move_keep keep, const char *assert_dead);
/* The move was resolved on the other host, whose answers will tell. */
void rig_resolved_there(void);

/* ---- a move to here --------------------------------------------------- */

/* Returns the code of the answer; ERR_NONE: accepted; ERR_CODE_COUNT: no answer yet. */
enum err_code rig_offer(void);
enum err_code rig_offer_of(const char *source, uint64_t generation);
/* Offers a guest, and does not let the host look at it yet. */
enum err_code rig_offer_to_look(const char *id);
enum err_code rig_offered(void); /* the answer to the last offer, later */
/* "taken", "refused", "" while there is no answer, or the name of an error. */
const char *rig_go(bool run);
const char *rig_go_switched(void); /* the source is in post-copy, and cannot have the guest back */
const char *rig_drop(void);
const char *rig_go_of(const char *id, const char *source, uint64_t generation);
const char *rig_drop_of(const char *id, const char *source, uint64_t generation);
const char *rig_verdict(void); /* of the last go or drop, later */
void rig_loads(void);          /* the guest arrives wholly */

#endif

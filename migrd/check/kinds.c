/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/kinds.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

#define FINDINGS_STEP 16

/* ---- findings ------------------------------------------------------------------ */

void check_findings_fini(struct check_findings *findings)
{
	free(findings->list);
	*findings = (struct check_findings){ 0 };
}

/* Counts a finding for which there is no room. */
static struct check_finding *left_out(struct check_findings *findings)
{
	findings->left_out++;
	return NULL;
}

struct check_finding *check_findings_add(struct check_findings *findings,
					 const struct check_kind *kind, const char *key)
{
	struct check_finding *finding;

	if (findings->count == CHECK_FINDINGS_MAX)
		return left_out(findings);
	if (findings->count % FINDINGS_STEP == 0)
		findings->list = xrealloc(findings->list,
					  (findings->count + FINDINGS_STEP) * sizeof(*finding));
	finding = &findings->list[findings->count++];
	*finding = (struct check_finding){ .kind = kind };
	snprintf(finding->key, sizeof(finding->key), "%s", key);
	return finding;
}

#define SAY(finding, member, ...) \
	snprintf((finding)->member, sizeof((finding)->member), __VA_ARGS__)

/* A repair that rests on the absence of something is safe only if everything was looked
 * at. */
static void set_safe(struct check_finding *finding, const struct check_view *view, bool is_proven,
		     const char *repair, const char *otherwise)
{
	finding->is_safe = is_proven && !view->seen->gap[0];
	SAY(finding, remedy, "%s", finding->is_safe ? repair : otherwise);
}

/* ---- processes ------------------------------------------------------------------- */

static bool has_process(const struct check_view *view, bool is_stream, const char *key)
{
	for (size_t i = 0; i < view->seen->process_count; i++) {
		const struct check_process *process = &view->seen->processes[i];

		if (process->is_stream == is_stream && strcmp(process->key, key) == 0)
			return true;
	}
	return false;
}

/* A VM whose QEMU is being looked for has no pid yet; one that is refreshed has two. */
static bool is_known_qemu(const struct check_vm *vm, const struct check_process *process)
{
	return vm && vm->has_qemu &&
	       (!vm->id.pid || vm->is_refreshed ||
		(vm->id.pid == process->id.pid && vm->id.start_time == process->id.start_time));
}

/* Writes what the peers know of a VM, to be appended to other text. */
static void say_claims(const struct check_view *view, const char *uuid, char *text, size_t size)
{
	for (size_t i = 0; i < view->peer_count; i++) {
		const struct check_peer *peer = &view->peers[i];

		for (size_t k = 0; k < peer->vm_count; k++) {
			const struct peer_vm *vm = &peer->vms[k];

			if (strcmp(vm->uuid, uuid) == 0)
				snprintf(text, size,
					 "; host '%s' has it too: %s, %s, generation %" PRIu64,
					 peer->id, vm->role, vm->state, vm->generation);
		}
	}
}

static void say_unknown_qemu(const struct check_view *view, const struct check_process *process,
			     const struct check_vm *vm, struct check_finding *finding)
{
	const int pid = (int)process->id.pid;
	char claims[320] = "", served[80] = "no process";

	finding->process = process->id;
	SAY(finding, object, "process %d", pid);
	say_claims(view, process->key, claims, sizeof(claims));
	if (vm && vm->id.pid)
		snprintf(served, sizeof(served), "process %d", (int)vm->id.pid);
	if (vm)
		SAY(finding, explanation,
		    "a second QEMU (%s, process %d) was started for VM '%s' (uuid %s): the record "
		    "of this host says that %s serves it%s",
		    process->program, pid, vm->name, process->key, served, claims);
	else
		SAY(finding, explanation,
		    "a QEMU (%s, process %d) runs guest '%s' (uuid %s) in the run directory of "
		    "migrd, and this host has no record of that VM%s%s",
		    process->program, pid, process->name, process->key,
		    process->is_incoming
			    ? "; it was started to take over a guest (a move, a restore, a "
			      "refresh), and may run it by now"
			    : "",
		    claims);
	SAY(finding, remedy,
	    "it may run a guest, so it is left alone: look at what it does; %send it with 'kill "
	    "%d' "
	    "if nobody needs it",
	    vm ? ""
	       : "put back a backup of the records that has this VM if it is needed ('migrd "
		 "--restore', see migrd(8)), or ",
	    pid);
}

static void find_unknown_qemu(const struct check_view *view, const struct check_kind *kind,
			      struct check_findings *findings)
{
	for (size_t i = 0; i < view->seen->process_count; i++) {
		const struct check_process *process = &view->seen->processes[i];
		const struct check_vm *vm = check_view_vm(view, process->key);
		struct check_finding *finding;

		if (process->is_stream || is_known_qemu(vm, process))
			continue;
		finding = check_findings_add(findings, kind, process->uuid);
		if (finding)
			say_unknown_qemu(view, process, vm, finding);
	}
}

static void find_leftover_stream(const struct check_view *view, const struct check_kind *kind,
				 struct check_findings *findings)
{
	for (size_t i = 0; i < view->seen->process_count; i++) {
		const struct check_process *process = &view->seen->processes[i];
		const struct check_move *move = check_view_move(view, process->key);
		struct check_finding *finding;

		if (!process->is_stream || (move && !move->is_final))
			continue;
		finding = check_findings_add(findings, kind, process->key);
		if (!finding)
			continue;
		finding->process = process->id;
		SAY(finding, object, "process %d", (int)process->id.pid);
		SAY(finding, explanation, "a stream (%s, process %d) carries data of move %s, %s%s",
		    process->program, (int)process->id.pid, process->key,
		    move ? "which has ended: " : "of which this host has no record",
		    move ? move->state : "");
		set_safe(finding, view, move != NULL,
			 "end the process and remove the directory of the move",
			 "without a record it is not known whether the move has ended: look on the "
			 "other host, then end it with 'kill'");
	}
}

/* ---- VMs ---------------------------------------------------------------------------- */

static struct check_finding *add_vm(struct check_findings *findings, const struct check_kind *kind,
				    const struct check_vm *vm)
{
	struct check_finding *finding = check_findings_add(findings, kind, vm->uuid);

	if (finding)
		SAY(finding, object, "VM %s", vm->name);
	return finding;
}

static void say_crashed(const struct check_view *view, const struct check_vm *vm,
			struct check_finding *finding)
{
	SAY(finding, explanation, "VM '%s' should run, but its QEMU is gone: %s", vm->name,
	    vm->reason[0] ? vm->reason : "why is not known");
	if (has_process(view, false, vm->uuid))
		SAY(finding, remedy,
		    "another QEMU was started for it, which is told of by itself: do not start "
		    "the VM before that one has ended");
	else
		SAY(finding, remedy,
		    "its disks may want a look first, so it is not started by itself: 'migrctl vm "
		    "start %s' starts it, 'migrctl vm delete %s' forgets it",
		    vm->name, vm->name);
}

static void find_crashed_vm(const struct check_view *view, const struct check_kind *kind,
			    struct check_findings *findings)
{
	for (size_t i = 0; i < view->vm_count; i++) {
		const struct check_vm *vm = &view->vms[i];
		struct check_finding *finding = NULL;

		if (!vm->move[0] && strcmp(vm->state, "crashed") == 0)
			finding = add_vm(findings, kind, vm);
		if (finding)
			say_crashed(view, vm, finding);
	}
}

static void find_still_vm(const struct check_view *view, const struct check_kind *kind,
			  struct check_findings *findings)
{
	for (size_t i = 0; i < view->vm_count; i++) {
		const struct check_vm *vm = &view->vms[i];
		struct check_finding *finding = vm->is_still ? add_vm(findings, kind, vm) : NULL;

		if (!finding)
			continue;
		SAY(finding, explanation, "%s",
		    vm->reason[0] ? vm->reason : "the guest shall run and stands still");
		SAY(finding, remedy, "end what holds its disks, then: migrctl vm resume %s",
		    vm->name);
	}
}

static void find_sent_away(const struct check_view *view, const struct check_kind *kind,
			   struct check_findings *findings)
{
	for (size_t i = 0; i < view->vm_count; i++) {
		const struct check_vm *vm = &view->vms[i];
		struct check_finding *finding =
			vm->is_sent_away ? add_vm(findings, kind, vm) : NULL;

		if (!finding)
			continue;
		SAY(finding, explanation, "%s", vm->reason);
		SAY(finding, remedy,
		    "resolve its move on the other host, if that is stuck there; if the guest is "
		    "nowhere else: migrctl vm stop %s, then migrctl vm start %s",
		    vm->name, vm->name);
	}
}

static void find_unreachable_vm(const struct check_view *view, const struct check_kind *kind,
				struct check_findings *findings)
{
	for (size_t i = 0; i < view->vm_count; i++) {
		const struct check_vm *vm = &view->vms[i];
		struct check_finding *finding = NULL;

		if (strcmp(vm->state, "unreachable") == 0)
			finding = add_vm(findings, kind, vm);
		if (!finding)
			continue;
		SAY(finding, explanation,
		    "the QEMU of VM '%s' (process %d) lives, but its monitor does not answer%s%s",
		    vm->name, (int)vm->id.pid, vm->reason[0] ? ": " : "", vm->reason);
		SAY(finding, remedy,
		    "migrd goes on trying; the guest may be running all the while. What is to be "
		    "ended: migrctl vm stop %s",
		    vm->name);
	}
}

static void find_orphan_incoming(const struct check_view *view, const struct check_kind *kind,
				 struct check_findings *findings)
{
	for (size_t i = 0; i < view->vm_count; i++) {
		const struct check_vm *vm = &view->vms[i];
		struct check_finding *finding = NULL;

		if (vm->is_incoming && !vm->move[0])
			finding = add_vm(findings, kind, vm);
		if (!finding)
			continue;
		SAY(finding, explanation,
		    "VM '%s' (generation %" PRIu64 ") is one that a move brings here, but no move "
		    "brings it%s",
		    vm->name, vm->generation,
		    vm->never_ran ? "; no guest of it ever ran on this host" : "");
		set_safe(finding, view, vm->never_ran,
			 "delete the record, and end its QEMU, which was never let run",
			 "what its QEMU does is not known, so it is left alone");
	}
}

/* ---- VMs of two hosts ------------------------------------------------------------------ */

static void say_double_claim(const struct check_view *view, const struct check_vm *vm,
			     const struct check_peer *peer, const struct peer_vm *other,
			     struct check_finding *finding)
{
	bool is_ours = vm->generation > other->generation;
	const char *later = is_ours ? view->host_id : peer->id;
	const char *earlier = is_ours ? peer->id : view->host_id;

	SAY(finding, object, "VM %s", vm->name);
	SAY(finding, explanation,
	    "VM '%s' (uuid %s) is claimed by two hosts: '%s' has it %s with generation %" PRIu64
	    ", '%s' has it %s with generation %" PRIu64,
	    vm->name, vm->uuid, view->host_id, vm->state, vm->generation, peer->id, other->state,
	    other->generation);
	if (vm->generation == other->generation)
		SAY(finding, remedy,
		    "the generations are equal, so the records do not tell who owns it: find out "
		    "which copy is the right one, then stop and delete the other with migrctl");
	else
		SAY(finding, remedy,
		    "the higher generation is the later owner: host '%s'. When that is certain, on "
		    "host '%s': 'migrctl vm stop %s' if it runs, then 'migrctl vm delete %s'",
		    later, earlier, is_ours ? other->name : vm->name,
		    is_ours ? other->name : vm->name);
}

/* No double claim while a move holds the VM on either side: then both hosts rightly
 * have it, and the move decides. */
static bool is_double_claim(const struct check_vm *vm, const struct peer_vm *other)
{
	return vm && strcmp(vm->uuid, other->uuid) == 0 && !vm->is_incoming && !vm->is_former &&
	       !vm->move[0] && strcmp(other->role, "incoming") != 0 &&
	       strcmp(other->role, "was-here") != 0 && !other->move[0];
}

static void find_double_claim(const struct check_view *view, const struct check_kind *kind,
			      struct check_findings *findings)
{
	for (size_t i = 0; i < view->peer_count; i++) {
		const struct check_peer *peer = &view->peers[i];

		for (size_t k = 0; k < peer->vm_count; k++) {
			const struct peer_vm *other = &peer->vms[k];
			const struct check_vm *vm = check_view_vm(view, other->uuid);
			struct check_finding *finding = NULL;

			if (is_double_claim(vm, other))
				finding = check_findings_add(findings, kind, vm->uuid);
			if (finding)
				say_double_claim(view, vm, peer, other, finding);
		}
	}
}

static void find_silent_peer(const struct check_view *view, const struct check_kind *kind,
			     struct check_findings *findings)
{
	for (size_t i = 0; i < view->peer_count; i++) {
		const struct check_peer *peer = &view->peers[i];
		struct check_finding *finding =
			peer->silence[0] ? check_findings_add(findings, kind, "") : NULL;

		if (!finding)
			continue;
		SAY(finding, object, "host %s", peer->id);
		SAY(finding, explanation,
		    "host '%s' could not be asked which VMs it has (%s): whether it claims one of "
		    "this host is not known",
		    peer->id, peer->silence);
		SAY(finding, remedy, "check again when it answers");
	}
}

/* ---- files ------------------------------------------------------------------------------ */

static struct check_finding *add_entry(struct check_findings *findings,
				       const struct check_kind *kind, const char *dir,
				       const struct check_entry *entry)
{
	struct check_finding *finding = check_findings_add(findings, kind, entry->key);

	if (finding)
		SAY(finding, object, "%s/%s", dir, entry->name);
	return finding;
}

static const char *why_not_safe(const struct check_view *view, const struct check_entry *entry)
{
	if (entry->is_used)
		return "a process still uses it, so it is left alone";
	if (!entry->is_ours)
		return "it holds what migrd did not put there: look at it, and remove it by hand";
	return view->seen->gap[0] ? "not everything could be looked at, so it is left alone" : "";
}

static void judge_entry(const struct check_view *view, const struct check_entry *entry,
			const char *repair, struct check_finding *finding)
{
	set_safe(finding, view, entry->is_ours && !entry->is_used, repair,
		 why_not_safe(view, entry));
}

/* A directory whose QEMU lives is no finding of its own: the finding about that QEMU,
 * if there is one, covers it. */
static void find_vm_dir(const struct check_view *view, const struct check_kind *kind,
			struct check_findings *findings)
{
	for (size_t i = 0; i < view->seen->entry_count; i++) {
		const struct check_entry *entry = &view->seen->entries[i];
		const struct check_vm *vm = check_view_vm(view, entry->key);
		struct check_finding *finding = NULL;

		if (entry->place == CHECK_VMS && entry->key[0] && !(vm && vm->has_qemu) &&
		    !(vm && vm->move[0]) && !has_process(view, false, entry->key))
			finding = add_entry(findings, kind, view->dirs.vms, entry);
		if (!finding)
			continue;
		if (vm)
			SAY(finding, explanation,
			    "VM '%s' is %s and has no QEMU, but the directory of one is left",
			    vm->name, vm->state);
		else
			SAY(finding, explanation,
			    "the directory of a QEMU is left (its sockets and pid file), and "
			    "this host has no record of VM %s",
			    entry->key);
		judge_entry(view, entry, "remove the directory", finding);
	}
}

static void find_log(const struct check_view *view, const struct check_kind *kind,
		     struct check_findings *findings)
{
	for (size_t i = 0; i < view->seen->entry_count; i++) {
		const struct check_entry *entry = &view->seen->entries[i];
		struct check_finding *finding = NULL;

		if (entry->place == CHECK_LOGS && entry->key[0] &&
		    !check_view_vm(view, entry->key) && !has_process(view, false, entry->key))
			finding = add_entry(findings, kind, view->dirs.logs, entry);
		if (!finding)
			continue;
		SAY(finding, explanation,
		    "what a QEMU printed is left, and this host has no record of VM %s",
		    entry->key);
		judge_entry(view, entry, "remove the log", finding);
	}
}

/* NAME is that of the state of VM's TPM, and not of what a refresh has left (vm/tpm.h). */
static bool is_own_name(const struct check_vm *vm, const char *name)
{
	return vm->is_second == (strcmp(name, vm->uuid) != 0);
}

/* Keys that are removed cannot be had again, so this is left to people. */
static void find_tpm_state(const struct check_view *view, const struct check_kind *kind,
			   struct check_findings *findings)
{
	for (size_t i = 0; i < view->seen->entry_count; i++) {
		const struct check_entry *entry = &view->seen->entries[i];
		const struct check_vm *vm = check_view_vm(view, entry->key);
		bool is_left =
			!vm || (!vm->move[0] && (vm->is_former || !is_own_name(vm, entry->name)));
		struct check_finding *finding =
			is_left && entry->place == CHECK_TPMS && entry->key[0]
				? add_entry(findings, kind, view->dirs.tpms, entry)
				: NULL;

		if (!finding)
			continue;
		if (vm && !vm->is_former) {
			SAY(finding, explanation,
			    "the state of a TPM is left, which holds keys, and VM '%s' has its own "
			    "in "
			    "'%s%s'",
			    vm->name, vm->uuid, vm->is_second ? ID_SECOND_SUFFIX : "");
			SAY(finding, remedy,
			    "remove the directory (rm -r), and a mark beside it, when you have "
			    "seen "
			    "that the other is there and that the guest runs");
			continue;
		}
		SAY(finding, explanation,
		    "the state of a TPM is left, which holds keys, and VM %s is %s", entry->key,
		    vm ? "on another host now" : "not known to this host");
		SAY(finding, remedy,
		    "remove the directory (rm -r) when you know that the guest has its TPM "
		    "elsewhere, "
		    "or is not needed any more");
	}
}

static void find_missing_swtpm(const struct check_view *view, const struct check_kind *kind,
			       struct check_findings *findings)
{
	for (size_t i = 0; i < view->vm_count && view->seen->lacks_swtpm; i++) {
		const struct check_vm *vm = &view->vms[i];
		struct check_finding *finding =
			vm->has_tpm && !vm->is_former ? add_vm(findings, kind, vm) : NULL;

		if (!finding)
			continue;
		SAY(finding, explanation,
		    "VM '%s' has a TPM, and there is no program '%s' on this host to emulate it: "
		    "it cannot be started",
		    vm->name, view->dirs.swtpm);
		SAY(finding, remedy, "install it, or name another by 'swtpm' of [tpm]");
	}
}

static void find_move_dir(const struct check_view *view, const struct check_kind *kind,
			  struct check_findings *findings)
{
	for (size_t i = 0; i < view->seen->entry_count; i++) {
		const struct check_entry *entry = &view->seen->entries[i];
		const struct check_move *move = check_view_move(view, entry->key);
		struct check_finding *finding = NULL;

		if (entry->place == CHECK_MOVES && entry->key[0] && (!move || move->is_final) &&
		    !has_process(view, true, entry->key))
			finding = add_entry(findings, kind, view->dirs.moves, entry);
		if (!finding)
			continue;
		SAY(finding, explanation, "the directory of move %s is left, %s%s", entry->key,
		    move ? "which has ended: " : "of which this host has no record",
		    move ? move->state : "");
		judge_entry(view, entry, "remove the directory", finding);
	}
}

static void find_foreign_file(const struct check_view *view, const struct check_kind *kind,
			      struct check_findings *findings)
{
	static const char *const what[] = { [CHECK_VMS] = "VM", [CHECK_MOVES] = "move" };

	for (size_t i = 0; i < view->seen->entry_count; i++) {
		const struct check_entry *entry = &view->seen->entries[i];
		struct check_finding *finding = NULL;

		if ((entry->place == CHECK_VMS || entry->place == CHECK_MOVES) && !entry->key[0])
			finding = add_entry(findings, kind,
					    entry->place == CHECK_VMS ? view->dirs.vms
								      : view->dirs.moves,
					    entry);
		if (!finding)
			continue;
		SAY(finding, explanation, "it is named after no %s: migrd did not put it there",
		    what[entry->place]);
		SAY(finding, remedy, "look at it, and remove it by hand");
	}
}

/* ---- moves -------------------------------------------------------------------------------- */

static void say_move(const struct check_move *move, struct check_finding *finding)
{
	bool is_cancellable = move->can_cancel;

	SAY(finding, object, "move %s", move->id);
	SAY(finding, explanation, "the move of VM '%s' %s host '%s' %s %s%s%s", move->vm,
	    move->is_out ? "to" : "from", move->peer, move->is_stuck ? "is" : "waits in",
	    move->state, move->reason[0] ? ": " : "", move->reason);
	if (move->is_stuck)
		SAY(finding, remedy,
		    "this host cannot know who has the guest: 'migrctl move show %s --timeline' "
		    "tells what is known, 'migrctl move resolve %s --keep source|destination "
		    "[--assert-dead HOST]' decides",
		    move->id, move->id);
	else
		SAY(finding, remedy,
		    "it goes on by itself when it can: 'migrctl move show %s --timeline' tells "
		    "more%s%s%s",
		    move->id, is_cancellable ? ", 'migrctl move cancel " : "",
		    is_cancellable ? move->id : "", is_cancellable ? "' ends it" : "");
}

static void find_stuck_move(const struct check_view *view, const struct check_kind *kind,
			    struct check_findings *findings)
{
	for (size_t i = 0; i < view->move_count; i++) {
		struct check_finding *finding =
			view->moves[i].is_stuck
				? check_findings_add(findings, kind, view->moves[i].id)
				: NULL;

		if (finding)
			say_move(&view->moves[i], finding);
	}
}

static void find_waiting_move(const struct check_view *view, const struct check_kind *kind,
			      struct check_findings *findings)
{
	for (size_t i = 0; i < view->move_count; i++) {
		const struct check_move *move = &view->moves[i];
		bool waits = !move->is_final && !move->is_stuck && move->reason[0];
		struct check_finding *finding =
			waits ? check_findings_add(findings, kind, move->id) : NULL;

		if (finding)
			say_move(move, finding);
	}
}

/* ---- the store ------------------------------------------------------------------------------ */

static void find_old_store(const struct check_view *view, const struct check_kind *kind,
			   struct check_findings *findings)
{
	struct check_finding *finding =
		view->doubt[0] ? check_findings_add(findings, kind, "") : NULL;

	if (!finding)
		return;
	SAY(finding, object, "the state database");
	SAY(finding, explanation, "%s", view->doubt);
	SAY(finding, remedy,
	    "until then moves stay where they are, no guest is resumed, and a start asks every "
	    "peer: 'migrctl vm start VM --assert-dead HOST' vouches for one that is silent");
}

static void find_was_here(const struct check_view *view, const struct check_kind *kind,
			  struct check_findings *findings)
{
	for (size_t i = 0; i < view->vm_count; i++) {
		const struct check_vm *vm = &view->vms[i];
		struct check_finding *finding =
			vm->is_former ? check_findings_add(findings, kind, vm->uuid) : NULL;

		if (!finding)
			continue;
		SAY(finding, object, "VM %s", vm->name);
		SAY(finding, explanation, "the record of VM '%s' is old: %s", vm->name, vm->reason);
		SAY(finding, remedy, "'migrctl vm %s %s' on host '%s'",
		    vm->has_qemu ? "stop" : "delete", vm->name, view->host_id);
	}
}

static void say_unsettled(const struct check_move *move, struct check_finding *finding)
{
	bool is_taken = move->verdict == VERDICT_TAKEN;

	SAY(finding, object, "move %s", move->id);
	SAY(finding, explanation,
	    "the move of VM '%s' %s host '%s' has ended here (%s, verdict '%s'), and that host has "
	    "not settled it: the record is kept, since it may still ask",
	    move->vm[0] ? move->vm : move->vm_uuid, move->is_out ? "to" : "from", move->peer,
	    move->state, verdict_names[move->verdict]);
	SAY(finding, remedy,
	    "it is settled when host '%s' answers; if that host never comes back with the records "
	    "that it has now: 'migrctl move resolve %s --keep %s --assert-dead %s'",
	    move->peer, move->id, is_taken ? "destination" : "source", move->peer);
}

static void find_unsettled_move(const struct check_view *view, const struct check_kind *kind,
				struct check_findings *findings)
{
	for (size_t i = 0; i < view->move_count; i++) {
		const struct check_move *move = &view->moves[i];
		struct check_finding *finding =
			move->is_unsettled ? check_findings_add(findings, kind, move->id) : NULL;

		if (finding)
			say_unsettled(move, finding);
	}
}

/* ---- records -------------------------------------------------------------------------------- */

static void say_unknown_state(const char *what, const char *fault, struct check_finding *finding)
{
	SAY(finding, explanation, "the record of %s has a word that this migrd does not know: %s",
	    what, fault);
	SAY(finding, remedy,
	    "a newer migrd may have written it: run that one again, or ask for help; nothing is "
	    "changed");
}

static void find_unknown_state(const struct check_view *view, const struct check_kind *kind,
			       struct check_findings *findings)
{
	struct check_finding *finding;

	for (size_t i = 0; i < view->vm_count; i++) {
		const struct check_vm *vm = &view->vms[i];

		finding = vm->fault[0] ? add_vm(findings, kind, vm) : NULL;
		if (finding)
			say_unknown_state(finding->object, vm->fault, finding);
	}
	for (size_t i = 0; i < view->move_count; i++) {
		const struct check_move *move = &view->moves[i];

		finding = move->fault[0] ? check_findings_add(findings, kind, move->id) : NULL;
		if (!finding)
			continue;
		SAY(finding, object, "move %s", move->id);
		say_unknown_state(finding->object, move->fault, finding);
	}
}

static void say_gap(const char *gap, const char *object, const char *remedy,
		    const struct check_kind *kind, struct check_findings *findings)
{
	struct check_finding *finding = gap[0] ? check_findings_add(findings, kind, "") : NULL;

	if (!finding)
		return;
	SAY(finding, object, "%s", object);
	SAY(finding, explanation, "not everything could be looked at: %s", gap);
	SAY(finding, remedy, "%s", remedy);
}

static void find_gap(const struct check_view *view, const struct check_kind *kind,
		     struct check_findings *findings)
{
	say_gap(view->seen->gap, "this check",
		"nothing is proven to be unused, so nothing is removed", kind, findings);
	say_gap(view->marks->gap, "the directories of [storage] and [tpm]",
		"there may be more that moves have left: look for names with '.migrd-'", kind,
		findings);
}

/* ---- the table -------------------------------------------------------- */

const struct check_kind check_kinds[] = {
	{ "unknown-qemu", true, find_unknown_qemu, NULL },
	{ "double-claim", true, find_double_claim, NULL },
	{ "old-store", false, find_old_store, NULL },
	{ "was-here", false, find_was_here, NULL },
	{ "stuck-move", false, find_stuck_move, NULL },
	{ "waiting-move", false, find_waiting_move, NULL },
	{ "unsettled-move", false, find_unsettled_move, NULL },
	{ "crashed-vm", false, find_crashed_vm, NULL },
	{ "still-vm", true, find_still_vm, NULL },
	{ "sent-away-vm", true, find_sent_away, NULL },
	{ "unreachable-vm", true, find_unreachable_vm, NULL },
	{ "same-mac", false, check_find_same_mac, NULL },
	{ "orphan-incoming", true, find_orphan_incoming, check_repair_incoming },
	{ "leftover-stream", true, find_leftover_stream, check_repair_stream },
	{ "leftover-vm-dir", true, find_vm_dir, check_repair_vm_dir },
	{ "leftover-move-dir", true, find_move_dir, check_repair_move_dir },
	{ "missing-swtpm", false, find_missing_swtpm, NULL },
	{ "leftover-tpm-state", true, find_tpm_state, NULL },
	{ "leftover-mark", true, check_find_mark, NULL },
	{ "leftover-log", true, find_log, check_repair_log },
	{ "foreign-file", true, find_foreign_file, NULL },
	{ "unknown-state", false, find_unknown_state, NULL },
	{ "silent-peer", false, find_silent_peer, NULL },
	{ "not-looked-at", false, find_gap, NULL },
	{ 0 },
};

void check_find(const struct check_view *view, struct check_findings *findings)
{
	for (const struct check_kind *kind = check_kinds; kind->name; kind++)
		kind->find(view, kind, findings);
}

bool check_needs_second_look(const struct check_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->list[i].kind->is_fleeting)
			return true;
	return false;
}

static bool has(const struct check_findings *findings, const struct check_finding *wanted)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct check_finding *finding = &findings->list[i];

		if (finding->kind == wanted->kind && strcmp(finding->object, wanted->object) == 0 &&
		    finding->process.start_time == wanted->process.start_time)
			return true;
	}
	return false;
}

void check_confirm(struct check_findings *findings, const struct check_findings *earlier)
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->count; i++) {
		const struct check_finding *finding = &findings->list[i];

		if (!finding->kind->is_fleeting || has(earlier, finding))
			findings->list[kept++] = *finding;
	}
	findings->count = kept;
}

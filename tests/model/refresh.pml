/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest goes over to another QEMU of the same host, which has the same pages: one coordinator
 * that may crash, two QEMUs that may die, one record; README.md is the way in.
 *
 * Either QEMU obeys `cont' at any time: nothing in QEMU keeps both from running.  A command that
 * was sent may be carried out after the coordinator that sent it is gone.  What the guest has
 * written is in the pages of both; its CPUs and devices are in one of them, so a QEMU whose
 * state is older than what has run is stale.
 *
 * Whether the memory is shared or copied makes no difference to these rules.
 * Macros: FAULTS (how many), and the mutants of mutants.sh. */
#ifndef FAULTS
#define FAULTS 4
#endif

#define OLD 0
#define NEW 1

mtype = { nothing, prepare, transfer, switched, rollback, ended };

byte faults = FAULTS;

/* On disk, changed in one transaction. */
mtype state = nothing;
bit owner = OLD;         /* which QEMU the record of the VM names */
bool wants_run = true;   /* the intent */
bool wants_stop;         /* the intent too: a person ends the guest */

/* The world. */
bool up = true;          /* the coordinator */
bool lives[2], runs[2];
bool complete[2];        /* has all the state of the guest, as of the last stop */
bool sent;               /* `migrate' was told, and the transfer goes on */
bool told[2];            /* `cont' is in the socket, and not carried out yet */
bool has_run_new;        /* the guest's CPUs have run in the new QEMU */
bool keys[2];            /* the directory with the state of its TPM, which holds keys */
bool killed;             /* a QEMU died that had the only right state */

/* What the present coordinator has noted; gone with it. */
bool seen_completed;
bool looked;             /* both were asked again, and the record is being written */

#ifdef M_CONT_BEFORE_RECORD
#define record_first false
#else
#define record_first true
#endif
#ifdef M_RESUME_BESIDE_NEW
#define new_is_ended_first false
#else
#define new_is_ended_first true
#endif
#ifdef M_RESTART_ROLLS_BACK_SWITCHED
#define after_switch_forward false
#else
#define after_switch_forward true
#endif
#ifdef M_COMPLETED_IS_REMEMBERED
#define looks_again false
#else
#define looks_again true
#endif
#ifdef M_OLD_ENDED_BEFORE_RECORD
#define old_outlives_record false
#else
#define old_outlives_record true
#endif
#ifdef M_NEW_DIED_RESUMES_OLD
#define dead_new_is_a_crash false
#else
#define dead_new_is_a_crash true
#endif
#ifdef M_RESTART_SETTLES_FIRST
#define record_is_read_first false
#else
#define record_is_read_first true
#endif
#ifdef M_STOP_BEFORE_NEW_ENDED
#define stop_waits_for_new false
#else
#define stop_waits_for_new true
#endif
#ifdef M_STOP_IS_FORGOTTEN
#define stop_is_finished false
#else
#define stop_is_finished true
#endif
#ifdef M_CANCEL_AFTER_SWITCHED
#define cancel_ends_at_switch false
#else
#define cancel_ends_at_switch true
#endif

#ifdef M_OLD_KEYS_REMOVED_BEFORE_RECORD
#define old_keys_outlive_record false
#else
#define old_keys_outlive_record true
#endif
#ifdef M_ROLLBACK_FORGETS_KEYS
#define new_keys_are_removed false
#else
#define new_keys_are_removed true
#endif
#ifdef M_KEYS_REMOVED_BESIDE_NEW
#define new_is_gone_before_keys false
#else
#define new_is_gone_before_keys true
#endif

/* A `cont' is carried out, whoever sent it, and whether he is still there. */
proctype cpus(bit q)
{
end_idle:
	do
	:: atomic { told[q] && lives[q] ->
		told[q] = false;
		assert(!runs[1 - q]);             /* two runners on one memory */
		assert(complete[q]);              /* a QEMU without the guest's state */
		assert(keys[q]);                  /* or without its keys */
		assert(q == NEW || !has_run_new); /* back to what is stale */
		runs[q] = true;
		complete[1 - q] = false;
		if
		:: q == NEW -> has_run_new = true
		:: else -> sent = false
		fi
	   }
	:: atomic { told[q] && !lives[q] -> told[q] = false }
	od
}

/* QEMU's migration: the old one stops, and both say `completed'. */
proctype migration()
{
end_idle:
	do
	:: atomic { sent && lives[OLD] && lives[NEW] && !complete[NEW] ->
		runs[OLD] = false;
		complete[OLD] = true;
		complete[NEW] = true;
		sent = false }
	/* It fails: the old QEMU runs on by itself. */
	:: atomic { sent && lives[OLD] && !complete[NEW] && (!lives[NEW] || faults > 0) ->
		sent = false;
		if
		:: lives[NEW] -> faults--
		:: else
		fi }
	od
}

inline end(q)
{
	atomic { lives[q] = false; runs[q] = false; complete[q] = false; told[q] = false }
}

inline cont(q)
{
	atomic {
		if
		:: wants_run && lives[q] && !runs[q] -> told[q] = true
		:: else
		fi
	}
}

proctype coordinator()
{
end_idle:
	do
	/* a crash, and the restart that forgets all that is not on disk */
	:: atomic { up && faults > 0 -> faults--; up = false;
		seen_completed = false; looked = false }
	:: atomic { !up -> up = true;
		if
		/* what a restart does to a VM that shall run and that no job holds */
		:: !record_is_read_first && complete[OLD] -> cont(OLD)
		:: else
		fi }

	:: atomic { up && state == nothing && lives[OLD] -> state = prepare }

	:: up && state == prepare ->
		if
		:: atomic { up && state == prepare && !keys[NEW] -> keys[NEW] = true }
		:: atomic { up && state == prepare && keys[NEW] && !lives[NEW] && !complete[NEW] ->
			lives[NEW] = true }
		:: atomic { up && state == prepare && lives[NEW] -> state = transfer }
		:: atomic { up && state == prepare -> state = rollback } /* refused, absent, cancelled */
		fi

	:: atomic { up && state == transfer && !sent && lives[OLD] && lives[NEW] &&
		    (runs[OLD] || !wants_run) && !complete[NEW] -> sent = true }
	/* both QEMUs are asked, after a restart too */
	:: atomic { up && state == transfer && complete[OLD] && complete[NEW] && !runs[OLD] ->
		seen_completed = true }
	:: atomic { up && state == transfer && !record_first && seen_completed -> cont(NEW) }
	:: atomic { up && state == transfer && !old_outlives_record && seen_completed -> end(OLD) }
	:: atomic { up && state == transfer && !old_keys_outlive_record && seen_completed ->
		keys[OLD] = false }
	:: atomic { up && state == transfer && seen_completed && lives[OLD] && lives[NEW] &&
		    complete[NEW] && !runs[OLD] -> looked = true }
	:: atomic { up && state == transfer && (looked || (!looks_again && seen_completed)) ->
		owner = NEW; state = switched; looked = false }
	:: atomic { up && state == transfer && !looked && !seen_completed -> state = rollback }
	:: atomic { up && state == transfer && !looked && !lives[NEW] -> state = rollback }
	:: atomic { up && state == transfer && !looked && !lives[OLD] -> state = rollback }

	/* from the record on, only forward */
	:: atomic { up && state == switched && !has_run_new && lives[NEW] && !told[NEW] -> cont(NEW) }
	:: atomic { up && state == switched && lives[OLD] -> end(OLD) }
	:: atomic { up && state == switched && !lives[OLD] && keys[OLD] -> keys[OLD] = false }
	:: atomic { up && state == switched && !lives[OLD] && !keys[OLD] &&
		    (runs[NEW] || !lives[NEW] || !wants_run) -> state = ended }
	/* the new QEMU died: that is a crash of the guest, as any other */
	:: atomic { up && state == switched && !lives[NEW] ->
		if
		:: dead_new_is_a_crash -> end(OLD)
		:: else -> complete[OLD] = true; told[OLD] = lives[OLD]
		fi }
	:: atomic { up && state == switched && !after_switch_forward && !seen_completed ->
		owner = OLD; state = rollback }
	:: atomic { up && state == switched && !cancel_ends_at_switch ->
		owner = OLD; state = rollback }

	/* A person stops the VM, whose QEMU may hang for good.  The intent is on disk first, so a
	 * crash may come before the end. */
	:: atomic { up && !wants_stop && (state == switched ||
		    (state == rollback && (!lives[NEW] || !stop_waits_for_new))) ->
		wants_stop = true; wants_run = false }
	:: atomic { up && wants_stop && lives[owner] &&
		    (stop_is_finished || state != ended) -> end(owner) }

	/* by records that are older than a refresh, the new one may run the guest: it is left alone */
	:: atomic { up && state == rollback && !lives[OLD] && lives[NEW] -> state = ended }
	/* the new QEMU is gone before the old one is told to run */
	:: atomic { up && state == rollback && lives[NEW] && new_is_ended_first -> end(NEW); sent = false }
	:: atomic { up && state == rollback && (!lives[NEW] || !new_is_ended_first) && lives[OLD] &&
		    !runs[OLD] && !told[OLD] -> complete[OLD] = true; cont(OLD) }
	:: atomic { up && state == rollback && (!lives[NEW] || !new_is_gone_before_keys) &&
		    keys[NEW] -> keys[NEW] = false }
	:: atomic { up && state == rollback && !lives[NEW] && (!keys[NEW] || !new_keys_are_removed) &&
		    (runs[OLD] || !lives[OLD] || !wants_run) -> state = ended }
	od
}

/* QEMUs die. */
proctype death()
{
end_idle:
	do
	:: atomic { faults > 0 && lives[OLD] && state != ended && state != nothing -> faults--;
		killed = killed || state != switched; end(OLD) }
	:: atomic { faults > 0 && lives[NEW] && state != ended -> faults--;
		killed = killed || owner == NEW || looked; end(NEW) }
	od
}

/* When nothing can happen any more. */
proctype end_of_it()
{
	timeout ->
	assert(up);
	assert(state == ended);
	assert(!(lives[OLD] && lives[NEW]));   /* nothing is left over */
	assert(keys[owner]);                   /* a crashed guest has them at its next start too */
	assert(!keys[1 - owner] || lives[1 - owner]);
	assert(!lives[NEW] || keys[NEW]);      /* one that is left alone, too */
	assert(killed || wants_stop || lives[owner]); /* the record names the QEMU that has the guest */
	assert(!wants_stop || (!lives[OLD] && !lives[NEW]));
	assert(killed || runs[owner] || !wants_run); /* a guest is not lost */
}

init {
	atomic {
		lives[OLD] = true;
		keys[OLD] = true;
		if
		:: runs[OLD] = true
		:: wants_run = false; complete[OLD] = true /* paused */
		fi;
		run cpus(OLD);
		run cpus(NEW);
		run migration();
		run coordinator();
		run death();
		run end_of_it();
	}
}

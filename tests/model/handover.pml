/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handover of a move, as migrd/move does it; README.md is the way in.
 *
 * Whatever the coordinators do is one atomic step: a state of theirs is entered
 * when it is on disk, so a crash falls between two steps.  All that retries
 * waits until nothing of the last try is under way; so every run comes to an
 * end, and "in the end" is the moment at which nothing can happen any more
 * (process `end_of_it').  The states are the code's, and so is what may follow what:
 * states.sh reads it from migrd/move/states.c.
 *
 * Macros: FAULTS (how many), USER (pauses and resumes), GUEST (it stops by itself,
 * or powers off: how often), KILL (QEMUs may be
 * killed, hosts lose their power), RESOLVE (an operator decides), LOSE (a host
 * begins with an empty database while its QEMU lives), POSTCOPY (the guest goes over before its
 * memory), FORCE (QEMU stops it for as long as the rest takes, and a user may call it back), AWAY (the
 * source's coordinator may crash and stay away), DISKS (the move copies the guest's images), and the
 * mutants of mutants.sh. */
#ifndef FAULTS
#define FAULTS 5
#endif
#ifndef USER
#define USER 1
#endif
#ifndef GUEST
#define GUEST 0
#endif
#ifdef POSTCOPY
#define may_switch true
#else
#define may_switch false
#endif
#ifdef FORCE
#define may_force true
#else
#define may_force false
#endif
#ifdef AWAY
#define may_stay_away true
#else
#define may_stay_away false
#endif
#ifdef DISKS
#define disks true
#else
#define disks false
#endif
#ifdef LOSE
#define may_lose true
#else
#define may_lose false
#endif

#include "states.pml" /* src_may_go, dst_may_go: the code's tables, by states.sh */

mtype = { begin, prepare, transfer, handover, fetch, confirm, done, lost, rollback, cancelled, failed, stuck };
/* Of a host that has no record of the move: not heard of yet, trimmed, or lost. */
mtype = { unknown };
/* QEMU's migration state; `lastpass' is what 7.2 calls active, 10.0 device; `post' is
 * postcopy-device and -active, and postcopy-paused where a stream is over; `lost' is
 * postcopy-paused without a destination; `waits' is pre-switchover. */
mtype = { mig_none, mig_active, mig_waits, mig_lastpass, mig_post, mig_completed, mig_failed,
	mig_cancelled, mig_lost };
/* The mirror, as query-jobs says it.  One stands for those of all disks: the least of them. */
mtype = { job_none, job_runs, job_ready, job_well, job_error };
/* The destination's QEMU. */
mtype = { absent, waiting, loading, loaded, running, dead };
/* A user's pause or resume: intent being written, or the command is with QEMU. */
mtype = { idle, pausing, pause_sent, resuming, resume_sent };

byte faults = FAULTS;
byte user_acts = USER;
byte guest_acts = GUEST;
bit may_cancel = 1;
bit may_start = 1;

/* ---- the world: what is, whether anybody knows or not ------------------- */
bool src_alive = true;   /* the source's QEMU */
bool src_runs = true;    /* its CPUs */
bool src_ran_before;     /* before the last pass stopped them */
bool src_halted;         /* the guest stopped by itself: an I/O error, a panic */
bool src_powered_off;    /* the guest ended its QEMU */
mtype src_mig = mig_none;
mtype dst_qemu = absent;
bool link_up;            /* stream, network, stream */
byte lease;              /* the source's stream on its data */
#define HELD    0
#define FLOWS   1 /* for two seconds, unless it is renewed */
#define FOREVER 2 /* the guest stands still already */
bool copy_is_current;    /* nothing ran since what the destination has loaded */
bool dst_has_run;
bool src_start_post;     /* `migrate-start-postcopy' is with QEMU */
bool memory_is_there;    /* all of it; with mig_post the devices' state alone is loaded first */
bool src_stream_over, dst_stream_over; /* post-copy: that side's stream has ended */
bool killed;             /* what the guest needed after the switch has ended, or was given up */
bool src_heard_refusal;  /* and entered rollback with it */
bool resolved;           /* an operator gave his word */
bool told_cancel;        /* QEMU was, for a user */
bool told_taken, told_refused; /* what the source was ever told */
bool src_lost, dst_lost; /* its database is new: no record, but its QEMU lives */
/* the images */
mtype job = job_none;    /* the mirror, in the source's QEMU */
bool src_aside;          /* the source's image is put aside, or removed */
bool dst_image;          /* the destination has one, made by this move */
bool dst_foreign, had_foreign; /* ... or one of that name that it had before */
bool dst_mark;           /* the temporary name, a second link to what this move has made */
bool image_is_right;     /* the mirror ended well, and nothing ran on the source since */
bool deadman;            /* the source's stream has seen QEMU wait, and will cancel */
bool cut;                /* it has seen the guest stand still, and will end QEMU's connection */
bool src_kept;           /* it was told that post-copy begins */
bool src_away;           /* the source's coordinator does not come back */
bool dst_exports;        /* the destination's QEMU lets others write to it */

/* ---- the source's coordinator ------------------------------------------- */
/* on disk */
mtype src_state = begin;
bool src_refused;        /* the verdict in the row */
bool src_saw_disk;       /* saw_completed */
bool src_all_disk;       /* all_sent */
bool src_go_doubt_disk;        /* go_in_doubt */
bool src_cancelled;      /* error.code == ERR_CANCELLED */
bool src_intent_disk = true; /* true: started */
bool src_stopped_disk;   /* guest_stopped */
bool src_go_sent_disk;   /* MOVE_STAMP_GO */
bool src_switch_disk;    /* switch_wanted */
bool src_cancel_disk;    /* cancel_requested */
bool src_memory_lost;    /* memory_lost */
#define src_shall_run (src_intent && !src_stopped)
/* in memory */
bool src_up = true;
bool src_enters = true;  /* the state is on disk, enter() has not run */
bool src_resumed;
bool src_attached;       /* it has the stream in hand */
bool src_completed;      /* qemu_state or saw_completed says so */
bool src_saw;            /* saw_completed, perhaps not on disk yet */
bool src_all;            /* all_sent, the same */
bool src_go_doubt;         /* go_in_doubt */
bool src_cancel;
bool src_doubt;          /* guest_in_doubt */
bool src_migrating;      /* `migrate' was sent by this coordinator */
bool src_safe;           /* guest_safe */
bool src_answered;
bool src_intent = true;
bool src_stopped;        /* guest_stopped */
bool src_run;
bool src_go_sent;        /* MOVE_STAMP_GO, perhaps not on disk yet */
bool src_switch;         /* switch_wanted */
bool src_unheard;        /* the destination has no record: it answered `unknown' */
mtype action = idle;

/* ---- the destination's coordinator -------------------------------------- */
/* on disk */
mtype dst_state = unknown;
bool dst_run_disk;       /* the VM's intent, written with `taken' */
bool dst_has_vm;         /* the VM's row, of the generation that `taken' makes */
bool dst_tombstone;      /* the record says only that the move is not known */
bool dst_settled;        /* the source's own record of the end is on disk */
/* in memory */
bool dst_up = true;
bool dst_enters;
bool dst_resumed;
bool dst_loaded;         /* it knows */
bool dst_go, dst_drop;
bool dst_run;
bool dst_asked;          /* cont is with QEMU */
bool dst_needs_page;     /* and QEMU answers it when a page has come */
bool dst_is_running;
bool dst_making;         /* a worker is at the image */
/* HTTP requests that wait for their moment. */
bool prepare_waits, go_waits, drop_waits;

/* ---- messages under way; a repeated one stays ---------------------------- */
bool m_prepare, m_prepared, m_unprepared;
bool m_go, m_go_run, m_go_taken, m_go_refused, m_go_unknown;
bool m_drop, m_drop_taken, m_drop_refused, m_drop_unknown;

/* Nobody answers: a person may have to decide, and meanwhile all goes on as before. */
#define src_hands (src_state == handover || src_state == stuck)
#define dst_waits (dst_state == transfer || dst_state == stuck)
#define SRC (src_up && !src_enters)
#define DST (dst_up && !dst_enters)
#define src_has_given (src_state == done || src_state == lost)
#define dst_has_got (dst_state == done || dst_state == lost)
#define src_is_final (src_has_given || src_state == cancelled || src_state == failed)
#define dst_is_final (dst_has_got || dst_state == failed)
#define dst_owns (dst_state == handover || dst_state == fetch || dst_has_got)
#define dst_refuses (dst_state == rollback || (dst_state == failed && !dst_tombstone))
#define dst_qemu_gone (dst_qemu == absent || dst_qemu == dead)
#define src_given_away ((src_saw || src_mig == mig_completed || src_mig == mig_post || src_mig == mig_lost || \
	(src_switch && src_go_doubt)) && !src_refused && !src_answered)
#define acts_allowed (src_state == begin || src_state == prepare || src_state == transfer || \
		      src_state == rollback)
#define resume_allowed (acts_allowed && !(src_state == rollback && src_given_away))
#define go_pending (m_go || go_waits || m_go_taken || m_go_refused || m_go_unknown)
#define drop_pending (m_drop || drop_waits || m_drop_taken || m_drop_refused || m_drop_unknown)
#define prepare_pending (m_prepare || prepare_waits || m_prepared || m_unprepared)
/* QEMU has stopped the guest for this transfer, and lets nobody run it. */
#define src_finishes (src_mig == mig_waits || src_mig == mig_lastpass)
/* The mirror's connection, end to end. */
#define mirror_flows (link_up && !dst_qemu_gone && dst_exports)
#define mirror_is_over (job == job_none || job == job_well || job == job_error)
/* What only a fault makes happen; while the other side is down it happens by itself. */
#define GIVE_UP(other_up) (faults > 0 || !(other_up))
#define PAY(other_up) if :: !(other_up) :: else -> faults--; assert(faults < 255) fi

/* ---- where the mutants differ -------------------------------------------- */
#ifdef M_PATIENCE_AFTER_GO
#define patience_may_end true
#else
/* A host that was said to be dead and comes back has to hear what became of it. */
#define patience_may_end (!src_go_doubt && !resolved)
#endif
/* "I do not know" is no refusal: only who never sent go may take it for one. */
#ifdef M_UNKNOWN_IS_REFUSED
#define unknown_is_harmless true
#else
#ifdef M_UNKNOWN_FORGETS_DOUBT
#define unknown_is_harmless (!src_go_sent)
#else
#define unknown_is_harmless (!src_go_sent && !src_go_doubt)
#endif
#endif
#ifdef M_TRIM_UNSETTLED
#define may_trim true
#else
#define may_trim dst_settled
#endif
/* has_guest in move/moves_peer.c: the VM's row tells, whatever became of the move's. */
#ifdef M_VM_DOES_NOT_TELL
#define vm_tells false
#else
#define vm_tells dst_has_vm
#endif
/* is_open in move/resolve.c, and that the other host was found silent (!dst_up). */
#define src_is_open (src_hands && src_saw && !src_refused)
#define dst_is_open (dst_waits && dst_loaded && (dst_state == stuck || memory_is_there))
#ifdef M_RESOLVE_SOURCE_WHILE_THEY_SPEAK
#define destination_is_dead true
#else
#define destination_is_dead (!dst_up && dst_qemu_gone)
#endif
#ifdef M_RESOLVE_SOURCE_ON_DEATH_ALONE
#define resolve_source_word true
#else
#define resolve_source_word (!dst_owns)
#endif
#ifdef M_RESOLVE_DESTINATION_ON_DEATH_ALONE
#define resolve_destination_word true
#else
#define resolve_destination_word copy_is_current
#endif
#ifdef M_RESUME_BLINDLY
#define guest_stands true
#define resume_is_noticed false
#else
#define guest_stands (src_saw || (action == idle && !src_doubt))
#ifdef M_RESUME_UNSEEN
#define resume_is_noticed false
#else
#define resume_is_noticed src_up
#endif
#endif
#define is_as_wanted (src_runs || !src_shall_run)
/* move/cancel.c: QEMU says only that it was cancelled, and not for whom. */
#ifdef M_CANCEL_IS_FORGOTTEN
#define remembers_cancel false
#else
#define remembers_cancel true
#endif
#define cancel_is_recorded (src_cancel_disk || !remembers_cancel)
/* A guest that stands still without a coordinator: its stream ends QEMU's connection. */
#ifdef M_STANDING_GUEST_IS_LEFT
#define is_let_go false
#else
#define is_let_go true
#endif
/* The stream is told that post-copy begins before QEMU is. */
#ifdef M_POSTCOPY_IS_LET_GO
#define keeps_postcopy false
#else
#define keeps_postcopy true
#endif
/* move_src_may_call_back */
#ifdef M_CALL_BACK_AFTER_COMPLETED
#define may_call_back true
#else
#define may_call_back (!src_saw && !src_completed && !src_switch)
#endif
#ifdef M_DOUBT_FORGOTTEN
#define doubt_of_go src_go_doubt
#else
#define doubt_of_go src_resumed
#endif
#ifdef M_GO_CHANGES_RUN
#define go_counts (dst_state != unknown && !dst_is_final)
#else
#define go_counts (dst_state == prepare || dst_waits)
#endif
/* Post-copy; README.md tells which of these the code still is.
 * A guest that ran at the switch runs on when QEMU fails, whenever that is. */
#ifdef M_SWITCH_WHILE_IT_RUNS
#define stops_before_switch false
#else
#define stops_before_switch true
#endif
/* QEMU may have switched although its answer has not come. */
#ifdef M_SWITCH_UNANSWERED_GIVES_UP
#define unanswered_switch_gives_up true
#else
#define unanswered_switch_gives_up false
#endif
/* After the switch the source cannot take the guest back: what the destination refuses is lost.
 * Without a switch, nothing more may ever come; so go has to say which it is. */
#ifdef M_LATE_GO_IS_REFUSED
#define late_go_is_refused true
#else
#ifdef M_LATE_GO_WAITS
#define late_go_is_refused (!may_switch)
#else
#define late_go_is_refused (src_mig != mig_post)
#endif
#endif
#ifdef M_BAD_TAPS_REFUSE
#define bad_taps_refuse may_switch
#else
#define bad_taps_refuse false
#endif
#define may_come_back (src_mig == mig_completed)
#ifdef M_CONT_REFUSED_IS_A_REFUSAL
#define cont_refused_is_a_refusal true
#else
#define cont_refused_is_a_refusal may_come_back
#endif
/* A source whose QEMU has nothing more to send does not say go for ever: drop decides. */
#define src_has_ended (!src_alive || src_mig == mig_failed)
/* A coordinator that saw `completed' knows so when QEMU has ended; after a restart only by the record. */
#define src_knows_all_is_there (src_all || (src_mig == mig_completed && (src_alive || !src_resumed)))
#ifdef M_GO_WITH_NOTHING_TO_SEND
#define sends_nothing_any_more (!src_go_sent && src_alive && src_mig == mig_failed)
#else
#define sends_nothing_any_more ((src_has_ended && !src_knows_all_is_there) || (src_stream_over && dst_qemu == loading))
#endif
/* After a restart, or when it has failed, QEMU's state does not tell that it has switched. */
#ifdef M_TAKEN_IS_CONFIRMED
#define may_need_memory (src_mig == mig_post || src_mig == mig_lost)
#define may_not_know src_resumed
#else
#define may_need_memory (src_switch && !src_knows_all_is_there)
#define may_not_know false
#endif
#ifdef M_TAKEN_AFTER_ALL_IS_CONFIRMED
#define is_taken_with_all true
#else
#define is_taken_with_all (!src_switch)
#endif
#ifdef M_RESTART_ENDS_FETCH
#define may_know_no_switch dst_resumed
#else
#define may_know_no_switch false
#endif
/* QEMU may need a page before it answers `cont', and that page a new stream, for which the source
 * asks when it has heard `taken': so the destination does not wait for the answer in handover. */
#ifdef M_TAKEN_WAITS_FOR_CONT
#define may_wait_for_memory false
#else
#define may_wait_for_memory (dst_needs_page && src_switch && !memory_is_there)
#endif
/* What was entered in fetch was told: the guest is taken. */
#ifdef M_CONT_REFUSED_IN_FETCH_IS_A_REFUSAL
#define may_refuse true
#else
#define may_refuse (dst_state == handover)
#endif
/* Nobody lets a guest run whose move is over. */
#ifdef M_FETCH_ENDS_BEFORE_CONT
#define may_end_fetch true
#else
#define may_end_fetch (dst_is_running || dst_qemu == dead)
#endif
/* A person gave the guest to the destination. */
#ifdef M_GIFT_IN_FETCH_IS_NOT_HEARD
#define gives_it src_has_given
#else
#define gives_it (src_has_given || src_state == fetch)
#endif
#ifdef M_CONFIRM_BEFORE_ALL_IS_THERE
#define fetch_is_over true
#else
#define fetch_is_over ((src_alive && src_mig == mig_completed) || (dst_up && dst_has_got))
#endif
/* The source ends what it has only when the destination has said that it waits in vain.  That its
 * QEMU has paused says so; that its stream is over does not, since all may have come by then. */
#ifdef M_INTERRUPTED_IS_A_GUESS
#define dst_is_interrupted (dst_state == fetch && !dst_qemu_gone && dst_stream_over)
#else
#define dst_is_interrupted (dst_state == fetch && !dst_qemu_gone && dst_stream_over && \
	!memory_is_there)
#endif
#ifdef M_LOST_WITHOUT_ASKING
#define may_say_lost true
#else
#define may_say_lost (dst_up && dst_is_interrupted)
#endif
/* A stream whose other end is gone waits for it as long as nobody tells it. */
#ifdef M_THEIR_STREAM_WAITS
#define ends_their_stream false
#else
#define ends_their_stream true
#endif
/* Local disks. */
#ifdef M_NO_PAUSE_BEFORE_SWITCHOVER
#define waits_before_switchover false
#else
#define waits_before_switchover disks
#endif
#ifdef M_SETTLE_WHILE_IT_RUNS
#define settles_early disks
#else
#define settles_early false
#endif
#ifdef M_CONTINUE_BEFORE_SETTLED
#define is_settled true
#else
#ifdef M_MIRROR_ERROR_IS_AN_END
#define is_settled mirror_is_over
#else
#define is_settled (job == job_well)
#endif
#endif
#ifdef M_RESTART_DOES_NOT_SETTLE
#define may_settle !src_resumed
#else
#define may_settle true
#endif
/* With post-copy there is no way back after migrate-continue, and in pre-switchover QEMU does not
 * notice that its connection is lost: so the stream and the destination are looked at before. */
#ifdef M_CONTINUE_UNSEEN
#define may_continue true
#else
#define may_continue (!src_start_post || (link_up && !dst_qemu_gone))
#endif
/* Nothing but the coordinator ends pre-switchover: the end of the streams does not. */
#ifdef M_ROLLBACK_LEAVES_PRE_SWITCHOVER
#define cancels_in_rollback (src_resumed && src_mig == mig_active)
#else
#define cancels_in_rollback (src_mig == mig_waits || ((disks || src_resumed) && src_mig == mig_active))
#endif
#ifdef M_STANDING_GUEST_IS_SAFE
#define stands_safely true
#else
#define stands_safely (src_mig != mig_waits)
#endif
/* A guest that runs is not safe as long as QEMU may still stop it for this transfer. */
#ifdef M_RUNNING_GUEST_IS_SAFE
#define runs_safely !(src_resumed && src_mig == mig_active)
#else
#define runs_safely !((disks || src_resumed) && src_mig == mig_active)
#endif
#ifdef M_UNKNOWN_IS_LEFT_IN_PRE_SWITCHOVER
#define finishes_what_is_unknown false
#else
#define finishes_what_is_unknown true
#endif
#ifdef M_ROLLBACK_LEAVES_MIRROR
#define mirror_is_gone true
#else
#define mirror_is_gone (job == job_none)
#endif
#ifdef M_ASIDE_BEFORE_TAKEN
#define may_put_aside (src_state == confirm || (src_hands && src_saw))
#else
#define may_put_aside (src_state == confirm && !src_alive)
#endif
#ifdef M_ASIDE_AFTER_DONE
#define aside_is_late true
#else
#define aside_is_late false
#endif
#ifdef M_CONT_WITH_EXPORT
#define export_is_off true
#else
#ifdef M_RESTARTED_CONT_WITH_EXPORT
#define export_is_off (!dst_exports || dst_resumed)
#else
#ifdef M_PAUSED_KEEPS_EXPORT
#define export_is_off (!dst_exports || !dst_run)
#else
#define export_is_off !dst_exports
#endif
#endif
#endif
#ifdef M_ROLLBACK_OUTRUNS_WORKER
#define worker_has_ended true
#else
#define worker_has_ended !dst_making
#endif
/* A worker that is a thread ends with the coordinator; a process that makes an image does not. */
#ifdef M_MAKER_OUTLIVES_CRASH
bool dst_orphan;
#else
#define dst_orphan false
#endif
#ifdef M_MARK_GOES_FIRST
#define mark_goes_first true
#else
#define mark_goes_first false
#endif
#ifdef M_STREAM_IGNORES_LEASE
#define data_flows true
#else
#define data_flows (lease != HELD)
#endif
/* What was taken is no offer any more. */
#ifdef M_OFFER_IS_OVER_AFTER_TAKEN
#define gives_up_what_is_taken (dst_state == handover)
#else
#define gives_up_what_is_taken false
#endif
#define resume_unasked (!src_given_away)
/* is_busy: while bytes flow, nobody is asked */
#define asks_fate (!link_up || dst_loaded)
#ifdef M_STUCK_ASKS_NO_MORE
#define asks_go (src_state == handover)
#else
#define asks_go src_hands
#endif
#ifdef M_GIFT_IS_NOT_HEARD
#define hears_no_gift true
#else
#define hears_no_gift false
#endif
#ifdef M_ROLLBACK_FORGETS_STREAM
#define attaches_late false
#else
#define attaches_late true
#endif
#ifdef M_CONT_WITHOUT_GO
#define may_take true
#else
#ifdef M_TAKE_WHEN_SOURCE_DIED
#define may_take (dst_go || !src_alive)
#else
#define may_take dst_go
#endif
#endif

inline run_on_source()
{
	assert(!src_runs);
	assert(dst_qemu != running);  /* two runners */
	assert(!dst_has_run);         /* back on the source: what it did there is lost */
	assert(!src_aside);           /* without its image */
	src_runs = true;
	src_halted = false;
	copy_is_current = false;
	image_is_right = false;
}

inline run_on_destination()
{
	assert(dst_qemu == loaded);
	assert(!src_runs);            /* two runners */
	assert(copy_is_current);      /* stale */
	assert(!disks || (dst_image && image_is_right)); /* incomplete, stale, removed */
	assert(!dst_exports);         /* others may write to it */
	dst_qemu = running;
	dst_has_run = true;
}

/* QEMU gives a transfer up: it lets the guest run on by itself. */
inline src_qemu_gives_up(how)
{
	if
	:: (src_finishes || src_mig == mig_post) && src_ran_before -> run_on_source()
	:: else
	fi;
	src_mig = how;
	src_ran_before = false;
}

inline break_link()
{
	link_up = false;
	lease = HELD;
	if
	:: dst_qemu == loading && src_mig != mig_post -> dst_qemu = dead /* else see dst_stream_ends */
	:: else
	fi
}

/* In post-copy: a lost connection is made again, and is no more than a pause; a stream that has
 * ended is not, and QEMU sees its end when it is of its own side. */
inline dst_stream_ends()
{
	dst_stream_over = true; link_up = false;
	if
	:: dst_qemu == loading -> dst_qemu = dead; killed = true
	:: else
	fi
}

inline src_dies()
{
	src_alive = false; src_runs = false; src_ran_before = false; job = job_none;
	killed = killed || (src_mig == mig_post && !memory_is_there);
	break_link()
}

/* actions.c, on_intent_saved: the job is asked again, since it may have gone on */
inline intent_is_saved()
{
	if
	:: action == pausing -> src_intent_disk = false; action = pause_sent
	:: action == resuming && resume_allowed -> src_intent_disk = true; action = resume_sent
	:: action == resuming && !resume_allowed -> src_intent = src_intent_disk; action = idle
	fi
}

/* An intent that was being written before is on disk now, and its command is
 * with QEMU; one that came while this record was being written is not. */
inline src_goes(to)
{
	if
	:: action == pausing || action == resuming -> intent_is_saved()
	:: true
	fi;
	assert(src_may_go(src_state, to));
	src_state = to;
	src_enters = true;
	src_resumed = false;
	src_migrating = false;
	src_safe = false;
	src_all_disk = src_all;
	src_saw_disk = src_saw; /* the row carries all of the detail */
	src_go_sent_disk = src_go_sent;
	src_go_doubt_disk = src_go_doubt;
	src_stopped_disk = src_stopped;
	src_switch_disk = src_switch;
	src_cancel_disk = src_cancel && remembers_cancel;
}

inline src_ends(to)
{
	src_goes(to);
	src_enters = false;
	src_cancel = false; src_cancel_disk = false; told_cancel = false;
	src_completed = false; src_saw = false; src_saw_disk = false;
	src_all = false; src_all_disk = false;
	src_go_doubt = false; src_go_doubt_disk = false; src_answered = false; src_run = false;
	src_stopped = false; src_stopped_disk = false;
	src_go_sent = false; src_go_sent_disk = false; src_unheard = false;
	src_refused = false; src_heard_refusal = false; src_cancelled = false; src_doubt = false;
	may_cancel = 0;
	src_doubt = false;
	if
	:: src_attached && link_up -> break_link()
	:: else
	fi;
	src_attached = false
}

inline dst_goes(to)
{
	assert(dst_state == unknown || dst_may_go(dst_state, to));
	dst_state = to;
	dst_enters = true;
	dst_resumed = false;
	dst_asked = false;
}

inline dst_ends(as)
{
	assert(dst_may_go(dst_state, as));
	dst_state = as; dst_enters = false; dst_loaded = false; dst_go = false; dst_drop = false;
	dst_resumed = false; dst_asked = false; dst_is_running = false; dst_run = false;
	dst_stream_over = dst_stream_over || (may_switch && !memory_is_there) /* it ends it */
}

inline dst_removes_image()
{
	assert(!dst_has_run && !src_aside); /* the only right one */
	assert(dst_qemu_gone);
	dst_image = false
}

inline dst_kills_qemu()
{
	if
	:: !dst_qemu_gone -> dst_qemu = dead
	:: else
	fi;
	link_up = false /* QEMU's socket closes, and the stream is killed */
}

/* Or removes it: what it was told not to keep. */
inline src_puts_aside()
{
	assert(dst_image && image_is_right && !src_aside); /* the only right one */
	src_aside = true
}

/* blockdev-add, blockdev-mirror */
inline src_starts_mirror()
{
	if
	:: mirror_flows && dst_qemu == waiting -> job = job_runs
	:: else -> job = job_error
	fi
}

/* block-job-cancel without force, of a mirror that is ready: it ends well when all is written
 * and flushed there. */
inline src_ends_mirror()
{
	if
	:: mirror_flows -> job = job_well; image_is_right = !src_runs
	:: else -> job = job_error
	fi
}

inline src_sends_migrate()
{
	src_migrating = true;
	if
	:: link_up && dst_qemu == waiting -> src_mig = mig_active; dst_qemu = loading; lease = FLOWS
	:: else -> src_mig = mig_failed
	fi
}

/* ---- source: move/src.c --------------------------------------------------- */
active proctype source()
{
	/* what QEMU says of an earlier migration: it came here by one, or one came to
	 * nothing (never_began cannot tell) */
	if
	:: true
	:: src_mig = mig_completed
	:: disks -> dst_foreign = true; had_foreign = true
	fi;
end:	do
	/* move_src_enter_begin, step_begin */
	:: atomic { SRC && src_state == begin && src_alive -> src_goes(prepare) }
	:: atomic { src_up && src_enters && src_state == begin -> src_enters = false }
	:: atomic { SRC && (src_state == begin || src_state == prepare) && !src_alive ->
		src_goes(rollback) }
	:: atomic { SRC && (src_state == begin || src_state == prepare) && src_cancel ->
		src_cancelled = true; src_goes(rollback) }

	/* prepare: on_offer_answered; then the stream connects (moves_claim) */
	:: atomic { src_up && src_enters && src_state == prepare ->
		src_enters = false; m_prepare = true }
	:: atomic { SRC && src_state == prepare && m_prepared ->
		m_prepared = false;
		if
		:: dst_up && dst_state == transfer -> link_up = true; src_attached = true
		:: else -> src_goes(rollback)
		fi }
	:: atomic { SRC && src_state == prepare && src_attached ->
		if
		:: link_up -> src_goes(transfer)
		:: else -> src_goes(rollback)
		fi }
	:: atomic { SRC && src_state == prepare && m_unprepared ->
		m_unprepared = false; src_goes(rollback) }
	/* lost, or slow: asked again */
	:: atomic { SRC && src_state == prepare && !prepare_pending && !src_attached ->
		m_prepare = true }
	:: atomic { SRC && src_state == prepare && GIVE_UP(dst_up) ->
		PAY(dst_up); src_goes(rollback) } /* prepare_timeout_ms */

	/* transfer: move_src_enter_transfer, send_migrate */
	:: atomic { src_up && src_enters && src_state == transfer &&
		    action != pause_sent && action != resume_sent ->
		src_enters = false;
		if
		:: src_resumed || !src_alive
		:: !src_resumed && src_alive && disks -> src_starts_mirror()
		:: !src_resumed && src_alive && !disks -> src_sends_migrate()
		fi }
	/* after a restart: a job is there, or it is not */
	:: atomic { disks && SRC && src_state == transfer && src_alive && src_resumed &&
		    src_mig == mig_none && job == job_none -> src_starts_mirror() }
	:: atomic { disks && SRC && src_state == transfer && src_alive && !src_migrating && !src_cancel &&
		    (!src_resumed || src_mig == mig_none) && job == job_ready &&
		    action != pause_sent && action != resume_sent ->
		if
		:: settles_early -> src_ends_mirror()
		:: else
		fi;
		src_sends_migrate() }
	/* the mirror is broken, or a user cancels before QEMU has heard of a migration */
	:: atomic { disks && SRC && src_state == transfer && src_alive && job == job_error ->
		src_goes(rollback) }
	:: atomic { disks && SRC && src_state == transfer && src_alive && !src_migrating && !src_resumed &&
		    src_cancel -> src_cancelled = true; src_goes(rollback) }
	/* on_migrate: no answer in time; QEMU may be at it */
	:: atomic { SRC && src_state == transfer && src_migrating && src_alive && faults > 0 ->
		faults--; src_goes(rollback) }
	/* end_unheard: no answer to a cancel in time; QEMU may be at that, too */
	:: atomic { SRC && src_state == transfer && src_alive && src_cancel &&
		    (src_mig == mig_active || src_finishes) && faults > 0 ->
		faults--; src_cancelled = true; src_goes(rollback) }
	:: atomic { SRC && src_state == transfer && !src_alive -> src_goes(rollback) }
	:: atomic { SRC && src_state == transfer && src_alive && (src_migrating || src_resumed) &&
		    (src_mig == mig_failed || src_mig == mig_cancelled) ->
		assert(src_cancel || !told_cancel); /* it is not failed */
		src_cancelled = src_cancel; src_goes(rollback) }
	:: atomic { SRC && src_state == transfer && src_alive && src_resumed &&
		    src_mig == mig_none -> src_goes(rollback) } /* never_began */
	:: atomic { SRC && src_state == transfer && src_alive && (src_migrating || src_resumed) &&
		    src_mig == mig_completed && !src_completed -> src_completed = true }
	:: atomic { SRC && src_state == transfer && (src_completed ||
		    (src_alive && (src_migrating || src_resumed) && src_finishes)) ->
		if /* move_lease_end */
		:: src_finishes && link_up -> lease = FOREVER
		:: else
		fi;
		src_goes(handover) }
	/* call_back: QEMU decides between the cancel and its end */
	:: atomic { may_force && SRC && src_state == handover && src_cancel && src_alive && !src_saw &&
		    !src_switch && (src_mig == mig_active || src_finishes) && cancel_is_recorded ->
		told_cancel = true; src_qemu_gives_up(mig_cancelled); break_link() }
#ifdef M_CALL_BACK_AFTER_COMPLETED
	:: atomic { SRC && src_state == handover && src_cancel && src_alive && src_mig == mig_completed ->
		src_refused = true; src_cancelled = true; src_goes(rollback) }
#endif
	/* is_switch_due: a user asked for it, or a rule */
	:: atomic { may_switch && SRC && src_state == transfer && src_alive && src_attached &&
		    (src_migrating || src_resumed) && src_mig == mig_active && !src_cancel ->
		src_switch = true;
		if
		:: link_up -> lease = FOREVER
		:: else
		fi;
		src_goes(handover) }
	/* switch_over: two commands, one after the other, and after those of users */
	:: atomic { SRC && src_state == handover && src_switch && src_alive && !src_start_post &&
		    src_mig == mig_active && action != pause_sent && action != resume_sent ->
		if
		:: stops_before_switch -> src_runs = false
		:: else
		fi;
		if
		:: src_start_post = true
		:: faults > 0 -> faults-- /* the second was lost with the coordinator */
		fi }
	/* on_switched */
	:: atomic { SRC && src_state == handover && src_start_post && !src_resumed &&
		    unanswered_switch_gives_up && faults > 0 -> faults--; src_goes(rollback) }
	/* move_lease_renew */
	:: atomic { SRC && src_state == transfer && src_attached && src_mig == mig_active &&
		    link_up && lease == HELD && dst_up && dst_state != unknown -> lease = FLOWS }
	/* on_presence: the destination has no record any more */
	:: atomic { SRC && src_state == transfer && src_attached &&
		    (src_mig == mig_active || job != job_none) &&
		    dst_up && dst_state == unknown -> src_goes(rollback) }
	/* send_cancel: QEMU decides */
	:: atomic { SRC && src_state == transfer && src_alive && src_cancel &&
		    (src_mig == mig_active || src_finishes) && cancel_is_recorded ->
		told_cancel = true; src_qemu_gives_up(mig_cancelled); break_link() }
	/* move_src_may_cancel_qemu */
	:: atomic { src_up && src_cancel && !src_cancel_disk && remembers_cancel ->
		src_cancel_disk = true }

	/* handover: settle.  First the mirror, then migrate-continue; else migrate_cancel */
	:: atomic { SRC && src_hands && src_alive && src_mig == mig_waits && may_settle &&
		    job == job_ready -> src_ends_mirror() }
	:: atomic { SRC && src_hands && src_alive && src_mig == mig_waits && may_settle && is_settled &&
		    may_continue ->
		assert(job != job_runs); /* `migrate' was early */
		if
		:: src_start_post -> src_mig = mig_post
		:: else -> src_mig = mig_lastpass
		fi }
	:: atomic { SRC && src_hands && src_alive && src_mig == mig_waits && may_settle &&
		    ((job == job_error && !is_settled) || !may_continue) ->
		src_qemu_gives_up(mig_cancelled); break_link() }

	/* handover: the events, note_completed, send_go */
	:: atomic { src_up && src_enters && src_hands ->
		src_enters = false;
		src_kept = src_kept || (src_switch && keeps_postcopy);
		if
		:: src_run = src_shall_run
		:: !src_resumed -> src_run = false /* guest_stopped, which a restart may not see */
		fi;
#ifdef M_RESUME_UNSEEN
		src_doubt = src_resumed && !src_saw
#endif
		}
	:: atomic { SRC && src_hands && src_alive &&
		    (src_mig == mig_completed || src_mig == mig_post || src_mig == mig_lost) &&
		    !src_completed -> src_completed = true }
	/* nobody has what is missing but this QEMU; the answer to drop decides */
	:: atomic { SRC && src_hands && src_switch && src_completed && !src_unheard &&
		    sends_nothing_any_more ->
		src_completed = false;
		src_go_doubt = src_go_doubt || src_go_sent || doubt_of_go;
		src_goes(rollback) }
	/* guest_stands, on_guest_seen: a resume may have been with QEMU */
	:: atomic { SRC && src_hands && src_completed && !src_saw && action != idle &&
		    !src_doubt -> src_doubt = true }
	:: atomic { SRC && src_hands && src_completed && !src_saw && action == idle &&
		    src_doubt && !src_unheard ->
		if
		:: src_alive && src_runs -> src_goes(rollback)
		:: !src_alive -> src_go_doubt = src_go_doubt || doubt_of_go; src_goes(rollback)
		:: else -> src_doubt = false
		fi }
	:: atomic { SRC && asks_go && src_completed && !src_refused && !go_pending &&
		    guest_stands && !src_unheard ->
		src_all = src_all || (!src_saw && src_mig == mig_completed);
		src_saw = true; src_go_sent = true; m_go = true; m_go_run = src_run }
	/* move_save_detail, beside the question */
	:: atomic { src_up && src_saw && !src_saw_disk ->
		src_saw_disk = true; src_all_disk = src_all; src_go_sent_disk = src_go_sent }
	:: atomic { SRC && src_state == handover && src_saw && !src_refused && !dst_up ->
		src_goes(stuck) } /* is_silent */
	:: atomic { SRC && src_hands && m_go_taken ->
		m_go_taken = false;
		if
		:: may_need_memory -> src_goes(fetch)
		:: !may_need_memory || may_not_know -> src_goes(confirm)
		fi }
	:: atomic { SRC && src_hands && m_go_refused ->
		m_go_refused = false; src_refused = true; src_heard_refusal = true;
		src_goes(rollback) }
	/* It asks on, at the pace of one that waits for a person; here one answer is
	 * enough, for a host without a record does not find one again. */
	:: atomic { SRC && src_hands && m_go_unknown ->
		m_go_unknown = false;
#ifdef M_UNKNOWN_IS_REFUSED
		src_refused = true; src_heard_refusal = true; src_goes(rollback)
#else
		src_unheard = true;
		if
		:: src_state == handover -> src_goes(stuck)
		:: else
		fi
#endif
		}
	:: atomic { SRC && src_hands && !src_completed && src_alive &&
		    (src_mig == mig_failed || src_mig == mig_cancelled) ->
		assert(src_cancel || !told_cancel);
		src_go_doubt = src_go_doubt || (src_switch && (doubt_of_go || src_unheard));
		src_cancelled = src_cancelled || (src_cancel && src_state == handover);
		src_goes(rollback) }
	:: atomic { SRC && src_hands && !src_completed && !src_alive && !src_unheard ->
		src_go_doubt = src_go_doubt || src_resumed; src_goes(rollback) }
#ifdef M_RESUME_WITHOUT_REFUSAL
	:: atomic { SRC && src_hands && src_completed && GIVE_UP(dst_up) ->
		PAY(dst_up); src_refused = true; src_goes(rollback) }
#endif
#ifdef RESOLVE
	/* --keep source: the operator's word that the destination is dead and that
	 * the guest has not run there. */
	:: atomic { SRC && src_is_open && destination_is_dead && resolve_source_word ->
		src_refused = true; resolved = true; killed = killed || src_mig == mig_post;
		src_goes(rollback) }
	/* --keep destination, said here: that the guest was seen to run there. */
	:: atomic { SRC && src_is_open && !dst_up && (dst_state == done ||
		    (faults == 0 && dst_waits && dst_qemu == loaded && copy_is_current)) ->
		if
		:: may_need_memory -> src_goes(fetch)
		:: else -> src_goes(confirm)
		fi }
#endif

	/* fetch */
	:: atomic { src_up && src_enters && src_state == fetch -> src_enters = false }
	:: atomic { SRC && src_state == fetch && fetch_is_over -> src_goes(confirm) }
	/* recover, moves_rejoin: new streams on both sides */
	:: atomic { SRC && src_state == fetch && src_alive && src_mig == mig_post && DST &&
		    dst_state == fetch && !dst_qemu_gone && (src_stream_over || dst_stream_over) ->
		src_stream_over = false; dst_stream_over = false; link_up = true; lease = FOREVER }
	:: atomic { SRC && src_state == fetch && src_has_ended && ends_their_stream && DST &&
		    dst_state == fetch && !dst_qemu_gone && !dst_stream_over -> dst_stream_ends() }
#ifdef RESOLVE
	/* resolve_fetch: the operator's word that the destination is dead, and its QEMU too */
	:: atomic { SRC && src_state == fetch && !dst_up && dst_qemu_gone -> src_goes(confirm) }
#endif
	/* on_fate, lose */
	:: atomic { SRC && src_state == fetch && src_has_ended && may_say_lost ->
		assert(!memory_is_there); /* given up with all its memory */
		src_memory_lost = true; src_goes(confirm) }

	/* confirm */
	:: atomic { src_up && src_enters && src_state == confirm -> src_enters = false }
	:: atomic { SRC && src_state == confirm && src_alive ->
		assert(memory_is_there || dst_qemu_gone || src_mig != mig_post); /* lost */
		src_alive = false; src_runs = false; job = job_none }
	:: atomic { disks && SRC && may_put_aside && !src_aside && !aside_is_late ->
		src_puts_aside() }
	:: atomic { SRC && src_state == confirm && !src_alive && (!disks || src_aside || aside_is_late) ->
		if
		:: src_memory_lost -> src_ends(lost)
		:: else -> src_ends(done)
		fi;
		src_enters = aside_is_late && disks }
	:: atomic { src_up && src_enters && src_has_given -> /* a mutant */
		src_enters = false; src_puts_aside() }

	/* rollback: move_src_enter_rollback kills the stream if it has it */
	:: atomic { src_up && src_enters && src_state == rollback ->
		src_enters = false; src_answered = src_refused;
		if
		:: src_attached && link_up -> break_link()
		:: else
		fi;
		src_stream_over = src_stream_over || (may_switch && src_attached) }
	/* make_guest_safe, on_guest_state */
	:: atomic { SRC && src_state == rollback && !src_safe && !src_alive -> src_safe = true }
	:: atomic { SRC && src_state == rollback && !src_safe && src_alive &&
		    (cancels_in_rollback || (src_resumed && src_mig == mig_lastpass)) ->
		src_qemu_gives_up(mig_cancelled); break_link() }
	/* the mirror: cancelled with force, and the job dismissed */
	:: atomic { SRC && src_state == rollback && src_alive && job != job_none -> job = job_none }
	:: atomic { SRC && src_state == rollback && !src_safe && src_alive &&
		    runs_safely && stands_safely && is_as_wanted ->
		src_runs = src_runs && src_shall_run; src_safe = true }
	:: atomic { SRC && src_state == rollback && !src_safe && src_alive && !src_runs &&
		    src_shall_run && src_mig != mig_active && !src_finishes &&
		    src_mig != mig_post && src_mig != mig_lost && resume_unasked -> run_on_source(); src_safe = true }
	/* QEMU refuses `cont' after the switch: the guest is lost, and that is said */
	:: atomic { SRC && src_state == rollback && !src_safe && src_alive && !src_runs &&
		    src_shall_run && (src_mig == mig_lost || (src_mig == mig_post && src_stream_over)) &&
		    resume_unasked -> src_safe = true }
	:: atomic { SRC && src_state == rollback && !src_answered && !drop_pending ->
		m_drop = true }
	:: atomic { SRC && src_state == rollback && m_drop_refused ->
		m_drop_refused = false; src_answered = true }
	:: atomic { SRC && src_state == rollback && m_drop_taken ->
		m_drop_taken = false;
		assert(!src_alive || (src_switch && !src_runs)); /* stuck */
		if
		:: is_taken_with_all -> src_goes(confirm)
		:: else -> src_goes(stuck); src_goes(fetch)
		fi }
	:: atomic { SRC && src_state == rollback && m_drop_unknown ->
		m_drop_unknown = false;
		if
		:: unknown_is_harmless -> src_answered = true
		:: else -> src_unheard = true; src_goes(stuck)
		fi }
	:: atomic { SRC && src_state == rollback && src_safe && src_answered &&
		    (mirror_is_gone || !src_alive) ->
		if
		:: src_cancelled -> src_ends(cancelled)
		:: else -> src_ends(failed)
		fi }
	/* patience_is_over */
	:: atomic { SRC && src_state == rollback && src_safe && !src_answered && patience_may_end &&
		    (mirror_is_gone || !src_alive) && GIVE_UP(dst_up) ->
		PAY(dst_up);
		if
		:: src_cancelled -> src_ends(cancelled)
		:: else -> src_ends(failed)
		fi }

	/* a guest that crashed with its QEMU is started anew: this host owns it */
	:: atomic { SRC && (src_state == failed || src_state == cancelled) && !src_alive &&
		    may_start ->
		may_start = 0; src_alive = true; src_mig = mig_none; run_on_source() }

	/* late answers: move/ask.c, on_answer() */
	:: atomic { src_up && !src_hands && (m_go_taken || m_go_refused || m_go_unknown) ->
		m_go_taken = false; m_go_refused = false; m_go_unknown = false }
	:: atomic { src_up && src_state != rollback && (m_drop_taken || m_drop_refused || m_drop_unknown) ->
		m_drop_taken = false; m_drop_refused = false; m_drop_unknown = false }
	:: atomic { src_up && src_state != prepare && (m_prepared || m_unprepared) ->
		m_prepared = false; m_unprepared = false }

	/* No record tells of this transfer.  In pre-switchover the guest's last state is not sent
	 * yet, so nobody can have taken it. */
	:: atomic { finishes_what_is_unknown && src_up && src_state == unknown && src_alive &&
		    src_mig == mig_waits -> src_qemu_gives_up(mig_cancelled); break_link() }
	:: atomic { src_up && src_state == unknown && src_alive && job != job_none -> job = job_none }

	/* moves_recover, vms_settle */
	:: atomic { !src_up && !src_away && src_state == unknown -> src_up = true }
	:: atomic { !src_up && !src_away && src_state != unknown ->
		src_up = true; src_resumed = true; src_enters = true;
		src_all = src_all_disk;
		src_saw = src_saw_disk; src_completed = src_saw_disk; src_go_doubt = src_go_doubt_disk;
		src_switch = src_switch_disk;
		src_cancel = src_cancel_disk;
		src_intent = src_intent_disk;
#ifdef M_FORGET_REFUSAL
		src_refused = false;
#endif
		assert(src_refused || !src_heard_refusal); /* it is in the row of rollback */
		if
		:: src_is_final ->
			src_enters = false; src_resumed = false; src_saw = false;
			src_completed = false; src_go_doubt = false;
			if /* vms_settle, vm_finish_interrupted */
			:: src_alive && src_intent && !src_runs && !src_halted &&
			   !src_finishes -> run_on_source()
			:: src_alive && !src_intent && src_runs -> src_runs = false
			:: else
			fi
		:: src_state == begin -> src_goes(rollback)
		:: src_state == prepare -> src_attached = attaches_late; src_goes(rollback)
		:: src_state == transfer || src_hands ->
			src_attached = true; src_doubt = !src_saw;
			src_stopped = src_stopped || (src_state == transfer && src_halted);
			if /* move_lease_begin: without a question */
			:: lease == HELD -> lease = FLOWS
			:: else
			fi
		:: src_state == fetch -> src_attached = true
		:: src_state == confirm || src_state == rollback -> src_attached = attaches_late
		fi }
	od
}

/* ---- destination: move/dst.c, and what the peer asks: move/moves.c ------------- */
inline dst_cont()
{
	if
	:: run_on_destination(); dst_asked = true      /* on_running: finish */
	:: may_switch && !memory_is_there -> dst_needs_page = true; dst_asked = true
	:: faults > 0 -> faults--;                     /* QEMU says no: ERR_QEMU */
		if
		:: (!may_switch || cont_refused_is_a_refusal) && may_refuse -> dst_goes(rollback)
		:: else -> dst_asked = true; dst_run_disk = false /* it is ours, and a person's */
		fi
	:: faults > 0 -> faults--; dst_resumed = true  /* doubt: it was not done... */
	:: faults > 0 -> faults--; run_on_destination(); dst_resumed = true /* ...or was */
	fi
}

/* find_or_bury in move/moves_peer.c: a record that says only that the move is not known
 * here, against an offer that is late. */
inline dst_is_buried()
{
	dst_state = failed;
	dst_tombstone = true
}

active proctype destination()
{
end:	do
	/* moves_offered, on_prepared */
	:: atomic { dst_up && m_prepare ->
		m_prepare = false; prepare_waits = true;
		if
		:: dst_state == unknown ->
			assert(!told_refused || dst_lost); /* a late offer revives what was refused */
			if /* vm_new_incoming: the VM is here */
			:: dst_has_vm -> prepare_waits = false; m_unprepared = true
			:: !dst_has_vm && !(dst_lost && !dst_qemu_gone) -> dst_goes(prepare)
			:: else -> prepare_waits = false; m_unprepared = true
			fi
		:: else
		fi }
	:: atomic { DST && prepare_waits && dst_state != prepare ->
		prepare_waits = false;
		if
		:: dst_refuses || dst_state == failed -> m_unprepared = true
		:: else -> m_prepared = true
		fi }
	/* moves_go */
	:: atomic { dst_up && m_go ->
		m_go = false; go_waits = true;
		if
		:: dst_state == unknown -> dst_is_buried()
		:: go_counts && !dst_go -> dst_go = true; dst_run = m_go_run
		:: else
		fi;
		m_go_run = false }
	/* moves_drop */
	:: atomic { dst_up && m_drop ->
		m_drop = false; drop_waits = true;
		if
#ifdef M_NO_TOMBSTONE
		:: dst_state == unknown ->
			drop_waits = false; m_drop_refused = true; told_refused = true
#else
		:: dst_state == unknown -> dst_is_buried()
#endif
		:: dst_state != unknown && !dst_is_final -> dst_drop = true
#ifdef M_REFUSE_AFTER_TAKEN
		:: dst_state == done -> dst_goes(rollback); dst_has_vm = false
#endif
		:: else
		fi }
	/* move_when(MOVE_VERDICT), on_verdict */
	:: atomic { DST && go_waits && (dst_refuses || dst_is_final || dst_state == fetch ||
		    (dst_state == handover && dst_is_running)) ->
		go_waits = false;
		if
		:: dst_refuses -> m_go_refused = true; told_refused = true
		:: dst_tombstone && !vm_tells -> m_go_unknown = true
		:: else -> m_go_taken = true; told_taken = true
		fi;
		assert(!(told_taken && told_refused)) }
	:: atomic { DST && drop_waits && (dst_refuses || dst_is_final || dst_state == fetch ||
		    (dst_state == handover && dst_is_running)) ->
		drop_waits = false;
		if
		:: dst_refuses -> m_drop_refused = true; told_refused = true
		:: dst_tombstone && !vm_tells -> m_drop_unknown = true
		:: else -> m_drop_taken = true; told_taken = true
		fi;
		assert(!(told_taken && told_refused)) }

	/* prepare */
	:: atomic { dst_up && dst_enters && dst_state == prepare ->
		dst_enters = false;
		if
		:: disks -> dst_making = true; dst_qemu = absent
		:: else -> dst_qemu = waiting
		fi;
		link_up = false; lease = HELD /* of a QEMU that a lost record had */ }
	/* the worker: a file under a name that has the move's id, then link(2) to its name */
	:: atomic { (dst_making || dst_orphan) && !dst_mark && !dst_image -> dst_mark = true }
	:: atomic { dst_making && (dst_mark || dst_image) ->
		dst_making = false;
		if
		:: dst_foreign
		:: else -> dst_image = true
		fi }
	/* on_made: then vm_launch_incoming, nbd-server-start, block-export-add */
	:: atomic { disks && DST && dst_state == prepare && dst_qemu == absent && !dst_making ->
		if
		:: dst_drop || !dst_image || !dst_mark -> dst_goes(rollback)
		:: else -> dst_qemu = waiting; dst_exports = true
		fi }
	:: atomic { DST && dst_state == prepare && (dst_drop || dst_qemu == dead) ->
		dst_goes(rollback) }
	:: atomic { DST && dst_state == prepare && !dst_drop && dst_qemu == waiting ->
		dst_goes(transfer) }

	/* move_dst_may_refuse, move_dst_offer_is_over: a person cancels here, or nothing comes
	 * of the source.  move_roll_back ends QEMU before the refusal is on disk; whatever
	 * falls between the two finds it dead, and refuses. */
	:: atomic { DST && (dst_state == prepare || dst_state == transfer || gives_up_what_is_taken) &&
		    !dst_go && !dst_qemu_gone && faults > 0 ->
		faults--; dst_kills_qemu();
		killed = killed || src_mig == mig_post }

	/* transfer */
	:: atomic { dst_up && dst_enters && dst_waits -> dst_enters = false }
	:: atomic { DST && dst_waits && dst_qemu == loaded && !dst_loaded ->
		dst_loaded = true }
	:: atomic { DST && dst_waits && (dst_qemu == dead || dst_drop) ->
		dst_goes(rollback) }
	:: atomic { DST && dst_waits && dst_qemu != dead && !dst_drop && dst_loaded &&
		    may_take ->
		if
		:: !dst_go -> dst_run = true /* a mutant */
		:: else
		fi;
#ifdef M_ANSWER_BEFORE_DURABLE
		if
		:: go_waits -> go_waits = false; m_go_taken = true; told_taken = true
		:: true -> dst_run_disk = dst_run; dst_has_vm = true; dst_goes(handover)
		fi
#else
#ifdef M_CONT_BEFORE_TAKEN
		if
		:: dst_qemu == loaded -> run_on_destination()
		:: dst_qemu == running -> dst_run_disk = dst_run; dst_has_vm = true; dst_goes(handover)
		fi
#else
#ifdef M_MARK_GOES_AT_TAKEN
		dst_mark = false;
#endif
		dst_run_disk = dst_run; dst_has_vm = true; dst_goes(handover) /* take */
#endif
#endif
		}
	:: atomic { DST && dst_state == transfer && dst_loaded && !dst_go && !dst_drop &&
		    dst_qemu == loaded && !src_up -> dst_goes(stuck) } /* is_silent */
	/* on_taps */
	:: atomic { DST && dst_state == transfer && dst_go && dst_loaded && bad_taps_refuse &&
		    dst_qemu == loaded && faults > 0 -> faults--; dst_goes(rollback) }
	/* load_is_late */
	:: atomic { DST && dst_waits && dst_go && !dst_loaded && dst_qemu != dead &&
		    late_go_is_refused && GIVE_UP(dst_qemu == loaded) ->
		PAY(dst_qemu == loaded);
		dst_goes(rollback) }
	/* on_fate: the source's record is final */
	:: atomic { DST && dst_waits && !dst_drop && src_up && src_is_final &&
		    asks_fate && !src_has_given -> dst_drop = true }
	/* the same, and a person gave it to us (note_end) */
	:: atomic { DST && dst_waits && !dst_drop && !dst_go && src_up && gives_it &&
		    asks_fate && !hears_no_gift -> dst_go = true; dst_run = src_intent }
	/* on_fate: the source has no record, so that its go will never come; but a guest
	 * that is complete may be all that there is */
	:: atomic { DST && dst_waits && !dst_drop && !dst_go && src_up && src_state == unknown &&
		    asks_fate && (!dst_loaded || dst_state == transfer) ->
#ifdef M_UNKNOWN_IS_A_GIFT
		dst_go = true; dst_run = true
#else
		if
		:: dst_loaded -> dst_goes(stuck)
		:: else -> dst_drop = true
		fi
#endif
		}
	/* on_fate: nothing ever came, and nobody answers */
	:: atomic { DST && dst_waits && !dst_loaded && !link_up && GIVE_UP(src_up) ->
		PAY(src_up); killed = killed || src_mig == mig_post; dst_goes(rollback) }
#ifdef RESOLVE
	/* --keep destination: the operator's word that the source is dead and did not
	 * run on after the copy was made. */
	:: atomic { DST && dst_is_open && !dst_drop && dst_qemu != dead &&
		    resolve_destination_word && !src_up && !src_alive ->
		resolved = true; dst_run = true; dst_run_disk = true; dst_has_vm = true;
		dst_goes(handover) }
	/* --keep source, said here: this copy is given up, whatever the source is. */
	:: atomic { DST && dst_is_open && !src_up ->
		killed = killed || src_mig == mig_post; dst_goes(rollback) }
#endif

	/* handover */
	:: atomic { dst_up && dst_enters && dst_state == handover ->
		dst_enters = false;
		if
		:: dst_resumed -> dst_run = dst_run_disk
		:: else
		fi }
	:: atomic { DST && dst_state == handover && dst_qemu == dead && !dst_is_running ->
		dst_is_running = true } /* taken is taken */
	/* nbd-server-stop */
	:: atomic { DST && dst_state == handover && dst_exports && dst_qemu != dead ->
		dst_exports = false }
	:: atomic { DST && dst_state == handover && !dst_is_running && dst_qemu != dead &&
		    export_is_off && !dst_needs_page ->
		if
		:: dst_asked || dst_qemu == running || !dst_run -> dst_is_running = true
		:: !dst_asked && dst_qemu == loaded && dst_run -> dst_cont()
		fi }
	:: atomic { DST && dst_state == handover && !dst_is_running && may_wait_for_memory &&
		    dst_qemu == loaded -> dst_goes(fetch) }
	:: atomic { DST && dst_state == handover && dst_is_running && !memory_is_there &&
		    dst_qemu != dead -> dst_goes(fetch) }
	:: atomic { DST && ((dst_state == handover && dst_is_running) ||
			    (dst_state == fetch && may_end_fetch)) &&
		    (memory_is_there || dst_qemu == dead ||
		     (dst_state == handover && may_know_no_switch)) ->
		dst_ends(done) }

	/* fetch: on_fate; the source says so from `confirm' on */
	:: atomic { dst_up && dst_enters && dst_state == fetch ->
		dst_enters = false;
		if
		:: dst_resumed -> dst_run = dst_run_disk
		:: else
		fi }
	/* move_dst_ask_whether_it_runs; QEMU carries out one command after the other */
	:: atomic { DST && dst_state == fetch && !dst_is_running && dst_qemu != dead &&
		    !dst_needs_page ->
		if
		:: dst_asked || dst_qemu == running || !dst_run -> dst_is_running = true
		:: !dst_asked && dst_qemu == loaded && dst_run -> dst_cont()
		fi }
	:: atomic { DST && dst_is_interrupted && src_up && src_memory_lost ->
		assert(!memory_is_there); /* given up with all its memory */
		dst_ends(lost) }
#ifdef RESOLVE
	/* resolve_fetch: that the source does not come back */
	:: atomic { DST && dst_is_interrupted && !src_up && !src_alive -> dst_ends(lost) }
#endif

	/* rollback */
	:: atomic { dst_up && dst_enters && dst_state == rollback ->
		dst_enters = false; dst_kills_qemu(); dst_exports = false }
	/* a file with this move's mark, and no other; then the mark */
	:: atomic { DST && dst_state == rollback && dst_qemu_gone && worker_has_ended && dst_mark &&
		    dst_image && !mark_goes_first -> dst_removes_image() }
#ifdef M_IMAGE_OF_OTHERS_IS_REMOVED
	:: atomic { DST && dst_state == rollback && dst_qemu_gone && dst_foreign -> dst_foreign = false }
#endif
#ifdef M_TOMBSTONE_REMOVES
	:: atomic { DST && dst_state == failed && dst_mark && dst_qemu_gone -> dst_removes_image(); dst_mark = false }
#endif
	:: atomic { DST && dst_state == rollback && dst_qemu_gone && worker_has_ended && dst_mark &&
		    (!dst_image || mark_goes_first) ->
		dst_mark = false }
	:: atomic { mark_goes_first && DST && dst_state == rollback && dst_qemu_gone && !dst_mark &&
		    !dst_resumed && dst_image -> dst_removes_image() }
	:: atomic { DST && dst_state == rollback && dst_qemu_gone && worker_has_ended && !dst_mark &&
		    (!mark_goes_first || !dst_image || dst_resumed) ->
		assert(dst_may_go(dst_state, failed));
		dst_state = failed; dst_loaded = false; dst_go = false; dst_drop = false;
		dst_resumed = false; dst_run = false; dst_run_disk = false; dst_has_vm = false }

	/* the file is the guest's from now on; also after a restart */
	:: atomic { DST && dst_has_got && dst_mark -> dst_mark = false }

	/* moves_settle: the source's record of the end is on disk, and it says so until
	 * this host has noted it */
	:: atomic { DST && dst_is_final && !dst_settled && src_up && src_is_final ->
		dst_settled = true }
	/* moves_history: the record is old.  By then no message is under way. */
	:: atomic { DST && dst_is_final && may_trim && faults > 0 && !prepare_pending &&
		    !m_go && !go_waits && !m_drop && !drop_waits && !dst_mark ->
		faults--;
		dst_state = unknown; dst_tombstone = false; dst_settled = false }

	/* moves_recover */
	:: atomic { !dst_up ->
		dst_up = true;
		if
		:: dst_state == unknown || dst_is_final
#ifdef M_IMAGE_BEFORE_RECORD
		:: dst_state == prepare -> dst_state = unknown; dst_making = false; dst_qemu = absent
#endif
		:: dst_state == prepare -> dst_goes(rollback)
		:: else -> dst_resumed = true; dst_enters = true
		fi }
	od
}

/* ---- the two QEMUs --------------------------------------------------------- */
active proctype qemus()
{
end:	do
	:: atomic { src_alive && src_mig == mig_active && link_up && dst_qemu == loading &&
		    data_flows ->
		/* else nobody may be there to let the guest run again */
		assert(lease != HELD);
		src_ran_before = src_runs; src_runs = false;
		src_mig = (waits_before_switchover -> mig_waits : mig_lastpass) }
	:: atomic { src_alive && src_mig == mig_active && src_start_post && link_up &&
		    dst_qemu == loading && data_flows && !waits_before_switchover ->
		src_ran_before = src_runs; src_runs = false; src_mig = mig_post }
	/* the last bytes fitted into a socket, so nobody has noticed that it is broken */
	:: atomic { src_alive && src_mig == mig_active && waits_before_switchover &&
		    (!link_up || dst_qemu_gone) ->
		src_ran_before = src_runs; src_runs = false; src_mig = mig_waits }
	/* stream/deadman.c, without a coordinator; it may be back before the cancel comes */
	:: atomic { src_alive && src_mig == mig_waits && !src_up && !deadman -> deadman = true }
	:: atomic { deadman ->
		deadman = false;
		if
		:: src_alive && src_finishes -> src_qemu_gives_up(mig_cancelled); break_link()
#ifdef M_DEADMAN_SAYS_CONT
		:: src_alive && src_mig == mig_completed -> run_on_source()
#endif
		:: else /* migrate_cancel does nothing after `completed' */
		fi }
	/* stream/control.c: a guest that stands still.  A QEMU that does not answer may be at the
	 * switch to post-copy, too; all may have been sent when its connection ends. */
	:: atomic { src_alive && !src_up && is_let_go && !src_kept && !cut &&
		    (src_mig == mig_lastpass || (src_mig == mig_post && dst_qemu == loading)) ->
		cut = true }
	:: atomic { cut ->
		cut = false;
		if
		:: src_alive && src_mig == mig_lastpass -> src_qemu_gives_up(mig_failed); break_link()
		:: src_alive && src_mig == mig_post ->
			src_stream_over = true; link_up = false; src_qemu_gives_up(mig_failed)
#ifdef M_LET_GO_SAYS_CONT
		:: src_alive && src_mig == mig_completed -> run_on_source()
#endif
		:: else -> /* QEMU does nothing at the end of its connection */
			if
			:: link_up && (src_mig == mig_completed || src_mig == mig_failed ||
				       src_mig == mig_cancelled) -> break_link()
			:: else
			fi
		fi }
	/* the mirror */
	:: atomic { job == job_runs && mirror_flows -> job = job_ready }
	:: atomic { (job == job_runs || job == job_ready) && !mirror_flows -> job = job_error }
	:: atomic { src_alive && src_mig == mig_post && link_up && dst_qemu == loading ->
		dst_qemu = loaded; copy_is_current = true }
	:: atomic { src_alive && src_mig == mig_post && link_up && !memory_is_there &&
		    (dst_qemu == loaded || dst_qemu == running) -> memory_is_there = true }
	/* the page that `cont' waits for */
	:: atomic { dst_needs_page && dst_qemu == loaded &&
		    (memory_is_there || (src_alive && src_mig == mig_post && link_up)) ->
		dst_needs_page = false; run_on_destination() }
	/* the last answer has come */
	:: atomic { src_alive && src_mig == mig_post && link_up && memory_is_there ->
		src_mig = mig_completed; src_ran_before = false; lease = HELD }
	/* A stream ends.  QEMU 10.0 and 11.1: before the first answer and after the last page
	 * that is a failure; at other times, and with 7.2, it waits (postcopy-paused). */
	:: atomic { src_alive && src_mig == mig_post && link_up && faults > 0 ->
		faults--;
		if
		:: dst_stream_ends()
		:: src_stream_over = true; link_up = false; killed = killed || dst_qemu == loading;
			if
			:: true
			:: killed = killed || !memory_is_there; src_qemu_gives_up(mig_failed)
			fi
		fi }
	:: atomic { src_alive && src_mig == mig_post && dst_qemu_gone ->
		if
		:: src_qemu_gives_up(mig_failed)
		:: src_mig = mig_lost
		fi }
	/* the source's QEMU has ended, and its stream says so */
	:: atomic { (src_mig == mig_post || src_mig == mig_failed) && src_switch && src_has_ended &&
		    !src_stream_over && !dst_stream_over && !dst_qemu_gone && dst_qemu != waiting ->
		dst_stream_ends() }
	:: atomic { src_alive && src_mig == mig_lastpass && link_up && dst_qemu == loading &&
		    data_flows ->
		dst_qemu = loaded; copy_is_current = true; memory_is_there = true }
	:: atomic { src_alive && src_mig == mig_lastpass && link_up && dst_qemu == loaded ->
		src_mig = mig_completed; src_ran_before = false; lease = HELD }
	/* the two seconds are over */
	:: atomic { lease == FLOWS && !dst_up -> lease = HELD }
	:: atomic { src_alive && (src_mig == mig_active || src_mig == mig_lastpass) &&
		    (!link_up || dst_qemu_gone) -> src_qemu_gives_up(mig_failed) }
	od
}

/* ---- what users and operators do ------------------------------------------- */
active proctype user()
{
end:	do
	:: atomic { src_up && may_cancel && !src_cancel && /* move_cancel */
		    (src_state == begin || src_state == prepare || src_state == transfer ||
		     (may_force && src_state == handover && may_call_back)) ->
		may_cancel = 0; src_cancel = true }
	/* vm_act: the intent is written first; commit order keeps it before later states */
	:: atomic { src_up && user_acts > 0 && action == idle && src_alive && acts_allowed ->
		user_acts--; src_intent = false; action = pausing }
	:: atomic { src_up && user_acts > 0 && action == idle && src_alive && resume_allowed ->
		user_acts--; src_intent = true; action = resuming }
	:: atomic { src_up && (action == pausing || action == resuming) -> intent_is_saved() }
	/* The guest itself: a panic or an I/O error, its power button.  A reset changes
	 * nothing here.  Its words come before the STOP (stops_the_guest). */
	:: atomic { guest_acts > 0 && src_alive && src_runs && !src_is_final ->
		guest_acts--; src_runs = false; src_halted = true; src_stopped = src_up }
	:: atomic { guest_acts > 0 && src_alive && src_runs && !src_is_final ->
		guest_acts--; src_powered_off = true; src_dies() }
	/* QEMU does it, whenever it comes to it */
	:: atomic { action == pause_sent ->
		action = idle;
		if
		:: src_alive && !src_finishes -> src_runs = false
		:: else
		fi }
	:: atomic { action == resume_sent ->
		action = idle;
		if
		:: src_alive && !src_finishes && !src_runs ->
			run_on_source();
			src_stopped = false;
			/* the event RESUME comes before the answer */
			src_doubt = src_doubt || (resume_is_noticed && src_mig == mig_completed)
		:: else
		fi }
	od
}

/* ---- faults ----------------------------------------------------------------- */
inline src_crashes()
{
	src_up = false; src_enters = false; src_resumed = false; src_attached = false;
	src_completed = false; src_saw = false; src_all = false; src_go_doubt = false; src_cancel = false;
	src_migrating = false; src_safe = false; src_answered = false; src_run = false;
	src_doubt = false;
	m_prepared = false; m_unprepared = false;
	m_go_taken = false; m_go_refused = false; m_go_unknown = false;
	m_drop_taken = false; m_drop_refused = false; m_drop_unknown = false;
	src_go_sent = src_go_sent_disk; src_unheard = false;
	src_intent = src_intent_disk;
	src_stopped = src_stopped_disk;
	if /* the lease ends with the connection */
	:: lease == FLOWS -> lease = HELD
	:: else
	fi;
	action = idle /* QEMU forgets what a lost connection had sent */
}

inline dst_crashes()
{
	dst_up = false; dst_enters = false; dst_resumed = false; dst_loaded = false;
	dst_go = false; dst_drop = false; dst_run = false; dst_asked = false;
	dst_is_running = false;
	if /* QEMU has begun with it, or has not read it */
	:: dst_needs_page -> dst_needs_page = false
	:: true
	fi;
#ifdef M_MAKER_OUTLIVES_CRASH
	dst_orphan = dst_making;
#endif
	dst_making = false;
	prepare_waits = false; go_waits = false; drop_waits = false
}

active proctype disaster()
{
end:	do
	:: atomic { may_stay_away && faults > 0 && src_up && !src_is_final ->
		faults--; src_crashes(); src_away = true }
	/* Where a crash changes nothing that anybody could tell, it is left out. */
	:: atomic { faults > 0 && src_up && (!src_is_final || action != idle ||
		    (disks && src_has_given && !src_aside)) ->
		faults--; src_crashes() }
	:: atomic { faults > 0 && dst_up && dst_state != unknown && (!dst_is_final || dst_mark) ->
		faults--; dst_crashes() }
	/* the destination's host has no room, or its device fails */
	:: atomic { faults > 0 && (job == job_runs || job == job_ready) -> faults--; job = job_error }
	:: atomic { faults > 0 && link_up && src_mig != mig_post -> faults--; break_link() }
	/* the destination's QEMU cannot load what comes */
	:: atomic { faults > 0 && dst_qemu == loading ->
		faults--; dst_qemu = dead; link_up = false; killed = killed || src_mig == mig_post }
	/* the database was moved away, or lost with its disk; the QEMUs live on.  The
	 * process that had it has ended, and with it each connection: no message of
	 * before comes to the next one. */
	:: atomic { may_lose && faults > 0 && dst_state != unknown ->
		faults--; dst_crashes(); dst_state = unknown; dst_lost = true;
		m_prepared = false; /* its token is not known any more */
		m_prepare = false; m_go = false; m_go_run = false; m_drop = false;
		dst_run_disk = false; dst_has_vm = false; dst_tombstone = false;
		dst_settled = false }
	:: atomic { may_lose && faults > 0 && src_state != unknown && !src_is_final ->
		faults--; src_crashes(); src_state = unknown; src_lost = true }
#ifdef KILL
	:: atomic { faults > 0 && src_alive && !src_is_final -> faults--; src_dies() }
	:: atomic { faults > 0 && (dst_qemu == waiting || dst_qemu == loaded || dst_qemu == running) ->
		faults--; dst_qemu = dead; link_up = false;
		killed = killed || src_mig == mig_post }
	:: atomic { faults > 0 && src_up && src_alive && !src_is_final ->
		faults--; src_crashes(); src_dies();
		src_stream_over = src_mig == mig_post } /* power */
	:: atomic { faults > 0 && dst_up && !dst_qemu_gone && !dst_is_final ->
		faults--; dst_crashes(); dst_qemu = dead; link_up = false;
#ifdef M_DIRECTORY_IS_NOT_SYNCED
		dst_image = false; dst_mark = false;
#endif
		killed = killed || src_mig == mig_post }
#endif
	/* lost */
	:: atomic { faults > 0 && m_prepare -> faults--; m_prepare = false }
	:: atomic { faults > 0 && (m_prepared || m_unprepared) ->
		faults--; m_prepared = false; m_unprepared = false }
	:: atomic { faults > 0 && m_go -> faults--; m_go = false; m_go_run = false }
	:: atomic { faults > 0 && (m_go_taken || m_go_refused) ->
		faults--; m_go_taken = false; m_go_refused = false }
	:: atomic { faults > 0 && (m_go_unknown || m_drop_unknown) ->
		faults--; m_go_unknown = false; m_drop_unknown = false }
	:: atomic { faults > 0 && m_drop -> faults--; m_drop = false }
	:: atomic { faults > 0 && (m_drop_taken || m_drop_refused) ->
		faults--; m_drop_taken = false; m_drop_refused = false }
	/* a second one, and that the first was slow: the answer's deadline passed */
	:: atomic { faults > 0 && go_waits && !m_go ->
		faults--; m_go = true; m_go_run = dst_run }
	:: atomic { faults > 0 && drop_waits && !m_drop -> faults--; m_drop = true }
	:: atomic { faults > 0 && prepare_waits && !m_prepare -> faults--; m_prepare = true }
	/* it is over */
	:: atomic { faults > 0 || user_acts > 0 || guest_acts > 0 || may_cancel || may_start ->
		faults = 0; user_acts = 0; guest_acts = 0; may_cancel = 0; may_start = 0 }
	od
}

/* ---- in the end ---------------------------------------------------------------- */
#define guest_is_lost (src_state == lost || dst_state == lost || (!src_has_given && src_alive && \
	(src_mig == mig_lost || src_mig == mig_post)))

inline is_decided()
{
	atomic {
		assert(src_is_final);
		assert(dst_state == unknown || dst_is_final);
		/* exactly one host owns the guest */
		assert(src_has_given == dst_has_vm);
		assert(dst_state == unknown || dst_tombstone || dst_has_got == dst_has_vm);
		/* nothing is left over */
		assert(dst_has_vm || dst_qemu_gone);
		assert(!src_has_given || !src_alive);
		assert(!link_up || src_has_given);
		assert(!src_alive || src_mig != mig_waits);
		assert(job == job_none);
		assert(dst_qemu_gone || !dst_exports);
		/* exactly one right image, at the owner, and no other */
		assert(src_aside == (disks && src_has_given));
		assert(dst_image == (disks && src_has_given));
		assert(image_is_right || !dst_image);
		assert(!dst_mark);
		assert(dst_foreign == had_foreign);
		/* a guest that waits for its memory in vain is lost, and that is said */
		assert(dst_state != lost || !memory_is_there);
		assert(dst_state != done || memory_is_there || dst_qemu == dead);
		assert(src_state != lost || dst_state != done || dst_qemu == dead);
		/* and none is lost while what it needs lives */
		assert(killed || !guest_is_lost);
#ifndef KILL
		/* the guest runs, unless its user paused it */
		if
		:: killed
		:: !killed && src_state == done -> assert(dst_qemu == running || !dst_run_disk)
		:: !killed && src_state != done ->
			assert(src_runs || !src_intent || src_halted || src_powered_off)
		fi
#endif
	}
}

active proctype end_of_it()
{
	timeout ->
	if
	:: src_away -> /* the guest stands still only if QEMU has sent all: the destination may have it */
		assert(!src_alive || !src_finishes || src_switch_disk)
	:: !src_away && (src_lost || dst_lost) -> /* a person looks; what each host says is true */
		assert(src_state != stuck || src_unheard || src_lost);
		assert(!src_alive || src_mig != mig_waits);
		assert(src_is_final || src_state == stuck || src_lost ||
		       (src_state == fetch && dst_lost))
	:: else -> is_decided()
	fi
}

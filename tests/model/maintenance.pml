/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A conductor empties two hosts, runs a hook on each, and lets its guests return; README.md is the
 * way in.
 *
 * That no guest is lost is the model of the handover, and what an evacuation does is its own one:
 * here a host is emptied in one step.  What is on disk survives a crash; all else is forgotten.  A
 * request is a bit between the two: it may be lost, come late, also from a conductor that has
 * crashed since, or twice.  Answers are looks at the host, made again after a crash.
 * Macros: FAULTS (how many), USER (how many acts of persons), AT_ONCE, FAILURES (the run stops at
 * this one), SELF (host 1 is the conductor), REBOOTS (the hook reboots its host), RETURNS (a host
 * that fails when it is empty is filled again), and the mutants of mutants.sh. */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef USER
#define USER 1
#endif
#ifndef AT_ONCE
#define AT_ONCE 1
#endif
#ifndef FAILURES
#define FAILURES 1
#endif

#define HOSTS 2
#ifdef SELF
#define C 1 /* whose coordinator is the conductor */
#else
#define C 2
#endif
#define EACH(h) h : 0 .. HOSTS - 1

/* States of the run and of a host in it (maintenance/states.c), of an evacuation, of a hook and of
 * its process. */
mtype:run_state = { running, stopping, run_done, run_failed, run_aborted };
mtype:host_state = { todo, checking, evacuating, hooking, healing, returning, aborting, done, failed,
	skipped, aborted };
mtype:evac_state = { no_evac, draining, drained, comes_back, ended };
mtype:hook_state = { no_hook, runs, good, bad, unknown };
mtype:program_state = { none, lives, ended_good, ended_bad, gone };

byte faults = FAULTS;
byte acts = USER;

/* ---- on disk at the conductor ---- */
mtype:run_state run_is = running;
bool paused;
bool gives_up;             /* a person has said abort */
mtype:host_state host[HOSTS];
bool fails[HOSTS];         /* it is filled again, and has failed then */
bool lost[HOSTS];          /* it has failed, and what it does is not known */
bool asked[HOSTS];         /* it has been in evacuating */
bool skips[HOSTS];         /* aborting: it is skipped then */

/* ---- on disk at a host ---- */
mtype:evac_state evac[HOSTS];
bool ours[HOSTS];          /* the run is among those who want it to be empty */
bool others[HOSTS];        /* so is somebody else */
bool known[HOSTS];         /* the run was, also if it has withdrawn */
bool cordon[HOSTS];
mtype:hook_state hook[HOSTS];
bool mark[HOSTS];          /* the file that one runner of a hook makes, before the program */

/* ---- on their way ---- */
bool to_empty[HOSTS], to_hook[HOSTS], to_withdraw[HOSTS];

/* ---- the world ---- */
bool up[HOSTS + 1];        /* coordinators; the last is the conductor's, without SELF */
byte runners[HOSTS];       /* of hooks; they outlive the coordinator */
mtype:program_state process[HOSTS];
bool orphan[HOSTS];        /* of a program that lives: its runner was killed */
bool booted[HOSTS];        /* by its boot id, since the hook began */
byte started[HOSTS];       /* programs of hooks */
bool touched[HOSTS];       /* a person has been there */

/* ---- what the present coordinator has; gone with it ---- */
bool sent[HOSTS];          /* it has begun a runner */

#define UNDER_WAY(h) (host[h] == checking || host[h] == evacuating || host[h] == hooking || \
		      host[h] == healing || host[h] == returning || host[h] == aborting)
#define HOST_FINAL(h) (host[h] == done || host[h] == failed || host[h] == skipped || host[h] == aborted)
#define FINAL (run_is == run_done || run_is == run_failed || run_is == run_aborted)
#define FAILED_COUNT ((host[0] == failed) + (host[1] == failed))
#define IS_EMPTIED(h) (evac[h] == draining || evac[h] == drained)
/* Out of service by the run.  A host that has failed when it was empty rests so, and is told to a
 * person. */
#define IS_OUT(h) (ours[h] && !touched[h] && \
		   (evac[h] == draining || (evac[h] == drained && host[h] != failed)))

/* ---- the rules ---- */
#ifdef M_POST_BEFORE_RECORD
#define posts_early true
#else
#define posts_early false
#endif
#ifdef M_EVACUATE_AGAIN
#define is_known(h) (ours[h] && IS_EMPTIED(h))
#else
#define is_known(h) known[h]
#endif
#ifdef M_ABORT_BY_A_LOOK
#define nothing_is_an_end true
#else
#define nothing_is_an_end false
#endif
#ifdef M_LATE_IS_LEFT_DRAINING
#define gives_up_first false
#else
#define gives_up_first true
#endif
#ifdef M_LOST_MAKES_ROOM
#define takes_room(h) UNDER_WAY(h)
#else
#define takes_room(h) (UNDER_WAY(h) || lost[h])
#endif
#ifdef M_FINAL_BEFORE_ITS_HOSTS
#define may_be_final(h) (host[h] != todo)
#else
#define may_be_final(h) HOST_FINAL(h)
#endif
#ifdef M_HOOK_ON_FULL_HOST
#define may_hook(h) true
#else
#define may_hook(h) (evac[h] == drained && ours[h])
#endif
#ifdef M_RETURN_BESIDE_HOOK
#define hook_forbids(h) false
#else
#define hook_forbids(h) (hook[h] == runs)
#endif
#ifdef M_RUNNER_WITHOUT_MARK
#define mark_keeps_others_out false
#else
#define mark_keeps_others_out true
#endif
#ifdef M_MARK_IS_NOT_SYNCED
#define mark_is_durable false
#else
#define mark_is_durable true
#endif
#ifdef M_GIVEN_UP_WITHOUT_MARK
#define mark_by_who_gives_up false
#else
#define mark_by_who_gives_up true
#endif
#ifdef M_BOOT_SINCE_RECORD
#define boot_of_mark false
#else
#define boot_of_mark true
#endif
#ifdef M_ORPHAN_RUNS_ON
#define orphan_is_ended false
#else
#define orphan_is_ended true
#endif
#ifdef M_SKIPPED_WITHOUT_A_LOOK
#define is_clean(h) true
#else
#define is_clean(h) (!asked[h])
#endif
#ifdef M_BAD_HOOK_RETURNS
#define is_good(h) (hook[h] == good || hook[h] == bad)
#else
#ifdef M_UNKNOWN_HOOK_RETURNS
#define is_good(h) (hook[h] == good || hook[h] == unknown)
#else
#define is_good(h) (hook[h] == good)
#endif
#endif
#ifdef M_RETURN_ENDS_OTHERS
#define is_last(h) true
#else
#define is_last(h) (!others[h])
#endif
#ifdef M_STOP_BEGINS_MORE
#define may_begin (!FINAL && !paused)
#else
#ifdef M_PAUSE_BEGINS_MORE
#define may_begin (run_is == running)
#else
#define may_begin (run_is == running && !paused)
#endif
#endif
#ifdef M_FAILURES_ARE_NOT_COUNTED
#define few_failures true
#else
#define few_failures (FAILED_COUNT < FAILURES)
#endif
#ifdef M_CONDUCTOR_BESIDE_OTHERS
#define its_turn(h) true
#else
#define its_turn(h) (h != C || HOST_FINAL(0))
#endif

/* One that is being checked again may have been asked to be emptied before. */
#define give_up(h) \
	if \
	:: is_clean(h) -> host[h] = skipped \
	:: !is_clean(h) -> host[h] = aborting; skips[h] = true \
	fi

#ifdef RETURNS
#define fail_empty(h) host[h] = returning; fails[h] = true
#define rests_empty false
#else
#define fail_empty(h) host[h] = failed
#define rests_empty true
#endif

/* ---- the conductor, as a whole --------------------------------------------------------- */

inline check()
{
	assert(IS_OUT(0) + IS_OUT(1) <= AT_ONCE);
	assert(!FINAL || (HOST_FINAL(0) && HOST_FINAL(1)))
}

proctype conductor()
{
end_idle:
	do
	:: atomic { up[C] && run_is == running && !few_failures -> run_is = stopping }
	:: atomic { up[C] && !FINAL && may_be_final(0) && may_be_final(1) ->
		if
		:: FAILED_COUNT >= FAILURES -> run_is = run_failed
		:: FAILED_COUNT < FAILURES && run_is == stopping -> run_is = run_aborted
		:: else -> run_is = run_done
		fi;
		check() }
	od
}

/* ---- one host in it ----------------------------------------------------------------------- */

proctype part(byte h)
{
end_idle:
	do
	:: atomic { up[C] && host[h] == todo && may_begin && few_failures && its_turn(h) &&
		    takes_room(0) + takes_room(1) < AT_ONCE ->
		host[h] = checking;
		assert(run_is == running && !paused && FAILED_COUNT < FAILURES);
		assert(h != C || HOST_FINAL(0)) }
	:: atomic { up[C] && host[h] == todo && run_is == stopping -> host[h] = skipped }

	/* it is looked, and nothing is changed there */
	:: atomic { up[C] && host[h] == checking && posts_early && !to_empty[h] -> to_empty[h] = true }
	:: atomic { up[C] && host[h] == checking && up[h] && !gives_up ->
		if
		:: IS_EMPTIED(h) && !(ours[h] && asked[h]) -> give_up(h)    /* somebody else's */
		:: IS_EMPTIED(h) && ours[h] && asked[h] -> host[h] = evacuating
		:: !IS_EMPTIED(h) -> host[h] = evacuating; asked[h] = true
		fi }
	:: atomic { up[C] && host[h] == checking && (gives_up || !up[h]) -> give_up(h) }
	/* it is held now, or its hook is not needed any more */
	:: atomic { up[C] && host[h] == checking && asked[h] && up[h] -> give_up(h) }

	/* the request is made again until it is there */
	:: atomic { up[C] && host[h] == evacuating && !to_empty[h] && !known[h] -> to_empty[h] = true }
	/* the plan of its check is not that of now; a request of before may still be on its way */
	:: atomic { up[C] && host[h] == evacuating && !gives_up && up[h] && !known[h] && faults > 0 ->
		faults--; host[h] = checking }
	:: atomic { up[C] && host[h] == evacuating && !gives_up && up[h] && ours[h] && evac[h] == drained ->
		host[h] = hooking }
	:: atomic { up[C] && host[h] == evacuating && !gives_up && up[h] && known[h] &&
		    (!ours[h] || !IS_EMPTIED(h)) -> host[h] = failed }
	:: atomic { up[C] && host[h] == evacuating && gives_up -> host[h] = aborting }
	/* its deadline: it is given up there before this is said here */
	:: atomic { up[C] && host[h] == evacuating && faults > 0 -> faults--;
		if
		:: gives_up_first -> host[h] = aborting
		:: !gives_up_first -> host[h] = failed
		fi }

	/* an empty look is no end: a request may still be on its way */
	:: atomic { up[C] && host[h] == aborting && !known[h] && !to_empty[h] && !nothing_is_an_end ->
		to_empty[h] = true }
	:: atomic { up[C] && host[h] == aborting && ours[h] && IS_EMPTIED(h) && !to_withdraw[h] ->
		to_withdraw[h] = true }
	:: atomic { up[C] && host[h] == aborting && up[h] && (known[h] || nothing_is_an_end) &&
		    (evac[h] == ended || evac[h] == no_evac || (!ours[h] && IS_EMPTIED(h))) ->
		if
		:: skips[h] -> host[h] = skipped
		:: !skips[h] && gives_up -> host[h] = aborted
		:: !skips[h] && !gives_up -> host[h] = failed
		fi }
	/* it does not answer any more */
	:: atomic { up[C] && host[h] == aborting && !up[h] && faults > 0 -> faults--;
		host[h] = failed; lost[h] = true }

	/* the hook's id is on disk with `hooking', so the request is the same after a restart */
	:: atomic { up[C] && host[h] == hooking && !gives_up && hook[h] == no_hook && evac[h] == drained &&
		    ours[h] && !to_hook[h] -> to_hook[h] = true }
	:: atomic { up[C] && host[h] == hooking && up[h] && gives_up &&
		    (hook[h] == no_hook || hook[h] == good) -> host[h] = aborting }
	:: atomic { up[C] && host[h] == hooking && up[h] && !gives_up && is_good(h) -> host[h] = healing }
	:: atomic { up[C] && host[h] == hooking && up[h] && !gives_up && hook[h] == no_hook &&
		    (!ours[h] || !IS_EMPTIED(h)) -> host[h] = failed }
	:: atomic { up[C] && host[h] == hooking && up[h] && !is_good(h) &&
		    (hook[h] == bad || hook[h] == unknown) -> fail_empty(h) }
	:: atomic { up[C] && host[h] == hooking && faults > 0 -> faults--; fail_empty(h) }

	:: atomic { up[C] && host[h] == healing && up[h] ->
		if
		:: gives_up -> host[h] = aborting
		:: !gives_up && (!ours[h] || !IS_EMPTIED(h)) -> host[h] = failed
		:: !gives_up && ours[h] && IS_EMPTIED(h) -> host[h] = returning
		fi }
	:: atomic { up[C] && host[h] == healing && faults > 0 -> faults--; fail_empty(h) }

	/* its own request is withdrawn, and the guests return if nobody else wants the host empty */
	:: atomic { up[C] && host[h] == returning && ours[h] && IS_EMPTIED(h) && !to_withdraw[h] ->
		to_withdraw[h] = true }
	:: atomic { up[C] && host[h] == returning && up[h] &&
		    (evac[h] == ended || (!ours[h] && IS_EMPTIED(h))) ->
		host[h] = (fails[h] -> failed : done) }
	:: atomic { up[C] && host[h] == returning && faults > 0 -> faults--; host[h] = failed }
	od
}

/* ---- a host ----------------------------------------------------------------------------------- */

/* A request that has come may come again. */
inline taken(request)
{
	if
	:: request = false
	:: faults > 0 -> faults--
	fi
}

inline let_return(h)
{
	assert(!others[h]);               /* nobody who still wants it empty loses it */
	assert(process[h] != lives);      /* and nobody comes to a host that is about to go down */
	evac[h] = comes_back;
	cordon[h] = false
}

proctype evacuation(byte h)
{
end_idle:
	do
	:: atomic { up[h] && to_empty[h] -> taken(to_empty[h]);
		if
		:: is_known(h)
		:: !is_known(h) && evac[h] == comes_back
		:: !is_known(h) && evac[h] != comes_back ->
			ours[h] = true; known[h] = true;
			if
			:: !IS_EMPTIED(h) -> evac[h] = draining; cordon[h] = true
			:: else
			fi
		fi;
		assert(!FINAL || !ours[h] || host[h] == failed);
		check() }
	:: atomic { up[h] && evac[h] == draining -> evac[h] = drained }
	:: atomic { up[h] && to_withdraw[h] -> taken(to_withdraw[h]);
		if
		:: hook_forbids(h) || !IS_EMPTIED(h) || !ours[h]
		:: else ->
			ours[h] = false;
			if
			:: is_last(h) -> let_return(h)
			:: !is_last(h)
			fi
		fi }
	:: atomic { up[h] && evac[h] == comes_back -> evac[h] = ended }
	od
}

/* A hook of a host is recorded, then a runner is begun for it; a coordinator that finds neither the
 * runner's mark nor an end begins another one. */
proctype hooks(byte h)
{
end_idle:
	do
	:: atomic { up[h] && to_hook[h] -> taken(to_hook[h]);
		if
		:: hook[h] == no_hook && may_hook(h) -> hook[h] = runs
		:: else
		fi }
	:: atomic { up[h] && hook[h] == runs && !mark[h] && !sent[h] && runners[h] < 2 ->
		sent[h] = true; runners[h]++ }
	/* its timeout */
	:: atomic { up[h] && hook[h] == runs && faults > 0 && process[h] == none -> faults--;
		hook[h] = bad; mark[h] = mark[h] || mark_by_who_gives_up }
	:: atomic { up[h] && hook[h] == runs && faults > 0 && process[h] == lives && !orphan[h] -> faults--;
		hook[h] = bad; process[h] = ended_bad }
	/* nobody keeps the deadline of a program whose runner was killed */
	:: atomic { up[h] && hook[h] == runs && orphan[h] && process[h] == lives ->
		hook[h] = unknown;
		process[h] = (orphan_is_ended -> gone : lives) }
	:: atomic { up[h] && hook[h] == runs && mark[h] && process[h] == ended_good -> hook[h] = good }
	:: atomic { up[h] && hook[h] == runs && mark[h] && process[h] == ended_bad -> hook[h] = bad }
	:: atomic { up[h] && hook[h] == runs && mark[h] && process[h] == gone && !booted[h] ->
		hook[h] = unknown }
#ifdef REBOOTS
	:: atomic { up[h] && hook[h] == runs && mark[h] && booted[h] ->
		hook[h] = good; assert(process[h] != lives) }
#else
	:: atomic { up[h] && hook[h] == runs && mark[h] && booted[h] && process[h] == gone ->
		hook[h] = unknown }
#endif
	od
}

proctype runner(byte h)
{
end_idle:
	do
	:: atomic { runners[h] > 0 -> runners[h]--;
		if
		:: mark[h] && mark_keeps_others_out
		:: else ->
			mark[h] = true; process[h] = lives; started[h]++;
			booted[h] = booted[h] && !boot_of_mark;
			assert(started[h] <= 1);
			assert(evac[h] == drained && cordon[h])
		fi }
	/* the program */
#ifdef REBOOTS
	:: atomic { process[h] == lives -> process[h] = gone; booted[h] = true; runners[h] = 0;
		up[h] = false; sent[h] = false }
#else
	:: atomic { process[h] == lives -> process[h] = (orphan[h] -> gone : ended_good) }
	/* it restarts the coordinator of its host */
	:: atomic { process[h] == lives && up[h] && faults > 0 -> faults--; up[h] = false; sent[h] = false }
#endif
	:: atomic { process[h] == lives && faults > 0 && !orphan[h] -> faults--; process[h] = ended_bad }
	:: atomic { process[h] == lives && faults > 0 && !orphan[h] -> faults--; orphan[h] = true }
	:: atomic { process[h] == lives && faults > 0 -> faults--; process[h] = gone }
	od
}

/* ---- persons ------------------------------------------------------------------------------------ */

proctype operator()
{
end_idle:
	do
	:: atomic { up[C] && acts > 0 && run_is == running && !paused -> acts--; paused = true }
	:: atomic { up[C] && paused -> paused = false }
	:: atomic { up[C] && acts > 0 && run_is == running -> acts--; run_is = stopping }
	:: atomic { up[C] && acts > 0 && !FINAL && !gives_up -> acts--; gives_up = true; run_is = stopping }
	:: atomic { up[C] && acts > 0 && host[0] == todo && run_is == running -> acts--; host[0] = skipped }
	od
}

/* Somebody at the host itself. */
proctype person(byte h)
{
end_idle:
	do
	/* brings the guests back */
	:: atomic { up[h] && acts > 0 && IS_EMPTIED(h) && !hook_forbids(h) -> acts--; touched[h] = true;
		ours[h] = false; others[h] = false; let_return(h) }
	/* wants it to be empty too, or first, and no more after the run */
	:: atomic { up[h] && acts > 0 && (IS_EMPTIED(h) || evac[h] == no_evac) && !others[h] -> acts--;
		others[h] = true; touched[h] = true;
		if
		:: evac[h] == no_evac -> evac[h] = draining; cordon[h] = true
		:: else
		fi }
	:: atomic { up[h] && others[h] && !ours[h] && IS_EMPTIED(h) && !hook_forbids(h) && FINAL ->
		others[h] = false; let_return(h) }
	/* starts a guest there */
	:: atomic { up[h] && acts > 0 && evac[h] == drained && hook[h] != runs -> acts--;
		touched[h] = true; evac[h] = draining }
	od
}

/* ---- what else may happen --------------------------------------------------------------------------- */

proctype disaster()
{
end_idle:
	do
	:: atomic { up[C] && faults > 0 && !FINAL -> faults--; up[C] = false;
#ifdef SELF
		sent[C] = false
#endif
		}
	:: atomic { !up[C] -> up[C] = true }
	:: atomic { up[0] && faults > 0 && !FINAL -> faults--; up[0] = false; sent[0] = false }
	/* the host loses its power */
	:: atomic { faults > 0 && !FINAL -> faults--; up[0] = false; sent[0] = false; runners[0] = 0;
		booted[0] = booted[0] || hook[0] == runs;
		process[0] = (process[0] == lives -> gone : process[0]);
		mark[0] = mark[0] && (mark_is_durable || hook[0] != runs) }
	:: atomic { !up[0] -> up[0] = true }
	:: atomic { !up[1] -> up[1] = true }
	/* requests that are lost */
	:: atomic { to_empty[0] && faults > 0 -> faults--; to_empty[0] = false }
	:: atomic { to_hook[0] && faults > 0 -> faults--; to_hook[0] = false }
	:: atomic { to_withdraw[0] && faults > 0 -> faults--; to_withdraw[0] = false }
	od
}

/* What is said of a host is so, unless a person has been there since, or it is said that it is not
 * known. */
#define IS_RIGHT(h) (touched[h] || lost[h] || \
	((host[h] != done || (evac[h] == ended && !cordon[h] && hook[h] == good)) && \
	 (host[h] != skipped || ((evac[h] == no_evac || (asked[h] && evac[h] == ended)) && !cordon[h] && \
				 hook[h] == no_hook)) && \
	 (host[h] != aborted || ((evac[h] == no_evac || evac[h] == ended) && !cordon[h])) && \
	 (!(hook[h] == bad || hook[h] == unknown) || host[h] == aborted || \
	  (host[h] == failed && (!rests_empty || (evac[h] == drained && cordon[h]))))))

/* When nothing can happen any more. */
proctype end_of_it()
{
	timeout ->
	assert(up[0] && up[1] && up[C]);
	assert(FINAL && HOST_FINAL(0) && HOST_FINAL(1));
	assert(IS_RIGHT(0) && IS_RIGHT(1));
	assert(hook[0] != runs && hook[1] != runs);
	assert(evac[0] != draining && evac[1] != draining)
}

init {
	atomic {
		byte h;
		for (EACH(h)) {
			host[h] = todo; evac[h] = no_evac; hook[h] = no_hook; process[h] = none; up[h] = true
		}
		up[HOSTS] = true;
		run conductor();
		run part(0);
		run part(1);
		run evacuation(0);
		run evacuation(1);
		run hooks(0);
		run hooks(1);
		run runner(0);
		run runner(1);
		run operator();
		run person(0);
		run person(1);
		run disaster();
		run end_of_it()
	}
}

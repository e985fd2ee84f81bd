/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host S is emptied of two guests: its coordinator, the entries of its queue, two destinations
 * that have limited room, requesters and users; README.md is the way in.
 *
 * That a guest is not lost and runs once is the model of the handover; here a move is five steps.
 * What is on disk survives a crash, and is changed in one transaction; all else is forgotten.
 * Macros: FAULTS (how many), USER (how many acts of users), LEFT (the second guest does not run and
 * may stay), NEW (it is being created when the evacuation begins), OTHERS (there is no room before a
 * guest of host 1 has given way: so many may be asked to), and the mutants of mutants.sh. */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef USER
#define USER 2
#endif

#define VMS   2
#define ROUNDS 3 /* so often others are asked at most */
#define HOSTS 3 /* destinations are 1 and 2 */
#define EACH(v) v : 0 .. VMS - 1

/* States of the evacuation (evacuation/states.c), of a VM in it, of an entry, of a move. */
mtype:run_state = { planned, waiting, draining, drained, to_returning, returning, ended, aborted, none };
mtype:vm_state = { todo, queued, moved, blocked, left, gone, coming, returned, away };
mtype:entry_state = { no_entry, waits, moving, done, failed, cancelled };
mtype:move_state = { no_move, offered, committed, taken, was_done, was_failed };

byte faults = FAULTS;
byte acts = USER;

/* ---- on disk at S ---- */
mtype:run_state state = planned;
mtype:run_state ending = none;   /* aborted, ended, returning */
bool cordon;
bool paused;
bool cancels;              /* moves under way are to be cancelled */
bool approved;
byte requests = 1;
bool returns;              /* what the last one who withdraws wants */
mtype:vm_state vm[VMS];
byte attempt[VMS];         /* the last one that was recorded */
byte where[VMS];           /* to which it was moved */
bool here[VMS];            /* the record of S owns it */
mtype:entry_state entry[VMS];
byte key[VMS];             /* the attempt that the entry is of */
byte to[VMS];              /* of an entry: the host that is tried */
bool tried[VMS];           /* and the first one has refused */
bool cancel_wanted[VMS];   /* of its move */
#ifdef OTHERS
mtype:entry_state round = no_entry; /* who gives way: waits, done, failed (it stays), cancelled (left) */
byte round_no;             /* of the order, from 1 on */
byte used;                 /* guests of former rounds that gave way, or may have */
#endif

/* ---- on disk at the destinations ---- */
bool there[VMS * HOSTS];   /* [v * HOSTS + d]: the record of d owns it */
mtype:entry_state back[VMS];     /* the order to d to move it to S */
byte room[HOSTS];
#ifdef OTHERS
mtype:entry_state give = no_entry;  /* the order at host 1, whose guest goes to host 2 */
byte give_no;              /* number of it */
byte gave;                 /* how often one was carried out */
byte nook = ROUNDS;        /* what host 2 has for guests of host 1, and for no others */
#endif

/* ---- the world ---- */
bool up = true;
bool alive[HOSTS];         /* the coordinators of the destinations */
bool link[HOSTS];
bool runs_here[VMS];
mtype:move_state move[VMS];      /* from S */
byte target[VMS];
bool by_hand[VMS];         /* that move */
bool deleted[VMS];
bool creating;             /* the second VM, at S */
byte fills[HOSTS];         /* rooms that others have taken */
byte moves_out[VMS], moves_in[VMS];
bool touched[VMS];         /* somebody else has moved it since */

/* ---- what the present coordinator has noted; gone with it ---- */
bool adding[VMS];          /* its entry is being written */
bool looked;               /* nothing is here, and `drained' is being written */
bool planning;             /* a plan is being made of what there was */
mtype:run_state from;      /* `to_returning': `returning' is being written, and that is on disk */
bool told[VMS];            /* its entry was told to end */
bool too_late[VMS];        /* for that: its move was past the point of no return */
bool news[VMS];            /* its entry has turned to its other host, and that is not seen yet */

#define OWNS(v, d) there[(v) * HOSTS + (d)]
#define LIVES(v) (entry[v] == waits || entry[v] == moving)
#define FINAL (state == ended || state == aborted)
#define REACHABLE(d) (alive[d] && link[d])
#define HAS_PLACE(d) (REACHABLE(d) && room[d] > 0)
#define OVER(v) (vm[v] == moved || vm[v] == gone || (vm[v] == left && !runs_here[v]))
#define NO_ENTRY_LIVES (!LIVES(0) && !LIVES(1) && !adding[0] && !adding[1])
#define IS_BUSY(v) (move[v] != no_move)
#define CANCELS ((paused || ending != none) && cancels)

/* ---- the rules ---- */
#ifdef M_DRAINED_BY_ITS_LIST
#define looks_at_records false
#endif
#ifdef M_DRAINED_BY_ONE_RECORD
#define looks_at_records false
#define is_moved(v) (entry[v] == done || (entry[v] == moving && move[v] == taken))
#define nothing_lives true
#else
#define is_moved(v) (entry[v] == done)
#define nothing_lives NO_ENTRY_LIVES
#endif
#ifdef M_RESTART_BEGINS_ANEW
#define forget(v) if :: vm[v] == queued -> vm[v] = todo :: else fi
#else
#define forget(v) skip
#endif
#ifdef M_CANCEL_IS_AN_END
#define cancel_is_an_end true
#else
#define cancel_is_an_end false
#endif
#ifdef M_DRAINED_WHILE_OFFERED
#define looks_at_records false
#define is_moved_early(v) (entry[v] == moving && move[v] == offered)
#else
#define is_moved_early(v) false
#endif
#ifdef M_CREATION_IS_NOT_AWAITED
#define may_plan true
#define may_say_drained true
#else
#define may_plan !creating
#define may_say_drained !creating
#endif
#ifdef M_CORDON_IS_LATE
#define needs_cordon false
#else
#define needs_cordon true
#endif
#ifdef M_DRAINED_IS_FOR_EVER
#define looks_again false
#else
#define looks_again true
#endif
#ifdef M_ABORT_LEAVES_ENTRIES
#define no_entry_lives true
#else
#ifdef M_ABORT_FORGETS_ADDING
#define no_entry_lives (!LIVES(0) && !LIVES(1))
#else
#define no_entry_lives NO_ENTRY_LIVES
#endif
#endif
#ifdef M_ABORT_GOES_ON
#define may_begin(v) (!paused)
#else
#ifdef M_PAUSE_GOES_ON
#define may_begin(v) (ending == none)
#else
#define may_begin(v) (!paused && ending == none)
#endif
#endif
#ifdef M_FAILED_IS_FORGOTTEN
#define is_tried_again false
#else
#define is_tried_again true
#endif
#ifdef M_END_BEFORE_CORDON
#define cordon_first false
#else
#define cordon_first true
#endif
#ifdef M_RETURN_KEEPS_CORDON
#define opens_for_return false
#else
#define opens_for_return true
#endif
#ifdef M_RETURN_ENDS_WITH_CORDON
#define opens_before_end false
#else
#define opens_before_end true
#endif
#ifdef M_WITHDRAW_ENDS_OTHERS
#define is_last true
#else
#define is_last (requests == 0)
#endif
#ifdef M_RETURN_FROM_ANYWHERE
#define asks_where_it_went false
#else
#define asks_where_it_went true
#endif
#ifdef M_AWAY_IS_AWAITED
#define away_is_an_end false
#else
#define away_is_an_end true
#endif
#ifdef M_RETURN_MUST_BE_SEEN
#define done_is_an_end false
#else
#define done_is_an_end true
#endif
#ifdef M_SECOND_RETURN_IS_AN_END
#define way_back_is_one false
#else
#define way_back_is_one true
#endif
#ifdef M_TOO_LATE_IS_FOR_EVER
#define tells_again false
#else
#define tells_again true
#endif
#ifdef M_DELETED_IS_AWAITED
#define deleted_is_gone false
#else
#define deleted_is_gone true
#endif

#ifdef OTHERS
#ifdef M_PLANS_DURING_A_ROUND
#define no_round true
#else
#define no_round (round != waits)
#endif
#ifdef M_ROOM_HAS_NO_KEY
#define is_new_order (give_no != round_no || give == done)
#else
#define is_new_order (give_no != round_no)
#endif
#ifdef M_ROUND_IS_FORGOTTEN
#define forget_round if :: round == waits -> round = no_entry :: else fi
#else
#define forget_round skip
#endif
#ifdef M_LEFT_IS_NOT_USED
#define counts (round == done)
#else
#define counts (round == done || round == cancelled)
#endif
#ifdef M_LEFT_BEHIND
#define leave_round skip
#else
#define leave_round if :: round == waits -> round = cancelled :: else fi
#endif
#define is_over (round != waits)
#else
#define no_round true
#define forget_round skip
#define leave_round skip
#define is_over true
#endif

#ifndef looks_at_records
#define looks_at_records true
#endif
#ifdef M_PLAN_IS_NOT_LOOKED_AT_AGAIN
#define is_still_wanted(v) (vm[v] == todo)
#else
#define is_still_wanted(v) WANTS_PLAN(v)
#endif

#define WANTS_PLAN(v) (state == draining && may_begin(v) && (cordon || !needs_cordon) && may_plan && \
		       vm[v] == todo && here[v] && !adding[v])
#define IS_EMPTY_OF(v) (!here[v] || (vm[v] == left && !runs_here[v]))

/* ---- the evacuation, as a whole -------------------------------------------------------- */

/* Room there was when the plan was begun; the destination decides. */
inline take_plan(v)
{
	if
	:: is_still_wanted(v) ->
		assert(state == draining && !paused && ending == none && cordon && here[v] && is_over);
		attempt[v]++; vm[v] = queued; looked = false
	:: else
	fi
}

proctype evacuation()
{
end_idle:
	do
	:: atomic { up && state == planned && ending == none ->
		if
		:: approved -> state = draining
		:: !approved -> state = waiting
		fi }
	:: atomic { up && state == waiting && ending == none && approved -> state = draining }
	:: atomic { up && (state == planned || state == waiting) && ending == aborted ->
		state = aborted; ending = none }

	:: atomic { up && state == draining && ending == none && !cordon && needs_cordon -> cordon = true }
	/* a plan takes a while; what it says is taken of what still wants one when it is there */
	:: atomic { up && !planning && no_round && (WANTS_PLAN(0) || WANTS_PLAN(1)) &&
		    (HAS_PLACE(1) || HAS_PLACE(2)) ->
		planning = true }
	:: atomic { up && planning -> planning = false; take_plan(0); take_plan(1) }
	/* nothing is left: it is looked, and then written */
	:: atomic { up && state == draining && ending == none && !paused && OVER(0) && OVER(1) &&
		    (cordon || !needs_cordon) && may_say_drained && nothing_lives && !looked &&
		    ((IS_EMPTY_OF(0) && IS_EMPTY_OF(1)) || !looks_at_records) ->
		looked = true }
	:: atomic { up && looked ->
		looked = false;
		leave_round;
		state = drained;
		assert(!creating && cordon);                 /* nobody is on the way here */
		assert(IS_EMPTY_OF(0) && IS_EMPTY_OF(1));
		/* each is at exactly one destination, unless somebody has deleted it */
		assert(deleted[0] || vm[0] == left || OWNS(0, 1) + OWNS(0, 2) == 1);
		assert(deleted[1] || vm[1] == left || OWNS(1, 1) + OWNS(1, 2) == 1) }

	:: atomic { up && state == draining && no_entry_lives && ending == returning ->
		leave_round;
		from = draining; state = to_returning; ending = none }
	:: atomic { up && state == drained && ending == returning ->
		from = drained; state = to_returning; ending = none }
	/* who has asked for the way back meanwhile gets just that */
	:: atomic { up && state == to_returning ->
		state = returning;
		if
		:: ending == returning && way_back_is_one -> ending = none
		:: else
		fi }
	:: atomic { up && state == draining && ending != none && no_entry_lives && ending != returning &&
		    cordon && cordon_first -> cordon = false }
	:: atomic { up && state == draining && ending != none && no_entry_lives && ending != returning &&
		    (!cordon || !cordon_first) ->
		leave_round;
		state = ending; ending = none;
		assert(NO_ENTRY_LIVES) }

	:: atomic { up && state == drained && ending == none && looks_again &&
		    (runs_here[0] || runs_here[1]) -> state = draining }
	:: atomic { up && state == drained && ending == ended && cordon && cordon_first -> cordon = false }
	:: atomic { up && state == drained && ending == ended && (!cordon || !cordon_first) ->
		state = ended; ending = none }

	:: atomic { up && state == returning && cordon && opens_for_return -> cordon = false }
	:: atomic { up && state == returning && ending != none && (!cordon || !opens_before_end) ->
		assert(ending != returning);         /* nobody has asked for this */
		state = ended; ending = none }
	:: atomic { up && state == returning && ending == none && !cordon &&
		    vm[0] != moved && vm[0] != coming && vm[1] != moved && vm[1] != coming -> state = ended }
	od
}

/* ---- one VM of it ------------------------------------------------------------------------- */

inline add_entry(v)
{
	adding[v] = false;
	assert(!LIVES(v));                  /* one at a time */
	assert(state == draining);
	entry[v] = waits;
	key[v] = attempt[v];
	tried[v] = false;
	cancel_wanted[v] = false; told[v] = false; too_late[v] = false;
	if
	:: to[v] = 1
	:: to[v] = 2
	fi
}

proctype part(byte v)
{
end_idle:
	do
	/* no host has room now: the reason why it waits */
	:: atomic { up && state == draining && vm[v] == todo && here[v] && may_plan && cordon &&
		    !HAS_PLACE(1) && !HAS_PLACE(2) -> vm[v] = blocked }
	/* a restart finds the entry by its key, or adds it */
	:: atomic { up && state == draining && may_begin(v) && vm[v] == queued && key[v] != attempt[v] &&
		    !adding[v] -> adding[v] = true }
	:: atomic { up && adding[v] -> add_entry(v) }

	/* its entry has ended */
	:: atomic { up && state == draining && vm[v] == queued && key[v] == attempt[v] &&
		    (is_moved(v) || is_moved_early(v)) -> vm[v] = moved; where[v] = to[v] }
	:: atomic { up && state == draining && vm[v] == queued && key[v] == attempt[v] &&
		    (entry[v] == failed || entry[v] == cancelled ||
		     (cancel_is_an_end && LIVES(v) && cancel_wanted[v])) && !adding[v] && is_tried_again ->
		if
		:: here[v] -> vm[v] = blocked
		:: else -> vm[v] = gone
		fi }
	/* after a while, when there is room again */
	:: atomic { up && state == draining && vm[v] == blocked && here[v] && may_begin(v) &&
		    (HAS_PLACE(1) || HAS_PLACE(2)) -> vm[v] = todo }
	/* somebody has moved or deleted it meanwhile */
	:: atomic { up && state == draining && (vm[v] == todo || vm[v] == blocked) && !here[v] &&
		    !IS_BUSY(v) && !(creating && v == 1) && (deleted_is_gone || !deleted[v]) ->
		vm[v] = gone }
	/* it was started by hand, or has just been created */
	:: atomic { up && (state == draining) && ending == none && here[v] && runs_here[v] &&
		    (vm[v] == left || vm[v] == gone || (vm[v] == moved && entry[v] != moving)) ->
		vm[v] = todo; looked = false }

	/* paused, or on its way to an end: nothing that waits is left */
	:: atomic { up && state == draining && (paused || ending != none) && entry[v] == waits &&
		    key[v] == attempt[v] && !told[v] -> entry[v] = cancelled }
	:: atomic { up && state == draining && CANCELS && entry[v] == moving && !told[v] &&
		    !cancel_wanted[v] ->
		told[v] = true;
		if
		:: move[v] == committed || move[v] == taken -> too_late[v] = true
		:: else -> cancel_wanted[v] = true
		fi }
	/* that move has failed nevertheless: the entry is told again */
	:: atomic { up && news[v] ->
		news[v] = false;
		if
		:: too_late[v] && tells_again -> told[v] = false
		:: else
		fi }

	/* back: the host to which it was moved is asked, as often as needed, with one key */
	:: atomic { up && state == returning && ending == none && vm[v] == moved && !cordon &&
		    REACHABLE(where[v]) ->
		if
		:: OWNS(v, where[v]) -> vm[v] = coming; back[v] = (back[v] == no_entry -> waits : back[v])
		:: !OWNS(v, where[v]) && !asks_where_it_went && OWNS(v, 3 - where[v]) ->
			where[v] = 3 - where[v]
		:: !OWNS(v, where[v]) && (asks_where_it_went || !OWNS(v, 3 - where[v])) &&
			away_is_an_end -> vm[v] = away
		fi }
	:: atomic { up && state == returning && vm[v] == coming && here[v] -> vm[v] = returned }
	/* its host is silent for too long; the order there may be carried out yet */
	:: atomic { up && state == returning && ending == none && (vm[v] == moved || vm[v] == coming) &&
		    !here[v] && !REACHABLE(where[v]) -> vm[v] = away }
	/* its order has ended, and it is not here: it was not had, or has left again meanwhile */
	:: atomic { up && state == returning && vm[v] == coming && !here[v] && !IS_BUSY(v) &&
		    (back[v] == failed || (back[v] == done && done_is_an_end)) &&
		    away_is_an_end && REACHABLE(where[v]) -> vm[v] = away }
	od
}

/* ---- room on another host ---------------------------------------------------------------------- */

#ifdef OTHERS
#define MAY_ASK (up && state == draining && cordon && may_begin(0) && round == waits)

proctype room_of_others()
{
end_idle:
	do
	/* what a plan wants of others is on disk before it is asked for */
	:: atomic { up && !planning && (WANTS_PLAN(0) || WANTS_PLAN(1) || vm[0] == blocked || vm[1] == blocked) &&
		    state == draining && cordon && may_begin(0) && room[1] == 0 && no_round &&
		    REACHABLE(1) && used + (counts -> 1 : 0) < OTHERS && round_no < ROUNDS ->
		used = used + (counts -> 1 : 0); round = waits; round_no++ }
	/* the queue of host 1 has the order, makes it, or refuses it */
	:: atomic { MAY_ASK && REACHABLE(1) && is_new_order ->
		if
		:: give != waits -> give = waits; give_no = round_no
		:: give == waits -> round = failed   /* a former order of that guest stands */
		:: faults > 0 -> faults--; round = failed
		fi }
	:: atomic { MAY_ASK && REACHABLE(1) && !is_new_order && give == done -> round = done }
	:: atomic { MAY_ASK && REACHABLE(1) && !is_new_order && give == failed -> round = failed }
	/* it is silent for too long, or the time is over; the order there may be carried out yet */
	:: atomic { MAY_ASK && (!REACHABLE(1) || give == waits) && faults > 0 -> faults--; round = cancelled }
	/* the queue of host 1, and the admission of host 2 */
	:: atomic { give == waits && alive[1] && REACHABLE(2) && nook > 0 ->
		nook--; room[1]++; gave++; give = done;
		assert(gave <= OTHERS) }             /* no more than were allowed, whatever crashes */
	:: atomic { give == waits && alive[1] && faults > 0 -> faults--; give = failed }
	od
}
#endif

/* ---- the queue of S, and its moves ------------------------------------------------------------ */

inline refused(v)
{
	if
	:: cancel_wanted[v] -> entry[v] = cancelled
	:: !cancel_wanted[v] && !tried[v] -> tried[v] = true; to[v] = 3 - to[v]; entry[v] = waits; news[v] = true
	:: !cancel_wanted[v] && tried[v] -> entry[v] = failed
	fi
}

proctype queue(byte v)
{
end_idle:
	do
	:: atomic { up && entry[v] == waits && here[v] && !IS_BUSY(v) -> entry[v] = moving }
	:: atomic { up && entry[v] == waits && !here[v] && !IS_BUSY(v) -> entry[v] = failed }
	/* `moving' is on disk: its move is begun, or found */
	:: atomic { up && entry[v] == moving && move[v] == no_move ->
		if
		:: here[v] && !cancel_wanted[v] && HAS_PLACE(to[v]) ->
			move[v] = offered; target[v] = to[v]; by_hand[v] = false; room[to[v]]--
		:: here[v] && (cancel_wanted[v] || !HAS_PLACE(to[v])) -> refused(v)
		:: !here[v] -> entry[v] = failed
		fi }
	/* all is sent, and no cancel comes in time any more; what is to be told was told before */
	:: atomic { up && move[v] == offered && REACHABLE(target[v]) && !cancel_wanted[v] && !news[v] &&
		    !(state == draining && CANCELS && !told[v] && !by_hand[v]) ->
		assert(by_hand[v] || !too_late[v] || !CANCELS);  /* an attempt after that */
		move[v] = committed }
	:: atomic { up && move[v] == committed && REACHABLE(target[v]) ->
		assert(here[v] && !OWNS(v, 1) && !OWNS(v, 2));
		move[v] = taken; OWNS(v, target[v]) = true; runs_here[v] = false }
	:: atomic { up && move[v] == committed && faults > 0 ->
		faults--; move[v] = was_failed; room[target[v]]++ }
	:: atomic { up && move[v] == offered && (cancel_wanted[v] || faults > 0) ->
		move[v] = was_failed; room[target[v]]++;
		if
		:: cancel_wanted[v]
		:: !cancel_wanted[v] -> faults--
		fi }
	:: atomic { up && move[v] == taken && REACHABLE(target[v]) ->
		move[v] = was_done; here[v] = false }
	:: atomic { up && (move[v] == was_done || move[v] == was_failed) ->
		if
		:: by_hand[v] && move[v] == was_done -> touched[v] = true
		:: by_hand[v] && move[v] == was_failed
		:: !by_hand[v] && move[v] == was_done ->
			entry[v] = done; moves_out[v]++;
			assert(moves_out[v] <= 1 + moves_in[v])  /* never twice */
		:: !by_hand[v] && move[v] == was_failed -> refused(v)
		fi;
		move[v] = no_move; by_hand[v] = false }

	/* the queue of the host that has it: S admits it or not */
	:: atomic { back[v] == waits && alive[where[v]] && !OWNS(v, where[v]) -> back[v] = failed }
	:: atomic { back[v] == waits && REACHABLE(where[v]) && OWNS(v, where[v]) && up && !cordon ->
		assert(!touched[v]);             /* who was moved by others since stays there */
		assert(!here[v]);
		OWNS(v, where[v]) = false; room[where[v]]++; here[v] = true; runs_here[v] = true;
		moves_in[v]++; back[v] = done }
	od
}

/* ---- who acts ------------------------------------------------------------------------------------ */

#define MAY_STEER (up && !FINAL && ending == none && acts > 0)

proctype requester()
{
end_idle:
	do
	:: atomic { up && !FINAL && ending == none && state != returning && acts > 0 && requests < 2 &&
		    requests > 0 -> acts--; requests++ }
	:: atomic { MAY_STEER && requests > 0 && state != returning -> acts--; requests--;
		if
		:: is_last && (state == planned || state == waiting) -> ending = aborted
		:: is_last && state == draining -> ending = (returns -> returning : aborted); paused = false
		:: is_last && state == drained && !returns -> ending = ended
		:: is_last && state == drained && returns -> ending = returning
		:: is_last && state == to_returning -> ending = (returns -> returning : ended)
		:: !is_last
		fi;
		looked = false;
		/* nobody who still wants it loses it */
		assert((ending == none && state != returning) || requests == 0) }
	:: atomic { up && state == waiting && !approved -> approved = true }
	od
}

proctype operator()
{
end_idle:
	do
	:: atomic { MAY_STEER && state == draining && !paused -> acts--; paused = true; looked = false;
		if
		:: cancels = true
		:: cancels = false
		fi }
	:: atomic { up && paused -> paused = false; cancels = false }
	:: atomic { MAY_STEER && (state == draining || state == planned || state == waiting) ->
		acts--; ending = aborted; looked = false;
		if
		:: cancels = true
		:: cancels = false
		fi }
	:: atomic { MAY_STEER && state == draining -> acts--; ending = returning; looked = false }
	:: atomic { MAY_STEER && state == drained -> acts--; ending = ended }
	:: atomic { MAY_STEER && (state == drained || state == to_returning) ->
		acts--; ending = returning }
	:: atomic { MAY_STEER && state == to_returning -> acts--; ending = ended }
	:: atomic { MAY_STEER && state == returning -> acts--; ending = ended }
	od
}

/* A user of one VM. */
proctype user(byte v)
{
end_idle:
	do
	/* moves it by hand */
	:: atomic { up && acts > 0 && here[v] && runs_here[v] && !IS_BUSY(v) && entry[v] != moving ->
		acts--;
		if
		:: HAS_PLACE(1) -> target[v] = 1; room[1]--; move[v] = offered; by_hand[v] = true
		:: HAS_PLACE(2) -> target[v] = 2; room[2]--; move[v] = offered; by_hand[v] = true
		:: else
		fi }
	/* deletes it, here or there */
	:: atomic { up && acts > 0 && here[v] && !IS_BUSY(v) && entry[v] != moving ->
		acts--; here[v] = false; runs_here[v] = false; deleted[v] = true }
	:: atomic { acts > 0 && OWNS(v, 1) && alive[1] && !IS_BUSY(v) ->
		acts--; OWNS(v, 1) = false; room[1]++; deleted[v] = true }
	/* moves it from one destination to the other */
	:: atomic { acts > 0 && OWNS(v, 1) && alive[1] && HAS_PLACE(2) && !IS_BUSY(v) ->
		acts--; OWNS(v, 1) = false; room[1]++; OWNS(v, 2) = true; room[2]--; touched[v] = true }
	/* cancels its entry */
	:: atomic { up && acts > 0 && entry[v] == waits -> acts--; entry[v] = cancelled }
	:: atomic { up && acts > 0 && entry[v] == moving && !cancel_wanted[v] && move[v] != committed &&
		    move[v] != taken ->
		acts--; cancel_wanted[v] = true }
	/* starts one that did not run */
	:: atomic { up && acts > 0 && here[v] && !runs_here[v] && !IS_BUSY(v) ->
		acts--; runs_here[v] = true; looked = false }
	od
}

/* ---- what else may happen --------------------------------------------------------------------------- */

/* A VM that is being created when the evacuation begins, or that somebody creates as long as the
 * host takes guests. */
proctype creator()
{
end_idle:
	do
	:: atomic { up && !cordon && !creating && acts > 0 && !here[1] && !OWNS(1, 1) && !OWNS(1, 2) &&
		    !deleted[1] && !IS_BUSY(1) && vm[1] != moved && !FINAL -> acts--; creating = true }
	:: atomic { up && creating -> creating = false; here[1] = true; runs_here[1] = true }
	od
}

proctype disaster()
{
end_idle:
	do
	:: atomic { up && faults > 0 && !FINAL -> faults--; up = false; looked = false; planning = false;
		adding[0] = false; adding[1] = false;
		deleted[1] = deleted[1] || creating; creating = false; /* it was never there */
		forget(0); forget(1); forget_round;
		told[0] = false; told[1] = false; too_late[0] = false; too_late[1] = false;
		news[0] = false; news[1] = false;
		if
		:: state == to_returning -> state = returning; ending = none
		:: state == to_returning -> state = from; ending = returning
		:: else
		fi }
	:: atomic { !up -> up = true }
	:: atomic { alive[1] && faults > 0 -> faults--; alive[1] = false }
	:: atomic { !alive[1] -> alive[1] = true }
	:: atomic { link[2] && faults > 0 -> faults--; link[2] = false }
	:: atomic { !link[2] -> link[2] = true }
	/* others take room, for a while or for good */
	:: atomic { faults > 0 && room[1] > 0 -> faults--; room[1]--; fills[1]++ }
	:: atomic { faults > 0 && room[2] > 0 -> faults--; room[2]--; fills[2]++ }
	:: atomic { fills[1] > 0 && faults > 0 -> faults--; fills[1]--; room[1]++ }
	od
}

#define IS_WITHOUT_PLACE(v) (vm[v] == blocked && room[1] == 0 && room[2] == 0)

/* When nothing can happen any more. */
proctype end_of_it()
{
	timeout ->
	assert(up && ending == none);
	assert(FINAL || state == drained || state == draining);
	/* nobody waits for ever for one who gives way, and of none is said that it does */
	assert(is_over);
	/* it goes on only for a reason that it can tell */
	assert(state != draining || IS_WITHOUT_PLACE(0) || IS_WITHOUT_PLACE(1));
	assert(!FINAL || (NO_ENTRY_LIVES && !cordon));
	assert(state != drained || (!runs_here[0] && !runs_here[1] && cordon));
	/* each is in one place */
	assert(deleted[0] || here[0] + OWNS(0, 1) + OWNS(0, 2) == 1);
	assert(deleted[1] || here[1] + OWNS(1, 1) + OWNS(1, 2) <= 1);
	assert(!IS_BUSY(0) && !IS_BUSY(1))
}

init {
	atomic {
		byte v;
		for (EACH(v)) {
			vm[v] = todo; here[v] = true; runs_here[v] = true;
			entry[v] = no_entry; back[v] = no_entry; move[v] = no_move
		}
		alive[1] = true; alive[2] = true; link[1] = true; link[2] = true;
		room[1] = 1; room[2] = 1;
#ifdef LEFT
		vm[1] = left; runs_here[1] = false;
#endif
#ifdef NEW
		vm[1] = gone; here[1] = false; runs_here[1] = false; creating = true;
#endif
		if
		:: approved = true
		:: approved = false
		fi;
		if
		:: returns = true
		:: returns = false
		fi;
		run evacuation();
		run part(0);
		run part(1);
		run queue(0);
		run queue(1);
		run requester();
		run operator();
		run user(0);
		run user(1);
#ifdef NEW
		run creator();
#endif
#ifdef OTHERS
		room[1] = 0; room[2] = 0;
		run room_of_others();
#endif
		run disaster();
		run end_of_it()
	}
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who owns a guest over its whole life, on two hosts that share its disks: starts by
 * hand, moves, records that are lost, backups that are put back; README.md is the way in.
 *
 * A move is three steps here (sent; taken or refused; forgotten by the source): how it
 * comes to them is handover.pml's.  A question to the peer and what is done with its
 * answer are two steps, and a crash may fall between.
 *
 * Macros: FAULTS (how many), MOVES (how many), and the mutants of mutants.sh. */
#ifndef FAULTS
#define FAULTS 4
#endif
#ifndef MOVES
#define MOVES 2
#endif

mtype = { none, owned, was_here, incoming };
mtype = { unasked, ours };

byte faults = FAULTS;
byte moves = MOVES;
bit may_resolve = 1;  /* a person, where a move is stuck */
bit may_assert = 1;   /* --assert-dead: said once, so that it is not broken by a second word */

/* What a host has on disk. */
typedef records {
	mtype role = none;
	byte generation;
	bool knows_peer; /* the record's hosts: it came from there, or was offered to it */
	bool moves_out;  /* a MIGRATION_OUT of it is not final */
	bool refused;    /* the last move to here was refused; who does not know is stuck */
	bool away;       /* vm_note_sent_away */
};
records now[2], backup[2];
bool has_backup[2];
bool doubt[2];       /* store/identity.h; on disk */

/* The world. */
bool up[2];     /* coordinators */
bool runs[2];   /* CPUs of the guest */
bool sent[2];   /* its QEMU is in postmigrate */
bool stale[2];  /* what is sent, or held, is not the newest: it ran elsewhere since */
bool unsure[2]; /* an incoming guest may have run already, and be gone; on disk */
bool holds[2];  /* a complete copy that has not run: incoming, in QEMU */
mtype asked[2] = unasked;

#define h _pid
#define p (1 - _pid)

/* ---- where the mutants differ -------------------------------------------------- */
#ifdef M_START_ASKS_NOBODY
#define start_asks false
#else
#define start_asks true
#endif
/* vm_note_sent_away: its QEMU is there, has sent the guest away, and the record is old. */
#ifdef M_SENT_AWAY_IS_RESUMED
#define sent_away false
#else
#define sent_away (doubt[h] || now[h].away)
#endif
#ifdef M_BACKUP_IS_TRUSTED
#define doubted false
#else
#define doubted true
#endif
#ifdef M_HOSTS_ARE_NOT_RECORDED
#define must_answer doubt[h]
#else
#define must_answer (doubt[h] || now[h].knows_peer)
#endif
#ifdef M_GENERATIONS_ARE_IGNORED
#define older_here false
#else
#define older_here (now[p].role == owned && now[p].generation > now[h].generation)
#endif
#ifdef M_UNRECORDED_IS_NOT_TOLD
#define unrecorded false
#else
#define unrecorded (now[p].role == none && (runs[p] || sent[p] || holds[p]))
#endif

/* It is asking, and may start by the answer: it says `starting'. */
#ifdef M_WHO_ASKS_IS_STOPPED
#define is_starting false
#else
#define is_starting (asked[p] == ours)
#endif
#ifdef M_OLD_RECORD_REFUSES
#define may_have_run false
#else
#define may_have_run true
#endif
/* claims_judge: what forbids to run it here. */
#define forbidden (unrecorded || now[p].role == incoming || \
		   (now[p].role == owned && (older_here || now[p].generation == now[h].generation || \
					     runs[p] || now[p].moves_out || is_starting)))
#define lives(i) (runs[i] || sent[i] || holds[i])

inline run_here()
{
	assert(!runs[p]);                                /* two runners */
	assert(!stale[h] || !(sent[h] || holds[h]));     /* an old memory, a newer disk */
	stale[h] = false; stale[p] = true;
	runs[h] = true; sent[h] = false; holds[h] = false
}

/* A peer owns it, and says so: owner/newest.c, start.c. */
inline give_up()
{
	now[h].role = was_here;
	/* vm_end_former */
	sent[h] = false
}

/* A peer that has anything of it must be heard from now on. */
inline note_peer()
{
#ifdef M_CLAIM_IS_NOT_NOTED
	skip
#else
	now[h].knows_peer = true
#endif
}

/* api_peer_vms: who asks may start it, and must be heard from now on. */
inline be_noted()
{
#ifdef M_ASKER_IS_NOT_NOTED
	skip
#else
	now[p].knows_peer = now[p].knows_peer || now[p].role == owned
#endif
}

active [2] proctype host()
{
	up[h] = true;
	if
	:: h == 0 -> now[h].role = owned; now[h].generation = 1
	:: else
	fi;
end:	do
	/* ---- start and resume: start.c ---------------------------------------------- */
	:: atomic { up[h] && now[h].role == owned && !now[h].moves_out && !lives(h) &&
		    asked[h] == unasked ->
		if
		:: !start_asks -> asked[h] = ours
		:: start_asks && up[p] ->
			be_noted();
			if
			:: older_here -> give_up()
			:: !older_here && !forbidden -> asked[h] = ours
			:: else -> note_peer()
			fi
		/* silent, and need not answer */
		:: start_asks && !up[p] && !must_answer -> asked[h] = ours
		/* --assert-dead: a person has made sure that the peer is off, and stays so until
		 * the guest has started here */
		:: start_asks && !up[p] && !lives(p) && may_assert ->
			may_assert = 0; now[h].knows_peer = false; run_here()
		:: else
		fi;
		}
	:: atomic { asked[h] == ours ->
		asked[h] = unasked;
		if
		:: up[h] && now[h].role == owned && !now[h].moves_out && !lives(h) ->
			run_here()
		:: else
		fi }
	/* resume, by a user or at a restart: a guest that a move has kept */
	:: atomic { up[h] && now[h].role == owned && !now[h].moves_out &&
		    (sent[h] || holds[h]) && !sent_away ->
		run_here() }
	/* stop */
	:: atomic { up[h] && now[h].role == owned && !now[h].moves_out && lives(h) ->
		runs[h] = false; sent[h] = false; holds[h] = false; now[h].away = false }

	/* ---- a move ------------------------------------------------------------------- */
	:: atomic { moves > 0 && up[h] && up[p] && !doubt[h] && !doubt[p] && runs[h] &&
		    now[h].role == owned && !now[h].moves_out &&
		    (now[p].role == none || now[p].role == was_here) && !lives(p) ->
		moves--;
		now[h].knows_peer = true; now[h].moves_out = true;
		now[p].role = incoming; now[p].generation = now[h].generation;
		now[p].knows_peer = true; now[p].moves_out = false;
		now[p].refused = false; now[p].away = false; unsure[p] = false;
		runs[h] = false; sent[h] = true; holds[p] = true;
		stale[h] = false; stale[p] = false }
	/* go: the destination takes it */
	:: atomic { up[h] && up[p] && !doubt[h] && !doubt[p] && now[h].moves_out && sent[h] &&
		    now[p].role == incoming && holds[p] ->
		now[p].role = owned; now[p].generation = now[h].generation + 1;
		assert(!runs[h] && !stale[p]);
		holds[p] = false; runs[p] = true; stale[h] = true }
	:: atomic { up[h] && up[p] && !doubt[h] && !doubt[p] && now[h].moves_out && sent[h] &&
		    now[p].role == incoming && runs[p] -> /* has_run: the record is old */
		now[p].role = owned; now[p].generation = now[h].generation + 1; unsure[p] = false }
	/* its copy is gone: refused */
	:: atomic { up[h] && now[h].role == incoming && !holds[h] && !doubt[h] && !runs[h] ->
		now[h].role = none; now[h].refused = !unsure[h]; unsure[h] = false }
	/* the source hears the verdict */
	:: atomic { up[h] && up[p] && !doubt[h] && !doubt[p] && now[h].moves_out &&
		    now[p].role == owned && now[p].generation > now[h].generation ->
		now[h].role = none; now[h].moves_out = false; sent[h] = false }
	:: atomic { up[h] && up[p] && !doubt[h] && !doubt[p] && now[h].moves_out &&
		    now[p].role == none && now[p].refused ->
		now[h].moves_out = false;
		if
		:: sent[h] -> run_here()
		:: true /* QEMU refuses, or is gone */
		fi }
	/* stuck at the destination: the source knows no such move; a person decides */
	:: atomic { up[h] && now[h].role == incoming && holds[h] && up[p] && !now[p].moves_out &&
		    may_resolve ->
		may_resolve = 0;
		if
		:: !runs[p] && !stale[h] -> /* --keep destination: it did not run on there */
			now[h].role = owned; now[h].generation++; run_here()
		:: holds[h] = false; now[h].role = none; now[h].refused = true
		fi }

	/* ---- restart: owner/newest.c --------------------------------------------------------- */
	:: atomic { !up[h] -> up[h] = true }
	:: atomic { up[h] && doubt[h] && up[p] ->
		doubt[h] = false;
		now[h].away = now[h].role == owned && !now[h].moves_out && (sent[h] || holds[h]);
		if
		/* recover_doubtful: it may have been taken, and have run */
		:: now[h].role == incoming && !holds[h] -> unsure[h] = may_have_run
		:: now[h].role == owned && !now[h].moves_out && older_here && !runs[h] -> give_up()
		:: now[h].role == owned && !now[h].moves_out && forbidden &&
		   (!older_here || runs[h]) -> note_peer()
		:: else
		fi }
	:: atomic { up[h] && up[p] && now[h].role == owned && !now[h].moves_out && sent[h] &&
		    older_here -> give_up() }

	/* ---- faults --------------------------------------------------------------------- */
	:: atomic { faults > 0 && up[h] -> faults--; up[h] = false; asked[h] = unasked }
	:: atomic { faults > 0 && lives(h) -> /* its QEMU, or the host's power */
		faults--; runs[h] = false; sent[h] = false; holds[h] = false;
		if
		:: up[h] = false; asked[h] = unasked
		:: true
		fi }
	:: atomic { up[h] && !has_backup[h] && now[h].role != none ->
		has_backup[h] = true;
		backup[h].role = now[h].role; backup[h].generation = now[h].generation;
		backup[h].knows_peer = now[h].knows_peer; backup[h].moves_out = now[h].moves_out;
		backup[h].refused = now[h].refused; backup[h].away = now[h].away }
	:: atomic { faults > 0 && !up[h] && has_backup[h] ->
		faults--;
		now[h].role = backup[h].role; now[h].generation = backup[h].generation;
		now[h].knows_peer = backup[h].knows_peer; now[h].moves_out = backup[h].moves_out;
		now[h].refused = backup[h].refused; now[h].away = backup[h].away;
		doubt[h] = doubted }
	:: atomic { faults > 0 && !up[h] && now[h].role != none ->
		faults--;
		now[h].role = none; now[h].generation = 0; now[h].knows_peer = false;
		now[h].moves_out = false; now[h].refused = false; now[h].away = false;
		doubt[h] = doubted }
	od
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backup of a guest's disk that runs on: one coordinator that may crash, its QEMU that may die, a
 * target that may be full; README.md is the way in.  Before it there was a whole backup, the parent,
 * whose bitmap notes what has changed since.
 *
 * Words: `kept' is a bitmap that is right as long as QEMU lives and closes it; a QEMU that dies
 * leaves it broken, which QEMU says.  `lost' is what a bitmap has not noted.
 * Macros: FAULTS (how many), and the mutants of mutants.sh. */
#ifndef FAULTS
#define FAULTS 3
#endif

mtype = { nothing, begin, copy, close, seal, tidy, rollback, done, failed };
mtype = { absent, running, ok, bad };        /* QEMU's job */
mtype = { kept, broken };                   /* a bitmap, or absent */
mtype = { unnamed, named };                 /* the directory of the backup; or absent */

byte faults = FAULTS;
bool cancelled;

mtype state = nothing;                     /* on disk */
bool up = true;

bool lives = true;                         /* QEMU */
bool again;                                /* it was started again */
bool died;
mtype job = absent;
bool opened;                               /* QEMU has the image of the target */
bool told;                                 /* the transaction is in the socket */
mtype bitmap = absent, parent = kept;
bool lost, parent_lost;                    /* changes that it has not noted */

mtype files = absent;
bool copied;                               /* all of the moment is in the image */
bool flushed;                              /* and QEMU has let go of it */

bool begun;                                /* of the present coordinator: it has asked QEMU */
bool left_over;                            /* of a rollback: QEMU has nothing more of it */

#ifdef M_SEALED_WHILE_IT_IS_OPEN
#define closes_first false
#else
#define closes_first true
#endif
#ifdef M_DISMISSED_BEFORE_RECORD
#define record_first false
#else
#define record_first true
#endif
#ifdef M_PARENT_CLEARED_AT_THE_MOMENT
#define parent_outlives_copy false
#else
#define parent_outlives_copy true
#endif
#ifdef M_PARENT_REMOVED_BEFORE_THE_NAME
#define named_first false
#else
#define named_first true
#endif
#ifdef M_BITMAP_AFTER_THE_MOMENT
#define one_transaction false
#else
#define one_transaction true
#endif
#ifdef M_BROKEN_BITMAP_IS_TAKEN
#define broken_is_refused false
#else
#define broken_is_refused true
#endif
#ifdef M_ROLLBACK_LEAVES_BITMAP
#define rollback_removes_bitmap false
#else
#define rollback_removes_bitmap true
#endif
#ifdef M_ROLLBACK_LEAVES_JOB
#define rollback_ends_job false
#else
#define rollback_ends_job true
#endif
#ifdef M_RESTART_BEGINS_AGAIN
#define restart_asks_first false
#else
#define restart_asks_first true
#endif
#ifdef M_JOB_THAT_IS_GONE_WAS_RIGHT
#define gone_is_a_failure false
#else
#define gone_is_a_failure true
#endif
#ifdef M_SEAL_FAILS_AFTER_THE_NAME
#define name_is_the_end false
#else
#define name_is_the_end true
#endif

/* The guest writes. */
inline write()
{
	if
	:: bitmap != kept && (copied || job == running) -> lost = true
	:: else
	fi;
	if
	:: parent != kept -> parent_lost = true
	:: else
	fi
}

proctype qemu()
{
end_idle:
	do
	:: atomic { told && lives ->
		told = false;
		assert(job == absent);          /* a second copy over the first */
		job = running;
		if
		:: one_transaction -> bitmap = kept
		:: else
		fi;
		if
		:: parent_outlives_copy
		:: else -> parent = kept; parent_lost = true /* it begins anew */
		fi }
	:: atomic { told && !lives -> told = false }
	:: atomic { job == running && lives -> job = ok; copied = true }
	:: atomic { job == running && lives && faults > 0 -> faults--; job = bad }
	od
}

proctype guest()
{
	byte writes = 2;
end_idle:
	do
	:: atomic { lives && writes > 0 -> writes--; write() }
	:: atomic { lives && job == running && !one_transaction && bitmap == absent -> bitmap = kept }
	od
}

/* Everything of QEMU goes; its bitmaps stay in the image, and are not closed.  A person starts the
 * VM again. */
proctype death()
{
end_idle:
	do
	:: atomic { lives && faults > 0 && state != nothing && state != done && state != failed -> faults--; lives = false;
		died = true; job = absent; opened = false; told = false;
		if
		:: bitmap == kept -> bitmap = broken
		:: else
		fi;
		if
		:: parent == kept -> parent = broken
		:: else
		fi }
	:: atomic { !lives && !again && (state == done || state == failed) -> lives = true;
		again = true }
	od
}

proctype user()
{
end_idle:
	do
	:: atomic { faults > 0 && !cancelled && (state == copy || state == close) -> faults--;
		cancelled = true }
	od
}

inline fail() { state = rollback; begun = false; left_over = false }

proctype coordinator()
{
end_idle:
	do
	:: atomic { up && faults > 0 -> faults--; up = false; begun = false; left_over = false;
		cancelled = false }
	:: atomic { !up -> up = true;
		if
		:: state == begin -> fail()
		:: state == copy && restart_asks_first -> begun = true
		:: else
		fi }

	:: atomic { up && state == nothing && lives -> state = begin }
	:: atomic { up && state == begin && files == absent -> files = unnamed }
	:: atomic { up && state == begin && files == unnamed -> state = copy; begun = false }
	:: atomic { up && state == begin && !lives -> fail() }

	:: atomic { up && state == copy && !begun && lives && !opened -> opened = true }
	:: atomic { up && state == copy && !begun && lives && opened && !told ->
		told = true; begun = true }
	/* asked, and not under way any more */
	:: atomic { up && state == copy && begun && !told && job == ok && lives ->
		if
		:: record_first -> state = close
		:: else -> job = absent
		fi }
	:: atomic { up && state == copy && begun && !told && job == bad -> fail() }
	:: atomic { up && state == copy && begun && !told && job == absent ->
		if
		:: gone_is_a_failure || !lives -> fail()
		:: else -> state = close
		fi }
	:: atomic { up && state == copy && !lives -> fail() }
	:: atomic { up && state == copy && cancelled && !told -> fail() }

	:: atomic { up && state == close && lives && job != absent -> job = absent }
	:: atomic { up && state == close && lives && job == absent && opened -> opened = false;
		flushed = copied }
	:: atomic { up && state == close && lives && job == absent && (!opened || !closes_first) ->
		state = seal }
	:: atomic { up && state == close && !lives -> fail() }
	:: atomic { up && state == close && cancelled -> fail() }

	:: atomic { up && state == seal && !named_first && parent != absent -> parent = absent }
	:: atomic { up && state == seal && files == unnamed ->
		assert(copied && flushed);        /* a backup that is not whole */
		files = named }
	:: atomic { up && state == seal && files == named -> state = tidy }
	:: atomic { up && state == seal && (files == unnamed || !name_is_the_end) && faults > 0 ->
		faults--; fail() } /* it cannot be synced */

	:: atomic { up && state == tidy && lives && parent != absent -> parent = absent }
	:: atomic { up && state == tidy && (!lives || parent == absent) -> state = done }

	:: atomic { up && state == rollback && lives && job != absent && rollback_ends_job -> job = absent }
	:: atomic { up && state == rollback && lives && (job == absent || !rollback_ends_job) &&
		    opened -> opened = false }
	:: atomic { up && state == rollback && lives && !opened && bitmap != absent &&
		    rollback_removes_bitmap -> bitmap = absent }
	:: atomic { up && state == rollback && (!lives || (!told && !opened &&
		    (job == absent || !rollback_ends_job) &&
		    (bitmap == absent || !rollback_removes_bitmap))) -> left_over = true }
	:: atomic { up && state == rollback && left_over && files == unnamed -> files = absent }
	:: atomic { up && state == rollback && left_over && files != unnamed -> state = failed }
	od
}

/* When nothing can happen any more. */
proctype end_of_it()
{
	timeout ->
	assert(up);
	assert(state == done || state == failed);
	assert(!lives || (job == absent && !opened));         /* nothing is left in QEMU */
	assert((state == done) == (files == named));        /* whole, or not there */
	assert(state == done || files == absent);
	assert(state == done || faults < FAULTS);           /* nothing fails by itself */
	assert(state == done || bitmap != kept);
	/* The next incremental backup: of this one, or of the parent. */
	if
	:: state == done && (bitmap == kept || (bitmap == broken && !broken_is_refused)) ->
		assert(!lost)
	:: state == failed && (parent == kept || (parent == broken && !broken_is_refused)) ->
		assert(!parent_lost)
	:: else -> skip
	fi;
	assert(died || state == done || parent == kept);    /* what fails costs nothing */
	assert(died || state == failed || bitmap == kept)
}

init {
	atomic {
		run qemu();
		run guest();
		run death();
		run user();
		run coordinator();
		run end_of_it();
	}
}

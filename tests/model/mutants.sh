#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mutants.sh [--long] -- breaks a model in each way below, and fails unless Spin
# finds every one.  --long: also those marked so, which take most of the time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v spin >/dev/null || { echo "mutants.sh: spin is not installed" >&2; exit 77; }

# Sets `found' to the broken rule.
look() { # COMPILER SECONDS
	# shellcheck disable=SC2086 # words are wanted
	$1 -w -DSAFETY -DMEMLIM=2048 -o pan pan.c
	# shellcheck disable=SC3045 # dash and bash have it
	(ulimit -t "$2"; nice -n 5 ./pan -m10000 -w22) >pan.log 2>&1 || true
	# Spin also ends so when it has no room for a state.
	found=$(sed -n 's/^pan:1: \(assertion violated.*\) (at depth.*/\1/p' pan.log)
}

# What breaks, then the macros under which it must be found: one line of the list.
find_one() { # DIR MACRO SETTINGS...
	models=$1 macro=$2
	shift 2
	mkdir "$models/$macro.$$"
	cd "$models/$macro.$$"
	cp "$models"/*.pml .
	model=$(basename "$(grep -lw "$macro" evacuation.pml handover.pml maintenance.pml ownership.pml refresh.pml vmbackup.pml)" .pml)
	spin -a -D"$macro" "$@" "$model.pml" >spin.log || { cat spin.log; exit 2; }
	# Most are found within a second, and tcc takes a tenth of one where gcc takes four.
	found=
	! command -v tcc >/dev/null || look tcc 4
	[ -n "$found" ] || look "${CC:-cc} -O0" 30
	printf '%-38s %s\n' "$macro" "${found:-NOT FOUND}"
	[ -n "$found" ]
}

if [ "${1:-}" = --one ]; then
	shift
	find_one "$@"
	exit
fi
long=
[ "${1:-}" != --long ] || long=yes
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/evacuation.pml" "$here/handover.pml" "$here/maintenance.pml" "$here/ownership.pml" \
	"$here/refresh.pml" "$here/vmbackup.pml" "$work"
"$here/states.sh" "$here/../../migrd/move/states.c" >"$work/states.pml"
grep -v '^#' <<'LIST' | if [ "$long" ]; then sed 's/^long //'; else grep -v '^long '; fi | xargs -L 1 -P "$(nproc)" sh "$0" --one "$work"
# the design's rules
M_CONT_WITHOUT_GO                     -DFAULTS=2
M_RESUME_WITHOUT_REFUSAL              -DFAULTS=2
M_TAKE_WHEN_SOURCE_DIED               -DFAULTS=2 -DKILL -DUSER=0
M_CONT_BEFORE_TAKEN                   -DFAULTS=3
M_ANSWER_BEFORE_DURABLE               -DFAULTS=3
M_NO_TOMBSTONE                        -DFAULTS=3
M_STREAM_IGNORES_LEASE                -DFAULTS=2
M_STUCK_ASKS_NO_MORE                  -DFAULTS=2
M_REFUSE_AFTER_TAKEN                  -DFAULTS=3 -DKILL -DUSER=0
M_OFFER_IS_OVER_AFTER_TAKEN           -DFAULTS=2 -DUSER=0
M_FORGET_REFUSAL                      -DFAULTS=3
# post-copy
M_SWITCH_WHILE_IT_RUNS                -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_CONFIRM_BEFORE_ALL_IS_THERE         -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_LATE_GO_IS_REFUSED                  -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_LOST_WITHOUT_ASKING                 -DFAULTS=2 -DUSER=0 -DPOSTCOPY
# post-copy: what the code did before it was used
M_RESTART_ENDS_FETCH                  -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_TAKEN_IS_CONFIRMED                  -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_TAKEN_AFTER_ALL_IS_CONFIRMED        -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_CONT_REFUSED_IS_A_REFUSAL           -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_BAD_TAPS_REFUSE                     -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_SWITCH_UNANSWERED_GIVES_UP          -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_INTERRUPTED_IS_A_GUESS              -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_THEIR_STREAM_WAITS                  -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_GO_WITH_NOTHING_TO_SEND             -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_TAKEN_WAITS_FOR_CONT                -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_FETCH_ENDS_BEFORE_CONT              -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_CONT_REFUSED_IN_FETCH_IS_A_REFUSAL  -DFAULTS=2 -DUSER=0 -DPOSTCOPY
M_LATE_GO_WAITS                       -DFAULTS=2 -DPOSTCOPY
M_GIFT_IN_FETCH_IS_NOT_HEARD          -DFAULTS=2 -DKILL -DUSER=0 -DRESOLVE -DPOSTCOPY
# local disks: the mirror and pre-switchover
M_NO_PAUSE_BEFORE_SWITCHOVER          -DFAULTS=1 -DUSER=0 -DDISKS
long M_SETTLE_WHILE_IT_RUNS                -DFAULTS=1 -DUSER=0 -DDISKS
M_CONTINUE_BEFORE_SETTLED             -DFAULTS=1 -DUSER=0 -DDISKS
M_MIRROR_ERROR_IS_AN_END              -DFAULTS=1 -DUSER=0 -DDISKS
long M_RESTART_DOES_NOT_SETTLE             -DFAULTS=1 -DUSER=0 -DDISKS
long M_CONTINUE_UNSEEN                     -DFAULTS=2 -DUSER=0 -DDISKS -DPOSTCOPY
long M_ROLLBACK_LEAVES_MIRROR              -DFAULTS=1 -DUSER=0 -DDISKS
M_ROLLBACK_LEAVES_PRE_SWITCHOVER      -DFAULTS=2 -DUSER=0 -DDISKS
long M_STANDING_GUEST_IS_SAFE              -DFAULTS=2 -DDISKS
long M_RUNNING_GUEST_IS_SAFE               -DFAULTS=2 -DUSER=0 -DDISKS
M_UNKNOWN_IS_LEFT_IN_PRE_SWITCHOVER   -DFAULTS=1 -DUSER=0 -DLOSE -DDISKS
M_DEADMAN_SAYS_CONT                   -DFAULTS=1 -DUSER=0 -DDISKS
# local disks: the images
M_ASIDE_BEFORE_TAKEN                  -DFAULTS=2 -DUSER=0 -DDISKS
long M_ASIDE_AFTER_DONE                    -DFAULTS=1 -DUSER=0 -DDISKS
M_CONT_WITH_EXPORT                    -DFAULTS=1 -DUSER=0 -DDISKS
long M_RESTARTED_CONT_WITH_EXPORT          -DFAULTS=1 -DUSER=0 -DDISKS
long M_PAUSED_KEEPS_EXPORT                 -DFAULTS=1 -DDISKS
long M_IMAGE_BEFORE_RECORD                 -DFAULTS=1 -DUSER=0 -DDISKS
M_IMAGE_OF_OTHERS_IS_REMOVED          -DFAULTS=1 -DUSER=0 -DDISKS
long M_MARK_GOES_FIRST                     -DFAULTS=2 -DUSER=0 -DDISKS
long M_MARK_GOES_AT_TAKEN                  -DFAULTS=2 -DUSER=0 -DDISKS
long M_ROLLBACK_OUTRUNS_WORKER             -DFAULTS=2 -DUSER=0 -DDISKS
long M_MAKER_OUTLIVES_CRASH                -DFAULTS=1 -DUSER=0 -DDISKS
long M_DIRECTORY_IS_NOT_SYNCED             -DFAULTS=2 -DKILL -DUSER=0 -DDISKS
long M_TOMBSTONE_REMOVES                   -DFAULTS=2 -DKILL -DUSER=0 -DLOSE -DDISKS
# a guest that stands still for as long as the rest takes is called back
M_CALL_BACK_AFTER_COMPLETED           -DFAULTS=2 -DFORCE
M_CANCEL_IS_FORGOTTEN                 -DFAULTS=1
# a coordinator that stays away while its guest stands still
M_STANDING_GUEST_IS_LEFT              -DFAULTS=1 -DUSER=0 -DAWAY
M_LET_GO_SAYS_CONT                    -DFAULTS=1 -DUSER=0
M_POSTCOPY_IS_LET_GO                  -DFAULTS=1 -DUSER=0 -DPOSTCOPY
# what the code once did
M_RESUME_BLINDLY                      -DFAULTS=2
M_RESUME_UNSEEN                       -DFAULTS=2
M_PATIENCE_AFTER_GO                   -DFAULTS=3 -DKILL -DUSER=0
M_DOUBT_FORGOTTEN                     -DFAULTS=4 -DKILL -DUSER=0
M_GO_CHANGES_RUN                      -DFAULTS=3
M_ROLLBACK_FORGETS_STREAM             -DFAULTS=3
# what is not known, or forgotten too early
M_UNKNOWN_IS_REFUSED                  -DFAULTS=3 -DLOSE -DUSER=0
M_UNKNOWN_IS_REFUSED                  -DFAULTS=3 -DM_TRIM_UNSETTLED -DM_VM_DOES_NOT_TELL -DUSER=0
M_TRIM_UNSETTLED                      -DFAULTS=3 -DM_VM_DOES_NOT_TELL -DUSER=0
M_UNKNOWN_FORGETS_DOUBT               -DFAULTS=4 -DKILL -DUSER=0 -DLOSE
M_UNKNOWN_IS_A_GIFT                   -DFAULTS=3 -DLOSE -DUSER=0
# an operator's word that says too little, or is not checked
M_RESOLVE_SOURCE_ON_DEATH_ALONE       -DFAULTS=3 -DKILL -DUSER=0 -DRESOLVE
M_RESOLVE_DESTINATION_ON_DEATH_ALONE  -DFAULTS=3 -DKILL -DUSER=0 -DRESOLVE
M_RESOLVE_SOURCE_WHILE_THEY_SPEAK     -DFAULTS=3 -DKILL -DUSER=0 -DRESOLVE
M_GIFT_IS_NOT_HEARD                   -DFAULTS=3 -DKILL -DUSER=0 -DRESOLVE
# who owns a guest: starts by hand, records that are lost or old
M_START_ASKS_NOBODY                   -DFAULTS=4
M_BACKUP_IS_TRUSTED                   -DFAULTS=4
M_HOSTS_ARE_NOT_RECORDED              -DFAULTS=4
M_GENERATIONS_ARE_IGNORED             -DFAULTS=4
M_UNRECORDED_IS_NOT_TOLD              -DFAULTS=4
M_CLAIM_IS_NOT_NOTED                  -DFAULTS=4
M_ASKER_IS_NOT_NOTED                  -DFAULTS=5
M_WHO_ASKS_IS_STOPPED                 -DFAULTS=4
M_SENT_AWAY_IS_RESUMED                -DFAULTS=4
M_OLD_RECORD_REFUSES                  -DFAULTS=4
# another QEMU of the same host
M_CONT_BEFORE_RECORD                  -DFAULTS=2
M_RESUME_BESIDE_NEW                   -DFAULTS=2
M_RESTART_ROLLS_BACK_SWITCHED         -DFAULTS=2
M_COMPLETED_IS_REMEMBERED             -DFAULTS=2
M_OLD_ENDED_BEFORE_RECORD             -DFAULTS=2
M_NEW_DIED_RESUMES_OLD                -DFAULTS=2
M_RESTART_SETTLES_FIRST               -DFAULTS=2
M_CANCEL_AFTER_SWITCHED               -DFAULTS=2
M_STOP_BEFORE_NEW_ENDED               -DFAULTS=2
M_STOP_IS_FORGOTTEN                   -DFAULTS=2
M_OLD_KEYS_REMOVED_BEFORE_RECORD      -DFAULTS=2
M_ROLLBACK_FORGETS_KEYS               -DFAULTS=2
M_KEYS_REMOVED_BESIDE_NEW             -DFAULTS=2
# a host that is emptied
M_DRAINED_BY_ITS_LIST                 -DFAULTS=1 -DUSER=0 -DNEW
M_DRAINED_BY_ONE_RECORD               -DFAULTS=1 -DUSER=0
M_DRAINED_WHILE_OFFERED               -DFAULTS=1 -DUSER=0
M_CREATION_IS_NOT_AWAITED             -DFAULTS=1 -DUSER=0 -DNEW
M_CORDON_IS_LATE                      -DFAULTS=1 -DUSER=1
M_DRAINED_IS_FOR_EVER                 -DFAULTS=1 -DUSER=1 -DLEFT
M_ABORT_LEAVES_ENTRIES                -DFAULTS=1 -DUSER=1
M_ABORT_FORGETS_ADDING                -DFAULTS=1 -DUSER=1
M_ABORT_GOES_ON                       -DFAULTS=1 -DUSER=1
M_PAUSE_GOES_ON                       -DFAULTS=1 -DUSER=1
M_PLAN_IS_NOT_LOOKED_AT_AGAIN         -DFAULTS=1 -DUSER=1
M_FAILED_IS_FORGOTTEN                 -DFAULTS=1 -DUSER=1
M_RESTART_BEGINS_ANEW                 -DFAULTS=1 -DUSER=0
M_CANCEL_IS_AN_END                    -DFAULTS=1 -DUSER=1
M_END_BEFORE_CORDON                   -DFAULTS=1 -DUSER=1
M_RETURN_KEEPS_CORDON                 -DFAULTS=1 -DUSER=1
M_RETURN_ENDS_WITH_CORDON             -DFAULTS=1 -DUSER=2
M_WITHDRAW_ENDS_OTHERS                -DFAULTS=1 -DUSER=2
M_RETURN_FROM_ANYWHERE                -DFAULTS=1 -DUSER=2
M_AWAY_IS_AWAITED                     -DFAULTS=1 -DUSER=2
M_RETURN_MUST_BE_SEEN                 -DFAULTS=0 -DUSER=2
M_DELETED_IS_AWAITED                  -DFAULTS=1 -DUSER=1
M_SECOND_RETURN_IS_AN_END             -DFAULTS=0 -DUSER=2
M_TOO_LATE_IS_FOR_EVER                -DFAULTS=1 -DUSER=1
M_PLANS_DURING_A_ROUND                -DFAULTS=0 -DUSER=0 -DOTHERS=1
M_ROOM_HAS_NO_KEY                     -DFAULTS=0 -DUSER=0 -DOTHERS=1
M_ROUND_IS_FORGOTTEN                  -DFAULTS=1 -DUSER=0 -DOTHERS=1
M_LEFT_IS_NOT_USED                    -DFAULTS=1 -DUSER=0 -DOTHERS=1
M_LEFT_BEHIND                         -DFAULTS=0 -DUSER=1 -DOTHERS=1
# a backup of a disk
M_SEALED_WHILE_IT_IS_OPEN             -DFAULTS=1
M_DISMISSED_BEFORE_RECORD             -DFAULTS=0
M_PARENT_CLEARED_AT_THE_MOMENT        -DFAULTS=1
M_PARENT_REMOVED_BEFORE_THE_NAME      -DFAULTS=1
M_BITMAP_AFTER_THE_MOMENT             -DFAULTS=1
M_BROKEN_BITMAP_IS_TAKEN              -DFAULTS=1
M_ROLLBACK_LEAVES_BITMAP              -DFAULTS=1
M_ROLLBACK_LEAVES_JOB                 -DFAULTS=1
M_RESTART_BEGINS_AGAIN                -DFAULTS=1
M_JOB_THAT_IS_GONE_WAS_RIGHT          -DFAULTS=1
M_SEAL_FAILS_AFTER_THE_NAME           -DFAULTS=1
# some hosts, one after another
M_POST_BEFORE_RECORD                  -DFAULTS=0 -DUSER=1
M_EVACUATE_AGAIN                      -DFAULTS=1 -DUSER=0
M_ABORT_BY_A_LOOK                     -DFAULTS=0 -DUSER=1
M_LATE_IS_LEFT_DRAINING               -DFAULTS=1 -DUSER=0 -DFAILURES=2
M_LOST_MAKES_ROOM                     -DFAULTS=3 -DUSER=0 -DFAILURES=2
M_FINAL_BEFORE_ITS_HOSTS              -DFAULTS=0 -DUSER=0 -DAT_ONCE=2
M_HOOK_ON_FULL_HOST                   -DFAULTS=2 -DUSER=1
M_RETURN_BESIDE_HOOK                  -DFAULTS=0 -DUSER=1
M_RUNNER_WITHOUT_MARK                 -DFAULTS=1 -DUSER=0
M_MARK_IS_NOT_SYNCED                  -DFAULTS=1 -DUSER=0
M_GIVEN_UP_WITHOUT_MARK               -DFAULTS=1 -DUSER=1
M_BOOT_SINCE_RECORD                   -DFAULTS=1 -DUSER=0 -DREBOOTS
M_ORPHAN_RUNS_ON                      -DFAULTS=1 -DUSER=0 -DRETURNS
M_SKIPPED_WITHOUT_A_LOOK              -DFAULTS=1 -DUSER=0
M_BAD_HOOK_RETURNS                    -DFAULTS=1 -DUSER=0
M_UNKNOWN_HOOK_RETURNS                -DFAULTS=1 -DUSER=0
M_RETURN_ENDS_OTHERS                  -DFAULTS=0 -DUSER=1
M_STOP_BEGINS_MORE                    -DFAULTS=0 -DUSER=1
M_PAUSE_BEGINS_MORE                   -DFAULTS=0 -DUSER=1
M_FAILURES_ARE_NOT_COUNTED            -DFAULTS=1 -DUSER=0
M_CONDUCTOR_BESIDE_OTHERS             -DFAULTS=0 -DUSER=0 -DSELF
LIST

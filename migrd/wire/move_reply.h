/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/move_reply.h -- what is shown of a move and of the list of jobs.  Texts are
 * borrowed.  Thread: any. */
#ifndef MIGRD_WIRE_MOVE_REPLY_H
#define MIGRD_WIRE_MOVE_REPLY_H

#include "base/json.h"
#include "wire/forecast.h"
#include "wire/move_request.h"
#include "wire/nic_frames.h"
#include "wire/notice.h"
#include "wire/policy.h"
#include "wire/problem.h"
#include "wire/transfer_plan.h"

struct move_failure {
	const char *code, *detail;
};

/* The copy of one local disk. */
struct move_disk_progress {
	const char *id;
	uint64_t total_bytes, copied_bytes;
	bool ready; /* what the guest writes now is written to both images */
};

#define MOVE_SENTENCE_SIZE    384
#define MOVE_EXPLANATION_SIZE 1024
#define MOVE_LIMIT_WHY_SIZE   160

struct move_progress {
	uint64_t percent, ram_total_bytes, ram_remaining_bytes, ram_transferred_bytes, passes;
	double throughput_mbit_per_s;
	uint64_t dirty_pages_per_s, expected_downtime_ms, throttle_percent;
	struct move_disk_progress disks[VM_DEF_IMAGE_MAX];
	size_t disk_count;
	/* Source, until its end: what is to be expected. */
	bool has_outlook;
	char sentence[MOVE_SENTENCE_SIZE];
	struct {
		uint64_t value;
		bool is_known;
	} eta_min_ms, eta_max_ms;
	bool has_limit;             /* while its stream may send; of a destination: by its budget */
	uint64_t limit_bytes_per_s; /* 0: none */
	char limit_why[MOVE_LIMIT_WHY_SIZE];
};

/* The time from one moment to another; is_over: both have passed. */
struct move_span {
	double ms;
	bool is_over;
};

struct move_times {
	/* of a destination */
	struct move_span prepare, go_to_taken, taken_to_running;
	struct move_span total;
	/* of a source */
	bool is_source;
	uint64_t qemu_total_ms, qemu_setup_ms, qemu_downtime_ms;
	struct move_span created_to_prepared, prepared_to_migrate, held, parties,
		migrate_to_completed, blackout, stopped_to_completed, completed_to_go, go_to_answer,
		answer_to_fetched, answer_to_end;
	struct json_object *destination; /* borrowed; NULL: it has not told yet */
};

#define MOVE_OUTAGE_NOTE_SIZE 320

/* For how long the network saw nothing of one NIC of the guest. */
struct move_nic_outage {
	char id[VM_DEF_ID_SIZE];
	bool has_outage;
	double outage_ms, outage_error_ms, announced_ms;
	bool has_pause;
	double pause_ms;
	const char *ping; /* of nic_ping_names */
	char note[MOVE_OUTAGE_NOTE_SIZE];
};

/* What a move cost its guest, as its source knows it; a note says why a figure is not known. */
struct move_measured {
	bool has_blackout;
	double blackout_ms, blackout_error_ms;
	const char *blackout_note;
	bool has_pace;
	double cpu_before_percent, cpu_during_percent; /* of one CPU */
	bool has_brownout;
	double brownout_percent;
	const char *brownout_note;
	bool has_outage;
	double outage_ms, outage_error_ms; /* of the worst NIC */
	char outage_nic[VM_DEF_ID_SIZE];   /* which that is; "": none */
	char outage_note[MOVE_OUTAGE_NOTE_SIZE];
	struct move_nic_outage nics[NIC_FRAMES_MAX];
	size_t nic_count;
};

struct move_shown_options {
	uint64_t bandwidth_bytes_per_s, downtime_limit_ms;
	int priority;            /* enum move_priority */
	uint64_t outage_ping_ms; /* of a source */
	bool assert_same_disks, assert_same_cpu, remove_source_disks;
	bool is_source;
	int block_jobs;        /* enum move_block_jobs; of a source */
	struct move_hold hold; /* of a source */
	bool has_hold;
	struct transfer_wish transfer; /* of a source */
};

/* Of a source: the move's own copy of its policy. */
struct move_shown_policy {
	struct policy policy;
	struct policy_origin origin;
};

/* Of a source whose guest was sampled before. */
struct move_shown_forecast {
	struct forecast said;
	bool has_duration, has_blackout;       /* the move is done */
	double duration_ratio, blackout_ratio; /* what was said by what was */
};

struct move_reply {
	const char *id, *vm, *vm_uuid, *kind, *source, *destination, *state;
	bool final, can_cancel;
	bool stopped; /* the VM does not run, and will not */
	bool held;    /* it waits before memory is sent */
	int64_t held_until;
	struct notice_shown notices[NOTICE_PARTIES_MAX];
	size_t notice_count;
	const char *owner; /* NULL: only the other host can know */
	uint64_t generation;
	const char *reason;
	bool has_failed;
	struct move_failure error;
	struct move_progress progress;
	struct move_times times;
	char explanation[MOVE_EXPLANATION_SIZE]; /* "": none */
	bool is_measured;
	struct move_measured measured;
	struct move_shown_options options;
	struct move_shown_policy policy;
	bool has_policy;
	bool has_forecast;
	struct move_shown_forecast forecast;
	const char *began_by, *cancelled_by; /* NULL: left out */
	int64_t created_at, updated_at, ended_at;
	bool has_warnings; /* it answers POST /v1/moves */
	const char *const *warnings;
	size_t warning_count;
};
extern const struct json_field move_reply_fields[];
extern const struct json_field move_times_fields[];

/* What a request to a running move did, exactly. */
#define MOVE_DID_SIZE 512
struct move_did_reply {
	struct move_reply move;
	const char *did;
};
extern const struct json_field move_did_fields[];

struct move_finish_reply {
	struct move_reply move;
	const char *did;
	/* If the guest were stopped now. */
	uint64_t left_bytes, sent_bytes_per_s, stop_ms;
};
extern const struct json_field move_finish_reply_fields[];

/* What a PATCH with a policy has changed, and what not and why. */
#define MOVE_CHANGES_MAX 16
struct move_changes {
	const char *changed[MOVE_CHANGES_MAX]; /* names of settings */
	size_t changed_count;
	struct move_kept_setting {
		const char *setting, *why;
	} kept[MOVE_CHANGES_MAX];
	size_t kept_count;
};
struct move_patch_reply {
	struct move_reply move;
	const char *const *changed;
	size_t changed_count;
	const struct move_kept_setting *kept;
	size_t kept_count;
	const char *did;
};
extern const struct json_field move_patch_reply_fields[];

/* A move in short, or what holds the monitor of a QEMU now. */
struct job_reply {
	const char *id, *kind, *vm;
	const char *peer; /* NULL: it is no move */
	const char *state;
	bool final;
	bool is_holder;
	const char *command; /* of a holder; NULL: none was sent yet */
	uint64_t waiting;    /* likewise */
	int64_t created_at;
	int64_t updated_at, ended_at; /* of a move */
	bool is_move;
	bool is_save;
	const char *file; /* of a save or restore */
};
extern const struct json_field job_reply_fields[];

struct move_cancel_reply {
	bool cancelled, under_way;
	const char *owner, *state, *detail;
};
extern const struct json_field move_cancel_fields[];
/* The same for a cancel that came too late. */
struct move_cancel_problem {
	struct problem problem;
	struct move_cancel_reply cancel;
};
extern const struct json_field move_cancel_problem_fields[];

/* One item of the timeline. */
struct move_timeline_item {
	int64_t at;
	const char *event, *detail;
};
extern const struct json_field move_timeline_fields[];

/* A pass over the guest's memory, or several that follow each other. */
#define MOVE_DECISION_SIZE 128
struct move_pass {
	uint64_t first, last;              /* numbers of the passes; 1 is the first */
	uint64_t began_ms;                 /* since memory began to be sent */
	uint64_t duration_ms;              /* of the last one: so far */
	uint64_t begun_at_bytes;           /* sent by the passes before */
	uint64_t sent_bytes;               /* by these */
	uint64_t to_send_bytes;            /* what was to be sent when the first of them began */
	uint64_t dirty_pages_per_s;        /* as QEMU says; of several the mean over their time */
	uint64_t throttle_percent;         /* the most that the guest's CPUs were slowed down */
	char decision[MOVE_DECISION_SIZE]; /* of the last of them; "": none */
};
extern const struct json_field move_pass_fields[];

#endif

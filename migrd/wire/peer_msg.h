/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/peer_msg.h -- what coordinators say to each other, protocol version 1.
 *
 *     POST /peer/v1/hello             peer_hello    -> peer_hello_reply
 *     POST /peer/v1/moves/{id}/prepare  peer_prepare -> peer_prepare_reply
 *     POST /peer/v1/preflight         peer_prepare  -> peer_preflight_reply
 *     POST /peer/v1/probe             peer_probe    -> peer_probe_reply
 *     POST /peer/v1/moves/{id}/go     peer_claim    -> peer_verdict_reply
 *     POST /peer/v1/moves/{id}/drop   peer_claim    -> peer_verdict_reply
 *     POST /peer/v1/moves/{id}/recover peer_claim   -> peer_prepare_reply
 *     POST /peer/v1/moves/{id}/settle peer_settle   -> peer_settled
 *     GET  /peer/v1/moves/{id}[?uuid=UUID&generation=N[&priority=NAME]] -> peer_fate
 *     GET  /peer/v1/vms[?after=NAME][&uuid=UUID]    -> peer_vms
 *
 * Keys that a decoder does not know are skipped: a newer coordinator may add
 * some without a new version.  A decoder sets *ret only when it returns true;
 * errors are INVALID, and name every fault.  Thread: any.
 */
#ifndef MIGRD_WIRE_PEER_MSG_H
#define MIGRD_WIRE_PEER_MSG_H

#include "base/id.h"
#include "base/json.h"
#include "wire/move_reply.h"
#include "wire/move_request.h"
#include "wire/transfer_plan.h"
#include "wire/verdict.h"

#define PEER_ADDRESS_SIZE 272 /* HOST:PORT, a DNS name has 253 */
/* Versions of the peer protocol that this coordinator speaks. */
#define PEER_PROTOCOL_MIN 1
#define PEER_PROTOCOL_MAX 1

#define PEER_CHANNEL_SIZE 32
#define PEER_CHANNEL_MAX  64
#define PEER_STATE_SIZE   32
#define PEER_TIME_MAX_US  (INT64_C(1) << 53) /* the year 2255 */
#define PEER_VMS_MAX      256 /* VMs in one answer */
/* Each change of owner adds one; every reader of JSON has whole numbers up to 2^53. */
#define PEER_GENERATION_MAX ((UINT64_C(1) << 53) - 2)

/* The name of a route in fault points: the last word of PATH; of a path that ends with an id the
 * word before it, and `fate' of a move's.  PATH may be that of a route, with {NAME}. */
void peer_route_name(const char *path, char *ret, size_t size);

struct peer_hello {
	struct {
		uint64_t min, max;
	} protocol; /* versions the sender speaks */
	char host[ID_NAME_SIZE];
	char software[64]; /* for the log only: "migrd 0.1.0" */
};

struct peer_hello_reply {
	uint64_t protocol; /* the version chosen */
	char host[ID_NAME_SIZE];
	char software[64];
	/* Features of the QEMU that the sender's next guest would have. */
	bool has_migration; /* false: not known yet, or an older coordinator */
	struct transfer_features migration;
	/* What its budget would leave to one more move to it, in bytes a second. */
	bool has_let_come; /* false: there is no budget, or an older coordinator */
	uint64_t let_come_bytes_per_s;
};

struct peer_prepare {
	char move_id[ID_UUID_SIZE];
	uint64_t generation; /* of the owner before the move */
	char source[ID_NAME_SIZE];
	struct json_object *definition; /* vm_def.h; owned; without what is in ABOUT */
	/* Members of the definition that no guest needs, so that an older coordinator, which would
	 * refuse a definition with them, ignores them; owned; NULL: it has none of them. */
	struct json_object *about;
	struct move_options options;  /* the limits and, beside `options', the priority */
	struct json_object *evidence; /* evidence.h; owned; NULL: none */
	struct json_object *plan; /* transfer_plan.h; owned; NULL: an older coordinator */
	bool run; /* the user wants the guest to run, at the time of the offer; go decides */
	bool stopped; /* the VM is stopped, and stays so whatever go says */
	bool autostart_due; /* stopped, and to be started since its host was booted: where it goes
			     */
	uint64_t hold_s; /* so long its memory may not come, beside offer_timeout_ms */
};

struct peer_prepare_reply {
	char data_address[PEER_ADDRESS_SIZE];
	char token[ID_TOKEN_SIZE];
	bool compared; /* the evidence was compared with what this host has */
	bool autostart_due; /* the VM will be started here; false of an older coordinator */
	char channels[PEER_CHANNEL_MAX][PEER_CHANNEL_SIZE]; /* "ram" */
	size_t channel_count;
};

#define PEER_REASONS_MAX 40

/* What speaks against a guest that is not offered yet; nothing was made or changed. */
struct peer_preflight_reply {
	struct peer_reason {
		char check[PEER_STATE_SIZE];
		char detail[ERR_MSG_SIZE];
	} reasons[PEER_REASONS_MAX];
	size_t reason_count;
	struct peer_reason warnings[PEER_REASONS_MAX]; /* for which it would not refuse the guest */
	size_t warning_count;
	char data_address[PEER_ADDRESS_SIZE]; /* where it would take the data */
	uint64_t now_ms;           /* the answering host's clock, since 1970 */
	uint64_t certificate_days; /* until its certificate ends */
	bool has_certificate_s;    /* false: an older coordinator */
	uint64_t certificate_s;    /* the same in seconds */
};

/* The sender would like to measure the link: it connects to the data port, with the channel `probe'
 * of a move ID, and sends until the other host says what has come. */
struct peer_probe {
	uint64_t bytes, ms; /* at most */
};

struct peer_probe_reply {
	char id[ID_UUID_SIZE];
	char token[ID_TOKEN_SIZE];
	char data_address[PEER_ADDRESS_SIZE];
	uint64_t bytes, ms; /* as allowed */
	uint64_t limit_bytes_per_s; /* its budget lets no more come; 0: none, or an older one */
};

struct peer_claim {
	uint64_t generation;
	char uuid[ID_UUID_SIZE]; /* of the VM; "" from an older coordinator */
	bool run;                /* go: the guest is to run; a paused one stays paused */
	bool switched;           /* go: post-copy has begun: the source cannot have it back */
	struct nic_address addresses[NIC_FRAMES_MAX]; /* go: to ask the guest for answers */
	size_t address_count;
	bool has_outage_ping;    /* go: the source is one that says how often */
	uint64_t outage_ping_ms; /* 0: not at all */
};

struct peer_verdict {
	int verdict; /* enum verdict, never NONE */
	char reason[ERR_MSG_SIZE];
	uint64_t resumed_us; /* as in peer_fate */
};

/* As it is sent; the receiver decodes the verdict, and keeps the times as JSON. */
struct peer_verdict_reply {
	struct peer_verdict verdict;
	struct move_times times;
};

/* The source's own record of the end is on disk: the destination may drop what it has
 * kept for the source. */
struct peer_settle {
	uint64_t generation;
	char uuid[ID_UUID_SIZE];
	int verdict; /* enum verdict, as the source has it; NONE: it was never told */
	bool run;    /* with taken: the guest is to run there */
};

struct peer_settled {
	bool settled; /* on disk; false is never sent */
};

struct peer_fate {
	char state[PEER_STATE_SIZE]; /* of the move on the answering side */
	bool final;
	bool run;    /* with taken: the guest is to run there; not sent when false */
	int verdict; /* enum verdict */
	char reason[ERR_MSG_SIZE];
	bool cannot_record; /* the last try to write its record failed */
	bool interrupted;   /* destination: QEMU says that the guest waits for memory */
	bool needs_stream;  /* destination: its data stream is broken */
	bool sends_no_more; /* source, in fetch: its QEMU has ended or failed */
	uint64_t limit_bytes_per_s; /* destination: it lets so much come; 0: as much as may */
	/* Destination: by which it shares what may come; enum move_priority, or one of a newer
	 * version; "": an older coordinator, which refuses a question with a priority. */
	char priority[PEER_STATE_SIZE];
	bool memory_lost;   /* source: it had memory that the guest needs, and has ended */
	/* Microseconds since 1970 by the sender's clock. */
	uint64_t at_us;      /* of this answer; 0: an older coordinator */
	uint64_t resumed_us; /* destination: its QEMU's RESUME; 0: it was not seen */
	/* Destination: what it saw of the guest's frames; not there: nothing, or an older
	 * coordinator. */
	struct nic_frames_list frames;
	bool has_frames;
};

/* A VM that the sender has a record of. */
struct peer_vm {
	char uuid[ID_UUID_SIZE];
	char name[ID_NAME_SIZE];
	/* "owned", "incoming", "was-here", "unrecorded" (a QEMU of which the sender has
	 * no record: generation 0), or one of a newer version */
	char role[PEER_STATE_SIZE];
	char state[PEER_STATE_SIZE];
	char move[ID_UUID_SIZE]; /* the move that holds it; "" if none does */
	uint64_t generation;
};

struct peer_vms {
	struct peer_vm items[PEER_VMS_MAX];
	size_t count;
	char next[ID_NAME_SIZE]; /* the last name of this page, to ask for the next; "": no more */
};

extern const struct json_field peer_hello_fields[];
extern const struct json_field peer_hello_reply_fields[];
extern const struct json_field peer_prepare_fields[];
extern const struct json_field peer_prepare_reply_fields[];
extern const struct json_field peer_preflight_reply_fields[];
extern const struct json_field peer_probe_fields[];
extern const struct json_field peer_probe_reply_fields[];
extern const struct json_field peer_claim_fields[];
extern const struct json_field peer_verdict_fields[];
extern const struct json_field peer_verdict_reply_fields[];
extern const struct json_field peer_settle_fields[];
extern const struct json_field peer_settled_fields[];
extern const struct json_field peer_fate_fields[];
extern const struct json_field peer_vms_fields[];

bool peer_hello_decode(struct json_object *obj, struct peer_hello *ret, struct err *err);
bool peer_hello_reply_decode(struct json_object *obj, struct peer_hello_reply *ret,
			     struct err *err);
bool peer_prepare_decode(struct json_object *obj, struct peer_prepare *ret, struct err *err);
/* True: the body agrees with the path (else INVALID) and with the caller's certificate (else
 * FORBIDDEN). */
bool peer_prepare_check(const struct peer_prepare *prepare, const char *path_id, const char *caller,
			struct err *err);
/* Both leave alone what is not there. */
void peer_prepare_split(struct peer_prepare *prepare); /* from the definition to ABOUT */
void peer_prepare_join(struct peer_prepare *prepare);  /* and back */
void peer_prepare_fini(struct peer_prepare *prepare);
bool peer_prepare_reply_decode(struct json_object *obj, struct peer_prepare_reply *ret,
			       struct err *err);
/* It is large: *RET must not be used after false. */
bool peer_preflight_reply_decode(struct json_object *obj, struct peer_preflight_reply *ret,
				 struct err *err);
bool peer_probe_decode(struct json_object *obj, struct peer_probe *ret, struct err *err);
bool peer_probe_reply_decode(struct json_object *obj, struct peer_probe_reply *ret,
			     struct err *err);
bool peer_claim_decode(struct json_object *obj, struct peer_claim *ret, struct err *err);
bool peer_verdict_decode(struct json_object *obj, struct peer_verdict *ret, struct err *err);
bool peer_settle_decode(struct json_object *obj, struct peer_settle *ret, struct err *err);
bool peer_fate_decode(struct json_object *obj, struct peer_fate *ret, struct err *err);
bool peer_vms_decode(struct json_object *obj, struct peer_vms *ret, struct err *err);
/* To encode: json_encode(peer_hello_fields, &hello), and so on. */

#endif

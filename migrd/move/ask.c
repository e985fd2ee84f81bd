/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A move's questions to QEMU and to the peer, and its stream process. */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "vm/entry.h"
#include "wire/peer_msg.h"

/* ---- questions ------------------------------------------------------- */

struct question {
	struct moves *moves;
	char id[ID_UUID_SIZE];
	enum move_state state;
	move_answer_fn *fn;
};

static struct question *question_new(struct move *move, move_answer_fn *fn)
{
	struct question *question = xnew(struct question);

	question->moves = move->moves;
	memcpy(question->id, move->row.id, sizeof(question->id));
	question->state = move->machine.state;
	question->fn = fn;
	return question;
}

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct question *question = data;
	struct move *move = moves_find(question->moves, question->id);

	if (move && move->machine.state == question->state && !move->machine.is_saving)
		question->fn(move, result, err);
	free(question);
}

void move_qmp(struct move *move, const char *command, struct json_object *args,
	      uint32_t deadline_ms, move_answer_fn *fn)
{
	if (move_qemu(move)) {
		vm_job_command(move_vm(move), &move->job, command, args, deadline_ms, on_answer,
			       question_new(move, fn));
	} else {
		json_object_put(args); /* QEMU's end is a fact that the state knows already */
	}
}

void move_qmp_oob(struct move *move, const char *command, struct json_object *args,
		  uint32_t deadline_ms, move_answer_fn *fn)
{
	struct vm *vm = move_vm(move);

	if (vm && move_qemu(move) && vm_job_has_oob(vm, &move->job))
		vm_job_command_oob(vm, &move->job, command, args, deadline_ms, on_answer,
				   question_new(move, fn));
	else
		move_qmp(move, command, args, deadline_ms, fn);
}

static char *fate_path(const struct move *move)
{
	const struct store_move *row = &move->row;
	bool is_told = move->share.there_priority == MOVE_THERE_OTHER;

	return xasprintf("/peer/v1/moves/%s?uuid=%s&generation=%llu%s%s", row->id, row->vm_uuid,
			 (unsigned long long)row->generation, is_told ? "&priority=" : "",
			 is_told ? move_priority_names[move->options.priority] : "");
}

void move_ask_peer(struct move *move, const char *verb, struct json_object *body,
		   uint32_t deadline_ms, move_answer_fn *fn)
{
	CLEANUP(free_charp)
	char *path = verb ? xasprintf("/peer/v1/moves/%s/%s", move->row.id, verb) : fate_path(move);

	peer_request(move->moves->env.peers, move->row.peer, verb ? "POST" : "GET", path, body,
		     deadline_ms, on_answer, question_new(move, fn));
}

void move_ask_hello(struct move *move, uint32_t deadline_ms, move_answer_fn *fn)
{
	peer_hello(move->moves->env.peers, move->row.peer, deadline_ms, on_answer,
		   question_new(move, fn));
}

struct json_object *move_claim_json(const struct move *move, bool run)
{
	struct peer_claim claim = {
		.generation = move->row.generation,
		.run = run,
		.switched = move->facts.switch_wanted &&
			    move_parts_progress(move) == MOVE_PART_SWITCHED,
	};

	claim.address_count = run ? move_frames_addresses(move, claim.addresses) : 0;
	claim.has_outage_ping = run;
	claim.outage_ping_ms = move_outage_ping_ms(move);
	memcpy(claim.uuid, move->row.vm_uuid, sizeof(claim.uuid));
	return json_encode(peer_claim_fields, &claim);
}

/* ---- the stream ------------------------------------------------------ */

char *move_dir(const struct move *move)
{
	return xasprintf("%s/moves/%s", move->moves->env.run_dir, move->row.id);
}

char *move_channel_path(const struct move *move, const char *channel)
{
	CLEANUP(free_charp) char *dir = move_dir(move);

	return xasprintf("%s/%s.sock", dir, channel);
}

static void on_stream_ready(void *data, const struct err *err)
{
	struct move *move = data;

	if (err) {
		move_note(move, "stream", "%s", err->msg);
		move->facts.stream_gone = true;
	} else {
		move->facts.stream_started = true;
	}
	machine_step(&move->machine);
}

static void on_stream_status(void *data, const struct stream_status *status)
{
	static const char *const names[] = {
		[STREAM_CHANNEL_IDLE] = "idle",     [STREAM_CHANNEL_READY] = "ready",
		[STREAM_CHANNEL_OPEN] = "open",     [STREAM_CHANNEL_CLOSED] = "closed",
		[STREAM_CHANNEL_FAILED] = "failed",
	};
	struct move *move = data;

	if (move->stream_told != names[status->state])
		move_note(move, "stream", "%s %s", names[status->state], status->error);
	move->stream_told = names[status->state];
	if (status->state == STREAM_CHANNEL_READY || status->state == STREAM_CHANNEL_OPEN)
		move->facts.stream_ready = true;
	machine_step(&move->machine);
}

static void on_stream_exited(void *data)
{
	struct move *move = data;

	move->facts.stream_gone = true;
	move_note(move, "stream", "exited");
	machine_step(&move->machine);
}

static struct stream_callbacks stream_callbacks(struct move *move)
{
	return (struct stream_callbacks){ on_stream_ready, on_stream_status, on_stream_exited,
					  move };
}

const char *move_stream_fault(const struct move *move)
{
	const struct stream_status *status = move->stream ? stream_status(move->stream) : NULL;

	if (status && status->state == STREAM_CHANNEL_FAILED)
		return status->error;
	return move->facts.stream_gone ? "migrd-stream ended" : NULL;
}

/* A guest that QEMU has stopped waits for us: not for ever.  After the switch to post-copy it waits
 * for nobody here. */
static void note_monitor(const struct move *move, struct stream_config *config)
{
	const struct qemu *qemu = move_qemu(move);
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(free_charp) char *other = NULL;

	if (move->side != MOVE_SRC || !qemu || move->facts.switch_wanted)
		return;
	path = qemu_spare_monitor(qemu);
	snprintf(config->monitor, sizeof(config->monitor), "%s", path);
	other = qemu_used_monitor(qemu);
	snprintf(config->other_monitor, sizeof(config->other_monitor), "%s", other ? other : "");
}

void move_stream_files(const struct moves_env *env, struct stream_config *ret)
{
	snprintf(ret->program, sizeof(ret->program), "%s", env->stream_program);
	snprintf(ret->ca_file, sizeof(ret->ca_file), "%s", env->ca_file);
	snprintf(ret->cert_file, sizeof(ret->cert_file), "%s", env->cert_file);
	snprintf(ret->key_file, sizeof(ret->key_file), "%s", env->key_file);
}

bool move_start_stream(struct move *move, struct err *err)
{
	const struct moves_env *env = &move->moves->env;
	const struct stream_callbacks cb = stream_callbacks(move);
	CLEANUP(free_charp) char *dir = move_dir(move);
	struct stream_config config = {
		.side = move->side == MOVE_SRC ? STREAM_SRC : STREAM_DST,
		.link_timeout_ms = env->link_timeout_ms,
		.connect_timeout_ms = env->prepare_timeout_ms,
		.bandwidth_bytes_per_s =
			move->side == MOVE_SRC ? move->options.bandwidth_bytes_per_s : 0,
	};

	snprintf(config.move_id, sizeof(config.move_id), "%s", move->row.id);
	snprintf(config.dir, sizeof(config.dir), "%s", dir);
	move_stream_files(env, &config);
	snprintf(config.peer_id, sizeof(config.peer_id), "%s", move->row.peer);
	snprintf(config.data_address, sizeof(config.data_address), "%s", move->data_address);
	snprintf(config.token, sizeof(config.token), "%s", move->token);
	memcpy(config.channels, move->plan->channels, sizeof(config.channels));
	config.channel_count = move->plan->channel_count;
	note_monitor(move, &config);
	if (!dir_make(dir, 0700, err))
		return false;
	move->stream = stream_start(env->loop, &config, &cb, &move->stream_id, err);
	if (move->stream)
		machine_save(&move->machine); /* the process's id, for a restart */
	return move->stream != NULL;
}

void move_attach_stream(struct move *move)
{
	const struct stream_callbacks cb = stream_callbacks(move);
	CLEANUP(free_charp) char *dir = move_dir(move);

	if (!move->stream_id.pid) {
		move->facts.stream_gone = true;
		return;
	}
	move->stream = stream_attach(move->moves->env.loop, dir, move->stream_id, &cb);
}

void move_end_stream(struct move *move)
{
	CLEANUP(free_charp) char *dir = move_dir(move);
	struct err err;

	if (move->stream) {
		stream_kill(move->stream);
		stream_free(TAKE_PTR(move->stream));
	} else {
		stream_end_lost(move->moves->env.loop, dir, move->stream_id);
	}
	if (!dir_remove(dir, &err))
		log_warning("move", "leftover", "move=%s error=%s", move->row.id, err.msg);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_stream.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "trace.h"

/* There is one process, that of the move under test. */
static struct {
	bool is_alive;
	struct proc_id id;
	char dir[108];
	struct stream_status status;
} process;

struct stream {
	struct stream_callbacks cb;
	struct stream_status status;
	bool told_ready;
};

bool fake_stream_start_fails;
uint32_t fake_stream_lease_ms;
uint64_t fake_stream_bytes_per_s;

static struct loop *loop;
static struct stream *the_stream; /* the object that watches the process */

void fake_stream_init(struct loop *the_loop)
{
	loop = the_loop;
	fake_stream_start_fails = false;
	fake_stream_lease_ms = STREAM_LEASE_FOREVER;
	memset(&process, 0, sizeof(process));
}

void fake_stream_fini(void)
{
	ck_assert_ptr_null(the_stream);
}

bool fake_stream_is_alive(void)
{
	return process.is_alive;
}

static void tell_ready(void *data)
{
	struct err err;

	if (the_stream != data || the_stream->told_ready)
		return;
	the_stream->told_ready = true;
	if (process.is_alive) {
		the_stream->cb.ready(the_stream->cb.data, NULL);
		return;
	}
	err_set(&err, ERR_UNAVAILABLE, "there is no such process");
	the_stream->cb.ready(the_stream->cb.data, &err);
}

static void tell_exit(void *data)
{
	if (the_stream == data && the_stream->told_ready)
		the_stream->cb.exited(the_stream->cb.data);
}

static void tell_status(void *data)
{
	if (the_stream != data)
		return;
	the_stream->status = process.status;
	the_stream->cb.status(the_stream->cb.data, &the_stream->status);
}

void fake_stream_becomes(enum stream_channel_state state)
{
	process.status.state = state;
	snprintf(process.status.error, sizeof(process.status.error), "%s",
		 state == STREAM_CHANNEL_FAILED ? "connection refused" : "");
	loop_post(loop, tell_status, the_stream);
	loop_sim_run(loop);
}

void fake_stream_fails(const char *why)
{
	process.status.state = STREAM_CHANNEL_FAILED;
	snprintf(process.status.error, sizeof(process.status.error), "%s", why);
	loop_post(loop, tell_status, the_stream);
	loop_sim_run(loop);
}

void fake_stream_received(uint64_t bytes)
{
	process.status.bytes_in = bytes;
}

static void end(void)
{
	if (process.is_alive && the_stream)
		loop_post(loop, tell_exit, the_stream);
	process.is_alive = false;
}

void fake_stream_dies(void)
{
	end();
	loop_sim_run(loop);
}

/* ---- stream/proc.h --------------------------------------------------- */

static struct stream *stream_new(const struct stream_callbacks *cb)
{
	ck_assert_ptr_null(the_stream);
	the_stream = xnew(struct stream);
	the_stream->cb = *cb;
	loop_post(loop, tell_ready, the_stream);
	return the_stream;
}

struct stream *stream_start(struct loop *the_loop, const struct stream_config *config,
			    const struct stream_callbacks *cb, struct proc_id *ret_id,
			    struct err *err)
{
	(void)the_loop;
	trace_add("stream start");
	if (fake_stream_start_fails) {
		err_set(err, ERR_NOT_FOUND, "there is no migrd-stream");
		return NULL;
	}
	ck_assert(!process.is_alive);
	memset(&process, 0, sizeof(process));
	fake_stream_bytes_per_s = config->bandwidth_bytes_per_s;
	process.is_alive = true;
	process.id = (struct proc_id){ 77, 7 };
	snprintf(process.dir, sizeof(process.dir), "%s", config->dir);
	*ret_id = process.id;
	return stream_new(cb);
}

struct stream *stream_attach(struct loop *the_loop, const char *dir, struct proc_id id,
			     const struct stream_callbacks *cb)
{
	(void)the_loop;
	ck_assert(!process.id.pid || (strcmp(dir, process.dir) == 0 && id.pid == process.id.pid));
	return stream_new(cb);
}

void stream_accept(struct stream *stream, int fd, const char *channel)
{
	(void)stream;
	(void)fd;
	trace_add("stream accept %s", channel);
}

void stream_set_bandwidth(struct stream *stream, uint64_t bytes_per_s)
{
	(void)stream;
	fake_stream_bytes_per_s = bytes_per_s;
}

void stream_set_link_timeout(struct stream *stream, uint32_t ms)
{
	(void)stream;
	trace_add("stream timeout %u", ms);
}

void stream_set_lease(struct stream *stream, uint32_t ms)
{
	(void)stream;
	fake_stream_lease_ms = ms;
}

void stream_give_way(struct stream *stream, uint32_t ms)
{
	(void)stream;
	trace_add("stream give-way %u", ms);
}

void stream_keep(struct stream *stream)
{
	(void)stream;
	trace_add("stream keep");
}

const struct stream_status *stream_status(const struct stream *stream)
{
	return &stream->status;
}

void stream_refresh(struct stream *stream)
{
	loop_post(loop, tell_status, stream);
}

void stream_kill(struct stream *stream)
{
	ck_assert_ptr_eq(stream, the_stream);
	if (process.is_alive)
		trace_add("stream kill");
	end();
}

void stream_end_lost(struct loop *the_loop, const char *dir, struct proc_id id)
{
	(void)the_loop;
	if (!process.is_alive || strcmp(dir, process.dir) != 0 ||
	    (id.pid && id.pid != process.id.pid))
		return;
	trace_add("stream end-lost");
	end();
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	ck_assert_ptr_eq(stream, the_stream);
	the_stream = NULL;
	free(stream);
}

/* ---- a probe ------------------------------------------------------------- */

struct stream_probe_result fake_probe_result;
struct stream_probe_wish fake_probe_wish;
unsigned fake_probes, fake_probes_served;

bool stream_probe_blocking(const struct stream_probe_wish *wish, int stop_fd,
			   struct stream_probe_result *ret, struct err *err)
{
	(void)stop_fd;
	(void)err;
	fake_probes++;
	fake_probe_wish = *wish;
	*ret = fake_probe_result;
	return true;
}

bool stream_probe_serve(const struct stream_probe_wish *wish, int fd, struct err *err)
{
	(void)fd;
	(void)err;
	fake_probes_served++;
	fake_probe_wish = *wish;
	return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: the first line of a connection from anywhere, and both directions of the
 * control socket.  No crash, and an error exactly when there is no result. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "stream/preamble.h"
#include "stream/probe.h"
#include "stream/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_preamble(const char *data, size_t size)
{
	struct stream_preamble preamble;
	const char *why = NULL;

	if (!stream_preamble_parse(data, size, &preamble, &why)) {
		assert(why);
		return;
	}
	assert(id_uuid_is_valid(preamble.move_id));
	assert(transfer_channel_name_is_valid(preamble.channel));
	assert(id_token_is_valid(preamble.proof));
}

static void try_request(const char *data, size_t size)
{
	static struct stream_request req, again;
	struct err err = { .code = ERR_NONE };
	bool ok = stream_request_parse(data, size, &req, &err);
	char msg[STREAM_MSG_MAX];
	size_t len;

	assert(ok != err_is_set(&err));
	if (!ok || !stream_request_print(&req, msg, &len, &err))
		return;
	ok = stream_request_parse(msg, len, &again, &err);
	assert(ok);
	assert(again.cmd == req.cmd && strcmp(again.channel, req.channel) == 0);
}

static void try_report(const char *data, size_t size)
{
	static struct stream_report report, again;
	struct err err = { .code = ERR_NONE };
	bool ok = stream_report_parse(data, size, &report, &err);
	char msg[STREAM_MSG_MAX];
	size_t len;

	assert(ok != err_is_set(&err));
	if (!ok || !stream_report_print(&report, msg, &len, &err))
		return;
	ok = stream_report_parse(msg, len, &again, &err);
	assert(ok);
	assert(again.event == report.event && again.status.state == report.status.state);
}

/* What the other host says of a probe, and what the process says of its end. */
static void try_probe(const char *data, size_t size)
{
	struct stream_probe_result result;
	struct gauge_report report, again;
	char line[GAUGE_LINE_SIZE];
	struct err err = { .code = ERR_NONE };
	bool ok = stream_probe_result_parse(data, size, &result, &err);

	assert(ok != err_is_set(&err));
	if (size < GAUGE_LINE_SIZE || !gauge_report_parse(data, &report))
		return;
	gauge_report_print(&report, line);
	ok = gauge_report_parse(line, &again);
	assert(ok && again.bytes_per_s == report.bytes_per_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_preamble((const char *)data, size);
	try_request((const char *)data, size);
	try_report((const char *)data, size);
	try_probe((const char *)data, size);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages on the control socket, and the first line at the data port. */
#include <string.h>

#include "base/mem.h"
#include "stream/proto.h"
#include "tests/lib/check_main.h"

#define MOVE "01934c5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"

static struct stream_request configure_request(void)
{
	struct stream_request req = { .cmd = STREAM_CMD_CONFIGURE };

	req.config.side = STREAM_DST;
	snprintf(req.config.move_id, sizeof(req.config.move_id), MOVE);
	snprintf(req.config.dir, sizeof(req.config.dir), "/run/migrd/m1");
	snprintf(req.config.ca_file, sizeof(req.config.ca_file), "/etc/migrd/ca.pem");
	snprintf(req.config.cert_file, sizeof(req.config.cert_file), "/etc/migrd/host.pem");
	snprintf(req.config.key_file, sizeof(req.config.key_file), "/etc/migrd/host-key.pem");
	snprintf(req.config.peer_id, sizeof(req.config.peer_id), "a");
	snprintf(req.config.data_address, sizeof(req.config.data_address), "[::1]:8441");
	id_token_new(req.config.token);
	req.config.link_timeout_ms = 20000;
	req.config.connect_timeout_ms = 30000;
	req.config.bandwidth_bytes_per_s = UINT64_MAX;
	return req;
}

/* ---- control --------------------------------------------------------- */

START_TEST(configure_survives_the_trip)
{
	struct stream_request req = configure_request(), got;
	char msg[STREAM_MSG_MAX];
	struct err err;
	size_t len;

	ck_assert_msg(stream_request_print(&req, msg, &len, &err), "%s", err.msg);
	ck_assert_msg(stream_request_parse(msg, len, &got, &err), "%s", err.msg);
	ck_assert_int_eq(got.cmd, STREAM_CMD_CONFIGURE);
	ck_assert_int_eq(got.config.side, STREAM_DST);
	ck_assert_str_eq(got.config.move_id, MOVE);
	ck_assert_str_eq(got.config.dir, req.config.dir);
	ck_assert_str_eq(got.config.key_file, req.config.key_file);
	ck_assert_str_eq(got.config.data_address, req.config.data_address);
	ck_assert_str_eq(got.config.token, req.config.token);
	ck_assert_uint_eq(got.config.link_timeout_ms, 20000);
	ck_assert_uint_eq(got.config.connect_timeout_ms, 30000);
	ck_assert_uint_eq(got.config.bandwidth_bytes_per_s, UINT64_MAX);
}
END_TEST

/* Older coordinators send no `without_lease': their channels wait for the lease. */
START_TEST(rows_of_channels_survive_the_trip)
{
	static const struct transfer_channel rows[] = {
		{ "ram", .connections = 4, .may_reconnect = true },
		{ "disks", .connections = TRANSFER_CONNECTION_MAX,
		  .speaks_first = TRANSFER_DESTINATION, .without_lease = true },
	};
	struct stream_request req = configure_request(), got;
	char msg[STREAM_MSG_MAX];
	struct err err;
	size_t len;

	memcpy(req.config.channels, rows, sizeof(rows));
	req.config.channel_count = ARRAY_LEN(rows);
	ck_assert_msg(stream_request_print(&req, msg, &len, &err), "%s", err.msg);
	ck_assert_msg(stream_request_parse(msg, len, &got, &err), "%s", err.msg);
	ck_assert_uint_eq(got.config.channel_count, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct transfer_channel *row = &got.config.channels[i];

		ck_assert_str_eq(row->name, rows[i].name);
		ck_assert_uint_eq(row->connections, rows[i].connections);
		ck_assert_int_eq(row->speaks_first, rows[i].speaks_first);
		ck_assert_int_eq(row->may_reconnect, rows[i].may_reconnect);
		ck_assert_int_eq(row->without_lease, rows[i].without_lease);
	}
}
END_TEST

START_TEST(small_requests_survive_the_trip)
{
	const struct stream_request requests[] = {
		{ .cmd = STREAM_CMD_ACCEPT, .channel = "ram" },
		{ .cmd = STREAM_CMD_LIMIT, .bytes_per_s = 0 },
		{ .cmd = STREAM_CMD_LIMIT, .bytes_per_s = 1u << 30 },
		{ .cmd = STREAM_CMD_LINK_TIMEOUT, .timeout_ms = 3000 },
		{ .cmd = STREAM_CMD_LEASE, .timeout_ms = 0 },
		{ .cmd = STREAM_CMD_LEASE, .timeout_ms = STREAM_LEASE_FOREVER },
		{ .cmd = STREAM_CMD_GIVE_WAY, .timeout_ms = 300 },
		{ .cmd = STREAM_CMD_STATUS },
		{ .cmd = STREAM_CMD_QUIT },
	};
	const struct stream_request *req = &requests[_i];
	struct stream_request got;
	char msg[STREAM_MSG_MAX];
	struct err err;
	size_t len;

	ck_assert_msg(stream_request_print(req, msg, &len, &err), "%s", err.msg);
	ck_assert_msg(stream_request_parse(msg, len, &got, &err), "%s: %s", msg, err.msg);
	ck_assert_int_eq(got.cmd, req->cmd);
	ck_assert_str_eq(got.channel, req->channel);
	ck_assert_uint_eq(got.bytes_per_s, req->bytes_per_s);
	ck_assert_uint_eq(got.timeout_ms, req->timeout_ms);
}
END_TEST

START_TEST(reports_survive_the_trip)
{
	struct stream_report status = { .event = STREAM_EVENT_CHANNEL,
					.channel = "ram",
					.status = { .state = STREAM_CHANNEL_FAILED,
						    .bytes_out = 1ull << 40,
						    .bytes_in = 7,
						    .error = "the \"link\" is gone" } };
	struct stream_report reply = { .event = STREAM_EVENT_REPLY, .to = STREAM_CMD_LIMIT };
	struct stream_report got;
	char msg[STREAM_MSG_MAX];
	struct err err;
	size_t len;

	ck_assert(stream_report_print(&status, msg, &len, &err));
	ck_assert_msg(stream_report_parse(msg, len, &got, &err), "%s", err.msg);
	ck_assert_int_eq(got.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_uint_eq(got.status.bytes_out, 1ull << 40);
	ck_assert_uint_eq(got.status.bytes_in, 7);
	ck_assert_str_eq(got.status.error, status.status.error);

	ck_assert(stream_report_print(&reply, msg, &len, &err));
	ck_assert_msg(stream_report_parse(msg, len, &got, &err), "%s", err.msg);
	ck_assert_int_eq(got.to, STREAM_CMD_LIMIT);
	ck_assert(!err_is_set(&got.err));

	err_set(&reply.err, ERR_FORBIDDEN, "no");
	ck_assert(stream_report_print(&reply, msg, &len, &err));
	ck_assert(stream_report_parse(msg, len, &got, &err));
	ck_assert_int_eq(got.err.code, ERR_FORBIDDEN);
	ck_assert_str_eq(got.err.msg, "no");
}
END_TEST

static const char *const bad_requests[] = {
	"",
	"{",
	"[]",
	"{}",
	"{\"cmd\":7}",
	"{\"cmd\":\"dance\"}",
	"{\"cmd\":\"limit\"}",
	"{\"cmd\":\"limit\",\"bytes_per_s\":-1}",
	"{\"cmd\":\"limit\",\"bytes_per_s\":\"9\"}",
	"{\"cmd\":\"link-timeout\",\"ms\":0}",
	"{\"cmd\":\"give-way\"}",
	"{\"cmd\":\"give-way\",\"ms\":1001}",
	"{\"cmd\":\"link-timeout\",\"ms\":4294967296000}",
	"{\"cmd\":\"accept\",\"channel\":\"../ram\"}",
	"{\"cmd\":\"accept\",\"channel\":\"a-name-of-16-byte\"}",
	"{\"cmd\":\"accept\"}",
	"{\"cmd\":\"configure\"}",
	"{\"cmd\":\"status\",\"cmd\":\"quit\"}",
	"{\"cmd\":\"status\"} {}",
};

/* A malformed request of the other process is refused. */
START_TEST(bad_request_is_refused)
{
	struct stream_request got;
	struct err err = { .code = ERR_NONE };

	ck_assert_msg(!stream_request_parse(bad_requests[_i], strlen(bad_requests[_i]), &got, &err),
		      "%s", bad_requests[_i]);
	ck_assert(err_is_set(&err));
}
END_TEST

/* Coordinator and process may be of different versions during an upgrade. */
START_TEST(member_of_a_newer_version_is_skipped)
{
	const char *msg = "{\"cmd\":\"limit\",\"bytes_per_s\":5,\"channels\":[\"ram\"]}";
	struct stream_request got;
	struct err err;

	ck_assert_msg(stream_request_parse(msg, strlen(msg), &got, &err), "%s", err.msg);
	ck_assert_uint_eq(got.bytes_per_s, 5);
}
END_TEST

/* ---- network --------------------------------------------------------- */

static const struct {
	const char *text, *host, *port;
} addresses[] = {
	{ "127.0.0.1:8441", "127.0.0.1", "8441" },
	{ "[::1]:0", "::1", "0" },
	{ "host.example.org:65535", "host.example.org", "65535" },
	{ "127.0.0.1", NULL, NULL },
	{ ":8441", NULL, NULL },
	{ "[]:8441", NULL, NULL },
	{ "::1:8441", NULL, NULL },
	{ "127.0.0.1:", NULL, NULL },
	{ "127.0.0.1:65536", NULL, NULL },
	{ "127.0.0.1:+80", NULL, NULL },
	{ "127.0.0.1:http", NULL, NULL },
	{ "127.0.0.1:000080", NULL, NULL },
};

START_TEST(address_is_read_or_refused)
{
	struct stream_address got;
	struct err err;
	bool ok = stream_address_parse(addresses[_i].text, &got, &err);

	ck_assert_msg(ok == (addresses[_i].host != NULL), "%s", addresses[_i].text);
	if (ok) {
		ck_assert_str_eq(got.host, addresses[_i].host);
		ck_assert_str_eq(got.port, addresses[_i].port);
	}
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("stream_proto");
	TCase *control = tcase_create("control");
	TCase *network = tcase_create("network");

	tcase_add_test(control, configure_survives_the_trip);
	tcase_add_test(control, rows_of_channels_survive_the_trip);
	tcase_add_loop_test(control, small_requests_survive_the_trip, 0, 9);
	tcase_add_test(control, reports_survive_the_trip);
	tcase_add_loop_test(control, bad_request_is_refused, 0, (int)ARRAY_LEN(bad_requests));
	tcase_add_test(control, member_of_a_newer_version_is_skipped);
	suite_add_tcase(s, control);
	tcase_add_loop_test(network, address_is_read_or_refused, 0, (int)ARRAY_LEN(addresses));
	suite_add_tcase(s, network);
	return s;
}

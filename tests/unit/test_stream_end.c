/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a connection that is made again ends (stream/carry.h): one side is a real migrd-stream, the
 * test is the other, and loses links where it likes. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "stream/carry.h"
#include "stream/link.h"
#include "tests/lib/check_main.h"
#include "tests/lib/stream_rig.h"

/* The link timeout of the real side; nothing is given up in the second, and in the third it must
 * have been, on a busy machine too. */
/* Between the two, this process and the other may stand still on a busy machine. */
#define TIMEOUT_MS  3000
#define GIVES_UP_MS 1000
#define GIVEN_UP_MS 20000
#define HELLO_BYTES 10

static const struct transfer_channel row = { "ram", .connections = 1, .may_reconnect = true };

static gnutls_certificate_credentials_t cred;
static struct stream_port *our_port;
static struct link links[8];     /* the test's, one after another */
static size_t link_count, taken; /* made; used by the test */

static uint64_t soon_ms(void)
{
	return clock_monotonic_ms() + WAIT_MS;
}

/* ---- the test's side ------------------------------------------------------------ */

static void load_credentials(const struct side *side)
{
	struct err err;

	ck_assert_msg(tls_credentials(side->config.ca_file, side->config.cert_file,
				      side->config.key_file, &cred, &err),
		      "%s", err.msg);
}

static struct link *newest(void)
{
	return &links[taken - 1];
}

static void say(const char *record, size_t len)
{
	struct err err;

	ck_assert_msg(link_send(newest(), record, len, soon_ms(), &err), "%s", err.msg);
}

static void say_type(char type)
{
	say(&type, 1);
}

static void say_hello(uint8_t delivered)
{
	const char record[HELLO_BYTES] = { 'H', 0, 0, 0, 0, 0, 0, 0, 0, (char)delivered };

	say(record, sizeof(record));
}

static void hear(const char *record, size_t len)
{
	char got[64] = "";
	struct err err;

	ck_assert_msg(link_recv(newest(), got, len, soon_ms(), &err), "%s", err.msg);
	ck_assert_msg(memcmp(got, record, len) == 0, "'%c' in place of '%c'", got[0], record[0]);
}

static void hear_type(char type)
{
	hear(&type, 1);
}

static void hear_hello(uint8_t delivered)
{
	const char record[HELLO_BYTES] = { 'H', 0, 0, 0, 0, 0, 0, 0, 0, (char)delivered };

	hear(record, sizeof(record));
}

/* The end of TLS, which nobody in between can make. */
static void hear_bye(void)
{
	char byte;
	struct err err;

	ck_assert(!link_recv(newest(), &byte, 1, soon_ms(), &err));
	ck_assert_str_eq(err.msg, "the other host closed the connection");
}

static void lose_link(void)
{
	link_close(newest());
}

static void say_bye(void)
{
	gnutls_bye(newest()->session, GNUTLS_SHUT_WR);
	(void)shutdown(newest()->fd, SHUT_WR);
}

/* ---- the test is the source ------------------------------------------------------- */

static void connect_as_source(void)
{
	struct stream_preamble preamble = { .channel = "ram", .attempt = (uint32_t)link_count + 1 };
	struct link *link = &links[link_count++];
	char token[ID_TOKEN_SIZE + 1];
	struct err err;

	taken = link_count;
	memcpy(preamble.move_id, move_id, sizeof(preamble.move_id));
	stream_preamble_prove(&preamble, dst.config.token);
	*link = (struct link)LINK_INIT;
	ck_assert_msg(link_connect(link, dst.config.data_address, WAIT_MS, soon_ms(), &err), "%s",
		      err.msg);
	ck_assert_msg(link_send_preamble(link, &preamble, soon_ms(), &err), "%s", err.msg);
	claims = 0;
	for (unsigned i = 0; i < 1000 && claims == 0; i++)
		run_until(never, NULL, 10); /* our coordinator hands it on */
	ck_assert_msg(link_handshake(link, STREAM_SRC, cred, "b", soon_ms(), &err), "%s", err.msg);
	snprintf(token, sizeof(token), "%s\n", dst.config.token);
	say(token, ID_TOKEN_SIZE);
	hear_type(STREAM_TOKEN_OK);
}

static void begin_as_source(void)
{
	dst.config.channels[dst.config.channel_count++] = row;
	dst.config.link_timeout_ms = TIMEOUT_MS;
	start_well(&dst);
	load_credentials(&src);
	connect_as_source();
	say_hello(0);
	dst_qemu = accept_qemu(qemu_listen_fd);
	hear_hello(0);
	ck_assert(run_until(is_open, &dst, WAIT_MS));
}

/* Both QEMUs have ended, and all has come. */
static void end_both_as_source(void)
{
	say("Dpage", 5);
	expect_bytes(dst_qemu, "page");
	say_type('E');
	hear_type('e');
	ck_assert(sees_end(dst_qemu, WAIT_MS));
	close(dst_qemu);
	dst_qemu = -1;
	hear_type('E');
}

/* The destination is over, and the source, which has not heard it, would ask without end. */
START_TEST(destination_that_is_over_says_so_as_often_as_it_is_asked)
{
	begin_as_source();
	end_both_as_source();
	say_type('e');
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
	for (int i = 0; i < 3; i++) {
		lose_link();
		connect_as_source();
		say_hello(0);
		hear_hello(4);
		hear_type('E');
		hear_type('e');
		hear_bye();
	}
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

START_TEST(destination_says_by_the_end_of_tls_that_it_is_over)
{
	begin_as_source();
	end_both_as_source();
	say_type('e');
	hear_bye();
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* The word that the source has got all is lost, and comes over the next link. */
START_TEST(destination_waits_for_the_last_word_over_another_link)
{
	begin_as_source();
	end_both_as_source();
	lose_link();
	connect_as_source();
	ck_assert(!has_ended(&dst));
	say_hello(0);
	hear_hello(4);
	hear_type('e');
	say_type('E');
	say_type('e');
	hear_type('E');
	hear_bye();
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

START_TEST(destination_gives_up_a_source_that_does_not_come_back_at_the_end)
{
	begin_as_source();
	end_both_as_source();
	lose_link();
	ck_assert(!run_until(has_ended, &dst, GIVES_UP_MS));
	ck_assert(run_until(has_ended, &dst, GIVEN_UP_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_ptr_nonnull(strstr(dst.status.error, "whether all has come"));
}
END_TEST

/* The link was lost before QEMU ended: the time counts from its end. */
START_TEST(destination_waits_as_long_as_it_takes_while_its_qemu_is_there)
{
	begin_as_source();
	say("Dpage", 5);
	expect_bytes(dst_qemu, "page");
	say_type('E');
	hear_type('e');
	lose_link();
	ck_assert(!run_until(has_ended, &dst, TIMEOUT_MS + 500));
	close(dst_qemu);
	dst_qemu = -1;
	ck_assert(!run_until(has_ended, &dst, GIVES_UP_MS));
	connect_as_source();
	say_hello(0);
	hear_hello(4);
	hear_type('e');
	hear_type('E');
	ck_assert(!run_until(has_ended, &dst, 200)); /* it was not told that its end has come */
	say_type('e');
	hear_bye();
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_CLOSED);
}
END_TEST

/* ---- lies ------------------------------------------------------------------------- */

struct lie {
	const char *records[3]; /* after the hello; each a record, ended by NULL */
	const char *error;
};

static const struct lie lies[] = {
	{ { "e" }, "no message" },                        /* our QEMU has not ended */
	{ { "E", "Dmore" }, "no message" },               /* QEMU would not get it */
	{ { "D" }, "no message" },                        /* work for nothing */
	{ { "A\1\1\1\1\1\1\1\1" }, "what was not sent" }, /* and would be forgotten here */
	{ { "A" }, "no message" },
	{ { "Z" }, "no message" },
};

START_TEST(message_that_cannot_be_true_breaks_the_channel)
{
	const struct lie *lie = &lies[_i];

	begin_as_source();
	for (size_t i = 0; lie->records[i]; i++)
		say(lie->records[i], strlen(lie->records[i]));
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_ptr_nonnull(strstr(dst.status.error, lie->error));
}
END_TEST

/* Positions at a hello: less than was known to have come, or more than was sent. */
START_TEST(position_that_cannot_be_true_breaks_the_channel)
{
	begin_as_source();
	send_bytes(dst_qemu, "page");
	hear("Dpage", 5);
	say("A\0\0\0\0\0\0\0\4", 9);
	lose_link();
	connect_as_source();
	say_hello(_i == 0 ? 3 : 5);
	ck_assert(run_until(has_ended, &dst, WAIT_MS));
	ck_assert_int_eq(dst.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_ptr_nonnull(strstr(dst.status.error, "what was not sent"));
}
END_TEST

/* ---- the test is the destination ---------------------------------------------------- */

static bool take_link(void *data, const struct stream_preamble *preamble, int fd)
{
	(void)data;
	(void)preamble;
	ck_assert_uint_lt(link_count, ARRAY_LEN(links));
	links[link_count] = (struct link)LINK_INIT;
	link_adopt(&links[link_count++], fd, WAIT_MS);
	loop_stop(loop);
	return true;
}

static bool has_link(const struct side *side)
{
	(void)side;
	return link_count > taken;
}

static void accept_as_destination(void)
{
	char token[ID_TOKEN_SIZE];
	struct err err;

	ck_assert(run_until(has_link, NULL, WAIT_MS));
	taken++;
	ck_assert_msg(link_handshake(newest(), STREAM_DST, cred, "a", soon_ms(), &err), "%s",
		      err.msg);
	ck_assert(link_recv(newest(), token, sizeof(token), soon_ms(), &err));
	say_type(STREAM_TOKEN_OK);
}

static void begin_as_destination(void)
{
	struct err err;

	our_port = stream_port_new(loop, "127.0.0.1:0", take_link, NULL, &err);
	ck_assert_ptr_nonnull(our_port);
	snprintf(src.config.data_address, sizeof(src.config.data_address), "127.0.0.1:%u",
		 stream_port_number(our_port));
	src.config.channels[src.config.channel_count++] = row;
	src.config.link_timeout_ms = TIMEOUT_MS;
	load_credentials(&dst);
	start_well(&src);
	accept_as_destination();
	ck_assert(run_until(is_channel_ready, &src, WAIT_MS));
	connect_src_qemu();
	hear_hello(0);
	say_hello(0);
	ck_assert(run_until(is_open, &src, WAIT_MS));
}

static void end_source_qemu(void)
{
	send_bytes(src_qemu, "page");
	hear("Dpage", 5);
	close(src_qemu);
	src_qemu = -1;
	hear_type('E');
}

static void end_both_as_destination(void)
{
	end_source_qemu();
	say_type('E');
	hear_type('e');
	say_type('e');
}

static void expect_closed_source(void)
{
	ck_assert(run_until(has_ended, &src, WAIT_MS));
	ck_assert_msg(src.status.state == STREAM_CHANNEL_CLOSED, "%s", src.status.error);
}

START_TEST(source_is_over_when_the_destination_says_that_it_is)
{
	begin_as_destination();
	end_both_as_destination();
	ck_assert(!run_until(has_ended, &src, 300));
	say_bye();
	expect_closed_source();
}
END_TEST

/* Its word that all has come may be lost with the link: the destination would wait for it. */
START_TEST(source_says_its_last_word_again_over_another_link)
{
	begin_as_destination();
	end_both_as_destination();
	lose_link();
	accept_as_destination();
	hear_hello(0);
	say_hello(4);
	hear_type('e');
	say_bye();
	expect_closed_source();
}
END_TEST

/* What the destination said is lost in each order, and said again by one that is over. */
START_TEST(source_is_told_at_last_that_the_destination_is_over)
{
	begin_as_destination();
	end_source_qemu();
	if (_i == 1)
		say_type('e');
	if (_i == 2)
		say_type('E');
	lose_link();
	accept_as_destination();
	hear_hello(0);
	say_hello(4);
	say_type('E');
	say_type('e');
	say_bye();
	expect_closed_source();
}
END_TEST

/* An end of TCP may be anybody's. */
START_TEST(source_asks_again_when_a_link_ends_without_the_end_of_tls)
{
	begin_as_destination();
	end_both_as_destination();
	(void)shutdown(newest()->fd, SHUT_WR);
	accept_as_destination();
	hear_hello(0);
	say_hello(4);
	say_bye();
	expect_closed_source();
}
END_TEST

/* 0: the destination is not there any more; 1: it is, and says nothing. */
START_TEST(source_that_knows_all_has_come_ends_well_without_the_destination)
{
	begin_as_destination();
	end_both_as_destination();
	if (_i == 0) {
		stream_port_free(our_port);
		our_port = NULL;
		lose_link();
	}
	ck_assert(!run_until(has_ended, &src, GIVES_UP_MS));
	ck_assert(run_until(has_ended, &src, GIVEN_UP_MS));
	ck_assert_msg(src.status.state == STREAM_CHANNEL_CLOSED, "%s", src.status.error);
	ck_assert_str_eq(src.status.error, ""); /* nothing is lost any more */
}
END_TEST

START_TEST(source_that_cannot_learn_whether_all_has_come_fails)
{
	begin_as_destination();
	end_source_qemu();
	say_type('E');
	hear_type('e');
	stream_port_free(our_port);
	our_port = NULL;
	lose_link();
	ck_assert(!run_until(has_ended, &src, GIVES_UP_MS));
	ck_assert(run_until(has_ended, &src, GIVEN_UP_MS));
	ck_assert_int_eq(src.status.state, STREAM_CHANNEL_FAILED);
	ck_assert_ptr_nonnull(strstr(src.status.error, "whether all has come"));
}
END_TEST

static void finish(void)
{
	while (link_count > 0)
		link_close(&links[--link_count]);
	taken = 0;
	if (our_port)
		stream_port_free(our_port);
	our_port = NULL;
	gnutls_certificate_free_credentials(cred);
	tear_down_open();
}

Suite *suite(void)
{
	Suite *s = suite_create("stream_end");
	TCase *tc = tcase_create("ends");

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(tc, set_up, finish);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, destination_that_is_over_says_so_as_often_as_it_is_asked);
	tcase_add_test(tc, destination_says_by_the_end_of_tls_that_it_is_over);
	tcase_add_test(tc, destination_waits_for_the_last_word_over_another_link);
	tcase_add_test(tc, destination_gives_up_a_source_that_does_not_come_back_at_the_end);
	tcase_add_test(tc, destination_waits_as_long_as_it_takes_while_its_qemu_is_there);
	tcase_add_loop_test(tc, message_that_cannot_be_true_breaks_the_channel, 0,
			    (int)ARRAY_LEN(lies));
	tcase_add_loop_test(tc, position_that_cannot_be_true_breaks_the_channel, 0, 2);
	tcase_add_test(tc, source_is_over_when_the_destination_says_that_it_is);
	tcase_add_test(tc, source_says_its_last_word_again_over_another_link);
	tcase_add_loop_test(tc, source_is_told_at_last_that_the_destination_is_over, 0, 3);
	tcase_add_test(tc, source_asks_again_when_a_link_ends_without_the_end_of_tls);
	tcase_add_loop_test(tc, source_that_knows_all_has_come_ends_well_without_the_destination, 0,
			    2);
	tcase_add_test(tc, source_that_cannot_learn_whether_all_has_come_fails);
	suite_add_tcase(s, tc);
	return s;
}

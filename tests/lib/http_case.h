/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tests/lib/http_case.h -- what tests of the server share: the certificates of its callers, the
 * server's life in a test, and what an answer must be. */
#ifndef MIGRD_TESTS_LIB_HTTP_CASE_H
#define MIGRD_TESTS_LIB_HTTP_CASE_H

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "check_main.h"
#include "tests/lib/http_rig.h"

/* Long enough for a handshake on a busy machine. */
#define HASTY_MS 2500

static struct http_pki pki;
static struct rig rig;

static inline void make_pki(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	http_pki_init(&pki);
	http_pki_issue(&pki, "a", "a.host.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "b", "b.host.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "vic", "vic.viewer.user.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "olga", "olga.operator.user.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "ada", "ada.admin.user.migrd", HTTP_PKI_GOOD);
	http_pki_issue(&pki, "old", "old.admin.user.migrd", HTTP_PKI_EXPIRED);
	http_pki_issue(&pki, "other", "other.admin.user.migrd", HTTP_PKI_STRANGER);
	http_pki_issue(&pki, "server", "server.admin.user.migrd", HTTP_PKI_SERVER_ONLY);
	http_pki_issue(&pki, "nobody", "www.example.org", HTTP_PKI_GOOD);
}

static inline void remove_pki(void)
{
	http_pki_fini(&pki);
}

static inline void start_rig(void)
{
	rig = (struct rig){ 0 };
	rig_start(&rig, &pki);
}

static inline void start_impatient_rig(void)
{
	rig = (struct rig){ .deadline_ms = HASTY_MS, .heartbeat_ms = 50 };
	rig_start(&rig, &pki);
}

static inline void stop_rig(void)
{
	rig_stop(&rig);
}

static inline void expect(const char *cert, const char *method, const char *path, const char *body,
			  const char *header, long status, const char *code)
{
	struct reply reply = rig_ask(&rig, cert, method, path, body, header);

	ck_assert_msg(reply.code == CURLE_OK, "%s %s: %s", method, path,
		      curl_easy_strerror(reply.code));
	ck_assert_msg(reply.status == status, "%s %s: %ld, not %ld: %s", method, path, reply.status,
		      status, reply.body);
	ck_assert_str_eq(reply_code(&reply), code);
	ck_assert_str_eq(reply.cache, "no-store");
	if (status >= 400)
		ck_assert_str_eq(reply.type, "application/problem+json");
	reply_fini(&reply);
}

static inline void expect_refused(const char *cert)
{
	struct reply reply = rig_ask(&rig, cert, "GET", "/healthz", NULL, NULL);

	ck_assert_int_ne(reply.code, CURLE_OK);
	ck_assert_int_eq(reply.status, 0);
	reply_fini(&reply);
}

static inline void be_patient(struct rig *r)
{
	http_server_set_times(r->server, HTTP_REQUEST_DEADLINE_MS, 0);
}

/* The server still answers other clients. */
static inline void check_alive(void)
{
	rig_call(&rig, be_patient);
	expect("vic", "GET", "/healthz", NULL, NULL, 200, "");
}

static inline char *big_json(size_t len)
{
	char *text = xcalloc(1, len + 1);

	memset(text, 'x', len);
	memcpy(text, "[\"", 2);
	memcpy(text + len - 2, "\"]", 2);
	return text;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The identity in a certificate, and what is reported about wrong files. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/test_pki.h"
#include "tls/identity.h"
#include "tls/trust.h"

static char dir[64];
static struct test_ca *ca;

static void set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/migrd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ca = test_ca_new(dir, "ca");
}

static void tear_down(void)
{
	struct err err;

	test_ca_free(ca);
	ck_assert(dir_remove(dir, &err));
}

static bool check(const char *ca_name, const char *cert, const char *key, struct tls_identity *ret,
		  struct err *err)
{
	CLEANUP(free_charp) char *ca_file = xasprintf("%s/%s.pem", dir, ca_name);
	CLEANUP(free_charp) char *cert_file = xasprintf("%s/%s.pem", dir, cert);
	CLEANUP(free_charp) char *key_file = xasprintf("%s/%s-key.pem", dir, key);

	return tls_check_files(ca_file, cert_file, key_file, ret, err);
}

static void put_file(const char *name, const char *text)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, name);
	struct err err;

	ck_assert(file_write(path, text, strlen(text), 0600, &err));
}

/* ---- names ----------------------------------------------------------- */

static const struct {
	const char *dns_name;
	bool is_valid;
	enum tls_kind kind;
	const char *name;
} names[] = {
	{ "b.host.migrd", true, TLS_KIND_HOST, "b" },
	{ "rack-7.host.migrd", true, TLS_KIND_HOST, "rack-7" },
	{ "eva.admin.user.migrd", true, TLS_KIND_ADMIN, "eva" },
	{ "eva.maria.viewer.user.migrd", true, TLS_KIND_VIEWER, "eva.maria" },
	{ "plan_1.operator.user.migrd", true, TLS_KIND_OPERATOR, "plan_1" },
	{ ".host.migrd", false, 0, NULL },
	{ "host.migrd", false, 0, NULL },
	{ "a.b.host.migrd", false, 0, NULL },
	{ "*.host.migrd", false, 0, NULL },
	{ "B.host.migrd", false, 0, NULL },
	{ "-b.host.migrd", false, 0, NULL },
	{ "b.host.migrd.", false, 0, NULL },
	{ "b.host.migrd.example.org", false, 0, NULL },
	{ "eva.root.user.migrd", false, 0, NULL },
	{ "admin.user.migrd", false, 0, NULL },
	{ ".admin.user.migrd", false, 0, NULL },
	{ "eva/../x.admin.user.migrd", false, 0, NULL },
	{ "a123456789012345678901234567890123456789012345678901234567890123.host.migrd", false, 0,
	  NULL },
	{ "", false, 0, NULL },
};

/* A name that only resembles that of a role or a host must be refused. */
START_TEST(name_of_each_form_is_read_or_refused)
{
	struct tls_identity identity;
	struct err err;
	bool ok = tls_identity_parse(names[_i].dns_name, &identity, &err);

	ck_assert_msg(ok == names[_i].is_valid, "%s", names[_i].dns_name);
	if (ok) {
		ck_assert_int_eq(identity.kind, names[_i].kind);
		ck_assert_str_eq(identity.name, names[_i].name);
	} else {
		ck_assert_int_eq(err.code, ERR_UNAUTHORIZED);
	}
}
END_TEST

START_TEST(host_name_is_built_as_it_is_read)
{
	struct tls_identity identity;
	char name[80];
	struct err err;

	tls_host_dns_name("rack-7", name, sizeof(name));
	ck_assert_str_eq(name, "rack-7.host.migrd");
	ck_assert(tls_identity_parse(name, &identity, &err));
	ck_assert_str_eq(identity.name, "rack-7");
}
END_TEST

/* ---- files ----------------------------------------------------------- */

START_TEST(right_files_give_the_identity)
{
	const struct test_cert host = { .file = "b",
					.dns_names = { "b.example.org", "b.host.migrd" } };
	const struct test_cert user = { .file = "eva",
					.dns_names = { "eva.admin.user.migrd" },
					.is_client_only = true };
	struct tls_identity identity;
	struct err err;

	test_ca_issue(ca, &host);
	test_ca_issue(ca, &user);
	ck_assert_msg(check("ca", "b", "b", &identity, &err), "%s", err.msg);
	ck_assert_int_eq(identity.kind, TLS_KIND_HOST);
	ck_assert_str_eq(identity.name, "b");
	ck_assert_msg(check("ca", "eva", "eva", &identity, &err), "%s", err.msg);
	ck_assert_int_eq(identity.kind, TLS_KIND_ADMIN);
}
END_TEST

static const struct {
	struct test_cert cert;
	const char *ca, *key;
	const char *said;
} wrong_files[] = {
	{ { .file = "b", .dns_names = { "b.host.migrd" } }, "nosuch", "b", "nosuch.pem" },
	{ { .file = "b", .dns_names = { "b.host.migrd" } }, "ca", "nosuch", "nosuch-key.pem" },
	{ { .file = "b", .dns_names = { "b.host.migrd" } }, "ca", "other", "does not belong" },
	{ { .file = "b", .dns_names = { "b.host.migrd" } },
	  "other-ca",
	  "b",
	  "was not signed by CA" },
	{ { .file = "b", .dns_names = { "b.host.migrd" } }, "junk", "b", "not a PEM certificate" },
	{ { .file = "b", .dns_names = { "b.host.migrd" } }, "ca", "junk", "not a PEM private key" },
	{ { .file = "b", .dns_names = { "b.host.migrd" }, .from_days = -2, .to_days = -1 },
	  "ca",
	  "b",
	  "expired at 20" },
	{ { .file = "b", .dns_names = { "b.host.migrd" }, .from_days = 1, .to_days = 2 },
	  "ca",
	  "b",
	  "is not valid before 20" },
	{ { .file = "b", .dns_names = { "b.example.org" } }, "ca", "b", "no migrd name" },
	{ { .file = "b" }, "ca", "b", "no migrd name" },
	{ { .file = "b", .dns_names = { "b.host.migrd", "c.host.migrd" } },
	  "ca",
	  "b",
	  "more than one" },
	{ { .file = "b", .dns_names = { "b.host.MIGRD" } }, "ca", "b", "is no name of" },
	{ { .file = "b", .dns_names = { "b.host.migrd" }, .is_client_only = true },
	  "ca",
	  "b",
	  "serverAuth" },
	{ { .file = "b", .dns_names = { "b.host.migrd" }, .is_server_only = true },
	  "ca",
	  "b",
	  "clientAuth" },
	{ { .file = "b", .dns_names = { "b.host.migrd" }, .is_encipher_only = true },
	  "ca",
	  "b",
	  "digitalSignature" },
};

/* At its start the daemon tells which file is wrong, and why. */
START_TEST(wrong_file_is_named_with_what_is_wrong)
{
	const struct test_cert other = { .file = "other", .dns_names = { "o.host.migrd" } };
	struct test_ca *other_ca = test_ca_new(dir, "other-ca");
	struct tls_identity identity;
	struct err err;

	put_file("junk.pem", "-----BEGIN NONSENSE-----\n");
	put_file("junk-key.pem", "");
	test_ca_issue(ca, &other);
	test_ca_issue(ca, &wrong_files[_i].cert);
	ck_assert(!check(wrong_files[_i].ca, "b", wrong_files[_i].key, &identity, &err));
	ck_assert_msg(strstr(err.msg, wrong_files[_i].said) != NULL, "%s", err.msg);
	ck_assert_msg(strstr(err.msg, dir) != NULL, "%s", err.msg);
	test_ca_free(other_ca);
}
END_TEST

/* ---- credentials ----------------------------------------------------- */

static gnutls_certificate_credentials_t load(const char *ca_name, const char *cert)
{
	CLEANUP(free_charp) char *ca_file = xasprintf("%s/%s.pem", dir, ca_name);
	CLEANUP(free_charp) char *cert_file = xasprintf("%s/%s.pem", dir, cert);
	CLEANUP(free_charp) char *key_file = xasprintf("%s/%s-key.pem", dir, cert);
	gnutls_certificate_credentials_t cred;
	struct err err;

	ck_assert_msg(tls_credentials(ca_file, cert_file, key_file, &cred, &err), "%s", err.msg);
	return cred;
}

static gnutls_session_t session_on(int fd, unsigned flags, gnutls_certificate_credentials_t cred)
{
	gnutls_session_t session;

	ck_assert_int_ge(gnutls_init(&session, flags | GNUTLS_NONBLOCK), 0);
	ck_assert_int_ge(gnutls_priority_set_direct(session, TLS_PRIORITY, NULL), 0);
	ck_assert_int_ge(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cred), 0);
	if (flags & GNUTLS_SERVER)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_transport_set_int(session, fd);
	return session;
}

/* Shakes hands over a socket pair, and returns both sides' results. */
static void shake(gnutls_session_t client, gnutls_session_t server, int *ret_client,
		  int *ret_server)
{
	int c = GNUTLS_E_AGAIN, s = GNUTLS_E_AGAIN;

	for (int i = 0; i < 20 && (c == GNUTLS_E_AGAIN || s == GNUTLS_E_AGAIN); i++) {
		if (c == GNUTLS_E_AGAIN)
			c = gnutls_handshake(client);
		if (s == GNUTLS_E_AGAIN)
			s = gnutls_handshake(server);
	}
	*ret_client = c;
	*ret_server = s;
}

static const struct {
	const char *server_ca;
	bool is_accepted;
} handshakes[] = { { "ca", true }, { "other-ca", false } };

/* A session that forgot its own check must still refuse a stranger. */
START_TEST(peer_of_other_ca_is_refused_without_any_session_check)
{
	const struct test_cert host = { .file = "a", .dns_names = { "a.host.migrd" } };
	struct test_ca *other_ca = test_ca_new(dir, "other-ca");
	gnutls_certificate_credentials_t cred_a, cred_b;
	gnutls_session_t client, server;
	struct tls_identity identity;
	int fds[2], c, s;
	struct err err;

	test_ca_issue(ca, &host);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	cred_a = load("ca", "a");
	cred_b = load(handshakes[_i].server_ca, "a");
	client = session_on(fds[0], GNUTLS_CLIENT, cred_a);
	server = session_on(fds[1], GNUTLS_SERVER, cred_b);
	shake(client, server, &c, &s);
	ck_assert_int_eq(s == 0, handshakes[_i].is_accepted);
	if (s == 0) {
		ck_assert_msg(tls_peer_identity(server, &identity, &err), "%s", err.msg);
		ck_assert_str_eq(identity.name, "a");
	}
	gnutls_deinit(client);
	gnutls_deinit(server);
	gnutls_certificate_free_credentials(cred_a);
	gnutls_certificate_free_credentials(cred_b);
	test_ca_free(other_ca);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* ---- authorities that were read once --------------------------------- */

static const struct {
	const char *ca, *host;
	struct test_cert cert;
	const char *words; /* NULL: it is known */
} servers[] = {
	{ "ca", "party.example", { .dns_names = { "party.example" } }, NULL },
	{ "ca", "a.party.example", { .dns_names = { "*.party.example" } }, NULL },
	{ "ca",
	  "party.example",
	  { .dns_names = { "party.example" }, .is_server_only = true },
	  NULL },
	{ "ca", "party.example", { .dns_names = { "other.example" } }, "does not match" },
	{ "ca", "192.0.2.1", { .dns_names = { "party.example" } }, "does not match" },
	{ "other-ca", "party.example", { .dns_names = { "party.example" } }, "NOT trusted" },
	{ "ca", "party.example", { .dns_names = { "party.example" }, .rsa_bits = 2048 }, NULL },
	{ "ca",
	  "party.example",
	  { .dns_names = { "party.example" }, .rsa_bits = 768 },
	  "insecure algorithm" },
	{ "ca",
	  "party.example",
	  { .dns_names = { "party.example" }, .from_days = -9, .to_days = -1 },
	  "expired" },
	{ "ca",
	  "party.example",
	  { .dns_names = { "party.example" }, .from_days = 2, .to_days = 9 },
	  "not yet" },
	{ "ca",
	  "party.example",
	  { .dns_names = { "party.example" }, .is_client_only = true },
	  "NOT trusted" },
};

static struct tls_trust *read_trust(const char *ca_name)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s.pem", dir, ca_name);
	struct tls_trust *trust;
	struct err err;

	trust = tls_trust_read_blocking(path, &err);
	ck_assert_msg(trust != NULL, "%s", err.msg);
	ck_assert_int_eq(unlink(path), 0); /* it is not read again */
	return trust;
}

START_TEST(server_is_known_by_authorities_in_memory_or_refused)
{
	struct test_ca *other_ca = test_ca_new(dir, "other-ca");
	struct test_cert cert = servers[_i].cert;
	gnutls_certificate_credentials_t cred_client, cred_server;
	gnutls_session_t client, server;
	struct tls_trust *trust;
	struct err err;
	int fds[2], c, s;

	cert.file = "server";
	test_ca_issue(ca, &cert);
	cred_server = load("ca", "server");
	trust = read_trust(servers[_i].ca);
	ck_assert_int_ge(gnutls_certificate_allocate_credentials(&cred_client), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	client = session_on(fds[0], GNUTLS_CLIENT, cred_client);
	server = session_on(fds[1], GNUTLS_SERVER, cred_server);
	gnutls_certificate_server_set_request(server, GNUTLS_CERT_IGNORE);
	shake(client, server, &c, &s);
	ck_assert_int_eq(c, 0);
	ck_assert_int_eq(tls_trust_knows(trust, client, servers[_i].host, &err),
			 !servers[_i].words);
	if (servers[_i].words) {
		ck_assert_int_eq(err.code, ERR_UNAUTHORIZED);
		ck_assert_msg(strstr(err.msg, servers[_i].words) != NULL, "%s", err.msg);
	}
	gnutls_deinit(client);
	gnutls_deinit(server);
	gnutls_certificate_free_credentials(cred_client);
	gnutls_certificate_free_credentials(cred_server);
	tls_trust_unref(trust);
	test_ca_free(other_ca);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* A session without a handshake has no certificate to show. */
START_TEST(session_without_a_certificate_is_refused)
{
	struct tls_trust *trust = read_trust("ca");
	gnutls_session_t client;
	struct err err;

	ck_assert_int_ge(gnutls_init(&client, GNUTLS_CLIENT), 0);
	ck_assert(!tls_trust_knows(trust, client, "party.example", &err));
	ck_assert_int_eq(err.code, ERR_UNAUTHORIZED);
	gnutls_deinit(client);
	tls_trust_unref(trust);
}
END_TEST

START_TEST(file_without_an_authority_is_refused)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/none.pem", dir);
	struct err err;

	ck_assert_ptr_null(tls_trust_read_blocking(path, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert(file_write(path, "none\n", 5, 0600, &err));
	ck_assert_ptr_null(tls_trust_read_blocking(path, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "no certificate"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("tls");
	TCase *parse = tcase_create("names");
	TCase *files = tcase_create("files");

	tcase_add_loop_test(parse, name_of_each_form_is_read_or_refused, 0, (int)ARRAY_LEN(names));
	tcase_add_test(parse, host_name_is_built_as_it_is_read);
	suite_add_tcase(s, parse);
	tcase_add_checked_fixture(files, set_up, tear_down);
	tcase_add_test(files, right_files_give_the_identity);
	tcase_add_loop_test(files, wrong_file_is_named_with_what_is_wrong, 0,
			    (int)ARRAY_LEN(wrong_files));
	tcase_add_loop_test(files, peer_of_other_ca_is_refused_without_any_session_check, 0,
			    (int)ARRAY_LEN(handshakes));
	tcase_add_loop_test(files, server_is_known_by_authorities_in_memory_or_refused, 0,
			    (int)ARRAY_LEN(servers));
	tcase_add_test(files, session_without_a_certificate_is_refused);
	tcase_add_test(files, file_without_an_authority_is_refused);
	suite_add_tcase(s, files);
	return s;
}

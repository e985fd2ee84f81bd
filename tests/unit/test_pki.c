/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts accept each other's certificates, and the files of a host only need copying. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>

#include "agents/pki/cert.h"
#include "agents/pki/pki.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/check_main.h"
#include "tests/lib/scratch.h"
#include "tls/identity.h"

static struct err err;
static struct pki_options options;
static time_t expires_at;

static void setup(void)
{
	scratch_setup();
	err.code = ERR_NONE;
	options = (struct pki_options){ .dir = scratch_dir, .days = PKI_CA_DAYS };
	ck_assert_msg(pki_init(&options, &expires_at, &err), "%s", err.msg);
	options.days = PKI_LEAF_DAYS;
}

static bool add_hosts(const char *const *words, size_t count)
{
	struct pki_host_request request = {
		.hosts = words, .count = count, .state_dir = "state", .run_dir = "/r/%h"
	};
	struct pki_hosts hosts;

	if (!pki_add_hosts(&options, &request, &hosts, &err))
		return false;
	pki_hosts_fini(&hosts);
	return true;
}

#define ADD_HOSTS(...)                                  \
	add_hosts((const char *const[]){ __VA_ARGS__ }, \
		  ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))

static char *read_text(const char *name)
{
	char *text;
	size_t len;

	ck_assert_msg(file_read(scratch_path(name), 1 << 20, &text, &len, &err), "%s", err.msg);
	return text;
}

static gnutls_x509_crt_t load_crt(const char *name)
{
	CLEANUP(free_charp) char *text = read_text(name);
	gnutls_datum_t datum = { (unsigned char *)text, (unsigned)strlen(text) };
	gnutls_x509_crt_t crt;

	ck_assert_int_eq(gnutls_x509_crt_init(&crt), 0);
	ck_assert_int_eq(gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_PEM), 0);
	return crt;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(stat(scratch_path(name), &st), 0);
	return st.st_mode & 07777;
}

/* ---- certificates ---- */

/* The daemon checks its files at the start, so the files that we make must pass. */
START_TEST(host_files_pass_the_daemons_own_check)
{
	struct tls_identity identity;

	ck_assert_msg(ADD_HOSTS("a=127.0.0.1", "b=[::1]:9000"), "%s", err.msg);

	ck_assert_msg(tls_check_files(scratch_path("b/ca.pem"), scratch_path("b/host.pem"),
				      scratch_path("b/host-key.pem"), &identity, &err),
		      "%s", err.msg);
	ck_assert_int_eq(identity.kind, TLS_KIND_HOST);
	ck_assert_str_eq(identity.name, "b");
}
END_TEST

static void assert_dns_and_ip(gnutls_x509_crt_t crt)
{
	char san[256];
	size_t size = sizeof(san);

	ck_assert_int_eq(gnutls_x509_crt_get_subject_alt_name(crt, 0, san, &size, NULL),
			 GNUTLS_SAN_DNSNAME);
	ck_assert_str_eq(san, "a.host.migrd");
	size = sizeof(san);
	ck_assert_int_eq(gnutls_x509_crt_get_subject_alt_name(crt, 1, san, &size, NULL),
			 GNUTLS_SAN_IPADDRESS);
	ck_assert_uint_eq(size, 4);
	ck_assert_mem_eq(san, "\x7f\x00\x00\x01", 4);
	ck_assert(gnutls_x509_crt_check_hostname(crt, "a.host.migrd"));
	ck_assert(!gnutls_x509_crt_check_hostname(crt, "b.host.migrd"));
}

/* Some TLS library enforces each of these rules. */
START_TEST(host_certificate_carries_names_and_usages)
{
	gnutls_x509_crt_t crt;
	unsigned usage, critical, is_ca;
	unsigned char serial[32];
	size_t serial_size = sizeof(serial);

	ck_assert(ADD_HOSTS("a=127.0.0.1"));
	crt = load_crt("a/host.pem");

	assert_dns_and_ip(crt);
	ck_assert_int_eq(gnutls_x509_crt_get_version(crt), 3);
	ck_assert_int_eq(gnutls_x509_crt_get_key_usage(crt, &usage, &critical), 0);
	ck_assert_uint_eq(usage, GNUTLS_KEY_DIGITAL_SIGNATURE);
	ck_assert_uint_eq(critical, 1);
	ck_assert(gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_SERVER, 0));
	ck_assert(gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0));
	ck_assert_int_eq(gnutls_x509_crt_get_basic_constraints(crt, &critical, &is_ca, NULL), 0);
	ck_assert_uint_eq(is_ca, 0);
	ck_assert_int_eq(gnutls_x509_crt_get_serial(crt, serial, &serial_size), 0);
	ck_assert_uint_eq(serial_size, 17);
	ck_assert(gnutls_x509_crt_get_activation_time(crt) <= time(NULL));
	ck_assert_int_eq(gnutls_x509_crt_get_pk_algorithm(crt, NULL), GNUTLS_PK_ECDSA);
	gnutls_x509_crt_deinit(crt);
}
END_TEST

START_TEST(ca_certificate_signs_leaves_only)
{
	gnutls_x509_crt_t ca = load_crt("ca.pem"), leaf;
	unsigned usage, critical, is_ca;
	unsigned char id[32], issuer[32];
	size_t id_size = sizeof(id), issuer_size = sizeof(issuer);
	int path_len;

	ck_assert(ADD_HOSTS("a=127.0.0.1"));
	leaf = load_crt("a/host.pem");

	ck_assert_int_eq(gnutls_x509_crt_get_basic_constraints(ca, &critical, &is_ca, &path_len),
			 1);
	ck_assert(is_ca && path_len == 0 && critical);
	ck_assert_int_eq(gnutls_x509_crt_get_key_usage(ca, &usage, NULL), 0);
	ck_assert_uint_eq(usage, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	ck_assert_int_eq(gnutls_x509_crt_get_subject_key_id(ca, id, &id_size, NULL), 0);
	ck_assert_int_eq(gnutls_x509_crt_get_authority_key_id(leaf, issuer, &issuer_size, NULL), 0);
	ck_assert_uint_eq(id_size, issuer_size);
	ck_assert_mem_eq(id, issuer, id_size);
	ck_assert(gnutls_x509_crt_check_issuer(leaf, ca));
	gnutls_x509_crt_deinit(ca);
	gnutls_x509_crt_deinit(leaf);
}
END_TEST

/* A leaf that outlives its CA only looks valid. */
START_TEST(leaf_never_outlives_its_ca)
{
	gnutls_x509_crt_t ca = load_crt("ca.pem"), leaf;

	options.days = PKI_DAYS_MAX;
	ck_assert(ADD_HOSTS("a=127.0.0.1"));
	leaf = load_crt("a/host.pem");

	ck_assert_int_eq(gnutls_x509_crt_get_expiration_time(leaf),
			 gnutls_x509_crt_get_expiration_time(ca));
	gnutls_x509_crt_deinit(ca);
	gnutls_x509_crt_deinit(leaf);
}
END_TEST

/* A user who could pass for a host would be sent guests. */
START_TEST(user_certificate_is_client_only)
{
	struct tls_identity identity;
	gnutls_x509_crt_t crt;

	ck_assert_msg(pki_add_user(&options, "jo.e", "operator", &expires_at, &err), "%s", err.msg);
	crt = load_crt("users/jo.e.pem");

	ck_assert(!gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_SERVER, 0));
	ck_assert(tls_check_files(scratch_path("ca.pem"), scratch_path("users/jo.e.pem"),
				  scratch_path("users/jo.e.key"), &identity, &err));
	ck_assert_int_eq(identity.kind, TLS_KIND_OPERATOR);
	ck_assert_str_eq(identity.name, "jo.e");
	gnutls_x509_crt_deinit(crt);
}
END_TEST

/* ---- a handshake in memory ---- */

struct pipe_end {
	struct pipe_end *other;
	char bytes[65536];
	size_t len;
};

static ssize_t pipe_push(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
	struct pipe_end *other = ((struct pipe_end *)ptr)->other;

	ck_assert_uint_le(len, sizeof(other->bytes) - other->len);
	memcpy(other->bytes + other->len, data, len);
	other->len += len;
	return (ssize_t)len;
}

static ssize_t pipe_pull(gnutls_transport_ptr_t ptr, void *data, size_t len)
{
	struct pipe_end *end = ptr;

	if (end->len == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (len > end->len)
		len = end->len;
	memcpy(data, end->bytes, len);
	end->len -= len;
	memmove(end->bytes, end->bytes + len, end->len);
	return (ssize_t)len;
}

static gnutls_session_t open_session(unsigned flags, const char *host, struct pipe_end *end,
				     gnutls_certificate_credentials_t *ret_cred)
{
	CLEANUP(free_charp) char *ca = xasprintf("%s/%s/ca.pem", scratch_dir, host);
	CLEANUP(free_charp) char *cert = xasprintf("%s/%s/host.pem", scratch_dir, host);
	CLEANUP(free_charp) char *key = xasprintf("%s/%s/host-key.pem", scratch_dir, host);
	gnutls_session_t session;

	ck_assert_msg(tls_credentials(ca, cert, key, ret_cred, &err), "%s", err.msg);
	ck_assert_int_eq(gnutls_init(&session, flags | GNUTLS_NONBLOCK), 0);
	ck_assert_int_eq(gnutls_priority_set_direct(session, TLS_PRIORITY, NULL), 0);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, *ret_cred);
	if (flags == GNUTLS_SERVER)
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_transport_set_ptr(session, end);
	gnutls_transport_set_push_function(session, pipe_push);
	gnutls_transport_set_pull_function(session, pipe_pull);
	return session;
}

/* The purpose of the whole: two hosts accept and know each other. */
START_TEST(two_hosts_shake_hands_and_know_each_other)
{
	static struct pipe_end ends[2];
	gnutls_certificate_credentials_t cred_a, cred_b;
	gnutls_session_t client, server;
	struct tls_identity identity;
	int rc_client = GNUTLS_E_AGAIN, rc_server = GNUTLS_E_AGAIN;

	ck_assert(ADD_HOSTS("a=127.0.0.1:1000", "b=127.0.0.1:2000"));
	ends[0].other = &ends[1];
	ends[1].other = &ends[0];
	client = open_session(GNUTLS_CLIENT, "a", &ends[0], &cred_a);
	server = open_session(GNUTLS_SERVER, "b", &ends[1], &cred_b);
	gnutls_session_set_verify_cert(client, "b.host.migrd", 0);

	for (int i = 0; i < 20 && (rc_client == GNUTLS_E_AGAIN || rc_server == GNUTLS_E_AGAIN);
	     i++) {
		if (rc_client == GNUTLS_E_AGAIN)
			rc_client = gnutls_handshake(client);
		if (rc_server == GNUTLS_E_AGAIN)
			rc_server = gnutls_handshake(server);
	}

	ck_assert_msg(rc_client == 0, "client: %s", gnutls_strerror(rc_client));
	ck_assert_msg(rc_server == 0, "server: %s", gnutls_strerror(rc_server));
	ck_assert_int_eq(gnutls_protocol_get_version(client), GNUTLS_TLS1_3);
	ck_assert(tls_peer_identity(server, &identity, &err));
	ck_assert_str_eq(identity.name, "a");
	ck_assert(tls_peer_identity(client, &identity, &err));
	ck_assert_str_eq(identity.name, "b");
	gnutls_deinit(client);
	gnutls_deinit(server);
	gnutls_certificate_free_credentials(cred_a);
	gnutls_certificate_free_credentials(cred_b);
}
END_TEST

/* ---- files ---- */

START_TEST(secrets_are_readable_by_owner_only)
{
	ck_assert(ADD_HOSTS("a=127.0.0.1"));
	ck_assert(pki_add_user(&options, "joe", "viewer", &expires_at, &err));

	ck_assert_uint_eq(mode_of("ca-key.pem"), 0600);
	ck_assert_uint_eq(mode_of("a/host-key.pem"), 0600);
	ck_assert_uint_eq(mode_of("users/joe.key"), 0600);
	ck_assert_uint_eq(mode_of("a"), 0700);
	ck_assert_uint_eq(mode_of("users"), 0700);
}
END_TEST

/* A CA that is overwritten makes every host's certificate useless. */
START_TEST(existing_files_kept_unless_forced)
{
	CLEANUP(free_charp) char *ca = read_text("ca.pem");
	CLEANUP(free_charp) char *host = NULL;
	CLEANUP(free_charp) char *ca_now = NULL;
	CLEANUP(free_charp) char *host_now = NULL;
	CLEANUP(free_charp) char *host_forced = NULL;

	ck_assert(ADD_HOSTS("a=127.0.0.1"));
	host = read_text("a/host.pem");

	ck_assert(!pki_init(&options, &expires_at, &err));
	ck_assert_int_eq(err.code, ERR_EXISTS);
	ck_assert(!ADD_HOSTS("b=127.0.0.1:9000", "a=127.0.0.1"));
	ck_assert_int_eq(err.code, ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(err.msg, "--force"));

	ca_now = read_text("ca.pem");
	host_now = read_text("a/host.pem");
	ck_assert_str_eq(ca, ca_now);
	ck_assert_str_eq(host, host_now);
	ck_assert_int_ne(access(scratch_path("b"), F_OK), 0); /* nothing is left half made */
	options.force = true;
	ck_assert_msg(ADD_HOSTS("a=127.0.0.1"), "%s", err.msg);
	host_forced = read_text("a/host.pem");
	ck_assert_str_ne(host, host_forced);
}
END_TEST

/* A host that is added later must get into the peer lists of the earlier ones. */
START_TEST(later_host_reaches_every_peer_list)
{
	CLEANUP(free_charp) char *peers_a = NULL;
	CLEANUP(free_charp) char *peers_c = NULL;

	ck_assert(ADD_HOSTS("a=192.0.2.1", "b=[2001:db8::2]:9000:9100"));
	ck_assert_msg(ADD_HOSTS("c=c.example"), "%s", err.msg);

	peers_a = read_text("a/migrd.conf.d/peers.conf");
	peers_c = read_text("c/migrd.conf.d/peers.conf");
	ck_assert_str_eq(peers_a, peers_c);
	ck_assert_ptr_nonnull(strstr(peers_a, "[peer a]\naddress = 192.0.2.1:8440\n"));
	ck_assert_ptr_nonnull(strstr(peers_a, "[peer b]\naddress = [2001:db8::2]:9000\n"));
	ck_assert_ptr_nonnull(strstr(peers_a, "[peer c]\naddress = c.example:8440\n"));
}
END_TEST

START_TEST(host_configuration_says_what_was_asked)
{
	CLEANUP(free_charp) char *conf = NULL;

	ck_assert(ADD_HOSTS("b=[::1]:9000"));
	conf = read_text("b/migrd.conf");

	ck_assert_ptr_nonnull(strstr(conf, "\nid = b\n"));
	ck_assert_ptr_nonnull(strstr(conf, "\nstate_dir = state\n"));
	ck_assert_ptr_nonnull(strstr(conf, "\nrun_dir = /r/b\n"));
	ck_assert_ptr_nonnull(strstr(conf, "\nlisten = [::1]:9000\n"));
	ck_assert_ptr_nonnull(strstr(conf, "\nlisten = [::1]:9001\n"));
	ck_assert_ptr_nonnull(strstr(conf, "\nadvertise = [::1]:9001\n"));
	ck_assert_ptr_nonnull(strstr(conf, "\nkey = host-key.pem\n"));
}
END_TEST

/* A renewal must keep what the operator wrote. */
START_TEST(renewal_keeps_the_configuration)
{
	CLEANUP(free_charp) char *conf = NULL;

	ck_assert(ADD_HOSTS("a=127.0.0.1"));
	ck_assert(file_write(scratch_path("a/migrd.conf"), "mine\n", 5, 0644, &err));
	options.force = true;

	ck_assert_msg(ADD_HOSTS("a"), "%s", err.msg);

	conf = read_text("a/migrd.conf");
	ck_assert_str_eq(conf, "mine\n");
}
END_TEST

START_TEST(removed_directory_is_no_host_any_more)
{
	CLEANUP(free_charp) char *peers = NULL;

	ck_assert(ADD_HOSTS("a=192.0.2.1", "b=192.0.2.2"));
	ck_assert_int_eq(unlink(scratch_path("b/host.pem")), 0);

	ck_assert_msg(ADD_HOSTS("c=192.0.2.2"), "%s", err.msg);

	peers = read_text("a/migrd.conf.d/peers.conf");
	ck_assert_ptr_null(strstr(peers, "[peer b]"));
}
END_TEST

/* ---- input ---- */

static const struct {
	const char *word, *part; /* part of the message */
	enum err_code code;
} bad_hosts[] = {
	{ "a", "add its address", ERR_NOT_FOUND },
	{ "a=", "0 bytes", ERR_INVALID },
	{ "=1.2.3.4", "no host id", ERR_INVALID },
	{ "A=1.2.3.4", "no host id", ERR_INVALID },
	{ "../x=1.2.3.4", "no host id", ERR_INVALID },
	{ "-a=1.2.3.4", "no host id", ERR_INVALID },
	{ "users=1.2.3.4", "cannot be a host", ERR_INVALID },
	{ "a=1.2.3", "neither", ERR_INVALID },
	{ "a=1.2.3.4.5", "neither", ERR_INVALID },
	{ "a=999.1.1.1", "neither", ERR_INVALID },
	{ "a=0.0.0.0", "connect to", ERR_INVALID },
	{ "a=[::]", "connect to", ERR_INVALID },
	{ "a=[::1", "']'", ERR_INVALID },
	{ "a=[::1]x", "follows the address", ERR_INVALID },
	{ "a=1.2.3.4:0", "no port", ERR_INVALID },
	{ "a=1.2.3.4:65536", "no port", ERR_INVALID },
	{ "a=1.2.3.4:x", "no port", ERR_INVALID },
	{ "a=1.2.3.4:", "no port", ERR_INVALID },
	{ "a=1.2.3.4:1:2:3", "follows the data port", ERR_INVALID },
	{ "a=1.2.3.4:7:7", "both", ERR_INVALID },
	{ "a=1.2.3.4:65535", "no next one", ERR_INVALID },
	{ "a=no_such$name", "neither", ERR_INVALID },
	{ "a=x\ny", "neither", ERR_INVALID },
};

/* A host's name and address go into a configuration that the daemon reads later. */
START_TEST(bad_host_refused_nothing_written)
{
	ck_assert_msg(!ADD_HOSTS(bad_hosts[_i].word), "'%s' was taken", bad_hosts[_i].word);
	ck_assert_msg(err.code == bad_hosts[_i].code && strstr(err.msg, bad_hosts[_i].part),
		      "'%s': %s", bad_hosts[_i].word, err.msg);
	ck_assert_int_ne(access(scratch_path("a"), F_OK), 0);
	ck_assert_int_ne(access(scratch_path("hosts"), F_OK), 0);
}
END_TEST

START_TEST(shared_port_or_double_host_refused)
{
	ck_assert(!ADD_HOSTS("a=127.0.0.1:9000", "b=127.0.0.1:9001"));
	ck_assert_int_eq(err.code, ERR_CONFLICT);
	ck_assert(!ADD_HOSTS("a=127.0.0.1:9000", "a=127.0.0.1:9100"));
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

START_TEST(bare_ipv6_address_needs_no_brackets)
{
	struct pki_host host;

	ck_assert(pki_host_parse("a=2001:db8::1", &host, &err));
	ck_assert_str_eq(host.address, "2001:db8::1");
	ck_assert_uint_eq(host.api_port, PKI_API_PORT);
	ck_assert_uint_eq(host.data_port, PKI_API_PORT + 1);
}
END_TEST

START_TEST(user_name_and_role_checked)
{
	ck_assert(!pki_add_user(&options, "../joe", "viewer", &expires_at, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert(!pki_add_user(&options, "joe", "root", &expires_at, &err));
	ck_assert_int_eq(err.code, ERR_INVALID);
	/* the role would be taken from the end of the name */
	ck_assert(!pki_add_user(&options, "joe", "x.admin", &expires_at, &err));
	ck_assert(pki_add_user(&options, "joe", "admin", &expires_at, &err));
	ck_assert(!pki_add_user(&options, "joe", "viewer", &expires_at, &err));
	ck_assert_int_eq(err.code, ERR_EXISTS);
}
END_TEST

START_TEST(missing_or_broken_ca_named)
{
	ck_assert_int_eq(unlink(scratch_path("ca.pem")), 0);
	ck_assert(!ADD_HOSTS("a=127.0.0.1"));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "pki init"));
	ck_assert(file_write(scratch_path("ca.pem"), "junk", 4, 0644, &err));
	ck_assert(!ADD_HOSTS("a=127.0.0.1"));
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

/* A leaf used as a CA would sign certificates that every host refuses. */
START_TEST(foreign_key_or_leaf_is_no_ca)
{
	CLEANUP(pki_pem_fini) struct pki_pem one = { NULL, NULL, 0 };
	CLEANUP(pki_pem_fini) struct pki_pem two = { NULL, NULL, 0 };
	CLEANUP(free_charp) char *leaf = NULL;
	CLEANUP(free_charp) char *leaf_key = NULL;

	ck_assert(pki_cert_new_ca(1, &one, &err) && pki_cert_new_ca(1, &two, &err));
	ck_assert_ptr_null(pki_ca_new(one.cert, two.key, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "does not belong"));
	ck_assert(ADD_HOSTS("a=127.0.0.1"));
	leaf = read_text("a/host.pem");
	leaf_key = read_text("a/host-key.pem");
	ck_assert_ptr_null(pki_ca_new(leaf, leaf_key, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "not one of a CA"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("pki");
	TCase *tc = tcase_create("certificates");

	tcase_add_checked_fixture(tc, setup, scratch_teardown);
	tcase_add_test(tc, host_files_pass_the_daemons_own_check);
	tcase_add_test(tc, host_certificate_carries_names_and_usages);
	tcase_add_test(tc, ca_certificate_signs_leaves_only);
	tcase_add_test(tc, leaf_never_outlives_its_ca);
	tcase_add_test(tc, user_certificate_is_client_only);
	tcase_add_test(tc, two_hosts_shake_hands_and_know_each_other);
	suite_add_tcase(s, tc);
	tc = tcase_create("files");
	tcase_add_checked_fixture(tc, setup, scratch_teardown);
	tcase_add_test(tc, secrets_are_readable_by_owner_only);
	tcase_add_test(tc, existing_files_kept_unless_forced);
	tcase_add_test(tc, later_host_reaches_every_peer_list);
	tcase_add_test(tc, host_configuration_says_what_was_asked);
	tcase_add_test(tc, renewal_keeps_the_configuration);
	tcase_add_test(tc, removed_directory_is_no_host_any_more);
	suite_add_tcase(s, tc);
	tc = tcase_create("input");
	tcase_add_checked_fixture(tc, setup, scratch_teardown);
	tcase_add_loop_test(tc, bad_host_refused_nothing_written, 0, ARRAY_LEN(bad_hosts));
	tcase_add_test(tc, shared_port_or_double_host_refused);
	tcase_add_test(tc, bare_ipv6_address_needs_no_brackets);
	tcase_add_test(tc, user_name_and_role_checked);
	tcase_add_test(tc, missing_or_broken_ca_named);
	tcase_add_test(tc, foreign_key_or_leaf_is_no_ca);
	suite_add_tcase(s, tc);
	return s;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/http_pki.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"

static char *path_of(const struct http_pki *pki, const char *name, const char *suffix)
{
	static char buffers[4][192];
	static unsigned next;
	char *path = buffers[next++ % 4];

	snprintf(path, sizeof(buffers[0]), "%s/%s%s", pki->dir, name, suffix);
	return path;
}

const char *http_pki_cert(const struct http_pki *pki, const char *name)
{
	return path_of(pki, name, ".pem");
}

const char *http_pki_key(const struct http_pki *pki, const char *name)
{
	return path_of(pki, name, "-key.pem");
}

void http_pki_init(struct http_pki *pki)
{
	snprintf(pki->dir, sizeof(pki->dir), "/tmp/migrd-http-XXXXXX");
	if (!mkdtemp(pki->dir))
		abort();
	snprintf(pki->ca_file, sizeof(pki->ca_file), "%s/ca.pem", pki->dir);
	pki->ca = test_ca_new(pki->dir, "ca");
	pki->stranger_ca = test_ca_new(pki->dir, "stranger-ca");
}

void http_pki_fini(struct http_pki *pki)
{
	struct err err;

	test_ca_free(pki->ca);
	test_ca_free(pki->stranger_ca);
	if (!dir_remove(pki->dir, &err))
		abort();
}

void http_pki_issue(const struct http_pki *pki, const char *name, const char *dns_name,
		    unsigned flags)
{
	struct test_cert cert = {
		.file = name,
		.dns_names = { dns_name },
		.from_days = -10,
		.to_days = flags & HTTP_PKI_EXPIRED ? -1 : 1,
		.is_server_only = flags & HTTP_PKI_SERVER_ONLY,
	};

	test_ca_issue(flags & HTTP_PKI_STRANGER ? pki->stranger_ca : pki->ca, &cert);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/pki/conf.h"

static void add_host(const struct pki_host *host, const struct pki_conf_dirs *dirs,
		     struct strbuf *text)
{
	strbuf_addf(text,
		    "# migrd.conf of host '%s'.  Paths that do not begin with '/' are below the\n"
		    "# directory of this file.  More settings: migrd.conf(5).\n"
		    "\n[host]\n"
		    "# The name of this host among its peers; its certificate carries it.\n"
		    "id = %s\n"
		    "# The job database, and what belongs to each guest.  Survives a reboot.\n"
		    "state_dir = %s\n"
		    "# Sockets; at most 50 bytes.\n"
		    "run_dir = %s\n",
		    host->id, host->id, dirs->state_dir, dirs->run_dir);
}

/* A host listens only at the address under which its peers look for it.  If that is a name, it
 * listens at all addresses: only the host itself knows which ones the name means. */
static void add_listen(const struct pki_host *host, uint16_t port, struct strbuf *text)
{
	char endpoint[PKI_ENDPOINT_SIZE];

	pki_host_endpoint(host, port, endpoint);
	if (host->kind == PKI_ADDRESS_NAME)
		strbuf_addf(text, "listen = 0.0.0.0:%u\n", port);
	else
		strbuf_addf(text, "listen = %s\n", endpoint);
}

static void add_ports(const struct pki_host *host, struct strbuf *text)
{
	char endpoint[PKI_ENDPOINT_SIZE];

	strbuf_adds(text, "\n[api]\n"
			  "# HTTPS with client certificates: peers, and migrctl --host.\n");
	add_listen(host, host->api_port, text);
	strbuf_adds(text,
		    "\n[data]\n"
		    "# Where moving guests arrive: one port, whatever the number of moves.\n");
	add_listen(host, host->data_port, text);
	pki_host_endpoint(host, host->data_port, endpoint);
	strbuf_addf(text,
		    "# What peers connect to; differs from `listen' behind address translation.\n"
		    "advertise = %s\n",
		    endpoint);
}

void pki_conf_host(const struct pki_host *host, const struct pki_conf_dirs *dirs,
		   struct strbuf *text)
{
	add_host(host, dirs, text);
	add_ports(host, text);
	strbuf_adds(text, "\n[tls]\n"
			  "# Whom this host trusts, and what it proves itself with.\n"
			  "ca = ca.pem\n"
			  "cert = host.pem\n"
			  "# Secret: readable by migrd alone (mode 0600).\n"
			  "key = host-key.pem\n");
}

void pki_conf_peers(const struct pki_hosts *hosts, struct strbuf *text)
{
	char endpoint[PKI_ENDPOINT_SIZE];

	strbuf_adds(text,
		    "# All hosts, one section each; a host ignores its own.  Rewritten by\n"
		    "# `migrctl pki host': put other settings into a file beside this one.\n");
	for (size_t i = 0; i < hosts->count; i++) {
		const struct pki_host *host = &hosts->list[i];

		pki_host_endpoint(host, host->api_port, endpoint);
		strbuf_addf(text, "\n[peer %s]\naddress = %s\n", host->id, endpoint);
	}
}

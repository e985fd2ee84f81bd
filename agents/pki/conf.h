/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pki/conf.h -- the configuration files that go with a host's certificate.
 * Thread: any. */
#ifndef MIGRD_PKI_CONF_H
#define MIGRD_PKI_CONF_H

#include "agents/pki/hosts.h"
#include "base/strbuf.h"

struct pki_conf_dirs {
	const char *state_dir; /* a relative path is below the configuration's directory */
	const char *run_dir;
};

#define PKI_STATE_DIR "/var/lib/migrd"
#define PKI_RUN_DIR   "/run/migrd"

/* migrd.conf of one host. */
void pki_conf_host(const struct pki_host *host, const struct pki_conf_dirs *dirs,
		   struct strbuf *text);
/* migrd.conf.d/peers.conf: the same for every host. */
void pki_conf_peers(const struct pki_hosts *hosts, struct strbuf *text);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pki/pki.h -- a private CA in a directory, and the files for each host and user.
 *
 *     DIR/ca.pem  ca-key.pem  hosts
 *     DIR/ID/{ca.pem,host.pem,host-key.pem,migrd.conf,migrd.conf.d/peers.conf}
 *     DIR/users/NAME.{pem,key}
 *
 * DIR/ID is all that host ID needs, and is copied to its /etc/migrd.  Directories
 * are 0700, keys 0600.  Files appear whole or not at all, a certificate after its
 * key.  Existing files are replaced only with `force'.
 *
 * Thread: any; waits for the disk.  Errors: EXISTS (says what force would
 * replace), NOT_FOUND (no CA, host not known), INVALID, CONFLICT.
 */
#ifndef MIGRD_PKI_PKI_H
#define MIGRD_PKI_PKI_H

#include <stdbool.h>
#include <time.h>

#include "agents/pki/conf.h"
#include "agents/pki/hosts.h"
#include "base/err.h"

struct pki_options {
	const char *dir;
	unsigned days;
	bool force;
};

bool pki_init(const struct pki_options *options, time_t *ret_expires_at, struct err *err);

struct pki_host_request {
	const char *const *hosts; /* "ID=ADDRESS[:APIPORT[:DATAPORT]]", or "ID" alone: a
				   * new certificate for a known host, its migrd.conf
				   * is left as it is */
	size_t count;
	const char *state_dir; /* for migrd.conf, "%h" becomes the host's id; */
	const char *run_dir;   /* NULL: the usual ones */
};

/* If one word of the request is wrong, no host is added.  *ret_hosts: all hosts now
 * known; the caller ends it with pki_hosts_fini(). */
bool pki_add_hosts(const struct pki_options *options, const struct pki_host_request *request,
		   struct pki_hosts *ret_hosts, struct err *err);

/* ROLE is viewer, operator or admin. */
bool pki_add_user(const struct pki_options *options, const char *name, const char *role,
		  time_t *ret_expires_at, struct err *err);

#endif

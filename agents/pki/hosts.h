/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pki/hosts.h -- the hosts of a pki directory: their ids and addresses.
 *
 * A text file keeps them, one "ID=ADDRESS:APIPORT:DATAPORT" a line, so that
 * peers.conf can be written for all hosts when one is added.  Thread: any.
 */
#ifndef MIGRD_PKI_HOSTS_H
#define MIGRD_PKI_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

#define PKI_ADDRESS_SIZE  254 /* RFC 1035: a name has at most 253 bytes */
#define PKI_ENDPOINT_SIZE (PKI_ADDRESS_SIZE + 9)
#define PKI_HOSTS_MAX     256 /* as many as migrd takes, see config.h */
#define PKI_API_PORT      8440

enum pki_address_kind { PKI_ADDRESS_IPV4, PKI_ADDRESS_IPV6, PKI_ADDRESS_NAME };

struct pki_host {
	char id[ID_NAME_SIZE];
	char address[PKI_ADDRESS_SIZE];
	enum pki_address_kind kind;
	uint16_t api_port, data_port;
};

/* "ID=ADDRESS[:APIPORT[:DATAPORT]]".  An IPv6 address stands in brackets when
 * ports follow.  DATAPORT is APIPORT + 1 unless given. */
bool pki_host_parse(const char *text, struct pki_host *ret, struct err *err);
/* "ADDRESS:PORT", brackets where needed. */
void pki_host_endpoint(const struct pki_host *host, uint16_t port,
		       char ret_text[PKI_ENDPOINT_SIZE]);

struct pki_hosts {
	struct pki_host *list; /* sorted by id */
	size_t count;
};

void pki_hosts_fini(struct pki_hosts *hosts);
struct pki_host *pki_hosts_find(const struct pki_hosts *hosts, const char *id); /* or NULL */
/* Adds or replaces HOST.  CONFLICT: another host has one of its endpoints. */
bool pki_hosts_put(struct pki_hosts *hosts, const struct pki_host *host, struct err *err);
void pki_hosts_remove(struct pki_hosts *hosts, const char *id);

/* A missing file gives an empty list. */
bool pki_hosts_load(const char *path, struct pki_hosts *ret, struct err *err);
bool pki_hosts_save(const char *path, const struct pki_hosts *hosts, struct err *err);

#endif

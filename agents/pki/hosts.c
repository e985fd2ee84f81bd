/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/pki/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define REGISTER_MAX_BYTES (2u << 20)

/* ---- one host --------------------------------------------------------- */

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.';
}

static bool is_dns_name(const char *s)
{
	bool has_letter = false;

	for (const char *p = s; *p; p++) {
		if (!is_name_char(*p))
			return false;
		has_letter |= isalpha((unsigned char)*p) != 0;
	}
	/* A text without a letter was meant as an address, but is none. */
	return has_letter && s[0] != '-' && s[0] != '.';
}

static bool parse_address(struct pki_host *host, struct err *err)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, host->address, &v4) == 1)
		host->kind = PKI_ADDRESS_IPV4;
	else if (inet_pton(AF_INET6, host->address, &v6) == 1)
		host->kind = PKI_ADDRESS_IPV6;
	else if (is_dns_name(host->address))
		host->kind = PKI_ADDRESS_NAME;
	else
		return err_set(err, ERR_INVALID,
			       "'%s' is neither an IPv4 or IPv6 address nor a host name",
			       host->address);
	if ((host->kind == PKI_ADDRESS_IPV4 && v4.s_addr == htonl(INADDR_ANY)) ||
	    (host->kind == PKI_ADDRESS_IPV6 && IN6_IS_ADDR_UNSPECIFIED(&v6)))
		return err_set(err, ERR_INVALID,
			       "'%s' is no address that other hosts can connect to", host->address);
	return true;
}

/* Reads one ":PORT" at *TEXT, and moves *TEXT behind it. */
static bool parse_port(const char **text, uint16_t *ret_port, struct err *err)
{
	const char *p = *text + 1;
	unsigned long value = 0;

	while (isdigit((unsigned char)*p) && value <= UINT16_MAX)
		value = value * 10 + (unsigned long)(*p++ - '0');
	if (p == *text + 1 || value < 1 || value > UINT16_MAX || (*p != ':' && *p != '\0'))
		return err_set(err, ERR_INVALID, "'%s' is no port (1 to 65535)", *text + 1);
	*text = p;
	*ret_port = (uint16_t)value;
	return true;
}

static bool parse_ports(const char *text, struct pki_host *host, struct err *err)
{
	host->api_port = PKI_API_PORT;
	if (*text == ':' && !parse_port(&text, &host->api_port, err))
		return false;
	if (*text != ':' && host->api_port == UINT16_MAX)
		return err_set(err, ERR_INVALID, "port 65535 has no next one: give the data port");
	host->data_port = (uint16_t)(host->api_port + 1);
	if (*text == ':' && !parse_port(&text, &host->data_port, err))
		return false;
	if (*text != '\0')
		return err_set(err, ERR_INVALID, "'%s' follows the data port", text);
	if (host->api_port == host->data_port)
		return err_set(err, ERR_INVALID, "port %u is given for both API and data",
			       host->api_port);
	return true;
}

/* Splits "ADDRESS[:PORTS]"; *ret_ports points behind the address. */
static bool split_address(const char *text, struct pki_host *host, const char **ret_ports,
			  struct err *err)
{
	struct in6_addr v6;
	const char *end = text + strcspn(text, ":");
	size_t len;

	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end)
			return err_set(err, ERR_INVALID, "the ']' after the address is missing");
		*ret_ports = end + 1;
		if (**ret_ports != ':' && **ret_ports != '\0')
			return err_set(err, ERR_INVALID, "'%s' follows the address", *ret_ports);
	} else {
		if (inet_pton(AF_INET6, text, &v6) == 1)
			end = text + strlen(text);
		*ret_ports = end;
	}
	len = (size_t)(end - text);
	if (len == 0 || len >= sizeof(host->address))
		return err_set(err, ERR_INVALID, "the address has %zu bytes (1 to %zu are allowed)",
			       len, sizeof(host->address) - 1);
	memcpy(host->address, text, len);
	host->address[len] = '\0';
	return true;
}

static bool parse_id(const char *text, size_t len, struct pki_host *host, struct err *err)
{
	if (len >= sizeof(host->id))
		return err_set(err, ERR_INVALID, "a host id has at most 63 characters");
	memcpy(host->id, text, len);
	host->id[len] = '\0';
	if (!id_host_is_valid(host->id))
		return err_set(err, ERR_INVALID,
			       "'%s' is no host id (1 to 63 of a-z, 0-9 and '-', which neither "
			       "begins nor ends it)",
			       host->id);
	return true;
}

bool pki_host_parse(const char *text, struct pki_host *ret, struct err *err)
{
	struct pki_host host;
	const char *equals = strchr(text, '=');
	const char *ports = "";

	memset(&host, 0, sizeof(host));
	if (!equals)
		return err_set(err, ERR_INVALID,
			       "host '%s': an address is missing "
			       "(NAME=ADDRESS[:APIPORT[:DATAPORT]])",
			       text);
	if (!parse_id(text, (size_t)(equals - text), &host, err) ||
	    !split_address(equals + 1, &host, &ports, err) || !parse_address(&host, err) ||
	    !parse_ports(ports, &host, err))
		return err_wrap(err, "host '%s'", text);
	*ret = host;
	return true;
}

void pki_host_endpoint(const struct pki_host *host, uint16_t port, char ret_text[PKI_ENDPOINT_SIZE])
{
	if (host->kind == PKI_ADDRESS_IPV6)
		snprintf(ret_text, PKI_ENDPOINT_SIZE, "[%s]:%u", host->address, port);
	else
		snprintf(ret_text, PKI_ENDPOINT_SIZE, "%s:%u", host->address, port);
}

/* ---- the list --------------------------------------------------------- */

void pki_hosts_fini(struct pki_hosts *hosts)
{
	free(hosts->list);
	memset(hosts, 0, sizeof(*hosts));
}

struct pki_host *pki_hosts_find(const struct pki_hosts *hosts, const char *id)
{
	for (size_t i = 0; i < hosts->count; i++)
		if (strcmp(hosts->list[i].id, id) == 0)
			return &hosts->list[i];
	return NULL;
}

static bool shares_endpoint(const struct pki_host *a, const struct pki_host *b)
{
	return strcmp(a->address, b->address) == 0 &&
	       (a->api_port == b->api_port || a->api_port == b->data_port ||
		a->data_port == b->api_port || a->data_port == b->data_port);
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct pki_host *)a)->id, ((const struct pki_host *)b)->id);
}

bool pki_hosts_put(struct pki_hosts *hosts, const struct pki_host *host, struct err *err)
{
	struct pki_host *known = pki_hosts_find(hosts, host->id);

	for (size_t i = 0; i < hosts->count; i++)
		if (&hosts->list[i] != known && shares_endpoint(&hosts->list[i], host))
			return err_set(err, ERR_CONFLICT,
				       "hosts '%s' and '%s' share a port of address '%s'",
				       hosts->list[i].id, host->id, host->address);
	if (known) {
		*known = *host;
		return true;
	}
	if (hosts->count >= PKI_HOSTS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d hosts", PKI_HOSTS_MAX);
	hosts->list = xrealloc(hosts->list, (hosts->count + 1) * sizeof(*hosts->list));
	hosts->list[hosts->count++] = *host;
	qsort(hosts->list, hosts->count, sizeof(*hosts->list), compare_ids);
	return true;
}

void pki_hosts_remove(struct pki_hosts *hosts, const char *id)
{
	struct pki_host *host = pki_hosts_find(hosts, id);

	if (!host)
		return;
	hosts->count--;
	memmove(host, host + 1, (size_t)(hosts->list + hosts->count - host) * sizeof(*host));
}

/* ---- the file --------------------------------------------------------- */

static bool load_line(const char *path, unsigned number, const char *line, struct pki_hosts *hosts,
		      struct err *err)
{
	struct pki_host host;

	if (line[0] == '#' || line[0] == '\0')
		return true;
	if (!pki_host_parse(line, &host, err) || !pki_hosts_put(hosts, &host, err))
		return err_wrap(err, "%s:%u", path, number);
	return true;
}

bool pki_hosts_load(const char *path, struct pki_hosts *ret, struct err *err)
{
	CLEANUP(pki_hosts_fini) struct pki_hosts hosts = { NULL, 0 };
	CLEANUP(free_charp) char *text = NULL;
	unsigned number = 0;
	char *rest, *line;
	size_t len;

	if (access(path, F_OK) == 0) {
		if (!file_read(path, REGISTER_MAX_BYTES, &text, &len, err))
			return false;
		rest = text;
		while ((line = strsep(&rest, "\n")))
			if (!load_line(path, ++number, line, &hosts, err))
				return false;
	}
	*ret = hosts;
	hosts = (struct pki_hosts){ NULL, 0 };
	return true;
}

bool pki_hosts_save(const char *path, const struct pki_hosts *hosts, struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	char endpoint[PKI_ENDPOINT_SIZE];

	strbuf_adds(&text, "# The hosts of this directory, kept by `migrctl pki host'.\n");
	for (size_t i = 0; i < hosts->count; i++) {
		const struct pki_host *host = &hosts->list[i];

		pki_host_endpoint(host, host->api_port, endpoint);
		strbuf_addf(&text, "%s=%s:%u\n", host->id, endpoint, host->data_port);
	}
	return file_write(path, text.data, text.len, 0600, err);
}

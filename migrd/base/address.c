/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/address.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool host_is_valid(const char *host, size_t len)
{
	if (len > 2 && host[0] == '[' && host[len - 1] == ']')
		return strspn(host + 1, "0123456789abcdefABCDEF:.%") == len - 2;
	if (len == 0 || len > 253 || host[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)host[i]) && host[i] != '.' && host[i] != '-')
			return false;
	return true;
}

bool address_is_valid(const char *address, unsigned long port_min)
{
	const char *colon = strrchr(address, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	unsigned long port;

	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return false;
	port = strtoul(colon + 1, NULL, 10);
	return port >= port_min && port <= 65535 &&
	       host_is_valid(address, (size_t)(colon - address));
}

/* No user and password, which would be shown, and no fragment, which is never sent. */
bool address_is_https_url(const char *url)
{
	static const char scheme[] = "https://";
	const char *host = url + strlen(scheme);
	CLEANUP(free_charp) char *address = NULL;
	size_t len;

	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return false;
	for (const char *c = url; *c; c++)
		if (!isgraph((unsigned char)*c) || strchr("\"<>\\^`{|}#@", *c))
			return false;
	len = strcspn(host, "/?");
	address = xasprintf("%.*s%s", (int)len, host,
			    memrchr(host, ':', len) && host[len - 1] != ']' ? "" : ":443");
	return address_is_valid(address, 1);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/address.h -- addresses as text, without asking anybody.  Thread: any (pure). */
#ifndef MIGRD_BASE_ADDRESS_H
#define MIGRD_BASE_ADDRESS_H

#include <stdbool.h>

/* HOST:PORT; HOST is a name, an IPv4 address or an IPv6 address in brackets.  PORT_MIN: 0 if the
 * port may be any. */
bool address_is_valid(const char *address, unsigned long port_min);
/* https://HOST[:PORT][/PATH], without a user and a password, which would be shown, and without a
 * fragment, which is never sent. */
bool address_is_https_url(const char *url);

#endif

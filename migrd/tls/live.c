/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls/live.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define DAY_S 86400

struct tls_live *tls_live_load_blocking(const char *ca_file, const char *cert_file,
					const char *key_file, struct err *err)
{
	struct tls_live *live = xnew(struct tls_live);

	live->refs = 1;
	if (tls_check_files_any_time(ca_file, cert_file, key_file, &live->identity, &live->times,
				     err) &&
	    tls_credentials(ca_file, cert_file, key_file, &live->cred, err))
		return live;
	free(live);
	return NULL;
}

struct tls_live *tls_live_ref(struct tls_live *live)
{
	__atomic_add_fetch(&live->refs, 1, __ATOMIC_RELAXED);
	return live;
}

void tls_live_unref(struct tls_live *live)
{
	if (!live || __atomic_sub_fetch(&live->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	gnutls_certificate_free_credentials(live->cred);
	free(live);
}

static void time_text(int64_t at_s, char ret_text[32])
{
	time_t at = (time_t)at_s;
	struct tm tm;

	if (!gmtime_r(&at, &tm) || strftime(ret_text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(ret_text, 32, "an unknown time");
}

bool tls_live_is_valid(const struct tls_live *live, struct err *err)
{
	int64_t now_s = clock_wall_s();
	char text[32];

	if (now_s >= live->times.from_s && now_s <= live->times.to_s)
		return true;
	if (now_s < live->times.from_s) {
		time_text(live->times.from_s, text);
		return err_set(err, ERR_UNAVAILABLE,
			       "this host's certificate is not valid before %s, so no other host "
			       "accepts it: is the clock right?",
			       text);
	}
	time_text(live->times.to_s, text);
	return err_set(err, ERR_UNAVAILABLE,
		       "this host's certificate expired at %s, so no other host accepts it: make a "
		       "new one ('migrctl pki host') and reload migrd",
		       text);
}

int64_t tls_live_seconds_left(const struct tls_live *live)
{
	return live->times.to_s - clock_wall_s();
}

int64_t tls_live_days_left(const struct tls_live *live)
{
	int64_t left_s = live->times.to_s - clock_wall_s();

	return left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S);
}

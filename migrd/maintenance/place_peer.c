/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another host is asked by its peer routes (hook/ask.h). */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "maintenance/place.h"
#include "wire/peer_msg.h"

#define HEALTH_MS 5000 /* deadline of each of the two questions */

static void evacuate(const struct maintenances_env *env, const char *host,
		     const struct evacuation_request *request, evacuation_ask_fn *fn, void *data)
{
	evacuation_ask_begin(env->peers, host, request, fn, data);
}

static void evacuation(const struct maintenances_env *env, const char *host, const char *id,
		       evacuation_ask_fn *fn, void *data)
{
	evacuation_ask_status(env->peers, host, id, fn, data);
}

static void withdraw(const struct maintenances_env *env, const char *host, const char *id,
		     const struct evacuation_withdraw *wish, evacuation_ask_fn *fn, void *data)
{
	evacuation_ask_withdraw(env->peers, host, id, wish, fn, data);
}

static void hook_begin(const struct maintenances_env *env, const char *host,
		       const struct hook_request *request, hook_ask_fn *fn, void *data)
{
	hook_ask_begin(env->peers, host, request, fn, data);
}

static void hook(const struct maintenances_env *env, const char *host, const char *hook_id,
		 hook_ask_fn *fn, void *data)
{
	hook_ask_status(env->peers, host, hook_id, fn, data);
}

/* ---- health ---------------------------------------------------------------------- */

struct health {
	struct peer_clients *peers;
	char host[ID_NAME_SIZE];
	char software[sizeof(((struct peer_hello_reply *)0)->software)];
	place_health_fn *fn;
	void *data;
};

static void on_ready(void *data, struct json_object *reply, const struct err *err)
{
	struct health *health = data;

	(void)reply;
	health->fn(health->data, err ? NULL : health->software, err);
	free(health);
}

static void on_hello(void *data, struct json_object *reply, const struct err *err)
{
	struct health *health = data;
	struct peer_hello_reply hello;
	struct err bad;

	if (!err && !peer_hello_reply_decode(reply, &hello, &bad))
		err = &bad;
	if (err) {
		health->fn(health->data, NULL, err);
		free(health);
		return;
	}
	memcpy(health->software, hello.software, sizeof(health->software));
	peer_request(health->peers, health->host, "GET", "/readyz", NULL, HEALTH_MS, on_ready,
		     health);
}

static void ask_health(const struct maintenances_env *env, const char *host, place_health_fn *fn,
		       void *data)
{
	struct health *health = xnew(struct health);

	health->peers = env->peers;
	health->fn = fn;
	health->data = data;
	snprintf(health->host, sizeof(health->host), "%s", host);
	peer_hello(env->peers, host, HEALTH_MS, on_hello, health);
}

const struct maintenance_place place_peer = {
	.evacuate = evacuate,
	.evacuation = evacuation,
	.withdraw = withdraw,
	.hook_begin = hook_begin,
	.hook = hook,
	.health = ask_health,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/ranks.h"

#include <math.h>

#include "base/mem.h"

static double mem_share(const struct plan_state *state, uint32_t host)
{
	return (double)state->use[host].mem_mib /
	       fmax((double)plan_capacity_mib(&state->cluster->hosts[host]), 1);
}

static double cpu_share(const struct plan_state *state, uint32_t host)
{
	return state->use[host].cpu_load / (double)state->cluster->hosts[host].cpus;
}

static double angle_of(unsigned direction)
{
	return 2 * M_PI * direction / RANKS_DIRECTIONS;
}

/* Few have changed since the last time: then this is quick. */
static void sort(uint32_t *list, uint32_t count, const double *keys)
{
	for (uint32_t i = 1; i < count; i++) {
		uint32_t host = list[i], at = i;

		for (; at > 0 && keys[list[at - 1]] > keys[host]; at--)
			list[at] = list[at - 1];
		list[at] = host;
	}
}

void ranks_refresh(struct ranks *ranks, const struct plan_state *state)
{
	ranks->mem_least = ranks->cpu_least = INFINITY;
	for (unsigned direction = 0; direction < RANKS_DIRECTIONS; direction++) {
		double mem = cos(angle_of(direction)), cpu = sin(angle_of(direction));

		for (uint32_t i = 0; i < ranks->count; i++) {
			uint32_t host = ranks->lists[direction][i];

			ranks->keys[host] =
				mem * mem_share(state, host) + cpu * cpu_share(state, host);
		}
		sort(ranks->lists[direction], ranks->count, ranks->keys);
	}
	for (uint32_t i = 0; i < ranks->count; i++) {
		uint32_t host = ranks->lists[0][i];

		ranks->mem_least = fmin(ranks->mem_least, mem_share(state, host));
		ranks->cpu_least = fmin(ranks->cpu_least, cpu_share(state, host));
	}
}

void ranks_init(struct ranks *ranks, const struct plan_state *state)
{
	uint32_t hosts = state->cluster->host_count;

	*ranks = (struct ranks){ .keys = xcalloc(hosts, sizeof(*ranks->keys)) };
	for (unsigned direction = 0; direction < RANKS_DIRECTIONS; direction++)
		ranks->lists[direction] = xcalloc(hosts, sizeof(**ranks->lists));
	for (uint32_t host = 0; host < hosts; host++) {
		if (!plan_in_service(state, host) || state->cluster->hosts[host].hold)
			continue;
		for (unsigned direction = 0; direction < RANKS_DIRECTIONS; direction++)
			ranks->lists[direction][ranks->count] = host;
		ranks->count++;
	}
	ranks_refresh(ranks, state);
}

void ranks_fini(struct ranks *ranks)
{
	for (unsigned direction = 0; direction < RANKS_DIRECTIONS; direction++)
		free(ranks->lists[direction]);
	free(ranks->keys);
}

const uint32_t *ranks_for(const struct ranks *ranks, double mem, double cpu)
{
	long direction = lround(atan2(cpu, mem) / (2 * M_PI) * RANKS_DIRECTIONS);

	return ranks->lists[(direction + RANKS_DIRECTIONS) % RANKS_DIRECTIONS];
}

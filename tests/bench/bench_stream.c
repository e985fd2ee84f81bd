/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measures what the data channel costs: the encrypted connections between two migrd-stream
 * processes on loopback, in turn with a plain TCP copy of as many bytes, and what it costs in
 * addition that a channel may reconnect, in throughput and in CPU time of both processes.  Only
 * the ratios can be compared between machines, and only with at least four cores does every copy
 * cross the caches of the same number of cores.  On a busy machine CPU time says more. */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/lib/stream_rig.h"

#define ROUNDS      5
#define BYTES       (1024ull * MIB)
#define CONNECTIONS 4 /* of a channel with several */

static const struct transfer_channel rows[] = {
	{ "ram", .connections = 1 },
	{ "ram", .connections = CONNECTIONS },
};

static char block[256 * 1024];

/* One connection: what is written to IN_FD comes out of OUT_FD. */
struct lane {
	int in_fd, out_fd;
	uint64_t bytes;
	pthread_t writer, reader;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *write_all(void *arg)
{
	const struct lane *lane = arg;

	for (uint64_t done = 0; done < lane->bytes;) {
		ssize_t rc = send(lane->in_fd, block, sizeof(block), MSG_NOSIGNAL);

		if (rc <= 0)
			abort();
		done += (uint64_t)rc;
	}
	shutdown(lane->in_fd, SHUT_WR);
	return NULL;
}

static void *read_all(void *arg)
{
	const struct lane *lane = arg;
	char *buf = malloc(sizeof(block));
	uint64_t done = 0;
	ssize_t rc;

	while (buf && (rc = recv(lane->out_fd, buf, sizeof(block), 0)) > 0)
		done += (uint64_t)rc;
	free(buf);
	if (done < lane->bytes)
		abort();
	return NULL;
}

static double mib_per_s(struct lane *lanes, size_t count)
{
	double began = now_s();

	for (size_t i = 0; i < count; i++) {
		lanes[i].bytes = BYTES / count;
		if (pthread_create(&lanes[i].reader, NULL, read_all, &lanes[i]) != 0 ||
		    pthread_create(&lanes[i].writer, NULL, write_all, &lanes[i]) != 0)
			abort();
	}
	for (size_t i = 0; i < count; i++) {
		pthread_join(lanes[i].writer, NULL);
		pthread_join(lanes[i].reader, NULL);
	}
	return (double)BYTES / MIB / (now_s() - began);
}

static void close_all(const struct lane *lanes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		close(lanes[i].in_fd);
		close(lanes[i].out_fd);
	}
}

static double time_tcp(size_t count)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct lane lanes[CONNECTIONS];
	socklen_t size = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	double rate;

	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, CONNECTIONS) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &size) < 0)
		abort();
	for (size_t i = 0; i < count; i++) {
		lanes[i].in_fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(lanes[i].in_fd, (struct sockaddr *)&addr, size) < 0)
			abort();
		lanes[i].out_fd = accept(listener, NULL, NULL);
	}
	rate = mib_per_s(lanes, count);
	close_all(lanes, count);
	close(listener);
	return rate;
}

static void set_up_channel(const struct transfer_channel *row)
{
	set_up();
	src.config.channels[src.config.channel_count++] = *row;
	dst.config.channels[dst.config.channel_count++] = *row;
	start_well(&dst);
	start_well(&src);
	if (!run_until(is_channel_ready, &src, WAIT_MS) ||
	    !run_until(is_channel_ready, &dst, WAIT_MS))
		abort();
}

/* Of the processes that have ended. */
static double children_cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct cost {
	double mib_per_s, cpu_s;
};

static struct cost time_stream(const struct transfer_channel *row, bool may_reconnect)
{
	struct lane lanes[CONNECTIONS] = { 0 };
	struct transfer_channel channel = *row;
	struct cost cost;
	double cpu_s = children_cpu_s();

	channel.may_reconnect = may_reconnect;
	set_up_channel(&channel);
	for (size_t i = 0; i < channel.connections; i++) {
		lanes[i].in_fd = connect_qemu("ram");
		send_bytes(lanes[i].in_fd, "Q");
		lanes[i].out_fd = accept_qemu(qemu_listen_fd);
		expect_bytes(lanes[i].out_fd, "Q");
	}
	cost.mib_per_s = mib_per_s(lanes, channel.connections);
	close_all(lanes, channel.connections);
	tear_down();
	cost.cpu_s = children_cpu_s() - cpu_s;
	return cost;
}

static int compare(const void *one, const void *two)
{
	double a = *(const double *)one, b = *(const double *)two;

	return a < b ? -1 : a > b;
}

/* Sorts RATIOS. */
static void report(const char *name, uint64_t connections, double *ratios)
{
	qsort(ratios, ROUNDS, sizeof(*ratios), compare);
	printf("connections=%llu %s=%.2f [%.2f-%.2f]\n", (unsigned long long)connections, name,
	       ratios[ROUNDS / 2], ratios[0], ratios[ROUNDS - 1]);
}

static void measure(const struct transfer_channel *row)
{
	double of_tcp[ROUNDS], of_plain[ROUNDS], cpu[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		double tcp = time_tcp(row->connections);
		struct cost plain = time_stream(row, false);
		struct cost again = time_stream(row, true);

		printf("connections=%llu tcp_mib_per_s=%.0f stream_mib_per_s=%.0f "
		       "may_reconnect_mib_per_s=%.0f stream_cpu_s=%.2f "
		       "may_reconnect_cpu_s=%.2f\n",
		       (unsigned long long)row->connections, tcp, plain.mib_per_s, again.mib_per_s,
		       plain.cpu_s, again.cpu_s);
		of_tcp[i] = plain.mib_per_s / tcp;
		of_plain[i] = again.mib_per_s / plain.mib_per_s;
		cpu[i] = again.cpu_s / plain.cpu_s;
	}
	report("stream/tcp", row->connections, of_tcp);
	report("may_reconnect/stream", row->connections, of_plain);
	report("may_reconnect/stream_cpu", row->connections, cpu);
}

int main(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		measure(&rows[i]);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measures what the data channel costs: one encrypted channel between two migrd-stream
 * processes on loopback, in turn with a plain TCP copy of as many bytes.  Only the
 * ratio can be compared between machines, and only with at least four cores does
 * every copy cross the caches of the same number of cores. */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/log.h"
#include "tests/lib/stream_rig.h"

#define ROUNDS 3
#define BYTES  (1024ull * MIB)

static char block[256 * 1024];

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *write_all(void *arg)
{
	int fd = *(int *)arg;

	for (uint64_t done = 0; done < BYTES;) {
		ssize_t rc = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		if (rc <= 0)
			abort();
		done += (uint64_t)rc;
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static double mib_per_s(int in_fd, int out_fd)
{
	static char buf[256 * 1024];
	double began = now_s();
	uint64_t done = 0;
	pthread_t writer;
	ssize_t rc;

	pthread_create(&writer, NULL, write_all, &in_fd);
	while ((rc = recv(out_fd, buf, sizeof(buf), 0)) > 0)
		done += (uint64_t)rc;
	pthread_join(writer, NULL);
	if (done < BYTES)
		abort();
	return (double)done / MIB / (now_s() - began);
}

static double time_tcp(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int in = socket(AF_INET, SOCK_STREAM, 0), out;
	double rate;

	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &size) < 0 ||
	    connect(in, (struct sockaddr *)&addr, size) < 0)
		abort();
	out = accept(listener, NULL, NULL);
	rate = mib_per_s(in, out);
	close(in);
	close(out);
	close(listener);
	return rate;
}

static double time_stream(void)
{
	double rate;

	set_up_open();
	rate = mib_per_s(src_qemu, dst_qemu);
	tear_down_open();
	src_qemu = dst_qemu = -1;
	return rate;
}

int main(void)
{
	log_set_level(LOG_LEVEL_ERROR);
	for (int i = 0; i < ROUNDS; i++) {
		double tcp = time_tcp();
		double stream = time_stream();

		printf("tcp_mib_per_s=%.0f stream_mib_per_s=%.0f ratio=%.2f\n", tcp, stream,
		       stream / tcp);
	}
	return 0;
}

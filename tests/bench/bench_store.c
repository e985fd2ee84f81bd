/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measures what a commit costs on this disk: the change of a move's state with its
 * timeline entry, from store_commit() to its answer on the loop.  It is compared with
 * a bare write + fdatasync of as many bytes; the two take turns. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store.h"

#define ROUNDS 200

static char dir[128], wal_path[160], bare_path[160];
static struct loop *loop;
static struct store *store;
static double commit_ms[ROUNDS], bare_ms[ROUNDS], wal_kib[ROUNDS];

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_store: %s: %s\n", what, why);
	exit(1);
}

static off_t wal_bytes(void)
{
	struct stat st;

	return stat(wal_path, &st) == 0 ? st.st_size : 0;
}

static void on_done(void *data, const struct err *err)
{
	(void)data;
	if (err)
		die("commit", err->msg);
	loop_stop(loop);
}

static double time_commit(int round)
{
	static char detail[600];
	struct store_move move = { .id = "018f0000-0000-7000-8000-0000000000a1",
				   .kind = "MIGRATION_OUT",
				   .vm_name = "vm1",
				   .peer = "b",
				   .detail = detail };
	struct store_timeline_entry entry = { .event = "state", .detail = "transfer -> handover" };
	double start;

	memset(detail, 'x', sizeof(detail) - 1);
	snprintf(move.state, sizeof(move.state), "s%d", round);
	start = now_ms();
	store_commit(store,
		     &(struct store_txn){
			     { store_put_move(&move),
			       store_put_notes(&(struct store_notes){ move.id, &entry, 1 }) } },
		     on_done, NULL);
	loop_run(loop);
	return now_ms() - start;
}

static double time_bare(int fd, size_t bytes, off_t at)
{
	static char block[1 << 20];
	double start = now_ms();

	if (pwrite(fd, block, bytes, at) != (ssize_t)bytes || fdatasync(fd) < 0)
		die("write", strerror(errno));
	return now_ms() - start;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

/* Both files grow: the commit and the bare write go to the end of their file. */
static void measure(int fd)
{
	off_t at = 0;

	for (int i = 0; i < ROUNDS; i++) {
		off_t before = wal_bytes(), bytes;

		commit_ms[i] = time_commit(i);
		bytes = wal_bytes() - before;
		wal_kib[i] = (double)bytes / 1024;
		bare_ms[i] = time_bare(fd, (size_t)bytes, at);
		at += bytes;
	}
}

static void on_settled(void *data, const struct store_timeline_entry *entries, size_t count,
		       const struct err *err)
{
	(void)data;
	(void)entries;
	(void)count;
	if (err)
		die("timeline", err->msg);
	loop_stop(loop);
}

/* Measures the first commit after each checkpoint. */
static void measure_after_idle(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		store_idle(store);
		store_timeline(store, "", on_settled, NULL);
		loop_run(loop);
		commit_ms[i] = time_commit(i);
	}
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	struct err err = { 0 };
	double commit, bare;
	int fd;

	snprintf(dir, sizeof(dir), "%.80s/migrd-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		die(dir, strerror(errno));
	snprintf(wal_path, sizeof(wal_path), "%s/migrd.db-wal", dir);
	snprintf(bare_path, sizeof(bare_path), "%s/bare", dir);
	log_set_level(LOG_LEVEL_ERROR);
	loop = loop_new();
	store = store_open_blocking(loop, dir, &err);
	if (!store)
		die("open", err.msg);
	fd = open(bare_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	time_commit(0);
	measure(fd);
	commit = median(commit_ms);
	bare = median(bare_ms);
	printf("bench=store commits=%d commit_ms=%.3f bare_ms=%.3f ratio=%.2f wal_kib=%.1f\n",
	       ROUNDS, commit, bare, commit / bare, median(wal_kib));
	measure_after_idle();
	printf("bench=store-after-idle commits=%d commit_ms=%.3f ratio=%.2f\n", ROUNDS,
	       median(commit_ms), median(commit_ms) / bare);
	close(fd);
	store_close(store);
	loop_free(loop);
	dir_remove(dir, &err);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/proc.h"
#include "check_main.h"
#include "scratch.h"

static struct err err;
static struct loop *loop;
static struct proc *proc;
static int exit_count;
static int exit_status;

static void setup(void)
{
	scratch_setup();
	loop = loop_new();
}

static void teardown(void)
{
	proc_free(proc);
	loop_free(loop);
	scratch_teardown();
}

static void on_exit_stop(void *data, int status)
{
	(void)data;
	exit_count++;
	exit_status = status;
	loop_stop(loop);
}

/* Starts "sh -c SCRIPT" with its output in the file "log". */
static struct proc_id start_sh(const char *script, const int *keep_fds, size_t keep_fd_count)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	CLEANUP(free_charp) char *log_path = xstrdup(scratch_path("log"));
	struct proc_args args = { .argv = argv,
				  .keep_fds = keep_fds,
				  .keep_fd_count = keep_fd_count,
				  .log_path = log_path };
	struct proc_id id;

	ck_assert_msg(proc_spawn(&args, &id, &err), "%s", err.msg);
	return id;
}

static void watch(struct proc_id id)
{
	proc = proc_watch(loop, id, on_exit_stop, NULL, &err);
	ck_assert_msg(proc != NULL, "%s", err.msg);
}

/* Runs a script to its end; returns what it wrote (the caller frees it). */
static char *output_of(const char *script, const int *keep_fds, size_t keep_fd_count)
{
	char *text;

	watch(start_sh(script, keep_fds, keep_fd_count));
	loop_run(loop);
	proc_free(TAKE_PTR(proc));
	ck_assert_int_eq(exit_status, 0);
	ck_assert(file_read_tail(scratch_path("log"), 4096, &text, &err));
	return text;
}

/* Waits until the child has ended, without reaping it. */
static void wait_for_zombie(pid_t pid)
{
	siginfo_t info;

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* ---- start ----------------------------------------------------------- */

/* A guest must outlive the daemon: it has a session of its own, so that no terminal and no
 * signal to the daemon's group reaches it. */
START_TEST(child_has_a_session_of_its_own)
{
	CLEANUP(free_charp)
	char *text = output_of("read pid comm state ppid group session rest </proc/self/stat;"
			       "test $session = $$ && test $group = $$ && echo own",
			       NULL, 0);

	ck_assert_str_eq(text, "own\n");
}
END_TEST

/* Signals that the daemon blocks or ignores would disturb QEMU in odd ways. */
START_TEST(child_gets_default_signals)
{
	CLEANUP(free_charp) char *text = NULL;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* The last seven digits are signals 1 to 28.  The C library keeps 32 and 33 for
	 * itself. */
	text = output_of("sed -nE 's/^(Sig(Blk|Ign)):.*(.{7})$/\\1 \\3/p' /proc/self/status", NULL,
			 0);
	ck_assert_str_eq(text, "SigBlk 0000000\nSigIgn 0000000\n");
}
END_TEST

/* The child gets only the descriptors that are meant for it: a leaked socket would keep a
 * port, or a peer, busy while the guest lives. */
START_TEST(child_has_only_the_kept_descriptors)
{
	CLEANUP(free_charp) char *text = NULL;
	CLEANUP(closep) int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CLEANUP(closep) int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char script[256];

	snprintf(script, sizeof(script),
		 "test -e /proc/self/fd/%d && ! test -e /proc/self/fd/%d && readlink "
		 "/proc/self/fd/0",
		 kept, other);
	text = output_of(script, &kept, 1);
	ck_assert_str_eq(text, "/dev/null\n");
	ck_assert_int_eq(fcntl(kept, F_GETFD), FD_CLOEXEC);
}
END_TEST

/* The reasons for a failed start are on stderr, and an earlier run's output stays in the log. */
START_TEST(child_output_is_appended_to_the_log)
{
	free(output_of("echo one", NULL, 0));
	CLEANUP(free_charp) char *text = output_of("echo two; echo three >&2", NULL, 0);

	ck_assert_str_eq(text, "one\ntwo\nthree\n");
}
END_TEST

/* A daemon may be started with its standard descriptors closed; then the log's
 * own number is one of those to be replaced. */
START_TEST(child_of_a_parent_without_descriptors_has_its_own)
{
	CLEANUP(free_charp) char *text = NULL;
	int saved[3];

	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	text = output_of("readlink /proc/self/fd/0; echo out; echo err >&2", NULL, 0);
	for (int fd = 0; fd < 3; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	ck_assert_str_eq(text, "/dev/null\nout\nerr\n");
}
END_TEST

/* The error for a missing QEMU names the program. */
START_TEST(spawn_of_a_missing_program_names_it)
{
	const char *const argv[] = { "no-such-program", NULL };
	struct proc_args args = { .argv = argv };
	struct proc_id id = { .pid = 77 };

	ck_assert(!proc_spawn(&args, &id, &err));
	ck_assert_str_eq(err.msg, "cannot start 'no-such-program': No such file or directory");
	ck_assert_int_eq(id.pid, 77);
	args.log_path = "/no/such/dir/log";
	ck_assert(!proc_spawn(&args, &id, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "/no/such/dir/log"));
}
END_TEST

/* ---- end ------------------------------------------------------------- */

/* The exit status is the first fact to know about a QEMU that has ended. */
START_TEST(child_that_exits_is_reaped_with_its_status)
{
	struct proc_id id = start_sh("exit 3", NULL, 0);

	watch(id);
	loop_run(loop);
	ck_assert_int_eq(exit_count, 1);
	ck_assert(WIFEXITED(exit_status));
	ck_assert_int_eq(WEXITSTATUS(exit_status), 3);
	ck_assert_int_eq(kill(id.pid, 0), -1);
	ck_assert_int_eq(errno, ESRCH);
	proc_kill(proc, SIGKILL); /* kills nothing, because the child has ended */
}
END_TEST

/* A killed QEMU must not be taken for one that ended well. */
START_TEST(child_that_is_killed_shows_its_signal)
{
	watch(start_sh("kill -STOP $$", NULL, 0));
	proc_kill(proc, SIGKILL);
	loop_run(loop);
	ck_assert_int_eq(exit_count, 1);
	ck_assert(WIFSIGNALED(exit_status));
	ck_assert_int_eq(WTERMSIG(exit_status), SIGKILL);
}
END_TEST

/* A QEMU that ends before it is watched is still reported, on either loop. */
START_TEST(child_that_ended_before_the_watch_is_told)
{
	struct proc_id id = start_sh("exit 4", NULL, 0);

	wait_for_zombie(id.pid);
	if (_i == 1) {
		loop_free(loop);
		loop = loop_new_sim();
	}
	watch(id);
	ck_assert_int_eq(exit_count, 0);
	loop_run(loop);
	ck_assert_int_eq(exit_count, 1);
	ck_assert_int_eq(WEXITSTATUS(exit_status), 4);
}
END_TEST

static void on_exit_free(void *data, int status)
{
	on_exit_stop(data, status);
	proc_free(TAKE_PTR(proc));
}

/* A VM object may be freed in the callback. */
START_TEST(watch_freed_in_its_callback_is_fine)
{
	proc = proc_watch(loop, start_sh("exit 0", NULL, 0), on_exit_free, NULL, &err);
	ck_assert_ptr_nonnull(proc);
	loop_run(loop);
	ck_assert_int_eq(exit_count, 1);
}
END_TEST

/* After a restart of the daemon no QEMU is its child. */
START_TEST(process_that_is_no_child_is_told_without_status)
{
	CLEANUP(free_charp) char *text = NULL;
	struct proc_id id;
	char script[128];

	ck_assert_int_eq(mkfifo(scratch_path("fifo"), 0600), 0);
	snprintf(script, sizeof(script), "cat %s & echo $!", scratch_path("fifo"));
	text = output_of(script, NULL, 0);
	exit_count = 0;
	ck_assert_msg(proc_identify((pid_t)strtol(text, NULL, 10), &id, &err), "%s", err.msg);
	watch(id);
	proc_kill(proc, SIGKILL);
	loop_run(loop);
	ck_assert_int_eq(exit_count, 1);
	ck_assert_int_eq(exit_status, -1);
}
END_TEST

/* ---- identity -------------------------------------------------------- */

/* A recycled pid must never be taken for our QEMU, least of all be killed. */
START_TEST(process_with_another_start_time_is_not_found)
{
	struct proc_id id;

	ck_assert(proc_identify(getpid(), &id, &err));
	ck_assert_int_eq(id.pid, getpid());
	id.start_time--;
	ck_assert_ptr_null(proc_watch(loop, id, on_exit_stop, NULL, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

/* Callers treat a process that is gone as a normal answer; a zombie counts as gone. */
START_TEST(process_that_has_ended_is_not_found)
{
	struct proc_id id = start_sh("exit 0", NULL, 0);
	struct proc_id found;

	wait_for_zombie(id.pid);
	ck_assert(!proc_identify(id.pid, &found, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_int_eq(waitpid(id.pid, NULL, 0), id.pid);
	ck_assert(!proc_identify(id.pid, &found, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_null(proc_watch(loop, id, on_exit_stop, NULL, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_null(proc_watch(loop, (struct proc_id){ 0 }, on_exit_stop, NULL, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

/* A program's name may hold spaces and parentheses, and look like a state in /proc. */
START_TEST(process_with_an_odd_name_is_identified)
{
	struct proc_id before, after;

	ck_assert(proc_identify(getpid(), &before, &err));
	prctl(PR_SET_NAME, "a) Z 1 (b");
	ck_assert_msg(proc_identify(getpid(), &after, &err), "%s", err.msg);
	ck_assert_uint_gt(after.start_time, 0);
	ck_assert_uint_eq(after.start_time, before.start_time);
}
END_TEST

/* A new boot id means that the host was started anew: no process of the daemon can have
 * survived. */
START_TEST(boot_id_is_a_uuid_and_stays)
{
	ck_assert(id_uuid_is_valid(proc_boot_id()));
	ck_assert_ptr_eq(proc_boot_id(), proc_boot_id());
}
END_TEST

/* ---- to its end ------------------------------------------------------------------ */

static bool run_sh(const char *script, uint32_t timeout_ms)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	return proc_run_blocking(&(struct proc_args){ .argv = argv }, timeout_ms, &err);
}

START_TEST(program_that_is_run_and_succeeds_is_reaped)
{
	ck_assert_msg(run_sh("echo words; exit 0", 20000), "%s", err.msg);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(program_that_is_run_and_fails_gives_its_last_line)
{
	ck_assert(!run_sh("echo first; echo 'no room' >&2; exit 3", 20000));
	ck_assert_str_eq(err.msg, "'sh' ended by status 3: no room");
	ck_assert(!run_sh("kill -9 $$", 20000));
	ck_assert_str_eq(err.msg, "'sh' ended by signal 9: it said nothing");
}
END_TEST

/* What a program prints has a limit, and does not hold it up. */
START_TEST(program_that_is_run_and_prints_without_end_ends)
{
	ck_assert(run_sh("yes 2>/dev/null | head -c 1000000; exit 0", 20000));
}
END_TEST

START_TEST(program_that_is_run_and_hangs_is_killed)
{
	ck_assert(!run_sh("exec tail -f /dev/null", 50));
	ck_assert_int_eq(err.code, ERR_TIMEOUT);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

/* Nobody has the pipe open for writing any more when all of them have ended. */
START_TEST(what_a_program_that_hangs_has_started_is_killed_with_it)
{
	const uint64_t end_ms = clock_monotonic_ms() + 20000;
	CLEANUP(free_charp)
	char *script = xasprintf("exec 3>%s; tail -f /dev/null & wait", scratch_path("pipe"));
	CLEANUP(closep) int fd = -1;
	ssize_t n;
	char c;

	ck_assert_int_eq(mkfifo(scratch_path("pipe"), 0600), 0);
	fd = open(scratch_path("pipe"), O_RDONLY | O_NONBLOCK);
	ck_assert(!run_sh(script, 500));
	ck_assert_int_eq(err.code, ERR_TIMEOUT);
	while ((n = read(fd, &c, 1)) != 0 && clock_monotonic_ms() < end_ms)
		sched_yield();
	ck_assert_int_eq(n, 0);
}
END_TEST

static bool run_output(const char *script, char **ret_text)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	return proc_run_output_blocking(&(struct proc_args){ .argv = argv }, 20000, 1000, ret_text,
					&err);
}

START_TEST(program_that_tells_something_is_heard)
{
	CLEANUP(free_charp) char *text = NULL;

	ck_assert_msg(run_output("echo one; echo two", &text), "%s", err.msg);
	ck_assert_str_eq(text, "one\ntwo\n");
	ck_assert(!run_output("echo one; exit 3", &text));
	ck_assert_msg(strstr(err.msg, "status 3"), "%s", err.msg);
}
END_TEST

/* The kernel keeps no status then: a shell tells it.  A program that was killed without a word was
 * taken for one that is done. */
START_TEST(status_of_a_program_is_known_where_sigchld_is_ignored)
{
	CLEANUP(free_charp) char *text = NULL;

	signal(SIGCHLD, SIG_IGN);
	ck_assert_msg(run_output("echo one; exit 0", &text), "%s", err.msg);
	ck_assert_str_eq(text, "one\n");
	ck_assert_msg(run_sh("echo words; exit 0", 20000), "%s", err.msg);
	ck_assert(!run_output("echo one; exit 3", &text));
	ck_assert_str_eq(err.msg, "'sh' ended by status 3: one");
	ck_assert(!run_sh("exit 3", 20000));
	ck_assert_str_eq(err.msg, "'sh' ended by status 3: it said nothing");
	ck_assert(!run_sh("kill -9 $$", 20000));
	ck_assert_msg(strstr(err.msg, "'sh' ended by status 137: "), "%s", err.msg);
}
END_TEST

/* With the shell itself, by one who ends all of its group. */
START_TEST(program_that_is_killed_with_its_shell_has_failed)
{
	signal(SIGCHLD, SIG_IGN);
	ck_assert(!run_sh("kill -9 0", 20000));
	ck_assert_str_eq(err.msg, "'sh' was killed: it said nothing");
	ck_assert(!run_sh("exec tail -f /dev/null", 50));
	ck_assert_int_eq(err.code, ERR_TIMEOUT);
	ck_assert(!run_sh("exec /nowhere/program", 20000));
	ck_assert_msg(strstr(err.msg, "status 127"), "%s", err.msg);
}
END_TEST

/* Success leaves the error alone, also of a program that has ended before it is looked at. */
START_TEST(program_that_is_run_and_succeeds_sets_no_error)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 20; i++) {
		err = (struct err){ 0 };
		ck_assert_msg(run_sh("exit 0", 20000), "%s", err.msg);
		ck_assert(!err_is_set(&err));
	}
}
END_TEST

/* Descriptors that it is to have are there, by whichever way it is run. */
START_TEST(program_that_is_run_keeps_its_descriptors)
{
	CLEANUP(free_charp) char *script = NULL;
	const char *argv[] = { "sh", "-c", NULL, NULL };
	struct proc_args args = { .argv = argv, .keep_fd_count = 1 };
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	script = xasprintf("read word </proc/self/fd/%d; echo \"$word\"", fds[0]);
	argv[2] = script;
	args.keep_fds = fds;
	for (int i = 0; i < 2; i++) {
		CLEANUP(free_charp) char *text = NULL;

		signal(SIGCHLD, i ? SIG_IGN : SIG_DFL);
		ck_assert_int_eq(write(fds[1], "heard\n", 6), 6);
		ck_assert_msg(proc_run_output_blocking(&args, 20000, 1000, &text, &err), "%s",
			      err.msg);
		ck_assert_str_eq(text, "heard\n");
	}
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* It cannot fill the memory. */
START_TEST(program_that_tells_too_much_is_cut)
{
	CLEANUP(free_charp) char *text = NULL;

	ck_assert(run_output("head -c 5000 /dev/zero | tr '\\0' x; exit 0", &text));
	ck_assert_uint_le(strlen(text), 1000);
}
END_TEST

START_TEST(program_that_is_not_there_cannot_be_run)
{
	const char *const argv[] = { "/nowhere/program", NULL };

	ck_assert(!proc_run_blocking(&(struct proc_args){ .argv = argv }, 20000, &err));
	ck_assert_msg(strstr(err.msg, "cannot start '/nowhere/program'"), "%s", err.msg);
}
END_TEST

/* What a thread has worked is counted, and what is no thread of the process is refused. */
START_TEST(cpu_time_of_a_thread_grows_with_its_work)
{
	uint64_t before_us, after_us;

	ck_assert(proc_thread_cpu_us(getpid(), gettid(), &before_us, &err));
	do {
		ck_assert(proc_thread_cpu_us(getpid(), gettid(), &after_us, &err));
	} while (after_us < before_us + 2000);
	ck_assert(!proc_thread_cpu_us(getpid(), 1, &after_us, &err));
}
END_TEST

/* What a process has used grows with its work, and a recycled pid is another process. */
START_TEST(use_of_a_process_grows_with_its_work)
{
	struct proc_use before, after;
	struct proc_id id, other;

	ck_assert(proc_identify(getpid(), &id, &err));
	ck_assert(proc_use(id, &before, &err));
	do {
		ck_assert(proc_use(id, &after, &err));
	} while (after.cpu_ms < before.cpu_ms + 30);
	ck_assert_uint_ge(after.lived_ms, before.lived_ms + 30);
	ck_assert_uint_gt(after.resident_mib, 0);
	ck_assert_uint_lt(after.resident_mib, 4096);
	other = (struct proc_id){ id.pid, id.start_time + 1 };
	ck_assert(!proc_use(other, &after, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert(!proc_use((struct proc_id){ 0 }, &after, &err));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("proc");
	TCase *tc = tcase_create("proc");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, cpu_time_of_a_thread_grows_with_its_work);
	tcase_add_test(tc, use_of_a_process_grows_with_its_work);
	tcase_add_test(tc, child_has_a_session_of_its_own);
	tcase_add_test(tc, child_gets_default_signals);
	tcase_add_test(tc, child_has_only_the_kept_descriptors);
	tcase_add_test(tc, child_output_is_appended_to_the_log);
	tcase_add_test(tc, child_of_a_parent_without_descriptors_has_its_own);
	tcase_add_test(tc, spawn_of_a_missing_program_names_it);
	tcase_add_test(tc, child_that_exits_is_reaped_with_its_status);
	tcase_add_test(tc, child_that_is_killed_shows_its_signal);
	tcase_add_loop_test(tc, child_that_ended_before_the_watch_is_told, 0, 2);
	tcase_add_test(tc, watch_freed_in_its_callback_is_fine);
	tcase_add_test(tc, process_that_is_no_child_is_told_without_status);
	tcase_add_test(tc, process_with_another_start_time_is_not_found);
	tcase_add_test(tc, process_that_has_ended_is_not_found);
	tcase_add_test(tc, process_with_an_odd_name_is_identified);
	tcase_add_test(tc, boot_id_is_a_uuid_and_stays);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, program_that_is_run_and_succeeds_is_reaped);
	tcase_add_test(tc, program_that_is_run_and_fails_gives_its_last_line);
	tcase_add_test(tc, program_that_is_run_and_prints_without_end_ends);
	tcase_add_test(tc, program_that_is_run_and_hangs_is_killed);
	tcase_add_test(tc, what_a_program_that_hangs_has_started_is_killed_with_it);
	tcase_add_test(tc, program_that_tells_something_is_heard);
	tcase_add_test(tc, status_of_a_program_is_known_where_sigchld_is_ignored);
	tcase_add_test(tc, program_that_is_killed_with_its_shell_has_failed);
	tcase_add_test(tc, program_that_is_run_and_succeeds_sets_no_error);
	tcase_add_test(tc, program_that_is_run_keeps_its_descriptors);
	tcase_add_test(tc, program_that_tells_too_much_is_cut);
	tcase_add_test(tc, program_that_is_not_there_cannot_be_run);
	return s;
}

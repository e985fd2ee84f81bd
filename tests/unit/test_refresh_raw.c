/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw arguments that two QEMUs of one host cannot have at the same time. */
#include <string.h>

#include "base/mem.h"
#include "check_main.h"
#include "refresh/raw.h"

/* WHY: a word of the reason; NULL: nothing is known against it. */
static const struct {
	const char *option, *value, *why;
} cases[] = {
	{ "-chardev", "socket,path=/run/c,server=on,wait=off,id=c", "listens" },
	{ "-chardev", "socket,id=c,host=::,port=1,server", "listens" },
	{ "--chardev", "backend=socket,id=c,path=/run/c,server=true", "listens" },
	{ "-chardev", "socket,id=c,path=/run/c", NULL },
	{ "-chardev", "socket,id=c,path=/run/c,server=off", NULL },
	{ "-chardev", "udp,id=c,port=1", NULL },
	{ "-chardev", "udp,id=c,port=1,localport=2", "binds" },
	{ "-chardev", "file,id=c,path=/var/log/c", "empty" },
	{ "-chardev", "file,id=c,path=/var/log/c,append=on", NULL },
	{ "-chardev", "pty,id=c", NULL },
	{ "-chardev", "pty,id=c,logfile=/var/log/c", "empty" },
	{ "-chardev", "pty,id=c,logfile=/var/log/c,logappend=on", NULL },
	{ "-chardev", "pipe,id=c,path=/run/p", "share" },
	{ "-chardev", "serial,id=c,path=/dev/ttyS0", "share" },
	{ "-serial", "unix:/run/s,server=on,wait=off", "listens" },
	{ "-serial", "unix:/run/s,server,nowait", "listens" },
	{ "-serial", "mon:tcp:127.0.0.1:4444,server=on", "listens" },
	{ "-serial", "tcp:127.0.0.1:4444", NULL },
	{ "-serial", "udp:127.0.0.1:4444", NULL },
	{ "-serial", "udp:127.0.0.1:4444@127.0.0.1:4445", "binds" },
	{ "-serial", "file:/var/log/s", "empty" },
	{ "-serial", "/dev/ttyS0", "share" },
	{ "-serial", "pty", NULL },
	{ "-serial", "chardev:c", NULL },
	{ "-serial", "mon:stdio", NULL },
	{ "-monitor", "unix:/run/m,server=on", "listens" },
	{ "-monitor", "none", NULL },
	{ "-qmp", "telnet::4444,server=on", "listens" },
	{ "-gdb", "tcp::1234", "listens" },
	{ "-s", NULL, "listens" },
	{ "-vnc", ":1", "listens" },
	{ "-vnc", "unix:/run/v", "listens" },
	{ "-vnc", "none", NULL },
	{ "-vnc", "viewer:5500,reverse=on", NULL },
	{ "-display", "vnc=:1", "listens" },
	{ "-display", "none", NULL },
	{ "-spice", "port=5900,disable-ticketing=on", "listens" },
	{ "-netdev", "user,id=n", NULL },
	{ "-netdev", "user,id=n,hostfwd=tcp::2222-:22", "listens" },
	{ "-netdev", "{\"type\":\"user\",\"id\":\"n\",\"hostfwd\":[{\"str\":\"tcp::1-:2\"}]}",
	  "listens" },
	{ "-netdev", "stream,id=n,server=on,addr.type=unix,addr.path=/run/n", "listens" },
	{ "-netdev", "{\"type\":\"stream\",\"id\":\"n\",\"server\":true}", "listens" },
	{ "-netdev", "stream,id=n,addr.type=unix,addr.path=/run/n", NULL },
	{ "-netdev", "socket,id=n,listen=:4444", "listens" },
	{ "-netdev", "dgram,id=n,local.type=unix,local.path=/run/n", "binds" },
	{ "-netdev", "tap,id=n,ifname=tap0", "tap" },
	{ "-netdev", "tap,id=n", NULL },
	{ "-nic", "user,hostfwd=tcp::2222-:22", "listens" },
	{ "-pidfile", "/run/p", "lock" },
	{ "-D", "/var/log/q", "empty" },
	{ "-tpmdev", "emulator,id=t,chardev=c", "TPM" },
	{ "-readconfig", "/etc/q", "not looked at" },
	{ "-object", "filter-dump,id=f,netdev=n,file=/var/log/f", "empty" },
	{ "-object", "iothread,id=i", NULL },
	{ "-device", "virtio-rng-pci", NULL },
	{ "-chardev", NULL, NULL },
	{ "chardev", "socket,path=/run/c,server=on", NULL },
};

START_TEST(argument_is_known)
{
	const char *why = refresh_raw_conflict(cases[_i].option, cases[_i].value);

	ck_assert_msg((why != NULL) == (cases[_i].why != NULL) &&
			      (!why || strstr(why, cases[_i].why)),
		      "%s %s: %s", cases[_i].option, cases[_i].value ? cases[_i].value : "-",
		      why ? why : "nothing");
}
END_TEST

/* All are told together, each with its argument. */
START_TEST(reason_names_the_argument)
{
	static struct vm_def def = {
		.extra_args = { "-s", "-serial", "unix:/run/s,server=on", "-monitor", "none" },
		.extra_arg_count = 5,
	};
	struct reasons reasons = REASONS_INIT;
	struct err err;

	refresh_check_raw(&def, &reasons);
	ck_assert(!reasons_none(&reasons, "no", &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "'-s' listens"));
	ck_assert_ptr_nonnull(strstr(err.msg, "'-serial unix:/run/s,server=on' listens"));
	ck_assert_ptr_null(strstr(err.msg, "none"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("refresh_raw");
	TCase *tc = tcase_create("raw");

	tcase_add_loop_test(tc, argument_is_known, 0, ARRAY_LEN(cases));
	tcase_add_test(tc, reason_names_the_argument);
	suite_add_tcase(s, tc);
	return s;
}

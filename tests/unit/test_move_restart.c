/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check_main.h"
#include "move_rig.h"

Suite *suite(void)
{
	Suite *s = suite_create("move_restart");

	return s;
}

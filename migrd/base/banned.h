/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/banned.h -- makes libc calls that invite bugs an error; included before every file. */
#ifndef MIGRD_BASE_BANNED_H
#define MIGRD_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets strncpy strncat
#pragma GCC poison localtime gmtime ctime asctime atoi atol atof
#pragma GCC poison sleep usleep system popen tmpnam mktemp tempnam

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* replay_main.c -- runs a fuzz target on saved inputs, for builds without a fuzzing
 * engine.  Arguments are files; without arguments, the program fuzz_NAME takes all
 * files in corpus/NAME. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES (16u << 20)

static bool replay(const char *path)
{
	CLEANUP(free_charp) char *text = NULL;
	CLEANUP(free_charp) char *exact = NULL;
	struct err err;
	size_t len;

	if (!file_read(path, INPUT_MAX_BYTES, &text, &len, &err)) {
		fprintf(stderr, "%s: %s\n", path, err.msg);
		return false;
	}
	/* A copy of exactly the input's size, so that a sanitizer sees a read beyond it. */
	exact = xcalloc(1, len > 0 ? len : 1);
	memcpy(exact, text, len);
	LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
	return true;
}

static bool replay_directory(const char *dir)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, NULL, alphasort), replayed = 0;
	bool ok = true;

	for (int i = 0; i < count; i++) {
		CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, entries[i]->d_name);

		if (entries[i]->d_name[0] != '.') {
			ok = replay(path) && ok;
			replayed++;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	printf("%s: %d inputs\n", dir, replayed);
	return ok && replayed > 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];
	const char *srcdir = getenv("srcdir");
	CLEANUP(free_charp) char *dir = NULL;
	bool ok = true;

	for (int i = 1; i < argc; i++)
		ok = replay(argv[i]) && ok;
	if (argc > 1)
		return ok ? 0 : 1;
	if (strncmp(name, "fuzz_", 5) != 0) {
		fprintf(stderr, "%s: which inputs?\n", name);
		return 1;
	}
	dir = xasprintf("%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name + 5);
	return replay_directory(dir) ? 0 : 1;
}

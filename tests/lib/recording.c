/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/recording.h"

#include <assert.h>
#include <errno.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"

const char *const recording_names[] = { "7.2/basics.txt",
					"7.2/cancelled-source.txt",
					"7.2/failed-source.txt",
					"7.2/precopy-destination.txt",
					"7.2/precopy-source.txt",
					"7.2/switchover-destination.txt",
					"7.2/switchover-source.txt",
					NULL };

void recording_load(struct recording *rec, const char *name)
{
	const char *srcdir = getenv("srcdir");
	CLEANUP(free_charp) char *path = NULL;
	CLEANUP(free_charp) char *text = NULL;
	char *rest, *line;
	struct err err;
	size_t len;

	path = xasprintf("%s/tests/data/qmp/%s", srcdir ? srcdir : ".", name);
	if (!file_read(path, 1 << 20, &text, &len, &err)) {
		fprintf(stderr, "%s: %s\n", path, err.msg);
		abort();
	}
	*rec = (struct recording){ 0 };
	for (rest = text; (line = strsep(&rest, "\n")) && *line; rec->count++) {
		assert(rec->count < ARRAY_LEN(rec->lines));
		assert(strlen(line) > 2 && (line[0] == '>' || line[0] == '<'));
		rec->lines[rec->count].is_command = line[0] == '>';
		rec->lines[rec->count].text = xstrdup(line + 2);
	}
}

void recording_fini(struct recording *rec)
{
	for (size_t i = 0; i < rec->count; i++)
		free(rec->lines[i].text);
}

char *recording_said(const struct recording *rec)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < rec->count; i++)
		if (!rec->lines[i].is_command)
			strbuf_addf(&sb, "%s\r\n", rec->lines[i].text);
	return strbuf_take(&sb);
}

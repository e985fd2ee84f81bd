/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/program.h"

#include <stdio.h>
#include <string.h>

struct program program_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct program){ 0 };
	return (struct program){ st.st_dev, st.st_ino, st.st_size, st.st_ctim };
}

struct program program_of(pid_t pid)
{
	char path[sizeof("/proc/-2147483648/exe")];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return program_at(path);
}

bool program_is_same(const struct program *a, const struct program *b)
{
	return a->ino && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool is_same_version(const struct qmp_version *a, const struct qmp_version *b)
{
	return a->major == b->major && a->minor == b->minor && a->micro == b->micro &&
	       strcmp(a->package, b->package) == 0;
}

static const struct programs_row *find(const struct programs *programs,
				       const struct program *program,
				       const struct qmp_version *version)
{
	for (size_t i = 0; i < PROGRAMS_MAX; i++)
		if (program_is_same(program, &programs->rows[i].program) &&
		    is_same_version(version, &programs->rows[i].version))
			return &programs->rows[i];
	return NULL;
}

void programs_note(struct programs *programs, const struct program *program,
		   const struct qmp_version *version, const struct transfer_features *features)
{
	if (!program->ino || find(programs, program, version))
		return;
	programs->rows[programs->next] = (struct programs_row){ *program, *version, *features };
	programs->next = (programs->next + 1) % PROGRAMS_MAX;
}

bool programs_recall(const struct programs *programs, const struct program *program,
		     const struct qmp_version *version, struct transfer_features *ret)
{
	const struct programs_row *row = find(programs, program, version);

	if (!row)
		return false;
	memcpy(ret->parameters, row->features.parameters, sizeof(ret->parameters));
	ret->parameter_count = row->features.parameter_count;
	ret->form = row->features.form;
	ret->has_schema = true;
	return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether guests can be saved into a directory, before there is one to be saved. */
#include "base/mem.h"
#include "save/priv.h"

struct look {
	struct work work;
	char *dirs, *dir;
	saves_dir_fn *looked;
	void *data;
	uint64_t room_bytes;
	bool ok;
	struct err err;
};

static void run(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	look->ok =
		save_file_check_dir_blocking(look->dirs, look->dir, &look->room_bytes, &look->err);
}

static void done(struct work *work)
{
	struct look *look = CONTAINER_OF(work, struct look, work);

	look->looked(look->data, look->room_bytes, look->ok ? NULL : &look->err);
	free(look->dirs);
	free(look->dir);
	free(look);
}

void saves_look_at_dir(struct saves *saves, const char *dir, saves_dir_fn *looked, void *data)
{
	struct look *look = xnew(struct look);

	*look = (struct look){
		.work = { .run = run, .done = done },
		.dirs = saves->env.dirs ? xstrdup(saves->env.dirs) : NULL,
		.dir = xstrdup(dir),
		.looked = looked,
		.data = data,
	};
	worker_submit(saves->worker, &look->work);
}

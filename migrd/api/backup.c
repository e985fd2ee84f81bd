/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The route that copies the state database while it is in use. */
#include <time.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/backup.h"
#include "wire/backup_request.h"

struct backup {
	struct http_request *req;
	char *file;
	bool is_callers; /* who asked has named the file */
};

/* A file that cannot be made where the caller wants it is no fault of migrd. */
static void reply_err(const struct backup *backup, const struct err *err)
{
	struct err named;

	if (!backup->is_callers || err->code != ERR_INTERNAL) {
		http_reply_err(backup->req, err);
		return;
	}
	err_set(&named, ERR_CONFLICT, "%s: name a file in a directory that migrd may write to",
		err->msg);
	http_reply_err(backup->req, &named);
}

static void on_done(void *data, const struct err *err)
{
	struct backup *backup = data;

	log_info("store", "backup", "file=%s result=%s", backup->file, err ? err->msg : "done");
	if (err)
		reply_err(backup, err);
	else
		http_reply_as(backup->req, 201, host_backup_fields,
			      &(struct host_backup){ .file = backup->file });
	free(backup->file);
	free(backup);
}

/* STATE_DIR/backup/migrd-20261127-183000.db, by the wall clock in UTC. */
static char *own_name(const char *state_dir, struct err *err)
{
	CLEANUP(free_charp) char *dir = xasprintf("%s/backup", state_dir);
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;
	char stamp[32];

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	return dir_make(dir, 0700, err) ? xasprintf("%s/migrd-%s.db", dir, stamp) : NULL;
}

void api_host_backup(struct http_request *req, void *data)
{
	const struct api *api = data;
	struct backup_request request;
	struct faults *faults = faults_new();
	struct backup *backup;
	struct err err;

	if (!backup_request_decode(http_body(req), &request, faults)) {
		http_reply_faults(req, faults);
		faults_free(faults);
		return;
	}
	faults_free(faults);
	backup = xnew(struct backup);
	backup->req = req;
	backup->is_callers = request.file[0];
	backup->file = request.file[0] ? xstrdup(request.file) : own_name(api->state_dir, &err);
	if (backup->file) {
		store_backup(api->store, backup->file, on_done, backup);
		return;
	}
	http_reply_err(req, &err);
	free(backup);
}

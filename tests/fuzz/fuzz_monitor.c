/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: any JSON as the body of a monitor request.  It is refused with a fault, or it
 * is a command for which the table has a class; a command that lets a guest run never passes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "guard/refused.h"
#include "wire/monitor_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decides without the table whether a command lets the guest run. */
static bool lets_run(const struct monitor_request *request)
{
	const char *line = request->protocol == MONITOR_PROTOCOL_HMP
				   ? request->line
				   : json_get_str(request->args, "command-line");
	char first[8] = "";

	if (request->protocol == MONITOR_PROTOCOL_QMP &&
	    strcmp(request->name, "human-monitor-command") != 0)
		return strcmp(request->name, "cont") == 0;
	if (!line)
		return false;
	sscanf(line, "%7[^/]", first);
	first[strcspn(first, "/")] = '\0';
	for (char *p = first; *p; p++)
		*p = *p >= '\t' && *p <= '\r' ? ' ' : *p;
	for (char *rest = first, *word; (word = strsep(&rest, " "));)
		if (*word)
			return strcmp(word, "c") == 0 || strcmp(word, "cont") == 0;
	return false;
}

static void judge(const struct monitor_request *request)
{
	struct refused_verdict verdict;
	struct err err;

	if (request->protocol == MONITOR_PROTOCOL_HMP)
		refused_judge_hmp(request->line, &verdict);
	else
		refused_judge_qmp(request->name, request->args, &verdict);
	assert(strlen(verdict.word) < sizeof(verdict.word));
	if (lets_run(request))
		assert(verdict.class == REFUSED_CLASS_REFUSED);
	assert(refused_allows(&verdict, "vm1", &err) == (verdict.class != REFUSED_CLASS_REFUSED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	struct json_object *obj = json_parse(data, size, &json_limits_default, faults);
	struct monitor_request request = { 0 };

	if (obj && monitor_request_decode(obj, &request, faults))
		judge(&request);
	else
		assert(faults->count > 0);
	monitor_request_fini(&request);
	json_object_put(obj);
	faults_free(faults);
	return 0;
}

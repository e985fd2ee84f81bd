/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /metrics. */
#include "api/api.h"
#include "base/mem.h"

void api_metrics(struct http_request *req, void *data)
{
	const struct api *api = data;
	const enum metrics_format format = metrics_format_of(http_header(req, "Accept"));
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	metrics_write(api->metrics, format, &text);
	http_reply_text(req, 200, metrics_type(format), strbuf_str(&text));
}

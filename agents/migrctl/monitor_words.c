/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/monitor_words.h"

#include <ctype.h>
#include <string.h>

/* ---- the names ------------------------------------------------------------------- */

/* A line of help begins with a name, unless it continues the line before. */
void monitor_words_add_help(struct words *words, const char *text, const char *prefix)
{
	size_t prefix_len = strlen(prefix);

	while (*text) {
		size_t line_len = strcspn(text, "\n");
		const char *name = text + prefix_len;

		if (strncmp(text, prefix, prefix_len) == 0 && islower((unsigned char)*name))
			words_add(words, name, strcspn(name, " |\r\n"));
		text += line_len + (text[line_len] == '\n');
	}
	words_sort(words);
}

void monitor_words_add_commands(struct words *words, struct json_object *list)
{
	size_t count =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		const char *name = json_get_str(json_object_array_get_idx(list, i), "name");

		if (name)
			words_add(words, name, strlen(name));
	}
	words_sort(words);
}

/* ---- the place -------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Where the last word of the text begins. */
static size_t word_start(const char *text, size_t len)
{
	while (len > 0 && !is_blank(text[len - 1]))
		len--;
	return len;
}

/* COMMAND alone stands before the word at START. */
static bool is_after(const char *text, size_t start, const char *command)
{
	size_t len = strlen(command);

	while (start > 0 && is_blank(*text)) {
		text++;
		start--;
	}
	while (start > 0 && is_blank(text[start - 1]))
		start--;
	return start == len && memcmp(text, command, len) == 0;
}

const struct words *monitor_words_at_hmp(const struct monitor_words *words, const char *text,
					 size_t len, size_t *ret_start)
{
	size_t start = word_start(text, len);

	*ret_start = start;
	if (is_after(text, start, "") || is_after(text, start, "help") ||
	    is_after(text, start, "?"))
		return &words->commands;
	if (is_after(text, start, "info") || is_after(text, start, "help info"))
		return &words->info;
	return NULL;
}

static size_t after_quote(const char *text, size_t len)
{
	while (len > 0 && text[len - 1] != '"')
		len--;
	return len;
}

const struct words *monitor_words_at_qmp(const struct monitor_words *words, const char *text,
					 size_t len, size_t *ret_start)
{
	static const char execute[] = "\"execute\":\"";
	size_t start = word_start(text, len);
	size_t quote = after_quote(text, len), at = 0;
	char squeezed[32];

	*ret_start = start;
	if (is_after(text, start, "") && (start == len || text[start] != '{'))
		return &words->commands;
	/* {"execute":" with blanks or without */
	for (size_t i = 0; i < quote && at < sizeof(squeezed) - 1; i++)
		if (!is_blank(text[i]) && text[i] != '{')
			squeezed[at++] = text[i];
	squeezed[at] = '\0';
	*ret_start = quote;
	return strcmp(squeezed, execute) == 0 ? &words->commands : NULL;
}

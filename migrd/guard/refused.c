/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guard/refused.h"

#include <stdio.h>
#include <string.h>

#include "guard/refused_rows.h"

static const char *const class_names[REFUSED_CLASS_COUNT] = {
	[REFUSED_CLASS_UNKNOWN] = "unknown",
	[REFUSED_CLASS_QUERY] = "query",
	[REFUSED_CLASS_MODIFY] = "modify",
	[REFUSED_CLASS_REFUSED] = "refused",
};

/* The characters that QEMU takes for a blank, in any locale (qemu_isspace()). */
#define BLANKS " \t\n\v\f\r"

/* ---- a name and the rows ---------------------------------------------------- */

/* How well WORD of a row, which may end in '*', fits the name: 0 if not at all, its
 * length for a prefix, and more than any prefix for the whole name. */
static size_t fit_of_word(const char *word, size_t len, const char *name, size_t name_len)
{
	if (len > 0 && word[len - 1] == '*')
		return name_len >= len - 1 && memcmp(word, name, len - 1) == 0 ? len : 0;
	return len == name_len && memcmp(word, name, len) == 0 ? SIZE_MAX : 0;
}

/* The best fit of the names of ROW, which are separated by '|'. */
static size_t fit(const struct refused_row *row, const char *name, size_t name_len)
{
	size_t best = 0;

	for (const char *word = row->names; *word;) {
		size_t len = strcspn(word, "|");
		size_t this = fit_of_word(word, len, name, name_len);

		best = this > best ? this : best;
		word += len;
		word += *word == '|';
	}
	return best;
}

/* Takes the verdict of the row that fits the name best; if none fits, RET stays as it
 * is. */
static void judge(const struct refused_row *rows, size_t count, const char *name, size_t name_len,
		  struct refused_verdict *ret)
{
	size_t best = 0;

	for (size_t i = 0; i < count; i++) {
		size_t this = fit(&rows[i], name, name_len);

		if (this > best) {
			best = this;
			ret->class = rows[i].class;
			ret->reason = rows[i].reason;
		}
	}
}

/* ---- the two protocols ------------------------------------------------------- */

/* The name at the beginning of a line of HMP. */
static const char *hmp_name(const char *line, size_t *ret_len)
{
	line += strspn(line, BLANKS);
	*ret_len = strcspn(line, BLANKS "/");
	return line;
}

void refused_judge_hmp(const char *line, struct refused_verdict *ret)
{
	size_t len, sub_len;
	const char *name = hmp_name(line, &len);
	const char *sub = hmp_name(name + len, &sub_len);
	bool has_sub = len == 4 && memcmp(name, "info", 4) == 0 && sub_len > 0;

	*ret = (struct refused_verdict){ .class = REFUSED_CLASS_UNKNOWN };
	judge(refused_hmp_rows, refused_hmp_row_count, name, len, ret);
	snprintf(ret->word, sizeof(ret->word), "%.*s%s%.*s", (int)(len < 48 ? len : 48), name,
		 has_sub ? " " : "", has_sub ? (int)(sub_len < 32 ? sub_len : 32) : 0, sub);
	if (has_sub)
		judge(refused_hmp_rows, refused_hmp_row_count, ret->word, strlen(ret->word), ret);
}

void refused_judge_qmp(const char *name, struct json_object *args, struct refused_verdict *ret)
{
	const char *line = json_get_str(args, "command-line");
	struct refused_verdict inner;

	*ret = (struct refused_verdict){ .class = REFUSED_CLASS_UNKNOWN };
	if (strcmp(name, REFUSED_HMP_BY_QMP) == 0 && line) {
		refused_judge_hmp(line, &inner);
		ret->class = inner.class;
		ret->reason = inner.reason;
		snprintf(ret->word, sizeof(ret->word), "%s %.64s", REFUSED_HMP_BY_QMP, inner.word);
		return;
	}
	judge(refused_qmp_rows, refused_qmp_row_count, name, strlen(name), ret);
	snprintf(ret->word, sizeof(ret->word), "%.80s", name);
}

const char *refused_class_name(enum refused_class class)
{
	return class_names[class];
}

bool refused_allows(const struct refused_verdict *verdict, const char *vm, struct err *err)
{
	const struct refused_reason *reason = verdict->reason;

	if (verdict->class != REFUSED_CLASS_REFUSED)
		return true;
	if (!reason->verb)
		return err_set(err, ERR_FORBIDDEN, "'%s' is not passed on to QEMU: %s",
			       verdict->word, reason->why);
	return err_set(err, ERR_FORBIDDEN,
		       "'%s' is not passed on to QEMU: %s; use 'migrctl %s %s%s' instead",
		       verdict->word, reason->why, reason->verb, vm, reason->rest);
}

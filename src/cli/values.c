/*
 * What each option does with its argument. GNU's rules and GNU's words for what is wrong; a user of zcopy
 * gets one line of them, a user of cp the list of words, too.
 */
#include "option.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

/* ---- what is wrong */

int option_fail(struct parse *parse, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(parse->message, parse->cap_bytes, format, args);
	va_end(args);
	return -EINVAL;
}

const char *option_quoted(struct parse *parse, const char *text)
{
	return zc_quote(parse->shown, sizeof(parse->shown), text);
}

/* Appends GNU's list: a line for each value, its words side by side. */
static void list_words(struct parse *parse, const struct word *words)
{
	size_t used = strlen(parse->message);

	for (const struct word *word = words; word->name && used < parse->cap_bytes; word++) {
		bool same = word != words && word[-1].value == word->value;

		used += (size_t)snprintf(parse->message + used, parse->cap_bytes - used, "%s%s'%s'",
		                         word == words ? "\nValid arguments are:" : "",
		                         same ? ", " : "\n  - ", word->name);
	}
}

/* The same for zcopy, in one line: "a, b or c". */
static void join_words(struct parse *parse, const struct word *words)
{
	size_t used = strlen(parse->message);

	for (const struct word *word = words; word->name && used < parse->cap_bytes; word++) {
		used += (size_t)snprintf(parse->message + used, parse->cap_bytes - used, "%s%s",
		                         word == words          ? ": must be "
		                         : word[1].name == NULL ? " or "
		                                                : ", ",
		                         word->name);
	}
}

int option_fail_value(struct parse *parse, const struct option_row *row, const struct word *words,
                      const char *what, const char *arg)
{
	const char *range = row ? row->range : NULL;

	option_fail(parse, "%s argument '%s' for '%s'%s%s", what, option_quoted(parse, arg), parse->subject,
	            range ? ": must be " : "", range ? range : "");
	if (words && parse->gnu_cp) {
		list_words(parse, words);
	} else if (words && !range) {
		join_words(parse, words);
	}
	return -EINVAL;
}

const struct word *option_word(struct parse *parse, const struct option_row *row, const struct word *words,
                               const char *arg)
{
	const struct word *found = NULL;
	bool ambiguous = false;

	for (const struct word *word = words; word->name; word++) {
		if (strncmp(word->name, arg, strlen(arg)) != 0) {
			continue;
		}
		if (!strcmp(word->name, arg)) {
			return word;
		}
		ambiguous = ambiguous || (found && found->value != word->value);
		found = word;
	}
	if (!found || ambiguous) {
		option_fail_value(parse, row, words, ambiguous ? "ambiguous" : "invalid", arg);
		return NULL;
	}
	return found;
}

/* ---- plain values */

static void *field_of(struct parse *parse, const struct option_row *row)
{
	return (char *)parse + row->field;
}

int set_flag(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)arg;
	*(bool *)field_of(parse, row) = true;
	return 0;
}

int set_value(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)arg;
	*(unsigned *)field_of(parse, row) = row->value;
	return 0;
}

int set_text(struct parse *parse, const struct option_row *row, const char *arg)
{
	*(const char **)field_of(parse, row) = arg;
	return 0;
}

int set_word(struct parse *parse, const struct option_row *row, const char *arg)
{
	const struct word *word = option_word(parse, row, row->words, arg);

	if (!word) {
		return -EINVAL;
	}
	*(unsigned *)field_of(parse, row) = word->value;
	return 0;
}

int set_resume(struct parse *parse, const struct option_row *row, const char *arg)
{
	const struct word *word = arg == NULL ? NULL : option_word(parse, row, row->words, arg);

	parse->args.job.resume = word == NULL ? ZC_RESUME_TRUST : (enum zc_resume)word->value;
	return arg != NULL && word == NULL ? -EINVAL : 0;
}

int set_count(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t count;

	if (zc_parse_count(arg, row->min, row->max, &count) != 0) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	*(unsigned *)field_of(parse, row) = (unsigned)count;
	return 0;
}

int set_seed(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t seed;

	if (zc_parse_count(arg, row->min, row->max, &seed) < 0) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	*(uint64_t *)field_of(parse, row) = seed;
	return 0;
}

int set_time(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t ns;

	if (zc_parse_time(arg, &ns) != 0 || ns < row->min) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	*(uint64_t *)field_of(parse, row) = ns;
	return 0;
}

/* From min to max, and a multiple of min. */
int set_size(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t bytes;

	if (zc_parse_size(arg, &bytes) != 0 || bytes < row->min || bytes > row->max ||
	    bytes % row->min != 0) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	*(uint64_t *)field_of(parse, row) = bytes;
	return 0;
}

/* END, or END,POLICY: cut off where it stands, as nobody else looks at it. */
int set_tee(struct parse *parse, const struct option_row *row, const char *arg)
{
	struct zc_job_cfg *job = &parse->args.job;
	char *comma = strrchr(arg, ',');
	const struct word *word = option_tee_words;

	while (comma != NULL && word->name && strcmp(word->name, comma + 1) != 0) {
		word++;
	}
	if (comma != NULL && word->name) {
		*comma = '\0';
	}
	if (*arg == '\0') {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	if (job->tee_count == ZC_TEE_MAX) {
		return option_fail(parse, "more than %d times --tee", ZC_TEE_MAX);
	}
	job->tees[job->tee_count++] = (struct zc_tee){
		.end = arg,
		.policy = comma != NULL && word->name ? (enum zc_fan_policy)word->value : ZC_FAN_BLOCK,
	};
	return 0;
}

int set_expect_size(struct parse *parse, const struct option_row *row, const char *arg)
{
	if (zc_parse_size(arg, &parse->args.job.expect_bytes) != 0) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	parse->args.job.expect_size = true;
	return 0;
}

/* ALG:HEX, as many digits as that digest has. */
int set_expect_hash(struct parse *parse, const struct option_row *row, const char *arg)
{
	const char *hex = strchr(arg, ':');
	char name[16];
	const struct word *word = option_hash_words;

	snprintf(name, sizeof(name), "%.*s", hex == NULL ? 0 : (int)(hex - arg), arg);
	while (word->name && strcmp(word->name, name) != 0) {
		word++;
	}
	if (hex == NULL || !word->name) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	hex++;
	if (strlen(hex) != zc_hash_hex_len((enum zc_hash)word->value) ||
	    hex[strspn(hex, "0123456789abcdefABCDEF")] != '\0') {
		return option_fail(parse, "invalid argument '%s' for '%s': a %s digest has %zu hex digits",
		                   option_quoted(parse, arg), parse->subject, name,
		                   zc_hash_hex_len((enum zc_hash)word->value));
	}
	parse->expect_kind = (enum zc_hash)word->value;
	parse->args.job.expect_hash = hex;
	return 0;
}

/* ---- how bytes move */

int set_engine(struct parse *parse, const struct option_row *row, const char *arg)
{
	parse->engine_given = true;
	return set_word(parse, row, arg);
}

int set_jobs(struct parse *parse, const struct option_row *row, const char *arg)
{
	parse->jobs_given = true;
	return set_count(parse, row, arg);
}

int set_hugepages(struct parse *parse, const struct option_row *row, const char *arg)
{
	uint64_t bytes;

	if (*arg < '0' || *arg > '9') {
		return set_word(parse, row, arg);
	}
	if (zc_parse_size(arg, &bytes) != 0 || bytes < row->min || bytes > row->max ||
	    (bytes & (bytes - 1)) != 0) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	parse->args.job.huge = ZC_HUGE_SIZE;
	parse->args.job.huge_bytes = bytes;
	return 0;
}

int set_numa(struct parse *parse, const struct option_row *row, const char *arg)
{
	const struct word *word;
	uint64_t node;

	parse->args.job.numa_off = false;
	parse->args.job.numa_node = ZC_NODE_ANY;
	if (*arg < '0' || *arg > '9') {
		word = option_word(parse, row, row->words, arg);
		parse->args.job.numa_off = word && word->value;
		return word ? 0 : -EINVAL;
	}
	if (zc_parse_count(arg, row->min, row->max, &node) != 0) {
		return option_fail_value(parse, row, NULL, "invalid", arg);
	}
	parse->args.job.numa_node = (int)node;
	return 0;
}

/* ---- what is kept */

#define PRESERVE_ALL                                                                                         \
	(ZC_PRESERVE_MODE | ZC_PRESERVE_OWNER | ZC_PRESERVE_TIMES | ZC_PRESERVE_LINKS | ZC_PRESERVE_XATTR |  \
	 ZC_PRESERVE_CONTEXT)

static const struct word preserve_words[] = {
	{ "mode", ZC_PRESERVE_MODE },
	{ "timestamps", ZC_PRESERVE_TIMES },
	{ "ownership", ZC_PRESERVE_OWNER },
	{ "links", ZC_PRESERVE_LINKS },
	{ "context", ZC_PRESERVE_CONTEXT },
	{ "xattr", ZC_PRESERVE_XATTR },
	{ "all", PRESERVE_ALL },
	{ NULL, 0 },
};

bool option_selinux(void)
{
	struct statfs fs;

	return statfs("/sys/fs/selinux", &fs) == 0 && (unsigned long)fs.f_type == SELINUX_MAGIC;
}

/* Labels are meant by "all" only where there are any. */
static unsigned preserve_all(void)
{
	return option_selinux() ? PRESERVE_ALL : PRESERVE_ALL & ~(unsigned)ZC_PRESERVE_CONTEXT;
}

/* One word of a list, switched on or off. Only by name are attributes and labels required. */
static void preserve_one(struct parse *parse, unsigned bits, bool keep)
{
	unsigned *preserve = &parse->args.job.preserve;

	if (bits == ZC_PRESERVE_XATTR) {
		parse->require_xattr = keep;
	} else if (bits == ZC_PRESERVE_CONTEXT) {
		parse->require_context = keep;
	} else if (bits == PRESERVE_ALL && keep) {
		bits = preserve_all();
	}
	*preserve = keep ? *preserve | bits : *preserve & ~bits;
	if (bits & ZC_PRESERVE_MODE) {
		*preserve &= ~(unsigned)ZC_PRESERVE_NOT_MODE;
		*preserve |= keep ? 0 : ZC_PRESERVE_NOT_MODE;
	}
}

/* "mode,timestamps" */
static int preserve_list(struct parse *parse, const struct option_row *row, const char *list, bool keep)
{
	for (;;) {
		int len = (int)strcspn(list, ",");
		char item[sizeof(parse->shown)];
		const struct word *word;

		snprintf(item, sizeof(item), "%.*s", len, list); /* cut, it is none of the words anyway */
		word = option_word(parse, row, preserve_words, item);
		if (!word) {
			return -EINVAL;
		}
		preserve_one(parse, word->value, keep);
		if (list[len] == '\0') {
			return 0;
		}
		list += len + 1;
	}
}

int set_preserve(struct parse *parse, const struct option_row *row, const char *arg)
{
	return preserve_list(parse, row, arg, true);
}

int set_no_preserve(struct parse *parse, const struct option_row *row, const char *arg)
{
	return preserve_list(parse, row, arg, false);
}

int set_links(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	(void)arg;
	parse->args.job.deref = ZC_DEREF_NEVER;
	parse->args.job.preserve |= ZC_PRESERVE_LINKS;
	return 0;
}

int set_archive(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	(void)arg;
	parse->archive = true;
	parse->args.job.recursive = true;
	parse->args.job.deref = ZC_DEREF_NEVER;
	preserve_one(parse, PRESERVE_ALL, true);
	return 0;
}

/* Where there are no labels they are not set, and only who named one hears of it: as with cp. */
int set_context(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	if (!option_selinux()) {
		if (arg) {
			parse->args.warning =
			    "warning: ignoring --context; it requires an SELinux-enabled kernel";
		}
		return 0;
	}
	parse->args.job.set_context = true;
	parse->args.job.context = arg;
	return 0;
}

/* ---- names that are left out. -0 may follow the list that it is about, so all is read before any. */

/* row's value is 1 for --exclude; its min is 1 when the argument names a file of rules. */
int set_rule(struct parse *parse, const struct option_row *row, const char *arg)
{
	struct rule *rules = reallocarray(parse->rules, parse->rule_count + 1, sizeof(*rules));

	if (!rules) {
		return option_fail(parse, "out of memory");
	}
	rules[parse->rule_count++] =
	    (struct rule){ .text = arg, .exclude = row->value != 0, .from_file = row->min != 0 };
	parse->rules = rules;
	return 0;
}

static int filter_rule(struct parse *parse, const struct rule *rule)
{
	struct zc_filter *filter = parse->args.filter;
	const char *why = "";
	unsigned line = 0;
	int err;

	if (!rule->from_file) {
		err = zc_filter_add(filter, rule->exclude, rule->text, &why);
		return err == 0 ? 0
		                : option_fail(parse, "invalid argument '%s' for '--%s': %s",
		                              option_quoted(parse, rule->text),
		                              rule->exclude ? "exclude" : "include", why);
	}
	err = zc_filter_add_file(filter, rule->text, rule->exclude, parse->args.job.names_end_in_nul, &why,
	                         &line);
	if (err != 0 && line != 0) {
		return option_fail(parse, "%s: line %u: %s", option_quoted(parse, rule->text), line, why);
	}
	return err == 0
	           ? 0
	           : option_fail(parse, "%s: %s: %s", option_quoted(parse, rule->text), why, strerror(-err));
}

int option_filter(struct parse *parse)
{
	const char *files_from = parse->args.job.files_from;
	bool stdin_read = files_from && !strcmp(files_from, "-");
	int err = 0;

	if (parse->rule_count > 0 && zc_filter_new(&parse->args.filter) < 0) {
		return option_fail(parse, "out of memory");
	}
	for (unsigned i = 0; i < parse->rule_count && err == 0; i++) {
		const struct rule *rule = &parse->rules[i];

		if (rule->from_file && !strcmp(rule->text, "-")) {
			err = stdin_read ? option_fail(parse, "standard input can be one list of names only")
			                 : 0;
			stdin_read = true;
		}
		err = err == 0 ? filter_rule(parse, rule) : err;
	}
	parse->args.job.filter = parse->args.filter;
	return err;
}

/* ---- the rest */

int set_target(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	if (parse->target_dir) {
		parse->line_alone = true;
		return option_fail(parse, "multiple target directories specified");
	}
	parse->target_dir = arg;
	return 0;
}

int set_debug(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	(void)arg;
	parse->args.job.debug = true;
	parse->args.job.verbose = true;
	return 0;
}

int set_backup(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	parse->make_backups = true;
	if (arg) {
		parse->backup_control = arg; /* looked at when all is read, as cp does */
	}
	return 0;
}

int set_suffix(struct parse *parse, const struct option_row *row, const char *arg)
{
	(void)row;
	parse->make_backups = true;
	parse->backup_suffix = arg;
	return 0;
}

/*
 * filter.c: which names are left out (--exclude, --include, --exclude-from), with rsync's meaning, and lists
 * of names (--files-from).
 *
 * A pattern with wildcards becomes tokens, run as an automaton with one bit a token, so that no pattern costs
 * more than its length for each byte of a path. One fact makes a single rule out of rsync's several: only
 * "**" crosses a slash. A pattern that is not anchored may therefore start behind any slash, whether rsync
 * says that it is compared with the last N components or that it is tried after each of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zcopy/job.h"

enum token_kind {
	TOKEN_BYTE,
	TOKEN_ANY,   /* ?                             */
	TOKEN_SET,   /* [...]                         */
	TOKEN_STAR,  /* *                             */
	TOKEN_STARS, /* ** and more: slashes as well  */
};

struct token {
	unsigned char kind;
	unsigned char byte;
	unsigned short set; /* index */
};

struct set {
	uint64_t bits[4]; /* never the slash */
};

/* One of text and tokens is there. */
struct rule {
	char *text; /* no wildcard: every byte is itself, the backslash too */
	struct token *tokens;
	struct set *sets;
	unsigned count;    /* of tokens or of bytes                          */
	bool exclude;      /* else include                                   */
	bool dirs_only;    /* ended in a slash                               */
	bool anchored;     /* began with a slash                             */
	bool whole;        /* the path is compared, not only its last part   */
	bool slash_before; /* begins with two stars: "/name" is compared     */
	bool slash_behind; /* ends in three: of a directory "name/" is       */
};

struct zc_filter {
	struct rule *rules;
	unsigned count, cap;
};

/* A state: bit N is set when N tokens have matched so far. */
enum {
	STATE_WORDS = PATH_MAX / 64 + 1,
};

static const char why_no_memory[] = "out of memory";

/* ---- building */

static void set_range(struct set *set, unsigned first, unsigned last)
{
	for (unsigned byte = first; byte <= last; byte++) {
		set->bits[byte / 64] |= 1ull << (byte % 64);
	}
}

/* [:name:]: false when there is none of that name. */
static bool set_class(struct set *set, const char *name, size_t len)
{
	static const struct {
		const char *name;
		const char *ranges; /* first, last, first, last, ... */
	} classes[] = {
		{ "alnum", "09AZaz" },   { "alpha", "AZaz" },
		{ "blank", "\t\t  " },   { "cntrl", "\1\37\177\177" },
		{ "digit", "09" },       { "graph", "!~" },
		{ "lower", "az" },       { "print", " ~" },
		{ "punct", "!/:@[`{~" }, { "space", "\t\r  " },
		{ "upper", "AZ" },       { "xdigit", "09AFaf" },
	};

	for (size_t i = 0; i < ZC_ARRAY_LEN(classes); i++) {
		if (strlen(classes[i].name) == len && strncmp(classes[i].name, name, len) == 0) {
			for (const char *range = classes[i].ranges; *range != '\0'; range += 2) {
				set_range(set, (unsigned char)range[0], (unsigned char)range[1]);
			}
			return true;
		}
	}
	return false;
}

/* The length of the name when at, which is behind "[:", is the rest of a [:name:], else -1. */
static ssize_t class_len(const char *at)
{
	const char *end = strchr(at, ']');

	return end != NULL && end > at && end[-1] == ':' ? end - 1 - at : -1;
}

/* One member of a set, which may be a range. prev: the byte that a range could begin with, or 0. Returns what
 * is behind it; NULL with *ret_why when there is no such set. */
static const char *set_member(struct set *set, const char *at, unsigned char *prev, const char **ret_why)
{
	bool range = *at == '-' && *prev != 0 && at[1] != '\0' && at[1] != ']';
	ssize_t len = !range && at[0] == '[' && at[1] == ':' ? class_len(at + 2) : -1;

	if (len >= 0) {
		*ret_why = "there is no such [:class:]";
		*prev = 0;
		return set_class(set, at + 2, (size_t)len) ? at + 2 + len + 2 : NULL;
	}
	at += range;
	at += *at == '\\';
	if (*at == '\0') {
		*ret_why = "a [ is never closed";
		return NULL;
	}
	set_range(set, range ? *prev : (unsigned char)*at, (unsigned char)*at);
	*prev = range ? 0 : (unsigned char)*at;
	return at + 1;
}

/* at: behind the "[". Returns what is behind the "]"; NULL with *ret_why when there is none. */
static const char *set_parse(struct set *set, const char *at, const char **ret_why)
{
	bool inverted = *at == '!' || *at == '^';
	unsigned char prev = 0;

	at += inverted;
	do { /* a "]" that comes first is itself */
		at = set_member(set, at, &prev, ret_why);
		if (at == NULL) {
			return NULL;
		}
	} while (*at != ']');
	for (unsigned i = 0; inverted && i < ZC_ARRAY_LEN(set->bits); i++) {
		set->bits[i] = ~set->bits[i];
	}
	set->bits['/' / 64] &= ~(1ull << ('/' % 64));
	return at + 1;
}

/* Puts the token at the start of the text and returns what is behind it; NULL with *ret_why. */
static const char *token_parse(struct rule *rule, const char *at, unsigned *sets, const char **ret_why)
{
	struct token *token = &rule->tokens[rule->count++];
	const char *start = at;

	switch (*at) {
	case '*':
		at += strspn(at, "*");
		token->kind = at - start > 1 ? TOKEN_STARS : TOKEN_STAR;
		return at;
	case '?':
		token->kind = TOKEN_ANY;
		return at + 1;
	case '[':
		token->kind = TOKEN_SET;
		token->set = (unsigned short)*sets;
		return set_parse(&rule->sets[(*sets)++], at + 1, ret_why);
	case '\\':
		at++;
		break;
	default:
		break;
	}
	if (*at == '\0') {
		*ret_why = "it ends in a backslash";
		return NULL;
	}
	token->kind = TOKEN_BYTE;
	token->byte = (unsigned char)*at;
	return at + 1;
}

static unsigned count_byte(const char *text, char byte)
{
	unsigned count = 0;

	for (; *text != '\0'; text++) {
		count += *text == byte;
	}
	return count;
}

static int rule_compile(struct rule *rule, const char *text, const char **ret_why)
{
	unsigned slashes = count_byte(text, '/');
	unsigned sets = 0;

	rule->tokens = calloc(strlen(text) + 1, sizeof(*rule->tokens));
	rule->sets = calloc(count_byte(text, '[') + 1, sizeof(*rule->sets));
	if (rule->tokens == NULL || rule->sets == NULL) {
		*ret_why = why_no_memory;
		return -ENOMEM;
	}
	for (const char *at = text; *at != '\0';) {
		at = token_parse(rule, at, &sets, ret_why);
		if (at == NULL) {
			return -EINVAL;
		}
	}
	for (unsigned i = 0; i < rule->count; i++) {
		slashes -= rule->tokens[i].kind == TOKEN_BYTE && rule->tokens[i].byte == '/';
	}
	/* rsync counts these to know how many components to compare, and then none matches */
	if (slashes > 0 && !rule->anchored && strstr(text, "**") == NULL) {
		*ret_why = "nothing in [ ] matches a slash";
		return -EINVAL;
	}
	return 0;
}

/* text: the pattern without its prefix, ours to cut. */
static int rule_parse(struct rule *rule, char *text, const char **ret_why)
{
	size_t len = strlen(text);

	if (len > 1 && text[len - 1] == '/') {
		rule->dirs_only = true;
		text[--len] = '\0';
	}
	rule->anchored = *text == '/';
	rule->whole = strchr(text, '/') != NULL || strstr(text, "**") != NULL;
	rule->slash_before = strncmp(text, "**", 2) == 0;
	rule->slash_behind = len >= 3 && strcmp(text + len - 3, "***") == 0;
	if (strpbrk(text, "*[?") != NULL) {
		return rule_compile(rule, text + rule->anchored, ret_why);
	}
	rule->text = strdup(text + rule->anchored);
	if (rule->text == NULL) {
		*ret_why = why_no_memory;
		return -ENOMEM;
	}
	rule->count = (unsigned)strlen(rule->text);
	return 0;
}

static void rule_free(struct rule *rule)
{
	free(rule->text);
	free(rule->tokens);
	free(rule->sets);
}

static void filter_clear(struct zc_filter *filter)
{
	while (filter->count > 0) {
		rule_free(&filter->rules[--filter->count]);
	}
}

static int filter_grow(struct zc_filter *filter)
{
	unsigned cap = filter->cap == 0 ? 16 : 2 * filter->cap;
	struct rule *rules;

	if (filter->count < filter->cap) {
		return 0;
	}
	rules = reallocarray(filter->rules, cap, sizeof(*rules));
	if (rules == NULL) {
		return -ENOMEM;
	}
	filter->rules = rules;
	filter->cap = cap;
	return 0;
}

int zc_filter_new(struct zc_filter **ret_filter)
{
	struct zc_filter *filter = calloc(1, sizeof(*filter));

	if (filter == NULL) {
		return -ENOMEM;
	}
	*ret_filter = filter;
	return 0;
}

void zc_filter_free(struct zc_filter *filter)
{
	if (filter != NULL) {
		filter_clear(filter);
		free(filter->rules);
		free(filter);
	}
}

/* A pattern of at least one byte. */
static int filter_append(struct zc_filter *filter, bool exclude, const char *pattern, const char **ret_why)
{
	struct rule rule = { .exclude = exclude };
	char *text = strdup(pattern);
	int res;

	*ret_why = why_no_memory;
	res = text != NULL ? filter_grow(filter) : -ENOMEM;
	if (res == 0) {
		res = rule_parse(&rule, text, ret_why);
	}
	free(text);
	if (res < 0) {
		rule_free(&rule);
		return res;
	}
	filter->rules[filter->count++] = rule;
	return 0;
}

int zc_filter_add(struct zc_filter *filter, bool exclude, const char *pattern, const char **ret_why)
{
	if (strcmp(pattern, "!") == 0) {
		filter_clear(filter);
		return 0;
	}
	if (*pattern == '\0') {
		return 0;
	}
	if ((pattern[0] == '-' || pattern[0] == '+') && pattern[1] == ' ') {
		exclude = pattern[0] == '-';
		pattern += 2;
		if (*pattern == '\0') {
			*ret_why = "a pattern is missing behind the sign";
			return -EINVAL;
		}
	}
	if (strlen(pattern) >= PATH_MAX) {
		*ret_why = "it is longer than a path may be";
		return -ENAMETOOLONG;
	}
	return filter_append(filter, exclude, pattern, ret_why);
}

/* ---- asking */

/* at tokens have matched; stars may as well match nothing. No two tokens of stars follow each other. */
static void state_enter(const struct rule *rule, uint64_t *state, unsigned at)
{
	state[at / 64] |= 1ull << (at % 64);
	if (at < rule->count && rule->tokens[at].kind >= TOKEN_STAR) {
		at++;
		state[at / 64] |= 1ull << (at % 64);
	}
}

static bool token_takes(const struct rule *rule, const struct token *token, unsigned char byte)
{
	switch (token->kind) {
	case TOKEN_BYTE:
		return token->byte == byte;
	case TOKEN_SET:
		return (rule->sets[token->set].bits[byte / 64] >> (byte % 64) & 1) != 0;
	case TOKEN_STARS:
		return true;
	default:
		return byte != '/';
	}
}

/* The state behind one more byte. False: nothing can match any more. */
static bool state_step(const struct rule *rule, const uint64_t *from, uint64_t *to, unsigned char byte)
{
	unsigned words = rule->count / 64 + 1;
	uint64_t any = 0;

	for (unsigned i = 0; i < words; i++) {
		to[i] = 0;
	}
	for (unsigned i = 0; i < words; i++) {
		for (uint64_t left = from[i]; left != 0; left &= left - 1) {
			unsigned at = i * 64 + (unsigned)__builtin_ctzll(left);

			if (at < rule->count && token_takes(rule, &rule->tokens[at], byte)) {
				state_enter(rule, to, at + (rule->tokens[at].kind < TOKEN_STAR));
				any = 1;
			}
		}
	}
	return any != 0;
}

/* states: two empty ones, one for what has been and one for what comes. */
static bool tokens_run(const struct rule *rule, const char *path, bool is_dir, uint64_t *const states[2])
{
	unsigned now = 0;

	state_enter(rule, states[0], 0);
	if (rule->slash_before) {
		state_step(rule, states[0], states[1], '/');
		now = 1;
	}
	for (; *path != '\0'; path++, now ^= 1) {
		bool alive = state_step(rule, states[now], states[now ^ 1], (unsigned char)*path);

		if (*path == '/' && !rule->anchored) {
			state_enter(rule, states[now ^ 1], 0);
		} else if (!alive && (rule->anchored || !rule->whole)) {
			return false;
		}
	}
	if (is_dir && rule->slash_behind) {
		state_step(rule, states[now], states[now ^ 1], '/');
		now ^= 1;
	}
	return (states[now][rule->count / 64] >> (rule->count % 64) & 1) != 0;
}

/* Apart, so that only long patterns pay for room that is cleared. */
static __attribute__((noinline)) bool tokens_match_long(const struct rule *rule, const char *path,
                                                        bool is_dir)
{
	uint64_t room[2][STATE_WORDS] = { { 0 } };

	return tokens_run(rule, path, is_dir, (uint64_t *[2]){ room[0], room[1] });
}

/* end: of path, which is not empty. */
static bool tokens_match(const struct rule *rule, const char *path, const char *end, bool is_dir)
{
	const struct token *last = &rule->tokens[rule->count - 1];
	uint64_t room[2] = { 0 };

	/* most names are told by their last byte */
	if (last->kind < TOKEN_STAR && !token_takes(rule, last, (unsigned char)end[-1])) {
		return false;
	}
	if (rule->count >= 64) {
		return tokens_match_long(rule, path, is_dir);
	}
	return tokens_run(rule, path, is_dir, (uint64_t *[2]){ &room[0], &room[1] });
}

static bool text_matches(const struct rule *rule, const char *path, const char *end)
{
	size_t len = (size_t)(end - path);

	if (len < rule->count || strcmp(end - rule->count, rule->text) != 0) {
		return false;
	}
	return len == rule->count || (!rule->anchored && end[-1 - (ptrdiff_t)rule->count] == '/');
}

bool zc_filter_excludes(const struct zc_filter *filter, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	const char *end = name + strlen(name);

	if (*name == '\0') {
		return false;
	}
	for (unsigned i = 0; i < filter->count; i++) {
		const struct rule *rule = &filter->rules[i];
		const char *at = rule->whole ? path : name;

		if (rule->dirs_only && !is_dir) {
			continue;
		}
		if (rule->text != NULL ? text_matches(rule, at, end) : tokens_match(rule, at, end, is_dir)) {
			return rule->exclude;
		}
	}
	return false;
}

const char *zc_filter_root(const char *operand, size_t *ret_len)
{
	const char *slash = strrchr(operand, '/');
	const char *last = slash != NULL ? slash + 1 : operand;
	bool inside = strcmp(last, ".") == 0 || strcmp(last, "..") == 0;

	*ret_len = inside ? 0 : strlen(last);
	return last;
}

/* ---- lists of names */

struct zc_names {
	FILE *file;
	bool nul;       /* else lines, which end in LF, CR or both      */
	unsigned line;  /* of the name in text                          */
	unsigned ended; /* lines that have ended                        */
	char text[PATH_MAX];
};

static int names_open_fd(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	do { /* a FIFO waits for its writer */
		fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && errno == EINTR && !zc_stopped());
	return fd < 0 ? -errno : fd;
}

int zc_names_open(struct zc_names **ret_names, const char *path, bool nul)
{
	struct zc_names *names;
	int fd = names_open_fd(path);

	if (fd < 0) {
		return fd;
	}
	names = calloc(1, sizeof(*names));
	if (names != NULL) {
		names->nul = nul;
		names->file = fdopen(fd, "re");
	}
	if (names == NULL || names->file == NULL) {
		free(names);
		close(fd);
		return -ENOMEM;
	}
	*ret_names = names;
	return 0;
}

void zc_names_close(struct zc_names *names)
{
	if (names != NULL) {
		fclose(names->file);
		free(names);
	}
}

unsigned zc_names_line(const struct zc_names *names)
{
	return names->line;
}

/* A byte; EOF at the end, or -errno less one: no byte and not EOF. */
static int names_byte(struct zc_names *names)
{
	int byte;

	while ((byte = getc(names->file)) == EOF && ferror(names->file) != 0) {
		if (errno != EINTR || zc_stopped()) {
			return -errno + EOF;
		}
		clearerr(names->file);
	}
	return byte;
}

/* What ends here, even if it does not fit, is one line. 1, 0 at the end of the file, or -errno. */
static int names_line(struct zc_names *names, size_t *ret_len)
{
	size_t len = 0;
	int byte;

	names->line = names->ended + 1;
	while ((byte = names_byte(names)) >= 0) {
		bool end = names->nul ? byte == '\0' : byte == '\n' || byte == '\r';

		names->ended += names->nul ? end : byte == '\n';
		if (end) {
			break;
		}
		if (len < sizeof(names->text)) {
			names->text[len] = (char)byte;
		}
		len++;
	}
	if (byte < EOF) {
		return byte - EOF;
	}
	*ret_len = len;
	return len > 0 || byte != EOF;
}

/* The next line that says something, as text. 1, 0 at the end, or -errno. */
static int names_text(struct zc_names *names, const char **ret_why)
{
	size_t len;
	int res;

	do {
		res = names_line(names, &len);
		if (res <= 0) {
			*ret_why = "it cannot be read";
			return res;
		}
	} while (len == 0 || names->text[0] == '#' || names->text[0] == ';');
	if (len >= sizeof(names->text)) {
		*ret_why = "the line is longer than a path may be";
		return -ENAMETOOLONG;
	}
	names->text[len] = '\0';
	if (strlen(names->text) != len) {
		*ret_why = "there is a NUL in the line: is --null missing?";
		return -EINVAL;
	}
	return 1;
}

/* Drops the last component of the first len bytes of text. */
static size_t text_up(const char *text, size_t len)
{
	while (len > 0 && text[len - 1] != '/') {
		len--;
	}
	return len > 0 ? len - 1 : 0;
}

/* Resolves doubled slashes, "." and ".." in place. *ret_inside: it ended in one of them. -EXDEV: it leads
 * out. */
static int text_resolve(char *text, bool *ret_inside)
{
	size_t len = 0;
	bool inside = true;

	for (char *at = text; *at != '\0';) {
		size_t part = strcspn(at, "/");
		bool up = part == 2 && at[0] == '.' && at[1] == '.';

		if (up && len == 0) {
			return -EXDEV;
		}
		inside = up || part == 0 || (part == 1 && *at == '.');
		if (up) {
			len = text_up(text, len);
		}
		if (!inside && len > 0) {
			text[len++] = '/';
		}
		for (size_t i = 0; !inside && i < part; i++) {
			text[len++] = at[i];
		}
		at += part;
		inside |= *at == '/';
		at += *at == '/';
	}
	if (len == 0) {
		text[len++] = '.';
	}
	text[len] = '\0';
	*ret_inside = inside;
	return 0;
}

int zc_names_next(struct zc_names *names, const char **ret_name, bool *ret_inside, const char **ret_why)
{
	int res = names_text(names, ret_why);

	if (res <= 0) {
		return res;
	}
	res = text_resolve(names->text, ret_inside);
	if (res < 0) {
		*ret_why = "the name leads out of the source";
		return res;
	}
	*ret_name = names->text;
	return 1;
}

int zc_filter_add_file(struct zc_filter *filter, const char *path, bool exclude, bool nul,
                       const char **ret_why, unsigned *ret_line)
{
	struct zc_names *names;
	int res = zc_names_open(&names, path, nul);

	if (res < 0) {
		*ret_why = "it cannot be opened";
		*ret_line = 0;
		return res;
	}
	while (res >= 0 && (res = names_text(names, ret_why)) > 0) {
		res = zc_filter_add(filter, exclude, names->text, ret_why);
	}
	if (res < 0) {
		*ret_line = ferror(names->file) != 0 ? 0 : names->line;
	}
	zc_names_close(names);
	return res;
}

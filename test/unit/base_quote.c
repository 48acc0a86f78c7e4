/* Names for people: escaped so that nothing reaches the terminal, unambiguous, cut whole. */
#include "zcopy/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void quoted(const char *name, const char *expected)
{
	char out[128];

	assert_ptr_equal(zc_quote(out, sizeof(out), name), out);
	assert_string_equal(out, expected);
}

static void escapes(void **state)
{
	(void)state;
	quoted("", "");
	quoted("plain name.txt", "plain name.txt");
	quoted("a\nb", "a\\nb");
	quoted("\a\b\t\n\v\f\r", "\\a\\b\\t\\n\\v\\f\\r");
	quoted("\x1b[31m", "\\033[31m");
	quoted("\x7f\x01", "\\177\\001");
	quoted("a\\b", "a\\\\b");
	quoted("'\"$", "'\"$");
	quoted("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	quoted("\xff", "\\377");
	quoted("\xc3", "\\303");
	quoted("\xc2\x9b"
	       "2J",
	       "\\302\\2332J"); /* C1: CSI in one character */
	quoted("\xe2\x82x", "\\342\\202x");
}

static void utf8(void **state)
{
	static const char *const bad[] = {
		"\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xc2",         "\xe2\x82",         "\xf0\x9f\x98",     "ok\xfe",
	};
	static const char *const good[] = {
		"",
		"a",
		"\xc2\x80",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf",
	};

	(void)state;
	for (size_t i = 0; i < ZC_ARRAY_LEN(bad); i++) {
		assert_false(zc_utf8_valid(bad[i]));
	}
	for (size_t i = 0; i < ZC_ARRAY_LEN(good); i++) {
		assert_true(zc_utf8_valid(good[i]));
	}
}

static void cuts(void **state)
{
	char out[8];

	(void)state;
	assert_string_equal(zc_quote(out, 8, "1234567"), "1234567");
	assert_string_equal(zc_quote(out, 8, "12345678"), "1234...");
	assert_string_equal(zc_quote(out, 8, "123\n5678"), "123...");
	assert_string_equal(zc_quote(out, 8,
	                             "123\xe2\x82\xac"
	                             "5678"),
	                    "123...");
	assert_string_equal(zc_quote(out, 4, "1234"), "...");
	assert_string_equal(zc_quote(out, 4, "123"), "123");
}

/* The inverse, for the round trip. */
static void unquote(char *out, const char *text)
{
	static const char names[] = "abtnvfr";

	while (*text != '\0') {
		if (*text != '\\') {
			*out++ = *text++;
			continue;
		}
		text++;
		const char *named = strchr(names, *text);

		if (*text == '\\') {
			*out++ = *text++;
		} else if (named) {
			*out++ = (char)(named - names + 7);
			text++;
		} else {
			*out++ = (char)((text[0] - '0') * 64 + (text[1] - '0') * 8 + (text[2] - '0'));
			text += 3;
		}
	}
	*out = '\0';
}

static void round_trip(void **state)
{
	(void)state;
	srandom(4);
	for (int i = 0; i < 100000; i++) {
		char name[40];
		char out[4 * sizeof(name)];
		char back[sizeof(out)];
		size_t len = (size_t)random() % (sizeof(name) - 1);
		size_t cap = 4 + (size_t)random() % 60;

		for (size_t k = 0; k < len; k++) {
			name[k] = (char)(random() % 255 + 1);
		}
		name[len] = '\0';
		zc_quote(out, sizeof(out), name);
		assert_true(zc_utf8_valid(out));
		for (const char *at = out; *at != '\0'; at++) {
			assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
		}
		unquote(back, out);
		assert_string_equal(back, name);

		/* cut: within the buffer, and a prefix of the whole */
		char *cut = malloc(cap);

		assert_non_null(cut);
		zc_quote(cut, cap, name);
		if (strcmp(cut, out) != 0) {
			assert_true(strlen(cut) >= 3 && strlen(cut) < cap);
			assert_int_equal(strncmp(cut, out, strlen(cut) - 3), 0);
			assert_string_equal(cut + strlen(cut) - 3, "...");
			assert_true(zc_utf8_valid(cut));
		}
		free(cut);
	}
}

static void shell_quoted(const char *name, const char *expected)
{
	char out[128];

	assert_ptr_equal(zc_quote_shell(out, sizeof(out), name), out);
	assert_string_equal(out, expected);
}

static void shell(void **state)
{
	char out[12];

	(void)state;
	shell_quoted("", "''");
	shell_quoted("a", "'a'");
	shell_quoted("a b", "'a b'");
	shell_quoted("it's", "\"it's\"");
	shell_quoted("'", "\"'\"");
	shell_quoted("it's $5", "'it'\\''s $5'");
	shell_quoted("a\nb", "'a'$'\\n''b'");
	shell_quoted("\n", "''$'\\n'");
	shell_quoted("\n'", "''$'\\n'\\'''");
	shell_quoted("'\n", "''\\'''$'\\n'");
	shell_quoted("\a\b\t\n\v\f\r", "''$'\\a\\b\\t\\n\\v\\f\\r'");
	shell_quoted("\x1b[31m", "''$'\\033''[31m'");
	shell_quoted("a\\b", "'a\\b'");
	shell_quoted("\xc3\xa9", "'\xc3\xa9'");
	shell_quoted("\xff\xc3", "''$'\\377\\303'");
	shell_quoted("\xc2\x9b", "''$'\\302\\233'"); /* C1 */
	shell_quoted("-rf", "'-rf'");
	assert_string_equal(zc_quote_shell(out, 8, "12345"), "'12345'");
	assert_string_equal(zc_quote_shell(out, 8, "123456"), "'123...");
	assert_string_equal(zc_quote_shell(out, 8, "12\n"), "'12...");
	assert_string_equal(zc_quote_shell(out, 4, "1\n"), "...");
}

/* What is quoted by different rules, mixed; no valid character that a C library may call unprintable. */
static void random_name(char name[32])
{
	static const char *const likely[] = { "'",  " ", "\n", "#", "~", "{",        "}",           "\"",
		                              "\\", "$", "a",  "'", "=", "\xc3\xa9", "\xe2\x82\xac" };
	size_t len = 0;

	for (long k = random() % 8; k >= 0; k--) {
		char byte = (char)(random() % 0xc1 + 1);
		const char *piece = likely[(size_t)random() % ZC_ARRAY_LEN(likely)];

		if ((random() & 1) && byte != '/') {
			name[len++] = byte;
		} else {
			memcpy(name + len, piece, strlen(piece));
			len += strlen(piece);
		}
	}
	name[len] = '\0';
	if (strchr(name, '\'')) {
		strcat(name, "e"); /* ls 9.1 writes a wrong beginning when such a name ends in an escape */
	}
}

/* Makes the files of random names in the current directory; returns how many, their names in list. */
static int make_names(FILE *list)
{
	int count = 0;

	for (int i = 0; i < 3000; i++) {
		char name[32];
		int fd;

		random_name(name);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd >= 0) { /* else "." or seen already */
			close(fd);
			fprintf(list, "%s%c", name, '\0');
			count++;
		}
	}
	rewind(list);
	return count;
}

/* GNU ls says the same of the same names. */
static void shell_as_ls(void **state)
{
	char dir[] = "/tmp/unit_base_quote.XXXXXX";
	char line[256];
	char out[256];
	char *name = NULL;
	size_t cap = 0;
	int same = 0;
	int count;
	FILE *list;
	FILE *ls;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	list = fopen("names", "w+");
	assert_non_null(list);
	srandom(11);
	count = make_names(list);
	assert_true(count > 2000);
	ls = popen("LC_ALL=C.UTF-8 xargs -0 -a names "
	           "ls -dU1 --quoting-style=shell-escape-always -- 2>/dev/null",
	           "r");
	assert_non_null(ls);
	while (fgets(line, sizeof(line), ls) && getdelim(&name, &cap, '\0', list) > 0) {
		line[strcspn(line, "\n")] = '\0';
		zc_quote_shell(out, sizeof(out), name);
		assert_string_equal(out, line);
		same++;
	}
	if (pclose(ls) == 0) { /* else: no GNU ls here */
		assert_int_equal(same, count);
	}
	rewind(list);
	while (getdelim(&name, &cap, '\0', list) > 0) {
		unlink(name);
	}
	free(name);
	fclose(list);
	unlink("names");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),    cmocka_unit_test(utf8),  cmocka_unit_test(cuts),
		cmocka_unit_test(round_trip), cmocka_unit_test(shell), cmocka_unit_test(shell_as_ls),
	};

	return cmocka_run_group_tests_name("base/quote", tests, NULL, NULL);
}

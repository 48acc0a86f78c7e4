/*
 * --help and --version, for zcopy and, without our own options, for cp. The man page and the completion
 * are checked against them.
 */
#include "args.h"

#include <getopt.h>
#include <string.h>

#include "option.h"
#include "zc_config.h"

#define HELP_COLUMN 30 /* where the second column begins */

/* "  -u, --update[=all|none|none-fail|older]"; returns its width. */
static int help_head(FILE *out, const struct option_row *row)
{
	const char *between = row->has_arg == optional_argument ? "[=" : "=";
	int width = row->letter ? fprintf(out, "  -%c", row->letter) : fprintf(out, "    ");

	if (row->other_letter) {
		width += fprintf(out, ", -%c", row->other_letter);
	}
	if (row->name) {
		width += fprintf(out, "%s--%s", row->letter ? ", " : "  ", row->name);
	}
	for (const struct word *word = row->words; word && word->name; word++) {
		width += fprintf(out, "%s%s", between, word->name);
		between = "|";
	}
	if (row->arg) {
		width += fprintf(out, "%s%s", between, row->arg);
	}
	if (row->has_arg == optional_argument) {
		width += fprintf(out, "]");
	}
	return width;
}

static void help_row(FILE *out, const struct option_row *row)
{
	const char *line = row->help;
	int column;

	if (!row->apply) {
		fprintf(out, "\n%s\n", row->help);
		return;
	}
	column = help_head(out, row);
	if (column > HELP_COLUMN - 2) {
		fputc('\n', out);
		column = 0;
	}
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");

		fprintf(out, "%*s%.*s\n", HELP_COLUMN - column, "", (int)len, line);
		line += len + (line[len] == '\n');
		column = 0;
	}
}

static void help_rows(FILE *out, bool gnu_cp)
{
	const struct option_row *row;

	for (size_t i = 0; (row = option_at(i)); i++) {
		if (!(gnu_cp && row->own)) {
			help_row(out, row);
		}
	}
	fputs("\n"
	      "LIST is words with commas between them. Simple backups end in SUFFIX, else what\n"
	      "SIMPLE_BACKUP_SUFFIX says, else ~; which backups -b makes, VERSION_CONTROL says:\n"
	      "none (off), simple (never), existing (nil) or numbered (t).\n",
	      out);
}

static void help_cp(FILE *out)
{
	fputs("Usage: cp [OPTION]... [-T] SOURCE DEST\n"
	      "  or:  cp [OPTION]... SOURCE... DIRECTORY\n"
	      "  or:  cp [OPTION]... -t DIRECTORY SOURCE...\n"
	      "Copy SOURCE to DEST, or multiple SOURCE(s) to DIRECTORY.\n"
	      "\n"
	      "This is zcopy under the name of cp: GNU cp's options, words and exit status.\n",
	      out);
	help_rows(out, true);
}

void zc_args_help(FILE *out, bool gnu_cp)
{
	if (gnu_cp) {
		help_cp(out);
		return;
	}
	fputs("Usage: zcopy [OPTION]... SOURCE DEST\n"
	      "  or:  zcopy [OPTION]... SOURCE... DIRECTORY\n"
	      "  or:  zcopy [OPTION]... -t DIRECTORY SOURCE...\n"
	      "  or:  zcopy verify [OPTION]... SOURCE DEST\n"
	      "  or:  zcopy bench [OPTION]... copy|read|write DIR...\n"
	      "  or:  zcopy bench [OPTION]... nop|mem|hash\n"
	      "  or:  zcopy tune [OPTION]... SRC_DIR DST_DIR\n"
	      "  or:  zcopy help | version\n"
	      "Copy SOURCE to DEST, or several SOURCEs into DIRECTORY. A file that exists is\n"
	      "replaced whole: it is the old one until the new one is complete.\n"
	      "\n"
	      "SOURCE and DEST are:\n"
	      "  PATH            a file, a directory (with -r or -a), a device or a FIFO\n"
	      "  -               standard input as SOURCE, standard output as DEST\n"
	      "  null:           discards as DEST, is empty as SOURCE\n"
	      "  zero:SIZE       SOURCE of zero bytes\n"
	      "  gen:SEED,SIZE   SOURCE of random-looking bytes; as DEST gen:SEED checks them\n"
	      "  tcp://HOST:PORT, tcp-listen://[ADDRESS]:PORT   raw bytes to or from a peer\n",
	      out);
	help_rows(out, false);
	fputs("\n"
	      "verify compares two files or directories, bytes and attributes, and says a line\n"
	      "for each difference. Of the options above it has -0 -j -q and exclude, include,\n"
	      "exclude-from, progress, stats and report.\n"
	      "\n"
	      "bench measures copies in directories that exist, and says how sure it is. Of\n"
	      "the options above it has its own, and engine, route, reflink, direct, cache,\n"
	      "block-size, queue-depth, jobs, hugepages, numa, pool, durability, hash, quiet\n"
	      "and report.\n"
	      "\n"
	      "tune looks for the block size and queue depth of large direct copies from\n"
	      "SRC_DIR to DST_DIR; copies use what it found. Of the options above it has size,\n"
	      "seed and quiet.\n"
	      "\n"
	      "SIZE takes K M G T (1024), KB MB GB TB (1000) and KiB MiB GiB TiB.\n"
	      "ZCOPY_ENGINE and ZCOPY_JOBS in the environment do what the options do.\n"
	      "Called as cp it is GNU cp: only cp's options, words and exit status.\n"
	      "\n"
	      "Exit status: 0 all good, 1 something failed, 2 usage, 3 a source changed,\n"
	      "4 wrong bytes, 5 no space, 6 peer lost, 9 refused by a safety check. More in\n"
	      "zcopy(1).\n",
	      out);
}

void zc_args_help_bench(FILE *out)
{
	const struct option_row *row;

	fputs("Usage: zcopy bench [OPTION]... copy DIR [DEST_DIR]\n"
	      "  or:  zcopy bench [OPTION]... read|write DIR...\n"
	      "  or:  zcopy bench [OPTION]... nop|mem|hash\n"
	      "Measure copies from DIR to DEST_DIR or to DIR itself, and beside them the\n"
	      "ceiling, reading and writing alone; reading, or writing, in each DIR; what an\n"
	      "engine takes for a request that does nothing; pages of memory; digests.\n"
	      "\n"
	      "Each run copies anew; arms are run in turns; the first round is dropped. Files\n"
	      "of random bytes are made in each DIR, which has to exist, and are gone after it.\n"
	      "\n",
	      out);
	for (size_t i = 0; (row = option_at(i)); i++) {
		if (row->bench != 0) {
			help_row(out, row);
		}
	}
	fputs("\n"
	      "copy and write are durable (data) unless --durability says otherwise. Figures\n"
	      "that too few values carry are not given: P99.9 wants 10,000 requests, an\n"
	      "interval of the median 6 runs.\n",
	      out);
}

void zc_args_version(FILE *out, bool gnu_cp)
{
	fprintf(out, "%s %s\n", gnu_cp ? "cp (zcopy)" : "zcopy", ZC_VERSION);
}

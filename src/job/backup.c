/*
 * backup.c: the old file under another name, as cp -b names it: NAME~ or NAME.~N~.
 *
 * It is given its second name by a hard link, so that the first never is without a file: the rename that
 * publishes the new one takes it over. Where links are refused it is renamed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "item.h"
#include "walk.h"

#define TRIES_MAX 16

/* N of "NAME.~N~", or 0. */
static unsigned long backup_number(const char *entry, const char *name)
{
	size_t len = strlen(name);
	unsigned long number;
	char *end;

	if (strncmp(entry, name, len) != 0 || strncmp(entry + len, ".~", 2) != 0 || entry[len + 2] < '1' ||
	    entry[len + 2] > '9') {
		return 0;
	}
	number = strtoul(entry + len + 2, &end, 10);
	return strcmp(end, "~") == 0 ? number : 0;
}

/* The highest number in use in the directory; 0: none. */
static unsigned long backup_highest(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct walk_dirent) char buf[8192];
	unsigned long highest = 0;
	ssize_t len;

	if (fd < 0) {
		return 0;
	}
	while ((len = walk_read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < len;) {
			const struct walk_dirent *entry = (const struct walk_dirent *)(buf + at);
			unsigned long number = backup_number(entry->name, name);

			highest = number > highest ? number : highest;
			at += entry->reclen;
		}
	}
	close(fd);
	return highest;
}

char *backup_name(const struct zc_job_cfg *cfg, const struct target *target)
{
	unsigned long highest = 0;
	char *backup;
	int len;

	if (cfg->backup != ZC_BACKUP_SIMPLE) {
		highest = backup_highest(target->dir_fd, target->name);
	}
	if (cfg->backup == ZC_BACKUP_NUMBERED || highest > 0) {
		len = asprintf(&backup, "%s.~%lu~", target->name, highest + 1);
	} else {
		len = asprintf(&backup, "%s%s", target->name,
		               cfg->backup_suffix != NULL ? cfg->backup_suffix : "~");
	}
	return len < 0 ? NULL : backup;
}

/* cp --backup a~ a would move the source away before it is read. A numbered name is a new one. */
static bool backup_is_source(const struct item *item)
{
	const char *suffix = item->cfg->backup_suffix != NULL ? item->cfg->backup_suffix : "~";
	const struct target *from = item->from_link != NULL ? item->from_link : &item->from;
	const char *name = item->target.name;
	size_t len = strlen(name);
	struct stat st;

	if (!item->has_from || item->cfg->backup == ZC_BACKUP_NUMBERED ||
	    strncmp(from->name, name, len) != 0 || strcmp(from->name + len, suffix) != 0) {
		return false;
	}
	return fstatat(item->target.dir_fd, from->name, &st, 0) == 0 && st.st_dev == item->src_st.st_dev &&
	       st.st_ino == item->src_st.st_ino;
}

char *backup_path(struct item *item)
{
	const char *text = item_text(item, ZC_SIDE_DST);
	const char *slash = strrchr(text, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash + 1 - text);
	char *path;

	return asprintf(&path, "%.*s%s", (int)len, text, item->backup) < 0 ? NULL : path;
}

/* Second names cannot be had here. Anything else that goes wrong leaves the old file where it is: to rename
 * it takes its name away for a moment. */
static bool backup_cannot_link(int err)
{
	return err == EPERM || err == EOPNOTSUPP || err == ENOSYS || err == EMLINK || err == EINVAL;
}

static int backup_give(const struct item *item, const char *backup)
{
	int dir_fd = item->target.dir_fd;
	const char *name = item->target.name;
	/* the first name may be the new file's own */
	unsigned tries = item->committing && item->commit.temp[0] != '\0' ? 1 : 0;
	char temp[64];

	if (!item->report->gnu && !S_ISDIR(item->target.st.st_mode)) {
		if (linkat(dir_fd, name, dir_fd, backup, 0) == 0) {
			return 0;
		}
		/* an older backup gives way whole, as everything does */
		for (; errno == EEXIST && tries < TRIES_MAX; tries++) {
			commit_temp_name(temp, name, tries);
			if (tries == 0) {
				(void)commit_reclaim(&item->target, temp);
			}
			if (linkat(dir_fd, name, dir_fd, temp, 0) == 0) {
				int res = renameat(dir_fd, temp, dir_fd, backup) < 0 ? -errno : 0;

				/* of two names of one file rename keeps both */
				(void)unlinkat(dir_fd, temp, 0);
				return res;
			}
		}
		if (errno != EEXIST && !backup_cannot_link(errno)) {
			return -errno;
		}
	}
	return renameat(dir_fd, name, dir_fd, backup) < 0 ? -errno : 0;
}

int backup_item(struct item *item)
{
	char *backup;
	int res;

	if (item->cfg->backup == ZC_BACKUP_NONE || item->backup != NULL || !item->has_target ||
	    !item->target.exists) {
		return 0;
	}
	if (backup_is_source(item)) {
		return item_fail(item, ZC_SIDE_DST, ZC_STATUS_REFUSED, "stat", 0,
		                 "the backup would destroy the source", NULL);
	}
	backup = backup_name(item->cfg, &item->target);
	if (backup == NULL) {
		return item_fail(item, ZC_SIDE_DST, 0, "malloc", -ENOMEM, "cannot be backed up", NULL);
	}
	res = backup_give(item, backup);
	if (res == -ENOENT && item->report->gnu) { /* gone by itself */
		free(backup);
		return 0;
	}
	if (res < 0) {
		free(backup);
		return item_fail(item, ZC_SIDE_DST, 0, "rename", res, "cannot be backed up", NULL);
	}
	item->backup = backup;
	return 0;
}

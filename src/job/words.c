/*
 * words.c: what this program says about a failure, beside what GNU cp (coreutils 9.7) says. Scripts read
 * cp's words, so they are the same to the letter; what cp has no words for is said in our own.
 */
#include "words.h"

#include <stddef.h>
#include <string.h>

#include "zcopy/base.h"

struct words {
	const char *ours;
	const char *gnu;
	bool reason;
};

static const struct words words_table[] = {
	{ "cannot stat", "cannot stat %S", true },
	{ "cannot access", "cannot access %S", true },
	{ "cannot open", "cannot open %S for reading", true },
	{ "cannot read", "error reading %S", true },
	{ "cannot copy", "error copying %S to %D", true },
	{ "cannot read its names", "error reading %S", true },
	{ "cannot read the link", "cannot read symbolic link %S", true },
	{ "cannot write", "error writing %D", true },
	{ "cannot create", "cannot create regular file %D", true },
	{ "cannot be created", "cannot create regular file %D", true },
	{ "cannot be reached", "cannot stat %D", true },
	{ "cannot create the directory", "cannot create directory %D", true },
	{ "cannot make the parent", "cannot make directory %D", true },
	{ "cannot look at the parent", "failed to get attributes of %S", true },
	{ "is no directory", "%D exists but is not a directory", false },
	{ "cannot create the symlink", "cannot create symbolic link %D", true },
	{ "cannot link", "cannot create hard link %D to %S", true },
	{ "cannot link symbolically", "cannot create symbolic link %D to %S", true },
	{ "cannot create the FIFO", "cannot create fifo %D", true },
	{ "cannot create the special file", "cannot create special file %D", true },
	{ "cannot remove", "cannot remove %D", true },
	{ "cannot be backed up", "cannot backup %D", true },
	{ "cannot be given its old name back", "cannot un-backup %D", true },
	{ "cannot open for writing", "cannot create regular file %D", true },
	{ "cannot set its length", "failed to truncate %D", true },
	{ "closing it failed: its bytes may be lost", "failed to close %D", true },
	{ "cannot keep its owner", "failed to preserve ownership for %D", true },
	{ "cannot keep its mode", "preserving permissions for %D", true },
	{ "cannot keep its access control list", "preserving permissions for %D", true },
	{ "cannot keep its times", "preserving times for %D", true },
	{ "cannot keep its extended attributes", "setting attributes for %D", true },
	{ "cannot keep its security context", "failed to set the security context of %D", true },
	{ "is the same file as the source", "%S and %D are the same file", false },
	{ "cannot overwrite a directory with a file", "cannot overwrite directory %D with non-directory",
	  false },
	{ "cannot overwrite a file with a directory", "cannot overwrite non-directory %D with directory %S",
	  false },
	{ "not overwriting what this run has just made", "will not overwrite just-created %D with %S",
	  false },
	{ "not replacing it", "not replacing %D", false },
	{ "not writing through a dangling symlink", "not writing through dangling symlink %D", false },
	{ "cannot copy a directory into itself", "cannot copy a directory, %S, into itself, %D", false },
	{ "is a symlink that leads to a directory above it", "cannot copy cyclic symbolic link %S", false },
	{ "the backup would destroy the source", "backing up %D might destroy source;  %S not copied",
	  false },
	{ "only in the working directory can a symlink be relative",
	  "%F: can make relative symbolic links only in current directory", false },
	{ "replaced while it was copied", "skipping file %S, as it was replaced while being copied", false },
	{ "target must be a directory", "target %D", true },
	{ "target directory must be there", "target directory %D", true },
	{ "not copying through a symlink that this run has just made",
	  "will not copy %S through just-created symlink %D", false },
};

static const struct words *words_find(const char *what)
{
	for (size_t i = 0; i < ZC_ARRAY_LEN(words_table); i++) {
		if (strcmp(words_table[i].ours, what) == 0) {
			return &words_table[i];
		}
	}
	return NULL;
}

const char *words_gnu(const char *what)
{
	const struct words *words = words_find(what);

	return words != NULL ? words->gnu : NULL;
}

bool words_has_reason(const char *what)
{
	const struct words *words = words_find(what);

	return words != NULL && words->reason;
}

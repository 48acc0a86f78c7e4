/*
 * Which names of the source are one file: the same inode of the same file system, of one size and time.
 */
#include "links.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct links *new_links(void)
{
	struct links *links;

	assert_int_equal(links_new(&links, AT_FDCWD), 0);
	return links;
}

/* A first name of another file; or one more of the file whose copy is called want. */
static void meet(struct links *links, const struct stat *st, const char *want)
{
	char *path = NULL;
	int code = 0;
	enum links_answer answer = links_ask(links, st, LINKS_WAIT_NOT, &path, &code);

	if (want == NULL) {
		assert_int_equal(answer, LINKS_FIRST);
	} else {
		assert_int_equal(answer, LINKS_LINK);
		assert_string_equal(path, want);
		free(path);
	}
}

static void one_number_on_two_file_systems(void **state)
{
	struct links *links = new_links();
	struct stat one = { .st_dev = 1, .st_ino = 7, .st_nlink = 2, .st_size = 5 };
	struct stat two = one;

	(void)state;
	two.st_dev = 2;
	meet(links, &one, NULL);
	links_publish(links, &one, "d/one");
	meet(links, &two, NULL);
	links_publish(links, &two, "d/two");
	meet(links, &one, "d/one");
	meet(links, &two, "d/two");
	links_free(links);
}

static void changed_meanwhile(void **state)
{
	struct links *links = new_links();
	struct stat before = { .st_dev = 1, .st_ino = 7, .st_nlink = 3, .st_size = 5 };
	struct stat after = before;

	(void)state;
	after.st_mtim.tv_nsec = 1;
	meet(links, &before, NULL);
	links_publish(links, &before, "d/before");
	meet(links, &after, NULL);
	links_give_up(links, &after);
	links_free(links);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_number_on_two_file_systems),
		cmocka_unit_test(changed_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

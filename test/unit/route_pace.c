/*
 * --limit: what one lane was granted nobody else gets, however many ask before it is written. At a byte a
 * second the time that a test takes earns nothing; a run that is told to stop does not wait for more.
 */
#include "zcopy/route.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
	UNIT = 4096,
};

static struct zc_pace pace;
static struct zc_kit kits[2];

static int set_up(void **state)
{
	(void)state;
	zc_pace_init(&pace, 1);
	memset(kits, 0, sizeof(kits));
	kits[0].pace = kits[1].pace = &pace;
	zc_stop_signal = SIGINT;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	zc_stop_signal = 0;
	return 0;
}

static void paid_when_granted(void **state)
{
	(void)state;
	assert_int_equal(zc_pace_step(&kits[0], 10 * UNIT, UNIT), UNIT);
	assert_int_equal(zc_pace_step(&kits[1], 10 * UNIT, UNIT), 0);
	zc_pace_spend(&kits[0], UNIT);
	assert_int_equal(zc_pace_step(&kits[0], 10 * UNIT, UNIT), 0);
}

static void kept_until_spent(void **state)
{
	(void)state;
	assert_int_equal(zc_pace_step(&kits[0], UNIT, UNIT), UNIT);
	assert_int_equal(zc_pace_step(&kits[0], UNIT, UNIT), UNIT);
	zc_pace_spend(&kits[0], 1000);
	assert_int_equal(zc_pace_step(&kits[0], UNIT, 1), UNIT - 1000);
	assert_int_equal(zc_pace_step(&kits[0], UNIT, UNIT), 0);
	zc_pace_return(&kits[0], 1000);
	assert_int_equal(zc_pace_step(&kits[0], UNIT, UNIT), UNIT);
}

static void no_limit(void **state)
{
	struct zc_kit free_kit = { .pace = NULL };

	(void)state;
	assert_int_equal(zc_pace_step(&free_kit, 10 * UNIT, UNIT), 10 * UNIT);
	zc_pace_spend(&free_kit, 10 * UNIT);
	zc_pace_return(&free_kit, UNIT);
	assert_int_equal(free_kit.granted_bytes, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paid_when_granted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kept_until_spent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_limit, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of the packet tests; each returns how many failed. */
#ifndef TEST_TESTS_H
#define TEST_TESTS_H

int test_load(void);
int test_parse(void);
int test_admit(void);
int test_hash(void);
int test_choose(void);
int test_steer(void);
int test_cookie(void);
int test_track(void);

#endif

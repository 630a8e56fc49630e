/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sysctl.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

uint64_t sysctl_number(const char *path, uint64_t otherwise)
{
	char whole[PATH_MAX];
	uint64_t number;
	FILE *file;

	snprintf(whole, sizeof(whole), "/proc/sys/%s", path);
	file = fopen(whole, "re");
	if (!file)
		return otherwise;
	if (fscanf(file, "%" SCNu64, &number) != 1)
		number = otherwise;
	fclose(file);
	return number;
}

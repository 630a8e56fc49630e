/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what a worker says can be written where it is to go. */
#ifndef LB_LAUNCH_LOG_H
#define LB_LAUNCH_LOG_H

#include "check/launch_look.h"

/* log_directory NULL: the default one. */
int launch_check_logs(const struct look *look, const char *log_directory);

#endif

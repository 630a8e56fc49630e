/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with a unit, as directives have them. */
#ifndef LBSTATIC_SCALE_H
#define LBSTATIC_SCALE_H

/* "500ms", "10s", "5m", "2h", "1d", "0"; milliseconds, or -1. */
long long duration_parse(const char *text);
/* "100", "64k", "10m", "1g"; bytes, or -1. */
long long size_parse(const char *text);

#endif

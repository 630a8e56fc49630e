/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes and the start of every response head. */
#ifndef LBSTATIC_STATUS_H
#define LBSTATIC_STATUS_H

#include "static/http/writer.h"

#include <time.h>

const char *status_text(int status);

/* "HTTP/1.1 200 OK", the Date line and the Server line, each with its CRLF. */
void status_write(struct writer *writer, int status, const char date[]);

enum { STATUS_DATE_AT = 23 }; /* where the date of a 200 begins in what status_write wrote */

#endif

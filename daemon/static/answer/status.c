// SPDX-License-Identifier: Apache-2.0
#include "static/answer/status.h"

#include "static/http/date.h"

static const struct {
	int status;
	const char *text;
} texts[] = {
	{200, "OK"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

const char *status_text(int status)
{
	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

void status_write(struct writer *writer, int status, const char date[])
{
	write_text(writer, "HTTP/1.1 ");
	write_number(writer, status);
	write_text(writer, " ");
	write_text(writer, status_text(status));
	write_text(writer, "\r\nDate: ");
	write_bytes(writer, date, DATE_BYTES);
	write_text(writer, "\r\n");
}

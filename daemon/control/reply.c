/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs say to the client that asked, in the form of ctl.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "control/client.h"

static json_t *text_format(const char *format, va_list args)
{
	char *text = NULL;
	json_t *string;

	if (vasprintf(&text, format, args) < 0)
		return NULL;
	string = json_text(text);
	free(text);
	return string;
}

void control_progress(struct control_request *request, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	client_queue(request->client, json_pack("{s:o}", "progress", text_format(format, args)));
	va_end(args);
}

void control_progress_bytes(struct control_request *request, const char *bytes, size_t length)
{
	client_queue(request->client,
		     json_pack("{s:o}", "progress", json_text_bytes(bytes, length)));
}

size_t control_backlog(const struct control_request *request)
{
	return client_backlog(request->client);
}

uid_t control_user(const struct control_request *request)
{
	return client_peer(request->client)->uid;
}

void control_reply(struct control_request *request, json_t *data)
{
	if (data)
		client_end_request(request->client, json_pack("{s:b, s:o}", "ok", 1, "data", data));
	else
		client_end_request(request->client, json_pack("{s:b}", "ok", 1));
}

void control_message(struct control_request *request, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	client_end_request(request->client,
			   json_pack("{s:b, s:o}", "ok", 1, "message", text_format(format, args)));
	va_end(args);
}

void control_await_end(struct control_request *request)
{
	request->awaits_end = true;
}

void control_refuse(struct control_request *request, int exit_code, const char *text)
{
	client_end_request(request->client, json_pack("{s:b, s:o, s:i}", "ok", 0, "error",
						      json_text(text), "exit", exit_code));
}

// SPDX-License-Identifier: Apache-2.0
#include "static/http/date.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static void put_two(char *out, int value)
{
	out[0] = '0' + value / 10;
	out[1] = '0' + value % 10;
}

void date_format(char *out, time_t time)
{
	struct tm tm;

	gmtime_r(&time, &tm);
	memcpy(out, "Ddd, 00 Mmm 0000 00:00:00 GMT", DATE_BYTES);
	memcpy(out, days + 3 * tm.tm_wday, 3);
	put_two(out + 5, tm.tm_mday);
	memcpy(out + 8, months + 3 * tm.tm_mon, 3);
	put_two(out + 12, (tm.tm_year + 1900) / 100 % 100);
	put_two(out + 14, (tm.tm_year + 1900) % 100);
	put_two(out + 17, tm.tm_hour);
	put_two(out + 20, tm.tm_min);
	put_two(out + 23, tm.tm_sec);
}

/* Takes exactly count digits (a leading space stands for 0: asctime); -1 if they are not there. */
static int take_digits(struct slice *text, unsigned count)
{
	int value = 0;

	if (text->len < count)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		char c = text->at[i] == ' ' && !i ? '0' : text->at[i];

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
	}
	text->at += count;
	text->len -= count;
	return value;
}

static bool take_text(struct slice *text, const char *wanted)
{
	size_t len = strlen(wanted);

	if (text->len < len || memcmp(text->at, wanted, len))
		return false;
	text->at += len;
	text->len -= len;
	return true;
}

static int take_month(struct slice *text)
{
	for (unsigned i = 0; i < 12 && text->len >= 3; i++)
		if (!memcmp(text->at, months + 3 * i, 3)) {
			text->at += 3;
			text->len -= 3;
			return i;
		}
	return -1;
}

static bool take_clock(struct slice *text, struct tm *tm)
{
	return (tm->tm_hour = take_digits(text, 2)) >= 0 && take_text(text, ":") &&
	       (tm->tm_min = take_digits(text, 2)) >= 0 && take_text(text, ":") &&
	       (tm->tm_sec = take_digits(text, 2)) >= 0 && tm->tm_hour < 24 && tm->tm_min < 60 &&
	       tm->tm_sec < 61;
}

/* "06 Nov 1994 08:49:37 GMT" or, with '-', "06-Nov-94 08:49:37 GMT". */
static bool take_day_first(struct slice *text, struct tm *tm)
{
	const char *separator = text->len > 2 && text->at[2] == '-' ? "-" : " ";
	unsigned year_digits = *separator == '-' ? 2 : 4;

	if ((tm->tm_mday = take_digits(text, 2)) < 0 || !take_text(text, separator) ||
	    (tm->tm_mon = take_month(text)) < 0 || !take_text(text, separator) ||
	    (tm->tm_year = take_digits(text, year_digits)) < 0)
		return false;
	/* Two digits more than 50 years ahead are the past (RFC 9110, 5.6.7); good until 2050. */
	if (year_digits == 4)
		tm->tm_year -= 1900;
	else if (tm->tm_year < 70)
		tm->tm_year += 100;
	return take_text(text, " ") && take_clock(text, tm) && take_text(text, " GMT");
}

/* asctime: "Nov  6 08:49:37 1994". */
static bool take_month_first(struct slice *text, struct tm *tm)
{
	if ((tm->tm_mon = take_month(text)) < 0 || !take_text(text, " ") ||
	    (tm->tm_mday = take_digits(text, 2)) < 0 || !take_text(text, " ") ||
	    !take_clock(text, tm) || !take_text(text, " ") ||
	    (tm->tm_year = take_digits(text, 4)) < 0)
		return false;
	tm->tm_year -= 1900;
	return true;
}

time_t date_parse(struct slice text)
{
	struct tm tm = {0};
	bool sound;

	while (text.len && *text.at != ',' && *text.at != ' ') {
		text.at++;
		text.len--;
	}
	sound = take_text(&text, ", ") ? take_day_first(&text, &tm)
				       : take_text(&text, " ") && take_month_first(&text, &tm);
	return sound && !text.len && tm.tm_mday >= 1 && tm.tm_mday <= 31 ? timegm(&tm) : -1;
}

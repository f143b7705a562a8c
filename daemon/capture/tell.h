#pragma once

/* What an alert is told of the captures that it has asked for. */

struct alerts;
struct capture;

/* One is in the spool, whose folder is spool_path. Of a person's no alert hears. */
void capture_tell(struct alerts *alerts, const struct capture *capture, const char *spool_path);

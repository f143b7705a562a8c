/*
 * The name of an isolate has of each target its kind and the beginning of its id, so the browser is
 * asked which targets of that kind there are, and the one whose id begins so is attached. What is
 * below a page is attached by the page, which announces each when it is asked to attach to all.
 */

#include "inspect/cdp_flat.h"

#include <stdio.h>
#include <string.h>

#include "inspect/cdp_isolate.h"
#include "inspect/cdp_message.h"
#include "inspect/cdp_values.h"
#include "inspect/download.h"
#include "util/err.h"
#include "util/str.h"

static const char crashed_method[] = "Inspector.targetCrashed";

/* "worker" of "worker:9A37CDA0/..."; false when it is no name of ours. */
static bool next_kind(const char *rest, char kind[CDP_KIND_MAX])
{
	size_t n = strcspn(rest, ":/");

	if (rest[n] != ':' || n == 0 || n >= CDP_KIND_MAX)
		return false;
	memcpy(kind, rest, n);
	kind[n] = '\0';
	return cdp_is_plain(kind);
}

/* Does the next target of the way have this id? */
static bool is_next(const char *rest, const char *target_id)
{
	const char *shown = strchr(rest, ':') + 1;
	size_t n = strcspn(shown, "/");

	return n == CDP_TARGET_SHOWN && strncmp(shown, target_id, n) == 0;
}

/* The last session on the way so far says it. */
static bool is_of(const struct cdp_flat *flat, const struct cdp_message *message)
{
	return flat->session[0] != '\0' && strcmp(message->of_session, flat->session) == 0;
}

static int ask_next(struct download *download, struct cdp_flat *flat)
{
	char kind[CDP_KIND_MAX], params[160];

	if (!next_kind(flat->rest, kind))
		return err_set(download->err, DOWNLOAD_E_REFUSED, "there is no isolate \"%s\"",
			       download->request->isolate);
	if (flat->session[0] == '\0') {
		snprintf(params, sizeof(params),
			 "{\"discover\":true,\"filter\":[{\"type\":\"%s\"}]}", kind);
		return download_ask(download, "Target.setDiscoverTargets", params, &flat->last_id);
	}
	snprintf(params, sizeof(params),
		 "{\"autoAttach\":true,\"waitForDebuggerOnStart\":false,\"flatten\":true,"
		 "\"filter\":[{\"type\":\"%s\"}]}",
		 kind);
	return download_ask_session(download, flat->session, "Target.setAutoAttach", params,
				    &flat->last_id);
}

int cdp_flat_begin(struct download *download, struct cdp_flat *flat, const char *isolate)
{
	*flat = (struct cdp_flat){ .rest = isolate };
	return ask_next(download, flat);
}

/* The browser has a target of that kind. */
static int created(struct download *download, struct cdp_flat *flat,
		   const struct cdp_message *message)
{
	char params[160];

	if (flat->session[0] != '\0' || !is_next(flat->rest, message->target_id) ||
	    !cdp_is_plain(message->target_id))
		return 0;
	snprintf(params, sizeof(params), "{\"targetId\":\"%s\",\"flatten\":true}",
		 message->target_id);
	return download_ask(download, "Target.attachToTarget", params, &flat->last_id);
}

static int attached(struct download *download, struct cdp_flat *flat,
		    const struct cdp_message *message)
{
	const char *below;

	if (strcmp(message->of_session, flat->session) != 0 ||
	    !is_next(flat->rest, message->target_id) || !cdp_is_plain(message->session))
		return 0;
	str_copy(flat->session, sizeof(flat->session), message->session);
	str_copy(flat->target_id, sizeof(flat->target_id), message->target_id);
	flat->last_id = 0;
	below = strchr(flat->rest, '/');
	flat->rest = below != NULL ? below + 1 : "";
	return below != NULL ? ask_next(download, flat) : CDP_ATTACHED;
}

/* Without having announced the one we look for. */
static int answered(struct download *download, struct cdp_flat *flat,
		    const struct cdp_message *message)
{
	flat->last_id = 0;
	if (message->failed)
		return cdp_refused(download, "attaching to it", message);
	return err_set(download->err, DOWNLOAD_E_REFUSED, "there is no isolate \"%s\" any more",
		       download->request->isolate);
}

/* That it has crashed is said in its session, but it is not what says it. */
bool cdp_flat_is_isolate(const struct cdp_flat *flat, const struct cdp_message *message)
{
	return flat->rest[0] == '\0' && is_of(flat, message) &&
	       strcmp(message->method, crashed_method) != 0;
}

int cdp_flat_message(struct download *download, struct cdp_flat *flat,
		     const struct cdp_message *message)
{
	if (message->has_id)
		return flat->last_id != 0 && message->id == flat->last_id && !download->leaving
			       ? answered(download, flat, message)
			       : 0;
	if (strcmp(message->method, "Target.detachedFromTarget") == 0 && flat->session[0] != '\0' &&
	    strcmp(message->session, flat->session) == 0)
		return err_set(download->err, DOWNLOAD_E_LOST, "the isolate ended");
	/* Of a frame only the latter is told. */
	if ((strcmp(message->method, "Target.targetCrashed") == 0 && flat->target_id[0] != '\0' &&
	     strcmp(message->target_id, flat->target_id) == 0) ||
	    (strcmp(message->method, crashed_method) == 0 && is_of(flat, message)))
		return err_set(download->err, DOWNLOAD_E_LOST, "the isolate crashed");
	if (flat->rest[0] == '\0')
		return 0;
	if (strcmp(message->method, "Target.targetCreated") == 0)
		return created(download, flat, message);
	if (strcmp(message->method, "Target.attachedToTarget") == 0)
		return attached(download, flat, message);
	return 0;
}

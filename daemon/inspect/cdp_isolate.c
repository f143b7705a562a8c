/*
 * A worker's session is found by its title, because what NodeWorker calls workerId is counted anew
 * on every connection and the title holds the thread's own id. sendMessageToWorker is answered at
 * once and says nothing about what it carried.
 */

#include "inspect/cdp_isolate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "inspect/cdp_message.h"
#include "inspect/download.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"

enum { RELAY_MAX_BYTES = 1024 };

static const char relay_method[] = "NodeWorker.sendMessageToWorker";
static const char attached_method[] = "NodeWorker.attachedToWorker";
static const char detached_method[] = "NodeWorker.detachedFromWorker";

int cdp_isolate_parse(struct cdp_isolate *isolate, const char *text)
{
	static const char prefix[] = "worker:";
	const char *digits;
	size_t n;

	if (strcmp(text, "main") == 0)
		return 0;
	if (!str_has_prefix(text, prefix))
		return -EINVAL;
	digits = text + sizeof(prefix) - 1;
	n = strspn(digits, "0123456789");
	if (n == 0 || digits[n] != '\0' ||
	    !str_copy(isolate->worker, sizeof(isolate->worker), digits))
		return -EINVAL;
	return 0;
}

int cdp_refused(struct download *download, const char *method, const struct cdp_message *message)
{
	return err_set(download->err, DOWNLOAD_E_REFUSED, "%s: %s", method,
		       message->text[0] != '\0' ? message->text : "refused without a reason");
}

static int relay(struct download *download, const struct cdp_isolate *isolate, const char *method,
		 const char *params, int32_t *ret_id)
{
	struct buf inner, outer;
	int r;

	buf_init(&inner, RELAY_MAX_BYTES);
	buf_init(&outer, RELAY_MAX_BYTES);
	r = download_compose(download, &inner, NULL, method, params, ret_id);
	if (r == 0) {
		buf_puts(&outer, "{\"sessionId\":");
		json_quote(&outer, isolate->session, strlen(isolate->session));
		buf_puts(&outer, ",\"message\":");
		json_quote(&outer, inner.data, inner.size);
		r = buf_puts(&outer, "}");
	}
	if (r == 0)
		r = download_ask(download, relay_method, buf_text(&outer), NULL);
	buf_fini(&inner);
	buf_fini(&outer);
	return r;
}

int cdp_isolate_ask(struct download *download, const struct cdp_isolate *isolate,
		    const char *method, const char *params, int32_t *ret_id)
{
	if (isolate->in_browser)
		return download_ask_session(download, isolate->flat.session, method, params,
					    ret_id);
	if (isolate->worker[0] != '\0')
		return relay(download, isolate, method, params, ret_id);
	return download_ask(download, method, params, ret_id);
}

int cdp_isolate_attach(struct download *download, struct cdp_isolate *isolate)
{
	if (isolate->in_browser)
		return cdp_flat_begin(download, &isolate->flat, download->request->isolate);
	return download_ask(download, "NodeWorker.enable", "{\"waitForDebuggerOnStart\":false}",
			    &isolate->workers_id);
}

/* Thread 3 has the title "[worker 3] name" in Node and "worker [3]" in Deno. */
static bool is_our_worker(const struct cdp_isolate *isolate, const char *title)
{
	static const char *const prefixes[] = { "[worker ", "worker [" };
	size_t n = strlen(isolate->worker);

	for (size_t i = 0; i < 2; i++) {
		const char *digits = title + strlen(prefixes[i]);

		if (str_has_prefix(title, prefixes[i]) &&
		    strncmp(digits, isolate->worker, n) == 0 && digits[n] == ']')
			return true;
	}
	return false;
}

/* Node announces all workers before enable is answered, Deno right after. */
static int workers_enabled(struct download *download, struct cdp_isolate *isolate,
			   const struct cdp_message *message)
{
	if (message->failed)
		return cdp_refused(download, "NodeWorker.enable", message);
	if (isolate->session[0] == '\0' && !isolate->asked_again) {
		isolate->asked_again = true;
		return download_ask(download, "Runtime.getHeapUsage", NULL, &isolate->workers_id);
	}
	if (isolate->session[0] == '\0')
		return err_set(download->err, DOWNLOAD_E_REFUSED, "there is no worker thread %s",
			       isolate->worker);
	return CDP_ATTACHED;
}

int cdp_isolate_message(struct download *download, struct cdp_isolate *isolate,
			const struct cdp_message *message)
{
	if (isolate->in_browser)
		return cdp_flat_message(download, &isolate->flat, message);
	if (message->has_id && message->id == isolate->workers_id)
		return download->leaving ? 0 : workers_enabled(download, isolate, message);
	/* All that is asked of the main thread after that is to pass something on. */
	if (message->has_id)
		return message->failed && message->id > isolate->workers_id &&
				       message->id <= download->next_id
			       ? cdp_refused(download, relay_method, message)
			       : 0;
	if (strcmp(message->method, attached_method) == 0 && isolate->session[0] == '\0' &&
	    is_our_worker(isolate, message->title))
		str_copy(isolate->session, sizeof(isolate->session), message->session);
	if (strcmp(message->method, detached_method) == 0 && isolate->session[0] != '\0' &&
	    strcmp(message->session, isolate->session) == 0)
		return err_set(download->err, DOWNLOAD_E_LOST, "the worker thread ended");
	return 0;
}

/*
 * Discovery
 *
 * Keeps the running sources equal to what the settings name, and turns what a source found into
 * specs. What a source does not say about a target comes from `poll:`, and since that may change at
 * a reload, sources keep settings and make the specs anew each time they hand over.
 */

#include "watch/discover.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/access.h"
#include "net/address.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/str.h"
#include "watch/allow.h"
#include "watch/discover_source.h"
#include "watch/target.h"

/* ---- specs ---- */

int source_allows(const struct text_list *allowed, const struct access *access, const char *text,
		  struct err *err)
{
	struct address address;
	int r = allow_text(allowed, text, err);

	if (r < 0 || !access || !access->files.credentials_file ||
	    address_parse(&address, text, err) < 0 || address.is_tls || address_is_local(&address))
		return r;
	return err_set(err, -EINVAL,
		       "'%.128s': the token would be sent in clear: use a wss:// address", text);
}

void specs_free(struct target_spec *specs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		target_spec_fini(&specs[i]);
	free(specs);
}

static void fill_poll(struct poll_settings *poll, const struct target_settings *target)
{
	if (target->has_interval)
		poll->interval_ns = target->poll.interval_ns;
	if (target->has_timeout)
		poll->timeout_ns = target->poll.timeout_ns;
	if (target->has_backoff_max)
		poll->backoff_max_ns = target->poll.backoff_max_ns;
	if (target->has_policy)
		poll->policy = target->poll.policy;
	if (target->has_evaluate)
		poll->evaluate = target->poll.evaluate;
	if (target->has_runtime)
		poll->runtime = target->poll.runtime;
	if (target->has_gc_events)
		poll->gc_events = target->poll.gc_events;
	if (target->has_profile_interval)
		poll->profile_interval_ns = target->poll.profile_interval_ns;
	if (poll->timeout_ns > poll->interval_ns)
		poll->timeout_ns = poll->interval_ns;
}

/* NULL when nothing is special. 0, -ENOMEM. */
static int make_access(const struct tls_settings *tls,
		       const struct authorization_settings *authorization, struct access **ret)
{
	const struct access_files files = {
		.ca_file = tls->ca_file,
		.cert_file = tls->cert_file,
		.key_file = tls->key_file,
		.server_name = tls->server_name,
		.credentials_file = authorization->credentials_file,
		.insecure_skip_verify = tls->insecure_skip_verify,
	};

	*ret = NULL;
	if (!files.ca_file && !files.cert_file && !files.server_name && !files.credentials_file &&
	    !files.insecure_skip_verify)
		return 0;
	return access_new(ret, &files);
}

static int fill_opening(struct opening *opening, const struct target_settings *target)
{
	struct opening found = { .wanted = target->has_opening,
				 .pid_file = target->opening.pid_file,
				 .command = target->opening.command,
				 .uid = geteuid() };

	/* The user was there when the settings were loaded; one that is gone owns no process. */
	if (target->opening.user != NULL &&
	    target_user_parse(target->opening.user, &found.uid, NULL) < 0)
		found.uid = (uid_t)-1;
	return opening_copy(opening, &found);
}

/* The address was checked when the settings were loaded. */
static int fill_spec(struct target_spec *spec, const struct target_settings *target,
		     const struct poll_settings *poll)
{
	char address[ADDRESS_TEXT_MAX];
	int r;

	*spec = (struct target_spec){ .poll = *poll };
	r = address_parse(&spec->address, target->address, NULL);
	if (r == 0)
		r = make_access(&target->tls, &target->authorization, &spec->address.access);
	if (r == 0)
		r = fill_opening(&spec->opening, target);
	if (r < 0)
		return r;
	fill_poll(&spec->poll, target);
	spec->name = strdup(target->name ? target->name : address_format(address, &spec->address));
	if (!spec->name)
		return -ENOMEM;
	return labels_copy(&spec->labels, &target->labels);
}

/*
 * Appends to specs, which has room. What was allowed when it was read may not be any more. access
 * is what their source gives all of them; NULL: what each says itself.
 */
static int add_specs(struct target_spec *specs, size_t *n, const struct item_list *targets,
		     const struct poll_settings *poll, const struct text_list *allowed,
		     struct access *access)
{
	const struct target_settings *items = targets->items;

	for (size_t i = 0; i < targets->n; i++) {
		struct err err = { 0 };
		int r = source_allows(allowed, access, items[i].address, &err);

		if (r < 0) {
			log_warn("discover", "target is dropped: %s", err.text);
			continue;
		}
		r = fill_spec(&specs[*n], &items[i], poll);
		if (access)
			specs[*n].address.access = access_ref(access);
		(*n)++;
		if (r < 0)
			return r;
	}
	return 0;
}

int specs_from_settings(const struct watch_settings *settings, struct target_spec **ret,
			size_t *ret_n)
{
	struct target_spec *specs = calloc(settings->targets.n + 1, sizeof(*specs));
	size_t n = 0;
	int r;

	if (!specs)
		return -ENOMEM;
	r = add_specs(specs, &n, &settings->targets, &settings->poll, &settings->allowed_targets,
		      NULL);
	if (r < 0) {
		specs_free(specs, n);
		return r;
	}
	*ret = specs;
	*ret_n = n;
	return 0;
}

/* ---- what sources share ---- */

/* FNV-1a, so that names cut alike stay apart. */
static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

void source_name(char dst[64], const char *kind, const char *what)
{
	size_t shown = strcspn(what, "?");

	/* A query may hold a key: it is not shown. */
	if (what[shown] == '\0' && snprintf(dst, 64, "%s:%s", kind, what) < 64)
		return;
	snprintf(dst, 64, "%s:%.*s~%08x", kind, shown < 48 ? (int)shown : 48, what, hash(what));
}

void source_init(struct source *source, struct discovery *discovery, const struct source_ops *ops)
{
	source->ops = ops;
	source->discovery = discovery;
	link_init(&source->parts);
	link_init(&source->shown.link);
}

void source_fini(struct source *source)
{
	access_unref(source->access);
	link_remove(&source->shown.link);
}

int source_part_init(struct source *source, struct source_part *part, const char *name)
{
	part->name = strdup(name);
	part->targets = (struct item_list){ .item_size = sizeof(struct target_settings) };
	link_init(&part->link);
	if (!part->name)
		return -ENOMEM;
	list_append(&source->parts, &part->link);
	return 0;
}

void source_part_fini(struct source_part *part)
{
	if (part->link.next)
		link_remove(&part->link);
	groups_fini(&part->targets);
	free(part->name);
	part->name = NULL;
}

void source_part_failed(struct source *source, struct source_part *part, const char *fmt, ...)
{
	char text[sizeof(part->error)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (strcmp(text, part->error) == 0)
		return;
	str_copy(part->error, sizeof(part->error), text);
	log_warn("discover", "%s: %s; %s source=%s", part->name, text,
		 part->good_once ? "its last good targets stay" : "it has no targets yet",
		 source->shown.name);
}

void source_part_succeeded(struct source *source, struct source_part *part)
{
	if (part->error[0])
		log_info("discover", "%s: good again, %zu targets source=%s", part->name,
			 part->targets.n, source->shown.name);
	part->error[0] = '\0';
	part->good_once = true;
}

int source_part_parse(struct source *source, struct source_part *part, const char *text,
		      size_t size)
{
	struct item_list targets;
	struct problems problems;
	int r;

	problems_init(&problems);
	r = groups_parse(text, size, part->name, source->discovery->allowed, source->access,
			 &targets, &problems);
	if (r == 0) {
		groups_fini(&part->targets);
		part->targets = targets;
		source_part_succeeded(source, part);
	} else if (problems.n > 0) {
		const char *first = problems.items[0].text;
		size_t name = strlen(part->name);

		/* The message begins with the name, which the log line has already. */
		if (str_has_prefix(first, part->name) && first[name] == ':')
			first += name + 1;
		source_part_failed(source, part, "%s", first[0] == ' ' ? first + 1 : first);
	} else {
		source_part_failed(source, part, "%s", strerrordesc_np(-r));
	}
	problems_fini(&problems);
	return r;
}

static void show(struct source *source)
{
	struct discovery_source *shown = &source->shown;

	shown->targets_n = 0;
	shown->error[0] = '\0';
	list_each (pos, &source->parts) {
		struct source_part *part = container_of(pos, struct source_part, link);

		shown->targets_n += part->targets.n;
		if (part->error[0] && !shown->error[0])
			snprintf(shown->error, sizeof(shown->error), "%.64s: %.120s", part->name,
				 part->error);
	}
}

void source_publish(struct source *source)
{
	struct discovery *discovery = source->discovery;
	struct target_spec *specs = calloc(source->shown.targets_n + 1, sizeof(*specs));
	size_t n = 0;
	int r = specs ? 0 : -ENOMEM;

	list_each (pos, &source->parts) {
		struct source_part *part = container_of(pos, struct source_part, link);

		if (r == 0)
			r = add_specs(specs, &n, &part->targets, discovery->poll,
				      discovery->allowed, source->access);
	}
	if (r < 0)
		log_error("discover", "targets cannot be handed over: %s source=%s",
			  strerrordesc_np(-r), source->shown.name);
	else if (discovery->on_set)
		discovery->on_set(discovery->owner, source->shown.name, specs, n);
	specs_free(specs, n);
}

void source_refreshed(struct source *source, bool changed)
{
	show(source);
	source->discovery->refreshes++;
	if (source->shown.error[0])
		source->discovery->failures++;
	else
		source->shown.last_success_wall_ms = clock_wall_ms();
	if (changed)
		source_publish(source);
}

/* ---- the sources that run ---- */

void discovery_init(struct discovery *discovery, struct loop *loop, struct http_client *http)
{
	*discovery = (struct discovery){ .loop = loop, .http = http };
	link_init(&discovery->sources);
}

static struct source *source_of(struct link *link)
{
	return container_of(link, struct source, shown.link);
}

void discovery_fini(struct discovery *discovery)
{
	if (!discovery->sources.next)
		return;
	list_each_safe (pos, &discovery->sources) {
		struct source *source = source_of(pos);

		source->ops->free(source);
	}
}

static struct source *find(struct discovery *discovery, const char *name)
{
	list_each (pos, &discovery->sources) {
		struct source *source = source_of(pos);

		if (strcmp(source->shown.name, name) == 0)
			return source;
	}
	return NULL;
}

/* What changed for targets that are known already. */
struct change {
	bool poll, allowed;
};

/* How its targets are reached. 0, -ENOMEM; *changed when it is another way than before. */
static int set_access(struct source *source, const struct access_settings *settings, bool *changed)
{
	struct access *access;
	int r = make_access(&settings->tls, &settings->authorization, &access);

	if (r < 0)
		return r;
	*changed = !access_equal(source->access, access);
	access_unref(source->access);
	source->access = access;
	return 0;
}

/* One that runs already takes the settings of now. */
static int change_source(struct source *source, const void *settings,
			 const struct access_settings *access, const struct change *change)
{
	bool other_access = false;
	int r = set_access(source, access, &other_access);

	if (r < 0)
		return r;
	source->wanted = true;
	if (change->poll || change->allowed || other_access)
		source_publish(source);
	r = source->ops->set(source, settings);
	if (r == 0 && (change->allowed || other_access))
		source->ops->again(source);
	return r;
}

/* The source that runs already takes the settings (and defaults) of now, or a new one starts. */
static int ensure(struct discovery *discovery, const struct source_ops *ops, const char *what,
		  const void *settings, const struct access_settings *access,
		  const struct change *change)
{
	struct source *source;
	char name[64];
	bool unused;
	int r;

	source_name(name, ops->kind, what);
	source = find(discovery, name);
	if (source && source->wanted)
		return 0;
	if (source)
		return change_source(source, settings, access, change);
	r = ops->new (&source, discovery, what);
	if (r < 0)
		return r;
	str_copy(source->shown.name, sizeof(source->shown.name), name);
	source->wanted = true;
	list_append(&discovery->sources, &source->shown.link);
	r = set_access(source, access, &unused);
	return r < 0 ? r : ops->set(source, settings);
}

/* Sources the settings name no more: their targets go. */
static void drop_unwanted(struct discovery *discovery)
{
	list_each_safe (pos, &discovery->sources) {
		struct source *source = source_of(pos);
		char name[64];

		if (source->wanted)
			continue;
		str_copy(name, sizeof(name), source->shown.name);
		source->ops->free(source);
		if (discovery->on_set)
			discovery->on_set(discovery->owner, name, NULL, 0);
	}
}

static int apply_files(struct discovery *discovery, const struct file_sd_settings *settings,
		       const struct change *change)
{
	int ret = 0;

	for (size_t i = 0; i < settings->files.n; i++) {
		int r = ensure(discovery, &file_source_ops, settings->files.items[i], settings,
			       &settings->access, change);

		if (r < 0)
			ret = r;
	}
	return ret;
}

int discovery_apply(struct discovery *discovery, const struct watch_settings *settings)
{
	const struct file_sd_settings *files = settings->file_sd.items;
	const struct http_sd_settings *urls = settings->http_sd.items;
	struct change change = {
		.poll = discovery->poll &&
			!options_equal(poll_options, discovery->poll, &settings->poll),
		.allowed = discovery->allowed &&
			   !allow_equal(discovery->allowed, &settings->allowed_targets),
	};
	int r, ret = 0;

	discovery->poll = &settings->poll;
	discovery->allowed = &settings->allowed_targets;
	list_each (pos, &discovery->sources)
		source_of(pos)->wanted = false;
	for (size_t i = 0; i < settings->file_sd.n; i++) {
		r = apply_files(discovery, &files[i], &change);
		if (r < 0)
			ret = r;
	}
	for (size_t i = 0; i < settings->http_sd.n; i++) {
		r = ensure(discovery, &http_source_ops, urls[i].url, &urls[i], &urls[i].access,
			   &change);
		if (r < 0)
			ret = r;
	}
	drop_unwanted(discovery);
	return ret;
}

void discovery_publish(struct discovery *discovery)
{
	list_each (pos, &discovery->sources)
		source_publish(source_of(pos));
}

/*
 * Target groups: what file_sd and http_sd are made of
 *
 *   [{"targets": ["10.0.0.5:9229"], "labels": {"env": "prod"}}]
 *
 * Prometheus' format, so that what writes it for Prometheus can write it for us. Labels that begin
 * with __ are not kept, as there; some of ours say how the group is polled. A label that would hide
 * one that a target has by itself is kept as exported_NAME, again as there. A mistake anywhere
 * refuses the whole text: half a set would end the watch of the other half.
 */

#include "watch/discover_source.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/str.h"
#include "watch/allow.h"
#include "watch/settings.h"

#define OWN "__heapwatch_"

struct group {
	struct text_list targets;
	struct labels labels;
};

static const struct option_desc group_options[] = {
	{ .name = "targets",
	  .type = OPTION_TEXT_LIST,
	  .flags = OPTION_REQUIRED,
	  .offset = offsetof(struct group, targets),
	  .help = "Addresses of inspectors." },
	{ .name = "labels",
	  .type = OPTION_LABELS,
	  .offset = offsetof(struct group, labels),
	  .help = "Labels of all targets of the group." },
	{ 0 },
};

/* Where in the text a group is. */
struct place {
	const struct doc *doc;
	struct problems *problems;
	const struct text_list *allowed;
	const struct access *access;
	const struct node *node;
	char path[32];
};

static void complain_label(const struct place *place, const char *label, const char *text)
{
	const struct node *labels = node_member(place->node, "labels");
	const struct node *node = labels ? node_member(labels, label) : NULL;

	if (!node)
		node = place->node;
	problems_add(place->problems, place->doc->file, node->line, node->column, place->path,
		     "label '%s': %s", label, text);
}

/* A label of ours: an option of the target. */
static int set_own(const struct place *place, const struct group *group, const struct label *label,
		   struct target_settings *target)
{
	static const char *const known[] = { "name",        "interval",  "timeout",
					     "backoff_max", "policy",    "evaluate",
					     "runtime",     "gc_events", "profile_interval" };
	const char *name = label->name + strlen(OWN);
	struct err err = { 0 };
	bool found = false;
	int r;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found |= strcmp(name, known[i]) == 0;
	if (!found) {
		complain_label(place, label->name, "there is no such setting");
		return 0;
	}
	if (strcmp(name, "name") == 0 && group->targets.n != 1) {
		complain_label(place, label->name, "a name is for a group of one target");
		return 0;
	}
	r = options_set(target_options, target, name, label->value, &err);
	if (r == -EINVAL)
		complain_label(place, label->name, err.text);
	return r == -ENOMEM ? r : 0;
}

static int set_label(struct target_settings *target, const struct label *label)
{
	char name[256];

	if (str_has_prefix(label->name, "__"))
		return 0;
	if (!target_label_taken(label->name))
		return labels_set(&target->labels, label->name, label->value);
	snprintf(name, sizeof(name), "exported_%s", label->name);
	return labels_set(&target->labels, name, label->value);
}

static int fill_target(const struct place *place, const struct group *group, const char *address,
		       struct target_settings *target)
{
	target->address = strdup(address);
	if (!target->address)
		return -ENOMEM;
	for (size_t i = 0; i < group->labels.n; i++) {
		const struct label *label = &group->labels.items[i];
		int r = str_has_prefix(label->name, OWN) ? set_own(place, group, label, target)
							 : set_label(target, label);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_targets(const struct place *place, const struct group *group,
		       struct item_list *targets)
{
	struct target_settings *items;
	size_t n = targets->n + group->targets.n;

	if (n == 0)
		return 0;
	items = reallocarray(targets->items, n, sizeof(*items));
	if (!items)
		return -ENOMEM;
	targets->items = items;
	for (size_t i = 0; i < group->targets.n; i++) {
		struct target_settings *target = &items[targets->n++];
		int r;

		*target = (struct target_settings){ 0 };
		r = fill_target(place, group, group->targets.items[i], target);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Each address by itself, with its own place. */
static bool check_targets(const struct place *place, const struct group *group)
{
	const struct node *list = node_member(place->node, "targets");
	bool good = true;

	for (size_t i = 0; i < group->targets.n; i++) {
		const struct node *node = list && i < list->children_n ? &list->children[i] : list;
		struct err err = { 0 };
		char path[64];

		if (source_allows(place->allowed, place->access, group->targets.items[i], &err) ==
		    0)
			continue;
		good = false;
		snprintf(path, sizeof(path), "%s.targets[%zu]", place->path, i);
		problems_add(place->problems, place->doc->file, node ? node->line : 0,
			     node ? node->column : 0, path, "%s", err.text);
	}
	return good;
}

static int load_group(struct place *place, struct item_list *targets)
{
	struct group group = { 0 };
	int r;

	r = options_load(group_options, place->doc, place->node, place->path, &group,
			 place->problems);
	if (r == 0 && check_targets(place, &group))
		r = add_targets(place, &group, targets);
	options_fini(group_options, &group);
	return r == -ENOMEM ? r : 0;
}

static int load_groups(const struct doc *doc, const struct text_list *allowed,
		       const struct access *access, struct item_list *targets,
		       struct problems *problems)
{
	const struct node *root = &doc->root;
	struct place place = {
		.doc = doc, .problems = problems, .allowed = allowed, .access = access
	};

	if (root->kind != NODE_LIST) {
		problems_add(problems, doc->file, root->line, root->column, NULL,
			     "expected a list of target groups%s",
			     node_is_null(root) ? " (write [] for none)" : "");
		return -EINVAL;
	}
	for (size_t i = 0; i < root->children_n && !problems->more; i++) {
		int r;

		place.node = &root->children[i];
		snprintf(place.path, sizeof(place.path), "[%zu]", i);
		r = load_group(&place, targets);
		if (r < 0)
			return r;
	}
	return problems->n || problems->more ? -EINVAL : 0;
}

void groups_fini(struct item_list *targets)
{
	struct target_settings *items = targets->items;

	for (size_t i = 0; i < targets->n; i++)
		options_fini(target_options, &items[i]);
	free(items);
	*targets = (struct item_list){ .item_size = sizeof(*items) };
}

int groups_parse(const char *text, size_t size, const char *name, const struct text_list *allowed,
		 const struct access *access, struct item_list *targets, struct problems *problems)
{
	struct doc *doc = NULL;
	int r;

	*targets = (struct item_list){ .item_size = sizeof(struct target_settings) };
	r = doc_parse(&doc, text, size, name, problems);
	if (r == 0)
		r = load_groups(doc, allowed, access, targets, problems);
	doc_free(doc);
	if (r < 0)
		groups_fini(targets);
	return r;
}

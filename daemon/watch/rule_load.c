/*
 * Rule files
 *
 * The option tables read each file into plain texts; then every rule is checked and converted. Both
 * halves go on after a mistake, and so does the walk over the files, so that one run names all that
 * is wrong. The caller gets all rules or none.
 */

#include "watch/rule.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/map.h"
#include "watch/rule_extend.h"
#include "watch/rule_text.h"

/* Files being loaded: which they are, and what they hold. */
struct load {
	struct doc **docs; /* owned, each owned */
	size_t docs_n;
	struct text_list files;
	struct problems *problems;
};

/* Complain when a name was there before. 0, -ENOMEM. */
static int check_unique(struct place *place, struct map *names, char *name, const char *member,
			const char *where)
{
	char shown[SHOWN_MAX];
	int r;

	if (name == NULL)
		return 0;
	r = map_put(names, name, name);
	if (r != -EEXIST)
		return r;
	place_complain(place, member, "'%s' is there twice in this %s", problem_shown(shown, name),
		       where);
	return 0;
}

/* Those of the group that the rule has not. 0, also with a complaint; -ENOMEM. */
static int add_labels(struct place *place, const struct labels *labels, struct rule_text *rule)
{
	int r = 0;

	for (size_t i = 0; i < labels->n && r == 0; i++) {
		if (labels_get(&rule->labels, labels->items[i].name) == NULL)
			r = labels_set(&rule->labels, labels->items[i].name,
				       labels->items[i].value);
	}
	if (r == -E2BIG)
		place_complain(place, "labels", "more than %d labels with those of the group",
			       LABELS_MAX);
	return r == -ENOMEM ? r : 0;
}

static int convert_rules(struct place *place, struct group_text *text, struct rule_group *group)
{
	struct rule_text *items = text->rules.items;
	bool labels_ok = !place->wrong;
	struct map names;
	int r = 0;

	if (text->rules.n == 0)
		return 0;
	group->rules = calloc(text->rules.n, sizeof(*group->rules));
	if (group->rules == NULL)
		return -ENOMEM;
	map_init(&names);
	for (size_t i = 0; i < text->rules.n && r == 0; i++) {
		struct place at = *place;

		snprintf(at.path + strlen(at.path), sizeof(at.path) - strlen(at.path),
			 ".rules[%zu]", i);
		group->rules_n++;
		r = labels_ok ? add_labels(&at, &text->labels, &items[i]) : 0;
		if (r == 0)
			r = rule_convert(&at, &items[i], &group->rules[i]);
		if (r == 0)
			r = check_unique(&at, &names, group->rules[i].name, "alert", "group");
		place->wrong |= at.wrong;
	}
	map_fini(&names);
	return r;
}

static int convert_group(struct place *place, struct group_text *text, struct rule_group *group,
			 uint64_t default_interval_ns)
{
	group->file = strdup(place->doc->file);
	if (group->file == NULL)
		return -ENOMEM;
	group->interval_ns = text->has_interval ? text->interval_ns : default_interval_ns;
	group->limit = text->limit;
	group->name = text->name;
	text->name = NULL;
	rule_check_labels(place, &text->labels, false);
	return convert_rules(place, text, group);
}

/* Room for n more groups, zeroed. */
static int reserve_groups(struct rules *rules, size_t n)
{
	struct rule_group *groups;

	if (n == 0)
		return 0;
	groups = reallocarray(rules->groups, rules->groups_n + n, sizeof(*groups));
	if (groups == NULL)
		return -ENOMEM;
	memset(groups + rules->groups_n, 0, n * sizeof(*groups));
	rules->groups = groups;
	return 0;
}

/* They are checked as rules are, and then nobody needs them any more. */
static int check_presets(const struct doc *doc, struct file_text *text, struct problems *problems,
			 bool *wrong)
{
	struct rule_text *items = text->presets.items;
	struct rule *presets = calloc(text->presets.n + 1, sizeof(*presets));
	struct map names;
	int r = presets != NULL ? 0 : -ENOMEM;

	map_init(&names);
	for (size_t i = 0; i < text->presets.n && r == 0; i++) {
		struct place at = { .doc = doc, .problems = problems };

		snprintf(at.path, sizeof(at.path), "presets[%zu]", i);
		r = rule_convert(&at, &items[i], &presets[i]);
		if (r == 0)
			r = check_unique(&at, &names, presets[i].name, "alert", "file");
		*wrong |= at.wrong;
	}
	map_fini(&names);
	for (size_t i = 0; presets != NULL && i < text->presets.n; i++)
		rule_fini(&presets[i]);
	free(presets);
	return r;
}

static int convert_file(struct rules *rules, const struct doc *doc, struct file_text *text,
			uint64_t default_interval_ns, struct problems *problems)
{
	struct group_text *items = text->groups.items;
	struct map names;
	bool wrong = false;
	int r;

	r = reserve_groups(rules, text->groups.n);
	map_init(&names);
	for (size_t i = 0; i < text->groups.n && r == 0; i++) {
		struct rule_group *group = &rules->groups[rules->groups_n++];
		struct place at = { .doc = doc, .problems = problems };

		snprintf(at.path, sizeof(at.path), "groups[%zu]", i);
		r = convert_group(&at, &items[i], group, default_interval_ns);
		if (r == 0)
			r = check_unique(&at, &names, group->name, "name", "file");
		wrong |= at.wrong;
	}
	map_fini(&names);
	if (r == 0)
		r = check_presets(doc, text, problems, &wrong);
	return r == 0 && wrong ? -EINVAL : r;
}

static int convert_doc(struct rules *rules, const struct doc *doc, uint64_t default_interval_ns,
		       struct problems *problems)
{
	struct file_text text = { 0 };
	int loaded, r;

	loaded = options_load(rule_file_options, doc, &doc->root, "", &text, problems);
	r = loaded == -ENOMEM ? loaded
			      : convert_file(rules, doc, &text, default_interval_ns, problems);
	options_fini(rule_file_options, &text);
	return r < 0 ? r : loaded;
}

/* All of them, after what extends other rules is whole. */
static int convert_docs(struct rules *rules, struct doc *const *docs, size_t n,
			uint64_t default_interval_ns, struct problems *problems)
{
	size_t before = problems->n;
	bool more = problems->more;
	struct rule_extensions extensions;
	int r = rules_extend(docs, n, problems, &extensions);

	for (size_t i = 0; i < n && r != -ENOMEM; i++)
		r = convert_doc(rules, docs[i], default_interval_ns, problems);
	rule_extensions_fini(&extensions);
	if (r != -ENOMEM && (problems->n > before || problems->more != more))
		r = -EINVAL;
	return r;
}

int rules_parse(struct rules *rules, const char *text, size_t size, const char *file,
		uint64_t default_interval_ns, struct problems *problems)
{
	struct doc *doc;
	int r;

	r = doc_parse(&doc, text, size, file, problems);
	if (r < 0)
		return r;
	r = convert_docs(rules, &doc, 1, default_interval_ns, problems);
	doc_free(doc);
	return r;
}

/* ---- files ---- */

static bool is_loaded(const struct load *load, const char *file)
{
	for (size_t i = 0; i < load->files.n; i++) {
		if (strcmp(load->files.items[i], file) == 0)
			return true;
	}
	return false;
}

static int add_doc(struct load *load, struct doc *doc)
{
	struct doc **docs = reallocarray(load->docs, load->docs_n + 1, sizeof(struct doc *));

	if (docs == NULL) {
		doc_free(doc);
		return -ENOMEM;
	}
	docs[load->docs_n++] = doc;
	load->docs = docs;
	return 0;
}

/* 0, also with complaints; -ENOMEM. */
static int load_file(struct load *load, const char *file)
{
	struct doc *doc;
	int r;

	if (is_loaded(load, file))
		return 0;
	if (load->files.n == RULE_FILES_MAX) {
		problems_add(load->problems, file, 0, 0, NULL, "more than %d rule files",
			     RULE_FILES_MAX);
		return 0;
	}
	r = text_list_add(&load->files, file);
	if (r < 0)
		return r;
	r = doc_load(&doc, file, load->problems);
	if (r == 0)
		r = add_doc(load, doc);
	return r == -ENOMEM ? r : 0;
}

static int load_matches(struct load *load, const char *pattern)
{
	glob_t matches = { 0 };
	int r;

	r = glob(pattern, 0, NULL, &matches);
	if (r == GLOB_NOSPACE) {
		r = -ENOMEM;
	} else if (r == GLOB_ABORTED) {
		problems_add(load->problems, pattern, 0, 0, NULL, "cannot be listed");
		r = 0;
	} else if (r == GLOB_NOMATCH) {
		r = 0;
	}
	for (size_t i = 0; i < matches.gl_pathc && r == 0; i++)
		r = load_file(load, matches.gl_pathv[i]);
	globfree(&matches);
	return r;
}

static int load_all(struct load *load, const struct text_list *patterns)
{
	int r = 0;

	for (size_t i = 0; i < patterns->n && r == 0; i++) {
		const char *pattern = patterns->items[i];

		r = strpbrk(pattern, "*?[") ? load_matches(load, pattern)
					    : load_file(load, pattern);
	}
	return r;
}

static void load_fini(struct load *load)
{
	for (size_t i = 0; i < load->docs_n; i++)
		doc_free(load->docs[i]);
	free(load->docs);
	text_list_fini(&load->files);
}

int rules_load(struct rules **ret, const struct text_list *patterns, uint64_t default_interval_ns,
	       struct problems *problems)
{
	struct load load = { .problems = problems };
	struct rules *rules = calloc(1, sizeof(*rules));
	size_t before = problems->n;
	bool more = problems->more;
	int r;

	if (rules == NULL)
		return -ENOMEM;
	r = load_all(&load, patterns);
	if (r == 0)
		r = convert_docs(rules, load.docs, load.docs_n, default_interval_ns, problems);
	if (r == 0 && (problems->n > before || problems->more != more))
		r = -EINVAL;
	load_fini(&load);
	if (r < 0)
		rules_free(rules);
	else
		*ret = rules;
	return r;
}

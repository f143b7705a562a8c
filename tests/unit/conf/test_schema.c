/* The whole configuration: defaults, files, flags, paths, and the shipped file against the table.
 */

#include "schema.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

static char folder[PATH_MAX];
static struct problems problems;

static void setup(void)
{
	char template[] = "/tmp/schema.XXXXXX";

	cr_assert_not_null(mkdtemp(template));
	cr_assert_not_null(realpath(template, folder));
	cr_assert_eq(chdir(folder), 0);
	unsetenv("STATE_DIRECTORY");
	problems_init(&problems);
}

static void teardown(void)
{
	problems_fini(&problems);
	unlink("c.yaml");
	unlink("sub/c.yaml");
	rmdir("sub");
	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(rmdir(folder), 0);
}

TestSuite(schema, .init = setup, .fini = teardown);

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file, "%s", path);
	fputs(text, file);
	cr_assert_eq(fclose(file), 0);
}

static struct settings *load(const struct flags *flags)
{
	struct settings *settings = NULL;

	cr_assert_eq(settings_load(&settings, flags, &problems), 0, "%s",
		     problems.n ? problems.items[0].text : "no reason");
	cr_assert_eq(problems.n, 0);
	return settings;
}

static struct settings *load_text(const char *text)
{
	const struct flags flags = { .config_file = "c.yaml" };

	write_file("c.yaml", text);
	return load(&flags);
}

Test(schema, defaults)
{
	struct settings *settings = load_text("");

	cr_assert_eq(settings->log.level, LEVEL_INFO);
	cr_assert_eq(settings->log.format, LOG_LOGFMT);
	cr_assert_str_eq(settings->storage.path, "data");
	cr_assert_eq(settings->web.listen_addresses.n, 1);
	cr_assert_str_eq(settings->web.listen_addresses.items[0], "127.0.0.1:19229");
	cr_assert_not(settings->web.enable_lifecycle);
	cr_assert_not(settings->web.allow_remote);
	cr_assert_eq(settings->watch.poll.interval_ns, 5 * NS_PER_S);
	cr_assert_eq(settings->watch.poll.policy, POLICY_AUTO);
	cr_assert_eq(settings->watch.poll.evaluate, EVALUATE_ALWAYS);
	cr_assert_eq(settings->watch.targets.n, 0);
	cr_assert_eq(settings->watch.targets_max, 10000);
	cr_assert_eq(settings->capture.idle_timeout_ns, 600 * NS_PER_S);
	cr_assert_eq(settings->capture.file_max_bytes, 16ull << 30);
	cr_assert_eq(settings->spool.max_files, 200);
	settings_free(settings);
}

Test(schema, without_a_named_file_the_default_one_counts_if_it_is_there)
{
	const struct flags none = { 0 }, named = { .config_file = CONFIG_FILE_DEFAULT };
	bool there = access(CONFIG_FILE_DEFAULT, F_OK) == 0;
	struct settings *got = NULL, *wanted = NULL;
	int r = settings_load(&got, &none, &problems);

	if (!there)
		wanted = load_text("");
	cr_assert_eq(r, there ? settings_load(&wanted, &named, &problems) : 0);
	cr_assert(!got || options_equal(settings_table, got, wanted));
	settings_free(got);
	settings_free(wanted);
}

Test(schema, a_named_file_must_be_there)
{
	const struct flags flags = { .config_file = "c.yaml" };
	struct settings *settings = NULL;

	cr_assert_eq(settings_load(&settings, &flags, &problems), -ENOENT);
	cr_assert_null(settings);
	cr_assert_str_eq(problems.items[0].text,
			 "c.yaml: cannot be read: No such file or directory");
}

Test(schema, the_words_of_a_level_are_those_of_the_log)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };

	for (int i = 0; i < 4; i++) {
		const struct flags flags = { .config_file = "c.yaml", .log_level = levels[i] };
		enum log_level level;
		struct settings *settings;

		write_file("c.yaml", "log: {format: json}");
		settings = load(&flags);
		cr_assert_eq(log_level_parse(levels[i], &level), 0);
		cr_assert_eq(settings->log.level, (int)level);
		cr_assert_eq(settings->log.format, LOG_JSON);
		settings_free(settings);
	}
}

static void same_path(const char *got, const char *name)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	cr_expect_str_eq(got, path);
}

static const char with_paths[] = "storage: {path: store}\n"
				 "rule_files: [rules.d/*.yaml, /etc/r.yaml]\n"
				 "file_sd_configs: [{files: [t.yaml]}]\n"
				 "http_sd_configs: [{url: 'http://127.0.0.1:1/', "
				 "bearer_token_file: token}]\n";

static void check_paths(const struct settings *settings, const char *in)
{
	const struct file_sd_settings *files = settings->watch.file_sd.items;
	const struct http_sd_settings *urls = settings->watch.http_sd.items;
	char name[64];

	snprintf(name, sizeof(name), "%sstore", in);
	same_path(settings->storage.path, name);
	snprintf(name, sizeof(name), "%srules.d/*.yaml", in);
	same_path(settings->watch.rule_files.items[0], name);
	cr_expect_str_eq(settings->watch.rule_files.items[1], "/etc/r.yaml");
	snprintf(name, sizeof(name), "%st.yaml", in);
	same_path(files[0].files.items[0], name);
	snprintf(name, sizeof(name), "%stoken", in);
	same_path(urls[0].bearer_token_file, name);
}

Test(schema, paths_are_relative_to_the_file)
{
	struct flags flags = { .config_file = "sub/c.yaml" };
	struct settings *settings = load_text(with_paths);
	char path[PATH_MAX + 16];

	check_paths(settings, "");
	settings_free(settings);
	cr_assert_eq(mkdir("sub", 0700), 0);
	write_file("sub/c.yaml", with_paths);
	settings = load(&flags);
	check_paths(settings, "sub/");
	settings_free(settings);
	snprintf(path, sizeof(path), "%s/sub/c.yaml", folder);
	flags.config_file = path;
	cr_assert_eq(chdir("/"), 0);
	settings = load(&flags);
	check_paths(settings, "sub/");
	settings_free(settings);
	cr_assert_eq(chdir(folder), 0);
}

Test(schema, where_captures_are_kept)
{
	struct flags flags = { .config_file = "c.yaml" };
	struct settings *settings;

	setenv("STATE_DIRECTORY", "/var/lib/heapwatch:/var/lib/other", 1);
	settings = load_text("");
	cr_assert_str_eq(settings->storage.path, "/var/lib/heapwatch");
	settings_free(settings);
	settings = load_text("storage: {path: /srv/heap}");
	cr_assert_str_eq(settings->storage.path, "/srv/heap", "the file wins");
	settings_free(settings);
	flags.storage_path = "here";
	settings = load(&flags);
	cr_assert_str_eq(settings->storage.path, "here", "a flag wins, as it stands");
	settings_free(settings);
}

Test(schema, flags_win)
{
	char *listen[] = { "127.0.0.1:1", "127.0.0.1:2" }, *targets[] = { "9230", "unix:/run/x" };
	const struct flags flags = { .config_file = "c.yaml",
				     .log_level = "debug",
				     .log_format = "json",
				     .listen_addresses = { listen, 2 },
				     .targets = { targets, 2 } };
	const struct target_settings *items;
	struct settings *settings;

	write_file("c.yaml", "log: {level: warn}\nweb: {listen_addresses: ['127.0.0.1:3']}\n"
			     "targets: [{address: 9229}]\n");
	settings = load(&flags);
	cr_assert_eq(settings->log.level, LEVEL_DEBUG);
	cr_assert_eq(settings->log.format, LOG_JSON);
	cr_assert_eq(settings->web.listen_addresses.n, 2);
	cr_assert_str_eq(settings->web.listen_addresses.items[1], "127.0.0.1:2");
	items = settings->watch.targets.items;
	cr_assert_eq(settings->watch.targets.n, 3);
	cr_assert_str_eq(items[0].address, "9229");
	cr_assert_str_eq(items[2].address, "unix:/run/x");
	settings_free(settings);
}

Test(schema, flags_are_checked_like_the_file)
{
	char *listen[] = { "nonsense", "0.0.0.0:80" }, *targets[] = { "example.org:1", "99999" };
	const struct flags flags = { .config_file = "c.yaml",
				     .log_level = "inf",
				     .log_format = "xml",
				     .storage_path = "",
				     .listen_addresses = { listen, 2 },
				     .targets = { targets, 2 } };
	struct settings *settings = NULL;
	struct buf buf;

	write_file("c.yaml", "");
	cr_assert_eq(settings_load(&settings, &flags, &problems), -EINVAL);
	buf_init(&buf, 1 << 16);
	problems_print(&problems, &buf);
	cr_assert_str_eq(
		buf_text(&buf),
		"--log.level: 'inf' is not one of debug, info, warn, error (did you mean 'info'?)\n"
		"--log.format: 'xml' is not one of logfmt, json\n"
		"--storage.path: '' is not a text (not empty)\n"
		"--web.listen-address: 'nonsense' is not a listen address (examples: "
		"127.0.0.1:19229, [::1]:19229, :19229, unix:/path)\n"
		"--target: 'example.org' is not a numeric address: inspectors refuse names, write "
		"the IP address\n"
		"--target: '99999' is not a port (1 to 65535)\n");
	buf_fini(&buf);
}

static void refused_by_flags(const char *text, const struct flags *flags, const char *why)
{
	struct settings *settings = NULL;

	write_file("c.yaml", text);
	cr_assert_eq(settings_load(&settings, flags, &problems), -EINVAL);
	cr_assert_eq(problems.n, 1);
	cr_assert_str_eq(problems.items[0].text, why);
}

Test(schema, a_flag_may_not_name_a_target_again)
{
	char *targets[] = { "127.0.0.1:9229" };
	const struct flags flags = { .config_file = "c.yaml", .targets = { targets, 1 } };

	refused_by_flags("targets: [{address: 9229}]\n", &flags,
			 "--target: another target has the name '127.0.0.1:9229' already");
}

Test(schema, a_flag_may_not_listen_to_the_world)
{
	char *listen[] = { "0.0.0.0:80" };
	const struct flags flags = { .config_file = "c.yaml", .listen_addresses = { listen, 1 } };
	struct settings *settings;

	refused_by_flags(
		"", &flags,
		"--web.listen-address: '0.0.0.0:80' is reachable from other machines, and "
		"whoever reaches it can read heap snapshots (give --web.config.file with TLS and "
		"passwords, or set web.allow_remote: true if that is meant)");
	problems_fini(&problems);
	write_file("c.yaml", "web: {allow_remote: true}");
	settings = load(&flags);
	settings_free(settings);
}

Test(schema, what_needs_a_restart)
{
	struct settings *a = load_text("");
	struct settings *b = load_text("storage: {path: /x}\npoll: {interval: 1m}\n"
				       "log: {level: debug}\ncapture: {threads: 3, queue: 3}\n"
				       "web: {enable_lifecycle: true, listen_addresses: [':1'], "
				       "allow_remote: true}\n");
	char names[8][96];

	cr_assert_eq(options_need_restart(settings_table, a, b, names, 8), 3);
	cr_assert_str_eq(names[0], "storage.path");
	cr_assert_str_eq(names[1], "web.listen_addresses");
	cr_assert_str_eq(names[2], "web.allow_remote");
	settings_free(a);
	settings_free(b);
}

/* ---- the shipped file ---- */

static char *shipped(void)
{
	char *text = NULL;
	size_t size;

	cr_assert_eq(file_read(SHIPPED, 1 << 20, &text, &size), 0);
	return text;
}

Test(schema, the_shipped_file_has_the_defaults)
{
	char *text = shipped(), *rules = strstr(text, "\nrule_files: ");
	struct settings *defaults, *settings;

	/* The one thing it sets: the rules beside it. */
	cr_assert_not_null(rules);
	memcpy(rules, "\n#", 2);
	settings = load_text(text);
	defaults = load_text("");
	cr_assert(options_equal(settings_table, settings, defaults));
	settings_free(settings);
	settings_free(defaults);
	free(text);
}

/* "#name:" becomes "name:"; "# prose" stays. */
static void uncomment(char *text)
{
	char *to = text;
	bool start = true;

	for (const char *at = text; *at; at++) {
		bool marked = start && *at == '#' && at[1] != '\n';

		/* "#  path:" is an indented option, by two or four or six; "# Path" is prose. */
		if (marked && strspn(at + 1, " ") % 2 == 0)
			at++;
		*to++ = *at;
		start = *at == '\n';
	}
	*to = '\0';
}

/* Options that exclude each other stand in different items. */
static void some_item_has_every_option(const struct option_desc *table, const struct node *list,
				       const char *path)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		bool found = desc->type == OPTION_INCLUDE;

		for (size_t i = 0; i < list->children_n; i++)
			found |= node_member(&list->children[i], desc->name) != NULL;
		cr_expect(found, "%s[].%s is not in the shipped file", path, desc->name);
	}
}

/* Of two that exclude each other one is enough. */
static bool is_excluded(const struct option_desc *desc, const struct node *node)
{
	return strcmp(desc->name, "basic_auth") == 0 && node_member(node, "authorization") != NULL;
}

/* Every option of the table is a key of the mapping, or of one item of a list. */
static void has_every_option(const struct option_desc *table, const struct node *node,
			     const char *path)
{
	for (const struct option_desc *desc = table; desc->name; desc++) {
		const struct node *member = node_member(node, desc->name);

		if (desc->type == OPTION_INCLUDE) {
			has_every_option(desc->table, node, path);
			continue;
		}
		if (!member && is_excluded(desc, node))
			continue;
		cr_expect_not_null(member, "%s.%s is not in the shipped file", path, desc->name);
		if (!member)
			continue;
		if (desc->type == OPTION_TABLE)
			has_every_option(desc->table, member, desc->name);
		if (desc->type == OPTION_LIST)
			some_item_has_every_option(desc->table, member, desc->name);
	}
}

Test(schema, the_shipped_file_has_every_option)
{
	char *text = shipped();
	struct doc *doc = NULL;
	struct settings *settings;

	uncomment(text);
	settings = load_text(text);
	cr_assert_eq(settings->watch.targets.n, 4);
	settings_free(settings);
	cr_assert_eq(doc_parse(&doc, text, strlen(text), "c.yaml", &problems), 0);
	has_every_option(settings_table, &doc->root, "");
	doc_free(doc);
	free(text);
}

/* ---- printing ---- */

Test(schema, every_option_is_printed_with_help)
{
	struct buf text, page;

	buf_init(&text, 1 << 20);
	buf_init(&page, 1 << 20);
	cr_assert_eq(schema_print_options(&text, false), 0);
	cr_assert_eq(schema_print_options(&page, true), 0);
	cr_assert(strstr(buf_text(&text), "poll.interval  (duration, 100ms to 1d, default 5s)\n"));
	cr_assert(strstr(buf_text(&text), "targets[].address  (text, required)\n"));
	cr_assert(
		strstr(buf_text(&text), "limits.targets  (number, 1 to 100000, default 10000)\n"));
	cr_assert_null(strstr(buf_text(&text), "(null)"));
	cr_assert(strstr(buf_text(&page), "\n## `web`\n"));
	cr_assert(strstr(buf_text(&page), "\n## `file_sd_configs[]`\n"));
	cr_assert(strstr(buf_text(&page),
			 "| `evaluation_interval` | duration, 100ms to 1d | `5s` |"));
	cr_assert_null(strstr(buf_text(&page), "(null)"));
	buf_fini(&text);
	buf_fini(&page);
}

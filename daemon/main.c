/* The command line of heapwatchd, in Prometheus' manner. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon.h"
#include "http/metric_table.h"
#include "http/route.h"
#include "otlp/metric.h"
#include "schema.h"
#include "util/buf.h"

enum { EXIT_USAGE = 2, PRINT_MAX = 1 << 20 };

enum flag {
	FLAG_CONFIG_FILE = 256,
	FLAG_STORAGE_PATH,
	FLAG_LISTEN_ADDRESS,
	FLAG_WEB_CONFIG_FILE,
	FLAG_TARGET,
	FLAG_LOG_LEVEL,
	FLAG_LOG_FORMAT,
	FLAG_CHECK,
	FLAG_OPTIONS,
	FLAG_PRINT,
	FLAG_VERSION,
	FLAG_HELP,
};

static const struct option long_flags[] = {
	{ "config.file", required_argument, NULL, FLAG_CONFIG_FILE },
	{ "storage.path", required_argument, NULL, FLAG_STORAGE_PATH },
	{ "web.listen-address", required_argument, NULL, FLAG_LISTEN_ADDRESS },
	{ "web.config.file", required_argument, NULL, FLAG_WEB_CONFIG_FILE },
	{ "target", required_argument, NULL, FLAG_TARGET },
	{ "log.level", required_argument, NULL, FLAG_LOG_LEVEL },
	{ "log.format", required_argument, NULL, FLAG_LOG_FORMAT },
	{ "check", no_argument, NULL, FLAG_CHECK },
	{ "options", no_argument, NULL, FLAG_OPTIONS },
	{ "print", required_argument, NULL, FLAG_PRINT },
	{ "version", no_argument, NULL, FLAG_VERSION },
	{ "help", no_argument, NULL, FLAG_HELP },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: heapwatchd [flags]\n"
	"\n"
	"Watches the memory of JavaScript programs from outside, over their inspectors.\n"
	"\n"
	"  --config.file=FILE          configuration (default: " CONFIG_FILE_DEFAULT
	", if it exists)\n"
	"  --storage.path=FOLDER       where captures are kept (default: $STATE_DIRECTORY, else "
	"data)\n"
	"  --web.listen-address=ADDR   where to serve metrics and API; may be repeated\n"
	"                              (default: 127.0.0.1:19229; also [::1]:PORT, unix:/PATH)\n"
	"  --web.config.file=FILE      TLS and passwords of that, as the exporters of Prometheus "
	"have it\n"
	"  --target=ADDR               an inspector to watch, as 127.0.0.1:9229; may be repeated\n"
	"  --log.level=LEVEL           debug, info, warn or error (default: info)\n"
	"  --log.format=FORMAT         logfmt or json (default: logfmt)\n"
	"  --check                     check configuration and rules, then exit 0 or 1\n"
	"  --options                   print every option of the configuration file\n"
	"  --print=PAGE                print the page config, metrics or api of the documentation\n"
	"  --version                   print the version\n"
	"  --help                      print this\n"
	"\n"
	"SIGHUP loads the configuration again, all or nothing. SIGTERM and SIGINT end it.\n";

static int add_text(struct text_list *list, char *text)
{
	char **items = realloc(list->items, (list->n + 1) * sizeof(*items));

	if (items == NULL)
		return -1;
	list->items = items;
	list->items[list->n++] = text;
	return 0;
}

static int print_options(struct buf *buf)
{
	return schema_print_options(buf, false);
}

static int print_config(struct buf *buf)
{
	return schema_print_options(buf, true);
}

static int print_text(int (*fn)(struct buf *buf))
{
	struct buf buf;
	int r;

	buf_init(&buf, PRINT_MAX);
	r = fn(&buf);
	if (r == 0)
		fwrite(buf.data, 1, buf.size, stdout);
	buf_fini(&buf);
	return r == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What is served, and what is pushed. */
static int print_metrics(struct buf *buf)
{
	metrics_markdown(buf);
	return otlp_markdown(buf);
}

static int print_page(const char *page)
{
	if (strcmp(page, "config") == 0)
		return print_text(print_config);
	if (strcmp(page, "metrics") == 0)
		return print_text(print_metrics);
	if (strcmp(page, "api") == 0)
		return print_text(routes_markdown);
	fprintf(stderr, "heapwatchd: --print: '%s' is no page (config, metrics, api)\n", page);
	return EXIT_USAGE;
}

static int print_version(void)
{
	printf("heapwatchd %s (revision %s, %s)\n", VERSION, REVISION, __VERSION__);
	return EXIT_SUCCESS;
}

/* What the flags ask for besides running. */
struct wish {
	bool check;
	int done; /* exit status of what has been printed, -1: nothing */
};

static int take_flag(int flag, struct flags *flags, struct wish *wish)
{
	switch (flag) {
	case FLAG_CONFIG_FILE:
		flags->config_file = optarg;
		return 0;
	case FLAG_STORAGE_PATH:
		flags->storage_path = optarg;
		return 0;
	case FLAG_LISTEN_ADDRESS:
		return add_text(&flags->listen_addresses, optarg);
	case FLAG_WEB_CONFIG_FILE:
		flags->web_config_file = optarg;
		return 0;
	case FLAG_TARGET:
		return add_text(&flags->targets, optarg);
	case FLAG_LOG_LEVEL:
		flags->log_level = optarg;
		return 0;
	case FLAG_LOG_FORMAT:
		flags->log_format = optarg;
		return 0;
	case FLAG_CHECK:
		wish->check = true;
		return 0;
	case FLAG_OPTIONS:
		wish->done = print_text(print_options);
		return 0;
	case FLAG_PRINT:
		wish->done = print_page(optarg);
		return 0;
	case FLAG_VERSION:
		wish->done = print_version();
		return 0;
	case FLAG_HELP:
		wish->done = fputs(usage, stdout) < 0;
		return 0;
	default:
		return -1;
	}
}

int main(int argc, char **argv)
{
	struct flags flags = { 0 };
	struct wish wish = { .done = -1 };
	int flag, status;

	while (wish.done < 0 && (flag = getopt_long(argc, argv, "", long_flags, NULL)) >= 0) {
		if (take_flag(flag, &flags, &wish) < 0) {
			fputs("try: heapwatchd --help\n", stderr);
			wish.done = EXIT_USAGE;
		}
	}
	if (wish.done < 0 && optind < argc) {
		fprintf(stderr, "heapwatchd: '%s' is no flag\ntry: heapwatchd --help\n",
			argv[optind]);
		wish.done = EXIT_USAGE;
	}
	if (wish.done >= 0)
		status = wish.done;
	else
		status = wish.check ? daemon_check(&flags) : daemon_main(&flags);
	free(flags.listen_addresses.items);
	free(flags.targets.items);
	return status;
}

/*
 * Where functions and classes are
 */

#include "heap/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "heap/source_map.h"
#include "util/buf.h"

void places_fini(struct places *places)
{
	scripts_fini(&places->scripts);
}

static const char *without_scheme(const char *url)
{
	static const char scheme[] = "file://";

	return strncmp(url, scheme, strlen(scheme)) == 0 ? url + strlen(scheme) : url;
}

/*
 * The list beside the snapshot is of the program's own words; else what the snapshot has. A file is
 * told by its path, whoever tells it.
 */
static void put_url(struct buf *buf, const struct places *places, const struct heap_graph *graph,
		    uint32_t script)
{
	const char *url = scripts_find(&places->scripts, script);

	if (url == NULL)
		url = heap_script_url(graph, script);
	if (url != NULL)
		buf_puts(buf, without_scheme(url));
}

static bool find_source(struct places *places, const char *url, const struct heap_place *place,
			struct source_place *ret)
{
	const struct source_map *map =
		places->find_map != NULL
			? places->find_map(places->owner, url,
					   scripts_find_map(&places->scripts, place->script))
			: NULL;

	return map != NULL && source_map_find(map, place->line, place->column, ret);
}

void places_put_at(struct buf *buf, struct places *places, const char *url,
		   const struct heap_place *place)
{
	struct source_place source;
	bool found;

	url = without_scheme(url);
	found = find_source(places, url, place, &source);
	buf_printf(buf, "%s:%" PRIu64, found ? source.source : url,
		   (uint64_t)(found ? source.line : place->line) + 1);
}

static void put(struct buf *buf, struct places *places, const struct heap_graph *graph,
		const struct heap_place *place)
{
	struct buf url;

	buf_init(&url, SIZE_MAX / 2);
	put_url(&url, places, graph, place->script);
	if (url.size > 0 && buf_text(&url) != NULL)
		places_put_at(buf, places, buf_text(&url), place);
	buf_fini(&url);
}

static const struct heap_place *place_of(const struct heap_graph *graph, uint32_t node)
{
	return graph->place != NULL && graph->place[node] > 0
		       ? &graph->places[graph->place[node] - 1]
		       : NULL;
}

void places_put(struct buf *buf, struct places *places, const struct heap_graph *graph,
		uint32_t node)
{
	const struct heap_place *place = place_of(graph, node);

	if (place != NULL)
		put(buf, places, graph, place);
}

void places_put_class(struct buf *buf, struct places *places, const struct heap_graph *graph,
		      const struct heap_class *class)
{
	struct heap_place place;

	if (sscanf(class->key, "%" SCNu32 ",%" SCNu32 ",%" SCNu32 ",", &place.script, &place.line,
		   &place.column) == 3)
		put(buf, places, graph, &place);
}

void places_put_name(struct buf *buf, struct places *places, const struct heap_graph *graph,
		     uint32_t node)
{
	const struct heap_place *place = place_of(graph, node);
	struct source_place source;
	struct buf url;

	buf_init(&url, SIZE_MAX / 2);
	if (place != NULL)
		put_url(&url, places, graph, place->script);
	if (url.size > 0 && buf_text(&url) != NULL &&
	    find_source(places, buf_text(&url), place, &source) && source.name != NULL)
		buf_puts(buf, source.name);
	buf_fini(&url);
}

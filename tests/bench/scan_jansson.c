/*
 * The other side of the comparison: a whole tree, built and freed.
 */

#include "scan_jansson.h"

#include <jansson.h>

bool scan_jansson(const char *data, size_t size)
{
	json_t *root = json_loadb(data, size, 0, NULL);

	json_decref(root);
	return root != NULL;
}

"""Small texts with the form of a V8 heap snapshot, as large as wanted and hard to compress."""

import json

META = {
    "node_fields": ["type", "name", "id", "self_size", "edge_count", "trace_node_id",
                    "detachedness"],
    "node_types": [["hidden", "array", "string", "object", "code", "closure", "regexp", "number",
                    "native", "synthetic", "concatenated string", "sliced string", "symbol",
                    "bigint", "object shape"],
                   "string", "number", "number", "number", "number", "number"],
    "edge_fields": ["type", "name_or_index", "to_node"],
    "edge_types": [["context", "element", "property", "internal", "hidden", "shortcut", "weak"],
                   "string_or_number", "node"],
    "trace_function_info_fields": ["function_id", "name", "script_name", "script_id", "line",
                                   "column"],
    "trace_node_fields": ["id", "function_info_index", "count", "size", "children"],
    "sample_fields": ["timestamp_us", "last_assigned_id"],
    "location_fields": ["object_index", "script_id", "line", "column"],
}
STRING, OBJECT, SYNTHETIC, PROPERTY = 2, 3, 9, 2
TEXT_CHARACTERS = 200


def write(path, size_bytes, dice):
    """One root that holds strings by properties."""
    count = max(1, size_bytes // (TEXT_CHARACTERS + 70))
    strings = ["", "(root)", "value"]
    nodes, edges = [SYNTHETIC, 1, 1, 0, count, 0, 0], []
    for i in range(count):
        strings.append(dice.randbytes(TEXT_CHARACTERS // 2).hex())
        nodes += [STRING, len(strings) - 1, 2 * i + 3, TEXT_CHARACTERS, 0, 0, 0]
        edges += [PROPERTY, 2, 7 * (i + 1)]
    path.write_text(json.dumps({
        "snapshot": {"meta": META, "node_count": count + 1, "edge_count": count,
                     "trace_function_count": 0},
        "nodes": nodes, "edges": edges, "trace_function_infos": [], "trace_tree": [],
        "samples": [], "locations": [], "strings": strings}, separators=(",", ":")))
    return path
